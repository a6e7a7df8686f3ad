"""Embeddings: two independent families look at every recognisable face, each in several resampled views."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed
from consent_edit.perception.alignment import aligned
from consent_edit.perception.backends.dlib import DlibEmbedder
from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.models import ModelStore
from consent_edit.perception.observation import ModelUse
from consent_edit.perception.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.thresholds import Thresholds

FIRST: Final = "face-embedding"
SECOND: Final = "face-embedding-second"
LANDMARKS: Final = "face-landmarks-five"

_CANVAS: Final = 300
_CANVAS_ZOOM: Final = 1.5
# The box dlib's predictor was trained for, from brows to chin, on the canvas: centre below the eyes' line.
_CANVAS_BOX: Final = (84, 108, 216, 240)


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of unit norm.

    Raises:
        CheckFailed: a row is not finite or has no length: no embedding at all.
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(rows).all() or not (lengths > 1e-6).all():
        raise CheckFailed("an embedder gave no usable vector")
    return np.asarray(rows / lengths, dtype=np.float32)


class FirstEmbedder:
    """SFace: 128 dimensions, three views (straight, mirrored, slightly smaller).

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        file = store.load(FIRST)
        self._model = OnnxModel(file.data, free_axes=(0,))
        answer = self._vectors([known_picture(112, 112)])
        require_known_answer(store, FIRST, answer)
        self.known_answers = {FIRST: fingerprint(answer)}
        self.uses = (ModelUse(FIRST, file.sha256, threshold=limits.match_face_embedding, self_test=True),)

    def _vectors(self, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Raw vectors of (112, 112, 3) RGB crops; the graph scales its 0-255 input itself."""
        batch = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)
        return self._model.run(batch)[self._model.output_names[0]]

    def embed(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed one face.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            landmarks: float32 (5, 2), ArcFace order.

        Returns:
            float32 (3, 128), rows of unit norm.
        """
        straight = aligned(pixels, landmarks)
        smaller = aligned(pixels, landmarks, zoom=0.95)
        return unit_rows(self._vectors([straight, straight[:, ::-1], smaller]))


class SecondEmbedder:
    """dlib's ResNet: 128 dimensions, two views (straight, mirrored).

    Raises:
        ModelUnavailable: weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        network, points = store.load(SECOND), store.load(LANDMARKS)
        self._model = DlibEmbedder(network, points)
        answer = self._model.embed([known_picture(150, 150)])
        where = self._model.points(known_picture(_CANVAS, _CANVAS), _CANVAS_BOX)
        require_known_answer(store, SECOND, answer)
        require_known_answer(store, LANDMARKS, where)
        self.known_answers = {SECOND: fingerprint(answer), LANDMARKS: fingerprint(where)}
        threshold = limits.match_face_embedding_second
        self.uses = (
            ModelUse(SECOND, network.sha256, threshold=threshold, self_test=True),
            ModelUse(LANDMARKS, points.sha256, threshold=0.0, self_test=True),
        )

    def embed(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed one face; turned upright first, then aligned by dlib's own five points.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            landmarks: float32 (5, 2), ArcFace order.

        Returns:
            float32 (2, 128), rows of unit norm.
        """
        upright = aligned(pixels, landmarks, side=_CANVAS, zoom=_CANVAS_ZOOM)
        chip = self._model.chip(upright, _CANVAS_BOX)
        return unit_rows(self._model.embed([chip, chip[:, ::-1]]))
