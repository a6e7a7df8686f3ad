"""How exposure moved, person by person at their place, against the input and the first picture of a chain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from consent_edit.perception.exposure.change import change_between, exposure_changes
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    Origin,
    PictureExposure,
)
from consent_edit.vocabulary import Exposure, ExposureChange, PersonKind, Recognisable

SAME, MORE, UNKNOWN = ExposureChange.NONE, ExposureChange.INCREASED, ExposureChange.UNDETERMINED
LEFT, RIGHT = Box(100, 100, 100, 120), Box(600, 100, 100, 120)


def reading(score: float = 0.01, value: Exposure = Exposure.NONE, **views: float) -> ExposureReading:
    return ExposureReading(value, {"body": score, "torso": score, **views})


def face(box: Box) -> FaceObservation:
    return FaceObservation(box, PersonKind.FACE, Recognisable.YES, 0.9, ("a",), np.zeros((5, 2), np.float32))


def seen(
    people: Sequence[tuple[Box, ExposureReading]] = (),
    *,
    bodies: Sequence[tuple[Box, ExposureReading]] = (),
    picture: float = 0.01,
    width: int = 1000,
    height: int = 800,
) -> ImageObservation:
    """A picture with people at their places, and what was read of each and of the whole."""
    whole = ExposureReading(Exposure.NONE, {"whole": picture, "centre": picture})
    readings = tuple(read for _, read in (*people, *bodies))
    return ImageObservation(
        "sha256:" + "0" * 64,
        width,
        height,
        tuple(face(box) for box, _ in people),
        tuple(BodyObservation(box, 0.9, ("pose",)) for box, _ in bodies),
        PictureExposure(whole, readings, ExposureReading(Exposure.NONE)),
        (),
    )


def changes(before: ImageObservation, after: ImageObservation, limits, *, first=None):
    origins = [Origin.of(before)] + ([Origin.of(first)] if first is not None else [])
    return exposure_changes(origins, after, limits)


def test_same_picture_has_not_changed(limits):
    """Nobody's exposure moved in a picture compared with itself."""
    one = seen([(LEFT, reading(0.1)), (RIGHT, reading(0.02))], picture=0.1)
    assert changes(one, one, limits) == ((SAME, SAME), SAME)


def test_person_by_person_rise_hidden_by_the_whole_picture_falling(limits):
    """One person's step is seen although everything else, and the picture, shows less."""
    before = seen([(LEFT, reading(0.02)), (RIGHT, reading(0.19))], picture=0.19)
    after = seen([(LEFT, reading(0.02 + limits.exposure_rise)), (RIGHT, reading(0.0))], picture=0.0)
    assert changes(before, after, limits) == ((MORE, SAME), SAME)


def test_rise_below_the_limit_is_no_rise(limits):
    """What a mere tone edit does to the scores is no step."""
    before = seen([(LEFT, reading(0.02))])
    after = seen([(LEFT, reading(0.02 + 0.9 * limits.exposure_rise))])
    assert changes(before, after, limits)[0] == (SAME,)


def test_chain_of_small_steps(limits):
    """Steps that are each below the limit add up against the first picture of the chain."""
    step = 0.45 * limits.exposure_rise
    first, second, third, fourth = (seen([(LEFT, reading(0.01 + step * n))]) for n in range(4))
    assert changes(second, third, limits) == ((SAME,), SAME)
    assert changes(second, third, limits, first=first) == ((SAME,), SAME)
    assert changes(third, fourth, limits) == ((SAME,), SAME)
    assert changes(third, fourth, limits, first=first) == ((MORE,), SAME)


def test_chain_over_one_that_was_more_exposed(limits):
    """A detour over a more exposed picture does not make a later rise look like a fall."""
    first, middle, last = (seen([(LEFT, reading(score))]) for score in (0.01, 0.6, 0.4))
    assert changes(middle, last, limits, first=first)[0] == (MORE,)


def test_person_swapped_in_place(limits):
    """Whoever stands there now is compared with whoever stood there, not with the most exposed of all."""
    before = seen([(LEFT, reading(0.01)), (RIGHT, reading(0.3))], picture=0.3)
    after = seen([(LEFT, reading(0.3)), (RIGHT, reading(0.01))], picture=0.3)
    assert changes(before, after, limits)[0] == (MORE, SAME)


def test_order_of_the_readings_does_not_matter(limits):
    """People are paired by place, in whatever order the detector tells them."""
    before = seen([(RIGHT, reading(0.3)), (LEFT, reading(0.01))])
    after = seen([(LEFT, reading(0.3)), (RIGHT, reading(0.3))])
    assert changes(before, after, limits)[0] == (MORE, SAME)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_size_changes(limits, factor):
    """A picture made larger or smaller keeps everybody at their place."""
    before = seen([(LEFT, reading(0.01)), (RIGHT, reading(0.3))])
    after = seen(
        [(LEFT.scaled(factor, factor), reading(0.3)), (RIGHT.scaled(factor, factor), reading(0.3))],
        width=round(1000 * factor),
        height=round(800 * factor),
    )
    assert changes(before, after, limits)[0] == (MORE, SAME)


