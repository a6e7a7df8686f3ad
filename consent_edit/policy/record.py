"""Facts as JSON and back, exactly: what decision records hold and replay reads (G9).

Everything in a record is a word of the vocabulary, a code or a digest; nothing in it is about a named person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from consent_edit.encoding import JsonValue
from consent_edit.errors import InputError
from consent_edit.policy.facts import Facts, PersonFacts
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
    Operation,
    PersonKind,
    PhotoBinding,
    Recognisable,
    Region,
    Stage,
)

_PERSON_KEYS: Final = frozenset(PersonFacts.__dataclass_fields__)
_FACTS_KEYS: Final = frozenset(Facts.__dataclass_fields__)

_E = TypeVar("_E", bound=StrEnum)


def malformed(what: str) -> InputError:
    """The error for a record that is not what it should be."""
    return InputError(f"the decision record is malformed: {what}", code="input.record")


def mapping(value: object, keys: frozenset[str]) -> Mapping[str, object]:
    """Take an object with exactly these keys.

    Raises:
        InputError: it is none, or its keys differ.
    """
    if not isinstance(value, Mapping) or set(value) != keys:
        raise malformed("an object with other keys than expected")
    return value


def sequence(value: object) -> Sequence[object]:
    """Take an array.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise malformed("no array where one is expected")
    return value


def text(value: object) -> str:
    """Take a string.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str):
        raise malformed("no string where one is expected")
    return value


def _word(enum: type[_E], value: object) -> _E:
    """Take one word of an enum."""
    try:
        return enum(text(value))
    except ValueError as error:
        raise malformed(f"a word that {enum.__name__} does not hold") from error


def _words(enum: type[_E], value: object) -> frozenset[_E]:
    """Take a set of words of an enum, each at most once."""
    words = [_word(enum, item) for item in sequence(value)]
    if len(set(words)) != len(words):
        raise malformed("a set that repeats a word")
    return frozenset(words)


def _person_to_json(person: PersonFacts) -> dict[str, JsonValue]:
    return {
        "kind": person.kind.value,
        "recognisable": person.recognisable.value,
        "consent": person.consent.value,
        "assurance": person.assurance.value,
        "age": person.age.value,
        "exposure": person.exposure.value,
        "exposure_change": person.exposure_change.value,
        "intent": person.intent.value,
        "photo": person.photo.value,
        "granted": sorted(word.value for word in person.granted),
        "touched": sorted(word.value for word in person.touched),
        "identity_kept": person.identity_kept.value,
        "named_person": person.named_person.value,
    }


def facts_to_json(facts: Facts) -> dict[str, JsonValue]:
    """Facts as plain JSON: words of the vocabulary, sets as sorted arrays.

    Returns:
        The same object for equal facts; ``facts_from_json`` gives the facts back exactly.
    """
    return {
        "stage": facts.stage.value,
        "persons": [_person_to_json(person) for person in facts.persons],
        "operations": sorted(word.value for word in facts.operations),
        "checks": facts.checks.value,
        "environment": facts.environment.value,
    }


def _person_from_json(value: object) -> PersonFacts:
    data = mapping(value, _PERSON_KEYS)
    return PersonFacts(
        kind=_word(PersonKind, data["kind"]),
        recognisable=_word(Recognisable, data["recognisable"]),
        consent=_word(ConsentStatus, data["consent"]),
        assurance=_word(Assurance, data["assurance"]),
        age=_word(Age, data["age"]),
        exposure=_word(Exposure, data["exposure"]),
        exposure_change=_word(ExposureChange, data["exposure_change"]),
        intent=_word(Intent, data["intent"]),
        photo=_word(PhotoBinding, data["photo"]),
        granted=_words(Operation, data["granted"]),
        touched=_words(Region, data["touched"]),
        identity_kept=_word(IdentityKept, data["identity_kept"]),
        named_person=_word(NamedPerson, data["named_person"]),
    )


def facts_from_json(value: object) -> Facts:
    """Facts from their JSON; the inverse of :func:`facts_to_json`.

    Raises:
        InputError: a key too many or too few, a word outside the vocabulary, or not one ``unseen``, last.
    """
    data = mapping(value, _FACTS_KEYS)
    persons = tuple(_person_from_json(person) for person in sequence(data["persons"]))
    try:
        return Facts(
            stage=_word(Stage, data["stage"]),
            persons=persons,
            operations=_words(Operation, data["operations"]),
            checks=_word(Checks, data["checks"]),
            environment=_word(Environment, data["environment"]),
        )
    except ValueError as error:
        raise malformed(str(error)) from error
