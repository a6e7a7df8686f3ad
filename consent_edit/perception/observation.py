"""What perception saw and read: total values, never ``None``, and knowing no policy.

A check that gave no answer is present as a :class:`CheckRun` whose outcome says so, and the value it
would have given reads ``UNDETERMINED``. Boxes and landmarks are in pixels of the picture observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.vocabulary import (
    Age,
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
        runtime: What ran it, with version and device, such as ``onnxruntime-1.32.0-cpu``.
    """

    role: str
    sha256: str
    threshold: float
    self_test: bool
    runtime: str = ""


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
        support: Why it is of that kind, in the detector's words.
        apparent_age: ``MINOR`` where the face looks like a child's, else ``UNDETERMINED``; a weak signal.
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
    support: str = ""
    apparent_age: Age = Age.UNDETERMINED


@dataclass(frozen=True, slots=True)
class BodyObservation:
    """Somebody whose face was not found.

    Attributes:
        box: Where the body is.
        score: Best score of what found it, 0 to 1.
        signs: What found it: names of signals, sorted.
    """

    box: Box
    score: float
    signs: tuple[str, ...]


PersonObservation = FaceObservation | BodyObservation


@dataclass(frozen=True, slots=True)
class ExposureReading:
    """What the exposure models say of one part of a picture.

    Attributes:
        value: Worst value over its views.
        scores: View name -> score, 0 to 1; empty where there was nothing to look at.
    """

    value: Exposure
    scores: Mapping[str, float] = field(default_factory=dict)


_EXPOSURES: Final = (
    Exposure.NONE,
    Exposure.SUGGESTIVE,
    Exposure.NUDE,
    Exposure.EXPLICIT,
    Exposure.UNDETERMINED,
)
_EXPOSURE_CHANGES: Final = (ExposureChange.NONE, ExposureChange.INCREASED, ExposureChange.UNDETERMINED)


def worst_exposure(*values: Exposure) -> Exposure:
    """The worst of some exposures; what could not be read is worse than anything read."""
    return max(values, key=_EXPOSURES.index)


def worst_change(*values: ExposureChange) -> ExposureChange:
    """The worst of some changes of exposure; what could not be read is worse than an increase."""
    return max(values, key=_EXPOSURE_CHANGES.index)


@dataclass(frozen=True, slots=True)
class PictureExposure:
    """Exposure of a picture and of everybody found in it.

    Attributes:
        picture: The whole picture and its fixed crops.
        persons: Per person found (faces, then bodies): crops around that person.
        elsewhere: The fixed crops that hold nobody found; ``NONE`` without scores where there are none.
    """

    picture: ExposureReading
    persons: tuple[ExposureReading, ...]
    elsewhere: ExposureReading


@dataclass(frozen=True, slots=True, eq=False)
class ImageObservation:
    """Everything seen in one picture.

    Attributes:
        bodies: People whose face was not found.
    """

    digest: str
    width: int
    height: int
    faces: tuple[FaceObservation, ...]
    bodies: tuple[BodyObservation, ...]
    exposure: PictureExposure
    checks: tuple[CheckRun, ...]

    @property
    def people(self) -> tuple[PersonObservation, ...]:
        """Everybody found: faces, then bodies. Whatever is told per person is told in this order."""
        return (*self.faces, *self.bodies)

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
        touched: Per person of the *input* observation: regions repainted beyond what a smooth tone change of
            the whole picture explains; ``{UNDETERMINED}`` when it could not be measured.
        output_touched: The same per person of the *output* observation, at their place.
        unseen_touched: Regions changed that no found person explains.
        tone: Whether the whole picture's tone changed.
        background: Whether pixels were repainted off everybody found.
        exposure_changes: Per person of the *output* observation: against the input and against the first
            picture of the chain, the worst.
        exposure_change: The same for the picture as a whole.
        sketch: What to compare the next edit of the output with, should it be released (:class:`Sketch`).
    """

    touched: tuple[frozenset[Region], ...]
    output_touched: tuple[frozenset[Region], ...]
    unseen_touched: frozenset[Region]
    tone: bool
    background: bool
    exposure_changes: tuple[ExposureChange, ...]
    exposure_change: ExposureChange
    checks: tuple[CheckRun, ...]
    sketch: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Sketch:
    """A small copy of a chain's first picture, with what released edits were allowed to repaint in it.

    Attributes:
        picture: JPEG; empty where nothing is kept, and the picture being edited stands for itself.
        rows: Share of the height, from the top, of the picture being edited that the copy shows.
    """

    picture: bytes = field(default=b"", repr=False)
    rows: float = 1.0


@dataclass(frozen=True, slots=True)
class Origin:
    """The first picture of a chain of edits; an unedited picture is its own.

    Attributes:
        boxes: Per person found there, where they were, as shares of the picture's width and height.
        exposure: What was read there.
        sketch: What it looked like.
        further: The least that other first pictures showed which the chain may have come from, with the
            people where they are in this one; exposure is compared with it as well. None where none is known.
    """

    boxes: tuple[Box, ...]
    exposure: PictureExposure
    sketch: Sketch = Sketch()
    further: tuple[Origin, ...] = ()

    @classmethod
    def of(cls, seen: ImageObservation) -> Origin:
        """A picture that begins a chain."""
        shares = (1 / max(seen.width, 1), 1 / max(seen.height, 1))
        return cls(tuple(person.box.scaled(*shares) for person in seen.people), seen.exposure)


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
        origin: Origin,
    ) -> ChangeObservation:
        """What differs between two pictures of one edit, and in exposure from the first of the chain."""

    def close(self) -> None:
        """Let go of what it holds."""
