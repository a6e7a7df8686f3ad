"""A whole picture for a point where two policies differ, by what differs from a benign edit: to be tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from consent_edit.encoding import JsonValue
from consent_edit.policy.authoring.comparing.floor_openings import filled
from consent_edit.policy.authoring.comparing.partition import Leaf
from consent_edit.policy.authoring.comparing.two_policies import Both, Move, Moved
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import judge
from consent_edit.policy.points import Point, consistent, realised
from consent_edit.policy.record import facts_to_json
from consent_edit.policy.testing import benign
from consent_edit.vocabulary import PersonKind

MAX_PERSONS: Final = 20
"""Persons of an example at most; a rule about more is told in words alone."""

_TRIED: Final = 20
_NOBODY: Final = benign("input", 0).persons[-1]
_PERSONS: Final = "persons"


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to try.

    Attributes:
        stage: Of the edit.
        persons: Consenting persons to start from, beside ``unseen``.
        change: What differs from them, as test files write it: path -> word or words.
        whole: Whether the change shows in the decision on this whole picture; else it is true of one person
            in it, and others are refused as well.
    """

    stage: str
    persons: int
    change: Mapping[str, JsonValue]
    whole: bool


def example_of(both: Both, move: Move, leaves: Sequence[Leaf[Moved]]) -> Example:
    """A picture with a person of one of these regions, the first that shows the change as a whole."""
    spare: Example | None = None
    for point in (point for leaf in leaves[:_TRIED] for point in _points(both, leaf)):
        if point.picture.persons > MAX_PERSONS:
            continue
        for facts in islice(realised(point), _TRIED):
            whole = not judge(facts) and move in both.moves_of(facts)
            example = _told(facts, whole=whole)
            if whole:
                return example
            spare = spare or example
    return spare or _beyond(filled(leaves[0].values))


def _points(both: Both, leaf: Leaf[Moved]) -> Iterator[Point]:
    """The region's point; before it, for ``unseen``, one of whom nothing else is known."""
    point = filled(leaf.values)
    if point.person.kind is PersonKind.UNSEEN:
        asked = {fact for at in leaf.answered for fact in both.atoms.coordinates[at].facts}
        unknown = {fact: getattr(_NOBODY, fact) for fact in PersonFacts.__dataclass_fields__}
        plain = filled({**unknown, **{fact: leaf.values[fact] for fact in asked if fact in leaf.values}})
        if consistent(plain.person, plain.picture):
            yield plain
    yield point


def _beyond(point: Point) -> Example:
    """Of more persons than can be listed, the shared facts and hers."""
    unseen = point.person.kind is PersonKind.UNSEEN
    persons = (point.person,) if unseen else (point.person, _NOBODY)
    told = _told(replace(point.shared, persons=persons), whole=False)
    return Example(told.stage, min(point.picture.persons, 2**53), told.change, False)


def _told(facts: Facts, *, whole: bool) -> Example:
    persons = len(facts.persons) - 1
    usual = facts_to_json(benign(facts.stage.value, persons))
    own = facts_to_json(facts)
    change = {fact: own[fact] for fact in own if fact != _PERSONS and own[fact] != usual[fact]}
    for index, (said, plain) in enumerate(zip(_each(own), _each(usual), strict=True)):
        name = "unseen" if index == persons else str(index)
        differs = {fact: word for fact, word in said.items() if word != plain[fact]}
        change |= {f"{_PERSONS}.{name}.{fact}": word for fact, word in differs.items()}
    return Example(facts.stage.value, persons, change, whole)


def _each(facts: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    persons = facts[_PERSONS]
    return [one for one in persons if isinstance(one, Mapping)] if isinstance(persons, Sequence) else []
