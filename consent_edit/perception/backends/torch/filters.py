"""The detector passes' filters on the device, one for one as views.py does them with cv2."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from consent_edit.perception.backends.torch.resampling import rounded

_LEVELS = 256
_TILES = 8
_CLIP = 4.0


def grey(planes: Tensor) -> Tensor:
    """Whole levels (H, W): cv2's RGB2GRAY, 15 bits behind the point."""
    red, green, blue = planes.to(torch.int32)
    return (red * 9798 + green * 19235 + blue * 3735 + 16384) >> 15


def _luma(planes: Tensor) -> Tensor:
    """Whole levels (H, W): cv2's RGB2YCrCb, 14 bits."""
    red, green, blue = planes.to(torch.int32)
    return (red * 4899 + green * 9617 + blue * 1868 + 8192) >> 14


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
    table = ((levels - low) * (255.0 / (high - low).clamp(min=1))).clamp(0, 255).floor().float()
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
    windows = wide.unfold(1, side, 1).unfold(2, side, 1).flatten(3)
    found = torch.zeros_like(planes, dtype=torch.uint8)
    half = side * side // 2
    for bit in reversed(range(8)):
        tried = found | (1 << bit)
        enough = (windows >= tried[..., None]).sum(dim=-1) > half
        found = torch.where(enough, tried, found)
    return found.float()


def equalised(planes: Tensor) -> Tensor:
    """The luma equalised locally (CLAHE, clip 4, 8 by 8 tiles), colours kept."""
    red, _, blue = planes.to(torch.int32)
    shade = _luma(planes)
    reds = (((red - shade) * 11682 + (128 << 14) + 8192) >> 14).clamp(0, 255)
    blues = (((blue - shade) * 9241 + (128 << 14) + 8192) >> 14).clamp(0, 255)
    even = _locally_equalised(shade)
    green_part = (blues - 128) * -5636 + (reds - 128) * -11698
    shown = torch.stack(
        [
            even + (((reds - 128) * 22987 + 8192) >> 14),
            even + ((green_part + 8192) >> 14),
            even + (((blues - 128) * 29049 + 8192) >> 14),
        ]
    )
    return shown.clamp(0, 255).float()


def _locally_equalised(shade: Tensor) -> Tensor:
    """CLAHE of an int (H, W) plane, as cv2's: tiles of the mirrored plane, their tables blended linearly."""
    height, width = shade.shape
    below, right = -height % _TILES, -width % _TILES
    if below or right:  # cv2 then adds a whole round of tiles to the side that needs none
        below, right = below or _TILES, right or _TILES
    wide = functional.pad(shade[None, None].float(), (0, right, 0, below), mode="reflect")[0, 0].int()
    rows, columns = wide.shape[0] // _TILES, wide.shape[1] // _TILES
    tiles = wide.reshape(_TILES, rows, _TILES, columns).permute(0, 2, 1, 3).reshape(_TILES**2, -1)
    tables = _tables(_counts(tiles), rows * columns).reshape(_TILES, _TILES, _LEVELS)

    def blend(length: int, tile: int) -> tuple[Tensor, Tensor, Tensor]:
        at = torch.arange(length, device=shade.device, dtype=torch.float32) * (1 / tile) - 0.5
        first = at.floor()
        share = at - first
        return first.long().clamp(0, _TILES - 1), (first.long() + 1).clamp(0, _TILES - 1), share

    top, bottom, down = blend(height, rows)
    left, other, across = blend(width, columns)
    level = shade.long()

    def looked(row: Tensor, column: Tensor) -> Tensor:
        return tables[row[:, None], column[None, :], level]

    upper = looked(top, left) * (1 - across) + looked(top, other) * across
    lower = looked(bottom, left) * (1 - across) + looked(bottom, other) * across
    return rounded(upper * (1 - down[:, None]) + lower * down[:, None]).int()


def _tables(counts: Tensor, size: int) -> Tensor:
    """Each tile's table: its histogram clipped, what was clipped spread evenly, then summed up."""
    most = max(int(_CLIP * size / _LEVELS), 1)
    over = (counts - most).clamp(min=0).sum(1, keepdim=True)
    spread = counts.clamp(max=most) + over // _LEVELS
    rest = over % _LEVELS
    step = (_LEVELS // rest.clamp(min=1)).clamp(min=1)
    level = torch.arange(_LEVELS, device=counts.device)[None, :]
    spread = spread + ((level % step == 0) & (level // step < rest))
    return rounded(spread.cumsum(1).float() * (255.0 / size))
