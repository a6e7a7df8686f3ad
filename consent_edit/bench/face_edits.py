"""Repaints of a face: features turned, the face narrowed, swapped, or blended with another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.edits import Pixels, Subject, bent, mixed


def _oval(subject: Subject, grow: float = 0.5) -> NDArray[np.float64]:
    """The middle of the face, soft, float64 (H, W, 1)."""
    x, y, width, height = subject.box
    spot = np.zeros(subject.body.shape, dtype=np.float32)
    centre = (round(x + width / 2), round(y + height / 2))
    cv2.ellipse(
        spot,
        centre,
        (max(2, round(width * grow * 0.85)), max(2, round(height * grow * 0.9))),
        0,
        0,
        360,
        1.0,
        -1,
    )
    return np.asarray(cv2.GaussianBlur(spot, (0, 0), max(0.8, width / 25)), dtype=np.float64)[..., None]


def _other_face(subject: Subject) -> Pixels:
    """The other person's face laid over this one's landmarks."""
    matrix, _ = cv2.estimateAffinePartial2D(subject.other_landmarks, subject.landmarks)
    size = (subject.pixels.shape[1], subject.pixels.shape[0])
    laid = cv2.warpAffine(subject.other, matrix, size, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(laid, dtype=np.uint8)


def _blend(share: float) -> Callable[[Subject], Pixels]:
    def edit(subject: Subject) -> Pixels:
        return mixed(subject.pixels, _matched(subject), share * _oval(subject))

    return edit


def _matched(subject: Subject) -> NDArray[np.float64]:
    """The other face with this face's mean and spread of colour."""
    where = _oval(subject)[..., 0] > 0.5
    laid = _other_face(subject).astype(np.float64)
    here, there = subject.pixels[where].astype(np.float64), laid[where]
    gain = (here.std(axis=0) + 1) / (there.std(axis=0) + 1)
    return np.asarray((laid - there.mean(axis=0)) * gain + here.mean(axis=0), dtype=np.float64)


def poisson_swapped(subject: Subject) -> Pixels:
    """The other person's face, blended in seamlessly."""
    hole = np.asarray(_oval(subject)[..., 0] > 0.5, dtype=np.uint8) * 255
    hole[[0, -1]] = 0
    hole[:, [0, -1]] = 0
    rows, columns = np.nonzero(hole)
    centre = (int((columns.min() + columns.max()) // 2), int((rows.min() + rows.max()) // 2))
    laid = np.ascontiguousarray(_matched(subject).clip(0, 255).astype(np.uint8))
    return np.asarray(cv2.seamlessClone(laid, subject.pixels, hole, centre, cv2.NORMAL_CLONE), dtype=np.uint8)


def _feature(first: int, second: int) -> Callable[[Subject], Pixels]:
    """An edit that turns the feature around two landmarks upside down."""

    def edit(subject: Subject) -> Pixels:
        spot = np.zeros(subject.body.shape, dtype=np.float32)
        centre = subject.landmarks[[first, second]].mean(axis=0)
        width = float(np.linalg.norm(subject.landmarks[first] - subject.landmarks[second]))
        reach = (max(2, round(width * 0.6)), max(2, round(subject.box[3] * 0.1)))
        cv2.ellipse(spot, (round(float(centre[0])), round(float(centre[1]))), reach, 0, 0, 360, 1.0, -1)
        where = np.asarray(cv2.GaussianBlur(spot, (0, 0), max(0.6, reach[1] / 5)), dtype=np.float64)[
            ..., None
        ]
        rows, columns = np.nonzero(where[..., 0] > 0.02)
        paint = subject.pixels.copy()
        part = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        paint[part] = paint[part][::-1]
        return mixed(subject.pixels, paint, where)

    return edit


def face_narrowed(subject: Subject) -> Pixels:
    """The face drawn in by about 5 %."""
    x, y, width, height = subject.box
    return bent(subject.pixels, (x + width / 2, y + height / 2), width / 2, 0.08, across=True)


FACE_REPAINTS: Final[Mapping[str, Callable[[Subject], Pixels]]] = {
    "mouth turned": _feature(3, 4),
    "eyes turned": _feature(0, 1),
    "face narrowed": face_narrowed,
    "face swapped": poisson_swapped,
    "another face, half": _blend(0.5),
    "another face, a third": _blend(0.33),
}
"""Repaints of a face."""
