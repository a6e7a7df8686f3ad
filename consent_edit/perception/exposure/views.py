"""Where exposure is looked for: the whole picture, five fixed crops, and a crop or two around each person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.perception.observation import BodyObservation, Box, FaceObservation, PersonObservation
from consent_edit.vocabulary import PersonKind

WHOLE: Final = "whole"
BODY: Final = "body"
TORSO: Final = "torso"
SECOND: Final = ".second"
SUGGESTIVE: Final = ".suggestive"
"""What follows a view's name where the score is the second family's: nudity; swimwear and the like."""

_CROP_SHARE: Final = 0.6
_BODY: Final = (-1.0, 8.0, 2.5)
_TORSO: Final = (0.4, 4.9, 2.25)
"""Nearest and farthest from the face's centre along the body, and half the width, in sides of the face's box.

A standing adult is about nine sides long and three across the shoulders; the network cuts 6 % off each edge.
"""
_TORSO_SEEN: Final = 0.4
_NARROWEST: Final = 0.55
"""Least ratio of a crop's sides: models see every crop squeezed into a square."""
_LEAST: Final = 224
"""Side in pixels that a crop has at least, where the picture does: no crop is blown up before it is read."""
_BODY_MARGIN: Final = 0.15

_TRANSPOSED: Final = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}
"""Quarter turns counter-clockwise."""


@dataclass(frozen=True, slots=True)
class View:
    """One crop that the models look at.

    Attributes:
        name: What it is, alike in every picture.
        corners: Left, top, right, bottom in whole pixels, inside the picture.
        turns: Quarter turns counter-clockwise that put those in it upright.
        who: Whom it was cut for: places in the list of people.
    """

    name: str
    corners: tuple[int, int, int, int]
    turns: int = 0
    who: tuple[int, ...] = ()

    @property
    def area(self) -> int:
        """Square pixels."""
        left, top, right, bottom = self.corners
        return (right - left) * (bottom - top)

    def cut(self, whole: Image.Image) -> Image.Image:
        """Its part of the whole picture, upright."""
        crop = whole.crop(self.corners)
        return crop.transpose(_TRANSPOSED[self.turns]) if self.turns else crop

    def holds(self, box: Box) -> bool:
        """Whether it shows any of a box."""
        left, top, right, bottom = self.corners
        return (
            box.x < right and box.x + box.width > left and box.y < bottom and box.y + box.height > top
        )  # fmt: skip

    @property
    def shrunk(self) -> bool:
        """Whether the models see it at half its scale or less."""
        left, top, right, bottom = self.corners
        return min(right - left, bottom - top) >= 2 * _LEAST


