"""The fixed list of detector passes: which views of a picture the detector looks at, how sure it must be.

The list is the cheapest union found on 104 faces under 97 conditions (noise, darkness, turns, tiny sizes,
cover), without the passes that need another family. It is part of the check, never a setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DetectorPass:
    """One look at a picture.

    Attributes:
        name: What a box's ``passes`` record.
        long_side: The picture's long side is brought to this many pixels, up or down.
        threshold: Least detector score, 0 to 1.
        blur: Sigma of the Gaussian in pixels after the resize; 0 for none.
        opening: Side of the square of a grey opening; 0 for none.
        levels: Whether the luma range from 1 to 99 % is stretched.
        inverted: Whether the colours are inverted.
        turn: Quarter turns against the clock before looking.
        border: Grey border on each side as a share of the side: finds a face that fills the frame.
        above: The pass runs only on pictures whose long side is above this.
    """

    name: str
    long_side: int
    threshold: float
    blur: float = 0.0
    opening: int = 0
    levels: bool = False
    inverted: bool = False
    turn: int = 0
    border: float = 0.0
    above: int = 0

    @property
    def kind(self) -> str:
        """The disguise this pass sees through: passes of one kind err alike, so they support a box as one."""
        if self.turn:
            return f"turn{self.turn}"
        marks = (
            ("inverted", self.inverted),
            ("opening", self.opening),
            ("blur", self.blur),
            ("levels", self.levels),
        )
        return next((name for name, used in marks if used), "plain")


PASSES: Final[tuple[DetectorPass, ...]] = (
    DetectorPass("160", 160, 0.4),
    DetectorPass("160-border", 160, 0.4, border=0.5),
    DetectorPass("160-blur3-levels", 160, 0.5, blur=3.0, levels=True),
    DetectorPass("160-blur2-levels", 160, 0.5, blur=2.0, levels=True),
    DetectorPass("160-levels-inverted", 160, 0.4, levels=True, inverted=True),
    DetectorPass("320-levels", 320, 0.4, levels=True),
    DetectorPass("320-blur2-levels", 320, 0.4, blur=2.0, levels=True),
    DetectorPass("320-opening9-blur1.5-levels", 320, 0.5, blur=1.5, opening=9, levels=True),
    DetectorPass("320-blur5", 320, 0.45, blur=5.0),
    DetectorPass("320-levels-inverted", 320, 0.4, levels=True, inverted=True),
    DetectorPass("320-turn1", 320, 0.45, turn=1),
    DetectorPass("320-turn2", 320, 0.45, turn=2),
    DetectorPass("320-turn3", 320, 0.45, turn=3),
    DetectorPass("640", 640, 0.5),
    DetectorPass("640-levels", 640, 0.5, levels=True),
    DetectorPass("640-turn1", 640, 0.5, turn=1),
    DetectorPass("640-turn2", 640, 0.5, turn=2),
    DetectorPass("640-turn3", 640, 0.5, turn=3),
    DetectorPass("1280", 1280, 0.5, above=700),
    DetectorPass("2048", 2048, 0.55, above=1280),
    DetectorPass("4096", 4096, 0.6, above=2048),
)
"""The must-run set. The last three keep a face of 20 px findable in pictures the others shrink too far."""


def _stretched(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The luma range between its 1st and 99th percentile spread over 0 to 255, the same for each channel."""
    luma = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    low, high = np.percentile(luma, (1, 99))
    table = np.clip((np.arange(256) - low) * (255.0 / max(high - low, 1.0)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table), dtype=np.uint8)


def resized(picture: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """The picture with its long side brought to ``long_side`` pixels, at least 1 px each way."""
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=how), dtype=np.uint8)


def view(small: NDArray[np.uint8], one: DetectorPass) -> NDArray[np.uint8]:
    """What the detector is shown in one pass.

    Args:
        small: (h, w, 3) uint8 BGR, already resized to the pass's long side.
    """
    shown = small
    if one.opening:
        shown = cv2.morphologyEx(shown, cv2.MORPH_OPEN, np.ones((one.opening, one.opening), np.uint8))
    if one.blur:
        shown = cv2.GaussianBlur(shown, (0, 0), one.blur)
    if one.levels:
        shown = _stretched(shown)
    if one.inverted:
        shown = 255 - shown
    if one.border:
        edge_y, edge_x = (round(side * one.border) for side in small.shape[:2])
        shown = cv2.copyMakeBorder(
            shown, edge_y, edge_y, edge_x, edge_x, cv2.BORDER_CONSTANT, value=(127, 127, 127)
        )
    if one.turn:
        shown = np.rot90(shown, one.turn)
    return np.ascontiguousarray(shown, dtype=np.uint8)


def to_picture(
    points: NDArray[np.float32], one: DetectorPass, small: tuple[int, int], full: tuple[int, int]
) -> NDArray[np.float32]:
    """Points of a pass's view in pixels of the whole picture.

    Args:
        points: float32 (n, 2), x and y in the view.
        one: The pass.
        small: (height, width) of the resized picture.
        full: (height, width) of the whole picture.
    """
    edge_y, edge_x = (round(side * one.border) for side in small)
    height, width = small[0] + 2 * edge_y, small[1] + 2 * edge_x
    x, y = points[:, 0].copy(), points[:, 1].copy()
    match one.turn % 4:  # np.rot90 against the clock: undo it
        case 1:
            x, y = width - points[:, 1], points[:, 0]
        case 2:
            x, y = width - points[:, 0], height - points[:, 1]
        case 3:
            x, y = points[:, 1], height - points[:, 0]
    x = (x - edge_x) * (full[1] / small[1])
    y = (y - edge_y) * (full[0] / small[0])
    return np.stack([x, y], axis=1).astype(np.float32)
