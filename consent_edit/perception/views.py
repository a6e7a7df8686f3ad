"""Views of a picture: resized, filtered, bordered and turned, and the way back to the picture's pixels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.passes import ViewSpec
from consent_edit.perception.shown import Pixels, Shown

_BY_WAY_OF: Final = 640
_AVERAGED: Final = 0.75
_EARLY: Final = 0.5
_LEVEL: Final = 1e-6
_LARGE: Final = 1_000_000
_CUT: Final = 2**-12 - 0.5  # what rounds to the nearest then cuts; a sixteenth of the closest two quotients
_GREY: Final = (127, 127, 127)
_TURNS: Final = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A view and where it lies.

    Attributes:
        pixels: uint8 (h, w, 3) RGB.
        back: float64 (2, 3): brings (x, y, 1) in the view to x and y in the picture.
    """

    pixels: Pixels
    back: NDArray[np.float64]

    def boxes_to_picture(self, corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """Upright boxes of the picture for boxes of the view, float32 (n, 2, 2); of a tilted view squares."""
        middle = self.to_picture(np.asarray((corners[:, 0] + corners[:, 1]) / 2, dtype=np.float32))
        half = (corners[:, 1] - corners[:, 0]) / 2
        (a, b, _), (c, d, _) = self.back.tolist()
        if min(abs(a), abs(b), abs(c), abs(d)) > _LEVEL:
            scale = math.sqrt(abs(a * d - b * c))
            half = np.repeat(np.sqrt(half.prod(axis=1, keepdims=True)) * scale, 2, axis=1)
        else:
            half = half @ np.abs(self.back[:, :2]).T
        return np.stack([middle - half, middle + half], axis=1).astype(np.float32)

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points of the view in pixels of the picture, float32 (..., 2)."""
        return np.asarray(points @ self.back[:, :2].T + self.back[:, 2], dtype=np.float32)


class Views:
    """The views of one picture; each resize, filter and separation of channels is done once, whoever asks.

    Args:
        picture: uint8 (H, W, 3) RGB, or such a picture that other checks look at too.
    """

    def __init__(self, picture: Shown | Pixels) -> None:
        self._shown = Shown.of(picture)
        self._picture = self._shown.pixels
        self._sizes: dict[int, Pixels] = {}
        self._filtered: dict[ViewSpec, Pixels] = {}
        self._tilts: dict[ViewSpec, Pixels] = {}
        self._channels: dict[ViewSpec, Pixels] = {}

    def show(self, spec: ViewSpec) -> View:
        """The view of a spec; each channel lies apart in memory, blue first, as YuNet takes them."""
        quarters, rest = spec.quarters
        level = replace(_flat(spec), tilt=rest) if rest else _flat(spec)
        channels = self._channels_of(level)
        if quarters:
            channels = _turned(channels, quarters)
        back = _way_back(spec, self._shown.size, self._shown.size_at(spec.long_side))
        return View(channels[::-1].transpose(1, 2, 0), back)

    def _channels_of(self, level: ViewSpec) -> Pixels:
        """Blue, green and red, uint8 (3, h, w), of a view turned by less than a quarter; made once."""
        if level in self._channels:
            return self._channels[level]
        early = early_blur(level, max(self._shown.size))
        if early and level == _blurred_only(level):
            channels = self._blurred_first(level, early)
        elif level.inverted and not (level.border or level.tilt):
            channels = 255 - self._channels_of(replace(level, inverted=False))
        else:
            channels = _separated(self._level(level))
        return self._channels.setdefault(level, channels)

    def _level(self, spec: ViewSpec) -> Pixels:
        """The view of a spec that is turned by less than a quarter."""
        flat = _flat(spec)
        pixels = self._bordered(flat) if flat.border else self._filter(flat)
        return self._tilted(spec, pixels) if spec.tilt else pixels

    def _resized(self, long_side: int) -> Pixels:
        """The picture with its long side brought to ``long_side``.

        Shrinking to less than three quarters averages. The small sizes are made from the 640 px one, so that
        a larger picture is read only once for all of them.
        """
        if long_side in self._sizes:
            return self._sizes[long_side]
        longest = max(self._shown.size)
        by_way = 2 * long_side <= _BY_WAY_OF < longest
        averaging = long_side / longest < _AVERAGED
        if averaging and not by_way:
            return self._sizes.setdefault(long_side, self._shown.averaged(long_side))
        source = self._resized(_BY_WAY_OF) if by_way else self._picture
        how = cv2.INTER_AREA if averaging else cv2.INTER_LINEAR
        size = self._shown.size_at(long_side)
        small = np.asarray(cv2.resize(source, size, interpolation=how), dtype=np.uint8)
        return self._sizes.setdefault(long_side, small)

    def _filter(self, spec: ViewSpec) -> Pixels:
        """The resized picture with the spec's filters, in the order of the spec's fields."""
        if spec in self._filtered:
            return self._filtered[spec]
        last = _last_filter(spec)
        if last is None:
            return self._resized(spec.long_side)
        field, before = last
        early = early_blur(spec, max(self._shown.size)) if field == "blur" else 0.0
        if early:
            shown = cv2.merge(list(self._blurred_first(spec, early)[::-1]))
        else:
            shown = _FILTERS[field](self._filter(before), spec)
        return self._filtered.setdefault(spec, np.asarray(shown, dtype=np.uint8))

    def _blurred_first(self, spec: ViewSpec, sigma: float) -> Pixels:
        """Blue, green and red of the picture blurred and then enlarged, uint8 (3, h, w)."""
        width, height = self._shown.size_at(spec.long_side)
        channels = np.empty((3, height, width), np.uint8)
        soft = cv2.split(cv2.GaussianBlur(self._picture, (0, 0), sigma))
        for channel, place in zip(soft, channels[::-1], strict=True):
            cv2.resize(channel, (width, height), dst=place, interpolation=cv2.INTER_LINEAR)
        return channels

    def _tilted(self, spec: ViewSpec, flat: Pixels) -> Pixels:
        """A view turned by some degrees, grey beyond its edges, once for all quarter turns of it."""
        if spec not in self._tilts:
            matrix, size = _tilt_of(spec.tilt, flat.shape[0], flat.shape[1])
            shown = cv2.warpAffine(
                flat, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_GREY
            )
            self._tilts[spec] = np.asarray(shown, dtype=np.uint8)
        return self._tilts[spec]

    def _bordered(self, spec: ViewSpec) -> Pixels:
        """The filtered picture with a grey border."""
        shown = self._filter(replace(spec, border=0.0))
        edge_y, edge_x = (round(side * spec.border) for side in shown.shape[:2])
        return np.asarray(
            cv2.copyMakeBorder(shown, edge_y, edge_y, edge_x, edge_x, cv2.BORDER_CONSTANT, value=_GREY),
            dtype=np.uint8,
        )


@functools.cache
def _flat(spec: ViewSpec) -> ViewSpec:
    """The spec without its turn and tilt."""
    return replace(spec, turn=0, tilt=0)


@functools.cache
def _blurred_only(spec: ViewSpec) -> ViewSpec:
    """A spec of the same size and blur, and nothing else."""
    return ViewSpec(spec.long_side, blur=spec.blur)


def _separated(view: Pixels) -> Pixels:
    """Blue, green and red of an RGB picture (h, w, 3), uint8 (3, h, w)."""
    channels = np.empty((3, *view.shape[:2]), np.uint8)
    cv2.split(view, list(channels[::-1]))
    return channels


def _turned(channels: Pixels, quarters: int) -> Pixels:
    """Channels (3, h, w) by quarter turns against the clock."""
    height, width = channels.shape[1:]
    turned = np.empty((3, width, height) if quarters % 2 else (3, height, width), np.uint8)
    for channel, place in zip(channels, turned, strict=True):
        cv2.rotate(channel, _TURNS[quarters], dst=place)
    return turned


@functools.cache
def _last_filter(spec: ViewSpec) -> tuple[str, ViewSpec] | None:
    """The field of the filter that comes last, and the spec without it."""
    for field in _FILTERS:
        if getattr(spec, field):
            return field, replace(spec, **{field: type(getattr(spec, field))(0)})
    return None


def early_blur(spec: ViewSpec, long_side: int) -> float:
    """Sigma in pixels of the picture of a blur that comes before enlarging it; 0 where it comes after.

    It gives nearly the same view for a quarter of the work. Not where the picture is enlarged so much that
    the blur would be lost between its pixels, nor behind another filter.
    """
    sigma = spec.blur * long_side / spec.long_side
    filtered = spec.median or spec.opening or spec.closing
    return sigma if spec.long_side > long_side and sigma >= _EARLY and not filtered else 0.0


def _unturned(turn: int, height: int, width: int) -> NDArray[np.float64]:
    """float64 (3, 3): a point of a view turned against the clock, in the view before (height by width)."""
    match turn:
        case 1:
            rows = [[0, -1, width], [1, 0, 0]]
        case 2:
            rows = [[-1, 0, width], [0, -1, height]]
        case 3:
            rows = [[0, 1, 0], [-1, 0, height]]
        case _:
            rows = [[1, 0, 0], [0, 1, 0]]
    return np.array([*rows, [0, 0, 1]], np.float64)


def _tilt_of(degrees: int, height: int, width: int) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """What tilts a view, float64 (2, 3), and width and height of the canvas that holds all of it."""
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), dtype=np.float64)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (round(width * cosine + height * sine), round(width * sine + height * cosine))
    matrix[:, 2] += [(size[0] - width) / 2, (size[1] - height) / 2]
    return matrix, size


@functools.lru_cache(maxsize=512)
def _way_back(spec: ViewSpec, full: tuple[int, int], small: tuple[int, int]) -> NDArray[np.float64]:
    """From a view to the picture, float64 (2, 3), not writeable.

    Args:
        spec: The view.
        full: Width and height of the picture.
        small: Width and height of the picture brought to the view's long side.
    """
    edge_x, edge_y = round(small[0] * spec.border), round(small[1] * spec.border)
    scale_x, scale_y = full[0] / small[0], full[1] / small[1]
    back = np.array([[scale_x, 0, -edge_x * scale_x], [0, scale_y, -edge_y * scale_y], [0, 0, 1]], np.float64)
    width, height = small[0] + 2 * edge_x, small[1] + 2 * edge_y
    quarters, rest = spec.quarters
    if rest:
        matrix, size = _tilt_of(rest, height, width)
        back = back @ np.vstack([cv2.invertAffineTransform(matrix), [0, 0, 1]])
        width, height = size
    way = (back @ _unturned(quarters, height, width))[:2]
    way.setflags(write=False)
    return way


def stretched(picture: Pixels) -> Pixels:
    """The luma range between its 1st and 99th percentile spread over 0 to 255, the same for each channel."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    below = np.cumsum(cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel())
    low, high = np.searchsorted(below, (0.01 * below[-1], 0.99 * below[-1]))
    table, slope = _spread(int(low), int(high))
    if slope and picture.size >= _LARGE:
        return _sloped(picture, int(low), slope)
    return np.asarray(cv2.LUT(picture, table), dtype=np.uint8)


@functools.lru_cache(maxsize=1024)
def _spread(low: int, high: int) -> tuple[Pixels, float]:
    """What each level becomes, and the slope where :func:`_sloped` gives exactly that, else 0."""
    slope = 255.0 / max(high - low, 1)
    table = np.clip((np.arange(256) - low) * slope, 0, 255).astype(np.uint8)
    table.setflags(write=False)
    exact = np.array_equal(_sloped(np.arange(256, dtype=np.uint8), low, slope), table)
    return table, slope if exact else 0.0


def _sloped(picture: Pixels, low: int, slope: float) -> Pixels:
    """Levels above the low one times a slope, cut to whole levels: twice as fast as looking each one up."""
    above = cv2.subtract(picture.reshape(1, -1), float(low))
    shown = np.asarray(cv2.convertScaleAbs(above, alpha=slope, beta=_CUT), dtype=np.uint8)
    return shown.reshape(picture.shape)


def _worn(picture: Pixels, how: int, side: int) -> Pixels:
    """A grey opening or closing: bright, or dark, specks and lines smaller than the square go."""
    return np.asarray(cv2.morphologyEx(picture, how, np.ones((side, side), np.uint8)), dtype=np.uint8)


_FILTERS: Final[Mapping[str, Callable[[Pixels, ViewSpec], cv2.typing.MatLike]]] = {
    "inverted": lambda shown, spec: 255 - shown,
    "levels": lambda shown, spec: stretched(shown),
    "blur": lambda shown, spec: cv2.GaussianBlur(shown, (0, 0), spec.blur),
    "closing": lambda shown, spec: _worn(shown, cv2.MORPH_CLOSE, spec.closing),
    "opening": lambda shown, spec: _worn(shown, cv2.MORPH_OPEN, spec.opening),
    "median": lambda shown, spec: cv2.medianBlur(shown, spec.median),
}
"""By field, the last one first: each is applied to what the filters after it in this list give."""
