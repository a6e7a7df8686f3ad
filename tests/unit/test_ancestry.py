"""Which first picture a picture goes on from: by its pixels, by its look, with and without the band below."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data

from consent_edit.ancestry import first_picture, likenesses
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import lies, pdq
from consent_edit.perception.change.sketch import shrunk, sketched
from consent_edit.perception.observation import ExposureReading, Origin, PictureExposure, Sketch
from consent_edit.store.likeness import Alike
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Exposure

LIMITS = load_thresholds()
PHOTO = CanonicalImage.of(np.ascontiguousarray(data.astronaut()[::2, ::2]))
PLAIN = CanonicalImage.of(np.full((64, 64, 3), 90, np.uint8))


def exposed(score: float) -> PictureExposure:
    reading = ExposureReading(Exposure.NONE, {"whole": score})
    return PictureExposure(reading, (), reading)


SEEN = SimpleNamespace(people=(), exposure=exposed(0.3), width=256, height=256)
FIRST = Origin((), exposed(0.1), Sketch(sketched(shrunk(PHOTO.pixels).pixels), 0.8))


class Known:
    """A store that knows some pixels, and some looks."""

    def __init__(self, by_pixels=None, alike=()) -> None:
        self.by_pixels, self.found, self.asked = by_pixels or {}, alike, []

    def origin(self, picture, otherwise):
        return self.by_pixels.get(picture, otherwise)

    def alike(self, hashes, most):
        self.asked.append((tuple(hashes), most))
        return self.found


class Overlay:
    """Keeps what it was asked to lay the picture over."""

    def observe_change(self, before, after, seen_before, seen_after, origin):
        self.origin = origin
        return SimpleNamespace(sketch=origin.sketch.picture)


def test_the_very_pixels_come_first():
    """A picture known by its pixels is not looked up by its look."""
    store = Known({PHOTO.digest: FIRST})
    assert first_picture(store, PHOTO, SEEN, Overlay(), LIMITS) is FIRST and store.asked == []


def test_a_plain_picture_is_known_by_its_pixels_alone():
    """What cannot be told by its look is not looked up by it: it is its own past."""
    store = Known(alike=(Alike(0, 0, 0, FIRST),))
    assert first_picture(store, PLAIN, SEEN, Overlay(), LIMITS) == Origin.of(SEEN) and store.asked == []


@pytest.mark.parametrize(("part", "rows"), [(0, 0.8), (1, 1.0)])
def test_a_look_alike_is_compared_with_as_well(part, rows):
    """All the ways it may lie are asked for; where the band is gone, the copy shows all of the picture."""
    store, overlay = Known(alike=(Alike(3, 0, part, FIRST),)), Overlay()
    told = first_picture(store, PHOTO, SEEN, overlay, LIMITS)
    assert store.asked == [(tuple(bits for _, bits in lies(PHOTO)), LIMITS.lineage_distance)]
    assert told.exposure == SEEN.exposure and told.further[0].exposure.picture.scores == {"whole": 0.1}
    assert overlay.origin.sketch.rows == told.sketch.rows == rows


def test_what_a_file_is_found_by():
    """The picture in it, and that without the band below; nothing where there is too little to tell it by."""
    plain, bare = (SimpleNamespace(image=one, picture_rows=one.height) for one in (PLAIN, PHOTO))
    assert likenesses(plain, LIMITS) == () and likenesses(bare, LIMITS) == (pdq(PHOTO).bits,)
    cut = CanonicalImage.of(PHOTO.pixels[:200])
    banded = SimpleNamespace(image=PHOTO, picture_rows=200)
    assert likenesses(banded, LIMITS) == (pdq(PHOTO).bits, pdq(cut).bits)
