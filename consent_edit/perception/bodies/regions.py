"""Where each person's face, hair and body are: the face box, what stands for a torso, and the silhouette."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.bodies.silhouette import Silhouette
from consent_edit.perception.change.difference import SMALL_FACE
from consent_edit.perception.observation import BodyObservation, FaceObservation, PersonObservation
from consent_edit.vocabulary import Region

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

_MOST_CROPS: Final = 12  # the largest people; the others stand in the whole picture's silhouette
_SEEN: Final = 0.5  # share of the face that the silhouette must show, or it has not seen the person
_REACH: Final = 3.0  # face widths from the body's axis within which a silhouette is that person's
_SHARED: Final = 0.35  # face widths by which another may be nearer, and both have the pixel
_GROWN: Final = 0.35  # face widths beyond the input's silhouette within which the output's counts too


@dataclass(frozen=True, slots=True, eq=False)
class PersonRegions:
    """Where a person's face, hair and body are taken to be, as masks of the working size.

    Attributes:
        small: Whether the face is so small that only a close look tells anything.
    """

    face: Mask
    hair: Mask
    body: Mask
    small: bool = False

    def parts(self) -> dict[Region, Mask]:
        """Each by its name."""
        return {Region.FACE: self.face, Region.HAIR: self.hair, Region.BODY: self.body}

    def everything(self) -> Mask:
        """All of the person."""
        return self.face | self.hair | self.body


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """A person in working pixels.

    Attributes:
        corner: Left and top of the box.
        size: Width and height of the box.
        down: From head to feet: a unit vector along an axis of the picture.
        face: Whether the box is a face; else it is a whole body.
    """

    corner: NDArray[np.float64]
    size: NDArray[np.float64]
    down: NDArray[np.float64]
    face: bool

    @property
    def centre(self) -> NDArray[np.float64]:
        """Middle of the box."""
        return self.corner + self.size / 2

    @property
    def across(self) -> NDArray[np.float64]:
        """The unit vector across the body."""
        return np.abs(self.down[::-1])

    @property
    def length(self) -> float:
        """The box along the body."""
        return float(np.abs(self.down) @ self.size)

    @property
    def width(self) -> float:
        """The box across the body; at least a pixel."""
        return max(1.0, float(self.across @ self.size))


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


def _framed(person: PersonObservation, place: NDArray[np.float64]) -> _Frame:
    """A person laid at the working size; ``place`` is the affine map there, (2, 3)."""
    box = person.box
    corners = np.array([[box.x, box.y, 1.0], [box.x + box.width, box.y + box.height, 1.0]]) @ place.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    if isinstance(person, BodyObservation):
        return _Frame(low, high - low, np.array([0.0, 1.0]), face=False)
    return _Frame(low, high - low, _down(person), face=True)


def _rectangle(shape: tuple[int, int], low: NDArray[np.float64], high: NDArray[np.float64]) -> Mask:
    """A filled rectangle between two corners in any order, clipped to the picture."""
    (left, top), (right, bottom) = np.minimum(low, high), np.maximum(low, high)
    mask = np.zeros(shape, dtype=np.bool_)
    rows = slice(max(0, int(np.floor(top))), max(0, int(np.ceil(bottom))))
    columns = slice(max(0, int(np.floor(left))), max(0, int(np.ceil(right))))
    mask[rows, columns] = True
    return mask


def _oval(shape: tuple[int, int], low: NDArray[np.float64], high: NDArray[np.float64]) -> Mask:
    """The ellipse within a rectangle."""
    centre, half = (low + high) / 2, np.maximum((high - low) / 2, 0.5)
    rows, columns = np.ogrid[0 : shape[0], 0 : shape[1]]
    away = ((columns + 0.5 - centre[0]) / half[0]) ** 2 + ((rows + 0.5 - centre[1]) / half[1]) ** 2
    return np.asarray(away <= 1.0, dtype=np.bool_)


def silhouette_of(
    model: Silhouette, pixels: NDArray[np.uint8], people: Sequence[PersonObservation], size: tuple[int, int]
) -> Floats:
    """How likely each pixel shows a person: the whole picture, and a crop around each of the largest people.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        size: (width, height) of the answer.

    Returns:
        float32 (height, width), 0 to 1.

    Raises:
        CheckFailed: an answer is no number.
    """
    likely = cv2.resize(model.of(pixels), size, interpolation=cv2.INTER_LINEAR)
    scale = np.array([size[0] / pixels.shape[1], size[1] / pixels.shape[0]])
    picture = pixels.shape[0] * pixels.shape[1]
    largest = sorted(people, key=lambda one: -one.box.width * one.box.height)[:_MOST_CROPS]
    for person in largest:
        left, top, right, bottom = _crop(person, pixels.shape[:2])
        area = (right - left) * (bottom - top)
        if min(right - left, bottom - top) < 8 or area > 0.6 * picture:
            continue
        crop = pixels[top:bottom, left:right]
        turns = _turns(person)
        answer = np.rot90(model.of(np.ascontiguousarray(np.rot90(crop, turns))), -turns)
        low = np.floor(np.array([left, top]) * scale).astype(int)
        high = np.minimum(np.ceil(np.array([right, bottom]) * scale).astype(int), size)
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        wide, tall = int(high[0] - low[0]), int(high[1] - low[1])
        laid = cv2.resize(np.ascontiguousarray(answer), (wide, tall), interpolation=cv2.INTER_LINEAR)
        likely[part] = np.maximum(likely[part], laid)
    return np.asarray(likely, dtype=np.float32)


def _turns(person: PersonObservation) -> int:
    """Quarter turns counter-clockwise that set a person upright."""
    if isinstance(person, BodyObservation):
        return 0
    x, y = _down(person)
    return {(0, 1): 0, (1, 0): 3, (0, -1): 2, (-1, 0): 1}[(int(x), int(y))]


def _crop(person: PersonObservation, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of a picture that holds all of a person."""
    frame = _framed(person, np.eye(2, 3))
    if frame.face:
        up, low, side = 1.6 * frame.length, 6.0 * frame.length, 3.2 * frame.width
        first = frame.centre - frame.down * up - frame.across * side
        second = frame.centre + frame.down * low + frame.across * side
    else:
        first, second = frame.corner - 0.2 * frame.size, frame.corner + 1.2 * frame.size
    (left, top), (right, bottom) = np.minimum(first, second), np.maximum(first, second)
    height, width = shape
    return max(0, int(left)), max(0, int(top)), min(width, int(right) + 1), min(height, int(bottom) + 1)


