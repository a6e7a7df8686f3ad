"""What a picture that was saved anew is compared with: every past it may have, in its own frame."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data

from consent_edit.errors import CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import Lie, Turn
from consent_edit.perception.change.past import _brought, _crop, recalled
from consent_edit.perception.change.sketch import opened, shrunk, sketched
from consent_edit.perception.exposure.change import exposure_changes
from consent_edit.perception.exposure.views import fixed_views
from consent_edit.perception.observation import Box, ExposureReading, Origin, PictureExposure, Sketch
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Exposure, ExposureChange

ASTRONAUT = data.astronaut()
FACE = Box(0.35, 0.14, 0.18, 0.24)
LIES = [
    *(Lie(turn) for turn in Turn),
    Lie(left=0.05, top=0.025),
    Lie(Turn.MIRRORED, right=0.05, bottom=0.05),
    Lie(Turn.LEFT, left=0.025, right=0.025, bottom=0.05),
]


def reading(*scores: float, value: Exposure = Exposure.NONE) -> ExposureReading:
    """The first family's scores of the whole picture and its first corner."""
    return ExposureReading(value, dict(zip(("whole", "top-left"), scores, strict=False)))


def past(picture: ExposureReading, *people: tuple[Box, ExposureReading], sketch: bytes = b"") -> Origin:
    """A first picture."""
    exposure = PictureExposure(picture, tuple(one for _, one in people), reading(0.0))
    return Origin(tuple(box for box, _ in people), exposure, Sketch(sketch))


def seen(picture: ExposureReading, *people: tuple[Box, ExposureReading], side: int = 100):
    """An observation of a square picture, of which only people and exposure are asked."""
    persons = tuple(SimpleNamespace(box=box.scaled(side, side)) for box, _ in people)
    exposure = PictureExposure(picture, tuple(one for _, one in people), reading(0.0))
    return SimpleNamespace(people=persons, exposure=exposure, width=side, height=side)


class Overlay:
    """A perception that is asked what a picture's own past is."""

    def __init__(self, sketch: bytes = b"renewed") -> None:
        self.asked: list[Origin] = []
        self.sketch = sketch

    def observe_change(self, before, after, seen_before, seen_after, origin):
        """The input over itself, and over the copy."""
        assert before is after and seen_before is seen_after
        self.asked.append(origin)
        return SimpleNamespace(sketch=self.sketch)


def cut_as(lie: Lie, pixels):
    """The picture that lies so in another one."""
    whole = lie.turn.undone.of(pixels)
    height, width = whole.shape[0] / (1 + lie.top + lie.bottom), whole.shape[1] / (1 + lie.left + lie.right)
    top, left = round(lie.top * height), round(lie.left * width)
    return np.ascontiguousarray(whole[top : top + round(height), left : left + round(width)])


def close(one: Box, other: Box) -> bool:
    sides = ("x", "y", "width", "height")
    return all(abs(getattr(one, side) - getattr(other, side)) < 0.006 for side in sides)


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_box_is_led_to_where_its_pixels_lie(lie):
    """Turned and cut, a box of the first picture covers the same pixels in the picture that lies in it."""
    marked = np.zeros((400, 300, 3), np.uint8)
    marked[round(FACE.y * 400) : round((FACE.y + FACE.height) * 400), round(FACE.x * 300) : 159] = 255
    shown = cut_as(lie, marked)
    rows, columns = (np.nonzero(shown.any(axis=(2, axis)))[0] for axis in (1, 0))
    height, width = shown.shape[:2]
    where = Box(columns[0] / width, rows[0] / height, len(columns) / width, len(rows) / height)
    assert close(_brought(FACE, lie), where)


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_the_copy_is_led_to_what_the_picture_shows(lie):
    """The nearest one's small copy is turned and cut as the picture was, so that it lies over it."""
    overlay, shown = Overlay(), cut_as(lie, ASTRONAUT)
    first = past(reading(0.0), sketch=sketched(shrunk(ASTRONAUT).pixels))
    told = recalled([(first, lie)], CanonicalImage.of(shown), seen(reading(0.0)), overlay)
    copy = opened(overlay.asked[0].sketch.picture).pixels.astype(int)
    wanted = np.asarray(shrunk(shown).pixels)
    wanted = wanted[: copy.shape[0], : copy.shape[1]] if lie == Lie() else resized(wanted, copy.shape)
    assert np.abs(copy - wanted).mean() < 12
    assert told.sketch == Sketch(b"renewed") and overlay.asked[0].further == ()


