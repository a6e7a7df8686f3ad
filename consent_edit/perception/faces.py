"""Faces: one detector over many views; what enough of them support is a face, the rest a possible face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.models import ModelStore
from consent_edit.perception.observation import Box, ModelUse
from consent_edit.perception.passes import PASSES, DetectorPass, resized, to_picture, view
from consent_edit.perception.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import PersonKind, Recognisable

ROLE: Final = "face-detection"

_STRIDES: Final = (8, 16, 32)
_TILE: Final = 2048
_TILE_OVERLAP: Final = 256
_KINDS: Final = {one.name: one.kind for one in PASSES}


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One box of one pass, in pixels of the whole picture.

    Attributes:
        corners: float32 (2, 2): left and top, right and bottom.
        landmarks: float32 (5, 2), ArcFace order.
    """

    corners: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    name: str

    @property
    def side(self) -> float:
        """The larger side in pixels."""
        return float((self.corners[1] - self.corners[0]).max())


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """Boxes of several passes that show one face.

    Attributes:
        members: Best score first; the first one's box and landmarks stand for the face.
        kind: ``FACE`` when enough passes or a high score support it, else ``POSSIBLE_FACE``.
    """

    members: tuple[Candidate, ...]
    kind: PersonKind
    recognisable: Recognisable

    @property
    def box(self) -> Box:
        """The best member's box."""
        (left, top), (right, bottom) = self.members[0].corners.tolist()
        return Box(left, top, right - left, bottom - top)

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """The best member's five points."""
        return self.members[0].landmarks

    @property
    def score(self) -> float:
        """The best member's score."""
        return self.members[0].score

    @property
    def passes(self) -> tuple[str, ...]:
        """Names of the passes that found it, in the order of the list."""
        names = {member.name for member in self.members}
        return tuple(one.name for one in PASSES if one.name in names)


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes given by corners, float32 (2, 2)."""
    low, high = np.maximum(a[0], b[0]), np.minimum(a[1], b[1])
    inner = float(np.prod(np.clip(high - low, 0, None)))
    both = float(np.prod(a[1] - a[0]) + np.prod(b[1] - b[0])) - inner
    return inner / both if both > 0 else 0.0


def same_place(a: Candidate, b: Candidate, limits: Thresholds) -> bool:
    """Whether two boxes show one face: of similar size, and overlapping or with near centres.

    A small face inside a large one is never the same: a victim must not vanish inside a consenting face.
    """
    large, small = max(a.side, b.side), min(a.side, b.side)
    if large >= limits.face_merge_size_ratio * max(small, 1e-6):
        return False
    if overlap(a.corners, b.corners) > limits.face_merge_overlap:
        return True
    offset = float(np.linalg.norm(a.corners.mean(axis=0) - b.corners.mean(axis=0)))
    return offset < limits.face_merge_offset * large


def _suppressed(found: Sequence[Candidate], limits: Thresholds) -> list[Candidate]:
    """Within one pass, best first: boxes that repeat a better one are dropped."""
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda item: -item.score):
        if not any(overlap(one.corners, other.corners) > limits.face_merge_overlap for other in kept):
            kept.append(one)
    return kept


def merged(found: Sequence[Candidate], limits: Thresholds) -> tuple[DetectedFace, ...]:
    """Gather the passes' boxes into faces, and say which are supported."""
    groups: list[list[Candidate]] = []
    for one in sorted(found, key=lambda item: -item.score):
        home = next((group for group in groups if same_place(group[0], one, limits)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return tuple(_face(group, limits) for group in groups)


def _face(group: Sequence[Candidate], limits: Thresholds) -> DetectedFace:
    """One face of its boxes; size by the largest of them, so that doubt counts as recognisable."""
    kinds = {_KINDS[member.name] for member in group}
    supported = len(kinds) >= limits.face_support_kinds or group[0].score >= limits.face_support_score
    width = max(float(member.corners[1, 0] - member.corners[0, 0]) for member in group)
    return DetectedFace(
        members=tuple(group),
        kind=PersonKind.FACE if supported else PersonKind.POSSIBLE_FACE,
        recognisable=Recognisable.YES if width >= limits.face_recognisable_width else Recognisable.NO,
    )


def _tiles(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Top and left of the tiles that cover a view; one tile when it is small enough."""
    step = _TILE - _TILE_OVERLAP
    for top in range(0, max(height - _TILE_OVERLAP, 1), step):
        for left in range(0, max(width - _TILE_OVERLAP, 1), step):
            yield top, left


class FaceDetector:
    """YuNet over the fixed list of views.

    Args:
        store: Where the weights are.
        limits: The operating thresholds.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        file = store.load(ROLE)
        self._limits = limits
        self._model = OnnxModel(file.data, free_axes=(2, 3))
        answer = self._self_test_answer()
        require_known_answer(store, ROLE, answer)
        self.known_answers = {ROLE: fingerprint(answer)}
        self.uses: tuple[ModelUse, ...] = (
            ModelUse(ROLE, file.sha256, threshold=limits.face_support_score, self_test=True),
        )

    def _self_test_answer(self) -> NDArray[np.float32]:
        """All raw outputs for the known picture."""
        raw = self._raw(known_picture(128, 160))
        return np.concatenate([raw[name].ravel() for name in sorted(raw)]).astype(np.float32)

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """Every face, best score first.

        Args:
            pixels: (H, W, 3) uint8 RGB.
        """
        picture = np.ascontiguousarray(pixels[:, :, ::-1])
        long_side = max(picture.shape[:2])
        found: list[Candidate] = []
        sizes: dict[int, NDArray[np.uint8]] = {}
        for one in PASSES:
            if long_side <= one.above:
                continue
            if one.long_side not in sizes:
                sizes[one.long_side] = resized(picture, one.long_side)
            found += self._look(sizes[one.long_side], one, picture.shape[:2])
        return merged(found, self._limits)

    def _look(self, small: NDArray[np.uint8], one: DetectorPass, full: tuple[int, ...]) -> list[Candidate]:
        """The boxes of one pass, in pixels of the whole picture."""
        shown = view(small, one)
        size, whole = (small.shape[0], small.shape[1]), (full[0], full[1])
        found: list[Candidate] = []
        for top, left in _tiles(*shown.shape[:2]):
            for points, score in self._boxes(shown[top : top + _TILE, left : left + _TILE], one.threshold):
                moved = to_picture(points + np.array([left, top], dtype=np.float32), one, size, whole)
                corners = np.stack([moved[:2].min(axis=0), moved[:2].max(axis=0)])
                found.append(Candidate(corners, moved[2:], score, one.name))
        return _suppressed(found, self._limits)

    def _raw(self, shown: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The network's outputs for a BGR view, padded to whole strides at the right and bottom."""
        height, width = shown.shape[:2]
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        padded[:height, :width] = shown
        return self._model.run(padded.transpose(2, 0, 1)[None])

    def _boxes(
        self, shown: NDArray[np.uint8], threshold: float
    ) -> Iterator[tuple[NDArray[np.float32], float]]:
        """Per box above the threshold: corners and five points, float32 (7, 2) in the view, and the score."""
        raw = self._raw(shown)
        columns_at_8 = -(-shown.shape[1] // 32) * 4
        for stride in _STRIDES:
            certain = np.clip(raw[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(
                raw[f"obj_{stride}"][0, :, 0], 0, 1
            )
            scores = np.sqrt(certain)
            columns = columns_at_8 * 8 // stride
            for index in np.flatnonzero(scores >= threshold):
                cell = np.array([index % columns, index // columns], dtype=np.float32)
                shift, size = raw[f"bbox_{stride}"][0, index].reshape(2, 2)
                centre, half = (cell + shift) * stride, np.exp(size) * stride / 2
                points = (raw[f"kps_{stride}"][0, index].reshape(5, 2) + cell) * stride
                yield (
                    np.concatenate([[centre - half, centre + half], points]).astype(np.float32),
                    float(scores[index]),
                )
