"""The detector passes' views on the device: the same list, filters and way back to the picture."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from consent_edit.perception.backends.torch import filters
from consent_edit.perception.backends.torch.graph import unreadable
from consent_edit.perception.backends.torch.resampling import Resampler, tilt_of
from consent_edit.perception.faces.passes import ViewSpec
from consent_edit.perception.views import early_blur

_BY_WAY_OF: Final = 640
_AVERAGED: Final = 0.75
_GREY: Final = 127.0
_FILTERS: Final = frozenset(("median", "opening", "closing", "blur", "levels", "inverted"))
_GEOMETRY: Final = frozenset(("long_side", "border", "turn", "tilt"))


def require_known_filters() -> None:
    """Refuse a pass list with a filter that has no counterpart here: a view must never lack one silently.

    Raises:
        ModelUnavailable: there is one.
    """
    unknown = {field.name for field in fields(ViewSpec)} - _FILTERS - _GEOMETRY
    if unknown:
        raise unreadable(f"the view filter {min(unknown)}")


class DeviceViews:
    """The views of one picture; each resize and filter is done once, whoever asks.

    Args:
        planes: float32 (3, H, W) RGB, whole levels.
        resampler: Keeps the weights of the sizes.
    """

    def __init__(self, planes: Tensor, resampler: Resampler) -> None:
        self._picture = planes
        self._resampler = resampler
        self._sizes: dict[int, Tensor] = {}
        self._filtered: dict[ViewSpec, Tensor] = {}
        self._tilts: dict[ViewSpec, Tensor] = {}

    def show(self, spec: ViewSpec) -> Tensor:
        """The view of a spec, float32 (3, h, w)."""
        flat = replace(spec, turn=0, tilt=0)
        shown = self._bordered(flat) if spec.border else self._filter(flat)
        quarters, rest = spec.quarters
        if rest:
            once = replace(flat, tilt=rest)
            if once not in self._tilts:
                self._tilts[once] = self._resampler.tilted(shown, rest, _GREY)
            shown = self._tilts[once]
        return torch.rot90(shown, quarters, (1, 2)) if quarters else shown

    def _resized(self, long_side: int) -> Tensor:
        """The picture with its long side brought to ``long_side``, as ``Views`` does."""
        if long_side in self._sizes:
            return self._sizes[long_side]
        height, width = self._picture.shape[1:]
        rows, columns = size_of(long_side, height, width)
        by_way = 2 * long_side <= _BY_WAY_OF < max(height, width)
        source = self._resized(_BY_WAY_OF) if by_way else self._picture
        if long_side / max(height, width) < _AVERAGED:
            small = self._resampler.averaged(source, rows, columns)
        else:
            small = self._resampler.interpolated(source, rows, columns)
        return self._sizes.setdefault(long_side, small)

    def _filter(self, spec: ViewSpec) -> Tensor:
        """The resized picture with the spec's filters, in the order of the spec's fields."""
        if spec in self._filtered:
            return self._filtered[spec]
        for name in reversed(
            [field.name for field in fields(ViewSpec)]
        ):  # the last filter on those before it
            if name in _FILTERS and getattr(spec, name):
                early = early_blur(spec, max(self._picture.shape[1:])) if name == "blur" else 0.0
                shown = self._enlarged(spec, early) if early else self._filtered_by(name, spec)
                return self._filtered.setdefault(spec, shown)
        return self._resized(spec.long_side)

    def _enlarged(self, spec: ViewSpec, sigma: float) -> Tensor:
        """The picture blurred and then enlarged."""
        height, width = self._picture.shape[1:]
        rows, columns = size_of(spec.long_side, height, width)
        return self._resampler.interpolated(self._resampler.blurred(self._picture, sigma), rows, columns)

    def _filtered_by(self, name: str, spec: ViewSpec) -> Tensor:
        """What the filters before one give, under that one; by the name of its field."""
        shown = self._filter(replace(spec, **{name: type(getattr(spec, name))(0)}))
        match name:
            case "inverted":
                return filters.inverted(shown)
            case "levels":
                return filters.stretched(shown)
            case "blur":
                return self._resampler.blurred(shown, spec.blur)
            case "closing":
                return filters.closed(shown, spec.closing)
            case "opening":
                return filters.opened(shown, spec.opening)
            case _:
                return filters.median(shown, spec.median)

    def _bordered(self, spec: ViewSpec) -> Tensor:
        """The filtered picture with a grey border."""
        shown = self._filter(replace(spec, border=0.0))
        edge_y, edge_x = (round(side * spec.border) for side in shown.shape[1:])
        return functional.pad(shown, (edge_x, edge_x, edge_y, edge_y), value=_GREY)


def size_of(long_side: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a picture whose long side is brought to ``long_side``; 1 px at least."""
    scale = long_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def shape_of(spec: ViewSpec, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the view of a picture of that size."""
    rows, columns = (side + 2 * round(side * spec.border) for side in size_of(spec.long_side, height, width))
    quarters, rest = spec.quarters
    rows, columns = tilt_of(rest, rows, columns)[1] if rest else (rows, columns)
    return (columns, rows) if quarters % 2 else (rows, columns)


def way_back(spec: ViewSpec, height: int, width: int) -> NDArray[np.float64]:
    """What brings (x, y, 1) of a view to x and y of the picture, float64 (2, 3).

    Args:
        spec: The view.
        height: Rows of the picture.
        width: Columns of the picture.
    """
    rows, columns = size_of(spec.long_side, height, width)
    edge_y, edge_x = round(rows * spec.border), round(columns * spec.border)
    shift = np.array([[1, 0, -edge_x], [0, 1, -edge_y], [0, 0, 1]], np.float64)
    back = np.diag([width / columns, height / rows, 1.0]) @ shift
    tall, wide = rows + 2 * edge_y, columns + 2 * edge_x
    quarters, rest = spec.quarters
    if rest:
        matrix, (tall, wide) = tilt_of(rest, tall, wide)
        back = back @ np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    unturned = {
        0: [[1, 0, 0], [0, 1, 0]],
        1: [[0, -1, wide], [1, 0, 0]],
        2: [[-1, 0, wide], [0, -1, tall]],
        3: [[0, 1, 0], [-1, 0, tall]],
    }[quarters]
    back = back @ np.array([*unturned, [0, 0, 1]], np.float64)
    return np.asarray(back[:2])
