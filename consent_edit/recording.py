"""What is written down of a decision: the private record, the leaf, and each depicted person's part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from consent_edit.assembly import Assembled
from consent_edit.encoding import JsonValue
from consent_edit.evidence.log import (
    Depicted,
    Event,
    SaltedLeaf,
    draft_leaf,
    log_admission,
    log_refusal,
)
from consent_edit.operator import Operator
from consent_edit.policy.decision import Decision
from consent_edit.policy.shadow import Overheard
from consent_edit.remedies.kinds import Remedy

LOST: Final = "check.edit-lost"
"""Code of the break that is written of an edit whose process ended before it did."""


def write_admission(operator: Operator, decision_id: str, admitted: Decision) -> None:
    """Write down that an edit is admitted, and what its break reads should its process end without a word.

    Args:
        decision_id: The name that the record which ends the edit will bear.

    Raises:
        CheckFailed: ``check.record``: a value is not of its form.
        StoreUnavailable: it could not be written; nothing may run.
    """
    draft = _draft(operator, Event.REFUSAL, decision_id, admitted, (LOST,), {})
    log_admission(operator.store, record=_broken(admitted, LOST, ()), draft=draft)


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
    *,
    closes: bool = False,
) -> None:
    """Write down a decision by which nothing leaves: no use is counted, no proof spent.

    Args:
        event: A refusal, or an assessment of what would have been decided.
        closes: Whether it ends the admitted edit of that name.

    Raises:
        StoreUnavailable: it could not be written; ``check.edit-closed``: the edit is not open any more.
    """
    draft = _draft(operator, event, decision_id, decision, decision.public_codes, {})
    record = record_of(event, decision, shadows, assembled.remedies)
    log_refusal(operator.store, people=people(assembled), record=record, draft=draft, closes=closes)


def write_break(
    operator: Operator, decision_id: str, admitted: Decision, code: str, shadows: Overheard
) -> None:
    """Write down that an admitted edit broke off, which ends it.

    Raises:
        StoreUnavailable: as :func:`write_unreleased`.
    """
    draft = _draft(operator, Event.REFUSAL, decision_id, admitted, (code,), {})
    log_refusal(operator.store, people=(), record=_broken(admitted, code, shadows), draft=draft, closes=True)


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


def record_of(
    event: Event, decision: Decision, shadows: Overheard, remedies: Sequence[Remedy] = ()
) -> dict[str, JsonValue]:
    """What the store keeps of a decision; :meth:`Operator.decision` reads it back.

    Args:
        shadows: What the shadows said; in the record and nowhere else (G7).
        remedies: What was carried out on request.
    """
    return {
        "event": event.value,
        "stage": decision.stage.value,
        "decision": decision.to_record(),
        "shadows": list(shadows),
        "remedies": [remedy.value for remedy in remedies],
    }


def _broken(admitted: Decision, code: str, shadows: Overheard) -> dict[str, JsonValue]:
    return {**record_of(Event.REFUSAL, admitted, shadows), "broke_off": code}


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
