"""Whether a box shows a person's face: asked of two models that know people's faces only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.alignment import ARCFACE_SIDE, aligned, around
from consent_edit.perception.faces.detectors.centerface import CenterFace
from consent_edit.perception.faces.detectors.found import finite
from consent_edit.perception.faces.detectors.merging import Candidate, width_of
from consent_edit.perception.faces.passes import Detector
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.shown import Pixels, Shown
from consent_edit.perception.views import stretched
from consent_edit.thresholds import Thresholds

ROLE: Final = "face-mesh"

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


class FaceMesh:
    """The presence score of mediapipe's face mesh.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    role = ROLE

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self._model = store.backend.litert(file.data)
        self._device = store.backend.faces(self._model)
        raw = self._model.run(_scaled(known_picture(_MESH_SIDE, _MESH_SIDE)))
        answer = np.concatenate([raw[name].ravel() for name in sorted(raw)]).astype(np.float32)
        require_known_answer(store, ROLE, answer)
        self.sha256 = file.sha256
        self.known_answer = fingerprint(answer)

    def presence(
        self,
        picture: Shown | Pixels,
        landmarks: NDArray[np.float32],
        *,
        as_is: bool = True,
        inverted: bool = True,
    ) -> float:
        """The logit that the upright crop holds a face: the surer of the ways it is shown.

        Args:
            picture: uint8 (H, W, 3) RGB.
            landmarks: float32 (5, 2), ArcFace order.
            as_is: Whether it is shown as it is.
            inverted: Whether it is shown inverted.

        Raises:
            CheckFailed: the network's answer is not finite.
        """
        if self._device is not None:
            ways = [way for way, wanted in ((False, as_is), (True, inverted)) if wanted]
            told = self._device.presence(
                Shown.of(picture), landmarks, zoom=_MESH_ZOOM, ways=ways, answer=_PRESENCE
            )
            finite(ROLE, told)
            return float(told.max())
        crop = _upright(picture, landmarks, _MESH_SIDE, _MESH_ZOOM)
        shown = [each for each, wanted in ((crop, as_is), (255 - crop, inverted)) if wanted]
        answers = [self._model.run(_scaled(each))[_PRESENCE].ravel() for each in shown]
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

    def seems(self, picture: Shown | Pixels, group: Sequence[Candidate]) -> bool:
        """Whether a supported box shows a person at a cheap look.

        CenterFace found it in one of its passes and was sure, or the mesh finds a face on its points.

        Args:
            picture: uint8 (H, W, 3) RGB.
            group: The best box first.

        Raises:
            CheckFailed: a model gave no usable answer.
        """
        return self._sure_pass(group) or self._presence(picture, group) >= self._limits.face_human_presence

    def shows(self, picture: Shown | Pixels, group: Sequence[Candidate]) -> bool:
        """Whether CenterFace finds a person in the upright crop, as it is or under some filter.

        Of boxes too small to recognise anybody it must be surer: in a few pixels much looks like a face, and
        nothing hangs on it.

        Args:
            picture: uint8 (H, W, 3) RGB.
            group: The best box first.

        Raises:
            CheckFailed: a model gave no usable answer.
        """
        limits = self._limits
        small = width_of(group) < limits.face_recognisable_width
        least = limits.face_human_likeness_small if small else limits.face_human_likeness
        crop = _upright(picture, group[0].landmarks, _CROP_SIDE, _CROP_ZOOM)
        return any(self._likeness(shown) >= least for shown in _shown(crop))

    def vouches(self, picture: Shown | Pixels, group: Sequence[Candidate]) -> bool:
        """Whether both the mesh and CenterFace find a person's face where few passes found a box.

        Args:
            picture: uint8 (H, W, 3) RGB.
            group: The best box first.

        Raises:
            CheckFailed: a model gave no usable answer.
        """
        if self._presence(picture, group) < self._limits.face_human_presence:
            return False
        crop = _upright(picture, group[0].landmarks, _CROP_SIDE, _CROP_ZOOM)
        return self._sure_pass(group) or self._likeness(crop) >= self._limits.face_human_likeness

    def _sure_pass(self, group: Sequence[Candidate]) -> bool:
        """Whether a pass of CenterFace found it and was sure."""
        least = self._limits.face_human_centre
        return any(one.detector is Detector.CENTERFACE and one.score >= least for one in group)

    def _presence(self, picture: Shown | Pixels, group: Sequence[Candidate]) -> float:
        """The mesh's logit on the best box's points."""
        return self._mesh.presence(picture, group[0].landmarks)

    def _likeness(self, crop: Pixels) -> float:
        """CenterFace's best score for a face where the crop must have it."""
        found = self._centre.look(crop, _ANY)
        middle = np.array([_CROP_SIDE / 2, _CROP_SIDE / 2 + 0.07 * ARCFACE_SIDE * _CROP_ZOOM])
        here = np.linalg.norm(found.corners.mean(axis=1) - middle, axis=1) < _CROP_REACH
        return float(found.scores[here].max(initial=0.0))


def _upright(picture: Shown | Pixels, points: NDArray[np.float32], side: int, zoom: float) -> Pixels:
    """The face upright in a square; only the neighbourhood of the points is resampled.

    Args:
        picture: uint8 (H, W, 3) RGB.
        points: float32 (5, 2), ArcFace order.
        side: Of the square, pixels.
        zoom: As in :func:`consent_edit.perception.faces.alignment.aligned`.
    """
    shown = Shown.of(picture)
    left, top, right, bottom = around(points, shown.size)
    start = np.array([left, top], np.float32)
    return aligned(shown.pixels[top:bottom, left:right], points - start, side=side, zoom=zoom)


def _shown(crop: Pixels) -> Iterator[Pixels]:
    """The crop under the filters that the passes see through."""
    even = stretched(crop)
    blurred = cv2.GaussianBlur(even, (0, 0), 2.0)
    smooth = cv2.medianBlur(even, 5)
    square = np.ones((5, 5), np.uint8)
    without_bright = cv2.GaussianBlur(cv2.morphologyEx(even, cv2.MORPH_OPEN, square), (0, 0), 1.5)
    without_dark = cv2.GaussianBlur(cv2.morphologyEx(even, cv2.MORPH_CLOSE, square), (0, 0), 1.5)
    for shown in (crop, even, blurred, smooth, without_bright, without_dark):
        yield np.asarray(shown, dtype=np.uint8)
    for shown in (even, blurred, smooth):
        yield 255 - np.asarray(shown, dtype=np.uint8)


def _scaled(picture: Pixels) -> NDArray[np.float32]:
    """float32 (1, 192, 192, 3), 0 to 1."""
    return np.asarray(picture[None] * np.float32(1 / 255), dtype=np.float32)
