"""Resizing, blurring and warping on the device, as cv2 and Pillow do them on the CPU, to the level.

A picture here is ``planes``: float32 (3, H, W) RGB, whole numbers from 0 to 255, so that every step can round
where the CPU path rounds. Shrinking is two products with matrices of weights: exact, and two kernels.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_MOST_KEPT: Final = 256
_PILLOW_ONE: Final = float(1 << 22)
# From 13 on, rows that lose more than twice as many as the columns do are shrunk first (python-pillow #9549).
_ROWS_FIRST: Final = int(PIL.__version__.split(".")[0]) >= 13


def held(pixels: Tensor | NDArray[np.uint8], device: torch.device) -> Tensor:
    """A uint8 (H, W, 3) picture on the device, brought there if it is not."""
    if isinstance(pixels, Tensor):
        return pixels.to(device)
    return torch.from_numpy(np.array(pixels, order="C")).to(device)


def planes_of(pixels: Tensor) -> Tensor:
    """The planes of a uint8 (H, W, 3) picture on the device."""
    return pixels.permute(2, 0, 1).to(torch.float32).contiguous()


def rounded(planes: Tensor) -> Tensor:
    """Whole levels from 0 to 255, halves to even as cv2 rounds."""
    return planes.round().clamp(0, 255)


class Resampler:
    """Resizes, keeping the weights of the sizes it has met.

    A recorded computation reads the weights where they lie: its resampler must live as long as it does, and
    meet so few sizes that none is dropped. One picture shape has about thirty.

    Args:
        device: Where the pictures are.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._weights: dict[tuple[str, int, int], Tensor] = {}
        self._grids: dict[tuple[int, int, int], Tensor] = {}
        self._linear: dict[tuple[int, int, bool], tuple[Tensor, Tensor, Tensor, Tensor]] = {}

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
        """As cv2's INTER_LINEAR of eight bits: weights of 11 bits, each product cut as cv2 cuts it."""
        if (height, width) == tuple(planes.shape[1:]):
            return planes
        rows = self._taps(planes.shape[1], height, beyond=True)
        columns = self._taps(planes.shape[2], width, beyond=False)
        whole = planes.to(torch.int32)
        across = whole[:, :, columns[0]] * columns[2] + whole[:, :, columns[1]] * columns[3]
        upper = (rows[2][:, None] * (across[:, rows[0]] >> 4)) >> 16
        lower = (rows[3][:, None] * (across[:, rows[1]] >> 4)) >> 16
        return ((upper + lower + 2) >> 2).clamp(0, 255).float()

    def softened(self, planes: Tensor, height: int, width: int) -> Tensor:
        """As Pillow's BILINEAR: in whole numbers, halves up, columns or rows first as Pillow does."""
        columns = self._kept("triangle", planes.shape[2], width).T
        rows = self._kept("triangle", planes.shape[1], height)
        shown = planes.double()
        if _ROWS_FIRST and planes.shape[1] - height > 2 * max(planes.shape[2] - width, 0):
            return _whole(_whole(rows @ shown) @ columns).float()
        return _whole(rows @ _whole(shown @ columns)).float()

    def blurred(self, planes: Tensor, sigma: float) -> Tensor:
        """As cv2's Gaussian of that sigma: the same taps, mirrored at the border."""
        rows, columns = (self._kept(f"gaussian{sigma!r}", length, length) for length in planes.shape[1:])
        return (rows @ (planes @ columns.T) + 0.5).floor().clamp(0, 255)

    def tilted(self, planes: Tensor, degrees: int, beyond: float) -> Tensor:
        """Turned by degrees against the clock on a canvas that holds all of it, one level beyond."""
        height, width = planes.shape[1:]
        key = (degrees, height, width)
        if key not in self._grids:
            matrix, (rows, columns) = tilt_of(degrees, height, width)
            self._grids[key] = _grid(planes, matrix[None], rows, columns)
        return _read(planes, self._grids[key], beyond)[0]

    def _taps(self, length: int, size: int, *, beyond: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """For each new pixel of a side: the two old ones, and their weights in parts of 2048.

        At the ends cv2 weighs one row with itself (``beyond``), but takes one column alone.
        """
        key = (length, size, beyond)
        if key not in self._linear:
            at = (np.arange(size) + 0.5) * (length / size) - 0.5
            first = np.floor(at.astype(np.float32)).astype(np.int64)
            share = (at.astype(np.float32) - first).astype(np.float32)
            if not beyond:
                share[(first < 0) | (first >= length - 1)] = 0.0
            weights = np.rint(np.stack([1 - share, share]) * 2048).astype(np.int32)
            one, two = (each.clip(0, length - 1) for each in (first, first + 1))
            taps = (one, two, weights[0], weights[1])
            a, b, c, d = (torch.from_numpy(each).to(self.device) for each in taps)
            self._linear[key] = (a, b, c, d)
        return self._linear[key]

    def _kept(self, kind: str, length: int, size: int) -> Tensor:
        key = (kind, length, size)
        if key not in self._weights:
            if len(self._weights) >= _MOST_KEPT:
                self._weights.clear()
            weights = torch.from_numpy(_weights(kind, length, size))
            self._weights[key] = weights.to(self.device, None if kind == "triangle" else torch.float32)
        return self._weights[key]


def _whole(sums: Tensor) -> Tensor:
    """Sums of Pillow's weights as levels."""
    return (sums / _PILLOW_ONE + 0.5).floor().clamp(0, 255)


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
    """Pillow's triangle, as wide as the step when it shrinks; in whole parts of two to the 22nd."""
    scale = length / size
    spread = max(scale, 1.0)
    centre = (np.arange(size)[:, None] + 0.5) * scale
    old = np.arange(length)[None, :]
    weights = np.clip(1 - np.abs((old - centre + 0.5) / spread), 0, None)
    first, last = np.floor(centre - spread + 0.5), np.floor(centre + spread + 0.5)
    weights = np.where((old >= first) & (old < last), weights, 0.0)
    return np.asarray(np.floor(weights / weights.sum(axis=1, keepdims=True) * _PILLOW_ONE + 0.5))


def _gaussian(length: int, sigma: float) -> NDArray[np.float64]:
    """cv2's taps for eight bits, three sigma to each side, mirrored at the border without repeating it.

    They are whole parts of 256; what rounding loses goes on to the next one, and the rest to the middle.
    """
    reach = (round(sigma * 6 + 1) | 1) // 2
    offsets = np.arange(-reach, reach + 1)
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    taps *= 256 / taps.sum()
    lost = 0.0
    for place in range(reach):
        wanted = taps[place] + lost
        taps[place] = taps[-1 - place] = np.rint(wanted)
        lost = wanted - taps[place]
    taps[reach] = 256 - 2 * taps[:reach].sum()
    taps /= 256
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
    return _read(planes, _grid(planes, matrices, side, side), 0.0)


def _grid(planes: Tensor, matrices: NDArray[np.float64], rows: int, columns: int) -> Tensor:
    """Where each pixel of each chip lies in the picture, as grid_sample counts: (n, rows, columns, 2)."""
    height, width = planes.shape[1:]
    full = np.concatenate([matrices, np.tile([[[0.0, 0.0, 1.0]]], (len(matrices), 1, 1))], axis=1)
    # From pixels of the chip to grid_sample's -1..1, where -1 is the left edge of the first pixel.
    theta = np.diag([2 / width, 2 / height]) @ np.linalg.inv(full)[:, :2]
    theta[:, :, 2] += np.array([1 / width - 1, 1 / height - 1])
    down, across = np.mgrid[0:rows, 0:columns]
    places = np.stack([across, down, np.ones_like(down)], axis=-1).reshape(-1, 3)
    where = (places @ theta.transpose(0, 2, 1)).reshape(len(matrices), rows, columns, 2)
    return torch.from_numpy(where.astype(np.float32)).to(planes.device)


def _read(planes: Tensor, grid: Tensor, beyond: float) -> Tensor:
    """The picture at these places, with one level beyond its edges: (n, 3, rows, columns), whole levels."""
    shown = functional.grid_sample(
        (planes - beyond)[None].expand(len(grid), -1, -1, -1),
        grid,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return rounded(shown + beyond)


def tilt_of(degrees: int, height: int, width: int) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """What turns a picture about its middle, float64 (2, 3), and the rows and columns that hold all of it."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rows = round(width * abs(sine) + height * abs(cosine))
    columns = round(width * abs(cosine) + height * abs(sine))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    shift = np.array([columns / 2, rows / 2]) - turn @ np.array([width / 2, height / 2])
    return np.hstack([turn, shift[:, None]]), (rows, columns)


def shrink_of(matrix: NDArray[np.float64]) -> float:
    """How much a (2, 3) similarity shrinks: pixels of the chip a pixel of the picture."""
    return float(math.hypot(matrix[0, 0], matrix[1, 0]))
