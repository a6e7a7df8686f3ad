"""Who could be recognised, and how far a figure reaches, told from the face where there is no silhouette."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.observation import BodyObservation, Box, FaceObservation, PersonObservation
from consent_edit.vocabulary import PersonKind, Recognisable

ASIDE: Final = 1.75
"""Face widths from the middle of the face to the outside of an arm, as wide as perception takes it."""

_ABOVE: Final = 1.2
_BELOW: Final = 9.0
"""Face lengths from the middle of the face to the top of the hair, and to the feet: a face is a tenth of an
adult who stands."""


def is_shown(person: PersonObservation) -> bool:
    """Whether people would recognise this person: a supported face, and large enough."""
    return (
        isinstance(person, FaceObservation)
        and person.kind is PersonKind.FACE
        and person.recognisable is Recognisable.YES
    )


def figure(person: PersonObservation, aside: float = ASIDE) -> Box:
    """Where all of somebody may be: hair, arms and legs; may reach over the border.

    Args:
        person: A body is its own box.
        aside: Face widths to either side.
    """
    box = person.box
    if isinstance(person, BodyObservation):
        return box
    down = _down(person)
    across = np.abs(down[::-1])
    centre = np.array([box.x + box.width / 2, box.y + box.height / 2])
    size = np.array([box.width, box.height])
    length, width = float(np.abs(down) @ size), float(across @ size)
    ends = np.stack([centre - down * length * _ABOVE, centre + down * length * _BELOW])
    low = ends.min(axis=0) - across * width * aside
    high = ends.max(axis=0) + across * width * aside
    return Box(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))


def _down(face: FaceObservation) -> NDArray[np.float64]:
    """The picture axis nearest to the direction from eyes to mouth, as a unit vector; downwards in doubt."""
    points = face.landmarks.astype(np.float64)
    direction = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    if not np.isfinite(direction).all() or not direction.any():
        return np.array([0.0, 1.0])
    axis = int(np.argmax(np.abs(direction)))
    unit = np.zeros(2)
    unit[axis] = 1.0 if direction[axis] > 0 else -1.0
    return unit
