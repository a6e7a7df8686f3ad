"""Resizing, blurring and warping on the device, as cv2 and Pillow do them on the CPU: to a level of 255.

A picture here is ``planes``: float32 (3, H, W) RGB, whole numbers from 0 to 255, so that every step can round
where the CPU path rounds. Shrinking is two products with matrices of weights: exact, and two kernels.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_MOST_KEPT: Final = 256


def planes_of(pixels: Tensor) -> Tensor:
    """The planes of a uint8 (H, W, 3) picture on the device."""
    return pixels.permute(2, 0, 1).to(torch.float32).contiguous()


def rounded(planes: Tensor) -> Tensor:
    """Whole levels from 0 to 255, halves to even as cv2 rounds."""
    return planes.round().clamp(0, 255)


class Resampler:
    """Resizes, keeping the weights of the sizes it has met.

    Args:
        device: Where the pictures are.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._weights: dict[tuple[str, int, int], Tensor] = {}

    def averaged(self, planes: Tensor, height: int, width: int) -> Tensor:
        """As cv2's INTER_AREA; linear where a side grows, as cv2 does too."""
        if height > planes.shape[1] or width > planes.shape[2]:
            return self.interpolated(planes, height, width)
        rows, columns = (
            self._kept("area", length, size)
            for length, size in zip(planes.shape[1:], (height, width), strict=True)
        )
        return rounded(rows @ planes @ columns.T)

    def interpolated(self, planes: Tensor, height: int, width: int) -> Tensor:
        """As cv2's INTER_LINEAR."""
        if (height, width) == tuple(planes.shape[1:]):
            return planes
        shown = functional.interpolate(
            planes[None], (height, width), mode="bilinear", align_corners=False, antialias=False
        )
        return rounded(shown[0])

    def softened(self, planes: Tensor, height: int, width: int) -> Tensor:
        """As Pillow's BILINEAR: columns first, rounded, then rows."""
        columns = self._kept("triangle", planes.shape[2], width)
        rows = self._kept("triangle", planes.shape[1], height)
        return rounded(rows @ rounded(planes @ columns.T))

    def blurred(self, planes: Tensor, sigma: float) -> Tensor:
        """As cv2's Gaussian of that sigma: the same taps, mirrored at the border."""
        rows, columns = (
            self._kept(f"gaussian{sigma:g}", length, length) for length in planes.shape[1:]
        )
        return rounded(rows @ planes @ columns.T)

    def _kept(self, kind: str, length: int, size: int) -> Tensor:
        key = (kind, length, size)
        if key not in self._weights:
            if len(self._weights) >= _MOST_KEPT:
                self._weights.clear()
            weights = _weights(kind, length, size).astype(np.float32)
            self._weights[key] = torch.from_numpy(weights).to(self.device)
        return self._weights[key]


def _weights(kind: str, length: int, size: int) -> NDArray[np.float64]:
    """float64 (size, length): how much each old pixel counts in each new one."""
    match kind:
        case "area":
            return _area(length, size)
        case "triangle":
            return _triangle(length, size)
        case _:
            return _gaussian(length, float(kind.removeprefix("gaussian")))


def _area(length: int, size: int) -> NDArray[np.float64]:
    """The share of each new pixel that each old one covers."""
    scale = length / size
    start = np.arange(size)[:, None] * scale
    old = np.arange(length)[None, :]
    covered = np.minimum(start + scale, old + 1) - np.maximum(start, old)
    covered = np.where(covered > 1e-3, covered, 0.0)  # cv2 leaves out such slivers
    return np.asarray(covered / covered.sum(axis=1, keepdims=True))


def _triangle(length: int, size: int) -> NDArray[np.float64]:
    """Pillow's triangle, as wide as the step when it shrinks."""
    scale = length / size
    spread = max(scale, 1.0)
    centre = (np.arange(size)[:, None] + 0.5) * scale
    old = np.arange(length)[None, :]
    weights = np.clip(1 - np.abs((old - centre + 0.5) / spread), 0, None)
    first, last = np.floor(centre - spread + 0.5), np.floor(centre + spread + 0.5)
    weights = np.where((old >= first) & (old < last), weights, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _gaussian(length: int, sigma: float) -> NDArray[np.float64]:
    """cv2's taps for eight bits, three sigma to each side, mirrored at the border without repeating it."""
    reach = (round(sigma * 6 + 1) | 1) // 2
    offsets = np.arange(-reach, reach + 1)
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    taps /= taps.sum()
    weights = np.zeros((length, length))
    period = max(2 * (length - 1), 1)
    for offset, tap in zip(offsets, taps, strict=True):
        place = np.abs((np.arange(length) + offset) % period)
        place = np.where(place >= length, period - place, place)
        np.add.at(weights, (np.arange(length), place), tap)
    return weights


def warped(planes: Tensor, matrices: NDArray[np.float64], side: int) -> Tensor:
    """As cv2's linear warpAffine, black where the picture ends.

    Args:
        planes: float32 (3, H, W).
        matrices: float64 (n, 2, 3), from the picture to each chip.
        side: Side of the chips, pixels.

    Returns:
        float32 (n, 3, side, side), whole levels.
    """
    height, width = planes.shape[1:]
    full = np.concatenate([matrices, np.tile([[[0.0, 0.0, 1.0]]], (len(matrices), 1, 1))], axis=1)
    back = np.linalg.inv(full)[:, :2]
    # From pixels of the chip to grid_sample's -1..1, where -1 is the left edge of the first pixel.
    norm = np.diag([2 / width, 2 / height])
    offset = np.array([1 / width - 1, 1 / height - 1])
    theta = norm @ back
    theta[:, :, 2] += offset
    columns = torch.arange(side, device=planes.device, dtype=torch.float32)
    ones = torch.ones_like(columns)
    places = torch.stack(
        [
            columns[None, :].expand(side, side),
            columns[:, None].expand(side, side),
            ones[None, :].expand(side, side),
        ],
        dim=-1,
    )
    where = places.reshape(1, -1, 3) @ torch.from_numpy(theta.astype(np.float32)).to(planes.device).mT
    grid = where.reshape(len(matrices), side, side, 2)
    shown = functional.grid_sample(
        planes[None].expand(len(matrices), -1, -1, -1),
        grid,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return rounded(shown)


def shrink_of(matrix: NDArray[np.float64]) -> float:
    """How much a (2, 3) similarity shrinks: pixels of the chip a pixel of the picture."""
    return float(math.hypot(matrix[0, 0], matrix[1, 0]))
