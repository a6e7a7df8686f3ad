"""The fixed list of detector passes: which family looks at which view of a picture, and how sure it must be.

The list is part of the check, never a setting. docs/perception.md says what each pass is for and what the
union finds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Detector(Enum):
    """The families, by the letter that begins a pass's name."""

    YUNET = "Y"
    BLAZEFACE = "B"
    CENTERFACE = "C"


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """How a picture is shown; passes with equal specs share one view.

    Attributes:
        long_side: The picture's long side is brought to this many pixels, up or down.
        median: Side of the square of a median filter after the resize, pixels; 0 for none.
        opening: Side of the square of a grey opening, against bright specks and lines; 0 for none.
        closing: Side of the square of a grey closing, against dark ones; 0 for none.
        blur: Sigma of the Gaussian in pixels; 0 for none.
        levels: Whether the luma range from 1 to 99 % is stretched.
        inverted: Whether the colours are inverted.
        border: Grey border on each side as a share of the side: finds a face that fills the frame.
        turn: Quarter turns against the clock.
        tilt: Degrees against the clock beside them, on a canvas that holds all of it.
    """

    long_side: int
    median: int = 0
    opening: int = 0
    closing: int = 0
    blur: float = 0.0
    levels: bool = False
    inverted: bool = False
    border: float = 0.0
    turn: int = 0
    tilt: int = 0

    @property
    def quarters(self) -> tuple[int, int]:
        """The turn and the tilt as quarter turns, 0 to 3, of a view tilted by less than one, in degrees."""
        turns, rest = divmod(90 * self.turn + self.tilt, 90)
        return turns % 4, rest

    @property
    def upright(self) -> bool:
        """Whether it shows the picture as it stands."""
        return not (self.turn or self.tilt)

    @property
    def name(self) -> str:
        """The long side and every filter, in the order they are applied."""
        marks = (
            (f"median{self.median}", self.median),
            (f"opening{self.opening}", self.opening),
            (f"closing{self.closing}", self.closing),
            (f"blur{self.blur:g}", self.blur),
            ("levels", self.levels),
            ("inverted", self.inverted),
            ("border", self.border),
            (f"turn{self.turn}", self.turn),
            (f"tilt{self.tilt}", self.tilt),
        )
        return "-".join([str(self.long_side), *(name for name, used in marks if used)])

    @property
    def kind(self) -> str:
        """The disguise this view sees through: views of one kind err alike, so they support a box as one."""
        marks = (
            (f"turn{self.turn}", self.turn),
            (f"tilt{self.tilt}", self.tilt),
            ("inverted", self.inverted),
            ("opening", self.opening),
            ("closing", self.closing),
            ("median", self.median),
            ("blur", self.blur),
            ("levels", self.levels),
        )
        return next((name for name, used in marks if used), "plain")


@dataclass(frozen=True, slots=True)
class DetectorPass:
    """One look at a picture.

    Attributes:
        detector: Which family looks.
        view: What it is shown.
        threshold: Least detector score, 0 to 1.
        above: The pass runs only on pictures whose long side is above this.
        largest: Longest side of a box it may report, as a share of the view's long side: what is larger is
            seen by the smaller views, which it was not made for.
    """

    detector: Detector
    view: ViewSpec
    threshold: float
    above: int = 0
    largest: float = 1.0

    @property
    def reach(self) -> float:
        """Longest side of a box it may report, pixels of the view; without end where there is no bound."""
        return self.largest * self.view.long_side if self.largest < 1 else math.inf

    @property
    def name(self) -> str:
        """What a box's ``passes`` record, such as ``Y320-blur2-levels``."""
        return self.detector.value + self.view.name

    @property
    def kind(self) -> str:
        """What it counts as when passes support a box: the family and the kind of view."""
        return f"{self.detector.value}-{self.view.kind}"


def _yunet(view: ViewSpec, threshold: float, above: int = 0, largest: float = 1.0) -> DetectorPass:
    return DetectorPass(Detector.YUNET, view, threshold, above, largest)


def _blazeface(view: ViewSpec, threshold: float) -> DetectorPass:
    return DetectorPass(Detector.BLAZEFACE, view, threshold)


def _centerface(view: ViewSpec, threshold: float) -> DetectorPass:
    return DetectorPass(Detector.CENTERFACE, view, threshold)


def _large(view: ViewSpec, threshold: float, above: int = 700) -> DetectorPass:
    """A view for tiny faces: a larger one is 32 px wide at 320 px already, where twenty passes look."""
    return _yunet(view, threshold, above, largest=0.1)


