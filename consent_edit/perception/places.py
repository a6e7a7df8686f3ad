"""Who stands where: people of two pictures paired by place, best overlap first."""

from __future__ import annotations

from collections.abc import Sequence

from consent_edit.perception.observation import Box


def paired(now: Sequence[Box], then: Sequence[Box], least: float) -> dict[int, int]:
    """Index of ``now`` -> index of ``then`` at the same place; each is used once.

    How much two must overlap is the asker's: who asks whether somebody is new wants more of it, who asks
    whose past somebody has wants less.

    Args:
        now: As shares of their picture.
        then: As shares of theirs.
        least: Intersection over union from which two stand at the same place.
    """
    overlaps = sorted(
        ((box.overlap(old), i, j) for i, box in enumerate(now) for j, old in enumerate(then)), reverse=True
    )
    pairs: dict[int, int] = {}
    for overlap, i, j in overlaps:
        if overlap >= least and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs
