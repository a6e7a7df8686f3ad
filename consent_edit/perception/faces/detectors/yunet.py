"""YuNet: a small network without anchors, at strides 8, 16 and 32 (Wu et al. 2023; OpenCV's decoding)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.detectors.found import Floats, Found, Planes, finite
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore

ROLE: Final = "face-detection"

_STRIDES: Final = (8, 16, 32)
_TILE: Final = 2048
_TILE_OVERLAP: Final = 256
_SCORES: Final = ("cls", "obj")
_NOTHING: Final = Found(
    np.empty((0, 2, 2), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32)
)


class YuNet:
    """Frontal and half-turned faces from about 10 px, upright within 45 degrees.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    role = ROLE

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self._planes = Planes()
        self._model = store.backend.onnx(file.data, free_axes=(0, 2, 3), levels=True)
        raw = self._raw(known_picture(128, 160)[:, :, ::-1])
        answer = np.concatenate([raw[name].ravel() for name in sorted(raw)]).astype(np.float32)
        require_known_answer(store, ROLE, answer)
        self.sha256 = file.sha256
        self.known_answer = fingerprint(answer)

    def look(self, view: NDArray[np.uint8], threshold: float) -> Found:
        """Every box of a view; large views are cut into overlapping tiles to bound the memory.

        Args:
            view: uint8 (h, w, 3) RGB.
            threshold: Least score, 0 to 1.

        Raises:
            CheckFailed: the network's answer is not finite.
        """
        height, width = view.shape[:2]
        parts = [
            self._boxes(view[top : top + _TILE, left : left + _TILE], threshold, (left, top))
            for top in _starts(height)
            for left in _starts(width)
        ]
        if len(parts) == 1:
            return parts[0]
        return Found(
            np.concatenate([part.corners for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.scores for part in parts]),
        )

    def _raw(self, view: NDArray[np.uint8]) -> dict[str, Floats]:
        """The network's outputs for an RGB view, padded to whole strides at the right and bottom."""
        height, width = (-(-side // 32) * 32 for side in view.shape[:2])
        return self._model.run(self._planes.of(view, height=height, width=width, bgr=True))

    def _boxes(self, view: NDArray[np.uint8], threshold: float, origin: tuple[int, int]) -> Found:
        """One tile's boxes, moved to where the tile begins."""
        raw = self._raw(view)
        classes, objects = ([raw[f"{name}_{stride}"][0, :, 0] for stride in _STRIDES] for name in _SCORES)
        certain = np.concatenate(classes) * np.concatenate(objects)
        finite(ROLE, certain)
        index = np.flatnonzero(certain >= threshold * threshold)  # the score is the root of the product
        if not index.size:
            return _NOTHING
        begins = [0, len(classes[0]), len(classes[0]) + len(classes[1]), len(certain)]
        ends = np.searchsorted(index, begins).tolist()
        padded = -(-view.shape[1] // 32) * 32
        parts = [
            _decoded(raw, stride, index[ends[i] : ends[i + 1]] - begins[i], padded // stride)
            for i, stride in enumerate(_STRIDES)
            if ends[i + 1] > ends[i]
        ]
        corners, points = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        shift = np.array(origin, np.float32)
        return Found(corners + shift, points + shift, np.sqrt(np.clip(certain[index], 0, 1)))


def _decoded(
    raw: Mapping[str, Floats], stride: int, index: NDArray[np.intp], columns: int
) -> tuple[Floats, Floats]:
    """Corners and five points of some anchors of one stride, float32 (n, 2, 2) and (n, 5, 2)."""
    cell = np.stack([index % columns, index // columns], axis=1).astype(np.float32)
    box = raw[f"bbox_{stride}"][0, index]
    five = raw[f"kps_{stride}"][0, index].reshape(-1, 5, 2)
    finite(ROLE, box, five)
    centre = (cell + box[:, :2]) * stride
    half = np.exp(np.clip(box[:, 2:], -10, 10)) * (stride / 2)
    return np.stack([centre - half, centre + half], axis=1), (five + cell[:, None]) * stride


def _starts(length: int) -> range:
    """Where the tiles along one side begin; one tile when it is short enough."""
    return range(0, max(length - _TILE_OVERLAP, 1), _TILE - _TILE_OVERLAP)
