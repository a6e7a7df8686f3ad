"""Who stands where: people of two pictures paired by place."""

from __future__ import annotations

from collections.abc import Sequence

from consent_edit.perception import places
from consent_edit.perception.observation import Box, ImageObservation, PersonObservation

_SAME_PLACE = 0.3
"""Intersection over union from which somebody in the input and in the output stands at the same place."""


def shares(seen: ImageObservation, people: Sequence[PersonObservation]) -> list[Box]:
    """Where people are, as shares of the picture's width and height."""
    return [person.box.scaled(1 / seen.width, 1 / seen.height) for person in people]


def paired(before: Sequence[Box], after: Sequence[Box]) -> dict[int, int]:
    """Index after -> index before at the same place (best overlap first, each used once)."""
    return places.paired(after, before, _SAME_PLACE)
