"""Anonymise: faces painted over with what their own pixels have no part in, so nothing brings them back.

A blur can be undone, and a mosaic of a face's own colours can be searched for. What is painted here are the
squares of a chequered oval in two shades of the colour around the head: the same for whatever face was there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    PersonObservation,
    PictureExposure,
    worst_exposure,
)
from consent_edit.remedies.figures import figure, is_shown

_SOLID: Final = 1.6
"""Radius of the oval in half sides of the face's box, whose corners lie at 1.42: nothing in the box shows."""

_FADE: Final = 1.9
"""Radius from which the picture is its own again."""

_RING: Final = 2.4
"""Radius up to which the picture gives the oval its colour."""

_KEPT: Final = 1.1
"""Radius of a consenting face that no oval may reach, nor the fade around one."""

_CELLS: Final = 4
"""Squares across the oval."""

_SHADE: Final = 18.0
"""Grey levels of either shade from the colour: enough to show on the output that the oval is still there."""

_NARROW: Final = 1.2
"""Face widths to either side that are an anonymised person's figure; whoever stands beside begins there."""

_SAME_PLACE: Final = 0.5
"""Intersection over union from which the second look has found somebody of the first again."""

_SAMPLES: Final = 33
"""Points along each side of a face at which it is asked whether an oval reaches it."""

_NO_COLOUR: Final = 128.0

SIGN: Final = "anonymised"
"""What found a body that is there because its face was painted over."""

Floats = NDArray[np.float32]


def anonymised(
    image: CanonicalImage, faces: Sequence[FaceObservation], consenting: Collection[int]
) -> CanonicalImage:
    """The picture with every recognisable face painted over but those of the people who consent.

    Args:
        image: The picture.
        faces: Everybody's face in it; which are possible ones or too small to recognise stay as they are.
        consenting: Indices into ``faces``.

    Raises:
        InputError: ``input.anonymise``: a face to be painted over is so near to a consenting one that it
            would be painted over too.
    """
    boxes = [faces[index].box for index in bystanders(faces, consenting)]
    kept = [face.box for index, face in enumerate(faces) if index in consenting]
    if any(_reaches(box, face) for box in boxes for face in _near(box, kept, _SOLID + _KEPT)):
        raise InputError(
            "a face that would be made unrecognisable lies over one of a consenting person",
            code="input.anonymise",
            remedy="take a picture in which they stand apart, or ask the other person for consent too",
        )
    if not boxes:
        return image
    painted = image.pixels.copy()
    for box in boxes:
        _paint(
            painted,
            image.pixels,
            box,
            _near(box, boxes, _RING + _FADE),
            _near(box, kept, _RING + _KEPT),
        )
    return CanonicalImage.of(painted)


def bystanders(faces: Sequence[FaceObservation], consenting: Collection[int]) -> list[int]:
    """Indices of the faces that people would recognise and whose people do not consent."""
    return [index for index, face in enumerate(faces) if index not in consenting and is_shown(face)]


def remembered(
    first: ImageObservation, second: ImageObservation, consenting: Collection[int]
) -> ImageObservation:
    """What was seen in an anonymised picture, with everybody who is known to be there all the same.

    To the second look a person without a face may be nobody at all, whom no rule would keep from being
    repainted. So each stays as a body, exposed as the first look had it; whoever else the first look found
    and the second did not stays as they were. A consenting face that is not found again speaks for nobody.

    Args:
        first: What was seen in the picture handed in.
        second: What was seen in what :func:`anonymised` made of it.
        consenting: Indices into ``first.faces``.
    """
    hidden = set(bystanders(first.faces, consenting))
    found = [person.box for person in second.people]
    faces: list[tuple[FaceObservation, ExposureReading]] = []
    bodies: list[tuple[BodyObservation, ExposureReading]] = []
    for index, (person, reading) in enumerate(zip(first.people, first.exposure.persons, strict=True)):
        if index in hidden:
            bodies.append((_without_face(person), reading))
        elif all(person.box.overlap(box) < _SAME_PLACE for box in found):
            if isinstance(person, FaceObservation):
                faces.append((replace(person, embeddings={}), reading))
            else:
                bodies.append((person, reading))
    seen = second.exposure
    count = len(second.faces)
    return replace(
        second,
        faces=(*second.faces, *(face for face, _ in faces)),
        bodies=(*second.bodies, *(body for body, _ in bodies)),
        exposure=PictureExposure(
            picture=_worse(first.exposure.picture, seen.picture),
            persons=(
                *seen.persons[:count],
                *(reading for _, reading in faces),
                *seen.persons[count:],
                *(reading for _, reading in bodies),
            ),
            elsewhere=_worse(first.exposure.elsewhere, seen.elsewhere),
        ),
    )


