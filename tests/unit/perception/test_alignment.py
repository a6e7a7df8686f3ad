"""A face is brought upright from what stands around it, whatever its size and wherever it lies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from consent_edit.perception.faces.alignment import (
    ARCFACE_POINTS,
    LEAST_SHRINK,
    aligned,
    neighbourhood,
    similarity,
)


def placed(size, middle):
    """Five points of a slightly turned face."""
    turned = (ARCFACE_POINTS / 112 - 0.5) @ np.array([[0.95, 0.3], [-0.3, 0.95]])
    return (turned * size + middle).astype(np.float32)


@pytest.mark.parametrize("middle", [(300, 200), (30, 460), (505, 10)])
@pytest.mark.parametrize("size", [260, 420])
def test_a_large_face_is_averaged_from_its_surroundings_as_from_the_whole_picture(astronaut, size, middle):
    """Wherever it lies, and partly outside, the chip is that of the whole picture shrunk to a few levels."""
    points = placed(size, middle)
    matrix = similarity(points, ARCFACE_POINTS)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    assert shrink < LEAST_SHRINK
    side = round(512 * shrink)
    small = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
    whole = cv2.warpAffine(small, matrix @ np.diag([512 / side, 512 / side, 1]), (112, 112))
    off = np.abs(aligned(astronaut, points).astype(int) - whole)
    inner = off[cv2.erode((whole.max(axis=2) > 0).astype(np.uint8), np.ones((9, 9))) > 0]
    assert inner.mean() < 6
    assert np.median(inner) <= 3


def test_the_surroundings_hold_all_that_is_read(astronaut):
    """Every corner of the square lies in them, or outside the picture."""
    points = placed(300, (250, 240))
    matrix = similarity(points, ARCFACE_POINTS)
    left, top, right, bottom = neighbourhood(matrix, 112, (512, 512))
    back = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [112, 0, 1], [0, 112, 1], [112, 112, 1]]) @ back.T
    for x, y in corners:
        assert left <= max(x, 0) and min(x, 512) <= right
        assert top <= max(y, 0) and min(y, 512) <= bottom


@pytest.mark.parametrize("place", [(100, 100), (-900, 40), (4000, 4000)])
def test_points_that_lie_on_one_another_or_far_outside_break_nothing(astronaut, place):
    """What a detector may be made to say still gives a chip of the right size."""
    for size in (0, 400):
        chip = aligned(astronaut, placed(size, place))
        assert chip.shape == (112, 112, 3)
