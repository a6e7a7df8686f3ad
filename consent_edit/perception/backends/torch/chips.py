"""Crops on the device: faces brought upright for the embedders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from consent_edit.perception.backends.torch.resampling import Resampler, shrink_of, warped
from consent_edit.perception.faces.alignment import (
    ARCFACE_POINTS,
    ARCFACE_SIDE,
    LEAST_SHRINK,
    neighbourhood,
    shrunk,
    similarity,
)


def aligned(
    planes: Tensor,
    landmarks: NDArray[np.float32],
    resampler: Resampler,
    *,
    side: int = ARCFACE_SIDE,
    zoom: float = 1.0,
) -> Tensor:
    """The face upright and centred, as :func:`consent_edit.perception.faces.alignment.aligned` cuts it.

    Args:
        planes: float32 (3, H, W) RGB.
        landmarks: float32 (5, 2), ArcFace order, in pixels of the picture.
        resampler: Keeps the weights of the sizes.
        side: Side of the result in pixels.
        zoom: Size of the face, in multiples of its size in the 112-px reference.

    Returns:
        float32 (3, side, side), black where the picture ends.
    """
    middle = ARCFACE_SIDE / 2
    target = (ARCFACE_POINTS - middle) * zoom + side / 2
    matrix = similarity(landmarks, target.astype(np.float32))
    shrink = shrink_of(matrix)
    if shrink < LEAST_SHRINK:
        left, top, right, bottom = neighbourhood(matrix, side, (planes.shape[2], planes.shape[1]))
        width, height = right - left, bottom - top
        rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
        planes = resampler.averaged(planes[:, top:bottom, left:right], rows, columns)
        matrix = shrunk(matrix, (left, top), (width / columns, height / rows))
    return warped(planes, matrix[None], side)[0]