def within_reach(own: Mask, other: Mask, frames: Sequence[_Frame]) -> Mask:
    """A silhouette, with as much of the other picture's as lies close to it: a figure drawn larger."""
    width = max((frame.width for frame in frames if frame.face), default=0.0)
    reach = int(np.clip(_GROWN * width, 2, 24))
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(own.astype(np.uint8), kernel) > 0
    return np.asarray(own | (near & other), dtype=np.bool_)


def framed(people: Sequence[PersonObservation], place: NDArray[np.float64]) -> list[_Frame]:
    """People laid at the working size; ``place`` is the affine map there, float64 (2, 3)."""
    return [_framed(person, place) for person in people]


def person_regions(frames: Sequence[_Frame], likely: Mask) -> list[PersonRegions]:
    """Everybody's regions.

    A face is its box; with the silhouette seen on it, the box's ellipse and what the silhouette shows of it.
    Hair and body are the silhouette around the head and nearest to the body's axis (two people share what
    lies between them), never without a torso two face lengths long. Where the silhouette misses the face,
    the regions are wide: the head with half a face to each side and seven tenths above, and below the chin
    three and a half faces' width down to the picture's edge.

    Args:
        frames: From :func:`framed`.
        likely: Where the silhouette shows a person, bool (height, width) of the working size.
    """
    shape = (likely.shape[0], likely.shape[1])
    own = _owned(frames, shape)
    return [
        _face_regions(frame, likely, mine) if frame.face else _body_regions(frame, likely)
        for frame, mine in zip(frames, own, strict=True)
    ]


def _face_regions(frame: _Frame, likely: Mask, mine: Mask) -> PersonRegions:
    """Regions of somebody with a face."""
    shape = (likely.shape[0], likely.shape[1])
    centre, down, across = frame.centre, frame.down, frame.across
    length, width = frame.length, frame.width
    box = _rectangle(shape, frame.corner, frame.corner + frame.size)
    chin = centre + down * length / 2
    head = _rectangle(shape, centre - down * length * 1.2 - across * width, chin + across * width)
    if not box.any() or likely[box].mean() < _SEEN:
        far = float(sum(shape))
        body = _rectangle(shape, chin - across * width * 1.75, chin + down * far + across * width * 1.75)
        return PersonRegions(face=box, hair=head & ~box, body=body & ~box & ~head, small=width < SMALL_FACE)
    grown = frame.size * 0.05
    face = _oval(shape, frame.corner - grown, frame.corner + frame.size + grown) | (box & likely)
    neck = chin + down * length / 2
    torso = _rectangle(shape, chin - across * width * 0.35, neck + across * width * 0.35)
    torso |= _rectangle(
        shape, neck - across * width * 0.75, neck + down * length * 1.5 + across * width * 0.75
    )
    body = (torso | (mine & likely)) & ~face & ~head
    return PersonRegions(face=face, hair=head & likely & ~face, body=body, small=width < SMALL_FACE)


def _body_regions(frame: _Frame, likely: Mask) -> PersonRegions:
    """Regions of somebody without a face: the silhouette in the box, or the box where there is none."""
    shape = (likely.shape[0], likely.shape[1])
    box = _rectangle(shape, frame.corner, frame.corner + frame.size)
    shown = box & likely
    middle = _oval(shape, frame.corner + frame.size * 0.15, frame.corner + frame.size * 0.85)
    nothing = np.zeros(shape, dtype=np.bool_)
    seen = shown.any() and shown.sum() > 0.2 * box.sum()
    return PersonRegions(face=nothing, hair=nothing, body=(shown | middle) if seen else box)


def _owned(frames: Sequence[_Frame], shape: tuple[int, int]) -> list[Mask]:
    """For each person the pixels that are nearest to that body's axis, or nearly so."""
    rows, columns = np.mgrid[2 : shape[0] + 2 : 4, 2 : shape[1] + 2 : 4].astype(np.float64)
    places = np.stack([columns, rows], axis=-1)
    far = []
    for frame in frames:
        start = frame.centre
        axis = frame.down * frame.length * (6.0 if frame.face else 0.4)
        along = np.clip(((places - start) @ axis) / max(float(axis @ axis), 1.0), 0.0, 1.0)
        unit = frame.width if frame.face else frame.width / 2.5
        far.append(np.linalg.norm(places - start - along[..., None] * axis, axis=-1) / unit)
    if not far:
        return []
    nearest = np.min(far, axis=0)
    own = [(away <= nearest + _SHARED) & (away <= _REACH) for away in far]
    size = (shape[1], shape[0])
    return [
        cv2.resize(one.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        for one in own
    ]
