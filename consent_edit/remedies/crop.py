"""Crop: the largest part of a picture that holds the consenting people whole, and nobody else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import DEFAULT_LIMITS
from consent_edit.perception.observation import Box, FaceObservation, ImageObservation, PersonObservation
from consent_edit.remedies.figures import figure
from consent_edit.vocabulary import PersonKind

_ASIDE: Final = 1.5
"""Face widths from the middle of the face to the shoulder: 45 cm of an adult whose face is 15 cm wide."""

_MARGIN: Final = 0.1
"""Of the shorter side of somebody's figure: room kept around the consenting, and away from everybody else."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a picture, in whole pixels; right and bottom are one beyond."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """Pixels in it."""
        return self.width * self.height

    def share(self, width: int, height: int, box: Box) -> Box:
        """A box, as shares of a picture of that size, as shares of this part of it; may reach outside."""
        moved = Box(
            box.x * width - self.left, box.y * height - self.top, box.width * width, box.height * height
        )
        return moved.scaled(1 / self.width, 1 / self.height)

    def of(self, image: CanonicalImage) -> CanonicalImage:
        """This part of a picture."""
        return CanonicalImage.of(image.pixels[self.top : self.bottom, self.left : self.right])

    def holds(self, other: Window) -> bool:
        """Whether all of ``other`` lies in it."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def meets(self, other: Window) -> bool:
        """Whether any pixel of ``other`` lies in it."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def crop_window(seen: ImageObservation, consenting: Collection[int]) -> Window:
    """The largest part of a picture with the consenting people whole, and nobody else in it.

    Faces, bodies and whoever is too small to recognise are all somebody. A box that few passes took for a
    face is left out where it can be, and stays, under hands-off, where it lies over a consenting person. Of
    equally large parts the first from the left is taken; it keeps to the side ratio that pictures may have.

    Args:
        seen: Everybody in the picture.
        consenting: Indices into ``seen.faces``.

    Raises:
        InputError: ``input.crop``: nobody consents, or no part holds them all and nobody else.
    """
    picture = Window(0, 0, seen.width, seen.height)
    kept = [person for index, person in enumerate(seen.people) if index in consenting]
    others = [person for index, person in enumerate(seen.people) if index not in consenting]
    surely = [_window(person, picture) for person in others if not _is_doubtful(person)]
    perhaps = [_window(person, picture) for person in others if _is_doubtful(person)]
    if not kept:
        raise _none("nobody in the picture gave a consent that covers this edit, so there is nothing to keep")
    needed = _around([_window(person, picture) for person in kept])
    if any(needed.meets(one) for one in surely):
        raise _none("no part of the picture shows the consenting people whole and nobody else")
    away = [*surely, *(one for one in perhaps if not needed.meets(one))]
    best = max(_free(needed, away, picture), key=lambda window: window.area)
    window = _trimmed(best, needed)
    if min(window.width, window.height) < DEFAULT_LIMITS.min_side or not window.holds(needed):
        raise _none("the part of the picture that shows the consenting people alone is too long or too small")
    return window


def _none(why: str) -> InputError:
    return InputError(
        why,
        code="input.crop",
        remedy="crop the picture by hand, or ask for EditRequest.anonymise='bystanders' instead",
    )


def _is_doubtful(person: PersonObservation) -> bool:
    """Whether somebody is no more than a possible face."""
    return isinstance(person, FaceObservation) and person.kind is PersonKind.POSSIBLE_FACE


def _window(person: PersonObservation, picture: Window) -> Window:
    """Somebody's figure with the margin, in whole pixels within the picture, never empty.

    Of a possible face it is the box alone: no figure belongs to a pattern on a wall.
    """
    box = person.box if _is_doubtful(person) else figure(person, _ASIDE)
    margin = _MARGIN * min(box.width, box.height)
    left = int(np.clip(np.floor(box.x - margin), 0, picture.right - 1))
    top = int(np.clip(np.floor(box.y - margin), 0, picture.bottom - 1))
    right = int(np.clip(np.ceil(box.x + box.width + margin), left + 1, picture.right))
    bottom = int(np.clip(np.ceil(box.y + box.height + margin), top + 1, picture.bottom))
    return Window(left, top, right, bottom)


def _around(windows: Sequence[Window]) -> Window:
    """The smallest window that holds them all."""
    return Window(
        min(one.left for one in windows),
        min(one.top for one in windows),
        max(one.right for one in windows),
        max(one.bottom for one in windows),
    )


def _free(needed: Window, away: Sequence[Window], picture: Window) -> Iterator[Window]:
    """Every largest window that holds ``needed`` and meets none of ``away``, none of which meets ``needed``.

    From each left edge the right one moves outward past one person after another. Who stands above or below
    the needed rows moves the top or the bottom in; who stands beside them ends it.
    """
    from_left = sorted(away, key=lambda one: one.left)
    for left in sorted({picture.left, *(one.right for one in away if one.right <= needed.left)}):
        top, bottom = picture.top, picture.bottom
        for one in from_left:
            if one.right <= left:
                continue
            if one.left >= needed.right:
                yield Window(left, top, one.left, bottom)
            if one.bottom <= needed.top:
                top = max(top, one.bottom)
            elif one.top >= needed.bottom:
                bottom = min(bottom, one.top)
            else:
                break
        else:
            yield Window(left, top, picture.right, bottom)


def _trimmed(window: Window, needed: Window) -> Window:
    """The window cut to the side ratio that pictures may have, evenly around what it must hold."""
    ratio = DEFAULT_LIMITS.max_side_ratio
    left, right = _cut(window.left, window.right, needed.left, needed.right, int(window.height * ratio))
    top, bottom = _cut(window.top, window.bottom, needed.top, needed.bottom, int(window.width * ratio))
    return Window(left, top, right, bottom)


def _cut(low: int, high: int, first: int, last: int, most: int) -> tuple[int, int]:
    """An interval no longer than ``most`` within another, as near as may be around the middle of a third."""
    if high - low <= most:
        return low, high
    start = min(max((first + last - most) // 2, low), high - most)
    return start, start + most
