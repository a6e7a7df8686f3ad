"""Edits that repaint nobody, and repaints of a body: what the change check is measured on."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The person an edit repaints, and somebody else to take from.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        body: Where the body is, bool (H, W).
        box: Face: left, top, width, height in pixels.
        landmarks: float32 (5, 2), ArcFace order.
        other: Another person's picture.
        other_landmarks: That person's landmarks.
        random: Where and how is drawn from it.
    """

    pixels: Pixels
    body: Mask
    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    other: Pixels
    other_landmarks: NDArray[np.float32]
    random: np.random.Generator


def _tone(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[[Pixels], Pixels]:
    """An edit that maps colours in [0, 1]."""

    def edit(pixels: Pixels) -> Pixels:
        mapped = np.clip(curve(pixels.astype(np.float64) / 255), 0, 1)
        return np.asarray((mapped * 255).round(), dtype=np.uint8)

    return edit


def _grey(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(colours @ np.array([0.299, 0.587, 0.114]))[..., None]


def _saved(kind: str, quality: int) -> Callable[[Pixels], Pixels]:
    """Saving and reading again."""

    def edit(pixels: Pixels) -> Pixels:
        with io.BytesIO() as memory:
            Image.fromarray(pixels).save(memory, format=kind, quality=quality)
            return np.asarray(Image.open(memory).convert("RGB")).copy()

    return edit


def _moved(pixels: Pixels, x: float, y: float) -> Pixels:
    """Shifted by parts of a pixel."""
    matrix = np.array([[1, 0, x], [0, 1, y]], dtype=np.float64)
    size = (pixels.shape[1], pixels.shape[0])
    return np.asarray(cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _there_and_back(pixels: Pixels) -> Pixels:
    """Seven eighths of the size, and back."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width * 7 // 8, height * 7 // 8), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _halved(pixels: Pixels) -> Pixels:
    """Half the size, and back."""
    height, width = pixels.shape[:2]
    size = (max(1, width // 2), max(1, height // 2))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _softened(pixels: Pixels) -> Pixels:
    """Blurred by a pixel."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.0), dtype=np.uint8)


def _cropped(pixels: Pixels) -> Pixels:
    """One and a half per cent off each side."""
    height, width = pixels.shape[:2]
    y, x = max(1, round(height * 0.015)), max(1, round(width * 0.015))
    return np.ascontiguousarray(pixels[y:-y, x:-x])


def _vignette(pixels: Pixels) -> Pixels:
    """Corners a third darker."""
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    gain = 1 - 0.17 * (rows**2 + columns**2)
    return np.asarray(np.clip(pixels * gain[..., None], 0, 255), dtype=np.uint8)


def _grain(pixels: Pixels) -> Pixels:
    """Grey noise with a deviation of 8 levels, the same in every run."""
    noise = np.random.default_rng(1).normal(0, 8, pixels.shape[:2])[..., None]
    return np.asarray(np.clip(pixels + noise, 0, 255), dtype=np.uint8)


BENIGN: Final[Mapping[str, Callable[[Pixels], Pixels]]] = {
    "as it is": lambda pixels: pixels.copy(),
    "JPEG 90": _saved("JPEG", 90),
    "JPEG 75": _saved("JPEG", 75),
    "WebP 80": _saved("WEBP", 80),
    "half a pixel": lambda pixels: _moved(pixels, 0.5, 0.5),
    "7/8 and back": _there_and_back,
    "slight crop": _cropped,
    "JPEG 50": _saved("JPEG", 50),
    "half the size and back": _halved,
    "blurred by a pixel": _softened,
    "brighter": _tone(lambda x: x * 1.35),
    "darker": _tone(lambda x: x * 0.6),
    "contrast up": _tone(lambda x: 0.5 + 1.4 * (x - 0.5)),
    "contrast down": _tone(lambda x: 0.5 + 0.6 * (x - 0.5)),
    "gamma 0.6": _tone(lambda x: x**0.6),
    "gamma 1.6": _tone(lambda x: x**1.6),
    "saturation up": _tone(lambda x: _grey(x) + 1.5 * (x - _grey(x))),
    "saturation down": _tone(lambda x: _grey(x) + 0.4 * (x - _grey(x))),
    "warmer": _tone(lambda x: x**0.9 * np.array([1.12, 1.0, 0.82])),
    "cooler": _tone(lambda x: x * np.array([0.85, 1.0, 1.12])),
    "curve": _tone(lambda x: 0.5 + 0.5 * np.tanh(3.2 * (x - 0.5)) / np.tanh(1.6)),
    "black and white": _tone(lambda x: np.repeat(_grey(x), 3, axis=-1)),
    "sepia": _tone(lambda x: _grey(x) * np.array([1.07, 0.87, 0.66])),
    "vignette": _vignette,
    "film grain": _grain,
}
"""Edits of the whole picture that touch nobody."""


def _spot(subject: Subject, share: float) -> NDArray[np.float64]:
    """A soft ellipse within the body that covers about ``share`` of it, float64 (H, W, 1) in [0, 1]."""
    rows, columns = np.nonzero(subject.body)
    area = share * len(rows)
    best = np.zeros(subject.body.shape, dtype=np.float32)
    for _ in range(12):  # a place where most of the ellipse lies on the body
        pick = int(subject.random.integers(len(rows)))
        stretch = float(subject.random.uniform(0.6, 1.6))
        axes = (np.sqrt(area / np.pi * stretch), np.sqrt(area / np.pi / stretch))
        spot = np.zeros(subject.body.shape, dtype=np.float32)
        centre = (int(columns[pick]), int(rows[pick]))
        cv2.ellipse(spot, centre, (max(2, round(axes[0])), max(2, round(axes[1]))), 0, 0, 360, 1.0, -1)
        if (spot * subject.body).sum() > (best * subject.body).sum():
            best = spot
    edge = max(0.8, 0.06 * float(np.sqrt(area)))
    return np.asarray(cv2.GaussianBlur(best, (0, 0), edge), dtype=np.float64)[..., None]


def mixed(pixels: Pixels, paint: NDArray[np.generic], where: NDArray[np.float64]) -> Pixels:
    """Paint laid over pixels where ``where`` is 1."""
    mixed = pixels * (1 - where) + np.asarray(paint, dtype=np.float64) * where
    return np.asarray(mixed.round().clip(0, 255), dtype=np.uint8)


def _skin(subject: Subject) -> NDArray[np.float64]:
    """The colour of the middle of the face."""
    x, y = subject.landmarks[2].round().astype(int)
    reach = max(1, round(subject.box[2] / 10))
    patch = subject.pixels[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
    return np.asarray(np.median(patch.reshape(-1, 3), axis=0) if patch.size else np.array([200, 160, 140]))


def skin_fill(subject: Subject) -> Pixels:
    """Clothes painted over with smooth skin."""
    where = _spot(subject, 0.12)
    height = subject.pixels.shape[0]
    shade = np.linspace(1.05, 0.9, height)[:, None, None]
    paint = np.broadcast_to(_skin(subject) * shade, subject.pixels.shape)
    return mixed(subject.pixels, paint, where)


def blurred(subject: Subject) -> Pixels:
    """Part of the body blurred away."""
    strength = max(3.0, subject.box[2] / 8)
    return mixed(subject.pixels, cv2.GaussianBlur(subject.pixels, (0, 0), strength), _spot(subject, 0.12))


def texture_swapped(subject: Subject) -> Pixels:
    """Part of the body given other pixels of the same colours: turned upside down."""
    where = _spot(subject, 0.12)
    rows, columns = np.nonzero(where[..., 0] > 0.02)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    paint = subject.pixels.copy()
    paint[top:bottom, left:right] = paint[top:bottom, left:right][::-1, ::-1]
    return mixed(subject.pixels, paint, where)


def inpainted(subject: Subject) -> Pixels:
    """Part of the body filled from its border."""
    hole = np.asarray(_spot(subject, 0.12)[..., 0] > 0.5, dtype=np.uint8) * 255
    return np.asarray(cv2.inpaint(subject.pixels, hole, 5, cv2.INPAINT_TELEA), dtype=np.uint8)


def recoloured(subject: Subject) -> Pixels:
    """Part of the clothes given another colour, their shading kept."""
    where = _spot(subject, 0.15)
    lab = cv2.cvtColor(subject.pixels, cv2.COLOR_RGB2LAB)
    angle = float(subject.random.uniform(0, 2 * np.pi))
    moved = lab.astype(np.float64)
    moved[..., 1:] += 30 * np.array([np.cos(angle), np.sin(angle)])
    paint = cv2.cvtColor(np.asarray(moved.clip(0, 255), dtype=np.uint8), cv2.COLOR_LAB2RGB)
    return mixed(subject.pixels, paint, where)


def all_clothes_recoloured(subject: Subject) -> Pixels:
    """The whole body region given another colour, its shading kept."""
    lab = cv2.cvtColor(subject.pixels, cv2.COLOR_RGB2LAB).astype(np.float64)
    angle = float(subject.random.uniform(0, 2 * np.pi))
    lab[..., 1:] += 30 * np.array([np.cos(angle), np.sin(angle)])
    paint = cv2.cvtColor(np.asarray(lab.clip(0, 255), dtype=np.uint8), cv2.COLOR_LAB2RGB)
    where = cv2.GaussianBlur(subject.body.astype(np.float32), (0, 0), 1.0)[..., None]
    return mixed(subject.pixels, paint, where)


def bent(pixels: Pixels, centre: tuple[float, float], radius: float, strength: float, across: bool) -> Pixels:
    """Pixels around a point drawn towards it: ``strength`` of the radius, across only or on all sides."""
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    away_x, away_y = columns - centre[0], rows - centre[1]
    near = np.exp(-(away_x**2 + away_y**2) / (2 * radius**2))
    map_x = columns + strength * 2 * near * away_x
    map_y = rows if across else rows + strength * 2 * near * away_y
    bent = cv2.remap(
        pixels,
        map_x.astype(np.float32),
        map_y.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(bent, dtype=np.uint8)


def slimmed(subject: Subject) -> Pixels:
    """The body drawn in by about 5 % of its width."""
    rows, columns = np.nonzero(subject.body)
    centre = (float(np.median(columns)), float(np.median(rows)))
    radius = max(8.0, float(columns.max() - columns.min()) / 2.5)
    return bent(subject.pixels, centre, radius, 0.08, across=True)


def foreign_patch(subject: Subject) -> Pixels:
    """Part of the body from another picture."""
    height, width = subject.pixels.shape[:2]
    paint = cv2.resize(subject.other, (width, height), interpolation=cv2.INTER_AREA)
    return mixed(subject.pixels, paint, _spot(subject, 0.12))


BODY_REPAINTS: Final[Mapping[str, Callable[[Subject], Pixels]]] = {
    "skin over clothes": skin_fill,
    "blur": blurred,
    "texture turned": texture_swapped,
    "inpainted": inpainted,
    "part recoloured": recoloured,
    "clothes recoloured": all_clothes_recoloured,
    "slimmed": slimmed,
    "another picture": foreign_patch,
}
"""Repaints of 10 % or more of a body."""
