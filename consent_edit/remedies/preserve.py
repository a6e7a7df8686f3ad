"""Preserve: who cannot be asked is put back after the edit, pixel for pixel as the edit got them.

It is done before the finished file is made and looked at, so what the checks see is what leaves. It helps
nobody who can be recognised: for that person consent is needed, before and after.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import Box, ImageObservation, PersonObservation
from consent_edit.remedies.figures import figure, is_shown

_MARGIN: Final = 0.08
"""Of the shorter side of somebody's figure: how far beyond it their pixels are still exactly their own."""

_EDGE: Final = 0.06
"""Of the shorter side: how wide the soft edge beyond that is."""

_LEAST_MARGIN: Final = 4.0
"""Pixels, of margin and edge: the comparison of two pictures blurs by about so much."""

_FACE: Final = 0.15
"""Of a consenting face's width: how far around it the edit stays."""

_ROWS: Final = 256
"""Rows that are mixed at a time; the whole of a large picture in floats is half a gigabyte."""

Floats = NDArray[np.float32]


def preserved(made: CanonicalImage, edited: CanonicalImage, seen: ImageObservation) -> CanonicalImage:
    """What a pipeline made, with everybody who cannot be recognised as they were.

    Bodies without a face, possible faces, and faces too small to recognise are put back with the figure below
    them. The faces of people who can be recognised keep what the edit made of them.

    Args:
        made: The picture the pipeline returned.
        edited: The picture it was given; of another size than ``made``, it is resized.
        seen: Everybody in ``edited``.
    """
    others = list(filter(is_preserved, seen.people))
    if not others:
        return made
    scale = made.width / edited.width, made.height / edited.height
    cover = np.zeros((made.height, made.width), np.float32)
    for person in others:
        _lay(cover, _their_own(person).scaled(*scale))
    for face in seen.faces:
        if is_shown(face):
            _lift(cover, _grown(face.box, _FACE * face.box.width).scaled(*scale))
    back = _fitted(edited, made)
    whole = made.pixels.copy()
    for top in range(0, made.height, _ROWS):
        rows = slice(top, top + _ROWS)
        share = cover[rows, :, None]
        mixed = (whole[rows] * (1 - share) + back[rows] * share).round()
        whole[rows] = np.where(share >= 1, back[rows], mixed.astype(np.uint8))
    return CanonicalImage.of(whole)


def is_preserved(person: PersonObservation) -> bool:
    """Whether somebody is put back: all but those who can be recognised, and so be asked."""
    return not is_shown(person)


def _their_own(person: PersonObservation) -> Box:
    """Somebody's figure and a little around it."""
    box = figure(person)
    return _grown(box, max(_LEAST_MARGIN, _MARGIN * min(box.width, box.height)))


def _grown(box: Box, by: float) -> Box:
    return Box(box.x - by, box.y - by, box.width + 2 * by, box.height + 2 * by)


def _lay(cover: Floats, box: Box) -> None:
    """Cover a box wholly, and less and less beyond it."""
    part, near = _near(cover, box)
    cover[part] = np.maximum(cover[part], near)


def _lift(cover: Floats, box: Box) -> None:
    """Uncover a box wholly, and less and less beyond it."""
    part, near = _near(cover, box)
    cover[part] = np.minimum(cover[part], 1 - near)


def _near(cover: Floats, box: Box) -> tuple[tuple[slice, slice], Floats]:
    """The part of a picture around a box, and how near to the box it is: 1 inside, 0 beyond the edge."""
    height, width = cover.shape
    edge = max(_LEAST_MARGIN, _EDGE * min(box.width, box.height))
    left, right = (int(np.clip(x, 0, width)) for x in (box.x - edge, box.x + box.width + edge + 1))
    top, bottom = (int(np.clip(y, 0, height)) for y in (box.y - edge, box.y + box.height + edge + 1))
    x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
    aside = np.maximum(0, np.maximum(box.x - x, x - box.x - box.width))[None, :]
    along = np.maximum(0, np.maximum(box.y - y, y - box.y - box.height))[:, None]
    near = np.clip(1 - np.hypot(aside, along) / edge, 0, 1)
    return (slice(top, bottom), slice(left, right)), np.asarray(near, dtype=np.float32)


def _fitted(edited: CanonicalImage, made: CanonicalImage) -> NDArray[np.uint8]:
    """The picture edited in the size of what was made of it, as the pipeline was given it."""
    size = made.width, made.height
    if size == (edited.width, edited.height):
        return edited.pixels
    picture = Image.fromarray(edited.pixels).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.uint8)
