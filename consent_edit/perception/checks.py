"""The checks of one perception process: each loads its own models, so that one failing hides no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.backends.choice import Kind
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import (
    BodyObservation,
    ChangeObservation,
    FaceObservation,
    ImageObservation,
    ModelUse,
    Origin,
    PersonObservation,
    PictureExposure,
    PromptObservation,
)
from consent_edit.perception.shown import Shown
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Age, CheckName, PersonKind, Recognisable

if TYPE_CHECKING:
    from consent_edit.perception.bodies.look import BodyFinder
    from consent_edit.perception.change.look import ChangeMeter
    from consent_edit.perception.exposure.look import ExposureCheck
    from consent_edit.perception.faces.age import AgeSignal
    from consent_edit.perception.faces.embedding import FirstEmbedder, SecondEmbedder
    from consent_edit.perception.faces.look import FaceDetector
    from consent_edit.perception.prompt.reader import PromptReader


def must_embed(face: FaceObservation, limits: Thresholds) -> bool:
    """Whether a face needs embeddings: consent is shown for supported faces large enough to be matched.

    One that people would recognise, but that the embedders read less reliably than they were measured, gets
    none: nobody's consent can speak for it.
    """
    shown = face.kind is PersonKind.FACE and face.recognisable is Recognisable.YES
    return shown and face.box.width >= limits.match_probe_width


class Checks:
    """What the perception process can be asked, one method a check, each after :meth:`load`.

    Backends are imported by ``load``, so that an installation lacking one names the check that needs it.

    Args:
        store: Where the weights are.
        limits: The operating thresholds.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        self.store = store
        self.limits = limits
        self._shared: FirstEmbedder | None = None
        self._shown: Shown | None = None
        self._detector: FaceDetector
        self._first: FirstEmbedder
        self._second: SecondEmbedder
        self._bodies: BodyFinder
        self._age: AgeSignal
        self._change: ChangeMeter
        self._exposure: ExposureCheck
        self._prompt: PromptReader

    def load(self, name: CheckName) -> tuple[ModelUse, ...]:
        """Load a check's models, each with its self-test; what ran is returned for the record.

        Raises:
            ModelUnavailable: a weight file is missing, altered or fails its self-test.
        """
        uses: tuple[ModelUse, ...]
        match name:
            case CheckName.FACE_DETECTION:
                from consent_edit.perception.faces.look import FaceDetector

                self._detector = FaceDetector(self.store, self.limits, self._first_embedder())
                uses = self._detector.uses
            case CheckName.FACE_EMBEDDING:
                self._first = self._first_embedder()
                uses = self._first.uses
            case CheckName.BODY_DETECTION:
                from consent_edit.perception.bodies.look import BodyFinder

                self._bodies = BodyFinder(self.store, self.limits)
                uses = self._bodies.uses
            case CheckName.APPARENT_AGE:
                from consent_edit.perception.faces.age import AgeSignal

                self._age = AgeSignal(self.store, self.limits)
                uses = self._age.uses
            case CheckName.FACE_EMBEDDING_SECOND:
                from consent_edit.perception.faces.embedding import SecondEmbedder

                self._second = SecondEmbedder(self.store, self.limits)
                uses = self._second.uses
            case CheckName.EXPOSURE:
                from consent_edit.perception.exposure.look import ExposureCheck

                self._exposure = ExposureCheck(self.store, self.limits)
                uses = self._exposure.uses
            case CheckName.PROMPT_INTENT:
                from consent_edit.perception.prompt.reader import PromptReader

                self._prompt = PromptReader(self.store, self.limits)
                uses = ()
            case CheckName.CHANGE:
                from consent_edit.perception.change.look import ChangeMeter

                self._change = ChangeMeter(self.store, self.limits)
                uses = self._change.uses
        return uses

    def _first_embedder(self) -> FirstEmbedder:
        """The first embedder, loaded once: detection tells duplicates apart by it."""
        from consent_edit.perception.faces.embedding import FirstEmbedder

        if self._shared is None:
            self._shared = FirstEmbedder(self.store, self.limits)
        return self._shared

    def _of(self, pixels: NDArray[np.uint8]) -> Shown:
        """The picture with what its checks share; of the newest picture only."""
        if self._shown is None or self._shown.pixels is not pixels:
            self._shown = Shown(pixels)
        return self._shown

    def let_go(self) -> None:
        """Forget the picture that was looked at last."""
        self._shown = None

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceObservation, ...]:
        """Faces without embeddings, best score first; (H, W, 3) uint8 RGB."""
        return tuple(
            FaceObservation(
                box=face.box,
                kind=face.kind,
                recognisable=face.recognisable,
                score=face.score,
                passes=face.passes,
                landmarks=face.landmarks,
                support=face.support.value,
            )
            for face in self._detector.detect(self._of(pixels))
        )

    def embed(self, pixels: NDArray[np.uint8], face: FaceObservation) -> NDArray[np.float32]:
        """The first embedder's views of a face, float32 (views, dim)."""
        return self._first.embed(self._of(pixels), face.landmarks)

    def embed_second(self, pixels: NDArray[np.uint8], face: FaceObservation) -> NDArray[np.float32]:
        """The second embedder's views of a face, float32 (views, dim)."""
        return self._second.embed(self._of(pixels), face.landmarks)

    def embed_faces(
        self, pixels: NDArray[np.uint8], faces: Sequence[FaceObservation]
    ) -> list[NDArray[np.float32]]:
        """As :meth:`embed`, of several faces; on a device in one run."""
        if self.store.backend.kind is Kind.CPU:
            return [self.embed(pixels, face) for face in faces]
        return self._first.embed_all(self._of(pixels), [face.landmarks for face in faces])

    def embed_faces_second(
        self, pixels: NDArray[np.uint8], faces: Sequence[FaceObservation]
    ) -> list[NDArray[np.float32]]:
        """As :meth:`embed_second`, of several faces; on a device in one run."""
        if self.store.backend.kind is Kind.CPU:
            return [self.embed_second(pixels, face) for face in faces]
        return self._second.embed_all(self._of(pixels), [face.landmarks for face in faces])

    def embed_added(
        self, pixels: NDArray[np.uint8], face: FaceObservation
    ) -> Mapping[str, NDArray[np.float32]]:
        """Role -> views by embedders that an operator added; none here."""
        return {}

    def bodies(
        self, pixels: NDArray[np.uint8], faces: Sequence[FaceObservation]
    ) -> tuple[BodyObservation, ...]:
        """People whose face is none of those found."""
        return self._bodies.find(self._of(pixels), faces)

    def age(self, pixels: NDArray[np.uint8], face: FaceObservation) -> Age:
        """What the age signal says of a face: ``MINOR`` or ``UNDETERMINED``."""
        return self._age.read(pixels, face.landmarks)

    def expose(self, pixels: NDArray[np.uint8], people: Sequence[PersonObservation]) -> PictureExposure:
        """The exposure of a picture and of everybody found in it."""
        return self._exposure.read(self._of(pixels), people)

    def read(self, texts: Sequence[str], negative: Sequence[str]) -> PromptObservation:
        """What the texts of a request ask for; ``negative`` steer by what they exclude."""
        return self._prompt.read(texts, negative=negative)

    def change(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
        origin: Origin,
    ) -> ChangeObservation:
        """What differs between input and output, and in exposure from the first picture of the chain."""
        return self._change.observe(before, after, before_seen, after_seen, origin)


def build_checks(store: ModelStore, limits: Thresholds) -> Checks:
    """The must-run checks; module-level, so that a child process can be told to build them."""
    return Checks(store, limits)
