"""What changed, and whose: by the difference that a smooth tone change of the whole picture leaves over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.exposure import exposure_change
from consent_edit.perception.observation import (
    ChangeObservation,
    CheckRun,
    FaceObservation,
    ImageObservation,
)
from consent_edit.perception.tone import fit_tone
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import CheckName, CheckOutcome, Region

_WORKING_SIDE: Final = 512
_BLUR: Final = 1.0
_PATCH: Final = 9

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PersonRegions:
    """Where a person's face, hair and body are taken to be, as masks of the working size."""

    face: Mask
    hair: Mask
    body: Mask

    def everything(self) -> Mask:
        """All of the person."""
        return self.face | self.hair | self.body


def _rectangle(shape: tuple[int, int], low: NDArray[np.float64], high: NDArray[np.float64]) -> Mask:
    """A filled rectangle between two corners in any order, clipped to the picture."""
    (left, top), (right, bottom) = np.minimum(low, high), np.maximum(low, high)
    mask = np.zeros(shape, dtype=np.bool_)
    rows = slice(max(0, int(np.floor(top))), max(0, int(np.ceil(bottom))))
    columns = slice(max(0, int(np.floor(left))), max(0, int(np.ceil(right))))
    mask[rows, columns] = True
    return mask


def _down(face: FaceObservation) -> NDArray[np.float64]:
    """The picture axis nearest to the direction from eyes to mouth, as a unit vector."""
    points = face.landmarks.astype(np.float64)
    direction = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    if not np.isfinite(direction).all():
        return np.array([0.0, 1.0])
    axis = int(np.argmax(np.abs(direction)))
    unit = np.zeros(2)
    unit[axis] = 1.0 if direction[axis] >= 0 else -1.0
    return unit


def person_regions(
    face: FaceObservation, scale: tuple[float, float], shape: tuple[int, int]
) -> PersonRegions:
    """Estimate a person's regions from the face box, turned as the face is turned.

    The face box; the head around it (half a face to each side, seven tenths above); and the body below the
    chin, three and a half faces wide and reaching to the picture's edge. Wide on purpose: a change near a
    person is that person's.

    Args:
        face: Box and landmarks in pixels of the observed picture.
        scale: Working pixels a picture pixel, x and y.
        shape: (height, width) of the masks.
    """
    factor = np.array(scale)
    corner = np.array([face.box.x, face.box.y]) * factor
    size = np.array([face.box.width, face.box.height]) * factor
    centre, down = corner + size / 2, _down(face)
    across = np.abs(down[::-1])
    length, width = float(np.abs(down) @ size), float(across @ size)
    face_mask = _rectangle(shape, corner, corner + size)
    chin = centre + down * length / 2
    head = _rectangle(shape, centre - down * length * 1.2 - across * width, chin + across * width)
    far = float(sum(shape))
    body = _rectangle(shape, chin - across * width * 1.75, chin + down * far + across * width * 1.75)
    return PersonRegions(face=face_mask, hair=head & ~face_mask, body=body & ~face_mask & ~head)


def _working(image: CanonicalImage, size: tuple[int, int]) -> NDArray[np.float32]:
    """The picture at the working size (width, height), lightly blurred, float32 in [0, 1]."""
    shrink = size[0] < image.width
    how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    small = cv2.resize(image.pixels, size, interpolation=how)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), _BLUR), dtype=np.float32) / np.float32(255)


def repainted(
    before: NDArray[np.float32], after: NDArray[np.float32], limits: Thresholds
) -> tuple[Mask, bool]:
    """Pixels that no smooth tone map explains, and whether the fitted map is a tone change at all.

    A pixel counts when its own colour is off by more than ``change_residual``, or when the mean of its 9 px
    neighbourhood is off by more than half of it: a faint, steady repaint shows in the mean, noise does not.
    """
    fitted = fit_tone(before, after)
    explained = fitted.apply(before)
    left = (after - explained) * 255.0
    own = np.abs(left).max(axis=2)
    mean = np.abs(cv2.blur(left, (_PATCH, _PATCH))).max(axis=2)
    mask = (own > limits.change_residual) | (mean > limits.change_residual / 2)
    moved = float(np.abs(explained - before).mean() * 255.0)
    return np.asarray(mask, dtype=np.bool_), moved > limits.change_tone


def _touched(mask: Mask, regions: PersonRegions, limits: Thresholds) -> frozenset[Region]:
    """Which of a person's regions are repainted beyond the share that noise explains."""
    parts = ((Region.FACE, regions.face), (Region.HAIR, regions.hair), (Region.BODY, regions.body))
    return frozenset(
        region for region, where in parts if where.any() and mask[where].mean() > limits.change_share_person
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was repainted, and whose it is.

    Attributes:
        faces: Per face of the input: its person's repainted regions.
        output_faces: The same per face of the output, at its place.
        unseen: What was repainted that belongs to nobody found in the input.
        tone: Whether the whole picture's tone moved.
    """

    faces: tuple[frozenset[Region], ...]
    output_faces: tuple[frozenset[Region], ...]
    unseen: frozenset[Region]
    tone: bool


def compared(
    before: CanonicalImage,
    after: CanonicalImage,
    faces: Sequence[FaceObservation],
    limits: Thresholds,
    output_faces: Sequence[FaceObservation] = (),
) -> Comparison:
    """Compare two pictures of one edit.

    Args:
        before: The input picture.
        after: The output picture; another size is resized to the input's for comparing.
        faces: The faces observed in the input.
        limits: The operating thresholds.
        output_faces: The faces observed in the output.
    """
    factor = min(1.0, _WORKING_SIDE / max(before.width, before.height))
    size = (max(1, round(before.width * factor)), max(1, round(before.height * factor)))
    mask, tone = repainted(_working(before, size), _working(after, size), limits)
    shape = (size[1], size[0])

    def persons(found: Sequence[FaceObservation], picture: CanonicalImage) -> list[PersonRegions]:
        scale = (size[0] / picture.width, size[1] / picture.height)
        return [person_regions(face, scale, shape) for face in found]

    here, there = persons(faces, before), persons(output_faces, after)
    elsewhere = mask.copy()
    for regions in here:
        elsewhere &= ~regions.everything()
    unseen = {Region.BODY} if elsewhere.mean() > limits.change_share_unseen else set[Region]()
    return Comparison(
        faces=tuple(_touched(mask, regions, limits) for regions in here),
        output_faces=tuple(_touched(mask, regions, limits) for regions in there),
        unseen=frozenset(unseen),
        tone=tone,
    )


def observe_change(
    before: CanonicalImage,
    after: CanonicalImage,
    before_seen: ImageObservation,
    after_seen: ImageObservation,
    limits: Thresholds,
) -> ChangeObservation:
    """Compare the output picture with the input picture.

    Args:
        before: The input picture.
        after: The output picture.
        before_seen: What was observed in the input; ``faces_touched`` follows its faces.
        after_seen: What was observed in the output; ``output_faces_touched`` follows its faces.
        limits: The operating thresholds.
    """
    found = compared(before, after, before_seen.faces, limits, after_seen.faces)
    return ChangeObservation(
        faces_touched=found.faces,
        output_faces_touched=found.output_faces,
        unseen_touched=found.unseen,
        tone=found.tone,
        exposure_change=exposure_change(before_seen.exposure, after_seen.exposure, limits),
        checks=(CheckRun(CheckName.CHANGE, CheckOutcome.RAN),),
    )
