"""Lineage: which first picture a released one came from, so that a chain of small steps is seen as one.

A row is found by a hash of the released picture's pixel digest. It holds where people stood in the first
picture and what the exposure models said there: no picture, no template, nothing of who they are. It is in no
log and in no receipt, is written with the release or not at all, and ends :data:`KEPT_S` after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, delete, select

from consent_edit.encoding import canonical_json
from consent_edit.errors import StoreUnavailable
from consent_edit.perception.observation import Box, ExposureReading, Origin, PictureExposure
from consent_edit.store.database import insert_into
from consent_edit.store.schema import LINEAGE
from consent_edit.vocabulary import Exposure

KEPT_S: Final = 400 * 24 * 3600
"""Seconds for which a released picture's origin is remembered: longer than any credential lives."""

MAX_BYTES: Final = 1024 * 1024
"""Bound on one row; a picture with a thousand people needs about 300 KB."""

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


class _Row(_Wire):
    """What a row holds, as canonical JSON."""

    v: int = Field(ge=1, le=1)
    boxes: tuple[tuple[float, float, float, float], ...]
    picture: _Reading
    persons: tuple[_Reading, ...]
    elsewhere: _Reading


def keep(connection: Connection, picture: str, origin: Origin, now: int) -> None:
    """Remember the origin of a released picture, inside the caller's transaction, and forget what is old.

    The first origin a picture was given stays, however often it is released: whoever brings the same pixels
    about from another picture does not give them another past.

    Args:
        picture: Pixel digest of the released picture, as intake gives it when the file comes back.
    """
    row = insert_into(connection, LINEAGE).values(
        picture_hash=_named(picture), until=now + KEPT_S, origin=_written(origin)
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=[LINEAGE.c.picture_hash], set_={"until": row.excluded.until})
    )
    connection.execute(delete(LINEAGE).where(LINEAGE.c.until < now))


def find(connection: Connection, picture: str, otherwise: Origin) -> Origin:
    """The origin of a picture; ``otherwise``, itself, where none is kept."""
    found = connection.scalar(select(LINEAGE.c.origin).where(LINEAGE.c.picture_hash == _named(picture)))
    return otherwise if found is None else _read(found)


def forget(connection: Connection, pictures: Sequence[str]) -> int:
    """Forget released pictures; each is then a first picture again."""
    names = [_named(picture) for picture in pictures]
    return connection.execute(delete(LINEAGE).where(LINEAGE.c.picture_hash.in_(names))).rowcount


def _named(picture: str) -> bytes:
    """How a picture is named in the table."""
    return hashlib.sha256(b"consent-edit/lineage/v1\0" + picture.encode("utf-8", "surrogatepass")).digest()


def _written(origin: Origin) -> bytes:
    exposure = origin.exposure
    try:
        row = _Row(
            v=1,
            boxes=tuple((box.x, box.y, box.width, box.height) for box in origin.boxes),
            picture=_Reading.of(exposure.picture),
            persons=tuple(_Reading.of(person) for person in exposure.persons),
            elsewhere=_Reading.of(exposure.elsewhere),
        )
        data = canonical_json(row.model_dump(mode="json"))
    except ValueError as error:  # a ValidationError is one
        raise StoreUnavailable("a picture's origin cannot be written", code="check.record") from error
    if len(data) > MAX_BYTES:
        raise StoreUnavailable("a picture's origin is too long", code="check.record")
    return data


def _read(data: object) -> Origin:
    try:
        row = _Row.model_validate_json(data if isinstance(data, bytes) else b"")
    except ValidationError as error:
        raise StoreUnavailable(
            "a picture's origin in the store is damaged", code="check.store-damaged"
        ) from error
    return Origin(
        boxes=tuple(Box(*box) for box in row.boxes),
        exposure=PictureExposure(
            picture=row.picture.reading(),
            persons=tuple(person.reading() for person in row.persons),
            elsewhere=row.elsewhere.reading(),
        ),
    )
