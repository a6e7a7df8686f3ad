"""The small copy of a first picture: small, bounded, and read back as it was."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from consent_edit.errors import CheckFailed
from consent_edit.perception.change.sketch import MOST_SKETCH_BYTES, SKETCH_SIDE, opened, shrunk, sketched


def test_a_picture_is_kept_small(astronaut):
    """No side is longer than a sketch's, the shape stays, and what is read back is close to what was kept."""
    small = shrunk(np.vstack([astronaut, astronaut]))
    assert (small.width, small.height) == (SKETCH_SIDE // 2, SKETCH_SIDE)
    back = opened(sketched(small.pixels))
    assert (back.width, back.height) == (small.width, small.height)
    assert np.abs(back.pixels.astype(int) - small.pixels).mean() < 3


def test_a_smaller_picture_is_kept_as_it_is(astronaut):
    """Nothing is blown up."""
    assert np.array_equal(shrunk(astronaut[:40, :60]).pixels, astronaut[:40, :60])


def test_noise_fits():
    """The picture that compresses worst is still within the bound."""
    noise = np.random.default_rng(0).integers(0, 256, (SKETCH_SIDE, SKETCH_SIDE, 3), dtype=np.uint8)
    assert len(sketched(noise)) <= MOST_SKETCH_BYTES


def test_a_large_picture_is_no_sketch(astronaut):
    """Neither written nor read."""
    with pytest.raises(CheckFailed):
        sketched(astronaut)
    with io.BytesIO() as memory:
        Image.fromarray(astronaut).save(memory, format="JPEG")
        large = memory.getvalue()
    with pytest.raises(CheckFailed):
        opened(large)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_another_format_is_no_sketch(astronaut, kind):
    """Only what we wrote is opened."""
    with io.BytesIO() as memory:
        Image.fromarray(astronaut[:64, :64]).save(memory, format=kind)
        with pytest.raises(CheckFailed):
            opened(memory.getvalue())
