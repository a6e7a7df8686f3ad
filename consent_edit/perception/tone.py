"""The smooth tone map: the most an edit of the whole picture's tone can explain, and no more.

A colour map of low capacity (a cubic polynomial of red, green and blue) is fitted from input to output by
robust least squares. It cannot follow shapes, so it cannot hide a repaint; what it leaves over is what was
repainted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SAMPLE: Final = 6000
_ROUNDS: Final = 8
_RIDGE: Final = 1e-4
_SCALE_FLOOR: Final = 2.0 / 255  # JPEG noise: no residual below this is worth rejecting a pixel for

Floats = NDArray[np.float32]


def _features(colours: Floats) -> Floats:
    """All monomials up to the third degree of colours in [0, 1], (n, 3) -> (n, 20)."""
    r, g, b = colours[:, 0], colours[:, 1], colours[:, 2]
    squares = [r * r, g * g, b * b, r * g, r * b, g * b]
    cubes = [first * second for first in squares[:3] for second in (r, g, b)] + [r * g * b]
    return np.stack([np.ones_like(r), r, g, b, *squares, *cubes], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ToneMap:
    """A fitted map of colours.

    Attributes:
        weights: float64 (20, 3).
    """

    weights: NDArray[np.float64]

    def apply(self, picture: Floats) -> Floats:
        """The picture's colours mapped, (H, W, 3) in [0, 1], clipped like a file's."""
        flat = _features(picture.reshape(-1, 3)) @ self.weights.astype(np.float32)
        return np.clip(flat, 0.0, 1.0).reshape(picture.shape).astype(np.float32)


def fit_tone(before: Floats, after: Floats) -> ToneMap:
    """Fit the map that most pixels agree on.

    Iteratively reweighted least squares with Tukey's weights on an even subsample, drawn to the identity by a
    small ridge, so that colours a picture lacks are left alone.

    Args:
        before: float32 (H, W, 3) in [0, 1].
        after: float32, same shape.
    """
    a, b = before.reshape(-1, 3), after.reshape(-1, 3)
    step = max(1, len(a) // _SAMPLE)
    a, b = a[::step], b[::step]
    x, y = _features(a).astype(np.float64), (b - a).astype(np.float64)
    ridge = _RIDGE * len(a) * np.eye(x.shape[1])
    weight = np.ones(len(a))
    offset: NDArray[np.float64] = np.zeros((x.shape[1], 3))
    for _ in range(_ROUNDS):
        weighted = x * weight[:, None]
        offset = np.asarray(np.linalg.solve(x.T @ weighted + ridge, weighted.T @ y), dtype=np.float64)
        left = np.linalg.norm(y - x @ offset, axis=1)
        cut = 4.685 * max(1.4826 * float(np.median(left)), _SCALE_FLOOR)
        weight = np.clip(1 - (left / cut) ** 2, 0, None) ** 2 + 1e-4
    identity = np.zeros((x.shape[1], 3))
    identity[1:4] = np.eye(3)
    return ToneMap(weights=identity + offset)
