"""The detector passes' filters on the device, one for one as views.py does them with cv2."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_LEVELS = 256


def grey(planes: Tensor) -> Tensor:
    """Whole levels (H, W): cv2's RGB2GRAY, 15 bits behind the point."""
    red, green, blue = planes.to(torch.int32)
    shade: Tensor = (red * 9798 + green * 19235 + blue * 3735 + 16384) >> 15
    return shade


def _counts(values: Tensor) -> Tensor:
    """How often each level stands in each row: int (n, k) to int (n, 256)."""
    counts = torch.zeros(values.shape[0], _LEVELS, dtype=torch.int64, device=values.device)
    return counts.scatter_add_(1, values.long(), torch.ones_like(values, dtype=torch.int64))


def stretched(planes: Tensor) -> Tensor:
    """The luma range between its 1st and 99th percentile spread over 0 to 255, the same for each channel."""
    below = _counts(grey(planes).reshape(1, -1)).cumsum(1)[0].double()
    low = (below < 0.01 * below[-1]).sum()
    high = (below < 0.99 * below[-1]).sum()
    levels = torch.arange(_LEVELS, device=planes.device, dtype=torch.float64)
    table = ((levels - low) * (255.0 / (high - low).clamp(min=1).double())).clamp(0, 255).floor().float()
    return table[planes.long()]


def inverted(planes: Tensor) -> Tensor:
    """Every level taken from 255."""
    return 255 - planes


def opened(planes: Tensor, side: int) -> Tensor:
    """A grey opening: bright specks smaller than the square go."""
    reach = side // 2
    eroded = -_largest(-planes, side, reach)
    return _largest(eroded, side, reach)


def closed(planes: Tensor, side: int) -> Tensor:
    """A grey closing: dark specks go."""
    return 255 - opened(255 - planes, side)


def _largest(planes: Tensor, side: int, reach: int) -> Tensor:
    across = functional.max_pool2d(planes[None], (1, side), 1, (0, reach))
    return functional.max_pool2d(across, (side, 1), 1, (reach, 0))[0]


def median(planes: Tensor, side: int) -> Tensor:
    """The median over a square, the border repeated; found bit by bit, so that nothing is sorted."""
    reach = side // 2
    wide = functional.pad(planes[None], (reach,) * 4, mode="replicate")[0].to(torch.uint8)
    height, width = planes.shape[1:]
    windows = torch.stack([wide[:, y : y + height, x : x + width] for y in range(side) for x in range(side)])
    found = torch.zeros_like(planes, dtype=torch.uint8)
    half = side * side // 2
    for bit in reversed(range(8)):
        tried = found | (1 << bit)
        enough = (windows >= tried).sum(dim=0, dtype=torch.uint8) > half
        found = torch.where(enough, tried, found)
    return found.float()
