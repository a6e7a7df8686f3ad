"""A point is one person of some picture: the pictures that are made of one sum up to it again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_edit.policy.floor import PictureAggregate, judge, picture_aggregate
from consent_edit.policy.points import Point, consistent, point_of, realised
from consent_edit.policy.proof.space import BENIGN
from consent_edit.policy.testing import benign
from consent_edit.vocabulary import Age, ConsentStatus, Exposure, Operation, PersonKind, Recognisable

FACE, UNSEEN = benign().persons
SMALL = replace(FACE, recognisable=Recognisable.NO, consent=ConsentStatus.ABSENT, age=Age.UNDETERMINED)
SWAP = replace(FACE, granted=frozenset({Operation.FACE_SWAP}))


def summed(persons=1, faces=1, swaps=0, adults=True, exposed=False, more=False, revealing=False):
    return PictureAggregate(
        persons=persons,
        faces=faces,
        swap_consents=swaps,
        all_adults=adults,
        exposed=exposed,
        more_exposed=more,
        revealing=revealing,
    )


@pytest.mark.parametrize(
    ("person", "picture"),
    [
        (FACE, summed()),
        (FACE, summed(4, 2)),
        (FACE, summed(3, 2, adults=False)),
        (FACE, summed(1, 1, adults=False, exposed=True)),
        (FACE, summed(1, 1, exposed=True, more=True, revealing=True)),
        (FACE, summed(2, 2, swaps=1, adults=False)),
        (SWAP, summed(3, 3, swaps=3, exposed=True)),
        (SMALL, summed(2, 2, adults=False)),
        (replace(FACE, kind=PersonKind.BODY), summed(2, 0, revealing=True)),
        (UNSEEN, summed(0, 0, adults=False)),
        (UNSEEN, summed(2, 1, adults=True)),
        (UNSEEN, summed(2, 2, swaps=2, adults=False, exposed=True)),
        (replace(UNSEEN, exposure=Exposure.SUGGESTIVE), summed(1, 1, adults=False, exposed=True)),
    ],
)
def test_pictures_sum_up_to_their_point(person, picture):
    """There is one at least, the person stands where she belongs, and the others add up."""
    assert consistent(person, picture)
    pictures = list(realised(Point(benign("input"), person, picture)))
    assert pictures
    for facts in pictures:
        assert facts.persons[-1 if person.kind is PersonKind.UNSEEN else 0] == person
        assert picture_aggregate(facts) == picture


def test_no_picture_where_nothing_adds_up():
    """More faces than persons are in no picture."""
    assert not list(realised(Point(benign(), FACE, summed(1, 3))))


def test_the_most_ordinary_picture_comes_first():
    """Of those that do, one that the floor has nothing against, if there is any."""
    for picture in (summed(3, 2), summed(3, 2, adults=False), summed(2, 1, exposed=True)):
        assert not judge(next(realised(Point(benign(), FACE, picture))))


def test_a_point_of_values():
    """By path; the picture's facts by theirs."""
    assert point_of({**BENIGN, "picture.persons": 7}).picture.persons == 7
    with pytest.raises(KeyError):
        point_of({fact: value for fact, value in BENIGN.items() if fact != "age"})