def resized(pixels, shape):
    import cv2

    return cv2.resize(pixels, shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)


@pytest.mark.parametrize("turn", list(Turn))
def test_a_corner_goes_where_the_turn_takes_it(turn):
    """The fixed crops are called by where they lie once it is turned; other views keep their name."""
    for view in fixed_views(100, 100)[1:5]:
        left, top, right, bottom = view.corners
        pixels = np.zeros((100, 100, 3), np.uint8)
        pixels[top:bottom, left:right] = 255
        turned = turn.of(pixels)
        (there,) = (
            other.name
            for other in fixed_views(100, 100)[1:5]
            if turned[other.corners[1] : other.corners[3], other.corners[0] : other.corners[2]].all()
        )
        assert _crop(view.name, turn) == there
        assert _crop(f"{view.name}.second", turn) == f"{there}.second"
    assert [_crop(name, turn) for name in ("whole", "centre.second", "body")] == [
        "whole",
        "centre.second",
        "body",
    ]


def change(told: Origin, now, itself) -> tuple[tuple[ExposureChange, ...], ExposureChange]:
    """How exposure moved, as the comparison asks it."""
    return exposure_changes([told, *told.further, Origin.of(itself)], now, load_thresholds())


RISE = load_thresholds().exposure_rise


def test_a_picture_that_looks_like_nothing_is_its_own_past():
    """No released picture, no comparison but with itself; nothing is looked at again."""
    overlay, itself = Overlay(), seen(reading(0.1), (FACE, reading(0.1)))
    assert recalled([], CanonicalImage.of(ASTRONAUT), itself, overlay) == Origin.of(itself)
    assert overlay.asked == []


def test_the_least_of_all_pasts_counts():
    """A rise against any of the pictures it looks like is a rise, wherever that stands in the list."""
    itself = seen(reading(0.3), (FACE, reading(0.3)))
    pasts = [past(reading(one), (FACE, reading(one))) for one in (0.3, 0.3 - 0.6 * RISE, 0.3)]
    now = seen(reading(0.3), (FACE, reading(0.3 + 0.6 * RISE)))
    for order in (pasts, pasts[::-1], pasts[1:]):
        told = recalled([(one, Lie()) for one in order], CanonicalImage.of(ASTRONAUT), itself, Overlay())
        assert change(told, now, itself) == ((ExposureChange.INCREASED,), ExposureChange.NONE)
    alone = recalled([(pasts[0], Lie())], CanonicalImage.of(ASTRONAUT), itself, Overlay())
    assert change(alone, now, itself) == ((ExposureChange.NONE,), ExposureChange.NONE)


def test_a_look_alike_that_showed_more_gives_no_discount():
    """A past more exposed than the picture itself takes nothing off a rise against the picture."""
    itself = seen(reading(0.1), (FACE, reading(0.1)))
    bare = past(reading(0.9, value=Exposure.NUDE), (FACE, reading(0.9, value=Exposure.NUDE)))
    told = recalled([(bare, Lie())], CanonicalImage.of(ASTRONAUT), itself, Overlay())
    now = seen(reading(0.1), (FACE, reading(0.1 + 1.1 * RISE)))
    assert change(told, now, itself)[0] == (ExposureChange.INCREASED,)


def test_what_the_found_one_came_from_counts_too():
    """A past of the past is kept: the row of a picture that was itself saved anew names both."""
    itself = seen(reading(0.3), (FACE, reading(0.3)))
    least = past(reading(0.0), (FACE, reading(0.0)))
    middle = replace(past(reading(0.3), (FACE, reading(0.3))), further=(least,))
    told = recalled([(middle, Lie())], CanonicalImage.of(ASTRONAUT), itself, Overlay())
    assert told.further[0].exposure.persons == (reading(0.0),)


def test_people_are_known_by_where_they_stand():
    """In a mirrored picture each of two people has her own past, not the other's."""
    left, right = Box(0.1, 0.2, 0.1, 0.15), Box(0.7, 0.2, 0.1, 0.15)
    first = past(reading(0.0), (left, reading(0.1)), (right, reading(0.6)))
    itself = seen(
        reading(0.0), (Box(0.2, 0.2, 0.1, 0.15), reading(0.6)), (Box(0.8, 0.2, 0.1, 0.15), reading(0.1))
    )
    told = recalled([(first, Lie(Turn.MIRRORED))], CanonicalImage.of(ASTRONAUT), itself, Overlay())
    assert told.further[0].exposure.persons == (reading(0.6), reading(0.1))
    assert told.further[0].boxes == told.boxes


