"""Where a released picture came from is kept with the release, on either database, or not at all."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text
from store_world import NOW, Place, release

from consent_edit.encoding import b64url_encode
from consent_edit.errors import ConsentInvalid, StoreUnavailable
from consent_edit.perception.observation import Box, ExposureReading, Origin, PictureExposure, Sketch
from consent_edit.store import lineage
from consent_edit.store.lineage import KEPT_S, MAX_BYTES
from consent_edit.vocabulary import Exposure

PICTURE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


COPY = b"\xff\xd8 a small copy \x00\xff\xd9"


def origin(score: float = 0.01, people: int = 1, sketch: Sketch = Sketch(COPY, 0.75)) -> Origin:  # noqa: B008
    """A first picture whose models gave one score throughout."""
    reading = ExposureReading(Exposure.NONE, {"whole": score})
    exposure = PictureExposure(reading, (reading,) * people, reading)
    return Origin((Box(-0.1, 0.2, 0.3, 0.4),) * people, exposure, sketch)


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
    long = Sketch(COPY * MAX_BYTES)
    bads = (origin(float("nan")), origin(2.0), origin(people=MAX_BYTES // 20), origin(sketch=long))
    for bad in (*bads, origin(sketch=Sketch(COPY, 0.0)), origin(sketch=Sketch(COPY, 1.1))):
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


@pytest.mark.parametrize("row", [b"", b"{}", b"not json", b'{"v":2}', b"\x02", b"\x02" + bytes(60)])
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


def test_a_copy_of_the_table_opens_nothing(store):
    """What is kept is sealed: neither the small copy nor a reading is in the row, whoever reads the table."""
    release(store, "d-1", origins={PICTURE: FIRST})
    with store._database.reading() as connection:
        named, kept = connection.execute(text("SELECT picture_hash, origin FROM lineage")).one()
    for clear in (COPY, b64url_encode(COPY).encode(), b"whole", b"boxes"):
        assert clear not in bytes(kept)
    derived = [bytes(named), hashlib.sha256(bytes(named)).digest()]
    assert lineage._key(PICTURE) not in derived and lineage._key(PICTURE) != lineage._key(OTHER)
    for wrong in (bytes(named).hex(), OTHER):
        with pytest.raises(ValueError, match="sealed"):
            lineage._opened(wrong, bytes(kept))


def test_origin_moved_to_another_picture(store):
    """A row put under another picture's name is an error: nobody is given another past."""
    release(store, "d-1", origins={PICTURE: FIRST})
    release(store, "d-2", origins={OTHER: origin(0.19)})
    with store._database.writing() as connection:
        rows = dict(connection.execute(text("SELECT picture_hash, origin FROM lineage")).all())
        one, two = rows
        for name, row in ((one, rows[two]), (two, rows[one])):
            connection.execute(
                text("UPDATE lineage SET origin = :row WHERE picture_hash = :name"),
                {"row": row, "name": name},
            )
    for picture in (PICTURE, OTHER):
        with pytest.raises(StoreUnavailable) as caught:
            store.origin(picture, ITSELF)
        assert caught.value.code == "check.store-damaged"


def test_same_origin_sealed_twice_is_not_the_same_row():
    """Two rows of one origin share no bytes that could be told apart from chance."""
    assert lineage._sealed(PICTURE, b"row")[1:] != lineage._sealed(PICTURE, b"row")[1:]


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
        connection.execute(text("DROP TABLE admissions"))
    with pytest.raises(StoreUnavailable):
        store.origin(PICTURE, ITSELF)
    store.close()


OLD_ROW = (
    b'{"boxes":[[0.1,0.2,0.3,0.4]],"elsewhere":{"scores":{},"value":"none"},"persons":[{"scores":{"whole":0.01},'
    b'"value":"none"}],"picture":{"scores":{"whole":0.01},"value":"none"},"v":1}'
)
"""As the release before wrote it."""


def test_store_of_version_3_goes_on(place: Place):
    """Rows without a copy are read as they were, and a release of this version is kept beside them."""
    store = place.open()
    release(store, "d-1", origins={PICTURE: FIRST})
    with store._database.writing() as connection:
        connection.execute(text("UPDATE lineage SET origin = :row"), {"row": OLD_ROW})
        connection.execute(text("DROP TABLE admissions"))
        connection.execute(text("DROP TABLE likenesses"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("UPDATE consent_edit_store SET value = '3' WHERE name = 'schema'"))
        else:
            connection.execute(text("PRAGMA user_version=3"))
    store.close()
    again = place.open()
    old = again.origin(PICTURE, ITSELF)
    assert old.boxes == (Box(0.1, 0.2, 0.3, 0.4),) and old.exposure.picture.scores == {"whole": 0.01}
    assert old.sketch == Sketch()
    release(again, "d-2", origins={OTHER: FIRST})
    assert again.origin(OTHER, ITSELF) == FIRST
    again.close()


def test_store_of_version_2_is_given_the_table(place: Place):
    """A store that was laid out before lineage is brought up and keeps what it holds."""
    store = place.open()
    release(store, "d-1")
    with store._database.writing() as connection:
        connection.execute(text("DROP TABLE lineage"))
        connection.execute(text("DROP TABLE admissions"))
        connection.execute(text("DROP TABLE likenesses"))
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
