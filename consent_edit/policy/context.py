"""Facts as Cedar reads them: one required, wholly closed ``context`` a person (consent_edit.cedarschema)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from consent_edit import vocabulary
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import picture_aggregate

ENTITY_ENUMS: Final[tuple[type[StrEnum], ...]] = (
    vocabulary.Stage,
    vocabulary.PersonKind,
    vocabulary.Recognisable,
    vocabulary.ConsentStatus,
    vocabulary.Assurance,
    vocabulary.Age,
    vocabulary.Exposure,
    vocabulary.ExposureChange,
    vocabulary.Intent,
    vocabulary.Operation,
    vocabulary.Region,
    vocabulary.IdentityKept,
    vocabulary.NamedPerson,
    vocabulary.PhotoBinding,
    vocabulary.Checks,
    vocabulary.Environment,
)
"""The enums that the schema repeats as enumerated entities, by their class names."""

_ENTITY: Final[dict[tuple[type[StrEnum], str], str]] = {
    (enum, member.value): json.dumps({"__entity": {"type": enum.__name__, "id": member.value}})
    for enum in ENTITY_ENUMS
    for member in enum
}
"""Each enum member as the JSON text of its entity reference."""


def _one(member: StrEnum) -> str:
    """JSON of one enum member. Raises ``KeyError`` for a value outside the vocabulary."""
    return _ENTITY[type(member), member.value]


def _set(members: Iterable[StrEnum]) -> str:
    """JSON of a set of enum members, in one fixed order."""
    return "[" + ",".join(sorted(_one(member) for member in members)) + "]"


def _person(person: PersonFacts) -> str:
    """JSON members of one person's facts, without the braces."""
    return (
        f'"kind":{_one(person.kind)},"recognisable":{_one(person.recognisable)},'
        f'"consent":{_one(person.consent)},"assurance":{_one(person.assurance)},'
        f'"age":{_one(person.age)},"exposure":{_one(person.exposure)},'
        f'"exposure_change":{_one(person.exposure_change)},"intent":{_one(person.intent)},'
        f'"photo":{_one(person.photo)},"granted":{_set(person.granted)},'
        f'"touched":{_set(person.touched)},"identity_kept":{_one(person.identity_kept)},'
        f'"named_person":{_one(person.named_person)}'
    )


def _picture(facts: Facts) -> str:
    """JSON members shared by everybody in the picture, without the braces."""
    picture = picture_aggregate(facts)
    whole = json.dumps(
        {
            "persons": picture.persons,
            "faces": picture.faces,
            "all_adults": picture.all_adults,
            "exposed": picture.exposed,
            "more_exposed": picture.more_exposed,
            "revealing": picture.revealing,
            "swap_consents": picture.swap_consents,
        }
    )
    return (
        f'"stage":{_one(facts.stage)},"checks":{_one(facts.checks)},'
        f'"environment":{_one(facts.environment)},"operations":{_set(facts.operations)},"picture":{whole}'
    )


def contexts(facts: Facts) -> tuple[str, ...]:
    """One Cedar context a person, in the order of ``facts.persons``.

    Args:
        facts: All persons at one stage.

    Returns:
        JSON texts, the same text for the same facts.
    """
    shared = _picture(facts)
    return tuple("{" + shared + "," + _person(person) + "}" for person in facts.persons)
