"""What perception saw and read: total values, never ``None``, and knowing no policy.

A check that gave no answer is present as a :class:`CheckRun` whose outcome says so, and the value it
would have given reads ``UNDETERMINED``. Boxes and landmarks are in pixels of the picture observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.vocabulary import (
    CheckName,
    CheckOutcome,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
    PersonKind,
    Recognisable,
    Region,
)


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box: left, top, width, height in pixels; may reach over the border."""

    x: float
    y: float
    width: float
    height: float

    def as_ints(self) -> tuple[int, int, int, int]:
        """The box rounded to whole pixels."""
        return round(self.x), round(self.y), round(self.width), round(self.height)

    def scaled(self, x: float, y: float) -> Box:
        """The box in a picture ``x`` times as wide and ``y`` times as high."""
        return Box(self.x * x, self.y * y, self.width * x, self.height * y)

    def overlap(self, other: Box) -> float:
        """Intersection over union with another box, 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, slots=True)
class ModelUse:
    """One model as it ran: what a receipt says of it (G4).

    Attributes:
        role: The role in models.lock.toml.
        sha256: Hash of the weight file that was loaded, hex.
        threshold: The operating threshold applied to its score.
        self_test: Whether its known input gave its known output at load.
    """

    role: str
    sha256: str
    threshold: float
    self_test: bool


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One check as it ran, or why it did not.

    Attributes:
        detail: For the operator: an exception's class name or the deadline; never data of a person.
    """

    name: CheckName
    outcome: CheckOutcome
    models: tuple[ModelUse, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FaceObservation:
    """One face, or a box that too few passes support.

    Attributes:
        box: Where it is.
        kind: ``FACE`` or ``POSSIBLE_FACE``.
        recognisable: By width against the recognition density.
        score: Best detector score over the passes, 0 to 1.
        passes: Names of the detector passes that found it.
        landmarks: float32 (5, 2), ArcFace order: right eye, left eye, nose, mouth right, mouth left.
        embeddings: Role of embedder -> float32 (views, dim), rows of unit norm; empty when the check did not
            run.
    """

    box: Box
    kind: PersonKind
    recognisable: Recognisable
    score: float
    passes: tuple[str, ...]
    landmarks: NDArray[np.float32] = field(repr=False)
    embeddings: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ExposureReading:
    """What the exposure models say of a picture.

    Attributes:
        value: Worst value over the whole picture and its crops.
        scores: View name -> score, 0 to 1.
    """

    value: Exposure
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ImageObservation:
    """Everything seen in one picture."""

    digest: str
    width: int
    height: int
    faces: tuple[FaceObservation, ...]
    exposure: ExposureReading
    checks: tuple[CheckRun, ...]

    @property
    def models(self) -> dict[str, str]:
        """Role -> SHA-256 (hex) of the weight file, of every model that looked."""
        return {model.role: model.sha256 for check in self.checks for model in check.models}


@dataclass(frozen=True, slots=True)
class PromptObservation:
    """Everything read in the texts of one request (prompt and negative prompt).

    Attributes:
        intent: The worst over the texts.
        operations: Operations the texts ask for; may be empty.
        language: ISO 639-1 code, or ``und`` when the reader does not know the language.
        names_person: Whether a person is named; ``UNDETERMINED`` never occurs here: doubt counts as a name.
    """

    intent: Intent
    operations: frozenset[Operation]
    language: str
    names_person: bool
    checks: tuple[CheckRun, ...]


@dataclass(frozen=True, slots=True)
class ChangeObservation:
    """What differs between the input and the output picture.

    Attributes:
        faces_touched: Per face of the *input* observation, in its order: regions repainted beyond what a
            smooth tone change of the whole picture explains; ``{UNDETERMINED}`` when it could not be
            measured.
        output_faces_touched: The same per face of the *output* observation, at its place.
        unseen_touched: Regions changed that no found person explains.
        tone: Whether the whole picture's tone changed.
        exposure_change: Output against input, worst over the views.
    """

    faces_touched: tuple[frozenset[Region], ...]
    output_faces_touched: tuple[frozenset[Region], ...]
    unseen_touched: frozenset[Region]
    tone: bool
    exposure_change: ExposureChange
    checks: tuple[CheckRun, ...]


class Perception(Protocol):
    """What the editor looks with. A check that fails is a value in the observation, never an exception."""

    def observe_image(self, image: CanonicalImage) -> ImageObservation:
        """Everything seen in one picture."""

    def read_prompt(self, texts: Sequence[str], *, negative: Sequence[str] = ()) -> PromptObservation:
        """Everything read in the texts of one request; ``negative`` steer by what they exclude."""

    def observe_change(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        seen_before: ImageObservation,
        seen_after: ImageObservation,
    ) -> ChangeObservation:
        """What differs between two pictures of one edit."""

    def close(self) -> None:
        """Let go of what it holds."""
