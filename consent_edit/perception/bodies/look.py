"""People whose face was not found: what the person detector sees and no face explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.bodies.pose import ROLE as POSE_ROLE
from consent_edit.perception.bodies.pose import PoseDetector, PoseHit, View, distinct, square_of
from consent_edit.perception.bodies.silhouette import ROLE as REGION_ROLE
from consent_edit.perception.bodies.silhouette import Silhouette
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import BodyObservation, Box, FaceObservation, ModelUse
from consent_edit.perception.shown import Pixels, Shown
from consent_edit.thresholds import Thresholds

_POSE: Final = "pose"
_SILHOUETTE: Final = "silhouette"
_SIDE: Final = 640  # pixels: the longer side that is looked at
_TILE: Final = 0.65  # side of a tile, as a share of the picture's longer side
_STRONG: Final = 0.88  # a hit that is a person of its own, whatever else is found along that body
_SAME: Final = 0.6  # intersection over union from which two bodies are one
_TURNS: Final = (0, 1, 3)  # quarter turns of the whole picture


class BodyFinder:
    """Finds people without a face.

    The person detector looks at the whole picture, mirrored and turned either way, and at four overlapping
    tiles. A hit counts on its own when it is strong, and when it is weak if the person-region model sees
    somebody there as well. Hits that a face explains are that face's person.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        self._limits = limits
        self._pose = PoseDetector(store)
        self._silhouette = Silhouette(store)
        self.known_answers = {**self._pose.known_answers, **self._silhouette.known_answers}
        self.uses = (
            ModelUse(POSE_ROLE, self._pose.sha256, threshold=limits.body_pose, self_test=True),
            ModelUse(REGION_ROLE, self._silhouette.sha256, threshold=limits.body_region, self_test=True),
        )

    def find(self, picture: Shown | Pixels, faces: Sequence[FaceObservation]) -> tuple[BodyObservation, ...]:
        """People whose face is none of those found, best first.

        Args:
            picture: (H, W, 3) uint8 RGB.
            faces: The faces found there.

        Raises:
            CheckFailed: an answer is no number.
        """
        shown = Shown.of(picture)
        full = shown.size
        pixels = shown.averaged(_SIDE) if max(full) > _SIDE else shown.pixels
        height, width = pixels.shape[:2]
        scale = (full[0] / width, full[1] / height)
        faces = [_moved(face, 1 / scale[0], 1 / scale[1]) for face in faces]
        likely = self._silhouette.of(pixels) > self._limits.body_region
        counted = []
        for hit in self.hits(pixels):
            seen = _supported(hit, likely, (width, height)) >= self._limits.body_silhouette
            if hit.score >= self._limits.body_pose or seen:
                counted.append((hit, (_POSE, _SILHOUETTE) if seen else (_POSE,)))
        signs = dict(counted)
        people = distinct(unexplained([hit for hit, _ in counted], faces))
        bodies = _apart([_body(hit, signs[hit], (width, height)) for hit in people])
        return tuple(replace(body, box=body.box.scaled(*scale)) for body in bodies)

    def hits(self, pixels: NDArray[np.uint8]) -> list[PoseHit]:
        """Everybody the person detector sees in any view, the same person in several."""
        least = self._limits.body_pose_supported
        height, width = pixels.shape[:2]
        side = float(max(height, width))
        left, top = (width - side) / 2, (height - side) / 2
        views = [View(left, top, side, turns) for turns in _TURNS] + [View(left, top, side, mirrored=True)]
        whole = square_of(pixels, views[0])
        found = [hit for view in views for hit in self._pose.look(whole, view, least)]
        for view in _tiles(width, height, side * _TILE):
            found += self._pose.look(square_of(pixels, view), view, least)
        return found


def _moved(face: FaceObservation, x: float, y: float) -> FaceObservation:
    """A face in the picture ``x`` times as wide and ``y`` times as high."""
    scale = np.array([x, y], dtype=np.float32)
    return replace(face, box=face.box.scaled(x, y), landmarks=face.landmarks * scale)


def _tiles(width: int, height: int, side: float) -> list[View]:
    """Square tiles in the corners; one across where the picture is no wider than a tile."""
    across = [0.0, width - side] if width > side else [(width - side) / 2]
    along = [0.0, height - side] if height > side else [(height - side) / 2]
    return [View(left, top, side) for left in across for top in along]


