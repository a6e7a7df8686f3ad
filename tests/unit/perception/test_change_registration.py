"""Laying the output over the input: small shifts of the whole are found, and nothing else is moved."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from consent_edit.perception.change.registration import align


@pytest.fixture(scope="module")
def grey(astronaut):
    return cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY).astype(np.float32)


def moved(picture, matrix):
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, np.asarray(matrix, np.float64), size, borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 0.5], [0, 1, 0.5]],
        [[1, 0, 8], [0, 1, -6]],
        [[1.03, 0, -8], [0, 1.03, -8]],
        [[0.9998, -0.01, 3], [0.01, 0.9998, -2]],
    ],
    ids=["half-a-pixel", "some-pixels", "slightly-cropped", "slightly-turned"],
)
def test_a_small_move_of_the_whole_picture_is_found(grey, matrix):
    """Shift, scale and turn are told to within a third of a pixel over the picture."""
    found = align(grey, moved(grey, matrix)).matrix
    corners = np.array([[0, 0, 1], [511, 0, 1], [0, 511, 1], [511, 511, 1]], dtype=np.float64)
    assert np.abs(corners @ (found - np.array(matrix)).T).max() < 0.35


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 60], [0, 1, 0]],
        [[1.15, 0, -38], [0, 1.15, -38]],
        [[1.06, 0, -15], [0, 1, 0]],
        [[0.995, -0.1, 26], [0.1, 0.995, -26]],
    ],
    ids=["far", "much-larger", "stretched", "turned"],
)
def test_no_more_than_a_small_move_is_ever_made(grey, matrix):
    """A far shift, a zoom, a stretch of the figure or a turn is never undone: it reads as repainted."""
    found = align(grey, moved(grey, matrix)).matrix
    corners = np.array([[0, 0, 1], [511, 0, 1], [0, 511, 1], [511, 511, 1]], dtype=np.float64)
    assert np.abs(corners @ (found - np.array(matrix)).T).max() > 3


def test_a_repainted_background_moves_nobody(grey):
    """A wall that now shows another pattern, shifted, does not drag the person along."""
    after = grey.copy()
    after[:, 300:] = np.roll(grey, 9, axis=1)[:, 300:]
    laid = align(grey, after).warp(after)
    assert np.abs(laid[70:170, 185:265] - grey[70:170, 185:265]).mean() < 1


@pytest.mark.parametrize("value", [0.0, 128.0])
def test_a_flat_picture_is_left_where_it_is(grey, value):
    """Nothing to hold on to: the identity, and no foreign exception."""
    flat = np.full_like(grey, value)
    for before, after in ((flat, flat), (grey, flat), (flat, grey)):
        assert np.array_equal(align(before, after).matrix, np.eye(2, 3))


def test_what_the_output_no_longer_shows_is_told(grey):
    """A crop leaves a border of the input uncovered, and only that."""
    found = align(grey, moved(grey, [[1.03, 0, -8], [0, 1.03, -8]]))
    covered = found.covered((512, 512))
    assert not covered[0].any()
    assert not covered[:, 0].any()
    assert covered[20:490, 20:490].all()
    assert align(grey, grey).covered((512, 512)).all()
