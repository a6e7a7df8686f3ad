"""Alignment: five points of a face to the fixed positions an embedder was trained with."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

ARCFACE_SIDE: Final = 112
"""Side in pixels of the picture that the reference points are given for."""

ARCFACE_POINTS: Final[NDArray[np.float32]] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float32,
)
"""ArcFace's points (insightface, ``arcface_src``): right eye, left eye, nose, mouth right, mouth left."""


def similarity(source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn, scale and shift that bring points nearest to others (Umeyama 1991: least squares, no mirroring).

    Args:
        source: float32 (n, 2).
        target: float32 (n, 2).

    Returns:
        float64 (2, 3), for column vectors (x, y, 1).
    """
    a, b = source.astype(np.float64), target.astype(np.float64)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = a - mean_a, b - mean_b
    u, strength, vt = np.linalg.svd(b.T @ a / len(a))
    signs = np.array([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    turn = u @ np.diag(signs) @ vt
    spread = max(float((a**2).sum() / len(a)), 1e-9)
    scale = float(strength @ signs) / spread
    return np.hstack([scale * turn, (mean_b - scale * turn @ mean_a)[:, None]])


def aligned(
    pixels: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    *,
    side: int = ARCFACE_SIDE,
    zoom: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.uint8]:
    """The face upright and centred.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: float32 (5, 2), ArcFace order, in pixels of the picture.
        side: Side of the result in pixels.
        zoom: Size of the face, in multiples of its size in the 112-px reference.
        shift: Pixels of the result to the right and down.

    Returns:
        uint8 (side, side, 3), black where the picture ends.
    """
    middle = ARCFACE_SIDE / 2
    target = (ARCFACE_POINTS - middle) * zoom + side / 2 + np.array(shift, np.float32)
    matrix = similarity(landmarks, target.astype(np.float32))
    source = np.ascontiguousarray(pixels)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < 0.5:  # average first, or the warp reads single pixels: an aliasing channel for attacks
        small = (max(1, round(source.shape[1] * shrink)), max(1, round(source.shape[0] * shrink)))
        factors = (small[0] / source.shape[1], small[1] / source.shape[0])
        source = np.asarray(cv2.resize(source, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        matrix = matrix @ np.array([[1 / factors[0], 0, 0], [0, 1 / factors[1], 0], [0, 0, 1]])
    return np.asarray(cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR), dtype=np.uint8)
