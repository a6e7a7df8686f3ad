"""What travels between host and engine, as pydantic holds it: closed, strict and bounded."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from consent_edit.evidence.finish import OUTPUT_LIMITS
from consent_edit.intake.decode import DEFAULT_LIMITS
from consent_edit.remedies.kinds import Whom
from consent_edit.request import MAX_PICTURES, MAX_PRESENTATIONS, FileFormat
from consent_edit.vocabulary import Operation, Purpose

MAX_ASKED: Final = 16 * 1024 * 1024
"""Bytes of the longest head of a request: its words and presentations."""

MAX_TOLD: Final = 1024 * 1024
"""Bytes of the longest head of an answer: a receipt, or a refusal with its boxes."""

MAX_PICTURE: Final = max(DEFAULT_LIMITS.max_bytes, 3 * DEFAULT_LIMITS.max_pixels)
"""Bytes of one picture: the longest file, or the most pixels, that intake takes."""

MAX_REQUEST: Final = 512 * 1024 * 1024
"""Bytes of all the pictures of one request."""

_Text = Annotated[str, Field(max_length=MAX_ASKED)]
_Name = Annotated[str, Field(max_length=200)]
_Side = Annotated[int, Field(ge=0, le=DEFAULT_LIMITS.max_pixels)]
_Plain: TypeAlias = bool | int | float | str | None


class Wire(BaseModel):
    """One message: nothing unknown in it, and nothing turned into another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SentPicture(Wire):
    """A picture whose bytes follow the head.

    Attributes:
        length: Bytes.
        width: Pixels a row, where the bytes are RGB pixels; 0 where they are a file.
        height: Rows, likewise.
    """

    length: Annotated[int, Field(ge=0, le=MAX_PICTURE)]
    width: _Side = 0
    height: _Side = 0

    @model_validator(mode="after")
    def _fits(self) -> SentPicture:
        """INVARIANT: pixels are as many as their size says."""
        if (self.width or self.height) and self.length != 3 * self.width * self.height:
            raise ValueError("as many bytes as pixels")
        return self


class SentPresentation(Wire):
    """A presentation that is not sealed."""

    credential: _Text
    grant: _Text
    cosigned: Annotated[tuple[_Text, ...], Field(max_length=64)] = ()


class SentGenerator(Wire):
    """A random generator: the engine makes one from the seed."""

    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)]


Setting: TypeAlias = _Plain | SentGenerator | tuple[_Plain, ...]


class Asked(Wire):
    """One edit. The pictures' bytes follow: the one edited, the mask, the further ones as they stand here."""

    type: Literal["edit"]
    image: SentPicture
    mask: SentPicture | None
    pictures: Annotated[
        dict[_Name, Annotated[tuple[SentPicture, ...], Field(min_length=1, max_length=MAX_PICTURES)]],
        Field(max_length=MAX_PICTURES),
    ]
    prompt: _Text
    negative_prompt: _Text
    grantee: _Text
    proof: _Text
    presentations: Annotated[tuple[_Text | SentPresentation, ...], Field(max_length=MAX_PRESENTATIONS)]
    operations: Annotated[tuple[Operation, ...], Field(max_length=len(Operation))]
    purpose: Purpose
    settings: Annotated[
        dict[_Name, _Plain | SentGenerator | Annotated[tuple[_Plain, ...], Field(max_length=16)]],
        Field(max_length=64),
    ]
    file_format: FileFormat
    anonymise: Whom
    crop: Whom
    preserve: Whom
    jurisdictions: Annotated[tuple[_Name, ...], Field(max_length=64)]

    @model_validator(mode="after")
    def _bounded(self) -> Asked:
        """INVARIANT: the pictures are not too many, and not too long together."""
        if len(self.sent) > MAX_PICTURES + 2 or sum(one.length for one in self.sent) > MAX_REQUEST:
            raise ValueError("too many or too long pictures")
        return self

    @property
    def sent(self) -> tuple[SentPicture, ...]:
        """The pictures in the order in which their bytes follow."""
        further = (one for several in self.pictures.values() for one in several)
        return (self.image, *((self.mask,) if self.mask else ()), *further)


class Step(Wire):
    """A denoising step is done."""

    type: Literal["step"] = "step"
    step: int
    total: int


class Released(Wire):
    """What was released; the file's bytes follow."""

    type: Literal["released"] = "released"
    receipt: str
    decision_id: str
    length: Annotated[int, Field(gt=0, le=OUTPUT_LIMITS.max_bytes)]


class Failed(Wire):
    """Why nothing leaves, as the requester may read it.

    Attributes:
        error: Name of the class in the error tree.
        codes: Of a refusal; empty in every other error, as what follows.
    """

    type: Literal["failed"] = "failed"
    error: str
    message: str
    code: str
    remedy: str
    codes: tuple[str, ...] = ()
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    pictures: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    decision_id: str = ""


Told: TypeAlias = Annotated[Step | Released | Failed, Field(discriminator="type")]

ASKED: Final = TypeAdapter(Asked)
TOLD: Final[TypeAdapter[Step | Released | Failed]] = TypeAdapter(Told)