def test_somebody_new_is_compared_with_the_whole_picture(limits):
    """A person without a past has the picture's."""
    before = seen([(LEFT, reading(0.3))], picture=0.02)
    elsewhere = Box(600, 500, 100, 100)
    after = seen([(LEFT, reading(0.3)), (elsewhere, reading(0.3))], picture=0.02)
    assert changes(before, after, limits)[0] == (SAME, MORE)
    shown = seen([(LEFT, reading(0.3))], picture=0.3)
    assert changes(shown, after, limits)[0] == (SAME, SAME)


def test_face_that_became_a_body_keeps_its_past(limits):
    """Somebody whose face is no longer found is compared with whom the face belonged to."""
    whole = Box(60, 90, 220, 600)
    before = seen([(LEFT, reading(0.01)), (RIGHT, reading(0.3))], picture=0.3)
    after = seen([(RIGHT, reading(0.3))], bodies=[(whole, reading(0.3))], picture=0.3)
    assert changes(before, after, limits)[0] == (SAME, MORE)


def test_two_faces_at_one_place_do_not_share_a_lenient_past(limits):
    """The nearest box takes the past; the other, beside it, has none of somebody further off."""
    before = seen([(LEFT, reading(0.3))], picture=0.01)
    for offset in (55, 90):
        beside = Box(LEFT.x + offset, LEFT.y, 100, 120)
        after = seen([(LEFT, reading(0.3)), (beside, reading(0.3))], picture=0.01)
        assert changes(before, after, limits)[0] == (SAME, MORE)
    far = seen([(beside, reading(0.3))], picture=0.01)
    assert changes(before, far, limits)[0] == (MORE,)


def test_picture_as_a_whole_counts_by_itself(limits):
    """A rise in one fixed crop that holds nobody is the picture's."""
    assert changes(seen(picture=0.01), seen(picture=0.01 + limits.exposure_rise), limits) == ((), MORE)


def test_worse_value_is_a_rise_however_small(limits):
    """Crossing into a worse value counts, falling back into a better one does not."""
    low, high = reading(0.199), reading(0.2, Exposure.NUDE)
    assert change_between(low, high, limits) is MORE
    assert change_between(high, low, limits) is SAME


@pytest.mark.parametrize(
    ("ending", "limit"),
    [(".second", "exposure_rise_second"), (".suggestive", "exposure_rise_suggestive")],
)
def test_second_family_tells_of_a_rise_too(limits, ending, limit):
    """Each family's scores are compared with its own, by its own limit."""
    rise = getattr(limits, limit)
    before = reading(0.01, **{f"body{ending}": 0.1})
    assert change_between(before, reading(0.01, **{f"body{ending}": 0.1 + 1.01 * rise}), limits) is MORE
    assert change_between(before, reading(0.01, **{f"body{ending}": 0.1 + 0.9 * rise}), limits) is SAME


def test_family_that_did_not_look_before_tells_of_no_rise(limits):
    """A second family installed since the first picture was read compares with nothing there."""
    after = reading(0.01, **{"body.suggestive": 0.9})
    assert change_between(reading(0.01), after, limits) is SAME


def test_view_that_was_not_there_is_compared_with_the_highest(limits):
    """A torso that comes into the picture is compared with the body it belongs to."""
    before = ExposureReading(Exposure.NONE, {"body": 0.02})
    assert change_between(before, reading(0.02 + limits.exposure_rise), limits) is MORE
    assert change_between(before, ExposureReading(Exposure.NONE, {"torso": 0.03}), limits) is SAME


NOTHING = ExposureReading(Exposure.UNDETERMINED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NOTHING, reading()),
        (reading(), NOTHING),
        (ExposureReading(Exposure.NONE), reading()),
        (reading(), ExposureReading(Exposure.NONE)),
    ],
)
def test_what_was_not_read_has_no_change(limits, before, after):
    """Where either picture was not read, how exposure moved is not known."""
    assert change_between(before, after, limits) is UNKNOWN


def test_score_that_is_no_number_is_a_rise(limits):
    """A score that compares with nothing never passes for one that did not rise."""
    assert change_between(reading(), reading(float("nan")), limits) is MORE


def test_unknown_against_one_origin_is_unknown(limits):
    """The worst over the origins counts, and what is not known is the worst."""
    now = seen([(LEFT, reading(0.01))])
    unread = seen([(LEFT, NOTHING)])
    assert changes(now, now, limits, first=unread)[0] == (UNKNOWN,)


@pytest.mark.parametrize("broken", ["no origin", "readings missing", "boxes missing"])
def test_what_does_not_fit_together_is_unknown(limits, broken):
    """Nobody goes uncompared because a list is short."""
    now = seen([(LEFT, reading())])
    origin = Origin.of(now)
    match broken:
        case "no origin":
            origins: list[Origin] = []
        case "readings missing":
            origins = [origin]
            now = seen([(LEFT, reading())])
            now = ImageObservation(
                now.digest, 1000, 800, now.faces, (), PictureExposure(now.exposure.picture, (), NOTHING), ()
            )
        case _:
            origins = [Origin((), origin.exposure)]
    assert exposure_changes(origins, now, limits) == ((UNKNOWN,), UNKNOWN)
