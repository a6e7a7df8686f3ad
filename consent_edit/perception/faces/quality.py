"""How well a photo shows a face: sharpness, pose, light. What enrolment asks; an edit never does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.alignment import ARCFACE_POINTS, aligned

NOSE_DEPTH: Final = 0.5
"""How far the tip of the nose stands before the plane of eyes and mouth, in distances between the eyes.

About 30 of 63 mm in generic head models; it only scales the angles."""

BLACK: Final = 4
WHITE: Final = 251
"""Luma at or below the one and at or above the other shows no skin: drowned or burnt out, 0 to 255."""

_TINY: Final = 1e-6


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What was measured of one face in one photo. None of it says whose face it is.

    Attributes:
        sharpness: Variance of the Laplacian of the luma of the aligned 112-px crop.
        yaw: Degrees the face is turned to a side; 0 looks at the camera, positive to the picture's right.
        pitch: Degrees it is turned down (positive) or up.
        roll: Degrees it is tilted in the picture, with the clock.
        brightness: Mean luma of the crop, 0 to 255.
        clipped: Share of the crop that is black or burnt out, 0 to 1; the part beyond the picture's border
            is black.
    """

    sharpness: float
    yaw: float
    pitch: float
    roll: float
    brightness: float
    clipped: float


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles of a head, degrees, as :class:`FaceQuality` has them."""

    yaw: float
    pitch: float
    roll: float


def pose(landmarks: NDArray[np.float32]) -> Pose:
    """Angles from five points, by the plainest model that has all three.

    Eyes and corners of the mouth lie in a plane, the tip of the nose :data:`NOSE_DEPTH` eye distances before
    it, on the middle line where ArcFace's reference face has it; seen from afar (weak perspective). Turned by
    yaw, the distance between the eyes shrinks by its cosine and the nose leaves the middle line by its sine;
    the same holds of the height from eyes to mouth, pitch, and the nose's place between them. So each tangent
    is a quotient of two lengths in the picture. Roll is the slope of the line through the eyes.

    Args:
        landmarks: float32 (5, 2), ArcFace order, pixels.

    Returns:
        The angles; 90 degrees where the points coincide.
    """
    right_eye, left_eye, nose, *mouth = landmarks.astype(np.float64)
    across = left_eye - right_eye
    eyes, lips = (right_eye + left_eye) / 2, (mouth[0] + mouth[1]) / 2
    width, height = float(np.linalg.norm(across)), float(np.linalg.norm(lips - eyes))
    roll = float(np.degrees(np.arctan2(across[1], across[0])))
    if width < _TINY or height < _TINY:
        return Pose(yaw=90.0, pitch=90.0, roll=roll)
    down = (lips - eyes) / height
    along = float((nose - eyes) @ down)
    aside = float((nose - eyes - along * down) @ across) / width
    depth = NOSE_DEPTH * width
    share, tall = _reference()
    yaw = np.arctan2(aside, depth)
    # The depth in units of the height comes from the reference: the picture's own height shrinks with pitch.
    pitch = np.arctan((along / height - share) * tall / NOSE_DEPTH)
    return Pose(yaw=float(np.degrees(yaw)), pitch=float(np.degrees(pitch)), roll=roll)


def measured(pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> FaceQuality:
    """Measure one face.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        landmarks: float32 (5, 2), ArcFace order, in pixels of the picture.
    """
    luma = cv2.cvtColor(aligned(pixels, landmarks), cv2.COLOR_RGB2GRAY)
    angles = pose(landmarks)
    return FaceQuality(
        sharpness=float(cv2.Laplacian(luma, cv2.CV_64F).var()),
        yaw=angles.yaw,
        pitch=angles.pitch,
        roll=angles.roll,
        brightness=float(luma.mean()),
        clipped=float(((luma <= BLACK) | (luma >= WHITE)).mean()),
    )


def _reference() -> tuple[float, float]:
    """Of ArcFace's face: the nose's place from eyes (0) to mouth (1), and that height in eye distances."""
    points = ARCFACE_POINTS.astype(np.float64)
    eyes, lips = points[:2].mean(axis=0), points[3:].mean(axis=0)
    height = float(lips[1] - eyes[1])
    return float(points[2, 1] - eyes[1]) / height, height / float(points[1, 0] - points[0, 0])