def fixed_views(width: int, height: int) -> tuple[View, ...]:
    """The whole picture, its four corners and its centre at 60 % of each side."""
    wide, tall = max(1, round(width * _CROP_SHARE)), max(1, round(height * _CROP_SHARE))
    right, bottom = width - wide, height - tall
    corners = {
        "top-left": (0, 0),
        "top-right": (right, 0),
        "bottom-left": (0, bottom),
        "bottom-right": (right, bottom),
        "centre": (right // 2, bottom // 2),
    }
    crops = (View(name, (x, y, x + wide, y + tall)) for name, (x, y) in corners.items())
    return (View(WHOLE, (0, 0, width, height)), *crops)


def person_views(people: Sequence[PersonObservation], width: int, height: int, most: int) -> tuple[View, ...]:
    """Crops around everybody, at most ``most`` of them; nobody is left out.

    Each has the whole body; also the torso, where the picture shows enough of it, the models see the body at
    half its scale or less, and there are few enough people. In a crowd the crops of neighbours are joined,
    those first whose union is smallest.
    """
    bodies = [_body(i, person, width, height) for i, person in enumerate(people)]
    torsos = [torso for i, person in enumerate(people) for torso in _torso(i, person, width, height)]
    paying = [torso for torso in torsos if bodies[torso.who[0]].shrunk]
    if len(bodies) + len(paying) <= most:
        return (*bodies, *paying)
    return tuple(_joined(bodies, most))


def _body(index: int, person: PersonObservation, width: int, height: int) -> View:
    """The crop that holds the whole of somebody, and the face or body found in any case."""
    match person:
        case FaceObservation():
            turns = _turns(person)
            reach = _along(person.box, turns, _BODY)
        case BodyObservation():
            turns = 0
            x, y = person.box.width * _BODY_MARGIN, person.box.height * _BODY_MARGIN
            reach = Box(
                person.box.x - x, person.box.y - y, person.box.width + 2 * x, person.box.height + 2 * y
            )
    return View(BODY, _placed(reach, width, height), turns, (index,))


def _torso(index: int, person: PersonObservation, width: int, height: int) -> tuple[View, ...]:
    """The crop from neck to hips; none where the picture cuts most of it off, or it would be blown up."""
    if not isinstance(person, FaceObservation) or person.kind is not PersonKind.FACE:
        return ()
    turns = _turns(person)
    reach = _along(person.box, turns, _TORSO)
    left, top, right, bottom = corners = _clipped(reach, width, height)
    seen = min((right - left) / max(reach.width, 1), (bottom - top) / max(reach.height, 1))
    short, long = sorted((right - left, bottom - top))
    pays = seen >= _TORSO_SEEN and short >= max(_LEAST, _NARROWEST * long)
    return (View(TORSO, corners, turns, (index,)),) if pays else ()


def _turns(face: FaceObservation) -> int:
    """Quarter turns counter-clockwise that put a face upright, by the way from its eyes to its mouth.

    A box that too few passes support is left as it is: its points mean little.
    """
    if face.kind is not PersonKind.FACE:
        return 0
    points = face.landmarks
    way = points[3:5].mean(axis=0) - points[0:2].mean(axis=0)
    if not np.isfinite(way).all() or float(np.hypot(*way)) < 0.1 * max(face.box.width, face.box.height):
        return 0
    right, down = float(way[0]), float(way[1])
    if abs(down) >= abs(right):
        return 0 if down > 0 else 2
    return 3 if right > 0 else 1


def _along(box: Box, turns: int, reach: tuple[float, float, float]) -> Box:
    """The rectangle that reaches so far from a face's centre along the body, and to either side."""
    side = math.sqrt(max(box.width, 1.0) * max(box.height, 1.0))
    near, far, half = (side * share for share in reach)
    x, y = box.x + box.width / 2, box.y + box.height / 2
    match turns:
        case 0:
            return Box(x - half, y + near, 2 * half, far - near)
        case 2:
            return Box(x - half, y - far, 2 * half, far - near)
        case 3:
            return Box(x + near, y - half, far - near, 2 * half)
        case _:
            return Box(x - far, y - half, far - near, 2 * half)


def _placed(reach: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """A crop of what the picture shows of a rectangle, of enough pixels and not too narrow to be read.

    Where it is too small or too narrow, what stands beside it in the picture comes in.
    """
    left, top, right, bottom = _clipped(reach, width, height)
    wide, tall = right - left, bottom - top
    least = max(_LEAST, round(max(wide, tall) * _NARROWEST))
    left, right = _widened(left, right, least, width)
    top, bottom = _widened(top, bottom, least, height)
    return left, top, right, bottom


def _widened(low: int, high: int, least: int, end: int) -> tuple[int, int]:
    """A stretch of at least so many pixels around another, within 0 and the end."""
    length = min(max(high - low, least), end)
    start = min(max((low + high - length) // 2, 0), end - length)
    return start, start + length


def _clipped(reach: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Whole pixels inside the picture, one at least, wherever a box lies."""
    left = min(max(math.floor(reach.x), 0), width - 1)
    top = min(max(math.floor(reach.y), 0), height - 1)
    right = min(max(math.ceil(reach.x + reach.width), left + 1), width)
    bottom = min(max(math.ceil(reach.y + reach.height), top + 1), height)
    return left, top, right, bottom


def _joined(bodies: Sequence[View], most: int) -> list[View]:
    """Neighbours' crops made one, until there are few enough: each time the pair whose union is smallest."""
    views, alive = list(bodies), np.ones(len(bodies), dtype=np.bool_)
    corners = np.array([view.corners for view in views], dtype=np.float64)
    areas = np.stack([_areas(corners, row) for row in corners])
    np.fill_diagonal(areas, np.inf)
    for _ in range(len(views) - max(most, 1)):
        i, j = divmod(int(areas.argmin()), len(views))
        views[i] = _union(views[i], views[j])
        corners[i], alive[j] = views[i].corners, False
        row = np.where(alive, _areas(corners, corners[i]), np.inf)
        row[i] = np.inf
        areas[i] = areas[:, i] = row
        areas[j] = areas[:, j] = np.inf
    return [view for view, kept in zip(views, alive, strict=True) if kept]


def _areas(corners: NDArray[np.float64], one: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per crop: the area of its union with one, in square pixels."""
    low, high = np.minimum(corners[:, :2], one[:2]), np.maximum(corners[:, 2:], one[2:])
    return np.asarray(np.prod(high - low, axis=1))


def _union(a: View, b: View) -> View:
    """The crop that holds two."""
    low = (min(a.corners[0], b.corners[0]), min(a.corners[1], b.corners[1]))
    high = (max(a.corners[2], b.corners[2]), max(a.corners[3], b.corners[3]))
    turns = a.turns if a.turns == b.turns else 0
    return replace(a, corners=(*low, *high), turns=turns, who=tuple(sorted((*a.who, *b.who))))
