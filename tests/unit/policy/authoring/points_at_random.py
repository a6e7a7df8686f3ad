"""Points by chance, mostly ones that the floor lets through; and which of them a change speaks of."""

from __future__ import annotations

import random

from consent_edit.policy.authoring.comparing.difference import Change
from consent_edit.policy.authoring.comparing.floor_openings import SET_FACTS, WORD_FACTS
from consent_edit.policy.authoring.comparing.value_classes import Atoms
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import PictureAggregate
from consent_edit.policy.points import Point, consistent
from consent_edit.policy.testing import benign

BENIGN = benign()
SHARED = ("stage", "checks", "environment", "operations")


def point(dice: random.Random, floor_silent: bool = True, most: int = 6) -> Point:
    """One that some picture sums up to."""
    while True:
        values: dict = {}
        for fact, enum in WORD_FACTS.items():
            if dice.random() < 0.45:
                values[fact] = dice.choice(list(enum))
        for fact, enum in SET_FACTS.items():
            if dice.random() < 0.5:
                values[fact] = frozenset(dice.sample(list(enum), dice.randint(0, 3)))
        person = PersonFacts(
            **{
                name: values.get(name, getattr(BENIGN.persons[0], name))
                for name in PersonFacts.__dataclass_fields__
            }
        )
        shared = Facts(
            persons=BENIGN.persons, **{name: values.get(name, getattr(BENIGN, name)) for name in SHARED}
        )
        persons = dice.randint(0, most)
        faces = dice.randint(0, persons)
        picture = PictureAggregate(
            persons=persons,
            faces=faces,
            all_adults=dice.random() < 0.7,
            exposed=dice.random() < 0.4,
            more_exposed=dice.random() < 0.3,
            revealing=dice.random() < 0.3,
            swap_consents=dice.randint(0, faces),
        )
        found = Point(shared, person, picture)
        nobodys = person.kind == "unseen" and person.identity_kept == "altered"  # nobody can look altered
        if not nobodys and consistent(person, picture) and not (floor_silent and found.floor()):
            return found


def value(found: Point, fact: str) -> object:
    """A fact of a point, by its path."""
    if fact.startswith("picture."):
        return getattr(found.picture, fact.removeprefix("picture."))
    return getattr(found.shared if fact in SHARED else found.person, fact)


def codes(bundle: PolicyBundle, found: Point) -> frozenset[str]:
    """What the engine says of a whole point."""
    return frozenset(bundle.refusals_of(found.context(bundle.reads)))


def speaks_of(change: Change, atoms: Atoms, found: Point) -> bool:
    """Whether every condition of a change holds at a point, read from its published words alone."""
    return all(_holds(condition, atoms, found) for condition in change.conditions)


def _holds(condition, atoms: Atoms, found: Point) -> bool:
    values = [value(found, fact) for fact in condition.facts]
    if condition.facts[0] in SET_FACTS:
        inside = set.intersection(*({word.value for word in one} for one in values))
        if "that the grant does not name" in condition.text:
            inside -= {word.value for word in found.person.granted}
        if "that the edit does not do" in condition.text:
            inside -= {word.value for word in found.shared.operations}
        return bool(inside & set(condition.words)) is condition.holds
    (one,) = values
    if isinstance(one, bool):
        return str(one).lower() in condition.words
    if isinstance(one, int):
        cells = next(c.cells for c in atoms.coordinates if c.facts == condition.facts)
        return str(max(cell.value for cell in cells if cell.value <= one)) in condition.words
    return one.value in condition.words
