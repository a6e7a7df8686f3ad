"""What the requester may read of a refusal: which box needs consent and what to do, and no more (G7).

The exact reason of a refusal can give a person away: that she is enrolled, withdrew, is a minor by her
credential, or consented to somebody else. Hiding consent codes is not enough, since other rules, the
operator's among them, read the same facts. So what the requester reads is not filtered out of the real
decision but decided anew, on facts in which everybody without consent that counts looks like a stranger: no
consent, no assurance, no age, no grant, no template to be compared with. Two people who differ only in these
then give one and the same view, whatever the rules are, and even if one of them fails. Facts of somebody
whose consent does count stay: the requester presented her grant.

Floor, check and policy codes of that second decision pass through; every consent code reads
``consent.required``. One thing remains, and is the operator's own doing: a rule that refuses known people
where it permits strangers. Then the requester reads ``policy.not-permitted``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from consent_edit.errors import ArgumentRejected
from consent_edit.policy import wording
from consent_edit.policy.codes import CONSENT_REQUIRED, NOT_PERMITTED, family, ordered
from consent_edit.policy.explain import Language, remedies, sentences
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import FloorRule, consent_counts, recognisable_face
from consent_edit.policy.outcome import Decision, Finding
from consent_edit.vocabulary import (
    Age,
    Assurance,
    ConsentStatus,
    IdentityKept,
    PersonKind,
    PhotoBinding,
    Stage,
)

Box = tuple[int, int, int, int]

_ASKS_CONSENT: Final = frozenset({FloorRule.CONSENT_REQUIRED.value, FloorRule.PHOTO_REQUIRED.value})


_BEFORE_THE_EDIT: Final = frozenset({"anonymise", "crop"})
_AFTER_THE_EDIT: Final = "preserve"


@dataclass(frozen=True, slots=True)
class RequesterView:
    """A refusal as the requester reads it.

    Attributes:
        message: What happened, in sentences; empty when the edit was allowed.
        codes: Public codes; empty when the edit was allowed.
        boxes: Boxes (left, top, width, height in pixels) of the faces whose people must be asked.
        remedies: What to do next, a sentence each.
        pictures: Per box, the name of the picture it lies in.
    """

    message: str
    codes: tuple[str, ...]
    boxes: tuple[Box, ...]
    remedies: tuple[str, ...]
    pictures: tuple[str, ...] = ()


def _as_stranger(person: PersonFacts) -> PersonFacts:
    """The person with everything taken away that only her credential or grant could have told.

    Whoever nobody found is compared with no template, so her identity tells nothing and stays as it is.
    """
    unseen = person.kind is PersonKind.UNSEEN
    return replace(
        person,
        consent=ConsentStatus.ABSENT,
        assurance=Assurance.NONE,
        age=Age.UNDETERMINED,
        photo=PhotoBinding.NONE,
        granted=frozenset(),
        identity_kept=person.identity_kept if unseen else IdentityKept.UNDETERMINED,
    )


def strangers(facts: Facts) -> Facts:
    """The facts with everybody whose consent does not count made a stranger."""
    persons = tuple(
        person if consent_counts(person, facts.environment) else _as_stranger(person)
        for person in facts.persons
    )
    return replace(facts, persons=persons)


def public_codes(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Codes of the decision on :func:`strangers`, as the requester reads them; never empty."""
    told = (CONSENT_REQUIRED if family(code) == "consent" else code for code in codes)
    return ordered(told) or (NOT_PERMITTED,)


def public_persons(facts: Facts, findings: tuple[Finding, ...]) -> tuple[int, ...]:
    """Indices of the recognisable faces whose people must be asked, for consent or for one for this photo."""
    asked = {finding.person for finding in findings if finding.code in _ASKS_CONSENT}
    return tuple(sorted(index for index in asked if recognisable_face(facts.persons[index])))


def _proposed(decision: Decision, language: Language, tried: Collection[str]) -> tuple[str, ...]:
    """What could be asked for so that fewer people's consent is needed; from public facts alone."""
    facts, codes = strangers(decision.facts), decision.public_codes
    kept = any(recognisable_face(one) and consent_counts(one, facts.environment) for one in facts.persons)
    found: list[tuple[str, str]] = []
    before = facts.stage is Stage.INPUT and not _BEFORE_THE_EDIT & set(tried)
    if CONSENT_REQUIRED in codes and before and kept:
        found.append(wording.OTHERS)
    after = facts.stage is Stage.OUTPUT and _AFTER_THE_EDIT not in tried
    if FloorRule.HANDS_OFF.value in codes and after:
        found.append(wording.PUT_BACK)
    return tuple(french if language == "fr" else english for english, french in found)


def public_view(
    decision: Decision,
    boxes: tuple[Box, ...],
    language: Language = "en",
    *,
    pictures: tuple[str, ...] = (),
    tried: Collection[str] = (),
) -> RequesterView:
    """What the requester is told.

    Args:
        decision: From ``decide`` or ``meet``.
        boxes: One a person found, in the order of ``decision.facts.persons`` without ``unseen``; or none at
            all where there is no picture to point into.
        language: ``en`` or ``fr``.
        pictures: One name a box, or none at all where there is one picture.
        tried: Remedies that were carried out already, which are not proposed again.

    Raises:
        ArgumentRejected: another number of boxes or names, which would point at the wrong person.
    """
    if boxes and len(boxes) != len(decision.facts.persons) - 1:
        raise ArgumentRejected("a view needs one box a person found, or none", code="input.boxes")
    if pictures and len(pictures) != len(boxes):
        raise ArgumentRejected("a view needs the picture of every box, or of none", code="input.boxes")
    codes = decision.public_codes
    told = tuple(dict.fromkeys(sentences(codes, language, decision.texts)))
    return RequesterView(
        message=" ".join(told),
        codes=codes,
        boxes=tuple(boxes[index] for index in decision.public_persons if boxes),
        remedies=(*remedies(codes, language, decision.texts), *_proposed(decision, language, tried)),
        pictures=tuple(pictures[index] for index in decision.public_persons if pictures),
    )