def test_somebody_a_little_off_is_still_herself_and_somebody_far_off_is_not():
    """Small boxes that a cut border moved apart are paired; who has no counterpart has only her own past."""
    small, moved, far = Box(0.5, 0.5, 0.02, 0.02), Box(0.53, 0.5, 0.02, 0.02), Box(0.6, 0.5, 0.02, 0.02)
    first = past(reading(0.0), (small, reading(0.01)))
    for box, score in ((moved, 0.01), (far, 0.4), (Box(0.5, 0.5, 0.2, 0.2), 0.01)):
        itself = seen(reading(0.0), (box, reading(0.4)))
        told = recalled([(first, Lie())], CanonicalImage.of(ASTRONAUT), itself, Overlay())
        assert told.further[0].exposure.persons == (reading(score),)


def test_a_view_that_one_past_lacks_counts_there_with_its_highest():
    """Merging the pasts is no laxer than asking each: a missing crop stands for the highest that was read."""
    itself = seen(reading(0.5, 0.5))
    pasts = [past(reading(0.4, 0.4)), past(reading(0.2))]
    told = recalled([(one, Lie()) for one in pasts], CanonicalImage.of(ASTRONAUT), itself, Overlay())
    assert told.further[0].exposure.picture == reading(0.2, 0.2)


@pytest.mark.parametrize(
    "unread", [reading(0.1, value=Exposure.UNDETERMINED), ExposureReading(Exposure.NONE, {})]
)
def test_a_past_without_an_answer_is_no_answer(unread):
    """A reading that failed, or gave no score, makes the change undetermined; it is not passed over."""
    itself = seen(reading(0.1), (FACE, reading(0.1)))
    pasts = [past(reading(0.1), (FACE, reading(0.1))), past(reading(0.1), (FACE, unread))]
    told = recalled([(one, Lie()) for one in pasts], CanonicalImage.of(ASTRONAUT), itself, Overlay())
    assert change(told, itself, itself)[0] == (ExposureChange.UNDETERMINED,)


def test_readings_that_name_other_people_are_no_answer():
    """A past whose readings do not go with its people makes all of the change undetermined."""
    itself = seen(reading(0.1), (FACE, reading(0.1)))
    torn = replace(past(reading(0.1), (FACE, reading(0.1))), boxes=(FACE, FACE))
    for pasts in ([torn], [past(reading(0.1), (FACE, reading(0.1))), torn]):
        told = recalled([(one, Lie()) for one in pasts], CanonicalImage.of(ASTRONAUT), itself, Overlay())
        assert change(told, itself, itself)[1] is ExposureChange.UNDETERMINED


def test_a_copy_over_which_nothing_could_be_laid_is_kept():
    """Where the comparison gave no picture the copy stays as it was: the next comparison fails too."""
    first = past(reading(0.0), sketch=sketched(shrunk(ASTRONAUT).pixels))
    told = recalled([(first, Lie())], CanonicalImage.of(ASTRONAUT), seen(reading(0.0)), Overlay(b""))
    assert told.sketch == first.sketch


def test_an_unreadable_copy_is_an_error():
    """What is kept of a first picture and cannot be read stops the edit where it must be turned."""
    first = past(reading(0.0), sketch=b"x")
    with pytest.raises(CheckFailed):
        recalled([(first, Lie(Turn.MIRRORED))], CanonicalImage.of(ASTRONAUT), seen(reading(0.0)), Overlay())


def test_a_copy_above_a_band_is_cut_with_it():
    """The copy shows the upper part; cut at the foot, the picture shows less of the band below it."""
    overlay = Overlay()
    first = past(reading(0.0), sketch=sketched(shrunk(ASTRONAUT).pixels))
    first = replace(first, sketch=replace(first.sketch, rows=0.8))
    recalled([(first, Lie(bottom=0.05))], CanonicalImage.of(ASTRONAUT), seen(reading(0.0)), overlay)
    assert overlay.asked[0].sketch.rows == pytest.approx(0.84)
    assert (
        recalled([(first, Lie(Turn.HALF))], CanonicalImage.of(ASTRONAUT), seen(reading(0.0)), overlay).sketch
        == Sketch()
    )
