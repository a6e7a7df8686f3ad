"""The person-region model: how likely each pixel of a crop shows a person."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore

ROLE: Final = "person-region"

_SIDE: Final = 256


class Silhouette:
    """MediaPipe's selfie segmentation.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self.sha256 = file.sha256
        self._model = store.backend.litert(file.data)
        answer = self.of(known_picture(_SIDE, _SIDE))
        require_known_answer(store, ROLE, answer * np.float32(10))
        self.known_answers = {ROLE: fingerprint(answer * np.float32(10))}

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of a person at each place of a crop, float32 (256, 256); the crop is stretched to it.

        Args:
            pixels: (H, W, 3) uint8 RGB.

        Raises:
            CheckFailed: an answer is no number.
        """
        how = cv2.INTER_AREA if min(pixels.shape[:2]) > _SIDE else cv2.INTER_LINEAR
        small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=how)
        answers = self._model.run(np.divide(small[None], np.float32(255)))
        answer = next(iter(answers.values())).reshape(_SIDE, _SIDE)
        if not np.isfinite(answer).all():
            raise CheckFailed("the person-region model gave no number")
        return answer
