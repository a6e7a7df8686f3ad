"""Crop: the largest part with the consenting people whole and nobody else, or a clear refusal."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fake_perception import picture, ran, seen_face

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.sketch import opened, sketched
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    ImageObservation,
    Origin,
    PictureExposure,
    Sketch,
)
from consent_edit.remedies.crop import Window, _free, crop_window
from consent_edit.remedies.figures import figure
from consent_edit.remedies.lineage import after_anonymising, after_crop
from consent_edit.vocabulary import CheckName, Exposure, PersonKind, Recognisable

NOTHING = ExposureReading(Exposure.NONE, {"whole": 0.0})


def looked(width, height, faces=(), bodies=()):
    """An observation of a picture of that size."""
    exposure = PictureExposure(NOTHING, (NOTHING,) * (len(faces) + len(bodies)), NOTHING)
    return ImageObservation(
        "d", width, height, tuple(faces), tuple(bodies), exposure, ran(CheckName.FACE_DETECTION)
    )


def test_a_bystander_beside_her_is_cut_off():
    """The part holds her figure whole, ends before the bystander's, and reaches as far as it can."""
    hers, other = seen_face(1, Box(100, 100, 40, 50)), seen_face(2, Box(400, 100, 40, 50))
    window = crop_window(looked(600, 500, (hers, other)), {0})
    assert (window.left, window.top, window.bottom) == (0, 0, 500)
    assert 120 + 1.5 * 40 <= window.right <= 420 - 1.5 * 40


def test_all_who_consent_are_kept():
    """With two who consent and one who does not, both stay whole."""
    faces = [seen_face(who, Box(x, 100, 40, 50)) for who, x in ((1, 100), (2, 300), (3, 700))]
    window = crop_window(looked(900, 600, faces), {0, 1})
    assert window.left == 0
    assert 390 <= window.right <= 650


@pytest.mark.parametrize(
    "other",
    [
        BodyObservation(Box(330, 50, 90, 300), 0.9, ("pose",)),
        seen_face(2, Box(330, 60, 12, 14), recognisable=Recognisable.NO),
        seen_face(2, Box(330, 60, 40, 50), kind=PersonKind.POSSIBLE_FACE),
    ],
    ids=["body", "small", "possible"],
)
def test_everybody_else_counts(other):
    """Bodies, small and possible faces are nobody's to keep: none is in the part."""
    hers = seen_face(1, Box(80, 60, 40, 50))
    seen = looked(
        500,
        400,
        (hers,) if isinstance(other, BodyObservation) else (hers, other),
        (other,) if isinstance(other, BodyObservation) else (),
    )
    window = crop_window(seen, {0})
    assert window.right <= other.box.x
    if getattr(other, "kind", None) is not PersonKind.POSSIBLE_FACE:
        assert window.right <= figure(other, 1.5).x


def test_a_doubtful_box_over_her_stays_and_one_beside_her_goes():
    """What few passes took for a face is no reason to refuse: on her it stays under hands-off."""
    hers = seen_face(1, Box(100, 100, 40, 50))
    doubts = [
        seen_face(2, box, kind=PersonKind.POSSIBLE_FACE)
        for box in (Box(60, 60, 150, 150), Box(400, 300, 50, 50))
    ]
    window = crop_window(looked(600, 500, (hers, *doubts)), {0})
    assert window.right <= 400 or window.bottom <= 300
    body = BodyObservation(Box(60, 60, 150, 150), 0.9, ("pose",))
    with pytest.raises(InputError):
        crop_window(looked(600, 500, (hers,), (body,)), {0})


def test_a_face_just_outside_the_part_keeps_its_distance():
    """The part ends short of the bystander by more than the figure itself."""
    hers, other = seen_face(1, Box(100, 100, 40, 50)), seen_face(2, Box(300, 100, 40, 50))
    window = crop_window(looked(600, 700, (hers, other)), {0})
    assert window.right < 320 - 1.5 * 40 - 10


@pytest.mark.parametrize("x", [100, 150, 200])
def test_people_too_close_are_refused(x):
    """A bystander's figure over hers leaves no part, and the refusal names what else there is."""
    seen = looked(600, 500, (seen_face(1, Box(100, 100, 40, 50)), seen_face(2, Box(x + 10, 100, 40, 50))))
    with pytest.raises(InputError) as refused:
        crop_window(seen, {0})
    assert refused.value.code == "input.crop"
    assert "anonymise" in refused.value.remedy


def test_a_bystander_between_two_who_consent_is_refused():
    """No rectangle leaves out the one in the middle."""
    faces = [seen_face(who, Box(x, 100, 40, 50)) for who, x in ((1, 100), (2, 400), (3, 700))]
    with pytest.raises(InputError):
        crop_window(looked(900, 600, faces), {0, 2})


def test_her_reflection_without_consent_is_refused():
    """A bystander visible twice is somebody twice; on either side of her there is still a part between."""
    faces = [seen_face(who, Box(x, 100, 40, 50)) for who, x in ((2, 60), (1, 400), (2, 740))]
    window = crop_window(looked(900, 600, faces), {1})
    assert window.left > 80 + 1.5 * 40
    assert window.right < 760 - 1.5 * 40


