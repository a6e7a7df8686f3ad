"""What an operator's own models add to what was seen: a face, a doubt, a refusal; never less of anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.models.lock import ModelFile
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    FaceObservation,
    ModelUse,
    PersonObservation,
    PictureExposure,
)
from consent_edit.perception.operator.models import InsightFacePack, OperatorModels, operator_file
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Age, CheckName, Exposure, PersonKind, Recognisable

if TYPE_CHECKING:
    from consent_edit.perception.backends.insightface import (
        PackAgeReader,
        PackDetector,
        PackEmbedder,
        PackFace,
    )
    from consent_edit.perception.operator.exposure import OperatorExposure


class OperatorSight:
    """The operator's models, loaded check by check, each as part of the must-run check that it adds to.

    So a model of the operator's that is missing, breaks or hangs leaves that check without an answer, and
    nothing is edited.

    Args:
        models: What is declared.
        limits: The operating thresholds.
    """

    def __init__(self, models: OperatorModels, limits: Thresholds) -> None:
        self._models = models
        self._limits = limits
        self._detectors: dict[str, PackDetector] = {}
        self._embedders: dict[str, PackEmbedder] = {}
        self._ages: dict[str, tuple[PackAgeReader, float]] = {}
        self._exposures: dict[str, OperatorExposure] = {}

    def load(self, name: CheckName) -> tuple[ModelUse, ...]:
        """Load what is added to one check.

        Raises:
            ModelUnavailable: a file is missing or altered, is not what it is declared to be, or insightface
                is not installed.
        """
        if name is CheckName.EXPOSURE:
            return self._load_exposure()
        return tuple(use for pack in self._models.insightface for use in self._load_pack(pack, name))

    def _load_pack(self, pack: InsightFacePack, name: CheckName) -> tuple[ModelUse, ...]:
        """What one pack adds to one check: nothing, or one model."""

        def opened(file: str, sha256: str, role: str) -> ModelFile:
            return operator_file(pack.folder / file, sha256, role)

        if name is CheckName.FACE_DETECTION and pack.detection is not None:
            from consent_edit.perception.backends.insightface import PackDetector

            role, one = f"operator-{pack.name}-detection", pack.detection
            file = opened(one.file, one.sha256, role)
            self._detectors[pack.name] = PackDetector(file, pack.providers, one.threshold)
            return (ModelUse(role, file.sha256, threshold=one.threshold, self_test=True),)
        if name is CheckName.FACE_EMBEDDING_SECOND and pack.recognition is not None:
            from consent_edit.perception.backends.insightface import PackEmbedder

            file = opened(pack.recognition.file, pack.recognition.sha256, pack.embedder)
            self._embedders[pack.embedder] = PackEmbedder(file, pack.providers)
            return (ModelUse(pack.embedder, file.sha256, threshold=pack.recognition.match, self_test=True),)
        if name is CheckName.APPARENT_AGE and pack.age is not None:
            from consent_edit.perception.backends.insightface import PackAgeReader

            role = f"operator-{pack.name}-age"
            file = opened(pack.age.file, pack.age.sha256, role)
            self._ages[pack.name] = (PackAgeReader(file, pack.providers), pack.age.adult_from)
            return (ModelUse(role, file.sha256, threshold=pack.age.adult_from, self_test=True),)
        return ()

    def _load_exposure(self) -> tuple[ModelUse, ...]:
        from consent_edit.perception.operator.exposure import OperatorExposure

        uses = []
        for declared in self._models.exposure:
            role = f"operator-{declared.name}-exposure"
            file = operator_file(declared.file, declared.sha256, role)
            self._exposures[f"operator:{declared.name}"] = OperatorExposure(declared, file)
            uses.append(ModelUse(role, file.sha256, threshold=declared.threshold, self_test=True))
        return tuple(uses)

    def faces(
        self, pixels: NDArray[np.uint8], found: Sequence[FaceObservation]
    ) -> tuple[FaceObservation, ...]:
        """The faces found, and every face that an operator's detector finds besides.

        Raises:
            CheckFailed: a detector broke, or gave no usable answer.
        """
        faces = tuple(found)
        for name, detector in self._detectors.items():
            faces = united(faces, detector.detect(pixels), f"operator:{name}", self._limits)
        return faces

    def embeddings(self, pixels: NDArray[np.uint8], face: FaceObservation) -> dict[str, NDArray[np.float32]]:
        """Role -> float32 (views, dim) of every embedder added.

        Raises:
            CheckFailed: an embedder broke, or gave no usable answer.
        """
        return {role: one.embed(pixels, face.landmarks) for role, one in self._embedders.items()}

    def age(self, pixels: NDArray[np.uint8], face: FaceObservation, apparent: Age) -> Age:
        """The apparent age; a minor's where any model says so.

        Raises:
            CheckFailed: an age model broke, or gave no age.
        """
        young = [one.years(pixels, face.box) < adult for one, adult in self._ages.values()]
        return Age.MINOR if any(young) else apparent

    def exposure(
        self, pixels: NDArray[np.uint8], people: Sequence[PersonObservation], seen: PictureExposure
    ) -> PictureExposure:
        """What was seen, or worse where an operator's model sees nudity.

        Raises:
            CheckFailed: a model gave no score.
        """
        for name, model in self._exposures.items():
            whole = model.score(pixels)
            parts = [model.score(part_of(pixels, person)) for person in people]
            if whole >= model.threshold and not any(score >= model.threshold for score in parts):
                seen = replace(seen, elsewhere=_worse(seen.elsewhere, name, whole, model.threshold))
            seen = replace(
                seen,
                picture=_worse(seen.picture, name, max(whole, *parts, 0.0), model.threshold),
                persons=tuple(
                    _worse(reading, name, score, model.threshold)
                    for reading, score in zip(seen.persons, parts, strict=True)
                ),
            )
        return seen


def united(
    faces: Sequence[FaceObservation], boxes: Sequence[PackFace], name: str, limits: Thresholds
) -> tuple[FaceObservation, ...]:
    """The faces found with a detector's boxes: a box at a face's place supports it, any other is a face more.

    No face is dropped, moved or made less of; a possible face that the detector finds is a face.

    Args:
        name: What the detector is called in ``passes``.
    """
    kept = list(faces)
    for one in sorted(boxes, key=lambda box: -box.score):
        wide = one.box.width >= limits.face_recognisable_width
        at = next((n for n, face in enumerate(kept) if _same_place(face.box, one.box, limits)), len(kept))
        if at == len(kept):
            size = Recognisable.YES if wide else Recognisable.NO
            kept.append(
                FaceObservation(
                    box=one.box,
                    kind=PersonKind.FACE,
                    recognisable=size,
                    score=one.score,
                    passes=(name,),
                    landmarks=one.landmarks,
                    support=name,
                )
            )
            continue
        face = kept[at]
        kept[at] = replace(
            face,
            kind=PersonKind.FACE,
            recognisable=Recognisable.YES if wide else face.recognisable,
            passes=face.passes if name in face.passes else (*face.passes, name),
            support=face.support if face.kind is PersonKind.FACE else name,
        )
    return tuple(kept)


def _same_place(a: Box, b: Box, limits: Thresholds) -> bool:
    """Whether two boxes show one face; never if the one is twice the other's size."""
    large, small = (
        max(a.width, a.height, b.width, b.height),
        min(max(a.width, a.height), max(b.width, b.height)),
    )
    if large >= limits.face_merge_size_ratio * max(small, 1e-6):
        return False
    return a.overlap(b) > limits.face_merge_overlap


def part_of(pixels: NDArray[np.uint8], person: PersonObservation) -> NDArray[np.uint8]:
    """The part of a picture that shows a person: a body's box, or five faces wide and seven high."""
    box, (height, width) = person.box, pixels.shape[:2]
    if isinstance(person, BodyObservation):
        left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    else:
        left, right = box.x - 2 * box.width, box.x + 3 * box.width
        top, bottom = box.y - box.height / 2, box.y + 6.5 * box.height
    x0, y0 = min(max(0, int(left)), width - 1), min(max(0, int(top)), height - 1)
    x1, y1 = max(x0 + 1, min(width, round(right))), max(y0 + 1, min(height, round(bottom)))
    return pixels[y0:y1, x0:x1]


def _worse(reading: ExposureReading, name: str, score: float, threshold: float) -> ExposureReading:
    """A reading with one more score; nude where the score says so, and never milder than it was."""
    scores: Mapping[str, float] = {**reading.scores, name: score}
    if score < threshold or reading.value in (Exposure.NUDE, Exposure.EXPLICIT):
        return ExposureReading(value=reading.value, scores=scores)
    return ExposureReading(value=Exposure.NUDE, scores=scores)
