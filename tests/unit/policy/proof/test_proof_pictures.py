"""Whole pictures: a wrong sum, a wrong notion of what can be, and a judge that looks away are all noticed."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from consent_edit.policy import floor
from consent_edit.policy.facts import Facts
from consent_edit.policy.floor import PictureAggregate, picture_aggregate
from consent_edit.policy.points import consistent
from consent_edit.policy.proof import pictures
from consent_edit.policy.proof.mirror import Mirror
from consent_edit.policy.proof.pictures import (
    check_judged,
    check_points,
    check_sums,
    judged,
    random_pictures,
    restated,
    summed_pictures,
)

PICTURES = summed_pictures()

WRONG_SUMS = {
    "unseen counted as found": lambda s: replace(s, persons=s.persons + 1),
    "a face too few": lambda s: replace(s, faces=max(0, s.faces - 1)),
    "everybody an adult": lambda s: replace(s, all_adults=True),
    "nobody an adult": lambda s: replace(s, all_adults=False),
    "nobody exposed": lambda s: replace(s, exposed=False),
    "nobody more exposed": lambda s: replace(s, more_exposed=False),
    "nothing revealing": lambda s: replace(s, revealing=False),
    "a swap too many": lambda s: replace(s, swap_consents=s.swap_consents + 1),
}


def test_the_sum_is_its_restatement() -> None:
    """Over thousands of pictures of up to two persons, and larger ones."""
    found = check_sums(PICTURES)
    assert found.points > 15_000
    assert found.disagreements == ()


@pytest.mark.parametrize("what", sorted(WRONG_SUMS))
def test_a_wrong_sum_is_found(what: str) -> None:
    """A slip in what both floors share is seen by neither floor, but here."""
    wrong = WRONG_SUMS[what]
    found = check_sums(PICTURES[:2000], lambda facts: wrong(picture_aggregate(facts)))
    assert "picture_aggregate differs" in found.disagreements[0]


def test_a_notion_of_what_can_be_that_leaves_something_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a real picture called impossible, its points would be left out of the table."""
    monkeypatch.setattr(pictures, "consistent", lambda person, picture: not picture.exposed)
    assert "leaves out a picture" in check_sums(PICTURES[:2000]).disagreements[0]


def test_every_consistent_point_stands_in_a_picture() -> None:
    """Companions are found for each of them."""
    found = check_points()
    assert found.points > 5_000
    assert found.disagreements == ()


def test_a_notion_of_what_can_be_that_lets_something_in_is_found() -> None:
    """Were an impossible point called possible, no picture could be made for it."""

    def lax(person: object, picture: PictureAggregate) -> bool:
        return consistent(person, replace(picture, exposed=True)) and picture.persons == 1

    found = check_points(lax)
    assert "no picture is like that" in found.disagreements[0]


def test_random_pictures_are_the_same_ones_every_time() -> None:
    """A proof that draws anew each time could not be repeated."""
    assert list(islice(random_pictures(5), 5)) == list(islice(random_pictures(5), 5))
    assert {len(facts.persons) for facts in random_pictures(60)} == {1, 2, 3, 4}


def test_a_judge_that_leaves_unseen_out_is_found(mirror: Mirror) -> None:
    """Looking at everybody but the last one disagrees with the mirror."""
    known = judged(mirror, 40)
    assert check_judged(known, floor.judge).disagreements == ()

    def blind(facts: Facts) -> tuple[floor.FloorFinding, ...]:
        return tuple(found for found in floor.judge(facts) if found.person != len(facts.persons) - 1)

    assert check_judged(known, blind).disagreements


def test_a_judge_that_finds_nothing_violates(mirror: Mirror) -> None:
    """What is banned and goes without any finding is named."""
    known = judged(mirror, 40)
    found = check_judged(known, lambda facts: ())
    assert "a check that must run gave no answer" in found.violations
    assert len(found.violations) > 40
    assert all(restated(one.facts) == picture_aggregate(one.facts) for one in known)
