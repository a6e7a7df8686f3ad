"""Face recall under every condition, on the counted pictures, and how many boxes a clear face gets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.conditions import CONDITIONS, Condition
from consent_edit.bench.intervals import by_person
from consent_edit.bench.labelled import IDENTITIES, Portrait, central, counted, portraits, read_picture
from consent_edit.bench.overlaps import LOOKS, PLACES, Portrayed, laid_over
from consent_edit.errors import ArgumentRejected
from consent_edit.perception.faces.detectors.merging import overlap
from consent_edit.perception.faces.look import DetectedFace, Support
from consent_edit.vocabulary import PersonKind

# A box has found the face if it overlaps it well, or lies near its middle and is of similar size.
_FOUND_OVERLAP: Final = 0.3
_FOUND_OFFSET: Final = 0.4
_FOUND_SIZE: Final = 2.5
# Any box that overlaps a portrait's own face by more than this stands in its way.
_SECOND_BOX_OVERLAP: Final = 0.1


class Finder(Protocol):
    """What finds faces: :class:`consent_edit.perception.faces.look.FaceDetector`, or a test's own."""

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """Every face of a picture."""


@dataclass(frozen=True, slots=True)
class Recall:
    """How often the face was found under one condition.

    Attributes:
        found: By a box of either kind.
        supported: By a supported one.
        low: Of the 95 % interval of ``found / of``, bootstrapped by person.
        high: Of the same.
    """

    condition: str
    found: int
    supported: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Found over all."""
        return self.found / self.of


@dataclass(frozen=True, slots=True)
class Hidden:
    """How often a victim whose face is laid over another kept a box of her own.

    Attributes:
        plain: Of those laid over as they are, without a disguise.
    """

    place: str
    found: int
    of: int
    plain_found: int
    plain_of: int


@dataclass(frozen=True, slots=True)
class FacesReport:
    """What ``bench faces --json`` prints.

    Attributes:
        people: How many people's portraits.
        recall: Per condition.
        overall: Over all of them, with its interval, and the same over the second half of the people, who
            set no number.
        above_98: Conditions at 98 % or more.
        least: The least share of any condition.
        counted_missing: Faces of the counted pictures that have no box, by eye's count.
        counted_extra: Supported boxes beyond the count.
        one_box: Share of the clear portraits whose face has exactly one box of any kind on it.
        not_human: Clear portraits whose face was taken for no person's.
        hidden: Per place, victims' faces laid over others' that kept a box of their own.
        boxes_a_picture: Boxes of any kind a picture, over all conditions.
        milliseconds: Median wall time a picture, on one thread.
    """

    people: int
    recall: tuple[Recall, ...]
    overall: Recall
    second_half: Recall
    above_98: int
    least: float
    counted_faces: int
    counted_missing: int
    counted_extra: int
    one_box: float
    not_human: int
    hidden: tuple[Hidden, ...]
    boxes_a_picture: float
    milliseconds: float


def shows(face: DetectedFace, box: NDArray[np.float64]) -> bool:
    """Whether a face's box is at a place, float64 (2, 2): similar in size and near, or overlapping well."""
    target = box.astype(np.float32)
    corners = face.members[0].corners
    if overlap(corners, target) > _FOUND_OVERLAP:
        return True
    sides = [max(float((each[1] - each[0]).max()), 1e-6) for each in (corners, target)]
    offset = float(np.linalg.norm(corners.mean(axis=0) - target.mean(axis=0)))
    return offset < _FOUND_OFFSET * max(sides) and max(sides) < _FOUND_SIZE * min(sides)


def chosen_conditions(pattern: str) -> tuple[Condition, ...]:
    """The conditions whose name a regular expression matches somewhere.

    Raises:
        ArgumentRejected: it is no expression, or none matches.
    """
    try:
        chosen = tuple(one for one in CONDITIONS if re.search(pattern, one.name))
    except re.error as error:
        raise ArgumentRejected(f"{pattern!r} is no regular expression") from error
    if not chosen:
        raise ArgumentRejected(f"no condition matches {pattern!r}", remedy="leave --conditions out for all")
    return chosen


