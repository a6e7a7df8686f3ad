"""BlazeFace, short range: a phone's detector at 128 px, of other training data (Bazarevsky et al. 2019)."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.detectors.found import Floats, Found, finite
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore

ROLE: Final = "face-detection-short"

_SIDE: Final = 128
# Two anchors a cell at stride 8, six at stride 16, all of size 1 (mediapipe, face_detection_short_range).
_GRIDS: Final = ((16, 2), (8, 6))
# Half the distance between the mouth's corners, as a share of that between the eyes, in ArcFace's reference.
_HALF_MOUTH: Final = 0.415


def _anchor_centres() -> Floats:
    """float32 (896, 2): x and y of the anchors, as shares of the view."""
    cells = [
        np.repeat(np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2), each, axis=0) / n
        + 0.5 / n
        for n, each in _GRIDS
    ]
    return np.concatenate(cells).astype(np.float32)


class BlazeFace:
    """Faces of a fifth of the view or more.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    role = ROLE

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self._model = store.backend.litert(file.data)
        self._centres = _anchor_centres()
        raw = self._model.run(_scaled(known_picture(_SIDE, _SIDE)))
        answer = np.concatenate([raw[name].ravel() for name in sorted(raw)]).astype(np.float32)
        require_known_answer(store, ROLE, answer)
        self.sha256 = file.sha256
        self.known_answer = fingerprint(answer)

    def look(self, view: NDArray[np.uint8], threshold: float) -> Found:
        """Every box of a view, which is brought to 128 px a side with black beside it.

        Args:
            view: uint8 (h, w, 3) RGB.
            threshold: Least score, 0 to 1.

        Raises:
            CheckFailed: the network's answer is not finite.
        """
        height, width = view.shape[:2]
        scale = _SIDE / max(height, width)
        shown = view
        if scale != 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            shown = np.asarray(cv2.resize(view, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        canvas = np.zeros((_SIDE, _SIDE, 3), np.uint8)
        canvas[: shown.shape[0], : shown.shape[1]] = shown
        raw = self._model.run(_scaled(canvas))
        logits, boxes = raw["classificators"][0, :, 0], raw["regressors"][0]
        finite(ROLE, logits, boxes)
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        index = np.flatnonzero(scores >= threshold)
        values = boxes[index].reshape(-1, 8, 2) / _SIDE
        at = self._centres[index]
        side = _SIDE * np.array([width / shown.shape[1], height / shown.shape[0]], np.float32)
        centre, half = (at + values[:, 0]) * side, values[:, 1] / 2 * side
        points = _five((at[:, None] + values[:, 2:6]) * side)
        corners = np.stack([centre - np.abs(half), centre + np.abs(half)], axis=1)
        return Found(corners.astype(np.float32), points, scores[index].astype(np.float32))


def _scaled(picture: NDArray[np.uint8]) -> Floats:
    """float32 (1, 128, 128, 3), -1 to 1."""
    return np.asarray(picture[None] * np.float32(1 / 127.5) - 1, dtype=np.float32)


def _five(four: Floats) -> Floats:
    """ArcFace's points from the eyes, the nose and the middle of the mouth: (n, 4, 2) to (n, 5, 2)."""
    across = (four[:, 1] - four[:, 0]) * _HALF_MOUTH
    mouth = four[:, 3]
    return np.stack([four[:, 0], four[:, 1], four[:, 2], mouth - across, mouth + across], axis=1).astype(
        np.float32
    )
