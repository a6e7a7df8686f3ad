"""PDQ: 256 bits that stay nearly the same when a picture is saved anew, resized or slightly cropped.

After the published description and reference ("The TMK+PDQF video-hashing algorithm and the PDQ image-hashing
algorithm", ThreatExchange, 2019): luma, blurred and decimated to 64 x 64, the 16 x 16 lowest frequencies of
its cosine transform but the constant ones, and a bit for each above their median. Blur and decimation are
linear along each axis, so they are one small matrix a side here. It is no face template: it tells a picture's
layout, not who is in it; it is a digest of a picture of people all the same, and kept as such.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.intake.canonical import CanonicalImage

BITS: Final = 256
HASH_BYTES: Final = BITS // 8
BEST_QUALITY: Final = 100

_SMALLEST: Final = 5
"""Shorter side below which the reference gives no hash."""

_LARGEST: Final = 512
"""Sides of twice this or more are averaged down in whole blocks first; the blur takes the rest."""

_SIDE: Final = 64
_KEPT: Final = 16
_PASSES: Final = 2
_GRADIENT_UNIT: Final = 90

_CUT: Final = ((0.0, 0.0), (0.025, 0.0), (0.0, 0.025), (0.025, 0.025), (0.05, 0.0), (0.0, 0.05))
"""Shares of a side that may have been cut off before it and after it: a hundredth too many or too few moves
some ten bits (``consent-edit bench lineage``)."""

Floats = NDArray[np.float32]


class Turn(StrEnum):
    """The eight ways in which a picture can lie."""

    NONE = "none"
    MIRRORED = "mirrored"
    UPSIDE_DOWN = "upside_down"
    HALF = "half"
    TRANSPOSED = "transposed"
    LEFT = "left"
    RIGHT = "right"
    TRANSVERSED = "transversed"

    @property
    def swaps(self) -> bool:
        """Whether rows become columns."""
        return self in {Turn.TRANSPOSED, Turn.LEFT, Turn.RIGHT, Turn.TRANSVERSED}

    @property
    def across(self) -> bool:
        """Whether what lay left lies right, before rows become columns."""
        return self in {Turn.MIRRORED, Turn.HALF, Turn.LEFT, Turn.TRANSVERSED}

    @property
    def along(self) -> bool:
        """Whether what lay above lies below, before rows become columns."""
        return self in {Turn.UPSIDE_DOWN, Turn.HALF, Turn.RIGHT, Turn.TRANSVERSED}

    @property
    def undone(self) -> Turn:
        """The turn that undoes this one."""
        return {Turn.LEFT: Turn.RIGHT, Turn.RIGHT: Turn.LEFT}.get(self, self)

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture, uint8 (height, width, 3), so turned."""
        turned = pixels[:: -1 if self.along else 1, :: -1 if self.across else 1]
        return np.ascontiguousarray(turned.swapaxes(0, 1) if self.swaps else turned)