def _without_face(person: PersonObservation) -> BodyObservation:
    """Somebody whose face was painted over."""
    return BodyObservation(box=figure(person, _NARROW), score=person.score, signs=(SIGN,))


def _worse(first: ExposureReading, second: ExposureReading) -> ExposureReading:
    """The second reading, no milder than the first: an oval must not hide from the models what they saw."""
    return replace(second, value=worst_exposure(first.value, second.value))


def _near(box: Box, others: Sequence[Box], reach: float) -> list[Box]:
    """Those who may meet it, both reaching so many half sides together; in a crowd there are thousands.

    Args:
        reach: Bound on the sum of what both reach, in half sides of the larger of the two.
    """
    x, y = box.x + box.width / 2, box.y + box.height / 2
    return [
        other
        for other in others
        if abs(other.x + other.width / 2 - x) <= reach * max(box.width, other.width, 1.0) / 2 + 1
        and abs(other.y + other.height / 2 - y) <= reach * max(box.height, other.height, 1.0) / 2 + 1
    ]


def _reaches(box: Box, face: Box) -> bool:
    """Whether the oval over ``box`` reaches a face."""
    steps = np.linspace(-1.0, 1.0, _SAMPLES, dtype=np.float32)
    across, along = np.meshgrid(steps, steps)
    inside = across**2 + along**2 <= 1.0
    centre = face.x + face.width / 2, face.y + face.height / 2
    x = centre[0] + across[inside] * face.width / 2 * _KEPT
    y = centre[1] + along[inside] * face.height / 2 * _KEPT
    return bool((_away(box, x, y) <= _SOLID).any())


def _away(box: Box, x: NDArray[np.floating], y: NDArray[np.floating]) -> Floats:
    """How far places are from the middle of a box, in its half sides: 1 on the oval within it."""
    wide, tall = max(box.width / 2, 0.5), max(box.height / 2, 0.5)
    across = (x - np.float32(box.x + box.width / 2)) / np.float32(wide)
    along = (y - np.float32(box.y + box.height / 2)) / np.float32(tall)
    return np.asarray(np.sqrt(across * across + along * along), dtype=np.float32)


def _paint(
    painted: NDArray[np.uint8],
    own: NDArray[np.uint8],
    box: Box,
    boxes: Sequence[Box],
    kept: Sequence[Box],
) -> None:
    """Paint one oval.

    Args:
        painted: What is painted on, with the ovals painted before.
        own: The picture as it was.
        boxes: Faces near it that are painted over, itself among them: none of them lends its colour.
        kept: Consenting faces near it, which the oval itself reaches none of.
    """
    height, width = own.shape[:2]
    centre = box.x + box.width / 2, box.y + box.height / 2
    reach = max(box.width, 1.0) / 2 * _RING, max(box.height, 1.0) / 2 * _RING
    left, right = (int(np.clip(centre[0] + side * reach[0], 0, width)) for side in (-1, 1))
    top, bottom = (int(np.clip(centre[1] + side * reach[1], 0, height)) for side in (-1, 1))
    part = np.s_[top : bottom + 1, left : right + 1]
    x = np.arange(left, min(right + 1, width), dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(top, min(bottom + 1, height), dtype=np.float32)[:, None] + np.float32(0.5)
    away = _away(box, x, y)
    lends = (away > _FADE) & (away <= _RING)
    for other in boxes:
        lends &= _away(other, x, y) > _FADE
    colour = np.median(own[part][lends], axis=0) if lends.any() else np.full(3, _NO_COLOUR)
    colour = np.clip(colour, _SHADE, 255 - _SHADE)
    side = max(1.0, _SOLID * box.width / _CELLS)
    squares = np.floor((x - centre[0]) / side) + np.floor((y - centre[1]) / side)
    shades = np.where((squares % 2 > 0)[..., None], colour + _SHADE, colour - _SHADE)
    cover = np.clip((_FADE - away) / (_FADE - _SOLID), 0.0, 1.0)[..., None]
    for face in kept:
        cover[_away(face, x, y) <= _KEPT] = 0.0
    mixed = painted[part] * (1 - cover) + shades * cover
    painted[part] = np.where(cover > 0, mixed.round(), painted[part]).astype(np.uint8)
