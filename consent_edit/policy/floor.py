"""The floor: the rules that no grant, policy, setting or argument can relax, as one pure total function.

It imports the vocabulary and the facts and nothing else, reads no file, keeps no state and always answers.
``floor.cedar`` says the same in Cedar, for proof and for policy authors to read; it is never evaluated in
place of this file. Every test below is written so that a value nobody thought of refuses: it names what may
pass, never what must not.

The eight rules (DESIGN: "Facts and decision"), each kept by the function that bears its name:

1. ``floor.checks-incomplete``: a must-run check gave no answer (G4).
2. ``floor.consent-required``: a recognisable face without consent that counts (G1).
3. ``floor.hands-off``: somebody who cannot be asked was repainted (G1, G2).
4. ``floor.nudity-of-real-person``: exposure above suggestive, or unreadable (G2).
5. ``floor.sexual-intent``: the prompt asks for it, or cannot be read and may touch a person (G2).
6. ``floor.sexualised-minor``: somebody present is not shown to be an adult and somebody is exposed (G3).
7. ``floor.foreign-identity``: a face leaves that no grant in this request covers (G1).
8. ``floor.photo-required``: the body, age, hair or face changes and no grant names this very photo (G1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.vocabulary import (
    PHOTO_BOUND_OPERATIONS,
    WHOLE_PICTURE_OPERATIONS,
    Age,
    Assurance,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    Operation,
    PersonKind,
    PhotoBinding,
    Recognisable,
    Stage,
)


class FloorRule(StrEnum):
    """The rules of the floor, by the reason code they give."""

    CHECKS_INCOMPLETE = "floor.checks-incomplete"
    CONSENT_REQUIRED = "floor.consent-required"
    HANDS_OFF = "floor.hands-off"
    NUDITY_OF_REAL_PERSON = "floor.nudity-of-real-person"
    SEXUAL_INTENT = "floor.sexual-intent"
    SEXUALISED_MINOR = "floor.sexualised-minor"
    FOREIGN_IDENTITY = "floor.foreign-identity"
    PHOTO_REQUIRED = "floor.photo-required"


@dataclass(frozen=True, slots=True)
class FloorFinding:
    """One rule that one person's facts break.

    Attributes:
        rule: Which rule.
        person: Index into ``facts.persons``.
    """

    rule: FloorRule
    person: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAggregate:
    """What the rules need to know of the picture as a whole; also handed to Cedar as ``context.picture``.

    Attributes:
        persons: Persons found: everybody but ``unseen``.
        faces: Persons of kind ``face``.
        all_adults: Whether everybody present has verified consent and is shown to be an adult.
        exposed: Whether anybody, ``unseen`` included, has an exposure other than ``none``.
        more_exposed: Whether anybody's exposure change is other than ``none``.
        revealing: Whether anybody's intent is ``revealing`` or ``sexual``.
        swap_consents: Faces with verified consent whose grant names ``face_swap``.
    """

    persons: int
    faces: int
    all_adults: bool
    exposed: bool
    more_exposed: bool
    revealing: bool
    swap_consents: int


_ANSWERED_EXPOSURES: Final = frozenset({Exposure.NONE, Exposure.SUGGESTIVE})
_ANSWERED_INTENTS: Final = frozenset({Intent.ORDINARY, Intent.REVEALING})
_UNREVEALING_INTENTS: Final = frozenset({Intent.ORDINARY, Intent.UNDETERMINED})
_KEPT_IDENTITIES: Final = frozenset({IdentityKept.SAME, IdentityKept.ALTERED})
_TOUCHES_NOBODY: Final = frozenset({Operation.TONE, Operation.BACKGROUND})
_BEFORE_AN_OUTPUT: Final = frozenset({Stage.REQUEST, Stage.INPUT})
_SWAP_PARTIES: Final = 2


def recognisable_face(person: PersonFacts) -> bool:
    """Whether this is a face that people would recognise; everybody else is kept by ``floor.hands-off``."""
    return person.kind is PersonKind.FACE and person.recognisable is Recognisable.YES


def consent_counts(person: PersonFacts, environment: Environment) -> bool:
    """Whether this person's consent is verified, and from an issuer good enough for the environment.

    Assurance must be ``low`` or above. ``DEMO`` takes ``simulated`` too; ``PRODUCTION`` never does.
    """
    if person.consent is not ConsentStatus.VERIFIED:
        return False
    if person.assurance is Assurance.SIMULATED:
        return environment is Environment.DEMO
    return person.assurance.at_least(Assurance.LOW)


def _present(person: PersonFacts, alone: bool) -> bool:
    """Whether somebody is in the picture: everybody found, and ``unseen`` when a finding fell on them.

    ``unseen`` also counts as present when nobody else was found: a picture in which nobody is found
    still has a person.
    """
    return (
        person.kind is not PersonKind.UNSEEN
        or alone
        or person.exposure is not Exposure.NONE
        or person.exposure_change is not ExposureChange.NONE
        or bool(person.touched)
    )


def picture_aggregate(facts: Facts) -> PictureAggregate:
    """Sum the persons of a picture up: the one place where the floor looks across persons.

    Args:
        facts: All persons at one stage.

    Returns:
        Counts and flags; see :class:`PictureAggregate`.
    """
    persons = facts.persons
    alone = len(persons) == 1
    faces = [person for person in persons if person.kind is PersonKind.FACE]
    return PictureAggregate(
        persons=len(persons) - 1,
        faces=len(faces),
        all_adults=all(
            person.age is Age.ADULT and person.consent is ConsentStatus.VERIFIED
            for person in persons
            if _present(person, alone)
        ),
        exposed=any(person.exposure is not Exposure.NONE for person in persons),
        more_exposed=any(person.exposure_change is not ExposureChange.NONE for person in persons),
        revealing=any(person.intent not in _UNREVEALING_INTENTS for person in persons),
        swap_consents=sum(
            face.consent is ConsentStatus.VERIFIED and Operation.FACE_SWAP in face.granted for face in faces
        ),
    )


def _within(operations: frozenset[Operation], allowed: frozenset[Operation]) -> bool:
    """Whether every operation is among the allowed ones; no operation at all counts as anything at all."""
    return bool(operations) and operations <= allowed


def _checks_incomplete(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """Any must-run check without an answer refuses for everybody in the picture."""
    return facts.checks is not Checks.COMPLETE


def _consent_required(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """A recognisable face needs consent that is verified and good enough for the environment."""
    return recognisable_face(person) and not consent_counts(person, facts.environment)


def _hands_off(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """A body, a possible or unrecognisable face, or ``unseen``, may be touched only by whole-picture edits.

    Touched without any operation to explain it refuses.
    """
    return (
        not recognisable_face(person)
        and bool(person.touched)
        and not _within(facts.operations, WHOLE_PICTURE_OPERATIONS)
    )


def _nudity_of_real_person(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """Exposure nude, explicit or undetermined refuses, at every stage and whatever kind of person.

    At the request there is no picture and exposure is ``none`` by construction.
    """
    return person.exposure not in _ANSWERED_EXPOSURES


def _sexual_intent(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """Sexual intent refuses; an intent nobody could read refuses unless the edit is tone or background only.

    No operation at all may touch anything, so it counts as touching a person.
    """
    if person.intent is Intent.UNDETERMINED:
        return not _within(facts.operations, _TOUCHES_NOBODY)
    return person.intent not in _ANSWERED_INTENTS


def _sexualised_minor(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """Unless everybody present is shown to be an adult, nobody is exposed, more exposed, or asked to be.

    Existing exposure counts from the preview on: an input picture may be refused only for what it would
    become. It falls on everybody in the picture: nobody in it is made more revealing.
    """
    exposed_result = picture.exposed and facts.stage not in _BEFORE_AN_OUTPUT
    return not picture.all_adults and (exposed_result or picture.more_exposed or picture.revealing)


def _foreign_identity(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """A recognisable face in what was made must be the consenting person's own, by her credential."""
    return (
        facts.stage not in _BEFORE_AN_OUTPUT
        and recognisable_face(person)
        and (person.consent is not ConsentStatus.VERIFIED or person.identity_kept not in _KEPT_IDENTITIES)
    )