@dataclass(frozen=True, slots=True)
class Lie:
    """How a picture may lie within the one that it came from.

    Attributes:
        turn: What turns the picture, its borders added, into that one.
        left: How far that one went on beyond this one's left border, as a share of this one's width.
        top: The same above, of its height.
        right: On the right.
        bottom: Below.
    """

    turn: Turn = Turn.NONE
    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a picture looks like, in 256 bits.

    Attributes:
        bits: 32 bytes, the lowest frequencies first; personal data like the picture itself.
        quality: 0 to 100: how much there is to tell it by. The publishers disregard what is below 50.
    """

    bits: bytes = field(repr=False)
    quality: int


def pdq(image: CanonicalImage) -> Likeness:
    """The PDQ hash of a picture; all zero and of quality 0 where a side is below 5 pixels."""
    return pdq_turned(image, (Turn.NONE,))[Turn.NONE]


def pdq_turned(image: CanonicalImage, turns: Collection[Turn] = tuple(Turn)) -> dict[Turn, Likeness]:
    """The PDQ hash that a picture has once it is turned; it is gone through once.

    The blur and the grid of the reference are not symmetric, so to change signs among the frequencies is 10
    to 25 bits off the hash of a mirrored picture. Here the blur is mirrored instead, which is exact.
    """
    if min(image.width, image.height) < _SMALLEST:
        return {turn: Likeness(bytes(HASH_BYTES), 0) for turn in turns}
    grey = _grey(image)
    down, right = _blur(grey.shape[0]), _blur(grey.shape[1]).T
    rows = {along: down[:, :: -1 if along else 1] @ grey for along in {turn.along for turn in turns}}
    found = {}
    for turn in turns:
        small = np.asarray(rows[turn.along] @ right[:: -1 if turn.across else 1], dtype=np.float32)
        found[turn] = _likeness(small.T if turn.swaps else small)
    return found


def lies(image: CanonicalImage) -> tuple[tuple[Lie, bytes], ...]:
    """What a picture's hash may have been before it was mirrored or turned, and its borders cut off.

    A border that is not there any more is taken to go on as the picture ends: thin ones barely tell.

    Returns:
        288 ways it may lie, and the 32 bytes of the hash for each; the first is as it is.
    """
    if min(image.width, image.height) < _SMALLEST:
        return ()
    grey = _grey(image)
    sides = [(pad, flipped) for pad in _CUT for flipped in (False, True)]
    down, right = (np.concatenate([_waves(length, *side) for side in sides]) for length in grey.shape)
    blocks = ((down @ grey) @ right.T).reshape(len(sides), _KEPT, len(sides), _KEPT).swapaxes(1, 2)
    found: list[tuple[Lie, bytes]] = []
    for turn in Turn:
        rows = [at for at, (_, flipped) in enumerate(sides) if flipped is turn.along]
        columns = [at for at, (_, flipped) in enumerate(sides) if flipped is turn.across]
        chosen = blocks[np.ix_(rows, columns)].reshape(-1, _KEPT, _KEPT)
        hashes = _all_bits(chosen.swapaxes(1, 2) if turn.swaps else chosen)
        cuts = [(left, top, after, below) for top, below in _CUT for left, after in _CUT]
        found += [(Lie(turn, *cut), bits) for cut, bits in zip(cuts, hashes, strict=True)]
    return tuple(found)


def distance(one: bytes, other: bytes) -> int:
    """How many of the 256 bits differ."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def _grey(image: CanonicalImage) -> Floats:
    """Luma (ITU-R BT.601) of the picture, or of whole blocks of its pixels where it is large."""
    picture = Image.fromarray(image.pixels)
    blocks = max(1, image.width // _LARGEST), max(1, image.height // _LARGEST)
    if blocks != (1, 1):
        picture = picture.reduce(blocks)
    return np.asarray(picture.convert("F"), dtype=np.float32)


def _likeness(small: Floats) -> Likeness:
    """The hash of luma, 64 x 64, of which each pixel is the tent-weighted mean of its surroundings."""
    cosines = _cosines()
    bits = _all_bits(np.asarray(cosines @ small @ cosines.T, dtype=np.float32)[None])
    return Likeness(bits[0], _quality(small))


@lru_cache(maxsize=256)
def _blur(length: int) -> Floats:
    """Two passes of the box filter along a side, and every 64th of it, float32 (64, length).

    The box is a 128th of the side, rounded up; at the ends it is cut off and the mean is of what is left.
    """
    if length == _SIDE:
        return np.eye(_SIDE, dtype=np.float32)
    window = -(-length // (2 * _SIDE))
    ahead = (window + 2) // 2
    at = np.arange(length)
    first, last = np.maximum(at + ahead - window, 0), np.minimum(at + ahead, length)
    rows, centres = np.arange(_SIDE), ((np.arange(_SIDE) + 0.5) * length / _SIDE).astype(np.intp)
    rises = np.zeros((_SIDE, length + 1))
    for step in range(window):
        there = first[centres] + step
        inside = there < last[centres]
        there = np.minimum(there, length - 1)
        share = inside / ((last - first)[centres] * (last - first)[there])
        rises[rows, first[there]] += share
        rises[rows, last[there]] -= share
    blur = np.asarray(rises.cumsum(axis=1)[:, :length], dtype=np.float32)
    blur.flags.writeable = False
    return blur


@lru_cache(maxsize=1)
def _cosines() -> Floats:
    """The 16 lowest but the constant one of the cosine transform of 64, float32 (16, 64)."""
    waves = np.arange(1, _KEPT + 1)[:, None] * (2 * np.arange(_SIDE) + 1)[None, :]
    return np.asarray(np.sqrt(2 / _SIDE) * np.cos(np.pi / (2 * _SIDE) * waves), dtype=np.float32)


def _waves(length: int, cut: tuple[float, float], flipped: bool) -> Floats:
    """Blur and cosines along a side that went on before it was cut, float32 (16, length)."""
    before, after = (round(share * length) for share in cut)
    waves = _cosines() @ _blur(length + before + after)
    waves = np.array(waves[:, ::-1] if flipped else waves)
    kept = waves[:, before : before + length].copy()
    kept[:, 0] += waves[:, :before].sum(axis=1)
    kept[:, -1] += waves[:, before + length :].sum(axis=1)
    return kept


def _all_bits(frequencies: Floats) -> list[bytes]:
    """A bit for each frequency above the lower median; the last one first, as the publishers print it."""
    flat = frequencies.reshape(len(frequencies), BITS)
    middle = np.partition(flat, BITS // 2 - 1, axis=1)[:, BITS // 2 - 1]
    return [row.tobytes() for row in np.packbits((flat > middle[:, None])[:, ::-1], axis=1)]


def _quality(small: Floats) -> int:
    """Sum of the steps between neighbours that are worth a hundredth of the range."""
    steps = sum(
        int(np.abs(np.trunc(np.diff(small, axis=axis) * np.float32(100) / np.float32(255))).sum())
        for axis in (0, 1)
    )
    return min(BEST_QUALITY, steps // _GRADIENT_UNIT)
