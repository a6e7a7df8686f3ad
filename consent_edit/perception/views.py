"""Views of a picture: resized, filtered, bordered and turned, and the way back to the picture's pixels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.passes import ViewSpec

Pixels = NDArray[np.uint8]
_BY_WAY_OF: Final = 640
_EARLY: Final = 0.5
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
        middle = self.to_picture(corners.mean(axis=1))
        half = (corners[:, 1] - corners[:, 0]) / 2
        linear = np.abs(self.back[:, :2])
        if linear.min() > 1e-6:
            scale = np.sqrt(abs(np.linalg.det(self.back[:, :2])))
            half = np.repeat(np.sqrt(half.prod(axis=1, keepdims=True)) * scale, 2, axis=1)
        else:
            half = half @ linear.T
        return np.stack([middle - half, middle + half], axis=1).astype(np.float32)

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points of the view in pixels of the picture, float32 (..., 2)."""
        return np.asarray(points @ self.back[:, :2].T + self.back[:, 2], dtype=np.float32)


class Views:
    """The views of one picture; each resize and filter is done once, whoever asks.

    Args:
        picture: uint8 (H, W, 3) RGB.
    """

    def __init__(self, picture: Pixels) -> None:
        self._picture = np.ascontiguousarray(picture)
        self._sizes: dict[int, Pixels] = {}
        self._filtered: dict[ViewSpec, Pixels] = {}
        self._tilts: dict[ViewSpec, tuple[Pixels, NDArray[np.float64]]] = {}

    def show(self, spec: ViewSpec) -> View:
        """The view of a spec."""
        flat = _flat(spec)
        pixels = self._bordered(flat) if spec.border else self._filter(flat)
        height, width = pixels.shape[:2]
        small = self._size(spec.long_side)
        edge_x, edge_y = (width - small[0]) // 2, (height - small[1]) // 2
        scale_x, scale_y = self._picture.shape[1] / small[0], self._picture.shape[0] / small[1]
        back = np.array(
            [[scale_x, 0, -edge_x * scale_x], [0, scale_y, -edge_y * scale_y], [0, 0, 1]], np.float64
        )
        quarters, rest = spec.quarters
        if rest:
            pixels, untilt = self._tilted(flat, pixels, rest)
            back, (height, width) = back @ untilt, pixels.shape[:2]
        if quarters:
            pixels = np.asarray(cv2.rotate(pixels, _TURNS[quarters]), dtype=np.uint8)
        return View(pixels, (back @ _unturned(quarters, height, width))[:2])

    def _size(self, long_side: int) -> tuple[int, int]:
        """Width and height of the picture with its long side brought to ``long_side``, at least 1 px."""
        height, width = self._picture.shape[:2]
        scale = long_side / max(height, width)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _resized(self, long_side: int) -> Pixels:
        """The picture with its long side brought to ``long_side``.

        Shrinking to less than three quarters averages. The small sizes are made from the 640 px one, so that
        a larger picture is read only once for all of them.
        """
        if long_side in self._sizes:
            return self._sizes[long_side]
        longest = max(self._picture.shape[:2])
        by_way = 2 * long_side <= _BY_WAY_OF < longest
        source = self._resized(_BY_WAY_OF) if by_way else self._picture
        how = cv2.INTER_AREA if long_side / longest < 0.75 else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(source, self._size(long_side), interpolation=how), dtype=np.uint8)
        return self._sizes.setdefault(long_side, small)

    def _filter(self, spec: ViewSpec) -> Pixels:
        """The resized picture with the spec's filters, in the order of the spec's fields."""
        if spec in self._filtered:
            return self._filtered[spec]
        last = _last_filter(spec)
        if last is None:
            return self._resized(spec.long_side)
        field, before = last
        early = early_blur(spec, max(self._picture.shape[:2])) if field == "blur" else 0.0
        if early:
            soft = cv2.GaussianBlur(self._picture, (0, 0), early)
            shown = cv2.resize(soft, self._size(spec.long_side), interpolation=cv2.INTER_LINEAR)
        else:
            shown = _FILTERS[field](self._filter(before), spec)
        return self._filtered.setdefault(spec, np.asarray(shown, dtype=np.uint8))

    def _tilted(self, flat: ViewSpec, shown: Pixels, degrees: int) -> tuple[Pixels, NDArray[np.float64]]:
        """As :func:`_tilted`, once for all quarter turns of it."""
        spec = replace(flat, tilt=degrees)
        if spec not in self._tilts:
            self._tilts[spec] = _tilted(shown, degrees)
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


def _tilted(picture: Pixels, degrees: int) -> tuple[Pixels, NDArray[np.float64]]:
    """A picture turned by some degrees, grey beyond its edges, and the way back, float64 (3, 3)."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (round(width * cosine + height * sine), round(width * sine + height * cosine))
    matrix[:, 2] += [(size[0] - width) / 2, (size[1] - height) / 2]
    shown = cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_GREY
    )
    back = np.vstack([cv2.invertAffineTransform(matrix), [0, 0, 1]])
    return np.asarray(shown, dtype=np.uint8), np.asarray(back, dtype=np.float64)


def stretched(picture: Pixels) -> Pixels:
    """The luma range between its 1st and 99th percentile spread over 0 to 255, the same for each channel."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    below = np.cumsum(cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel())
    low, high = np.searchsorted(below, (0.01 * below[-1], 0.99 * below[-1]))
    table = np.clip((np.arange(256) - low) * (255.0 / max(high - low, 1)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table), dtype=np.uint8)


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
