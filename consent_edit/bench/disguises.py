"""What may be done to a scene's pixels without moving its face: noise, light, colour, loss, lines, cover."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.bench.scenes import Random, Scene, Step


def recoloured(change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Step:
    """Every pixel changed by a function of its value, 0 to 255."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        values = np.clip(change(scene.pixels.astype(np.float32)), 0, 255)
        return Scene(values.astype(np.uint8), scene.quad)

    return step


def noisy(sigma: float) -> Step:
    """Gaussian noise, each channel by itself."""

    def step(scene: Scene, rng: Random) -> Scene:
        values = scene.pixels + rng.normal(0, sigma, scene.pixels.shape)
        return Scene(np.clip(values, 0, 255).astype(np.uint8), scene.quad)

    return step


def salted(share: float) -> Step:
    """Salt and pepper: a share of the pixels black or white."""

    def step(scene: Scene, rng: Random) -> Scene:
        draw = rng.random(scene.pixels.shape[:2])
        pixels = scene.pixels.copy()
        pixels[draw < share / 2] = 0
        pixels[draw > 1 - share / 2] = 255
        return Scene(pixels, scene.quad)

    return step


def pixelated(blocks_a_face: float) -> Step:
    """Blocks of one colour, so many across the face."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        side = max(2.0, float(scene.box[1, 0] - scene.box[0, 0]) / blocks_a_face)
        height, width = scene.pixels.shape[:2]
        few = (max(1, round(width / side)), max(1, round(height / side)))
        small = cv2.resize(scene.pixels, few, interpolation=cv2.INTER_AREA)
        pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
        return Scene(np.asarray(pixels, dtype=np.uint8), scene.quad)

    return step


def blurred(share: float) -> Step:
    """A Gaussian whose sigma is a share of the face's width."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        sigma = share * float(scene.box[1, 0] - scene.box[0, 0])
        return Scene(np.asarray(cv2.GaussianBlur(scene.pixels, (0, 0), sigma), dtype=np.uint8), scene.quad)

    return step


def jpeg(quality: int) -> Step:
    """Through JPEG at a quality."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        with io.BytesIO() as memory:
            Image.fromarray(scene.pixels).save(memory, format="JPEG", quality=quality)
            return Scene(np.asarray(Image.open(memory)).copy(), scene.quad)

    return step


def dithered(scene: Scene, rng: Random) -> Scene:
    """Black and white dots only (Floyd and Steinberg)."""
    del rng
    dots = Image.fromarray(scene.pixels).convert("1").convert("RGB")
    return Scene(np.asarray(dots).copy(), scene.quad)


def striped(period: float, thickness: float, *, across: bool = True, down: bool = False) -> Step:
    """Black lines over everything; period and thickness as shares of the face's width."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        width = float(scene.box[1, 0] - scene.box[0, 0])
        every, thick = max(3, round(period * width)), max(1, round(thickness * width))
        pixels = scene.pixels.copy()
        if across:
            pixels[np.arange(len(pixels)) % every < thick] = 0
        if down:
            pixels[:, np.arange(pixels.shape[1]) % every < thick] = 0
        return Scene(pixels, scene.quad)

    return step


def erased(share: float) -> Step:
    """Grey squares, a sixth of the face wide, over a share of the face."""

    def step(scene: Scene, rng: Random) -> Scene:
        (left, top), (right, bottom) = scene.box
        side = (right - left) / 6
        count = round(share * (right - left) * (bottom - top) / side**2)
        pixels = scene.pixels.copy()
        for _ in range(count):
            x, y = rng.uniform(left, right - side), rng.uniform(top, bottom - side)
            pixels[round(y) : round(y + side), round(x) : round(x + side)] = 128
        return Scene(pixels, scene.quad)

    return step


def covered(x: tuple[float, float], y: tuple[float, float], colour: tuple[int, int, int]) -> Step:
    """One patch over the face, given as shares of its width and height."""

    def step(scene: Scene, rng: Random) -> Scene:
        del rng
        start, extent = scene.box[0], scene.box[1] - scene.box[0]
        columns = slice(*(max(0, round(start[0] + share * extent[0])) for share in x))
        rows = slice(*(max(0, round(start[1] + share * extent[1])) for share in y))
        pixels = scene.pixels.copy()
        pixels[rows, columns] = colour
        return Scene(pixels, scene.quad)

    return step
