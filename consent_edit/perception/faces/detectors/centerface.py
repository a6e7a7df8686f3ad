"""CenterFace: a heat map of face centres at stride 4; holds under darkness and noise (Xu et al. 2019)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.detectors.found import Floats, Found, Planes, finite
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore

ROLE: Final = "face-detection-centre"

_STRIDE: Final = 4
_HEAT, _SCALE, _OFFSET, _POINTS = "537", "538", "539", "540"


class CenterFace:
    """Upright faces from about 10 px.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    role = ROLE

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self._planes = Planes()
        self._model = store.backend.onnx(file.data, free_axes=(0, 2, 3), levels=True)
        raw = self._raw(known_picture(128, 160))
        answer = np.concatenate([raw[name].ravel() for name in sorted(raw)]).astype(np.float32)
        require_known_answer(store, ROLE, answer)
        self.sha256 = file.sha256
        self.known_answer = fingerprint(answer)

    def _raw(self, view: NDArray[np.uint8]) -> dict[str, Floats]:
        """The network's outputs for an RGB view, padded to whole strides at the right and bottom."""
        height, width = (-(-side // 32) * 32 for side in view.shape[:2])
        return self._model.run(self._planes.of(view, height=height, width=width))

    def look(self, view: NDArray[np.uint8], threshold: float) -> Found:
        """Every box of a view.

        Args:
            view: uint8 (h, w, 3) RGB.
            threshold: Least score, 0 to 1.

        Raises:
            CheckFailed: the network's answer is not finite.
        """
        raw = self._raw(view)
        heat = raw[_HEAT][0, 0]
        finite(ROLE, heat)
        rows, columns = np.nonzero(heat >= threshold)
        size, offset, five = (raw[name][0, :, rows, columns] for name in (_SCALE, _OFFSET, _POINTS))
        finite(ROLE, size, offset, five)
        side = np.exp(np.clip(size, -10, 10)) * _STRIDE  # height, width
        top = (rows + offset[:, 0] + 0.5) * _STRIDE - side[:, 0] / 2
        left = (columns + offset[:, 1] + 0.5) * _STRIDE - side[:, 1] / 2
        start, extent = np.stack([left, top], axis=1), side[:, ::-1]
        # The points come as y and x in turn, as shares of the box.
        points = five.reshape(-1, 5, 2)[:, :, ::-1] * extent[:, None] + start[:, None]
        corners = np.stack([start, start + extent], axis=1)
        return Found(
            corners.astype(np.float32), points.astype(np.float32), heat[rows, columns].astype(np.float32)
        )