def _photo_required(facts: Facts, person: PersonFacts, picture: PictureAggregate) -> bool:
    """Operations that change who or what she seems to be need a grant naming this photo by exact digest.

    A face swap needs two faces with a verified grant for it; short of two it falls on every face, and on
    ``unseen`` when there is none. Facts count faces; that they are two people is the matcher's business.
    """
    unbound = person.photo is not PhotoBinding.EXACT
    if recognisable_face(person) and facts.operations & PHOTO_BOUND_OPERATIONS and unbound:
        return True
    if Operation.FACE_SWAP not in facts.operations or picture.swap_consents >= _SWAP_PARTIES:
        return False
    return person.kind is PersonKind.FACE or (person.kind is PersonKind.UNSEEN and picture.faces == 0)


RULES: Final[tuple[tuple[FloorRule, Callable[[Facts, PersonFacts, PictureAggregate], bool]], ...]] = (
    (FloorRule.CHECKS_INCOMPLETE, _checks_incomplete),
    (FloorRule.CONSENT_REQUIRED, _consent_required),
    (FloorRule.HANDS_OFF, _hands_off),
    (FloorRule.NUDITY_OF_REAL_PERSON, _nudity_of_real_person),
    (FloorRule.SEXUAL_INTENT, _sexual_intent),
    (FloorRule.SEXUALISED_MINOR, _sexualised_minor),
    (FloorRule.FOREIGN_IDENTITY, _foreign_identity),
    (FloorRule.PHOTO_REQUIRED, _photo_required),
)
"""Each rule with its test for one person of a picture."""


def judge(facts: Facts) -> tuple[FloorFinding, ...]:
    """Every rule of the floor that the facts break, in the order of the rules, then of the persons.

    Args:
        facts: All persons at one stage.

    Returns:
        The findings; empty means that the floor lets the edit through, and nothing more.
    """
    picture = picture_aggregate(facts)
    return tuple(
        FloorFinding(rule, index)
        for rule, broken in RULES
        for index, person in enumerate(facts.persons)
        if broken(facts, person, picture)
    )