def _supported(hit: PoseHit, likely: NDArray[np.bool_], size: tuple[int, int]) -> float:
    """Share of the torso that the silhouette shows."""
    low = np.minimum(hit.shoulders, hit.hips) - np.array([0.35, 0.1]) * hit.torso
    high = np.maximum(hit.shoulders, hit.hips) + np.array([0.35, 0.1]) * hit.torso
    cells = np.array([likely.shape[1], likely.shape[0]])
    first = np.clip((low / size * cells).astype(int), 0, cells - 1)
    last = np.maximum(np.clip((high / size * cells).astype(int), 1, cells), first + 1)
    return float(likely[first[1] : last[1], first[0] : last[0]].mean())


def unexplained(hits: Sequence[PoseHit], faces: Sequence[FaceObservation]) -> list[PoseHit]:
    """The hits that are no found face's person.

    A face explains a hit at whose head it is. What is then found again along that very body (a tile that
    shows legs only takes hips for shoulders) is the same person, unless it is a strong hit of its own.
    """
    rest: list[PoseHit] = []
    bodies: list[PoseHit] = []
    for hit in hits:
        (bodies if any(_is_head(face, hit) for face in faces) else rest).append(hit)
    return [
        hit
        for hit in rest
        if hit.score >= _STRONG
        or not (any(_along(hit, body) for body in bodies) or any(_under(hit, face) for face in faces))
    ]


def _apart(bodies: Sequence[BodyObservation]) -> tuple[BodyObservation, ...]:
    """The bodies without those that lie mostly over a better one."""
    kept: list[BodyObservation] = []
    for body in bodies:
        if all(body.box.overlap(other.box) <= _SAME for other in kept):
            kept.append(body)
    return tuple(kept)


def _is_head(face: FaceObservation, hit: PoseHit) -> bool:
    """Whether a face is where a hit's head is: from the shoulders away from the hips, by up to a torso."""
    centre = np.array([face.box.x + face.box.width / 2, face.box.y + face.box.height / 2])
    shoulders, torso = np.array(hit.shoulders), max(hit.torso, 1.0)
    up = (shoulders - np.array(hit.hips)) / torso
    reach = float(np.clip((centre - shoulders) @ up, 0.0, torso))
    away = float(np.linalg.norm(centre - shoulders - reach * up))
    return away <= max(0.5 * torso, 0.9 * face.box.height)


def _along(hit: PoseHit, body: PoseHit) -> bool:
    """Whether a hit's shoulders lie on another's torso or legs, and it is no larger."""
    start, torso = np.array(body.shoulders), max(body.torso, 1.0)
    down = (np.array(body.hips) - start) / torso
    offset = np.array(hit.shoulders) - start
    along = float(offset @ down)
    aside = float(np.linalg.norm(offset - along * down))
    return -0.5 * torso <= along <= 2.5 * torso and aside <= 0.5 * torso and hit.torso <= 1.5 * torso


def _under(hit: PoseHit, face: FaceObservation) -> bool:
    """Whether a hit's shoulders lie under a face as that face's own would."""
    points = face.landmarks.astype(np.float64)
    down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    length = float(np.linalg.norm(down))
    if not np.isfinite(length) or length == 0:
        return False
    down /= length
    offset = np.array(hit.shoulders) - np.array(
        [face.box.x + face.box.width / 2, face.box.y + face.box.height / 2]
    )
    aside = abs(float(offset @ np.array([-down[1], down[0]])))
    return -0.5 <= float(offset @ down) / face.box.height <= 3.5 and aside <= 1.3 * face.box.width


def _body(hit: PoseHit, signs: tuple[str, ...], size: tuple[int, int]) -> BodyObservation:
    """The body around a torso: a head's length above the shoulders, and legs below the hips."""
    shoulders, hips, torso = np.array(hit.shoulders), np.array(hit.hips), max(hit.torso, 1.0)
    down = (hips - shoulders) / torso
    ends = np.stack([shoulders - 0.9 * torso * down, hips + 1.6 * torso * down])
    aside = 0.7 * torso * np.abs(down[::-1]) + 0.1 * torso
    low = np.clip(ends.min(axis=0) - aside, 0, np.array(size) - 1)
    high = np.clip(ends.max(axis=0) + aside, low + 1, size)
    box = Box(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return BodyObservation(box=box, score=hit.score, signs=signs)
