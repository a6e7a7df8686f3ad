"""From boxes to faces: which boxes show one face, so that no victim disappears inside a consenting face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.detectors.found import Found
from consent_edit.perception.passes import Detector
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
        name: The pass's name.
        kind: The pass's family and kind of view.
        detector: The pass's family.
        turned: Whether the pass turned the picture.
    """

    corners: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    name: str
    kind: str
    detector: Detector
    turned: bool

    @property
    def side(self) -> float:
        """The larger side in pixels."""
        return float((self.corners[1] - self.corners[0]).max())

    @property
    def rank(self) -> float:
        """How far its box and points may stand for the face: the score, by how exact the family's points are."""
        return self.score * _TRUST_IN_POINTS[self.detector]


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


def coincide(a: Candidate, b: Candidate, limits: Thresholds) -> bool:
    """Whether two boxes practically lie on each other: the same face whoever it is.

    Judged by the boxes, or by the middle and the spread of the five points: families draw their boxes
    differently, and a turned view may read an upright face upside down.
    """
    if overlap(a.corners, b.corners) > limits.face_coincide_overlap:
        return True
    middle_a, middle_b = a.landmarks.mean(axis=0), b.landmarks.mean(axis=0)
    spread_a, spread_b = _spread(a, middle_a), _spread(b, middle_b)
    large, small = max(spread_a, spread_b), min(spread_a, spread_b)
    near = float(np.hypot(*(middle_a - middle_b))) < limits.face_coincide_offset * small
    return near and large < limits.face_coincide_size_ratio * small


def _spread(one: Candidate, middle: NDArray[np.float32]) -> float:
    """Root mean square distance of the five points from their middle, pixels."""
    return max(float(np.sqrt(((one.landmarks - middle) ** 2).sum(axis=1).mean())), 1e-6)


def same_place(a: Candidate, b: Candidate, limits: Thresholds) -> bool:
    """Whether two boxes may show one face: of similar size, and overlapping or with near centres.

    A small face inside a large one is never the same: a victim must not vanish inside a consenting face.
    """
    large, small = max(a.side, b.side), min(a.side, b.side)
    if large >= limits.face_merge_size_ratio * max(small, 1e-6):
        return False
    if overlap(a.corners, b.corners) > limits.face_merge_overlap:
        return True
    offset = float(np.hypot(*(a.corners.mean(axis=0) - b.corners.mean(axis=0))))
    return offset < limits.face_merge_offset * large


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
    groups: list[list[Candidate]] = []
    for one in sorted(found, key=lambda item: -item.rank):
        home = next((group for group in groups if coincide(group[0], one, limits)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    faces: list[list[Candidate]] = []
    for group in sorted(groups, key=lambda each: -_strength(each)):
        home = next(
            (
                face
                for face in faces
                if same_place(face[0], group[0], limits) and same_person(face, group)
            ),
            None,
        )
        if home is None:
            faces.append(group)
        else:
            home += group
    return faces


def kinds_of(group: Sequence[Candidate]) -> int:
    """How many kinds of pass found a group."""
    return len({member.kind for member in group})


def _strength(group: Sequence[Candidate]) -> float:
    """How sure a group is: its kinds of pass, then the best rank."""
    return kinds_of(group) + group[0].rank
