"""decide(): facts and an operator's policy in, a decision out; the floor first, the meet over every person.

The order of a decision:

1. The floor judges the facts (floor.py). Nothing below can take a finding of its away.
2. Every recognisable face without consent that counts gets its exact consent code.
3. The operator's rules judge every person, ``unseen`` included (bundle.py).
4. The operator's restrictions, which are code, are asked (restriction.py); they can only add refusals.
5. Checks that gave no answer are named.
6. For a refusal, 1 to 4 are done again on the facts the requester may know (public.py).

Whatever goes wrong on the way refuses: ``decide`` returns a refusal and never raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import (
    ASSURANCE_INSUFFICIENT,
    ENGINE_FAILED,
    RuleText,
    consent_code,
    ordered,
)
from consent_edit.policy.digests import check_pins, floor_digest, mirror_digest
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import FloorRule, consent_counts, judge, recognisable_face
from consent_edit.policy.outcome import Decision, Finding, freeze_checks, meet
from consent_edit.policy.public import (
    RequesterView,
    public_codes,
    public_persons,
    public_view,
    strangers,
)
from consent_edit.policy.record import malformed
from consent_edit.policy.restriction import Restriction, consult
from consent_edit.vocabulary import (
    Age,
    Assurance,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    NamedPerson,
    PersonKind,
    PhotoBinding,
    Recognisable,
    Stage,
)

__all__ = [
    "Decision",
    "Finding",
    "RequesterView",
    "again",
    "decide",
    "meet",
    "public_view",
    "replay",
]

_INCOMPLETE: Final = FloorRule.CHECKS_INCOMPLETE.value
_UNANSWERED: Final = (_INCOMPLETE, ENGINE_FAILED)

_NOTHING_KNOWN: Final = Facts(
    stage=Stage.REQUEST,
    persons=(
        PersonFacts(
            kind=PersonKind.UNSEEN,
            recognisable=Recognisable.NO,
            consent=ConsentStatus.ABSENT,
            assurance=Assurance.NONE,
            age=Age.UNDETERMINED,
            exposure=Exposure.UNDETERMINED,
            exposure_change=ExposureChange.UNDETERMINED,
            intent=Intent.UNDETERMINED,
            photo=PhotoBinding.NONE,
            granted=frozenset(),
            touched=frozenset(),
            identity_kept=IdentityKept.UNDETERMINED,
            named_person=NamedPerson.UNCOVERED,
        ),
    ),
    operations=frozenset(),
    checks=Checks.INCOMPLETE,
    environment=Environment.PRODUCTION,
)
"""What is recorded in place of facts that are none."""


def _consent_findings(facts: Facts) -> list[Finding]:
    """The exact consent code of every recognisable face whose consent does not count."""
    return [
        Finding(
            ASSURANCE_INSUFFICIENT
            if person.consent is ConsentStatus.VERIFIED
            else consent_code(person.consent),
            index,
        )
        for index, person in enumerate(facts.persons)
        if recognisable_face(person) and not consent_counts(person, facts.environment)
    ]


def _house_findings(facts: Facts) -> tuple[Finding, ...]:
    """Steps 1 and 2: what is found without asking the operator's policy."""
    found = [Finding(finding.rule.value, finding.person) for finding in judge(facts)]
    return (*found, *_consent_findings(facts))


@dataclass(frozen=True, slots=True)
class _Judged:
    """Steps 1 to 4 on some facts: findings, codes that fell on nobody, and what failed if something did."""

    findings: tuple[Finding, ...]
    also: tuple[str, ...] = ()
    fault: str = ""
    texts: tuple[RuleText, ...] = ()

    def codes(self, failed: tuple[str, ...]) -> tuple[str, ...]:
        return ordered((*(finding.code for finding in self.findings), *self.also, *failed))


def _judged(facts: Facts, bundle: PolicyBundle, restrictions: Sequence[Restriction]) -> _Judged:
    """Steps 1 to 4; a policy engine without a clean answer is a finding too."""
    house = _house_findings(facts)
    try:
        refused = [Finding(code, person) for code, person in bundle.refusals(facts)]
    except Exception as error:  # noqa: BLE001 - G4: no answer of the engine's refuses
        return _Judged(house, _UNANSWERED, type(error).__name__)
    if not restrictions:
        return _Judged((*house, *refused))
    asked = consult(restrictions, facts)
    added = [Finding(code, person) for code, person in asked.refusals]
    also = (_INCOMPLETE, *asked.failed) if asked.failed else ()
    return _Judged((*house, *refused, *added), also, asked.fault, asked.texts)


