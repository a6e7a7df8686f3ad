"""Attacks on merging: a second person's face laid over a portrait's own, in many places and disguises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.scenes import Pixels, Random, placed, scattered_background

_WIDTH: Final = 160
_CANVAS: Final = 512

PLACES: Final[Mapping[str, tuple[float, float, float]]] = {
    "inside, at .55 of the size": (0.55, 0.0, 0.05),
    "half over it, beside": (1.0, 0.5, 0.0),
    "half over it, below": (1.0, 0.0, 0.5),
    "in the cheek, at .6": (0.6, 0.3, 0.15),
    "larger, shifted by .3": (1.2, 0.3, 0.0),
}
"""The victim's size as a share of the other's, and how far its middle is shifted, in the other's sides."""

Look = Callable[[Pixels, Random], Pixels]

LOOKS: Final[Mapping[str, Look]] = {
    "plain": lambda face, rng: face,
    "inverted": lambda face, rng: 255 - face,
    "turned-90": lambda face, rng: np.rot90(face),
    "turned-180": lambda face, rng: np.rot90(face, 2),
    "blurred": lambda face, rng: np.asarray(cv2.GaussianBlur(face, (0, 0), 0.04 * _WIDTH), dtype=np.uint8),
    "noise-50": lambda face, rng: np.clip(face + rng.normal(0, 50, face.shape), 0, 255).astype(np.uint8),
    "contrast-20": lambda face, rng: (face * 0.2 + 100).astype(np.uint8),
    "dark-10": lambda face, rng: (face * 0.1).astype(np.uint8),
}
"""What is done to the victim's face before it is laid over the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrayed:
    """A picture and the box of the face in it, float64 (2, 2)."""

    picture: Pixels
    box: NDArray[np.float64]


def laid_over(
    host: Portrayed, victim: Portrayed, place: str, look: str, rng: Random
) -> tuple[Pixels, NDArray[np.float64]]:
    """A picture of the host with the victim's face laid over it as an oval.

    Args:
        host: Whose portrait it is.
        victim: Whose face is hidden in it.
        place: Of :data:`PLACES`.
        look: Of :data:`LOOKS`.
        rng: Places the portrait and draws the noise.

    Returns:
        uint8 (512, 512, 3), and where the victim's face is, float64 (2, 2).
    """
    scale, dx, dy = PLACES[place]
    scene = placed(host.picture, host.box, _WIDTH, _CANVAS, scattered_background(_CANVAS, 0), rng)
    size = scene.quad[2] - scene.quad[0]
    (left, top), (right, bottom) = np.clip(victim.box, 0, victim.picture.shape[1::-1]).round().astype(int)
    width, height = (max(8, round(float(side) * scale)) for side in size)
    cut = cv2.resize(victim.picture[top:bottom, left:right], (width, height), interpolation=cv2.INTER_CUBIC)
    face = np.ascontiguousarray(LOOKS[look](np.asarray(cut, dtype=np.uint8), rng))
    height, width = face.shape[:2]
    oval = np.zeros((height, width), np.uint8)
    cv2.ellipse(oval, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 255, -1)
    middle = scene.quad.mean(axis=0) + size * [dx, dy]
    x, y = (int(value) for value in middle - np.array([width, height]) / 2)
    low = np.maximum([x, y], 0)
    high = np.minimum([x + width, y + height], _CANVAS)
    inner = (slice(low[1] - y, high[1] - y), slice(low[0] - x, high[0] - x))
    pixels = scene.pixels.copy()
    under = pixels[low[1] : high[1], low[0] : high[0]]
    mask = oval[inner] > 0
    under[mask] = face[inner][mask]
    return pixels, np.array([[x, y], [x + width, y + height]], np.float64)
