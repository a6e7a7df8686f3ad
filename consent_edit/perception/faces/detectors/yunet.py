"""YuNet: a small network without anchors, at strides 8, 16 and 32 (Wu et al. 2023; OpenCV's decoding)."""

from __future__ import annotations

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
_BGR: Final = (2, 1, 0)


class YuNet:
    """Frontal and half-turned faces from about 10 px, upright within 45 degrees.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    role = ROLE

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self._planes = Planes()
        self._model = store.backend.onnx(file.data, free_axes=(0, 2, 3))
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
        return self._model.run(self._planes.of(view, height=height, width=width, order=_BGR))

    def _boxes(self, view: NDArray[np.uint8], threshold: float, origin: tuple[int, int]) -> Found:
        """One tile's boxes, moved to where the tile begins."""
        raw = self._raw(view)
        columns_at_8 = -(-view.shape[1] // 32) * 4
        corners = [np.empty((0, 2, 2), np.float32)]
        points, scores = [np.empty((0, 5, 2), np.float32)], [np.empty(0, np.float32)]
        for stride in _STRIDES:
            certain = raw[f"cls_{stride}"][0, :, 0] * raw[f"obj_{stride}"][0, :, 0]
            finite(ROLE, certain)
            index = np.flatnonzero(certain >= threshold * threshold)  # the score is the root of the product
            if not index.size:
                continue
            columns = columns_at_8 * 8 // stride
            cell = np.stack([index % columns, index // columns], axis=1).astype(np.float32)
            box = raw[f"bbox_{stride}"][0, index].reshape(-1, 2, 2)
            five = raw[f"kps_{stride}"][0, index].reshape(-1, 5, 2)
            finite(ROLE, box, five)
            centre = (cell + box[:, 0]) * stride
            half = np.exp(np.clip(box[:, 1], -10, 10)) * (stride / 2)
            corners.append(np.stack([centre - half, centre + half], axis=1))
            points.append((five + cell[:, None]) * stride)
            scores.append(np.sqrt(np.clip(certain[index], 0, 1)))
        shift = np.array(origin, np.float32)
        return Found(np.concatenate(corners) + shift, np.concatenate(points) + shift, np.concatenate(scores))


def _starts(length: int) -> range:
    """Where the tiles along one side begin; one tile when it is short enough."""
    return range(0, max(length - _TILE_OVERLAP, 1), _TILE - _TILE_OVERLAP)
