"""From raw answers to boxes, on the device: the strongest of each view, and how many there were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

_STRIDES: Final = (8, 16, 32)
_HALF_MOUTH: Final = 0.415
_BLAZE_SIDE: Final = 128
_BLAZE_GRIDS: Final = ((16, 2), (8, 6))
_CENTRE_STRIDE: Final = 4

COLUMNS: Final = 15
"""Of a row: the score, left, top, right, bottom, and x and y of five points; pixels of what was looked at."""


def yunet_rows(
    raw: Mapping[str, Tensor], columns: int, thresholds: Tensor, most: int
) -> tuple[Tensor, Tensor]:
    """YuNet's boxes (OpenCV's decoding), as :class:`detectors.yunet.YuNet` reads them.

    Args:
        raw: The graph's answers for n pictures.
        columns: Width of what it was shown, pixels.
        thresholds: float32 (n,), least score of each.
        most: Rows kept of each picture.

    Returns:
        float32 (n, most, 15), strongest first; and float32 (n,), how many reach the threshold, NaN where an
        answer is no number.
    """
    certain = torch.cat([raw[f"cls_{s}"][..., 0] * raw[f"obj_{s}"][..., 0] for s in _STRIDES], dim=1)
    box = torch.cat([raw[f"bbox_{s}"] for s in _STRIDES], dim=1)
    five = torch.cat([raw[f"kps_{s}"] for s in _STRIDES], dim=1)
    cells, strides = [], []
    for stride in _STRIDES:
        count = raw[f"cls_{stride}"].shape[1]
        index = torch.arange(count, device=certain.device)
        across = columns // stride
        cells.append(torch.stack([index % across, index // across], dim=1).float())
        strides.append(torch.full((count, 1), float(stride), device=certain.device))
    told, (box, five), index = _strongest(certain, thresholds**2, most, box, five)
    cell, step = torch.cat(cells)[index], torch.cat(strides)[index]
    centre = (cell + box[..., :2]) * step
    half = box[..., 2:].clamp(-10, 10).exp() * (step / 2)
    points = (_pairs(five) + cell[:, :, None]) * step[:, :, None]
    score = certain.gather(1, index).clamp(0, 1).sqrt()
    return _rows(score, centre - half, centre + half, points, most), told


def blazeface_rows(raw: Mapping[str, Tensor], thresholds: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """BlazeFace's boxes on its own canvas of 128 px; as :func:`yunet_rows`."""
    scores = torch.sigmoid(raw["classificators"][..., 0].clamp(-80, 80))
    told, (values,), index = _strongest(scores, thresholds, most, raw["regressors"])
    at = _blaze_centres(scores.device)[index]
    offsets = _pairs(values) / _BLAZE_SIDE
    centre = (at + offsets[:, :, 0]) * _BLAZE_SIDE
    half = (offsets[:, :, 1] / 2 * _BLAZE_SIDE).abs()
    four = (at[:, :, None] + offsets[:, :, 2:6]) * _BLAZE_SIDE
    across = (four[:, :, 1] - four[:, :, 0]) * _HALF_MOUTH
    mouth = four[:, :, 3]
    points = torch.stack([*four[:, :, :3].unbind(2), mouth - across, mouth + across], dim=2)
    return _rows(scores.gather(1, index), centre - half, centre + half, points, most), told


def centerface_rows(raw: Mapping[str, Tensor], thresholds: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """CenterFace's boxes; as :func:`yunet_rows`."""
    heat = raw["537"][:, 0]
    across = heat.shape[2]
    maps = [raw[name].flatten(2).mT for name in ("538", "539", "540")]
    told, (size, offset, five), index = _strongest(heat.flatten(1), thresholds, most, *maps)
    cell = torch.stack([index // across, index % across], dim=2).float()  # row, column
    side = size.clamp(-10, 10).exp() * _CENTRE_STRIDE
    start = ((cell + offset + 0.5) * _CENTRE_STRIDE - side / 2).flip(2)
    extent = side.flip(2)
    points = _pairs(five).flip(3) * extent[:, :, None] + start[:, :, None]
    return _rows(heat.flatten(1).gather(1, index), start, start + extent, points, most), told


def _pairs(values: Tensor) -> Tensor:
    """Coordinates two by two: (n, k, 2 m) to (n, k, m, 2)."""
    return values.reshape(*values.shape[:2], -1, 2)


def _strongest(
    scores: Tensor, least: Tensor, most: int, *values: Tensor
) -> tuple[Tensor, list[Tensor], Tensor]:
    """How many reach the threshold, and the values and places of the strongest."""
    broken = ~torch.isfinite(scores).all(dim=1)
    told = (scores >= least[:, None]).sum(dim=1).float()
    told = torch.where(broken, torch.full_like(told, torch.nan), told)
    index = scores.topk(min(most, scores.shape[1]), dim=1).indices
    kept = [value.gather(1, index[:, :, None].expand(-1, -1, value.shape[2])) for value in values]
    return told, kept, index


def _rows(scores: Tensor, low: Tensor, high: Tensor, points: Tensor, most: int) -> Tensor:
    """One row a box, with empty ones where a picture has fewer places than are kept."""
    rows = torch.cat([scores[:, :, None], low, high, points.flatten(2)], dim=2)
    missing = most - rows.shape[1]
    return torch.nn.functional.pad(rows, (0, 0, 0, missing)) if missing else rows


def _blaze_centres(device: torch.device) -> Tensor:
    """float32 (896, 2): x and y of the anchors, as shares of the canvas."""
    grids = []
    for count, each in _BLAZE_GRIDS:
        line = torch.arange(count, device=device).float()
        rows, columns = torch.meshgrid(line, line, indexing="ij")
        cells = torch.stack([columns, rows], dim=-1).reshape(-1, 2) / count + 0.5 / count
        grids.append(cells.repeat_interleave(each, dim=0))
    return torch.cat(grids)
