"""From boxes to faces: which boxes show one face, so that no victim disappears inside a consenting face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.detectors.found import Found
from consent_edit.perception.faces.passes import Detector, DetectorPass
from consent_edit.thresholds import Thresholds

# Points synthesised from four (BlazeFace) or read off a coarse map (CenterFace) stand for a face only when
# YuNet gave none of about the same score.
_TRUST_IN_POINTS: Final = {Detector.YUNET: 1.0, Detector.CENTERFACE: 0.8, Detector.BLAZEFACE: 0.5}


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One box of one pass, in pixels of the whole picture.

    Attributes:
        corners: float32 (2, 2): left and top, right and bottom.
        landmarks: float32 (5, 2), ArcFace order.
        score: 0 to 1; of one family comparable, between families not.
        source: The pass that found it.
    """

    corners: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    source: DetectorPass

    @property
    def name(self) -> str:
        """The pass's name."""
        return self.source.name

    @property
    def detector(self) -> Detector:
        """The pass's family."""
        return self.source.detector

    @property
    def inverted(self) -> bool:
        """Whether the pass inverted the picture."""
        return self.source.view.inverted

    @property
    def wrong_way(self) -> bool:
        """Whether the pass turned or inverted the picture: most pictures are then shown wrongly."""
        return self.inverted or not self.source.view.upright

    @property
    def side(self) -> float:
        """The larger side in pixels."""
        return float((self.corners[1] - self.corners[0]).max())

    @property
    def rank(self) -> float:
        """How far it may stand for the face: its score, by how exact the family's points are."""
        return self.score * _TRUST_IN_POINTS[self.source.detector]


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes given by corners, float32 (2, 2)."""
    low, high = np.maximum(a[0], b[0]), np.minimum(a[1], b[1])
    inner = float(np.prod(np.clip(high - low, 0, None)))
    both = float(np.prod(a[1] - a[0]) + np.prod(b[1] - b[0])) - inner
    return inner / both if both > 0 else 0.0


def strongest(found: Found, limits: Thresholds) -> NDArray[np.intp]:
    """Within one pass, best first: the boxes that repeat no better one.

    Two faces that overlap by half have an intersection over union of a third and both stay.
    """
    if len(found) == 1:
        return np.zeros(1, dtype=np.intp)
    order = np.argsort(-found.scores, kind="stable")
    corners = found.corners[order]
    area = np.clip(corners[:, 1] - corners[:, 0], 0, None).prod(axis=1)
    alive = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    for place in range(len(order)):
        if not alive[place]:
            continue
        kept.append(int(order[place]))
        low = np.maximum(corners[place, 0], corners[:, 0])
        high = np.minimum(corners[place, 1], corners[:, 1])
        inner = np.clip(high - low, 0, None).prod(axis=1)
        alive &= inner <= limits.face_repeat_overlap * np.maximum(area[place] + area - inner, 1e-9)
    return np.array(kept, dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Where boxes lie, one row a box: a crowd has thousands, and each is held against all before it.

    Attributes:
        corners: float32 (n, 2, 2).
        areas: float32 (n,): of the boxes.
        sides: float64 (n,): their larger sides.
        centres: float32 (n, 2): the middles of the boxes.
        middles: float32 (n, 2): the middle of the five points.
        spreads: float32 (n,): root mean square distance of the points from it.
    """

    corners: NDArray[np.float32]
    areas: NDArray[np.float32]
    sides: NDArray[np.float64]
    centres: NDArray[np.float32]
    middles: NDArray[np.float32]
    spreads: NDArray[np.float32]

    @classmethod
    def of(cls, boxes: Sequence[Candidate]) -> _Places:
        """The places of at least one box."""
        corners = np.stack([one.corners for one in boxes])
        points = np.stack([one.landmarks for one in boxes])
        sizes = corners[:, 1] - corners[:, 0]
        middles = points.mean(axis=1)
        distances = ((points - middles[:, None]) ** 2).sum(axis=2).mean(axis=1)
        return cls(
            corners=corners,
            areas=sizes.prod(axis=1),
            sides=sizes.max(axis=1).astype(np.float64),
            centres=corners.mean(axis=1),
            middles=middles,
            spreads=np.maximum(np.sqrt(distances), 1e-6),
        )

    def coinciding(self, rows: NDArray[np.intp], row: int, limits: Thresholds) -> NDArray[np.bool_]:
        """Which of some rows practically lie on one row: the same face whoever it is.

        Judged by the boxes, or by the middle and the spread of the five points: families draw their boxes
        differently, and a turned view may read an upright face upside down.
        """
        inner = self._inner(rows, row)
        both = self.areas[rows] + self.areas[row] - inner
        large = np.maximum(self.spreads[rows], self.spreads[row])
        small = np.minimum(self.spreads[rows], self.spreads[row])
        offset = self.middles[rows] - self.middles[row]
        near = np.hypot(offset[:, 0], offset[:, 1]) < limits.face_coincide_offset * small
        alike = large < limits.face_coincide_size_ratio * small
        covering = inner > limits.face_coincide_overlap * np.maximum(both, 1e-9)
        return np.asarray(covering | (near & alike), dtype=np.bool_)

    def sharing(self, rows: NDArray[np.intp], row: int, limits: Thresholds) -> NDArray[np.bool_]:
        """Which of some rows may show the face of one row: of similar size, and overlapping or near centres.

        A small face inside a large one is never the same: a victim must not vanish inside a consenting face.
        """
        large = np.maximum(self.sides[rows], self.sides[row])
        small = np.minimum(self.sides[rows], self.sides[row])
        alike = large < limits.face_merge_size_ratio * np.maximum(small, 1e-6)
        inner = self._inner(rows, row).astype(np.float64)
        both = (self.areas[rows] + self.areas[row]).astype(np.float64) - inner
        covering = inner / np.where(both > 0, both, np.inf) > limits.face_merge_overlap
        offset = self.centres[rows] - self.centres[row]
        near = np.hypot(offset[:, 0], offset[:, 1]) < limits.face_merge_offset * large
        return np.asarray(alike & (covering | near), dtype=np.bool_)

    def _inner(self, rows: NDArray[np.intp], row: int) -> NDArray[np.float32]:
        """Area that each of some boxes shares with one."""
        low = np.maximum(self.corners[rows, 0], self.corners[row, 0])
        high = np.minimum(self.corners[rows, 1], self.corners[row, 1])
        return np.asarray(np.clip(high - low, 0, None).prod(axis=1), dtype=np.float32)


