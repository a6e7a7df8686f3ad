"""A mask as the pipelines get it: the size of its picture, each pixel in or out."""

from __future__ import annotations

import numpy as np

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage

_IN = 128


def plain_mask(mask: CanonicalImage, picture: CanonicalImage) -> CanonicalImage:
    """Black and white from any picture of the same size; shades could carry a picture in.

    Args:
        mask: Its luma counts: from 128 on a pixel is to be repainted.
        picture: The picture it lies over.

    Raises:
        InputError: ``input.mask``: another size than the picture.
    """
    if (mask.width, mask.height) != (picture.width, picture.height):
        raise InputError(
            "the mask is not of the picture's size",
            code="input.mask",
            remedy=f"give a mask of {picture.width} x {picture.height} pixels",
        )
    inside = mask.pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) >= _IN
    return CanonicalImage.of(np.repeat(np.where(inside, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2))


def painted_over(picture: CanonicalImage, mask: CanonicalImage) -> CanonicalImage:
    """The picture with every pixel under a plain mask as different as it can be."""
    far = np.where(picture.pixels < 128, 255, 0).astype(np.uint8)
    return CanonicalImage.of(np.where(mask.pixels > 0, far, picture.pixels))