def _decide(
    facts: Facts,
    bundle: PolicyBundle,
    restrictions: Sequence[Restriction],
    failed_checks: tuple[str, ...],
    effective_checks: Sequence[Mapping[str, object]],
) -> Decision:
    """The six steps; raises where ``decide`` refuses."""
    check_pins()
    failed = (_INCOMPLETE, *failed_checks) if failed_checks else ()
    judged = _judged(facts, bundle, restrictions)
    codes = judged.codes(failed)
    shown: tuple[str, ...] = ()
    asked: tuple[int, ...] = ()
    texts: tuple[RuleText, ...] = ()
    if codes:
        known = strangers(facts)
        public = _judged(known, bundle, restrictions)
        shown = public_codes(public.codes(failed))
        asked = public_persons(known, public.findings)
        said = dict.fromkeys((*bundle.texts, *judged.texts, *public.texts))
        texts = tuple(rule for rule in said if rule.code in {*codes, *shown})
    return Decision(
        facts=facts,
        codes=codes,
        findings=judged.findings,
        public_codes=shown,
        public_persons=asked,
        policy=bundle.name,
        policy_digest=bundle.digest,
        floor_digest=floor_digest(),
        mirror_digest=mirror_digest(),
        restrictions=tuple(restriction.name for restriction in restrictions),
        effective_checks=freeze_checks(effective_checks),
        texts=texts,
        fault=judged.fault,
    )


def _undecided(facts: object, bundle: object, error: Exception) -> Decision:
    """The refusal for a decision that could not be taken, with the floor's findings if it could still judge.

    It relies on nothing that may have failed: the policy, the checks handed in, or the facts.
    """
    known = facts if isinstance(facts, Facts) else _NOTHING_KNOWN
    try:
        findings, public = _house_findings(known), _house_findings(strangers(known))
    except Exception:  # noqa: BLE001 - G4: facts that cannot be judged are no reason to say nothing
        findings, public = (), ()
    return Decision(
        facts=known,
        codes=ordered((*(finding.code for finding in findings), *_UNANSWERED)),
        findings=findings,
        public_codes=public_codes((*(finding.code for finding in public), *_UNANSWERED)),
        public_persons=public_persons(known, public),
        policy=bundle.name if isinstance(bundle, PolicyBundle) else "",
        policy_digest=bundle.digest if isinstance(bundle, PolicyBundle) else "",
        floor_digest=floor_digest(),
        mirror_digest=mirror_digest(),
        fault=type(error).__name__,
    )


def decide(
    facts: Facts,
    bundle: PolicyBundle,
    *,
    restrictions: Sequence[Restriction] = (),
    failed_checks: tuple[str, ...] = (),
    effective_checks: Sequence[Mapping[str, object]] = (),
) -> Decision:
    """Decide on one request at one stage.

    Args:
        facts: All persons, ``unseen`` last.
        bundle: The operator's policy; it can only narrow.
        restrictions: Plug-ins of the operator's; they can only narrow further.
        failed_checks: ``check.*`` codes of the checks without an answer; any of them refuses.
        effective_checks: The checks as they ran, as plain JSON objects, for the record.

    Returns:
        The decision. Never an exception: whatever goes wrong is a refusal that reads
        ``floor.checks-incomplete`` and ``check.policy-engine-failed``.
    """
    try:
        return _decide(facts, bundle, tuple(restrictions), failed_checks, effective_checks)
    except Exception as error:  # noqa: BLE001 - G4: a decision that cannot be taken is a refusal
        return _undecided(facts, bundle, error)


def replay(record: object, bundle: PolicyBundle) -> Decision:
    """Decide again on recorded facts (G9): with the recorded policy, or with another before it is rolled out.

    Args:
        record: From ``Decision.to_record``. The record of a meet is replayed part by part, every part with
            ``bundle``; to replay it with the policies of its own, replay ``record["met"]`` one by one. What
            a restriction said then, it says again.
        bundle: The policy to decide with.

    Raises:
        InputError: the record is malformed.
    """
    return again(Decision.from_record(record), bundle)


def again(then: Decision, bundle: PolicyBundle) -> Decision:
    """Decide again on a decision's own facts, under another policy; as :func:`replay`, without the record.

    Raises:
        InputError: it was read from a record that no decision of ours gives.
    """
    if then.met:
        parts = [again(part, bundle) for part in then.met]
        whole = parts[0]
        try:
            for part in parts[1:]:
                whole = meet(whole, part)
        except ValueError as error:
            raise malformed(str(error)) from error
        return whole
    return decide(
        then.facts,
        bundle,
        restrictions=tuple(_recorded(then, name) for name in then.restrictions),
        failed_checks=tuple(
            code for code in then.codes if code.startswith("check.") and code != ENGINE_FAILED
        ),
        effective_checks=then.effective_checks,
    )


def _recorded(then: Decision, name: str) -> Restriction:
    """A restriction that says what it said then; its code is no part of a record."""
    said = Restriction(name=name, reason=name, refuses=lambda facts: ())
    refused = tuple(found.person for found in then.findings if found.code == said.code)
    words = next((rule for rule in then.texts if rule.code == said.code), said.text)
    return Restriction(
        name=name,
        refuses=lambda facts: refused,
        reason=words.reason,
        reason_fr=words.reason_fr,
        remedy=words.remedy,
        remedy_fr=words.remedy_fr,
    )
