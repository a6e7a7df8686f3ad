"""Points: one person of a picture, her context and the floor's say; and which of them a picture can hold."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from consent_edit.policy.context import contexts
from consent_edit.policy.floor import FloorRule, judge, picture_aggregate
from consent_edit.policy.points import Point, consistent
from consent_edit.policy.testing import Difference, benign, vary

PICTURES: list[tuple[int, Difference]] = [
    (1, {}),
    (0, {}),
    (2, {"persons.0.exposure": "nude", "persons.1.age": "minor"}),
    (1, {"checks": "incomplete", "persons.unseen.intent": "revealing"}),
    (3, {"operations": ["face_swap"], "persons.2.kind": "body", "persons.0.granted": ["face_swap"]}),
]


@pytest.mark.parametrize(("persons", "difference"), PICTURES)
def test_a_point_is_a_person_of_her_picture(persons: int, difference: Difference) -> None:
    """Its context is hers and the floor's rules refuse her by it, in their order."""
    facts = vary(benign("output", persons), difference)
    picture = picture_aggregate(facts)
    for index, (person, context) in enumerate(zip(facts.persons, contexts(facts), strict=True)):
        point = Point(facts, person, picture)
        assert point.context() == context
        assert point.floor() == tuple(f.rule for f in judge(facts) if f.person == index)
        assert set(json.loads(point.context(("stage",)))) == {"stage"}


def test_the_floor_at_a_point_names_its_rules() -> None:
    """Two broken rules are both named, in the floor's order."""
    facts = vary(benign(), {"persons.0.exposure": "nude", "checks": "incomplete"})
    point = Point(facts, facts.persons[0], picture_aggregate(facts))
    assert point.floor() == (FloorRule.CHECKS_INCOMPLETE, FloorRule.NUDITY_OF_REAL_PERSON)


@pytest.mark.parametrize(("persons", "difference"), PICTURES)
def test_every_person_of_a_real_picture_is_consistent_with_it(persons: int, difference: Difference) -> None:
    """What is, can be."""
    facts = vary(benign("output", persons), difference)
    assert all(consistent(person, picture_aggregate(facts)) for person in facts.persons)


FACE = 0
UNSEEN = -1
# persons beside unseen, what differs, whose point, what the sum is then said to be
IMPOSSIBLE: list[tuple[str, int, Difference, int, dict[str, object]]] = [
    ("1: a face where nobody is", 1, {}, FACE, {"persons": 0, "faces": 0}),
    ("1: a face where no face is", 1, {}, FACE, {"faces": 0}),
    ("1: more faces than persons", 1, {}, FACE, {"faces": 2}),
    ("1: more swappers than faces", 1, {}, FACE, {"swap_consents": 1}),
    (
        "1: her own consent to a swap uncounted",
        1,
        {"persons.0.granted": ["face_swap"]},
        FACE,
        {"swap_consents": 0},
    ),
    ("1: somebody less than nobody", 0, {}, UNSEEN, {"persons": -1}),
    ("2: her exposure unseen", 1, {"persons.0.exposure": "nude"}, FACE, {"exposed": False}),
    ("2: her change unseen", 1, {"persons.0.exposure_change": "increased"}, FACE, {"more_exposed": False}),
    ("2: her intent unseen", 1, {"persons.0.intent": "sexual"}, FACE, {"revealing": False}),
    ("3: a minor among adults", 1, {"persons.0.age": "minor"}, FACE, {"all_adults": True}),
    ("3: a stranger among adults", 1, {"persons.0.consent": "absent"}, FACE, {"all_adults": True}),
    (
        "3: unseen touched, and all adults",
        1,
        {"persons.unseen.touched": ["body"]},
        UNSEEN,
        {"all_adults": True},
    ),
    (
        "3: unseen exposed, and all adults",
        1,
        {"persons.unseen.exposure": "nude"},
        UNSEEN,
        {"all_adults": True},
    ),
    (
        "3: unseen changed, and all adults",
        1,
        {"persons.unseen.exposure_change": "increased"},
        UNSEEN,
        {"all_adults": True},
    ),
    ("4: alone, and somebody exposed", 0, {}, UNSEEN, {"exposed": True}),
    ("4: alone, and somebody changed", 0, {}, UNSEEN, {"more_exposed": True}),
    ("4: alone, and somebody's intent revealing", 0, {}, UNSEEN, {"revealing": True}),
    ("4: alone, no adult, and all adults", 0, {}, UNSEEN, {"all_adults": True}),
    (
        "4: alone and an adult, and not all adults",
        0,
        {"persons.unseen.age": "adult", "persons.unseen.consent": "verified"},
        UNSEEN,
        {"all_adults": False},
    ),
]


@pytest.mark.parametrize(
    ("persons", "difference", "who", "said"),
    [case[1:] for case in IMPOSSIBLE],
    ids=[case[0] for case in IMPOSSIBLE],
)
def test_a_point_that_no_picture_can_hold(persons: int, difference: Difference, who: int, said: dict) -> None:
    """One thing in the sum that cannot be, and the point is not consistent; as it is, it is."""
    facts = vary(benign("output", persons), difference)
    picture = picture_aggregate(facts)
    assert consistent(facts.persons[who], picture)
    assert not consistent(facts.persons[who], replace(picture, **said))


def test_what_others_may_bring_is_consistent() -> None:
    """Findings on somebody else, more people, and a minor beside her are all possible."""
    facts = benign("output", 2)
    face, unseen = facts.persons[0], facts.persons[-1]
    picture = picture_aggregate(facts)
    for said in (
        {"exposed": True, "all_adults": False},
        {"exposed": True},
        {"more_exposed": True},
        {"revealing": True},
        {"all_adults": False},
        {"faces": 1},
        {"swap_consents": 1},
        {"persons": 7},
    ):
        assert consistent(face, replace(picture, **said))
    assert consistent(unseen, picture)
    assert consistent(unseen, replace(picture, all_adults=False))
