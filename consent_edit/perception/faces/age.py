"""Apparent age: a weak signal that can only lower an age nobody verified, and never proves anything."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed
from consent_edit.perception.faces.alignment import aligned
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import ModelUse
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Age

ROLE: Final = "apparent-age"

_SIDE: Final = 64
_ZOOM: Final = 0.7017
_SHIFT: Final = (-0.1, -10.84)
"""Where the network's own chips (dlib, padding .2) have the five points: medians over 400 photographs."""

_MEAN: Final = np.array([122.782, 117.001, 104.298], dtype=np.float32)


class AgeSignal:
    """dlib's age network: chances of 0 to 80 years, straight and mirrored.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        file = store.load(ROLE)
        self._limits = limits
        self._model = store.backend.onnx(file.data, free_axes=(0,))
        answer = self._chances([known_picture(_SIDE, _SIDE)])
        require_known_answer(store, ROLE, answer)
        self.known_answers = {ROLE: fingerprint(answer)}
        self.uses = (ModelUse(ROLE, file.sha256, threshold=limits.age_apparent_minor, self_test=True),)

    def _chances(self, chips: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Chances of each year of age, float32 (n, 81), of (64, 64, 3) uint8 RGB chips."""
        batch = (np.stack(chips).astype(np.float32) - _MEAN) / np.float32(256)
        return self._model.run(batch.transpose(0, 3, 1, 2))[self._model.output_names[0]]

    def years(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> float:
        """The expected age.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            landmarks: float32 (5, 2), ArcFace order.

        Raises:
            CheckFailed: the network's answer is no distribution.
        """
        chip = aligned(pixels, landmarks, side=_SIDE, zoom=_ZOOM, shift=_SHIFT)
        chances = self._chances([chip, np.ascontiguousarray(chip[:, ::-1])])
        if not np.isfinite(chances).all() or not np.allclose(chances.sum(axis=1), 1.0, atol=1e-2):
            raise CheckFailed("the age network gave no distribution")
        return float((chances @ np.arange(chances.shape[1], dtype=np.float32)).mean())

    def read(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Age:
        """``MINOR`` where the expected age is below the threshold, else ``UNDETERMINED``; never ``ADULT``.

        Looking old proves nothing: the network reads many minors as grown up.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            landmarks: float32 (5, 2), ArcFace order; points that are no face at all read undetermined.

        Raises:
            CheckFailed: the network's answer is no distribution.
        """
        if not np.isfinite(landmarks).all() or float(np.ptp(landmarks, axis=0).max()) < 1.0:
            return Age.UNDETERMINED
        young = self.years(pixels, landmarks) < self._limits.age_apparent_minor
        return Age.MINOR if young else Age.UNDETERMINED
