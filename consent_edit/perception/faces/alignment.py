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


LEAST_SHRINK: Final = 0.5
"""Below this scale a picture is averaged before it is warped."""

_POINT: Final = 1e-6
# Half the diagonal of the wider crop, in multiples of the farthest point's distance from the middle.
_NEIGHBOURHOOD: Final = 6.0


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


def neighbourhood(matrix: NDArray[np.float64], side: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of a picture that an upright square is read from, and a little around it.

    Args:
        matrix: float64 (2, 3): from the picture to the square.
        side: Of the square, pixels.
        size: Width and height of the picture.

    Returns:
        Left, top, right, bottom in whole pixels inside the picture; one pixel at least.
    """
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < _POINT:  # points that lie on one another say nothing of where to look
        return 0, 0, *size
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ back.T
    around = 3 / shrink
    last = np.array(size) - 1
    low = np.clip(np.floor(corners.min(axis=0) - around), 0, last).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) + around), low + 1, last + 1).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def around(points: NDArray[np.float32], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a face's wider neighbourhood, in whole pixels of a picture of that size."""
    middle = points.mean(axis=0)
    reach = _NEIGHBOURHOOD * max(float(np.abs(points - middle).max()), 1.0)
    last = np.array(size) - 1
    low = np.clip(np.floor(middle - reach), 0, last).astype(int)
    high = np.clip(np.ceil(middle + reach).astype(int), low + 1, last + 1)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def shrunk(
    matrix: NDArray[np.float64], start: tuple[int, int], step: tuple[float, float]
) -> NDArray[np.float64]:
    """The matrix for a part of the picture that begins there, with so many old pixels to a new one."""
    return matrix @ np.array([[step[0], 0, start[0]], [0, step[1], start[1]], [0, 0, 1]], np.float64)


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
    if (
        shrink < LEAST_SHRINK
    ):  # average first, or the warp reads single pixels: an aliasing channel for attacks
        left, top, right, bottom = neighbourhood(matrix, side, (source.shape[1], source.shape[0]))
        width, height = right - left, bottom - top
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        source = np.asarray(
            cv2.resize(source[top:bottom, left:right], small, interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
        matrix = shrunk(matrix, (left, top), (width / small[0], height / small[1]))
    return np.asarray(cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR), dtype=np.uint8)
