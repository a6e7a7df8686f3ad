"""Facts as Cedar reads them: one required, wholly closed ``context`` a person (consent_edit.cedarschema)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from enum import StrEnum
from typing import Final

from consent_edit import vocabulary
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import PictureAggregate, picture_aggregate

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
    (enum, member.value): json.dumps({"type": enum.__name__, "id": member.value})
    for enum in ENTITY_ENUMS
    for member in enum
}
"""Each enum member as the JSON text of its entity reference; read as one under the schema only."""


def _one(member: StrEnum) -> str:
    """JSON of one enum member. Raises ``KeyError`` for a value outside the vocabulary."""
    return _ENTITY[type(member), member.value]


def _set(members: Iterable[StrEnum]) -> str:
    """JSON of a set of enum members, in one fixed order."""
    return "[" + ",".join(sorted(_one(member) for member in members)) + "]"


_SHARED: Final[dict[str, Callable[[Facts, PictureAggregate], str]]] = {
    "stage": lambda facts, picture: _one(facts.stage),
    "checks": lambda facts, picture: _one(facts.checks),
    "environment": lambda facts, picture: _one(facts.environment),
    "operations": lambda facts, picture: _set(facts.operations),
    "picture": lambda facts, picture: json.dumps(asdict(picture)),
}
_PERSONAL: Final[dict[str, Callable[[PersonFacts], str]]] = {
    "kind": lambda person: _one(person.kind),
    "recognisable": lambda person: _one(person.recognisable),
    "consent": lambda person: _one(person.consent),
    "assurance": lambda person: _one(person.assurance),
    "age": lambda person: _one(person.age),
    "exposure": lambda person: _one(person.exposure),
    "exposure_change": lambda person: _one(person.exposure_change),
    "intent": lambda person: _one(person.intent),
    "photo": lambda person: _one(person.photo),
    "granted": lambda person: _set(person.granted),
    "touched": lambda person: _set(person.touched),
    "identity_kept": lambda person: _one(person.identity_kept),
    "named_person": lambda person: _one(person.named_person),
}

FACT_NAMES: Final = (*_SHARED, *_PERSONAL)
"""Every fact of the schema's ``context``, in the schema's order."""


def _shared(facts: Facts, picture: PictureAggregate, fields: frozenset[str]) -> list[str]:
    return [f'"{name}":{write(facts, picture)}' for name, write in _SHARED.items() if name in fields]


def _personal(person: PersonFacts, fields: frozenset[str]) -> list[str]:
    return [f'"{name}":{write(person)}' for name, write in _PERSONAL.items() if name in fields]


def context_of(
    facts: Facts,
    person: PersonFacts,
    picture: PictureAggregate,
    fields: Iterable[str] = FACT_NAMES,
) -> str:
    """The Cedar context of one person of a picture.

    Args:
        facts: For what everybody shares: stage, checks, environment, operations.
        picture: The picture summed up; :func:`contexts` sums up the facts' own.
        fields: Facts to hold; by default all.

    Returns:
        A JSON text, the same for the same facts.
    """
    held = frozenset(fields)
    return "{" + ",".join((*_shared(facts, picture, held), *_personal(person, held))) + "}"


def contexts(facts: Facts, fields: Iterable[str] = FACT_NAMES) -> tuple[str, ...]:
    """One Cedar context a person, in the order of ``facts.persons``.

    Args:
        facts: All persons at one stage.
        fields: Facts to hold; by default all.

    Returns:
        JSON texts, the same text for the same facts.
    """
    held = frozenset(fields)
    shared = _shared(facts, picture_aggregate(facts), held)
    return tuple("{" + ",".join((*shared, *_personal(person, held))) + "}" for person in facts.persons)
