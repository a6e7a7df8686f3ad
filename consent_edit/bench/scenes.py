"""Scenes: one labelled face placed at a wanted size in a picture; turned, cut, tiled, its place kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Random = np.random.Generator

_BACKGROUND_SLOPE: Final = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and where its face is.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        quad: float64 (4, 2): the corners of the face's box as they came to lie, clockwise from the first.
    """

    pixels: Pixels
    quad: NDArray[np.float64]

    @property
    def box(self) -> NDArray[np.float64]:
        """float64 (2, 2): left and top, right and bottom of the part inside the picture."""
        height, width = self.pixels.shape[:2]
        inside = np.clip(self.quad, 0, [width, height])
        return np.stack([inside.min(axis=0), inside.max(axis=0)])


Step = Callable[[Scene, Random], Scene]


@lru_cache(maxsize=16)
def scattered_background(side: int, number: int) -> Pixels:
    """A coloured picture with the spectrum of natural scenes and nobody in it.

    Args:
        side: Of the square, pixels.
        number: Which of them; the same number gives the same picture.

    Returns:
        uint8 (side, side, 3), not to be written to.
    """
    rng = np.random.default_rng([side, number])
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1 / side
    layers = []
    for _ in range(3):
        spectrum = np.fft.rfft2(rng.standard_normal((side, side))) / frequency**_BACKGROUND_SLOPE
        layers.append(np.fft.irfft2(spectrum, (side, side)))
    luma, warm, cool = (layer / layer.std() for layer in layers)
    colour = np.stack([luma * 45 + warm * 15, luma * 45, luma * 45 + cool * 15], axis=-1)
    pixels: Pixels = np.clip(colour + 120, 0, 255).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


def placed(
    picture: Pixels, box: NDArray[np.float64], width: float, canvas: int, background: Pixels, rng: Random
) -> Scene:
    """The picture scaled until its face is ``width`` px wide, on a square canvas.

    A picture smaller than the canvas lies somewhere on the background; a larger one is cut around the face.

    Args:
        picture: uint8 (h, w, 3) RGB.
        box: float64 (2, 2): the face's left and top, right and bottom.
        width: Wanted width of the face in pixels.
        canvas: Side of the scene in pixels.
        background: uint8, at least (canvas, canvas, 3).
        rng: Chooses the place.
    """
    scale = width / float(box[1, 0] - box[0, 0])
    size = tuple(max(1, round(side * scale)) for side in (picture.shape[1], picture.shape[0]))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(picture, size, interpolation=how), dtype=np.uint8)
    face = box * scale
    pixels = background[:canvas, :canvas].copy()
    shift = np.zeros(2, int)
    start = np.zeros(2, int)
    for axis in (0, 1):
        room = canvas - size[axis]
        if room >= 0:
            shift[axis] = int(rng.integers(0, room + 1))
        else:
            start[axis] = int(np.clip(face[:, axis].mean() - canvas / 2, 0, -room))
    part = scaled[start[1] : start[1] + canvas, start[0] : start[0] + canvas]
    pixels[shift[1] : shift[1] + part.shape[0], shift[0] : shift[0] + part.shape[1]] = part
    (left, top), (right, bottom) = face - start + shift
    return Scene(pixels, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))


def warped(scene: Scene, matrix: NDArray[np.float64], size: tuple[int, int]) -> Scene:
    """The scene under an affine map, float64 (2, 3), on a canvas of (width, height)."""
    pixels = cv2.warpAffine(
        scene.pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return Scene(np.asarray(pixels, dtype=np.uint8), scene.quad @ matrix[:, :2].T + matrix[:, 2])


def turned(degrees: float) -> Step:
    """Turned about the middle, on a canvas that holds all of it."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        height, width = scene.pixels.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = (round(width * cosine + height * sine), round(width * sine + height * cosine))
        matrix[:, 2] += [(size[0] - width) / 2, (size[1] - height) / 2]
        return warped(scene, np.asarray(matrix, dtype=np.float64), size)

    return step


def sheared(amount: float) -> Step:
    """Slanted sideways by a share of the height."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        height, width = scene.pixels.shape[:2]
        extra = abs(amount) * height
        matrix = np.array([[1.0, amount, max(0.0, -amount) * height], [0.0, 1.0, 0.0]])
        return warped(scene, matrix, (round(width + extra), height))

    return step


def mirrored(scene: Scene, rng: Random) -> Scene:
    """Left for right."""
    del rng
    return warped(scene, np.array([[-1.0, 0, scene.pixels.shape[1] - 1], [0, 1.0, 0]]), _size(scene))


def cut(side: str, share: float) -> Step:
    """A share of the face lost beyond one border of the picture."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        (left, top), (right, bottom) = scene.box
        height, width = scene.pixels.shape[:2]
        x, y = round(left + (right - left) * share), round(top + (bottom - top) * share)
        far_x, far_y = round(right - (right - left) * share), round(bottom - (bottom - top) * share)
        rows, columns = {
            "left": (slice(0, height), slice(x, width)),
            "right": (slice(0, height), slice(0, far_x)),
            "top": (slice(y, height), slice(0, width)),
            "bottom": (slice(0, far_y), slice(0, width)),
        }[side]
        pixels = np.ascontiguousarray(scene.pixels[rows, columns])
        return Scene(pixels, scene.quad - [columns.start, rows.start])

    return step


def tiled(times: int) -> Step:
    """The picture repeated as a wall of ``times`` by ``times``; one of them, seeded, must be found."""

    def step(scene: Scene, rng: Random) -> Scene:
        height, width = scene.pixels.shape[:2]
        row, column = rng.integers(0, times, 2)
        return Scene(
            np.tile(scene.pixels, (times, times, 1)), scene.quad + np.array([column * width, row * height])
        )

    return step


def shuffled(times: int) -> Step:
    """A mosaic: the picture's tiles in another order, the one with the face kept whole."""

    def step(scene: Scene, rng: Random) -> Scene:
        (left, top), (right, bottom) = scene.box
        side = int(max(right - left, bottom - top) * 1.3)
        x, y = (
            int(np.clip((low + high) / 2 - side / 2, 0, max(0, limit - side)))
            for low, high, limit in (
                (left, right, scene.pixels.shape[1]),
                (top, bottom, scene.pixels.shape[0]),
            )
        )
        tile = scene.pixels[y : y + side, x : x + side]
        height, width = tile.shape[:2]
        pixels = np.empty((height * times, width * times, 3), np.uint8)
        row, column = rng.integers(0, times, 2)
        for i in range(times):
            for j in range(times):
                a = int(rng.integers(0, max(1, scene.pixels.shape[0] - height)))
                b = int(rng.integers(0, max(1, scene.pixels.shape[1] - width)))
                part = scene.pixels[a : a + height, b : b + width] if (i, j) != (row, column) else tile
                pixels[i * height : (i + 1) * height, j * width : (j + 1) * width] = part
        return Scene(pixels, scene.quad + np.array([column * width - x, row * height - y]))

    return step


def _size(scene: Scene) -> tuple[int, int]:
    """Width and height."""
    return scene.pixels.shape[1], scene.pixels.shape[0]