def measure(
    folder: Path,
    finder: Finder,
    *,
    people: int = IDENTITIES,
    pattern: str = "",
    pairs: int = 0,
    told: Callable[[str], None] = lambda line: None,
) -> FacesReport:
    """Measure; the same folder gives the same figures but the times.

    Args:
        folder: ``lfw/``, ``detect/`` and ``detect_counts.csv``.
        finder: What finds faces.
        people: How many portraits.
        pattern: Regular expression of the conditions' names.
        pairs: How many pairs of people are laid one over the other, in every place and look.
        told: Is told of progress.

    Raises:
        ArgumentRejected: the folder is not laid out so, or no condition matches.
        CheckFailed: the finder broke.
    """
    conditions = chosen_conditions(pattern)
    clear = [_Clear.of(portrait, finder) for portrait in portraits(folder, people)]
    known = [one for one in clear if one.box is not None]
    if not known:
        raise ArgumentRejected("no portrait shows a face in its middle", remedy="see the folder's layout")
    hits = np.zeros((len(known), len(conditions), 2), dtype=bool)
    times, boxes = [], 0
    for row, one in enumerate(known):
        told(f"{row + 1}/{len(known)}")
        for column, condition in enumerate(conditions):
            if one.box is None:
                continue
            scene = condition.apply(one.picture, one.box, one.person)
            started = time.perf_counter()
            faces = finder.detect(scene.pixels)
            times.append(time.perf_counter() - started)
            boxes += len(faces)
            here = [face.kind for face in faces if shows(face, scene.box)]
            hits[row, column] = bool(here), PersonKind.FACE in here
    recall = tuple(_recall(one.name, hits[:, index]) for index, one in enumerate(conditions))
    missing, extra, faces_counted = _counted(folder, finder)
    return FacesReport(
        people=len(known),
        recall=recall,
        overall=_recall("all", hits),
        second_half=_recall("second half of the people", hits[len(hits) // 2 :]),
        above_98=sum(one.share >= 0.98 for one in recall),
        least=min(one.share for one in recall),
        counted_faces=faces_counted,
        counted_missing=missing,
        counted_extra=extra,
        one_box=float(np.mean([one.boxes == 1 for one in clear])),
        not_human=sum(one.not_human for one in clear),
        hidden=_hidden(known, finder, pairs, told),
        boxes_a_picture=round(boxes / len(times), 2),
        milliseconds=round(1000 * float(np.median(times)), 1),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Clear:
    """A portrait as it is: where its face is, how many boxes lie on it, whether it was taken for a person."""

    person: str
    picture: NDArray[np.uint8]
    box: NDArray[np.float64] | None
    boxes: int
    not_human: bool

    @classmethod
    def of(cls, portrait: Portrait, finder: Finder) -> _Clear:
        picture = read_picture(portrait.path)
        faces = finder.detect(picture)
        mine = central(faces, picture)
        near = [
            face
            for face in faces
            if mine and overlap(face.members[0].corners, mine[0].members[0].corners) > _SECOND_BOX_OVERLAP
        ]
        middle = np.array([picture.shape[1::-1], picture.shape[1::-1]]) * [[0.4], [0.6]]
        return cls(
            person=portrait.person,
            picture=picture,
            box=mine[0].members[0].corners.astype(np.float64) if mine else None,
            boxes=len(near),
            not_human=any(face.support is Support.NOT_HUMAN and shows(face, middle) for face in faces),
        )


def _hidden(
    known: Sequence[_Clear], finder: Finder, pairs: int, told: Callable[[str], None]
) -> tuple[Hidden, ...]:
    """Each of so many people laid over the next one, in every place and look."""
    people = [Portrayed(one.picture, one.box) for one in known if one.box is not None]
    found = dict.fromkeys(((place, look) for place in PLACES for look in LOOKS), 0)
    tried = min(pairs, len(people) - 1)
    for number in range(tried):
        told(f"pair {number + 1}/{tried}")
        rng = np.random.default_rng(number)
        for place, look in found:
            pixels, box = laid_over(people[number], people[number + 1], place, look, rng)
            found[place, look] += any(own_box(face, box) for face in finder.detect(pixels))
    return tuple(
        Hidden(
            place,
            sum(found[place, look] for look in LOOKS),
            tried * len(LOOKS),
            found[place, "plain"],
            tried,
        )
        for place in PLACES
        if tried
    )


def own_box(face: DetectedFace, box: NDArray[np.float64]) -> bool:
    """Whether a face's box is the one at a place and not the larger one around it."""
    target = box.astype(np.float32)
    corners = face.members[0].corners
    sides = [float((each[1] - each[0]).max()) for each in (corners, target)]
    offset = float(np.linalg.norm(corners.mean(axis=0) - target.mean(axis=0)))
    near = offset < 0.25 * sides[1] and max(sides) < 1.5 * min(sides)
    return near or overlap(corners, target) > 0.4


def _recall(name: str, hits: NDArray[np.bool_]) -> Recall:
    """Counts and interval; hits bool (people, ..., 2): found, supported."""
    found = hits[..., 0]
    low, high = by_person(found)
    return Recall(name, int(found.sum()), int(hits[..., 1].sum()), found.size, round(low, 4), round(high, 4))


def _counted(folder: Path, finder: Finder) -> tuple[int, int, int]:
    """Faces missing, supported boxes too many, and faces there are, on the counted pictures."""
    missing = extra = total = 0
    for path, count in counted(folder):
        faces = finder.detect(read_picture(path))
        supported = sum(face.kind is PersonKind.FACE for face in faces)
        missing += max(0, count - len(faces))
        extra += max(0, supported - count)
        total += count
    return missing, extra, total


def plotted(recall: Sequence[Recall], file: Path) -> None:
    """Recall per condition as bars with intervals, a PNG.

    Raises:
        Unavailable: matplotlib is not installed.
        ArgumentRejected: the file cannot be written.
    """
    from consent_edit.bench.plots import bars

    bars(
        [one.condition for one in recall],
        [one.share for one in recall],
        [(one.low, one.high) for one in recall],
        title="Share of faces found",
        file=file,
    )
