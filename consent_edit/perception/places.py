"""Who stands where: people of two pictures paired by place, best overlap first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.observation import Box

_AT_ONCE: Final = 64
"""Boxes held against all others at a time: in a crowd there are thousands of either."""

Numbers = NDArray[np.float64]


def paired(now: Sequence[Box], then: Sequence[Box], least: float) -> dict[int, int]:
    """Index of ``now`` -> index of ``then`` at the same place; each is used once.

    How much two must overlap is the asker's: who asks whether somebody is new wants more of it, who asks
    whose past somebody has wants less.

    Args:
        now: As shares of their picture.
        then: As shares of theirs.
        least: Intersection over union from which two stand at the same place.
    """
    overlaps = [
        (float(share), first + i, int(j))
        for first, part in _parts(now, then)
        for i, row in enumerate(_overlaps(*part))
        for j in np.flatnonzero(row >= least)
        for share in (row[j],)
    ]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(overlaps, reverse=True):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs


def inside(one: Box, several: Sequence[Box]) -> list[float]:
    """For each of several boxes, the share of the smaller of it and ``one`` that the other covers."""
    if not several:
        return []
    own, others = _edges([one]), _edges(several)
    smaller = np.minimum(own[4][:, None] * own[5][:, None], others[4] * others[5])
    shared = _shared(own, others)
    with np.errstate(divide="ignore", invalid="ignore"):
        return [float(share) for share in np.where((shared > 0) & (smaller > 0), shared / smaller, 0.0)[0]]


def _parts(
    now: Sequence[Box], then: Sequence[Box]
) -> Iterator[tuple[int, tuple[tuple[Numbers, ...], tuple[Numbers, ...]]]]:
    """Some of ``now`` at a time, from which on, with all of ``then``."""
    if not now or not then:
        return
    others = _edges(then)
    for first in range(0, len(now), _AT_ONCE):
        yield first, (_edges(now[first : first + _AT_ONCE]), others)


def _edges(boxes: Sequence[Box]) -> tuple[Numbers, ...]:
    """Left, top, right, bottom, width and height of boxes."""
    x, y, width, height = np.array([(b.x, b.y, b.width, b.height) for b in boxes], dtype=np.float64).T
    return x, y, x + width, y + height, width, height


def _shared(now: tuple[Numbers, ...], then: tuple[Numbers, ...]) -> Numbers:
    """Area that each of ``now`` (a row) has in common with each of ``then``."""
    left, top, right, bottom = (edge[:, None] for edge in now[:4])
    width = np.minimum(right, then[2]) - np.maximum(left, then[0])
    height = np.minimum(bottom, then[3]) - np.maximum(top, then[1])
    return np.asarray(np.where((width > 0) & (height > 0), width * height, 0.0), dtype=np.float64)


def _overlaps(now: tuple[Numbers, ...], then: tuple[Numbers, ...]) -> Numbers:
    """Intersection over union, as ``Box.overlap``."""
    shared = _shared(now, then)
    areas = (now[4] * now[5])[:, None] + then[4] * then[5]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(shared > 0, shared / (areas - shared), 0.0), dtype=np.float64)
