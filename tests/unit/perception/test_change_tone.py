"""The tone map: it follows every ordinary grade, and no shape."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from consent_edit.bench.edits import BENIGN
from consent_edit.perception.change.tone import fit_tone

GRADES = (
    "brighter",
    "darker",
    "contrast up",
    "contrast down",
    "gamma 0.6",
    "gamma 1.6",
    "saturation up",
    "saturation down",
    "warmer",
    "cooler",
    "curve",
    "black and white",
    "sepia",
    "vignette",
)


@pytest.fixture(scope="module")
def picture(astronaut):
    return astronaut.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("name", GRADES)
def test_a_grade_is_explained(astronaut, picture, name):
    """Curves, channels mixed, clipping at either end, darker corners: next to nothing is left over."""
    after = BENIGN[name](astronaut).astype(np.float32) / 255
    left = np.abs(fit_tone(picture, after).apply(picture) - after) * 255
    assert np.quantile(cv2.blur(left.max(axis=2), (9, 9)), 0.99) < 10


def test_black_stays_black_where_the_shadows_are_lifted(astronaut, picture):
    """A strong gamma has an endless slope at black; pixels that stay black hold the curve there."""
    after = BENIGN["gamma 0.6"](astronaut).astype(np.float32) / 255
    black = astronaut.max(axis=2) == 0
    assert black.sum() > 100
    explained = fit_tone(picture, after).apply(picture)
    assert explained[black].mean() * 255 < 5


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_a_repaint_of_a_large_part_is_not_explained(astronaut, picture, share):
    """The map cannot follow another picture's shapes, however much of the picture they cover."""
    rows = round(512 * share)
    after = picture.copy()
    after[:rows] = picture[:rows][:, ::-1]
    left = np.abs(fit_tone(picture, after).apply(picture) - after)[:rows].max(axis=2) * 255
    assert np.mean(left > 12) > 0.5


def test_clothes_of_one_colour_recoloured_leave_something_over(astronaut, picture):
    """An orange suit made blue leaves over the suit, or the face that should have turned blue with it."""
    suit = (astronaut[..., 0] > 150) & (astronaut[..., 2] < 90)
    suit[:200] = False
    after = picture.copy()
    after[suit] = picture[suit][:, ::-1]
    left = np.abs(fit_tone(picture, after).apply(picture) - after).max(axis=2) * 255
    assert suit.mean() > 0.05
    assert np.mean(left[suit] > 12) > 0.3 or np.mean(left[80:160, 190:260] > 12) > 0.3


def test_a_flat_picture_gives_finite_colours():
    """One colour only: the fit is drawn to the identity, and nothing overflows."""
    flat = np.full((40, 30, 3), 0.4, dtype=np.float32)
    assert np.isfinite(fit_tone(flat, flat * 0).apply(flat)).all()
    assert np.allclose(fit_tone(flat, flat).apply(flat), flat, atol=0.01)


def test_a_repaint_does_not_bend_the_map_of_the_rest(astronaut, picture):
    """A third of a graded picture painted over: the grade of the other two thirds is still explained."""
    after = BENIGN["warmer"](astronaut).astype(np.float32) / 255
    after[:170] = after[:170][:, ::-1]
    left = np.abs(fit_tone(picture, after).apply(picture) - after)[200:].max(axis=2) * 255
    assert np.quantile(left, 0.95) < 6
