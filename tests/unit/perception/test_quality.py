"""How well a photo shows a face: measured against pictures whose answer is known."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("cv2", reason="quality is measured with OpenCV")

import cv2

from consent_edit.consent.issuing.capture import CaptureSource, enrolment_templates
from consent_edit.enrolment import capture_of
from consent_edit.errors import EnrolmentRefused
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.faces.alignment import ARCFACE_POINTS
from consent_edit.perception.faces.quality import NOSE_DEPTH, FaceQuality, measured, pose

FRONTAL = ARCFACE_POINTS * 2
"""ArcFace's face on a picture of 224 pixels."""


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """The points of a head that is truly turned so, seen from afar: the nose stands before the plane."""
    flat = FRONTAL.astype(np.float64) - FRONTAL.mean(axis=0)
    flat[:, 0] -= flat[[0, 1, 3, 4], 0].mean()
    across = float(FRONTAL[1, 0] - FRONTAL[0, 0])
    depth = np.array([0, 0, -NOSE_DEPTH * across, 0, 0])
    depth[2] *= 1.0
    x, y = flat.T
    a, b, c = (np.radians(angle) for angle in (yaw, pitch, roll))
    x, z = x * np.cos(a) - depth * np.sin(a), x * np.sin(a) + depth * np.cos(a)
    y = y * np.cos(b) - z * np.sin(b)
    points = np.stack([x * np.cos(c) - y * np.sin(c), x * np.sin(c) + y * np.cos(c)], axis=1)
    return (points + 112).astype(np.float32)


def picture(seed: int = 0) -> np.ndarray:
    """Even noise on mid grey."""
    noise = np.random.default_rng(seed).integers(90, 160, (224, 224, 1))
    return np.repeat(noise, 3, axis=2).astype(np.uint8)


def test_frontal_face_has_no_angles() -> None:
    """ArcFace's own points are those of a face that looks at the camera."""
    angles = pose(FRONTAL)
    assert abs(angles.yaw) < 3 and abs(angles.pitch) < 1 and abs(angles.roll) < 1


@pytest.mark.parametrize("angle", [-60, -30, -10, 10, 30, 60])
def test_each_angle_is_found(angle: float) -> None:
    """Turned about one axis by a known angle, the head reads that angle and hardly any other."""
    for axis in ("yaw", "pitch", "roll"):
        found = pose(turned(**{axis: angle}))
        assert getattr(found, axis) == pytest.approx(angle, abs=4), axis
        for other in {"yaw", "pitch", "roll"} - {axis}:
            assert abs(getattr(found, other)) < 6, (axis, other)


def test_turned_both_ways_at_once() -> None:
    """Tilting the picture does not hide that the head is turned."""
    found = pose(turned(yaw=40, roll=35))
    assert found.yaw == pytest.approx(40, abs=6) and found.roll == pytest.approx(35, abs=4)


def test_head_upside_down() -> None:
    """A face on its head is tilted by half a turn, not frontal."""
    assert abs(pose(turned(roll=180)).roll) > 170


def test_points_that_coincide() -> None:
    """Points that make no face read as turned away, never as frontal or as no number."""
    for points in (np.zeros((5, 2)), np.repeat(FRONTAL[:1], 5, axis=0), FRONTAL[[0, 0, 2, 3, 4]]):
        angles = pose(points.astype(np.float32))
        assert abs(angles.yaw) == 90 and abs(angles.pitch) == 90 and np.isfinite(angles.roll)


def test_blur_and_light_are_measured() -> None:
    """Blur lowers the sharpness, light moves the brightness, burnt-out pixels are clipped."""
    sharp = measured(picture(), FRONTAL)
    blurred = measured(cv2.GaussianBlur(picture(), (0, 0), 3.0), FRONTAL)
    assert blurred.sharpness < sharp.sharpness / 10
    assert sharp.brightness == pytest.approx(124, abs=4) and sharp.clipped == 0
    assert measured(picture() // 4, FRONTAL).brightness < 40
    burnt = picture()
    burnt[:, :112] = 255
    assert measured(burnt, FRONTAL).clipped == pytest.approx(0.5, abs=0.03)
    assert measured(np.zeros_like(burnt), FRONTAL) == FaceQuality(
        0.0, *(getattr(sharp, name) for name in ("yaw", "pitch", "roll")), 0.0, 1.0
    )


def test_face_cut_off_by_the_border() -> None:
    """What lies beyond the picture counts as clipped."""
    cut = measured(picture()[:, :112], FRONTAL)
    assert cut.clipped == pytest.approx(0.5, abs=0.03)


def test_size_of_the_picture_does_not_matter() -> None:
    """The same face on twice the pixels reads the same angles and light."""
    large = measured(np.repeat(np.repeat(picture(), 2, axis=0), 2, axis=1), FRONTAL * 2)
    small = measured(picture(), FRONTAL)
    for name in ("yaw", "pitch", "roll", "brightness"):
        assert asdict(large)[name] == pytest.approx(asdict(small)[name], abs=1.5)


class TestShippedPictures:
    """With the real detector and embedders, on pictures that packages ship."""

    @staticmethod
    def templates(perception, limits, pixels):
        """What enrolling that one picture makes."""
        image = CanonicalImage.of(np.ascontiguousarray(pixels))
        capture = capture_of(perception.observe_image(image), image, source=CaptureSource.OWN)
        return enrolment_templates([capture], limits)

    def test_person_is_enrolled(self, perception, limits, astronaut) -> None:
        """A frontal portrait keeps every limit."""
        assert set(self.templates(perception, limits, astronaut)) == set(limits.enrolment)

    def test_coffee_cup_is_not_enrolled(self, perception, limits) -> None:
        """A cup that the detector takes for a face is nobody, upright, on its head, larger or cut out."""
        cup = pytest.importorskip("skimage.data").coffee()
        over = cup[::-1, ::-1]
        twice = cv2.resize(over, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)
        close = cv2.resize(over[5:265, 190:450], (300, 300), interpolation=cv2.INTER_LANCZOS4)
        wide = cv2.resize(over[0:271, 94:374], None, fx=1.1, fy=1.1, interpolation=cv2.INTER_LANCZOS4)
        for shown in (cup, over, twice, close, wide):
            with pytest.raises(EnrolmentRefused):
                self.templates(perception, limits, shown)

    def test_cat_is_not_enrolled(self, perception, limits) -> None:
        """Nor is a cat, whose face is one to the detector."""
        cat = pytest.importorskip("skimage.data").chelsea()
        for shown in (cat, cat[::-1, ::-1]):
            with pytest.raises(EnrolmentRefused):
                self.templates(perception, limits, shown)
