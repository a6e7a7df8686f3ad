"""What is written down of a decision: the private record, the leaf, and each depicted person's part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consent_edit.assembly import Assembled
from consent_edit.encoding import JsonValue
from consent_edit.evidence.log import Depicted, Event, SaltedLeaf, draft_leaf, log_refusal
from consent_edit.operator import Operator
from consent_edit.policy.decision import Decision
from consent_edit.policy.shadow import Overheard


def draft_release(
    operator: Operator, decision_id: str, decision: Decision, subjects: Mapping[str, str]
) -> SaltedLeaf:
    """The leaf of a release, not yet written.

    Args:
        subjects: Field name -> digest or use id, to be committed to.

    Raises:
        CheckFailed: ``check.record``: a value is not of its form.
    """
    return _draft(operator, Event.RELEASE, decision_id, decision, (), subjects)


def write_unreleased(
    operator: Operator,
    event: Event,
    decision_id: str,
    decision: Decision,
    assembled: Assembled,
    shadows: Overheard,
) -> None:
    """Write down a decision by which nothing leaves: no use is counted, no proof spent.

    Args:
        event: A refusal, or an assessment of what would have been decided.

    Raises:
        StoreUnavailable: it could not be written.
    """
    draft = _draft(operator, event, decision_id, decision, decision.public_codes, {})
    record = record_of(event, decision, shadows)
    log_refusal(operator.store, people=people(assembled), record=record, draft=draft)


def write_break(
    operator: Operator, decision_id: str, admitted: Decision, code: str, shadows: Overheard
) -> None:
    """Write down that an admitted edit broke off.

    Raises:
        StoreUnavailable: it could not be written.
    """
    draft = _draft(operator, Event.REFUSAL, decision_id, admitted, (code,), {})
    record = {**record_of(Event.REFUSAL, admitted, shadows), "broke_off": code}
    log_refusal(operator.store, people=(), record=record, draft=draft)


def people(assembled: Assembled) -> tuple[Depicted, ...]:
    """What each person whose consent the decision rests on may read of it."""
    facts = assembled.facts
    return tuple(
        Depicted(
            subject=consent.subject,
            field=f"grant.{number}",
            entry={
                "stage": facts.stage.value,
                "operations": sorted(facts.operations),
                "grant": consent.grant_id,
                "issuer": consent.issuer,
            },
        )
        for number, consent in enumerate(assembled.consents)
    )


def record_of(event: Event, decision: Decision, shadows: Overheard) -> dict[str, JsonValue]:
    """What the store keeps of a decision; :meth:`Operator.decision` reads it back.

    Args:
        shadows: What the shadows said; in the record and nowhere else (G7).
    """
    return {
        "event": event.value,
        "stage": decision.stage.value,
        "decision": decision.to_record(),
        "shadows": list(shadows),
    }


def _draft(
    operator: Operator,
    event: Event,
    decision_id: str,
    decision: Decision,
    codes: Sequence[str],
    subjects: Mapping[str, str],
) -> SaltedLeaf:
    return draft_leaf(
        event=event,
        time=operator.clock(),
        decision_id=decision_id,
        codes=codes,
        subjects=subjects,
        checks=decision.effective_checks,
        policy_digest=decision.policy_digest,
        floor_digest=decision.floor_digest,
    )
