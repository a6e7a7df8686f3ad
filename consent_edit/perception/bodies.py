"""People whose face was not found: what the person detector sees and no face explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.models import ModelStore
from consent_edit.perception.observation import BodyObservation, Box, FaceObservation, ModelUse
from consent_edit.perception.pose import ROLE, PoseDetector, PoseHit, View, distinct
from consent_edit.thresholds import Thresholds

_SIGN: Final = "pose"


class BodyFinder:
    """Finds people without a face.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        self._limits = limits
        self._pose = PoseDetector(store)
        self.known_answers = dict(self._pose.known_answers)
        self.uses = (ModelUse(ROLE, self._pose.sha256, threshold=0.5, self_test=True),)

    def find(
        self, pixels: NDArray[np.uint8], faces: Sequence[FaceObservation]
    ) -> tuple[BodyObservation, ...]:
        """People whose face is none of those found, best first.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            faces: The faces found there.

        Raises:
            CheckFailed: an answer is no number.
        """
        height, width = pixels.shape[:2]
        side = max(height, width)
        whole = View((width - side) / 2, (height - side) / 2, side)
        hits = distinct(self._pose.look(pixels, whole, 0.5))
        return tuple(_body(hit) for hit in hits if not any(_explains(face, hit) for face in faces))


def _explains(face: FaceObservation, hit: PoseHit) -> bool:
    """Whether a face is that person's: near the shoulders for its size."""
    centre = (face.box.x + face.box.width / 2, face.box.y + face.box.height / 2)
    reach = max(hit.torso, 2.0 * face.box.height)
    return bool(np.hypot(centre[0] - hit.shoulders[0], centre[1] - hit.shoulders[1]) < reach)


def _body(hit: PoseHit) -> BodyObservation:
    """The body around a torso."""
    half = max(hit.torso, 1.0)
    left, right = sorted((hit.shoulders[0], hit.hips[0]))
    top, bottom = sorted((hit.shoulders[1], hit.hips[1]))
    return BodyObservation(
        Box(left - half / 2, top - half / 2, right - left + half, bottom - top + half), hit.score, (_SIGN,)
    )