_TURNS: Final = (1, 2, 3)
_TILTS: Final = (45, 135, 225, 315)
# A face that one of these sees is seen by many more, so each may ask for much: what one of them alone sees,
# and unsurely, is mostly nobody. docs/perception.md has the table.
_REPEATED: Final = 0.86
_SHARED: Final = 0.82
_SHARED_640: Final = 0.8
_SHARED_160: Final = 0.76
# What these see few others do: faces in coarse JPEG, under lines, inverted, tiny.
_BLURRED: Final = 0.62
_CLOSED_TURNED: Final = 0.72
_INVERTED: Final = 0.72
_INVERTED_TURNED: Final = 0.76
_INVERTED_160: Final = 0.6
_TINY: Final = 0.6
_TINY_960: Final = 0.66
_TINY_WRONG: Final = 0.73
_BLAZE: Final = 0.87
_BLAZE_WRONG: Final = 0.84
_CENTRE: Final = 0.53
_CENTRE_INVERTED: Final = 0.66

PASSES: Final[tuple[DetectorPass, ...]] = (
    _blazeface(ViewSpec(128), _BLAZE),
    _blazeface(ViewSpec(128, levels=True), _BLAZE),
    _blazeface(ViewSpec(128, levels=True, inverted=True), _BLAZE_WRONG),
    *(_blazeface(ViewSpec(128, turn=turn), _BLAZE_WRONG) for turn in _TURNS),
    _yunet(ViewSpec(160), _SHARED_160),
    _yunet(ViewSpec(160, border=0.5), _SHARED_160),
    _yunet(ViewSpec(160, blur=2.0, levels=True), _BLURRED),
    _yunet(ViewSpec(160, blur=3.0, levels=True), _SHARED),
    _yunet(ViewSpec(160, levels=True, inverted=True), _INVERTED_160),
    _yunet(ViewSpec(320, levels=True), _SHARED),
    _yunet(ViewSpec(320, median=5, levels=True), _SHARED),
    _yunet(ViewSpec(320, opening=9, blur=1.5, levels=True), _REPEATED),
    _yunet(ViewSpec(320, closing=5, levels=True), _SHARED),
    *(_yunet(ViewSpec(320, closing=5, levels=True, turn=turn), _CLOSED_TURNED) for turn in _TURNS),
    _yunet(ViewSpec(320, blur=2.0, levels=True), _BLURRED),
    *(_yunet(ViewSpec(320, blur=2.0, levels=True, turn=turn), _SHARED) for turn in _TURNS),
    *(_yunet(ViewSpec(320, levels=True, tilt=tilt), _SHARED) for tilt in _TILTS),
    _yunet(ViewSpec(320, blur=5.0), _BLURRED),
    _yunet(ViewSpec(320, levels=True, inverted=True), _INVERTED),
    *(_yunet(ViewSpec(320, levels=True, inverted=True, turn=turn), _INVERTED_TURNED) for turn in _TURNS),
    _yunet(ViewSpec(640), _SHARED_640),
    _yunet(ViewSpec(640, levels=True), _SHARED_640),
    _yunet(ViewSpec(640, median=5, levels=True), _SHARED),
    _yunet(ViewSpec(640, blur=2.0, levels=True), _SHARED_640),
    _yunet(ViewSpec(640, levels=True, inverted=True), _REPEATED),
    *(_yunet(ViewSpec(640, turn=turn), _SHARED_640) for turn in _TURNS),
    _centerface(ViewSpec(320), _CENTRE),
    _centerface(ViewSpec(320, levels=True), _CENTRE),
    _centerface(ViewSpec(320, levels=True, inverted=True), _CENTRE_INVERTED),
    _centerface(ViewSpec(640), _CENTRE),
    _large(ViewSpec(960), _TINY_960),
    _large(ViewSpec(960, levels=True, inverted=True), _TINY_WRONG),
    *(_large(ViewSpec(960, turn=turn), _TINY_WRONG) for turn in _TURNS),
    _large(ViewSpec(1280, levels=True), _TINY),
    _large(ViewSpec(2048, blur=2.0), _TINY),
    _large(ViewSpec(4096), _TINY, above=2048),
)
"""The must-run set, cheap ones first. The last ones keep a face of 20 px findable in large pictures."""


def must_run(long_side: int) -> tuple[DetectorPass, ...]:
    """The passes that a picture with this long side must have, in the order they run."""
    return tuple(one for one in PASSES if long_side > one.above)
