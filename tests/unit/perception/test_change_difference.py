"""What is left over once tone, noise and small shifts are taken off."""

from __future__ import annotations

import numpy as np
import pytest
from change_scene import painted

from consent_edit.bench.edits import BENIGN
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.difference import WORKING_SIDE, difference, working


def found(before, after):
    first, second = (CanonicalImage.of(np.ascontiguousarray(one)) for one in (before, after))
    return difference(first, second, working(first))


def test_lowered_contrast_makes_a_repaint_no_smaller(astronaut):
    """The difference is told as large as it would be in the input's own contrast."""
    repaint = painted(astronaut, (230, 340), (60, 50), (150, 90, 60))
    plain = found(astronaut, repaint).look.colour[340, 230]
    faint = found(astronaut, (64 + 0.5 * repaint.astype(np.float64)).astype(np.uint8)).look.colour[340, 230]
    assert plain > 20
    assert faint > 0.85 * plain


def test_what_lies_beside_a_cropped_border_is_not_blurred_with_it(astronaut):
    """A stripe at the border that a crop takes away leaves no difference in what is still shown."""
    striped = astronaut.copy()
    striped[:7] = 255
    striped[7:40] = 0
    result = found(striped, BENIGN["slight crop"](striped))
    assert not result.shown[0].any()
    assert np.quantile(result.look.colour[result.shown], 0.995) < 8


def test_a_shift_by_a_pixel_in_one_place_is_no_colour_difference(astronaut):
    """Half of a picture moved by one pixel, which no registration can undo, leaves next to nothing."""
    after = astronaut.copy()
    after[256:] = np.roll(astronaut[256:], 1, axis=1)
    colour = found(astronaut, after).look.colour[270:500, 10:500]
    assert np.quantile(colour, 0.99) < 3


@pytest.mark.parametrize(
    ("face", "side", "close"), [(200.0, 512, False), (90.0, 512, True), (20.0, 1200, True), (4.0, 1536, True)]
)
def test_a_small_face_is_looked_at_more_closely(face, side, close):
    """The smaller the face in a picture of 2,000 px, the larger the working size, up to a bound."""
    image = CanonicalImage.of(np.zeros((1000, 2000, 3), dtype=np.uint8))
    how = working(image, face)
    assert how.size == (side, side // 2)
    assert how.close is close
    assert working(image).size[0] == WORKING_SIDE


def test_a_repaint_alone_is_no_lost_detail(astronaut):
    """A picture that keeps its detail elsewhere explains nothing, though nearly half of it is repainted."""
    for height in (400, 340, 280):
        after = astronaut.copy()
        after[height:] = np.roll(astronaut[height:], 60, axis=1)
        assert found(astronaut, after).lost.max() == 0


@pytest.mark.parametrize("name", ["film grain", "half the size and back", "blurred by a pixel", "JPEG 50"])
def test_detail_lost_everywhere_explains_more_where_there_is_detail(astronaut, name):
    """Encoding anew counts, never by more than the bound, and not on a plain wall."""
    before = astronaut.copy()
    before[:60, :120] = 128
    lost = found(before, BENIGN[name](before)).lost
    assert 0.9 < lost.max() <= 1
    assert lost[5:40, 5:100].max() < 0.05


@pytest.mark.parametrize("name", ["as it is", "warmer", "curve", "black and white", "JPEG 90"])
def test_tone_is_no_lost_detail(astronaut, name):
    """A grade, or saving again at high quality, does not make anything count as noise."""
    assert found(astronaut, BENIGN[name](astronaut)).lost.max() < 0.6


def test_a_flat_picture_has_no_detail_to_lose():
    """Without detail nothing tells how it was kept, and nothing is explained."""
    flat = np.full((200, 200, 3), 90, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 180, flat.shape, dtype=np.uint8)
    assert found(flat, noise).lost.max() == 0
