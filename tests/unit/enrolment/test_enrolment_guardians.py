"""Who signs for a child stays who it was, and what she was issued before she was known as one ends."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from enrolment_world import (
    ADULT,
    CHILD,
    DAY,
    NOW,
    Town,
    face,
    flipped,
    guardian,
    holder,
    photo,
    refused,
    reviewed,
)

from consent_edit.consent.binding import majority
from consent_edit.consent.keys import SigningKey
from consent_edit.enrolment.review import Finding
from consent_edit.errors import ConsentInvalid, EnrolmentRefused
from consent_edit.vocabulary import ConsentStatus

HER = face(1)


def family(*guardians: SigningKey) -> dict[str, object]:
    """What a child is enrolled with."""
    return {"birthdate": CHILD, "guardians": [guardian(key) for key in guardians]}


def keys(count: int) -> list[SigningKey]:
    """So many fresh keys."""
    return [SigningKey.generate() for _ in range(count)]


def test_guardian_added_exchanged_or_left_out() -> None:
    """Any other set of guardians needs a review; the same set, in whatever order, needs none."""
    town, (key, mother, father, stranger) = Town.make(), keys(4)
    town.enrol([photo(HER)], key, **family(mother, father))
    for bad in ((mother,), (mother, stranger), (mother, father, stranger), (stranger,)):
        with pytest.raises(EnrolmentRefused):
            town.enrol([photo(HER, seed=1)], key, **family(*bad))
        assert refused(town) == "other-guardians"
    town.enrol([photo(HER, seed=2)], key, **family(father, mother))


def test_guardians_exchanged_under_review() -> None:
    """A reviewer who was told of the new guardians lets them in, and every earlier credential ends."""
    town, (key, parent, other) = Town.make(), keys(3)
    old = town.enrol([photo(HER)], key, **family(parent))
    captures = [photo(HER, seed=1)]
    for told in ((), (parent,), (parent, other)):
        review = reviewed(town, captures, key, guardians=told, finding=Finding.NEW)
        with pytest.raises(EnrolmentRefused):
            town.enrol(captures, key, review=review, **family(other))
        assert refused(town) == "other-guardians"
    assert not flipped(town)
    review = reviewed(town, captures, key, guardians=(other,), finding=Finding.NEW)
    town.enrol(captures, key, review=review, **family(other))
    assert flipped(town) == {old.entry.idx}
    (entry,) = town.desk.register.entries()
    assert entry.guardian == (guardian(other),)


def test_childs_own_second_key_as_her_guardian() -> None:
    """The person's own keys are no guardian's, and no review makes them one."""
    town, (first, second, parent) = Town.make(), keys(3)
    town.enrol([photo(HER)], first, holders=(holder(first), holder(second)), **family(parent))
    captures = [photo(HER, seed=1)]
    review = reviewed(town, captures, first, guardians=(second,), finding=Finding.NEW)
    for shown in ("", review):
        with pytest.raises(EnrolmentRefused):
            town.enrol(captures, first, review=shown, **family(second))
        assert refused(town) == "other-guardians"


def test_guardians_exchanged_along_with_a_lost_key() -> None:
    """A review of a lost key exchanges no guardian it was not told of."""
    town, (lost, key, parent, other) = Town.make(), keys(4)
    old = town.enrol([photo(HER)], lost, **family(parent))
    captures = [photo(HER, seed=1)]
    with pytest.raises(EnrolmentRefused):
        review = reviewed(town, captures, key, guardians=(parent,))
        town.enrol(captures, key, review=review, **family(other))
    assert refused(town) == "other-guardians"
    town.enrol(captures, key, review=reviewed(town, captures, key), **family(parent))
    assert flipped(town) == {old.entry.idx}


def test_adult_given_a_guardian() -> None:
    """Nobody of age gets or loses a guardian without a review; with one, what she signed alone for ends."""
    town, (key, court) = Town.make(), keys(2)
    old = town.enrol([photo(HER)], key)
    appointed = [guardian(court, relation="court_appointed")]
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(HER, seed=1)], key, guardians=appointed)
    assert refused(town) == "other-guardians"
    captures = [photo(HER, seed=2)]
    review = reviewed(town, captures, key, guardians=(court,), finding=Finding.NEW)
    town.enrol(captures, key, guardians=appointed, review=review)
    assert flipped(town) == {old.entry.idx}
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(HER, seed=3)], key, birthdate=ADULT)
    assert refused(town) == "other-guardians"


def test_undated_person_loses_guardians_by_enrolling_again() -> None:
    """Where no day of birth was verified, guardians once named do not go by being left out."""
    town, (key, court) = Town.make(), keys(2)
    appointed = [guardian(court, relation="court_appointed")]
    town.enrol([photo(HER)], key, birthdate=date.min, guardians=appointed)
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(HER, seed=1)], key, birthdate=date.min)
    assert refused(town) == "other-guardians"


@pytest.mark.parametrize("named", [False, True])
def test_minors_older_undated_credential(named: bool) -> None:
    """Once she is verified to be a minor, what says nothing of her age ends."""
    town, (key, parent) = Town.make(), keys(2)
    guardians = [guardian(parent)] if named else []
    undated = town.enrol([photo(HER)], key, birthdate=date.min, guardians=guardians)
    first = town.enrol([photo(HER, seed=1)], key, **family(parent))
    assert flipped(town) == {undated.entry.idx}
    with pytest.raises(ConsentInvalid):
        town.renew(undated, key, [photo(HER, seed=2)])
    town.renew(first, key, [photo(HER, seed=3)])
    assert flipped(town) == {undated.entry.idx}


def test_adults_earlier_credential_stays() -> None:
    """An adult who enrols again, undated before, keeps what she had."""
    town, (key,) = Town.make(), keys(1)
    town.enrol([photo(HER)], key, birthdate=date.min)
    town.enrol([photo(HER, seed=1)], key)
    assert not flipped(town)


def test_coming_of_age() -> None:
    """At eighteen her credential has ended and is not renewed; enrolled again she signs for herself."""
    born = datetime.fromtimestamp(NOW + 30 * DAY, UTC).date()
    born = born.replace(year=born.year - 18)
    town, (key, parent) = Town.make(), keys(2)
    old = town.enrol([photo(HER)], key, birthdate=born, guardians=[guardian(parent)])
    assert old.exp == majority(born)
    town.clock.now = majority(born)  # the credential has just ended, the clocks' tolerance has not
    with pytest.raises(EnrolmentRefused, match="time zone"):
        town.renew(old, key, [photo(HER, seed=1)])
    town.clock.now = majority(born) + 13 * 3600
    with pytest.raises(ConsentInvalid) as error:
        town.renew(old, key, [photo(HER, seed=1)])
    assert error.value.status is ConsentStatus.EXPIRED
    town.enrol([photo(HER, seed=2)], key, birthdate=born)
    (entry,) = town.desk.register.entries()
    assert entry.guardian == ()
    town.enrol([photo(HER, seed=3)], key, birthdate=born)
