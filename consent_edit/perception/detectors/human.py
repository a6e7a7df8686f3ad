"""Whether a box shows a person's face: asked of two models that know people's faces only, on an upright crop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.alignment import ARCFACE_SIDE, aligned
from consent_edit.perception.backends.litert import LiteRtModel
from consent_edit.perception.detectors.centerface import CenterFace
from consent_edit.perception.detectors.found import finite
from consent_edit.perception.detectors.merging import Candidate
from consent_edit.perception.models import ModelStore
from consent_edit.perception.passes import Detector
from consent_edit.perception.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.views import stretched
from consent_edit.thresholds import Thresholds

ROLE: Final = "face-mesh"

Pixels = NDArray[np.uint8]

_MESH_SIDE: Final = 192
# The mesh was trained on faces a quarter wider than their box on each side (mediapipe, face_landmark).
_MESH_ZOOM: Final = 1.56
_PRESENCE: Final = "conv2d_31"
# A face about 55 px wide in the middle, with room around it: CenterFace reads animals' muzzles as faces when
# they fill the view, and hardly ever so.
_CROP_SIDE: Final = 160
_CROP_ZOOM: Final = 0.7
# How far from its place in the crop a box may lie: half the face.
_CROP_REACH: Final = 25.0
_ANY: Final = 0.05
# Half the diagonal of the wider crop, in multiples of the farthest point's distance from the middle.
_NEIGHBOURHOOD: Final = 6.0


class FaceMesh:
    """The presence score of mediapipe's face mesh.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    role = ROLE

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self._model = LiteRtModel(file.data)
        raw = self._model.run(_scaled(known_picture(_MESH_SIDE, _MESH_SIDE)))
        answer = np.concatenate([raw[name].ravel() for name in sorted(raw)]).astype(np.float32)
        require_known_answer(store, ROLE, answer)
        self.sha256 = file.sha256
        self.known_answer = fingerprint(answer)

    def presence(self, pixels: Pixels, landmarks: NDArray[np.float32]) -> float:
        """The logit that the upright crop, as it is or inverted, holds a face: the surer of both.

        Args:
            pixels: uint8 (H, W, 3) RGB.
            landmarks: float32 (5, 2), ArcFace order.

        Raises:
            CheckFailed: the network's answer is not finite.
        """
        crop = _upright(pixels, landmarks, _MESH_SIDE, _MESH_ZOOM)
        answers = [self._model.run(_scaled(shown))[_PRESENCE].ravel() for shown in (crop, 255 - crop)]
        finite(ROLE, *answers)
        return float(max(answer[0] for answer in answers))


class HumanCheck:
    """Asks the face mesh, then CenterFace, which unlike YuNet hardly ever takes an animal for a person.

    Args:
        mesh: The face mesh.
        centre: The CenterFace that also runs its passes.
        limits: The operating thresholds.
    """

    def __init__(self, mesh: FaceMesh, centre: CenterFace, limits: Thresholds) -> None:
        self._mesh = mesh
        self._centre = centre
        self._limits = limits

    def confirms(self, pixels: Pixels, group: Sequence[Candidate], *, thoroughly: bool = True) -> bool:
        """Whether anything says that a group of boxes shows a person; the cheapest asked first.

        1. CenterFace found it in one of its passes, and was sure.
        2. The mesh finds a face on its points.
        3. CenterFace finds one in the upright crop, as it is or under some filter.

        Args:
            pixels: uint8 (H, W, 3) RGB.
            group: The best box first.
            thoroughly: Whether the filters are tried: they must be before anybody is said to be no person.

        Raises:
            CheckFailed: a model gave no usable answer.
        """
        limits = self._limits
        if any(
            one.detector is Detector.CENTERFACE and one.score >= limits.face_human_centre for one in group
        ):
            return True
        points = group[0].landmarks
        if self._mesh.presence(pixels, points) >= limits.face_human_presence:
            return True
        crop = _upright(pixels, points, _CROP_SIDE, _CROP_ZOOM)
        shown = _shown(crop) if thoroughly else iter((crop,))
        return any(self._likeness(each) >= limits.face_human_likeness for each in shown)

    def _likeness(self, crop: Pixels) -> float:
        """CenterFace's best score for a face where the crop must have it."""
        found = self._centre.look(crop, _ANY)
        middle = np.array([_CROP_SIDE / 2, _CROP_SIDE / 2 + 0.07 * ARCFACE_SIDE * _CROP_ZOOM])
        here = np.linalg.norm(found.corners.mean(axis=1) - middle, axis=1) < _CROP_REACH
        return float(found.scores[here].max(initial=0.0))


def _upright(pixels: Pixels, points: NDArray[np.float32], side: int, zoom: float) -> Pixels:
    """The face upright in a square; only the neighbourhood of the points is resampled.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        points: float32 (5, 2), ArcFace order.
        side: Of the square, pixels.
        zoom: As in :func:`consent_edit.perception.alignment.aligned`.
    """
    middle = points.mean(axis=0)
    reach = _NEIGHBOURHOOD * max(float(np.abs(points - middle).max()), 1.0)
    low = np.clip(np.floor(middle - reach), 0, [pixels.shape[1] - 1, pixels.shape[0] - 1]).astype(int)
    high = np.maximum(np.ceil(middle + reach).astype(int), low + 1)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    return aligned(part, points - low.astype(np.float32), side=side, zoom=zoom)


def _shown(crop: Pixels) -> Iterator[Pixels]:
    """The crop under the filters that the passes see through."""
    even = stretched(crop)
    filters: tuple[Callable[[Pixels], Pixels], ...] = (
        lambda shown: shown,
        lambda shown: np.asarray(cv2.GaussianBlur(shown, (0, 0), 2.0), dtype=np.uint8),
        lambda shown: np.asarray(cv2.medianBlur(shown, 5), dtype=np.uint8),
    )
    yield crop
    for each in filters:
        yield each(even)
        yield 255 - each(even)


def _scaled(picture: Pixels) -> NDArray[np.float32]:
    """float32 (1, 192, 192, 3), 0 to 1."""
    return np.asarray(picture[None] * np.float32(1 / 255), dtype=np.float32)