def coincide(a: Candidate, b: Candidate, limits: Thresholds) -> bool:
    """Whether two boxes practically lie on each other."""
    return bool(_Places.of((a, b)).coinciding(np.array([0]), 1, limits)[0])


def same_place(a: Candidate, b: Candidate, limits: Thresholds) -> bool:
    """Whether two boxes may show one face: of similar size, and overlapping or with near centres."""
    return bool(_Places.of((a, b)).sharing(np.array([0]), 1, limits)[0])


def merged(
    found: Sequence[Candidate],
    limits: Thresholds,
    same_person: Callable[[Sequence[Candidate], Sequence[Candidate]], bool],
) -> list[list[Candidate]]:
    """Gather boxes into faces.

    1. Boxes that practically coincide with a better one join it.
    2. What then stands for a face joins a stronger one in the same place only if both show one person.

    Args:
        found: Boxes of all passes.
        limits: The operating thresholds.
        same_person: Whether two groups, the stronger first, show one person; asked only in step 2.

    Returns:
        Groups, strongest first; in each the best ranked box first.
    """
    groups = _coinciding_groups(sorted(found, key=lambda item: -item.rank), limits)
    if not groups:
        return []
    groups.sort(key=lambda each: -_strength(each))
    places = _Places.of([group[0] for group in groups])
    firsts = np.empty(len(groups), dtype=np.intp)
    faces: list[list[Candidate]] = []
    for row, group in enumerate(groups):
        near = np.flatnonzero(places.sharing(firsts[: len(faces)], row, limits)).tolist()
        home = next((faces[at] for at in near if same_person(faces[at], group)), None)
        if home is None:
            firsts[len(faces)] = row
            faces.append(group)
        else:
            home += group
    return faces


def _coinciding_groups(ranked: Sequence[Candidate], limits: Thresholds) -> list[list[Candidate]]:
    """Step 1: each box, best ranked first, joins the first group on whose first box it lies."""
    if not ranked:
        return []
    places = _Places.of(ranked)
    firsts = np.empty(len(ranked), dtype=np.intp)
    groups: list[list[Candidate]] = []
    for row, one in enumerate(ranked):
        homes = np.flatnonzero(places.coinciding(firsts[: len(groups)], row, limits))
        if homes.size:
            groups[homes[0]].append(one)
        else:
            firsts[len(groups)] = row
            groups.append([one])
    return groups


def kinds_of(group: Sequence[Candidate]) -> int:
    """How many kinds of pass found a group."""
    return len({member.source.kind for member in group})


def width_of(group: Sequence[Candidate]) -> float:
    """Width of the widest box of a group in pixels, so that doubt counts as recognisable."""
    return max(float(member.corners[1, 0] - member.corners[0, 0]) for member in group)


def _strength(group: Sequence[Candidate]) -> float:
    """How sure a group is: its kinds of pass, then the best rank."""
    return kinds_of(group) + group[0].rank
