"""The 97 conditions that face recall is measured under: a fixed, named list with fixed seeds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.disguises import (
    blurred,
    covered,
    dithered,
    erased,
    jpeg,
    noisy,
    pixelated,
    recoloured,
    salted,
    striped,
)
from consent_edit.bench.scenes import (
    Pixels,
    Scene,
    Step,
    cut,
    mirrored,
    placed,
    scattered_background,
    sheared,
    shuffled,
    tiled,
    turned,
)

NORMAL: Final = 112
"""Width in pixels of the face where a condition is not about size; the picture is then 512 px."""

_BACKGROUNDS: Final = 4
_CANVAS: Final = 512
_LARGE_CANVAS: Final = 1024
_SKIN: Final = (150, 110, 90)
_BLACK: Final = (20, 20, 20)
_BLUE: Final = (120, 170, 200)


@dataclass(frozen=True, slots=True)
class Condition:
    """One way a face may be shown.

    Attributes:
        width: Width of the face in pixels before the steps.
        canvas: Side of the square picture before the steps.
        steps: What is done to the picture, in order.
    """

    name: str
    width: float
    canvas: int
    steps: tuple[Step, ...] = ()

    def apply(self, picture: Pixels, box: NDArray[np.float64], who: str) -> Scene:
        """The scene of one person's picture; the same for the same name and condition.

        Args:
            picture: uint8 (h, w, 3) RGB.
            box: float64 (2, 2): the face's left and top, right and bottom.
            who: Seeds the chance together with the condition's name.
        """
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), zlib.crc32(who.encode())])
        background = scattered_background(self.canvas, int(rng.integers(_BACKGROUNDS)))
        scene = placed(picture, box, self.width, self.canvas, background, rng)
        for step in self.steps:
            scene = step(scene, rng)
        return scene


def _sized(width: float) -> Condition:
    """A clean face of a width, in a picture of 1024 px."""
    return Condition(f"clean-{width:g}px", width, _LARGE_CANVAS)


def _plain(name: str, *steps: Step) -> Condition:
    """A face of the normal size."""
    return Condition(name, NORMAL, _CANVAS, steps)


def _small(width: float, name: str, *steps: Step) -> Condition:
    """A small face in a picture of 1024 px."""
    return Condition(f"{width:g}px-{name}", width, _LARGE_CANVAS, steps)


def _darkened(share: float) -> Step:
    return recoloured(lambda values: values * share)


def _exposed(times: float) -> Step:
    return recoloured(lambda values: values * times)


def _flattened(share: float, middle: float = 128.0) -> Step:
    return recoloured(lambda values: (values - 128) * share + middle)


def _posterised(count: int) -> Step:
    step = np.float32(255 / (count - 1))
    return recoloured(lambda values: np.asarray(np.round(values / step) * step, dtype=np.float32))


_INVERTED: Final = recoloured(lambda values: 255 - values)
_MASK: Final = covered((-0.05, 1.05), (0.58, 1.1), _BLUE)
_GLASSES: Final = covered((0.0, 1.0), (0.25, 0.48), _BLACK)
_LEFT_HALF: Final = covered((-0.2, 0.5), (-0.2, 1.1), _SKIN)
_RIGHT_HALF: Final = covered((0.5, 1.2), (-0.2, 1.1), _BLACK)
_FOREHEAD: Final = covered((-0.2, 1.2), (-0.4, 0.25), _BLACK)
_LINES: Final = striped(1 / 12, 1 / 40)
_GRID: Final = striped(1 / 10, 1 / 45, down=True)

CONDITIONS: Final[tuple[Condition, ...]] = (
    *(_sized(width) for width in (16, 20, 24, 32, 48, 64, 96, 160, 240, 400, 600, 900)),
    _plain("noise-20", noisy(20)),
    _plain("noise-40", noisy(40)),
    _plain("noise-60", noisy(60)),
    _plain("noise-80", noisy(80)),
    _small(48, "noise-40", noisy(40)),
    _small(24, "noise-20", noisy(20)),
    _plain("salt-pepper-5", salted(0.05)),
    _plain("salt-pepper-10", salted(0.10)),
    _plain("salt-pepper-20", salted(0.20)),
    _plain("dark-10", _darkened(0.10)),
    _plain("dark-5", _darkened(0.05)),
    _plain("dark-3", _darkened(0.03)),
    _small(32, "dark-5", _darkened(0.05)),
    _plain("exposed-2x", _exposed(2)),
    _plain("exposed-3x", _exposed(3)),
    _plain("contrast-10", _flattened(0.10)),
    _plain("contrast-10-bright", _flattened(0.10, 225)),
    _plain("inverted", _INVERTED),
    _small(40, "inverted", _INVERTED),
    _plain("posterised-4", _posterised(4)),
    _plain("posterised-3", _posterised(3)),
    _plain("pixelated-20", pixelated(20)),
    _plain("pixelated-14", pixelated(14)),
    _plain("pixelated-11", pixelated(11)),
    _plain("blurred-3", blurred(0.03)),
    _plain("blurred-5", blurred(0.05)),
    _plain("blurred-8", blurred(0.08)),
    _plain("jpeg-5", jpeg(5)),
    _small(48, "jpeg-5", jpeg(5)),
    _small(24, "jpeg-5", jpeg(5)),
    _plain("dithered", dithered),
    _plain("stripes-across", _LINES),
    _plain("stripes-down", striped(1 / 12, 1 / 40, across=False, down=True)),
    _plain("grid", _GRID),
    _plain("erased-20", erased(0.20)),
    _plain("erased-30", erased(0.30)),
    _plain("mask", _MASK),
    _plain("dark-glasses", _GLASSES),
    _plain("left-half-covered", _LEFT_HALF),
    _plain("right-half-covered", _RIGHT_HALF),
    _plain("forehead-covered", _FOREHEAD),
    *(_plain(f"turned-{angle}", turned(angle)) for angle in (20, 45, 60, 90, 135, 180, 270)),
    _small(24, "turned-90", turned(90)),
    _small(32, "turned-180", turned(180)),
    _plain("mirrored", mirrored),
    _plain("sheared-30", sheared(0.3)),
    _plain("sheared-back-50", sheared(-0.5)),
    _plain("cut-left-30", cut("left", 0.30)),
    _plain("cut-right-40", cut("right", 0.40)),
    _plain("cut-top-25", cut("top", 0.25)),
    _plain("cut-bottom-40", cut("bottom", 0.40)),
    _plain("tiled-2", tiled(2)),
    Condition("tiled-6", 48, 256, (tiled(6),)),
    _plain("mosaic-3", shuffled(3)),
    Condition("mosaic-8", 64, 256, (shuffled(8),)),
    _plain("dark-30+noise-15", _darkened(0.3), noisy(15)),
    _plain("noise-40+turned-90", turned(90), noisy(40)),
    _plain("noise-40+inverted", _INVERTED, noisy(40)),
    _plain("noise-30+mask", _MASK, noisy(30)),
    _plain("dark-5+turned-180", _darkened(0.05), turned(180)),
    _plain("dark-5+mask", _MASK, _darkened(0.05)),
    _plain("dark-5+blurred-4", blurred(0.04), _darkened(0.05)),
    _plain("inverted+turned-90", _INVERTED, turned(90)),
    _plain("inverted+blurred-4", _INVERTED, blurred(0.04)),
    _plain("pixelated-14+turned-270", pixelated(14), turned(270)),
    _plain("pixelated-14+dark-10", pixelated(14), _darkened(0.1)),
    _plain("blurred-5+turned-90", blurred(0.05), turned(90)),
    _plain("blurred-5+contrast-10", blurred(0.05), _flattened(0.1)),
    _plain("jpeg-5+dark-30", _darkened(0.3), jpeg(5)),
    _plain("jpeg-10+mask", _MASK, jpeg(10)),
    _plain("dark-glasses+turned-45", _GLASSES, turned(45)),
    _plain("mask+turned-180", _MASK, turned(180)),
    _plain("salt-pepper-10+dark-20", _darkened(0.2), salted(0.1)),
    _plain("stripes+noise-20", _LINES, noisy(20)),
    _plain("grid+turned-90", _GRID, turned(90)),
    _plain("contrast-10+inverted", _flattened(0.1), _INVERTED),
    _plain("sheared-30+noise-30", sheared(0.3), noisy(30)),
    Condition("600px-dark-5", 600, _LARGE_CANVAS, (_darkened(0.05),)),
    Condition("600px-noise-60", 600, _LARGE_CANVAS, (noisy(60),)),
)
"""Lines of attack: size, noise, light, colour, loss, lines, cover, turns, borders, repetition, and pairs."""
