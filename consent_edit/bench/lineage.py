"""Lineage: released pictures that were saved anew and are still found, and others taken for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.bench.edits import BENIGN, Pixels
from consent_edit.bench.intervals import by_person
from consent_edit.bench.labelled import read_picture
from consent_edit.errors import ArgumentRejected
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import BITS, Turn, lies, pdq
from consent_edit.thresholds import Thresholds

_ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_LONGEST: Final = 1024


def _resized(share: float) -> Callable[[Pixels], Pixels]:
    def edit(pixels: Pixels) -> Pixels:
        size = max(1, round(pixels.shape[1] * share)), max(1, round(pixels.shape[0] * share))
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC), dtype=np.uint8)

    return edit


def _cropped(share: float, *, all_round: bool = False) -> Callable[[Pixels], Pixels]:
    """So much of width and height cut off: at one corner, or half of it at either side."""

    def edit(pixels: Pixels) -> Pixels:
        down, across = (round(side * share) for side in pixels.shape[:2])
        top, left = (down // 2, across // 2) if all_round else (down, across)
        return pixels[top : pixels.shape[0] - (down - top), left : pixels.shape[1] - (across - left)]

    return edit


def _all_at_once(pixels: Pixels) -> Pixels:
    edited = BENIGN["warmer"](_resized(0.9)(_cropped(0.02)(Turn.MIRRORED.of(pixels))))
    return BENIGN["JPEG 75"](edited)


def _repainted(pixels: Pixels) -> Pixels:
    """A twentieth of the picture, in the middle, in one colour."""
    edited = pixels.copy()
    height, width = (round(side * 0.05**0.5) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    edited[top : top + height, left : left + width] = (180, 60, 60)
    return edited


ANEW: Final[Mapping[str, Callable[[Pixels], Pixels]]] = {
    "JPEG 75": BENIGN["JPEG 75"],
    "JPEG 50": BENIGN["JPEG 50"],
    "WebP 80": BENIGN["WebP 80"],
    "resized to 9/10": _resized(0.9),
    "resized to 3/4": _resized(0.75),
    "resized to 1/2": _resized(0.5),
    "corner cut, 2 %": _cropped(0.02),
    "corner cut, 5 %": _cropped(0.05),
    "corner cut, 10 %": _cropped(0.10),
    "cut all round, 2 %": _cropped(0.02, all_round=True),
    "cut all round, 5 %": _cropped(0.05, all_round=True),
    "cut all round, 10 %": _cropped(0.10, all_round=True),
    "mirrored": Turn.MIRRORED.of,
    "turned": Turn.LEFT.of,
    "warmer": BENIGN["warmer"],
    "darker": BENIGN["darker"],
    "mirrored, cut 2 %, 9/10, warmer, JPEG 75": _all_at_once,
    "a twentieth repainted": _repainted,
}
"""What may become of a released picture before it is handed in again. All but the last should be found; that
the last is found as well is the limit: a small changed region barely moves the hash."""


@dataclass(frozen=True, slots=True)
class AnewRow:
    """One way to save a picture anew.

    Attributes:
        pictures: Pictures of enough quality to be looked up at all.
        found: Of them, those still found.
        low: 2.5 % quantile of the share found, bootstrapped by picture.
        high: 97.5 % quantile.
        middle: Median distance in bits.
        most: 95 % quantile of the distance.
    """

    edit: str
    pictures: int
    found: int
    low: float
    high: float
    middle: float
    most: float


@dataclass(frozen=True, slots=True)
class LineageFigures:
    """What was found, and what was taken for something else.

    Attributes:
        pictures: All pictures.
        plain: Those with too little in them to be told apart, which are not looked up.
        rows: Per way to save anew.
        pairs: Pairs of different pictures, in every way the one may lie.
        mistaken: Of them, those taken for one another.
        nearest: The smallest distances between different pictures, bits.
        look_alike: The files of the nearest pairs, to be looked at: two may be one picture after all.
    """

    pictures: int
    plain: int
    rows: tuple[AnewRow, ...]
    pairs: int
    mistaken: int
    nearest: tuple[int, ...]
    look_alike: tuple[tuple[str, str], ...]


def measure_lineage(
    folder: Path,
    limits: Thresholds,
    *,
    limit: int = 0,
    told: Callable[[str], None] = lambda line: None,
) -> LineageFigures:
    """Hash every picture below a folder, and each again once it was saved anew.

    Args:
        limit: Pictures at most, the first of a fixed shuffle; 0 for all.

    Raises:
        ArgumentRejected: there are no two pictures, or one cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    np.random.default_rng(0).shuffle(files)
    chosen = files[:limit] if limit else files
    if len(chosen) < 2:
        raise ArgumentRejected(f"{folder.name} holds no two pictures", remedy="give a folder of pictures")
    kept: list[tuple[Path, bytes, list[bytes]]] = []
    apart: dict[str, list[int]] = {name: [] for name in ANEW}
    for number, path in enumerate(chosen):
        told(f"lineage {number + 1}/{len(chosen)}")
        pixels = _within(read_picture(path))
        image = CanonicalImage.of(pixels)
        own = pdq(image)
        if own.quality < limits.lineage_quality:
            continue
        kept.append((path, own.bits, [bits for _, bits in lies(image)]))
        for name, edit in ANEW.items():
            anew = lies(CanonicalImage.of(np.ascontiguousarray(edit(pixels))))
            apart[name].append(int(_distances([own.bits], [bits for _, bits in anew]).min()))
    rows = tuple(_row(name, np.array(found), limits.lineage_distance) for name, found in apart.items())
    near = _between([own for _, own, _ in kept], [lying for _, _, lying in kept])
    order = np.argsort(near, axis=None)[:10]
    first, second = np.unravel_index(order, near.shape)
    return LineageFigures(
        pictures=len(chosen),
        plain=len(chosen) - len(kept),
        rows=rows,
        pairs=len(kept) * (len(kept) - 1) // 2,
        mistaken=int((near <= limits.lineage_distance).sum()),
        nearest=tuple(int(one) for one in near.ravel()[order]),
        look_alike=tuple((kept[a][0].name, kept[b][0].name) for a, b in zip(first, second, strict=True)),
    )


def _within(pixels: Pixels) -> Pixels:
    """A picture of at most 1024 pixels a side."""
    return _resized(min(1.0, _LONGEST / max(pixels.shape[:2])))(pixels)


def _distances(ones: Sequence[bytes], others: Sequence[bytes]) -> NDArray[np.int64]:
    """Bits between each of the one and each of the other."""
    first, second = (
        np.unpackbits(np.frombuffer(b"".join(some), dtype=np.uint8)).reshape(-1, BITS).astype(np.float32) * 2
        - 1
        for some in (ones, others)
    )
    return np.asarray((BITS - first @ second.T) / 2, dtype=np.int64)


def _between(own: Sequence[bytes], lying: Sequence[Sequence[bytes]]) -> NDArray[np.int64]:
    """The smallest distance of each two pictures, over all ways that the one may lie; 256 elsewhere."""
    near = np.full((len(own), len(own)), BITS, dtype=np.int64)
    for number, ways in enumerate(lying[:-1]):
        near[number, number + 1 :] = _distances(ways, own[number + 1 :]).min(axis=0)
    return near


def _row(edit: str, apart: NDArray[np.int64], most: float) -> AnewRow:
    found = apart <= most
    low, high = by_person(found)
    middle, tail = np.quantile(apart, (0.5, 0.95))
    return AnewRow(edit, len(found), int(found.sum()), low, high, float(middle), float(tail))
