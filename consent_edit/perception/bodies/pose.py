"""The person detector: where shoulders and hips of people are, over views of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore

ROLE: Final = "person-pose"

_SIDE: Final = 224
_STRIDES: Final = ((8, 2), (16, 2), (32, 6))  # anchors a cell: the graph's own layout, 2254 in all
_HIPS, _SHOULDERS = 4, 8  # columns of the two key points used; 6 and 10 are circles around the body

_TURNED: Final = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """A square part of a picture, turned before it is looked at.

    Attributes:
        left: Its left edge in the picture, pixels; may lie outside.
        top: Its top edge.
        side: Its side.
        turns: Quarter turns counter-clockwise.
        mirrored: Whether left and right are exchanged, before it is turned.
    """

    left: float
    top: float
    side: float
    turns: int = 0
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class PoseHit:
    """One person as the detector sees it, in pixels of the picture.

    Attributes:
        score: 0 to 1.
        shoulders: Middle between the shoulders.
        hips: Middle between the hips; may lie outside the picture.
    """

    score: float
    shoulders: tuple[float, float]
    hips: tuple[float, float]

    @property
    def torso(self) -> float:
        """Length from shoulders to hips, pixels."""
        return float(np.hypot(self.hips[0] - self.shoulders[0], self.hips[1] - self.shoulders[1]))


def _anchors() -> Floats:
    """Centres of the detector's anchors as shares of the view, float32 (2254, 2)."""
    grids = []
    for stride, each in _STRIDES:
        cells = _SIDE // stride
        rows, columns = np.mgrid[0:cells, 0:cells]
        centres = (np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) / cells
        grids.append(np.repeat(centres, each, axis=0))
    return np.concatenate(grids).astype(np.float32)


class PoseDetector:
    """BlazePose's person detector.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore) -> None:
        file = store.load(ROLE)
        self.sha256 = file.sha256
        self._model = store.backend.litert(file.data)
        self._anchors = _anchors()
        known = known_picture(_SIDE, _SIDE).astype(np.float32)[None] / np.float32(255)
        answers = self._model.run(known)
        answer = np.concatenate([answers[name].ravel() for name in sorted(answers)])
        answer = np.asarray(answer / np.float32(100), dtype=np.float32)
        require_known_answer(store, ROLE, answer)
        self.known_answers = {ROLE: fingerprint(answer)}

    def look(self, square: NDArray[np.uint8], view: View, least: float) -> list[PoseHit]:
        """People in one view, best first, none twice.

        Args:
            square: What :func:`square_of` gives for the view's place; views of one place share it.
            view: The view.
            least: Score from which a hit is told.

        Raises:
            CheckFailed: an answer is no number.
        """
        shown = cv2.flip(square, 1) if view.mirrored else square
        shown = cv2.rotate(shown, _TURNED[view.turns]) if view.turns else shown
        answers = self._model.run(np.divide(np.asarray(shown, dtype=np.uint8)[None], np.float32(255)))
        scores, rows = _told(list(answers.values()))
        keep = np.flatnonzero(scores >= least)
        keep = keep[np.argsort(-scores[keep])]
        centres = self._anchors[keep]
        found: list[PoseHit] = []
        for score, centre, row in zip(scores[keep], centres, rows[keep], strict=True):
            shoulders = _placed(centre + row[_SHOULDERS : _SHOULDERS + 2] / _SIDE, view)
            hips = _placed(centre + row[_HIPS : _HIPS + 2] / _SIDE, view)
            found.append(PoseHit(float(score), shoulders, hips))
        return distinct(found)


def _told(answers: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The scores, 0 to 1, and the coordinate rows of a run."""
    logits = next(answer for answer in answers if answer.shape[-1] == 1).ravel()
    rows = next(answer for answer in answers if answer.shape[-1] != 1)
    rows = rows.reshape(len(logits), -1)
    if not (np.isfinite(logits).all() and np.isfinite(rows).all()):
        raise CheckFailed("the person detector gave no number")
    return (1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -80, 80)))).astype(np.float32), rows


def square_of(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """What lies at a view's place, at the detector's size, black beyond the picture; not yet turned.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        view: The place.

    Returns:
        uint8 (224, 224, 3).
    """
    height, width = pixels.shape[:2]
    left, top = max(0, round(view.left)), max(0, round(view.top))
    right, bottom = min(width, round(view.left + view.side)), min(height, round(view.top + view.side))
    canvas = np.zeros((_SIDE, _SIDE, 3), dtype=np.uint8)
    factor = _SIDE / view.side
    size = (max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(pixels[top:bottom, left:right], size, interpolation=how)
    x = min(max(0, round((left - view.left) * factor)), _SIDE - 1)
    y = min(max(0, round((top - view.top) * factor)), _SIDE - 1)
    part = small[: _SIDE - y, : _SIDE - x]
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas


def _placed(share: Floats, view: View) -> tuple[float, float]:
    """A point of a view, as shares, in pixels of the picture."""
    x, y = float(share[0]), float(share[1])
    for _ in range(view.turns % 4):
        x, y = 1 - y, x
    x = 1 - x if view.mirrored else x
    return view.left + x * view.side, view.top + y * view.side


def distinct(hits: Sequence[PoseHit]) -> list[PoseHit]:
    """The hits without those that a better one already tells: shoulders and hips within half a torso."""
    kept: list[PoseHit] = []
    for hit in sorted(hits, key=lambda one: -one.score):
        if not any(_same(hit, other) for other in kept):
            kept.append(hit)
    return kept


def _same(one: PoseHit, other: PoseHit) -> bool:
    """Whether two hits are one person."""
    reach = 0.5 * max(one.torso, other.torso, 1.0)
    near = np.hypot(one.shoulders[0] - other.shoulders[0], one.shoulders[1] - other.shoulders[1])
    return bool(near < reach)
