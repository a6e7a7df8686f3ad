"""How far the output is from the input at each place, beyond what tone, noise and small shifts explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.registration import Alignment, align
from consent_edit.perception.change.tone import fit_tone

SMALL_FACE: Final = 32.0
"""Working pixels across a face below which it is looked at with half the blur as well."""

WORKING_SIDE: Final = 512
"""Longer side, in pixels, at which two pictures are compared; smaller ones are compared as they are."""

_MOST_SIDE: Final = 1536
_LEAST_FACE: Final = 12.0  # working pixels across the smallest face: a tiny one is looked at more closely
_CLOSE: Final = 0.5  # of every blur, for a close look at small faces

_GREY: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_FIRST_SIDE: Final = 128  # for the first guess of the tone, which must not mind a shift
_COLOUR_BLUR: Final = 3.0
_SHADING_BLUR: Final = 2.0
_SHADING_WINDOW: Final = 3.0
_SHADING_FLOOR: Final = 6.0  # grey levels: shading fainter than that is none
_LEAST_GAIN: Final = 0.2  # of contrast: below, nothing can be told from what is left of the picture
_FINE_BLUR: Final = 1.5  # what it takes away is fine detail
_FINE_WINDOW: Final = 3.0
_FINE_FLOOR: Final = 2.0  # grey levels: places with less fine detail do not tell how it was kept
_FINE_FULL: Final = 10.0  # grey levels of fine detail from which its loss explains the most
_LEAST_FINE: Final = 50  # pixels with detail that it takes to tell how it was kept
_KEPT_BEST: Final = 0.25  # of those pixels, the quarter that kept its detail best speaks for the picture
_LOSS: Final = (0.10, 0.28)  # share of detail lost there: from, and all of it explained
"""``bench change`` pictures that set it: JPEG 90 and tone below .1; JPEG 75 and resampling .16 to .4;
autoencoders .28 and more in 95 % of pictures; a repaint that leaves the rest alone 0."""

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What differs, seen with some blur.

    Attributes:
        colour: float32 (H, W): colour difference of a neighbourhood, grey levels; tone is taken off, and
            what a shift by a pixel would explain.
        shading: float32 (H, W): how little the shading of a neighbourhood agrees: 0 the same, 1 another.
        textured: bool (H, W): places of the input that have shading to agree with.
    """

    colour: Floats
    shading: Floats
    textured: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """The output laid over the input.

    Attributes:
        look: What differs.
        close: The same with half the blur: for small faces; ``look`` itself where there are none.
        lost: float32 (H, W): how far a loss of detail all over the picture, as encoding anew makes it,
            explains a difference here: 0 not at all, 1 as far as it ever does.
        shown: bool (H, W): places of the input that the output shows at all.
        alignment: How the output lies over the input.
        tone: Mean colour distance of the fitted tone map from the identity, grey levels.
        measurable: Whether enough of the input's contrast is left to tell anything.
    """

    look: Look
    close: Look
    lost: Floats
    shown: Mask
    alignment: Alignment
    tone: float
    measurable: bool


@dataclass(frozen=True, slots=True)
class Working:
    """How closely two pictures are compared.

    Attributes:
        size: (width, height) at which they are laid over one another.
        close: Whether a small face needs a closer look as well.
    """

    size: tuple[int, int]
    close: bool = False


def working(image: CanonicalImage, smallest: float = np.inf) -> Working:
    """How closely to compare a picture with what an edit made of it.

    Args:
        smallest: Width in pixels of the smallest face in it; a tiny one makes for a larger size.
    """
    longer = max(image.width, image.height)
    side = np.clip(longer * _LEAST_FACE / max(smallest, 1.0), WORKING_SIDE, _MOST_SIDE)
    factor = min(1.0, float(side) / longer)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return Working(size, close=smallest * factor < SMALL_FACE)


def difference(before: CanonicalImage, after: CanonicalImage, how: Working) -> Difference:
    """Compare two pictures of one edit, the output laid over the input and the tone taken off.

    Args:
        before: The input picture.
        after: The output picture; another size is resized to the input's.
        how: From :func:`working`.
    """
    size = how.size
    here, there = _working(before, size), _working(after, size)
    alignment = align(_grey(_first_tone(here, there)), _grey(there))
    there, shown = alignment.warp(there), alignment.covered((size[1], size[0]))
    explained = _toned(here, there, here)
    there[~shown] = explained[~shown]  # or their blur would reach what is shown
    gain = _gain(here, explained)
    bounded = np.float32(np.clip(gain, _LEAST_GAIN, 1.0))
    look = _look(explained, there, bounded, 1.0)
    return Difference(
        look=look,
        close=_look(explained, there, bounded, _CLOSE) if how.close else look,
        lost=_lost(_grey(explained) / bounded, _grey(there) / bounded, shown),
        shown=shown,
        alignment=alignment,
        tone=float(np.abs(explained - here).mean()),
        measurable=gain >= _LEAST_GAIN,
    )


