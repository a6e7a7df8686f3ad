"""A small copy of the first picture of a chain, kept so that later edits can be laid over it."""

from __future__ import annotations

import io
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.errors import CheckFailed
from consent_edit.intake.canonical import CanonicalImage

SKETCH_SIDE: Final = 384
"""Longer side of the copy, in pixels; a smaller picture is copied as it is."""

MOST_SKETCH_BYTES: Final = 512 * 1024
"""Bound on a copy; noise of that size needs about 350 KB, a photograph about 50."""

_QUALITY: Final = 92


def shrunk(pixels: NDArray[np.uint8]) -> CanonicalImage:
    """A picture at the size of a sketch.

    Args:
        pixels: uint8 (H, W, 3) RGB.
    """
    height, width = pixels.shape[:2]
    factor = min(1.0, SKETCH_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return CanonicalImage.of(
        np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    )


def sketched(pixels: NDArray[np.uint8]) -> bytes:
    """A picture of a sketch's size as it is kept: JPEG, colours at full resolution.

    Raises:
        CheckFailed: it is larger than a sketch may be.
    """
    with io.BytesIO() as memory:
        Image.fromarray(pixels).save(memory, format="JPEG", quality=_QUALITY, subsampling=0)
        data = memory.getvalue()
    if max(pixels.shape[:2]) > SKETCH_SIDE or len(data) > MOST_SKETCH_BYTES:
        raise CheckFailed("a picture is too large to be kept small")
    return data


def opened(sketch: bytes) -> CanonicalImage:
    """The picture that :func:`sketched` wrote.

    Raises:
        CheckFailed: it is no such picture.
    """
    try:
        with Image.open(io.BytesIO(sketch), formats=("JPEG",)) as picture:
            if len(sketch) > MOST_SKETCH_BYTES or max(picture.size) > SKETCH_SIDE or picture.mode != "RGB":
                raise CheckFailed("what is kept of the first picture is no sketch")
            return CanonicalImage.of(np.asarray(picture, dtype=np.uint8))
    except (OSError, ValueError, SyntaxError) as error:
        raise CheckFailed("what is kept of the first picture cannot be read") from error
