"""Who stands where: people of two pictures paired by place."""

from __future__ import annotations

from collections.abc import Sequence

from consent_edit.perception.observation import Box, ImageObservation, PersonObservation

_SAME_PLACE = 0.3
"""Intersection over union above which somebody in the input and in the output stands at the same place."""


def shares(seen: ImageObservation, people: Sequence[PersonObservation]) -> list[Box]:
    """Where people are, as shares of the picture's width and height."""
    return [person.box.scaled(1 / seen.width, 1 / seen.height) for person in people]


def paired(before: Sequence[Box], after: Sequence[Box]) -> dict[int, int]:
    """Index after -> index before at the same place (best overlap first, each used once)."""
    overlaps = sorted(
        ((new.overlap(old), j, i) for j, new in enumerate(after) for i, old in enumerate(before)),
        reverse=True,
    )
    pairs: dict[int, int] = {}
    for overlap, j, i in overlaps:
        if overlap > _SAME_PLACE and j not in pairs and i not in pairs.values():
            pairs[j] = i
    return pairs