def overlaid(before: CanonicalImage, after: CanonicalImage, found: Difference) -> NDArray[np.uint8]:
    """The output as it lies over the input, in the input's size and about its tone, uint8 (H, W, 3).

    Args:
        found: The difference of these two, at the input's own size.
    """
    size = (before.width, before.height)
    there = found.alignment.warp(_working(after, size))
    return np.asarray(_toned(there, _working(before, size), there).round(), dtype=np.uint8)


def _look(explained: Floats, there: Floats, gain: np.float32, blur: float) -> Look:
    """What differs, as large as it would be without the loss of contrast."""
    shading, textured = _shading(_grey(explained) / gain, _grey(there) / gain, blur)
    return Look(_colour(explained, there, _COLOUR_BLUR * blur) / gain, shading, textured)


def _lost(explained: Floats, there: Floats, shown: Mask) -> Floats:
    """How far lost detail explains a difference: where there is detail, and it is lost everywhere.

    An autoencoder, JPEG, resampling and grain change fine detail all over a picture, a repaint where it is.
    So the quarter of the picture that kept its detail best says how much was lost by encoding. How much
    detail a place has is told from the input alone.
    """
    fine = explained - _smooth(explained, _FINE_BLUR)
    left = fine - (there - _smooth(there, _FINE_BLUR))
    detail = np.sqrt(_smooth(fine * fine, _FINE_WINDOW))
    told = shown & (detail > _FINE_FLOOR)
    if told.sum() < _LEAST_FINE:
        return np.zeros_like(detail)
    shares = np.sqrt(_smooth(left * left, _FINE_WINDOW))[told] / detail[told]
    low, high = _LOSS
    everywhere = np.clip((np.quantile(shares, _KEPT_BEST) - low) / (high - low), 0, 1)
    return np.asarray(everywhere * np.clip(detail / _FINE_FULL, 0, 1), dtype=np.float32)


def _working(image: CanonicalImage, size: tuple[int, int]) -> Floats:
    """The picture at the working size, float32 (H, W, 3) in [0, 255]."""
    how = cv2.INTER_AREA if size[0] < image.width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image.pixels, size, interpolation=how), dtype=np.float32)


def _grey(picture: Floats) -> Floats:
    """Luma, float32 (H, W)."""
    return np.asarray(picture @ _GREY, dtype=np.float32)


def _smooth(picture: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.float32)


def _first_tone(before: Floats, after: Floats) -> Floats:
    """The input in about the output's tone, told from small pictures of both."""
    shrink = max(1, round(max(before.shape) / _FIRST_SIDE))
    size = (max(1, before.shape[1] // shrink), max(1, before.shape[0] // shrink))
    small = [
        np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        for one in (before, after)
    ]
    return _toned(small[0], small[1], before, rounds=3)


def _toned(first: Floats, second: Floats, picture: Floats, *, rounds: int = 7) -> Floats:
    """A picture in the tone that leads from ``first`` to ``second``, all in [0, 255]."""
    whole = np.float32(255)
    fitted = fit_tone(np.asarray(first / whole), np.asarray(second / whole), rounds=rounds)
    return np.asarray(fitted.apply(np.asarray(picture / whole)) * whole, dtype=np.float32)


def _gain(before: Floats, explained: Floats) -> float:
    """Contrast after the tone map as a share of that before; 1 for a picture without any."""
    first = float(before.std())
    return float(explained.std()) / first if first > 1.0 else 1.0


def _colour(explained: Floats, after: Floats, blur: float) -> Floats:
    """The colour difference of neighbourhoods, less what a shift by a pixel would make."""
    first, second = _smooth(explained, blur), _smooth(after, blur)
    grey = _grey(first)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125)
    along = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125)
    slope = _smooth(np.sqrt(across * across + along * along), blur)
    return np.asarray(np.maximum(0, np.abs(first - second).max(axis=2) - slope), dtype=np.float32)


def _shading(first: Floats, second: Floats, blur: float) -> tuple[Floats, Mask]:
    """1 - the correlation of neighbourhoods, as in the structural similarity index, contrast included.

    And where the first picture has shading at all.
    """
    window = _SHADING_WINDOW * blur
    a, b = _smooth(first, _SHADING_BLUR * blur), _smooth(second, _SHADING_BLUR * blur)
    mean_a, mean_b = _smooth(a, window), _smooth(b, window)
    spread_a = np.maximum(0, _smooth(a * a, window) - mean_a * mean_a)
    spread_b = np.maximum(0, _smooth(b * b, window) - mean_b * mean_b)
    common = _smooth(a * b, window) - mean_a * mean_b
    floor = _SHADING_FLOOR * _SHADING_FLOOR
    apart = np.asarray(1 - (2 * common + floor) / (spread_a + spread_b + floor), dtype=np.float32)
    return apart, np.asarray(spread_a > floor, dtype=np.bool_)
