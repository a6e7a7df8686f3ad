"""What one detector saw in one view: boxes, five points and scores, in pixels of that view."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed
from consent_edit.perception.shown import Pixels

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Boxes of one view, in no order.

    Attributes:
        corners: float32 (n, 2, 2): left and top, right and bottom.
        points: float32 (n, 5, 2), ArcFace order.
        scores: float32 (n,), 0 to 1.
    """

    corners: Floats
    points: Floats
    scores: Floats

    def __len__(self) -> int:
        """How many boxes."""
        return len(self.scores)

    def up_to(self, side: float) -> Found:
        """The boxes whose longer side is at most so many pixels of the view."""
        if math.isinf(side):
            return self
        fits = (self.corners[:, 1] - self.corners[:, 0]).max(axis=1) <= side
        return self if fits.all() else Found(self.corners[fits], self.points[fits], self.scores[fits])


class Loaded(Protocol):
    """A model that passed its self-test.

    Attributes:
        role: In models.lock.toml.
        sha256: Of the file that was loaded, hex.
        known_answer: Fingerprint of its answer to the known picture.
    """

    role: str
    sha256: str
    known_answer: tuple[float, ...]


class Family(Protocol):
    """One detector family: the same weights whatever the view."""

    role: str

    def look(self, view: NDArray[np.uint8], threshold: float) -> Found:
        """Every box of an RGB view with at least this score, uint8 (h, w, 3)."""


def finite(role: str, *outputs: Floats) -> None:
    """Refuse answers that are no numbers: a comparison with NaN is false, and nobody would be found.

    A sum is finite only if every term is; it costs less than looking at each.

    Raises:
        CheckFailed: a value is NaN or infinite.
    """
    if not all(math.isfinite(output.sum()) for output in outputs):
        raise CheckFailed(f"the model of role {role} gave no usable answer")


class Planes:
    """Pictures as the ONNX networks take them, in memory that is kept: a large view's is not asked for anew.

    Each thread has its own; what :meth:`of` gives is overwritten by the thread's next call.
    """

    def __init__(self) -> None:
        self._kept = threading.local()

    def of(self, view: Pixels, *, height: int, width: int, bgr: bool = False) -> Pixels:
        """A picture, black beyond its right and bottom.

        Args:
            view: uint8 (h, w, 3) RGB; one whose channels lie apart, in the order asked for, is not copied.
            height: Rows of the result, at least h.
            width: Columns of the result, at least w.
            bgr: Whether blue comes first.

        Returns:
            uint8 (1, 3, height, width).
        """
        rows, columns = view.shape[:2]
        planes = view.transpose(2, 0, 1)[:: -1 if bgr else 1]
        if planes.flags.c_contiguous and (rows, columns) == (height, width):
            return planes[None]
        batch = self._memory(3 * height * width).reshape(1, 3, height, width)
        channels = planes if view.strides[1] == 1 else cv2.split(view)[:: -1 if bgr else 1]
        for place, channel in enumerate(channels):
            batch[0, place, :rows, :columns] = channel
        batch[:, :, rows:] = 0
        batch[:, :, :, columns:] = 0
        return batch

    def _memory(self, count: int) -> Pixels:
        """So many levels, whatever they are."""
        held: Pixels | None = getattr(self._kept, "held", None)
        if held is None or held.size < count:
            held = self._kept.held = np.empty(count, np.uint8)
        return held[:count]
