"""The smooth tone map: the most an edit of the whole picture's tone can explain, and no more.

A map of low capacity is fitted from input to output by robust least squares: a curve for each of red,
green and blue, their low products, and a darkening towards the corners. It cannot follow shapes, so it cannot
hide a repaint; what it leaves over is what was repainted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SAMPLE: Final = 3000
_SETTLED: Final = 3e-4  # change of the map by which it counts as found
_RIDGE: Final = 2e-6
_RIDGE_PICKING: Final = 3e-5
_SCALE_FLOOR: Final = 2.0 / 255  # JPEG noise: no residual below this is worth rejecting a pixel for
_KNOTS: Final = np.array(
    [0.0, 0.015, 0.04, 0.1, 0.18, 0.27, 0.36, 0.46, 0.56, 0.67, 0.78, 0.9, 1.0], dtype=np.float32
)
_CLIPPED: Final = (2.0 / 255, 253.0 / 255)  # what a file cannot show further than
_STILL: Final = 0.3  # weight of black that stays black and white that stays white: every tone curve's ends
_NEXT: Final = [1, 2, 0]  # red meets green, green blue, blue red

Floats = NDArray[np.float32]


def _away(shape: tuple[int, int]) -> Floats:
    """Squared distance from the middle, 1 in the corners, float32 (H * W,)."""
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    return np.asarray((rows * rows + columns * columns) / 2, dtype=np.float32).ravel()


def _features(colours: Floats, away: Floats) -> Floats:
    """What the map is linear in, (n, 3) colours in [0, 1] and (n,) distances -> (n, features)."""
    r, g, b = colours[:, 0], colours[:, 1], colours[:, 2]
    bends = [np.maximum(0, channel - knot) for channel in (r, g, b) for knot in _KNOTS[1:-1]]
    products = [r * g, g * b, b * r]
    radial = [away * r, away * g, away * b]
    return np.stack([np.ones_like(r), r, g, b, *bends, *products, *radial], axis=1).astype(np.float32)


def _ridges(features: int) -> NDArray[np.float64]:
    """How much each feature is held back for each output channel, (3, features).

    A channel's own curve and the linear mixing of channels are nearly free: they are what tone edits do.
    Bends of another channel and products are held back: with them a map could pick out one colour.
    """
    ridges = np.full((3, features), _RIDGE_PICKING)
    ridges[:, :4] = _RIDGE
    each = len(_KNOTS) - 2
    for out in range(3):
        ridges[out, 4 + out * each : 4 + (out + 1) * each] = _RIDGE
    ridges[:, 4 + 3 * each + 3 :] = _RIDGE  # darker corners
    return ridges


@dataclass(frozen=True, slots=True, eq=False)
class ToneMap:
    """A fitted map of colours.

    Attributes:
        weights: float64 (features, 3).
    """

    weights: NDArray[np.float64]

    def apply(self, picture: Floats) -> Floats:
        """The picture's colours mapped, (H, W, 3) in [0, 1], clipped like a file's.

        The curves are looked up by eight-bit values, as a file holds them.
        """
        weights = self.weights.astype(np.float32)
        levels = np.asarray(cv2.convertScaleAbs(picture, alpha=255.0), dtype=np.uint8)
        steps = np.linspace(0, 1, 256, dtype=np.float32)
        bends = np.maximum(0, steps[:, None] - _KNOTS[None, 1:-1])
        each = len(_KNOTS) - 2
        curves = np.stack(
            [
                np.outer(steps, weights[1 + c]) + bends @ weights[4 + c * each : 4 + (c + 1) * each]
                for c in range(3)
            ],
            axis=1,
        ).astype(np.float32)  # (256, input channel, output channel)
        rest = weights[4 + 3 * each :]
        products = picture * picture[:, :, _NEXT]
        mapped = cv2.transform(products, np.ascontiguousarray(rest[:3].T))
        away = _away((picture.shape[0], picture.shape[1])).reshape(picture.shape[:2])
        mapped += cv2.transform(picture * away[..., None], np.ascontiguousarray(rest[3:].T))
        for out in range(3):
            table = np.ascontiguousarray(curves[:, :, out])[None]
            bent = cv2.transform(cv2.LUT(levels, table), np.ones((1, 3), dtype=np.float32))
            mapped[:, :, out] += bent + weights[0, out]
        return np.asarray(np.clip(mapped, 0.0, 1.0), dtype=np.float32)


def fit_tone(before: Floats, after: Floats, *, rounds: int = 7) -> ToneMap:
    """Fit the map that most pixels agree on.

    Iteratively reweighted least squares with Tukey's weights on an even subsample, drawn to the identity by
    a small ridge, so that colours a picture lacks are left alone. A channel clipped in the output says only
    that the map reaches so far.

    Args:
        before: float32 (H, W, 3) in [0, 1].
        after: float32, same shape.
        rounds: Of reweighting, at most.
    """
    a, b, away = before.reshape(-1, 3), after.reshape(-1, 3), _away((before.shape[0], before.shape[1]))
    step = max(1, len(a) // _SAMPLE)
    a, b, away = a[::step], b[::step], away[::step]
    x, y = _features(a, away).astype(np.float64), (b - a).astype(np.float64)
    ridge = _ridges(x.shape[1]) * len(a)
    low, high = b <= _CLIPPED[0], b >= _CLIPPED[1]
    kept = ((low & (a <= _CLIPPED[0])) | (high & (a >= _CLIPPED[1]))).all(axis=1)  # black or white, and still
    weight = np.where((low | high).any(axis=1), 1e-4, 1.0)
    offset: NDArray[np.float64] = np.zeros((x.shape[1], 3))
    for _ in range(rounds):
        told = a + x @ offset
        beyond = (low & (told < b)) | (high & (told > b))
        goal = np.where(beyond, told - a, y)
        weighted = x * weight[:, None]
        earlier = offset
        normal, told_of = x.T @ weighted, weighted.T @ goal
        offset = np.stack(
            [np.linalg.solve(normal + np.diag(ridge[out]), told_of[:, out]) for out in range(3)], axis=1
        )
        left = np.linalg.norm(np.where(beyond, 0.0, y - x @ offset), axis=1)
        cut = 4.685 * max(1.4826 * float(np.median(left)), _SCALE_FLOOR)
        weight = np.clip(1 - (left / cut) ** 2, 0, None) ** 2 + 1e-4
        weight[kept] = np.maximum(weight[kept], _STILL)
        if np.abs(x @ (offset - earlier)).max() < _SETTLED:
            break
    identity = np.zeros((x.shape[1], 3))
    identity[1:4] = np.eye(3)
    return ToneMap(weights=identity + offset)
