"""The must-run checks with an operator's own models added to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.backends.choice import Backend
from consent_edit.perception.checks import Checks, build_checks
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
from consent_edit.perception.operator.models import OperatorModels
from consent_edit.perception.operator.sight import OperatorSight
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Age, CheckName

Build = Callable[[ModelStore, Thresholds], Checks]


class OperatorChecks(Checks):
    """Every must-run check as ever, and after it what the operator's models add.

    Args:
        own: The must-run checks.
        models: What the operator declared.
    """

    def __init__(self, own: Checks, models: OperatorModels) -> None:
        super().__init__(own.store, own.limits)
        self._own = own
        self._sight = OperatorSight(models, own.limits)

    def load(self, name: CheckName) -> tuple[ModelUse, ...]:
        """Load a check's models, then the operator's for it.

        Raises:
            ModelUnavailable: a weight file of either is missing, altered or fails its self-test.
        """
        return (*self._own.load(name), *self._sight.load(name))

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceObservation, ...]:
        """Every face that any detector finds."""
        return self._sight.faces(pixels, self._own.detect(pixels))

    def embed(self, pixels: NDArray[np.uint8], face: FaceObservation) -> NDArray[np.float32]:
        """The first embedder's views of a face."""
        return self._own.embed(pixels, face)

    def embed_second(self, pixels: NDArray[np.uint8], face: FaceObservation) -> NDArray[np.float32]:
        """The second embedder's views of a face."""
        return self._own.embed_second(pixels, face)

    def embed_faces(
        self, pixels: NDArray[np.uint8], faces: Sequence[FaceObservation]
    ) -> list[NDArray[np.float32]]:
        """The first embedder's views of several faces."""
        return self._own.embed_faces(pixels, faces)

    def embed_faces_second(
        self, pixels: NDArray[np.uint8], faces: Sequence[FaceObservation]
    ) -> list[NDArray[np.float32]]:
        """The second embedder's views of several faces."""
        return self._own.embed_faces_second(pixels, faces)

    def let_go(self) -> None:
        """Forget the picture that was looked at last."""
        self._own.let_go()

    def embed_added(self, pixels: NDArray[np.uint8], face: FaceObservation) -> dict[str, NDArray[np.float32]]:
        """Role -> the operator's embedders' views of a face, float32 (views, dim)."""
        return self._sight.embeddings(pixels, face)

    def bodies(
        self, pixels: NDArray[np.uint8], faces: Sequence[FaceObservation]
    ) -> tuple[BodyObservation, ...]:
        """People whose face is none of those found."""
        return self._own.bodies(pixels, faces)

    def age(self, pixels: NDArray[np.uint8], face: FaceObservation) -> Age:
        """What the age signals say of a face, the youngest."""
        return self._sight.age(pixels, face, self._own.age(pixels, face))

    def expose(self, pixels: NDArray[np.uint8], people: Sequence[PersonObservation]) -> PictureExposure:
        """The exposure of a picture and of everybody found in it, by the worst of all models."""
        return self._sight.exposure(pixels, people, self._own.expose(pixels, people))

    def read(self, texts: Sequence[str], negative: Sequence[str]) -> PromptObservation:
        """What the texts of a request ask for."""
        return self._own.read(texts, negative)

    def change(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
        origin: Origin,
    ) -> ChangeObservation:
        """What differs between input and output, and in exposure from the first picture of the chain."""
        return self._own.change(before, after, before_seen, after_seen, origin)


@dataclass(frozen=True, slots=True)
class OperatorBuild:
    """Builds the checks with an operator's models; picklable, so that a child process can be told to.

    Attributes:
        models: What the operator declared.
        own: What builds the must-run checks; module-level.
    """

    models: OperatorModels
    own: Build = build_checks

    @property
    def backend(self) -> Backend | None:
        """Where the operator wants the models run; ``None`` where nothing is said but ``cpu``."""
        wanted = Backend.named(self.models.backend)
        return None if wanted == Backend() else wanted

    def __call__(self, store: ModelStore, limits: Thresholds) -> Checks:
        """The checks."""
        wanted = self.backend
        return OperatorChecks(self.own(store if wanted is None else store.on(wanted), limits), self.models)


def with_operator_models(models: OperatorModels, own: Build = build_checks) -> OperatorBuild:
    """What a perception process builds: the must-run checks and the operator's models.

    The thresholds it is given must be ``models.added_to(limits)``, or the added embedders are asked and not
    heeded.

    Args:
        models: What the operator declared.
        own: What builds the must-run checks; module-level.
    """
    return OperatorBuild(models, own)
