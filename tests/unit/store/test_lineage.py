"""Where a released picture came from is kept with the release, on either database, or not at all."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from store_world import NOW, Place, release

from consent_edit.errors import ConsentInvalid, StoreUnavailable
from consent_edit.perception.observation import Box, ExposureReading, Origin, PictureExposure
from consent_edit.store.lineage import KEPT_S, MAX_BYTES
from consent_edit.vocabulary import Exposure

PICTURE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def origin(score: float = 0.01, people: int = 1) -> Origin:
    """A first picture whose models gave one score throughout."""
    reading = ExposureReading(Exposure.NONE, {"whole": score})
    return Origin(
        (Box(-0.1, 0.2, 0.3, 0.4),) * people, PictureExposure(reading, (reading,) * people, reading)
    )


FIRST, ITSELF = origin(0.01), origin(0.15)


def test_released_picture_is_known_by_its_first(store):
    """The origin written with a release is read back whole; any other picture is its own."""
    release(store, "d-1", origins={PICTURE: FIRST})
    assert store.origin(PICTURE, ITSELF) == FIRST
    assert store.origin(OTHER, ITSELF) == ITSELF


def test_refused_release_leaves_no_origin(store):
    """A release that is turned down in the transaction leaves nothing of where it came from."""
    release(store, "d-1", grants=(("grant-1", 1),))
    with pytest.raises(ConsentInvalid):
        release(store, "d-2", grants=(("grant-1", 1),), origins={PICTURE: FIRST})
    assert store.origin(PICTURE, ITSELF) == ITSELF


def test_unwritable_origin_stops_the_release(store):
    """An origin that cannot be kept undoes the whole release: no leaf, no use."""
    for bad in (origin(float("nan")), origin(2.0), origin(people=MAX_BYTES // 20)):
        with pytest.raises(StoreUnavailable) as caught:
            release(store, "d-1", origins={PICTURE: bad})
        assert caught.value.code == "check.record"
    assert (store.log_state().size, store.uses("grant-1")) == (0, 0)


def test_same_pixels_released_again_keep_their_first_past(store):
    """Bringing the same picture about from another one does not give it a more exposed past."""
    release(store, "d-1", origins={PICTURE: FIRST})
    release(store, "d-2", origins={PICTURE: origin(0.19)})
    assert store.origin(PICTURE, ITSELF) == FIRST


def test_origins_end(store):
    """An origin is remembered for its time after the last release of the picture, and then forgotten."""
    release(store, "d-1", origins={PICTURE: FIRST})
    release(store, "d-2", now=NOW + KEPT_S, origins={OTHER: FIRST})
    assert store.origin(PICTURE, ITSELF) == FIRST
    release(store, "d-3", now=NOW + KEPT_S + 1, origins={OTHER: FIRST})
    assert store.origin(PICTURE, ITSELF) == ITSELF
    assert store.origin(OTHER, ITSELF) == FIRST


def test_origins_can_be_deleted(store):
    """An operator can forget a picture's origin before its time, once."""
    release(store, "d-1", origins={PICTURE: FIRST, OTHER: FIRST})
    assert store.forget_origins([PICTURE]) == 1
    assert store.forget_origins([PICTURE]) == 0
    assert store.origin(PICTURE, ITSELF) == ITSELF
    assert store.origin(OTHER, ITSELF) == FIRST


@pytest.mark.parametrize("row", [b"", b"{}", b"not json", b'{"v":2}'])
def test_damaged_origin_is_an_error(store, row):
    """A row that cannot be read is an error, never a picture without a past."""
    release(store, "d-1", origins={PICTURE: FIRST})
    with store._database.writing() as connection:
        connection.execute(text("UPDATE lineage SET origin = :row"), {"row": row})
    with pytest.raises(StoreUnavailable) as caught:
        store.origin(PICTURE, ITSELF)
    assert caught.value.code == "check.store-damaged"


def test_nothing_tells_which_picture(store):
    """Neither the table nor the log holds the picture's digest in clear."""
    release(store, "d-1", origins={PICTURE: FIRST})
    with store._database.reading() as connection:
        named, kept = connection.execute(text("SELECT picture_hash, origin FROM lineage")).one()
    digest = PICTURE.removeprefix("sha256:")
    assert digest not in bytes(named).hex() and digest.encode() not in bytes(kept)
    assert digest.encode() not in store.leaf(0) and b"whole" not in store.leaf(0)


def test_origin_survives_the_process(place: Place):
    """What was released is known after the store is opened again."""
    store = place.open()
    release(store, "d-1", origins={PICTURE: FIRST})
    store.close()
    again = place.open()
    assert again.origin(PICTURE, ITSELF) == FIRST
    again.close()


def test_unreadable_store_gives_no_origin(place: Place):
    """A store whose table is gone answers with an error, not with a picture of its own past."""
    store = place.open()
    with store._database.writing() as connection:
        connection.execute(text("DROP TABLE lineage"))
    with pytest.raises(StoreUnavailable):
        store.origin(PICTURE, ITSELF)
    store.close()


def test_store_of_version_2_is_given_the_table(place: Place):
    """A store that was laid out before lineage is brought up and keeps what it holds."""
    store = place.open()
    release(store, "d-1")
    with store._database.writing() as connection:
        connection.execute(text("DROP TABLE lineage"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("UPDATE consent_edit_store SET value = '2' WHERE name = 'schema'"))
        else:
            connection.execute(text("PRAGMA user_version=2"))
    store.close()
    again = place.open()
    assert (again.log_state().size, again.uses("grant-1")) == (1, 1)
    release(again, "d-2", origins={PICTURE: FIRST})
    assert again.origin(PICTURE, ITSELF) == FIRST
    again.close()