def test_nobody_to_keep():
    """Without anybody who consents there is no part."""
    with pytest.raises(InputError):
        crop_window(looked(600, 500, (seen_face(1, Box(100, 100, 40, 50)),)), set())


def test_the_part_is_no_strip():
    """It keeps to two and a half times as long as wide, around the people it holds."""
    hers, below = (
        seen_face(1, Box(1500, 20, 20, 12)),
        BodyObservation(Box(0, 260, 3000, 600), 0.9, ("pose",)),
    )
    window = crop_window(looked(3000, 1200, (hers,), (below,)), {0})
    assert window.width <= 2.5 * window.height
    assert window.left <= 1480
    assert window.right >= 1540
    assert window.of(picture(1, 3000, 1200)).width == window.width


def test_a_part_too_small_is_refused():
    """Fewer pixels than a picture may have are none."""
    hers = seen_face(1, Box(300, 300, 2, 2), recognisable=Recognisable.YES)
    around = [
        BodyObservation(box, 0.9, ("pose",))
        for box in (Box(0, 0, 600, 290), Box(0, 0, 292, 600), Box(306, 0, 290, 600))
    ]
    with pytest.raises(InputError):
        crop_window(looked(600, 330, (hers,), around), {0})


@pytest.mark.parametrize("seed", range(25))
def test_no_larger_part_is_overlooked(seed):
    """Among random people no rectangle between their edges that would do is larger than the one found."""
    rng = np.random.default_rng(seed)
    whole, needed = Window(0, 0, 60, 40), Window(25, 15, 33, 24)
    away = []
    while len(away) < 6:
        left, top = int(rng.integers(0, 55)), int(rng.integers(0, 36))
        one = Window(
            left, top, min(60, left + int(rng.integers(1, 9))), min(40, top + int(rng.integers(1, 9)))
        )
        if not one.meets(needed):
            away.append(one)
    found = list(_free(needed, away, whole))
    assert all(window.holds(needed) and not any(window.meets(one) for one in away) for window in found)
    lefts = [0, *(one.right for one in away)]
    rights = [60, *(one.left for one in away)]
    tops, bottoms = [0, *(one.bottom for one in away)], [40, *(one.top for one in away)]
    every = (Window(*edges) for edges in itertools.product(lefts, tops, rights, bottoms))
    best = max(
        window.area for window in every if window.holds(needed) and not any(window.meets(one) for one in away)
    )
    assert max(window.area for window in found) == best


def test_the_chain_is_cut_alike():
    """What is kept of the first picture, and where everybody stood there, is told in the part's measures."""
    image = picture(1, 200, 200)
    ramp = np.tile(np.arange(100, dtype=np.uint8)[None, :, None] * 2, (80, 1, 3))
    first = Origin(
        (Box(0.5, 0.4, 0.1, 0.2),),
        PictureExposure(NOTHING, (NOTHING,), NOTHING),
        Sketch(sketched(ramp), rows=0.8),
    )
    told = after_crop(first, image, Window(100, 40, 200, 190))
    assert told.exposure is first.exposure
    (box,) = told.boxes
    assert (box.x, box.width) == pytest.approx((0.0, 0.2))
    assert (box.y, box.height) == pytest.approx((40 / 150, 40 / 150))
    kept = opened(told.sketch.picture)
    assert (kept.width, kept.height) == (50, 60)
    assert told.sketch.rows == pytest.approx(120 / 150)
    assert abs(int(kept.pixels[30, 0, 0]) - 100) <= 6
    with pytest.raises(InputError):
        after_crop(first, image, Window(0, 161, 100, 199))


def test_a_chain_without_a_sketch_keeps_its_places():
    """Where nothing is kept of the first picture only the places move."""
    origin = Origin.of(looked(200, 100, (seen_face(1, Box(100, 50, 20, 20)),)))
    told = after_crop(origin, picture(1, 200, 100), Window(50, 0, 150, 100))
    assert (told.boxes[0].x, told.boxes[0].width) == pytest.approx((0.5, 0.2))
    assert told.sketch.picture == b""


def test_an_oval_is_no_repaint_of_the_chain():
    """The chain's first picture is painted over where the newest was, and nowhere else."""
    image = CanonicalImage.of(np.full((200, 200, 3), 90, np.uint8))
    painted = image.pixels.copy()
    painted[50:100, 50:100] = 200
    first = Sketch(sketched(np.full((80, 100, 3), 60, np.uint8)), rows=0.8)
    origin = Origin((), PictureExposure(NOTHING, (), NOTHING), first)
    told = after_anonymising(origin, image, CanonicalImage.of(painted))
    kept = opened(told.sketch.picture).pixels.astype(int)
    assert abs(kept[27:48, 27:48] - 200).max() <= 8
    assert abs(kept[60:, 60:] - 60).max() <= 8
    assert told.sketch.rows == 0.8
    bare = Origin((), PictureExposure(NOTHING, (), NOTHING))
    assert after_anonymising(bare, image, CanonicalImage.of(painted)) is bare
