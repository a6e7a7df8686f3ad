"""Colour arithmetic of the built-in editor: sliders, the 17-cube table they bake into, picture statistics."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

CUBE: Final = 17
"""Lattice points along each side of the colour table."""

SLIDERS: Final = (
    "exposure",
    "contrast",
    "temperature",
    "tint",
    "saturation",
    "vibrance",
    "shadows",
    "highlights",
    "black_lift",
    "white_point",
    "midtones",
    "gain_red",
    "gain_green",
    "gain_blue",
    "lift_red",
    "lift_green",
    "lift_blue",
)
"""The colour parameters, each in [-1, 1]; zero changes nothing; tint is positive towards magenta."""

STATISTICS: Final = 15
"""How many picture statistics condition the denoiser."""

_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # ITU-R BT.709
_RGB_TO_XYZ: Final = np.array(  # IEC 61966-2-1, D65, each row divided by the white point
    [
        [0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883],
    ],
    dtype=np.float32,
)
_SIDE: Final = 96


def to_linear(encoded: Floats) -> Floats:
    """Undo the sRGB transfer curve; any shape, values in [0, 1]."""
    low = encoded / 12.92
    high = ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)


def to_encoded(linear: Floats) -> Floats:
    """Apply the sRGB transfer curve; any shape, values clipped to [0, 1] first."""
    clipped = np.clip(linear, 0.0, 1.0)
    high = 1.055 * np.maximum(clipped, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(clipped <= 0.0031308, clipped * 12.92, high).astype(np.float32, copy=False)


def to_lab(encoded: Floats) -> Floats:
    """CIE L*a*b* (D65) of (..., 3) sRGB values in [0, 1]."""
    xyz = to_linear(encoded) @ _RGB_TO_XYZ.T
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def _luma(colours: Floats) -> Floats:
    return np.asarray(colours @ _LUMA, dtype=np.float32)[..., None]


def _white_balance(colours: Floats, exposure: float, temperature: float, tint: float) -> Floats:
    gains = np.array([2 ** (0.45 * temperature), 1.0, 2 ** (-0.45 * temperature)], dtype=np.float32)
    gains *= np.array([2 ** (0.15 * tint), 2 ** (-0.3 * tint), 2 ** (0.15 * tint)], dtype=np.float32)
    gains /= float(gains @ _LUMA)
    linear = to_linear(colours) * gains * np.float32(2 ** (1.5 * exposure))
    knee = np.float32(0.8)  # a shoulder above .8, so that brighter does not only clip
    over = np.maximum(linear - knee, 0.0)
    rolled = knee + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    return to_encoded(np.where(linear > knee, rolled, linear) if exposure > 0 else linear)


def _tone(colours: Floats, p: dict[str, float]) -> Floats:
    luma = _luma(colours)
    out = colours + 0.9 * p["shadows"] * luma * (1 - luma) ** 3
    out = out + 0.9 * p["highlights"] * (1 - luma * 0.75) * luma**3
    out = np.clip(out, 0.0, 1.0) ** np.float32(2 ** (-0.7 * p["midtones"]))
    if p["contrast"] > 0:
        curve = 0.5 + 0.5 * np.tanh(3.2 * (out - 0.5)) / np.tanh(np.float32(1.6))
        out = out + p["contrast"] * (curve - out)
    else:
        out = 0.5 + (out - 0.5) * (1 + 0.6 * p["contrast"])
    black, white = 0.22 * p["black_lift"], 1 + 0.22 * p["white_point"]
    return np.asarray(np.clip(black + out * (white - black), 0.0, 1.0), dtype=np.float32)


def _colour(colours: Floats, p: dict[str, float]) -> Floats:
    spread = colours.max(axis=-1, keepdims=True) - colours.min(axis=-1, keepdims=True)
    factor = 1 + p["saturation"] * (1.0 if p["saturation"] < 0 else 0.8) + 0.8 * p["vibrance"] * (1 - spread)
    luma = _luma(colours)
    out = luma + (colours - luma) * np.maximum(factor, 0.0)
    gain = np.array([p["gain_red"], p["gain_green"], p["gain_blue"]], dtype=np.float32)
    lift = np.array([p["lift_red"], p["lift_green"], p["lift_blue"]], dtype=np.float32)
    out = out * 2 ** (0.4 * gain) + 0.2 * lift * (1 - np.clip(luma, 0.0, 1.0)) ** 2
    return np.asarray(np.clip(out, 0.0, 1.0), dtype=np.float32)


def grade(colours: Floats, sliders: Floats) -> Floats:
    """Apply the sliders to colours.

    Args:
        colours: (..., 3) sRGB values in [0, 1].
        sliders: (17,) in the order of SLIDERS; clipped to [-1, 1].

    Returns:
        (..., 3) float32 in [0, 1].
    """
    clipped = np.clip(sliders, -1.0, 1.0)
    p = {name: float(value) for name, value in zip(SLIDERS, clipped, strict=True)}
    # Gains and lifts come after saturation, so that sepia can tint a picture just made grey.
    balanced = _white_balance(colours, p["exposure"], p["temperature"], p["tint"])
    return _colour(_tone(balanced, p), p)


def lattice() -> Floats:
    """The table's input colours, (4913, 3), red varying fastest."""
    steps = np.linspace(0.0, 1.0, CUBE, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(-1, 3)


def bake(sliders: Floats) -> Floats:
    """The sliders as a table: (4913, 3) float32 output colours in [0, 1], red varying fastest."""
    return grade(lattice(), sliders)


def apply_table(pixels: Pixels, table: Floats) -> Pixels:
    """Look every pixel up in the table, trilinearly, at full resolution.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        table: (4913, 3) as ``bake`` returns it.

    Returns:
        (H, W, 3) uint8.
    """
    cube = ImageFilter.Color3DLUT(CUBE, table.reshape(-1).tolist())
    return np.array(Image.fromarray(pixels).filter(cube), dtype=np.uint8)


def thumbnail(pixels: Pixels) -> Pixels:
    """The picture shrunk by area to at most 96 px a side: what the statistics look at."""
    small = Image.fromarray(pixels)
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.array(small, dtype=np.uint8)


def statistics(pixels: Pixels) -> Floats:
    """Fifteen figures of a picture, (15,) float32, each roughly within [-1, 1].

    Args:
        pixels: (H, W, 3) uint8 sRGB; anything larger than ``thumbnail`` gives only costs time.
    """
    lab = to_lab(pixels.reshape(-1, 3).astype(np.float32) / np.float32(255))
    light, a, b = lab[:, 0], lab[:, 1], lab[:, 2]
    chroma = np.hypot(a, b)
    levels = np.percentile(light, [2, 25, 50, 75, 98]) / 100
    dark, bright = light <= np.percentile(light, 30), light >= np.percentile(light, 70)
    figures = [
        light.mean() / 100,
        light.std() / 50,
        *levels,
        a.mean() / 50,
        b.mean() / 50,
        chroma.mean() / 50,
        np.percentile(chroma, 90) / 100,
        float((light < 20).mean()),
        float((light > 85).mean()),
        b[dark].mean() / 50,
        b[bright].mean() / 50,
    ]
    return np.asarray(figures, dtype=np.float32)
