"""A released picture is found by what it looks like, on either database; nothing of it is in clear."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text
from store_world import NOW, Place, release

from consent_edit.errors import ConsentInvalid, StoreUnavailable
from consent_edit.perception.observation import Box, ExposureReading, Origin, PictureExposure, Sketch
from consent_edit.store import likeness
from consent_edit.store.lineage import KEPT_S
from consent_edit.store.vault_key import VaultKey
from consent_edit.vocabulary import Exposure

PICTURE, OTHER, THIRD = ("sha256:" + sign * 64 for sign in "abc")
HASH = hashlib.sha256(b"one").digest()
FAR = hashlib.sha256(b"another").digest()


def origin(score: float = 0.01) -> Origin:
    """A first picture whose models gave one score throughout."""
    reading = ExposureReading(Exposure.NONE, {"whole": score})
    past = Origin((Box(0.1, 0.2, 0.3, 0.4),), PictureExposure(reading, (reading,), reading))
    return Origin(past.boxes, past.exposure, Sketch(b"a small copy"), (past,))


FIRST = origin()


def off(bits: int, one: bytes = HASH) -> bytes:
    """A hash so many bits away."""
    return (int.from_bytes(one, "big") ^ ((1 << bits) - 1)).to_bytes(32, "big")


def keep(store, name: str, picture: str = PICTURE, *hashes: bytes, first: Origin = FIRST, **more):
    """A release of a picture that looks like these hashes."""
    return release(store, name, origins={picture: first}, likenesses={picture: hashes or (HASH,)}, **more)


def test_a_picture_is_found_within_the_distance_and_not_beyond(store):
    """31 bits are found when 31 are asked for, 32 are not; with distance, way and where it came from."""
    keep(store, "d-1")
    (found,) = store.alike([FAR, off(31)], 31)
    assert (found.distance, found.which, found.part, found.origin) == (31, 1, 0, FIRST)
    assert store.alike([FAR, off(32)], 31) == ()
    assert store.alike([], 256) == ()


def test_the_nearest_comes_first_each_picture_once(store):
    """Of several hashes of one picture the nearest counts, and of several pictures the nearest leads."""
    keep(store, "d-1", PICTURE, FAR, off(9))
    keep(store, "d-2", OTHER, off(4), first=origin(0.02))
    keep(store, "d-3", THIRD, off(60))
    found = store.alike([HASH], 31)
    assert [(one.distance, one.part) for one in found] == [(4, 0), (9, 1)]
    assert [one.origin.exposure.picture.scores["whole"] for one in found] == [0.02, 0.01]


def test_no_more_are_looked_into_than_need_be(store, monkeypatch):
    """Of very many alike only the nearest are opened."""
    monkeypatch.setattr(likeness, "MOST_ALIKE", 2)
    for number, picture in enumerate((PICTURE, OTHER, THIRD)):
        keep(store, f"d-{number}", picture, off(9 - number))
    assert [one.distance for one in store.alike([HASH], 31)] == [7, 8]


def test_many_are_searched_in_parts(store, monkeypatch):
    """A search that goes through the hashes a few at a time finds the same."""
    monkeypatch.setattr(likeness, "_AT_ONCE", 2)
    keep(store, "d-1", PICTURE, FAR, off(40), off(41), off(42), off(3))
    assert [(one.distance, one.part) for one in store.alike([FAR[::-1], HASH], 31)] == [(3, 4)]


def test_a_refused_release_is_not_found(store):
    """A release that is turned down in the transaction leaves nothing to be found by."""
    release(store, "d-1", grants=(("grant-1", 1),))
    with pytest.raises(ConsentInvalid):
        keep(store, "d-2", grants=(("grant-1", 1),))
    assert store.alike([HASH], 31) == ()


@pytest.mark.parametrize(("picture", "bits"), [("a picture", HASH), (PICTURE, HASH[:31]), (PICTURE, b"")])
def test_what_is_no_likeness_stops_the_release(store, picture, bits):
    """A likeness that cannot be kept undoes the whole release."""
    with pytest.raises(StoreUnavailable) as caught:
        keep(store, "d-1", picture, bits)
    assert caught.value.code == "check.record" and store.log_state().size == 0


def test_a_picture_too_plain_is_kept_by_its_pixels_alone(store):
    """No hash, no likeness: the origin is there for who brings the very pixels."""
    release(store, "d-1", origins={PICTURE: FIRST}, likenesses={PICTURE: ()})
    assert store.alike([HASH], 31) == () and store.origin(PICTURE, origin(0.5)) == FIRST


def test_likenesses_end_and_can_be_forgotten(store):
    """They go with the origin: when its time is over, or when the operator forgets it."""
    keep(store, "d-1")
    keep(store, "d-2", OTHER, now=NOW + KEPT_S)
    assert len(store.alike([HASH], 31)) == 2
    keep(store, "d-3", THIRD, FAR, now=NOW + KEPT_S + 1)
    assert len(store.alike([HASH], 31)) == 1
    assert store.forget_origins([OTHER]) == 1
    assert store.alike([HASH], 31) == ()
    with store._database.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM likenesses")) == 1


def test_a_forgotten_picture_that_is_released_again_is_found_again(store):
    """What was forgotten and comes anew is found, with the past it has now."""
    keep(store, "d-1")
    assert store.alike([HASH], 31)
    store.forget_origins([PICTURE])
    keep(store, "d-2", first=origin(0.3))
    assert [one.origin for one in store.alike([HASH], 31)] == [origin(0.3)]


def test_other_processes_see_it(place: Place):
    """Two open stores on one database: what one releases the other finds, before and after it has looked."""
    one, two = place.open(), place.open()
    assert two.alike([HASH], 31) == ()
    keep(one, "d-1")
    assert len(two.alike([HASH], 31)) == 1
    keep(one, "d-2", OTHER, off(3))
    assert len(two.alike([HASH], 31)) == 2
    one.close()
    two.close()
    again = place.open()
    assert len(again.alike([HASH], 31)) == 2
    again.close()


def test_nothing_of_it_stands_in_clear(store):
    """Neither hash nor digest is in any row or leaf; two pictures that look the same cannot be told to."""
    keep(store, "d-1")
    keep(store, "d-2", OTHER)
    with store._database.reading() as connection:
        rows = [bytes(one) for (one,) in connection.execute(text("SELECT sealed FROM likenesses"))]
        sealed = b"".join(
            bytes(one) for (one,) in connection.execute(text("SELECT sealed FROM vault_entries"))
        )
    for clear in (HASH, HASH.hex().encode(), bytes.fromhex("a" * 64), b"a" * 64):
        assert all(clear not in row for row in (*rows, sealed, store.leaf(0), store.leaf(1)))
    assert rows[0][12:] != rows[1][12:]


def test_a_damaged_likeness_is_an_error(store):
    """A row that cannot be opened is an error, never a picture that nothing looks like."""
    keep(store, "d-1")
    with store._database.writing() as connection:
        connection.execute(text("UPDATE likenesses SET sealed = :row"), {"row": b"x" * 92})
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as caught:
            store.alike([HASH], 31)
        assert caught.value.code == "check.store-damaged"


def test_likenesses_moved_to_another_picture(store):
    """A row put under another picture's name does not open."""
    keep(store, "d-1")
    keep(store, "d-2", OTHER, FAR)
    with store._database.writing() as connection:
        rows = connection.execute(text("SELECT picture_hash, sealed FROM likenesses")).all()
        for (name, _), (_, row) in zip(rows, reversed(rows), strict=True):
            connection.execute(
                text("UPDATE likenesses SET sealed = :row WHERE picture_hash = :name"),
                {"row": row, "name": name},
            )
    with pytest.raises(StoreUnavailable):
        store.alike([HASH], 31)


