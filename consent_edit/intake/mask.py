"""A mask as the pipelines get it: the size of its picture, each pixel in or out."""

from __future__ import annotations

import numpy as np

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage

_IN = 128
_GRID = 8
"""Pipelines read a mask by the squares that their latent pixels stand for: one pixel may be all they see."""


def plain_mask(mask: CanonicalImage, picture: CanonicalImage) -> CanonicalImage:
    """Black and white from any picture of the same size, in whole squares of 8 pixels.

    Shades could carry a picture in; of dots, nearly nothing here, a pipeline could make a mask of everything.

    Args:
        mask: Its luma counts: from 128 on a pixel, and the square it lies in, is to be repainted.
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
    tall, wide = (-(-side // _GRID) for side in inside.shape)
    squares = np.zeros((tall * _GRID, wide * _GRID), bool)
    squares[: inside.shape[0], : inside.shape[1]] = inside
    any_in = squares.reshape(tall, _GRID, wide, _GRID).any(axis=(1, 3))
    grown = any_in.repeat(_GRID, axis=0).repeat(_GRID, axis=1)[: inside.shape[0], : inside.shape[1]]
    return CanonicalImage.of(np.repeat(np.where(grown, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2))


def painted_over(picture: CanonicalImage, mask: CanonicalImage) -> CanonicalImage:
    """The picture with every pixel under a plain mask as different as it can be."""
    far = np.where(picture.pixels < 128, 255, 0).astype(np.uint8)
    return CanonicalImage.of(np.where(mask.pixels > 0, far, picture.pixels))
