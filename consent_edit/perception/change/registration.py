"""Laying the output over the input: a small shift, scale and turn of the whole picture, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_COARSE: Final = 64
_FINE: Final = 256
_ROUNDS: Final = 30
_SMALL_STEP: Final = 1e-4
_MOST_SHIFT: Final = 0.04  # of the longer side
_MOST_SCALE: Final = 0.06
_MOST_STRETCH: Final = 0.025  # across against along: more would change a figure
_MOST_TURN: Final = 0.02  # radians; also the shear
_AGREES: Final = 6.0  # grey levels, of 255, within which two pixels count as laid over one another


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Where each pixel of the input lies in the output, both at the working size.

    Attributes:
        matrix: float64 (2, 3), affine; the identity when nothing small lays them over one another better.
    """

    matrix: NDArray[np.float64]

    def warp(self, after: Floats) -> Floats:
        """The output as it lies over the input; beyond its border its last pixels go on."""
        if np.array_equal(self.matrix, _identity()):
            return after
        height, width = after.shape[:2]
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(after, self.matrix, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE),
            dtype=np.float32,
        )

    def covered(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Places of the input that the output shows at all, (height, width)."""
        if np.array_equal(self.matrix, _identity()):
            return np.ones(shape, dtype=np.bool_)
        inside = np.full(shape, 255, dtype=np.uint8)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(inside, self.matrix, shape[::-1], flags=how) == 255, dtype=np.bool_)

    def back(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """What first follows ``place`` into the output and then this alignment back to the input, (2, 3)."""
        inverse = np.vstack([cv2.invertAffineTransform(self.matrix), [0.0, 0.0, 1.0]])
        return np.asarray((inverse @ np.vstack([place, [0.0, 0.0, 1.0]]))[:2], dtype=np.float64)


def _identity() -> NDArray[np.float64]:
    return np.eye(2, 3, dtype=np.float64)


def align(before: Floats, after: Floats) -> Alignment:
    """Find the small affine map under which most of the output lies over the input.

    Fitted by enhanced correlation (blind to brightness and contrast), and kept only if it lays more pixels
    over one another than leaving the picture where it is: a map found for a repainted background does not
    move the people. What it may do is bounded, so that no figure is stretched out of notice.

    Args:
        before: Grey, float32 (H, W) in [0, 255].
        after: Grey, of the same shape and already of about the same tone.
    """
    start = _identity()
    coarse = _fitted(before, after, start, _COARSE, cv2.MOTION_TRANSLATION)
    fine = _fitted(before, after, coarse, _FINE, cv2.MOTION_AFFINE)
    stay = Alignment(start)
    best, agreed = stay, _agreement(before, after)
    for matrix in (coarse, fine):
        moved = Alignment(matrix)
        if not _small(matrix, before.shape[:2]) or np.array_equal(matrix, start):
            continue
        agreement = _agreement(before, moved.warp(after))
        if agreement > agreed:
            best, agreed = moved, agreement
    return best


def _fitted(
    before: Floats, after: Floats, start: NDArray[np.float64], side: int, motion: int
) -> NDArray[np.float64]:
    """The map that enhanced correlation finds from ``start``, or ``start`` where it finds none."""
    factor = min(1.0, side / max(before.shape))
    size = (max(8, round(before.shape[1] * factor)), max(8, round(before.shape[0] * factor)))
    first, second = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (before, after))
    matrix = start.astype(np.float32)
    matrix[:, 2] *= factor
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ROUNDS, _SMALL_STEP)
    try:
        _, found = cv2.findTransformECC(first, second, matrix, motion, criteria, None, 3)
    except cv2.error:  # a flat picture, or no agreement at all
        return start
    if not np.isfinite(found).all():
        return start
    result: NDArray[np.float64] = np.asarray(found, dtype=np.float64)
    result[:, 2] /= factor
    return result


def _small(matrix: NDArray[np.float64], shape: tuple[int, int]) -> bool:
    """Whether a map moves a picture so little that every figure stays itself."""
    linear = matrix[:, :2]
    across, along = np.hypot(*linear[:, 0]), np.hypot(*linear[:, 1])
    centre = np.array([shape[1] / 2, shape[0] / 2])
    shift = np.abs(linear @ centre + matrix[:, 2] - centre).max() / max(shape)
    turn = max(abs(linear[0, 1]), abs(linear[1, 0]))
    scale = max(abs(across - 1), abs(along - 1))
    return bool(
        shift <= _MOST_SHIFT
        and scale <= _MOST_SCALE
        and abs(across / along - 1) <= _MOST_STRETCH
        and turn <= _MOST_TURN
    )


def _agreement(before: Floats, after: Floats) -> float:
    """Share of pixels, of every second row and column, that lie over one another."""
    near = np.abs(before[::2, ::2] - after[::2, ::2]) < _AGREES
    return float(near.mean())
