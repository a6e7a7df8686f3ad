"""What policies can tell apart, and what of it the floor may let through."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from points_at_random import point

from consent_edit.policy.authoring.comparing.floor_openings import (
    FAVOURABLE,
    WORD_FACTS,
    Completer,
    Left,
    filled,
    floor_class,
)
from consent_edit.policy.authoring.comparing.value_classes import atoms_of, facts_read
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.points import Point, consistent
from consent_edit.vocabulary import Operation


def rules(*conditions: str):
    return PolicyBundle.from_text(
        "\n".join(
            f'@id("r{at}") @reason("r") forbid (principal, action, resource) when {{ {one} }};'
            for at, one in enumerate(conditions)
        )
    ).rules


def cells(*conditions: str) -> dict:
    return {
        one.facts: [cell.words for cell in one.cells] for one in atoms_of((rules(*conditions),)).coordinates
    }


def test_words_fall_into_classes_that_the_floor_may_part():
    """A mentioned word is alone; the others stand together, but never across what the floor tells apart."""
    (told,) = cells('context.assurance == Assurance::"high"').values()
    assert told == [("simulated",), ("none", "self_asserted"), ("low", "substantial"), ("high",)]


def test_numbers_fall_into_intervals():
    """Between the numbers mentioned, one stands for all; the floor's 0 and 1 are kept."""
    (coordinate,) = atoms_of((rules("context.picture.persons > 5"),)).coordinates
    assert [cell.span for cell in coordinate.cells] == ["0", "1", "2 to 4", "5", "6 or more"]


def test_sets_are_known_by_members_and_by_any_other():
    """One question a mentioned member, and one for all the rest, led by what the floor minds least."""
    first, second = atoms_of((rules('context.operations.contains(Operation::"tone")'),)).coordinates
    assert first.member is Operation.TONE
    assert second.others[0] is Operation.BACKGROUND and Operation.TONE not in second.others
    assert second.others[-1] is Operation.FACE_SWAP


def test_sets_compared_with_each_other_share_others_or_not():
    """Three questions tell where the others are: in both, in the one, in the other."""
    found = atoms_of((rules("context.granted.containsAll(context.operations)"),)).coordinates
    assert [(one.facts, one.apart_from) for one in found] == [
        (("operations", "granted"), ""),
        (("operations",), "granted"),
        (("granted",), "operations"),
    ]


def test_facts_that_are_not_read_are_no_question():
    """Only what some rule reads is asked."""
    assert facts_read(rules("context.picture.exposed", 'context.age == Age::"minor"')) == {
        "picture.exposed",
        "age",
    }


@pytest.mark.parametrize("fact", sorted(WORD_FACTS))
def test_the_floor_sees_no_difference_within_a_class(fact):
    """Words said to be one class to the floor give the same findings, and the same pictures, at any point."""
    dice = random.Random(5)
    for _ in range(60):
        at = point(dice, floor_silent=False)
        seen: dict[str, tuple] = {}
        for word in WORD_FACTS[fact]:
            if fact in ("stage", "checks", "environment"):
                varied = Point(replace(at.shared, **{fact: word}), at.person, at.picture)
            else:
                varied = Point(at.shared, replace(at.person, **{fact: word}), at.picture)
            says = (varied.floor(), consistent(varied.person, varied.picture))
            assert seen.setdefault(floor_class(fact, word), says) == says


def test_the_floor_minds_later_operations_no_less():
    """Whatever it lets through with an operation, it lets through with one that stands before it."""
    dice, order = random.Random(6), FAVOURABLE[Operation]
    for _ in range(150):
        at = point(dice, floor_silent=False)
        rest = at.shared.operations - {dice.choice(order)}
        broken = [
            len(Point(replace(at.shared, operations=rest | {one}), at.person, at.picture).floor())
            for one in order
        ]
        assert broken == sorted(broken)


def test_whatever_can_get_past_the_floor_is_completed():
    """For points that the floor lets through, any part of their facts is completed to such a point."""
    dice, completer = random.Random(8), Completer()
    personal, shared = (
        ("kind", "consent", "age", "exposure", "intent", "assurance", "granted"),
        (
            "stage",
            "environment",
            "operations",
        ),
    )
    for _ in range(250):
        at = point(dice)
        known = {fact: getattr(at.person, fact) for fact in personal if dice.random() < 0.5}
        known |= {fact: getattr(at.shared, fact) for fact in shared if dice.random() < 0.5}
        for fact in at.picture.__dataclass_fields__:
            if dice.random() < 0.4:
                known[f"picture.{fact}"] = getattr(at.picture, fact)
        free = completer.complete(known)
        assert not isinstance(free, Left), (at, known)
        whole = filled({**known, **free})
        assert whole.floor() == () and consistent(whole.person, whole.picture)


def test_what_no_picture_sums_up_to_is_told_from_what_the_floor_refuses():
    """Two reasons to leave a point out, counted apart."""
    completer = Completer()
    assert completer.complete({"exposure": WORD_FACTS["exposure"]("nude")}) is Left.TO_THE_FLOOR
    assert completer.complete({"picture.persons": 1, "picture.faces": 3}) is Left.IMPOSSIBLE
