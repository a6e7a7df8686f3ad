"""A nonce counts once, and a mark never falls."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from store_world import NOW, release

from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable, VerificationFailed
from consent_edit.store.freshness import KEPT_AFTER_S
from consent_edit.store.schema import NONCES
from consent_edit.vocabulary import ConsentStatus


def kept(store) -> int:
    with store._database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(NONCES))


def replayed(act) -> None:
    with pytest.raises(ConsentInvalid) as caught:
        act()
    assert caught.value.status is ConsentStatus.REPLAYED


def test_issued_nonce_is_spent_once(store):
    """A nonce issued here is good once, and others of its time are untouched."""
    first, second = store.issue_nonce(NOW, 60), store.issue_nonce(NOW, 60)
    assert first != second
    assert len(first) >= 22  # 128 bits in base64url
    assert not store.nonce_spent(first)
    store.spend_nonce(first, NOW + 60)
    assert store.nonce_spent(first)
    assert not store.nonce_spent(second)
    replayed(lambda: store.spend_nonce(first, NOW))


def test_nonce_nobody_issued(store):
    """A made-up nonce cannot be spent as an issued one."""
    replayed(lambda: store.spend_nonce("made-up", NOW))
    replayed(lambda: store.spend_nonce("\ud800", NOW))
    assert not store.nonce_spent("made-up")


def test_issued_nonce_ends(store):
    """A second after its end an issued nonce is refused, alone or in a release."""
    nonce = store.issue_nonce(NOW, 60)
    replayed(lambda: store.spend_nonce(nonce, NOW + 61))
    replayed(lambda: release(store, "d-1", now=NOW + 61, nonces=[(nonce, NOW + 900)]))
    assert (store.uses("grant-1"), store.log_state().size) == (0, 0)


@pytest.mark.parametrize("lifetime", [0, -1, 86_401])
def test_nonce_lives_for_a_second_to_a_day(store, lifetime):
    """A nonce that never lived or lives for ever is not issued."""
    with pytest.raises(InputError) as caught:
        store.issue_nonce(NOW, lifetime)
    assert caught.value.code == "input.nonce"


def test_replayed_request_writes_nothing(store):
    """A release whose nonce was spent by another writes nothing: no use, no leaf, no other nonce."""
    release(store, "d-1", nonces=[("n-1", NOW + 600)])
    before = store.log_state()
    replayed(lambda: release(store, "d-2", nonces=[("n-2", NOW + 600), ("n-1", NOW + 600)]))
    assert store.log_state() == before
    assert (store.uses("grant-1"), store.nonce_spent("n-2")) == (1, False)
    assert release(store, "d-2", nonces=[("n-2", NOW + 600)]).index == 1


def test_nonce_named_twice_in_one_release(store):
    """One nonce cannot stand for two proofs of one release."""
    replayed(lambda: release(store, "d-1", nonces=[("n", NOW + 600), ("n", NOW + 600)]))
    assert not store.nonce_spent("n")


def test_refused_release_spends_no_nonce(store):
    """A release refused for want of uses leaves its nonce to be spent."""
    with pytest.raises(ConsentInvalid) as caught:
        release(store, "d-1", grants=(("grant-1", 0),), nonces=[("n", NOW + 600)])
    assert caught.value.status is ConsentStatus.EXHAUSTED
    assert not store.nonce_spent("n")


def test_issued_nonce_is_spent_by_a_release(store):
    """A nonce issued here and brought back in a presentation is spent with the release, once."""
    nonce = store.issue_nonce(NOW, 60)
    release(store, "d-1", nonces=[(nonce, NOW + 600)])
    replayed(lambda: store.spend_nonce(nonce, NOW))
    replayed(lambda: release(store, "d-2", nonces=[(nonce, NOW + 600)]))


@pytest.mark.parametrize("until", [-1, 2**53, 2**70])
def test_nonce_with_an_absurd_end(store, until):
    """An end that no database or JSON carries is refused, and nothing is written."""
    replayed(lambda: release(store, "d-1", nonces=[("n", until)]))
    assert store.uses("grant-1") == 0


def test_nonces_are_forgotten_a_day_after_their_end(store):
    """A nonce is remembered for a day beyond its end, however early that end was said to be."""
    release(store, "d-1", nonces=[("early", 0), ("late", NOW + 600)])
    store.issue_nonce(NOW, 60)
    for now in (NOW + 1, NOW + KEPT_AFTER_S):
        replayed(lambda now=now: release(store, "d-2", now=now, nonces=[("early", 0)]))
        replayed(lambda now=now: release(store, "d-2", now=now, nonces=[("late", now + 600)]))
    store.issue_nonce(NOW + KEPT_AFTER_S + 61, 60)
    assert not store.nonce_spent("early")
    assert store.nonce_spent("late")
    assert kept(store) == 2
    release(store, "d-2", now=NOW + KEPT_AFTER_S + 601)
    assert not store.nonce_spent("late")
    assert kept(store) == 1


def test_clock_set_back_to_revive_a_nonce(store):
    """A clock that stands before the log issues and spends no nonce."""
    nonce = store.issue_nonce(NOW, 60)
    release(store, "d-1", now=NOW + 100)
    for act in (lambda: store.spend_nonce(nonce, NOW + 30), lambda: store.issue_nonce(NOW + 30, 60)):
        with pytest.raises(StoreUnavailable) as caught:
            act()
        assert caught.value.code == "check.clock-behind"


def test_nonces_are_not_stored(store):
    """The table names a nonce by a hash."""
    release(store, "d-1", nonces=[("very-private", NOW + 600)])
    with store._database.reading() as connection:
        rows = connection.execute(select(NONCES)).all()
    assert "very-private" not in repr(rows)


def test_older_trust_list_played_again(store):
    """A mark rises, may stay, and never falls; each name has its own."""
    for value in (0, 3, 3, 7):
        store.raise_mark("trust list", value)
    with pytest.raises(VerificationFailed) as caught:
        store.raise_mark("trust list", 6)
    assert caught.value.code == "verification.rollback"
    store.raise_mark("other", 1)
    store.raise_mark("trust list", 7)


@pytest.mark.parametrize(
    ("name", "value"), [("m", -1), ("m", 2**53), ("m", True), ("", 1), ("x" * 513, 1), ("a\0b", 1)]
)
def test_mark_that_cannot_be_kept(store, name, value):
    """A value or name that not every database keeps exactly is refused."""
    with pytest.raises(VerificationFailed) as caught:
        store.raise_mark(name, value)
    assert caught.value.code == "verification.mark"


def test_mark_outlives_the_process(place):
    """A store opened again still knows the highest value."""
    first = place.open()
    first.raise_mark("m", 5)
    first.close()
    with pytest.raises(VerificationFailed):
        place.open().raise_mark("m", 4)
