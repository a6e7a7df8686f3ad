"""Exposure: OpenNSFW on the whole picture and on five crops, the worst of them counts."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.errors import CheckFailed
from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.models import ModelStore
from consent_edit.perception.observation import ExposureReading, ModelUse
from consent_edit.perception.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Exposure, ExposureChange

ROLE: Final = "exposure"
WHOLE: Final = "whole"

_CROP_SHARE: Final = 0.6
_MEAN_BGR: Final = np.array([104, 117, 123], dtype=np.float32)
_SEVERITY: Final = (Exposure.NONE, Exposure.SUGGESTIVE, Exposure.NUDE, Exposure.EXPLICIT)


def views(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The whole picture, its four corners and its centre at 60 % of each side."""
    height, width = pixels.shape[:2]
    tall, wide = max(1, round(height * _CROP_SHARE)), max(1, round(width * _CROP_SHARE))
    corners = {
        "top-left": (0, 0),
        "top-right": (0, width - wide),
        "bottom-left": (height - tall, 0),
        "bottom-right": (height - tall, width - wide),
        "centre": ((height - tall) // 2, (width - wide) // 2),
    }
    crops = {name: pixels[top : top + tall, left : left + wide] for name, (top, left) in corners.items()}
    return {WHOLE: pixels, **crops}


def prepared(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Yahoo's own preparation: 256 x 256, middle 224, through JPEG, BGR with the mean taken off.

    Returns:
        float32 (224, 224, 3).
    """
    small = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    with io.BytesIO() as memory:
        small.save(memory, format="JPEG")
        memory.seek(0)
        decoded = np.asarray(Image.open(memory), dtype=np.float32)
    return np.ascontiguousarray(decoded[:, :, ::-1] - _MEAN_BGR)


class ExposureCheck:
    """OpenNSFW.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        file = store.load(ROLE)
        self._limits = limits
        self._model = OnnxModel(file.data, free_axes=(0,))
        known = known_picture(224, 224).astype(np.float32)
        shades = np.stack([known * share + 110 * (1 - share) - _MEAN_BGR for share in (0.0, 0.1, 0.2, 0.4)])
        answer = self._model.run(shades.astype(np.float32))[self._model.output_names[0]]
        require_known_answer(store, ROLE, answer)
        self.known_answers = {ROLE: fingerprint(answer)}
        self.uses = (ModelUse(ROLE, file.sha256, threshold=limits.exposure_nude_whole, self_test=True),)

    def read(self, pixels: NDArray[np.uint8]) -> ExposureReading:
        """Read a picture.

        Args:
            pixels: (H, W, 3) uint8 RGB.

        Raises:
            CheckFailed: a score is no number.
        """
        shown = views(pixels)
        batch = np.stack([prepared(np.ascontiguousarray(crop)) for crop in shown.values()])
        column = self._model.run(batch)[self._model.output_names[0]][:, 1]
        if not np.isfinite(column).all():
            raise CheckFailed("the exposure model gave no number")
        scores = {name: float(score) for name, score in zip(shown, column, strict=True)}
        return ExposureReading(value=category(scores, self._limits), scores=scores)


def category(scores: Mapping[str, float], limits: Thresholds) -> Exposure:
    """The worst category over the views; no views at all is undetermined."""
    if not scores:
        return Exposure.UNDETERMINED
    worst = Exposure.NONE
    for name, score in scores.items():
        nude = limits.exposure_nude_whole if name == WHOLE else limits.exposure_nude_crop
        suggestive = limits.exposure_suggestive_whole if name == WHOLE else limits.exposure_suggestive_crop
        if score >= nude:
            return Exposure.NUDE
        if score >= suggestive:
            worst = Exposure.SUGGESTIVE
    return worst


def exposure_change(before: ExposureReading, after: ExposureReading, limits: Thresholds) -> ExposureChange:
    """How exposure moved: by category, or by any view's score rising beyond the margin."""
    if Exposure.UNDETERMINED in (before.value, after.value) or set(before.scores) != set(after.scores):
        return ExposureChange.UNDETERMINED
    if _SEVERITY.index(after.value) > _SEVERITY.index(before.value):
        return ExposureChange.INCREASED
    rises = (after.scores[name] - before.scores[name] for name in after.scores)
    if max(rises, default=0.0) >= limits.exposure_rise:
        return ExposureChange.INCREASED
    return ExposureChange.NONE
