"""Lineage: which first picture a released one came from, so that a chain of small steps is seen as one.

A row is found by a hash of the released picture's pixel digest, and sealed under a key that only the digest
gives: a copy of the table opens nothing, and who brings the picture back opens its row; who brings it back
saved anew is led to the digest by what it looks like (``store.likeness``). It holds where people
stood in the first picture, what the exposure models said there, and a small copy of it with what released
edits were allowed to repaint: no template, nothing of who they are. It is in no log and in no receipt, is
written with the release or not at all, and ends :data:`KEPT_S` after it. Rows of version 1, which older
releases wrote, hold no copy and are not sealed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, delete, select

from consent_edit.encoding import b64url_decode, b64url_encode, canonical_json
from consent_edit.errors import StoreUnavailable
from consent_edit.perception.observation import Box, ExposureReading, Origin, PictureExposure, Sketch
from consent_edit.store.database import insert_into
from consent_edit.store.schema import LINEAGE
from consent_edit.vocabulary import Exposure

KEPT_S: Final = 400 * 24 * 3600
"""Seconds for which a released picture's origin is remembered: longer than any credential lives."""

MAX_BYTES: Final = 1024 * 1024
"""Bound on one row; a picture with a thousand people needs about 300 KB, its small copy about 70."""

MOST_FURTHER: Final = 1
"""Further first pictures that a row holds: the least that any of them showed is kept as one."""

_SEALED: Final = b"\x02"
"""First byte of a sealed row; those of version 1 are JSON and begin with a brace."""

_NONCE_BYTES: Final = 12

_Share = Annotated[float, Field(ge=0, le=1)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Reading(_Wire):
    value: Exposure
    scores: Mapping[str, _Share]

    @classmethod
    def of(cls, reading: ExposureReading) -> _Reading:
        return cls(value=reading.value, scores=dict(reading.scores))

    def reading(self) -> ExposureReading:
        return ExposureReading(self.value, dict(self.scores))


class _Past(_Wire):
    """A first picture."""

    boxes: tuple[tuple[float, float, float, float], ...]
    picture: _Reading
    persons: tuple[_Reading, ...]
    elsewhere: _Reading

    @classmethod
    def of(cls, origin: Origin) -> _Past:
        exposure = origin.exposure
        return cls(
            boxes=tuple((box.x, box.y, box.width, box.height) for box in origin.boxes),
            picture=_Reading.of(exposure.picture),
            persons=tuple(_Reading.of(person) for person in exposure.persons),
            elsewhere=_Reading.of(exposure.elsewhere),
        )

    def origin(self) -> Origin:
        return Origin(
            boxes=tuple(Box(*box) for box in self.boxes),
            exposure=PictureExposure(
                picture=self.picture.reading(),
                persons=tuple(person.reading() for person in self.persons),
                elsewhere=self.elsewhere.reading(),
            ),
        )


class _Row(_Past):
    """What a row holds, as canonical JSON; those of version 1 hold no sketch, of 2 no further pictures."""

    v: int = Field(ge=1, le=3)
    sketch: str = ""
    rows: float = Field(default=1.0, gt=0, le=1)
    further: tuple[_Past, ...] = Field(default=(), max_length=MOST_FURTHER)


def keep(connection: Connection, picture: str, origin: Origin, now: int) -> None:
    """Remember the origin of a released picture, inside the caller's transaction, and forget what is old.

    The first origin a picture was given stays, however often it is released: whoever brings the same pixels
    about from another picture does not give them another past.

    Args:
        picture: Pixel digest of the released picture, as intake gives it when the file comes back.
    """
    row = insert_into(connection, LINEAGE).values(
        picture_hash=named(picture), until=now + KEPT_S, origin=_sealed(picture, _written(origin))
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=[LINEAGE.c.picture_hash], set_={"until": row.excluded.until})
    )
    connection.execute(delete(LINEAGE).where(LINEAGE.c.until < now))


def find(connection: Connection, picture: str, otherwise: Origin) -> Origin:
    """The origin of a picture; ``otherwise``, itself, where none is kept."""
    return next(iter(known(connection, picture)), otherwise)


def known(connection: Connection, picture: str) -> tuple[Origin, ...]:
    """The one origin of a picture, or none."""
    found = connection.scalar(select(LINEAGE.c.origin).where(LINEAGE.c.picture_hash == named(picture)))
    return () if found is None else (_read(picture, found),)


def forget(connection: Connection, pictures: Sequence[str]) -> int:
    """Forget released pictures; each is then a first picture again."""
    names = [named(picture) for picture in pictures]
    return connection.execute(delete(LINEAGE).where(LINEAGE.c.picture_hash.in_(names))).rowcount


def named(picture: str) -> bytes:
    """How a picture is named in the table."""
    return hashlib.sha256(b"consent-edit/lineage/v1\0" + picture.encode("utf-8", "surrogatepass")).digest()


def _key(picture: str) -> bytes:
    """The AES-256 key of a picture's row; a pixel digest is as good as random to who has not the pixels."""
    return hashlib.sha256(
        b"consent-edit/lineage-key/v1\0" + picture.encode("utf-8", "surrogatepass")
    ).digest()


def _sealed(picture: str, data: bytes) -> bytes:
    """A row as it is kept: AES-256-GCM, bound to the name it is found by."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _SEALED + nonce + AESGCM(_key(picture)).encrypt(nonce, data, named(picture))


def _opened(picture: str, row: bytes) -> bytes:
    """What :func:`_sealed` was given; a row of version 1 as it is.

    Raises:
        ValueError: it was not sealed for this picture.
    """
    if not row.startswith(_SEALED):
        return row
    nonce, sealed = row[1 : 1 + _NONCE_BYTES], row[1 + _NONCE_BYTES :]
    try:
        return AESGCM(_key(picture)).decrypt(nonce, sealed, named(picture))
    except InvalidTag as error:
        raise ValueError("not sealed for this picture") from error


def _written(origin: Origin) -> bytes:
    try:
        row = _Row(
            v=3,
            **dict(_Past.of(origin)),
            sketch=b64url_encode(origin.sketch.picture),
            rows=origin.sketch.rows,
            further=tuple(_Past.of(one) for one in origin.further),
        )
        data = canonical_json(row.model_dump(mode="json"))
    except ValueError as error:  # a ValidationError is one
        raise StoreUnavailable("a picture's origin cannot be written", code="check.record") from error
    if len(data) > MAX_BYTES:
        raise StoreUnavailable("a picture's origin is too long", code="check.record")
    return data


def _read(picture: str, row: object) -> Origin:
    try:
        found = _Row.model_validate_json(_opened(picture, row if isinstance(row, bytes) else b""))
        sketch = Sketch(b64url_decode(found.sketch), found.rows)
    except ValueError as error:  # a ValidationError is one
        raise StoreUnavailable(
            "a picture's origin in the store is damaged", code="check.store-damaged"
        ) from error
    return replace(found.origin(), sketch=sketch, further=tuple(one.origin() for one in found.further))