def test_a_lost_key_is_an_error(store):
    """Rows whose key is gone are an error, not an empty table."""
    keep(store, "d-1")
    store.erase_subject(likeness._KEY_NAME)
    with pytest.raises(StoreUnavailable) as caught:
        store.alike([HASH], 31)
    assert caught.value.code == "check.store-damaged"


def test_a_change_of_the_vaults_key_keeps_them(place: Place):
    """Under the vault's new key they are found as before, and more are kept."""
    store = place.open()
    keep(store, "d-1")
    new = VaultKey.of(b"n" * 32)
    store.vault.rekey(new)
    keep(store, "d-2", OTHER, off(2))
    assert len(store.alike([HASH], 31)) == 2
    store.close()
    again = place.open() if place.key is None else Place(place.where, new).open()
    assert len(again.alike([HASH], 31)) == 2
    again.close()


def test_store_of_version_5_is_given_the_table(place: Place):
    """A store that was laid out before is brought up: what it released is known by its pixels, as it was."""
    store = place.open()
    release(store, "d-1", origins={PICTURE: FIRST})
    with store._database.writing() as connection:
        connection.execute(text("DROP TABLE likenesses"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("UPDATE consent_edit_store SET value = '5' WHERE name = 'schema'"))
        else:
            connection.execute(text("PRAGMA user_version=5"))
    store.close()
    again = place.open()
    assert again.origin(PICTURE, origin(0.5)) == FIRST and again.alike([HASH], 31) == ()
    keep(again, "d-2", OTHER)
    assert len(again.alike([HASH], 31)) == 1
    again.close()
