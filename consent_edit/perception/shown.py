"""One picture as the checks look at it: its pixels, and what several of them make of it, made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
T = TypeVar("T")


class Shown:
    """A picture that several checks look at.

    Args:
        pixels: uint8 (H, W, 3) RGB.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels: Pixels = np.ascontiguousarray(pixels)
        self._averaged: dict[int, Pixels] = {}
        self._made: dict[str, object] = {}

    @classmethod
    def of(cls, picture: Shown | Pixels) -> Shown:
        """The picture itself, or pixels that nobody else looks at."""
        return picture if isinstance(picture, Shown) else cls(picture)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def size_at(self, long_side: int) -> tuple[int, int]:
        """Width and height with the long side brought to ``long_side``, at least 1 px."""
        scale = long_side / max(self.size)
        width, height = self.size
        return max(1, round(width * scale)), max(1, round(height * scale))

    def averaged(self, long_side: int) -> Pixels:
        """The picture with its long side brought to ``long_side``, each pixel the mean of what it covers."""
        if long_side not in self._averaged:
            small = cv2.resize(self.pixels, self.size_at(long_side), interpolation=cv2.INTER_AREA)
            self._averaged[long_side] = np.asarray(small, dtype=np.uint8)
        return self._averaged[long_side]

    def once(self, name: str, kind: type[T], make: Callable[[Pixels], T]) -> T:
        """Something made of the pixels, by whoever asks for that name first."""
        found = self._made.get(name)
        if not isinstance(found, kind):
            found = self._made[name] = make(self.pixels)
        return found
