"""Whose pixels changed: tone, saving and small shifts touch nobody; a repaint does, whatever hides it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from change_scene import FACE, compared, face_at, jpeg, observed, painted, warmer

from consent_edit.bench.edits import BENIGN, BODY_REPAINTS, Subject
from consent_edit.bench.face_edits import FACE_REPAINTS
from consent_edit.errors import ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.touched import judged
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import BodyObservation, Box
from consent_edit.vocabulary import Exposure, Region

NOBODY_TOUCHED = (frozenset(),)


@pytest.fixture(scope="module")
def meter(limits):
    from consent_edit.perception.change.look import ChangeMeter

    try:
        return ChangeMeter(ModelStore(), limits)
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


@pytest.fixture(scope="module")
def subject(astronaut, hopper):
    """The astronaut's suit below her chin, and somebody else to take from."""
    body = np.zeros(astronaut.shape[:2], dtype=np.bool_)
    body[220:440, 110:340] = True
    other = np.ascontiguousarray(hopper)
    landmarks = np.array([[229, 196], [290, 190], [262, 228], [240, 262], [288, 257]], dtype=np.float32)
    box = (FACE.x, FACE.y, FACE.width, FACE.height)
    return Subject(astronaut, body, box, face_at().landmarks, other, landmarks, np.random.default_rng(3))


def grainy(picture):
    """Coloured noise with a deviation of 20 levels."""
    noise = np.random.default_rng(5).normal(0, 20, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", BENIGN)
def test_an_edit_of_the_whole_picture_touches_nobody(meter, astronaut, name):
    """Tone, saving again, half a pixel, another size and back, a slight crop, grain: nobody is touched."""
    result = compared(meter, astronaut, BENIGN[name](astronaut))
    assert result.people == NOBODY_TOUCHED
    assert result.output_people == NOBODY_TOUCHED
    assert result.unseen == frozenset()


@pytest.mark.parametrize("name", ["brighter", "black and white", "warmer", "curve", "vignette"])
def test_a_grade_is_tone(meter, astronaut, name):
    """A grade of the whole picture is told as tone."""
    assert compared(meter, astronaut, BENIGN[name](astronaut)).tone


@pytest.mark.parametrize("name", ["as it is", "JPEG 90", "half a pixel", "7/8 and back"])
def test_saving_again_is_no_tone(meter, astronaut, name):
    """Re-encoding and resampling are neither tone nor touch."""
    assert not compared(meter, astronaut, BENIGN[name](astronaut)).tone


@pytest.mark.parametrize("name", BODY_REPAINTS)
@pytest.mark.parametrize("graded", [False, True], ids=["plain", "under-a-grade"])
def test_a_tenth_of_the_body_repainted_is_seen(meter, subject, name, graded):
    """Skin over clothes, blur, another texture, colour or shape: body, and under a grade and JPEG as well."""
    after = BODY_REPAINTS[name](subject)
    after = jpeg(warmer(after), 85) if graded else after
    assert Region.BODY in compared(meter, subject.pixels, after).people[0]


@pytest.mark.parametrize("name", [*BODY_REPAINTS, *FACE_REPAINTS])
@pytest.mark.parametrize("hidden", ["heavy grain", "film grain", "JPEG 50", "half the size and back"])
def test_a_repaint_under_noise_everywhere_is_seen(meter, subject, name, hidden):
    """Noise or a loss of detail laid over the whole picture does not explain a repaint away."""
    body = name in BODY_REPAINTS
    after = (BODY_REPAINTS if body else FACE_REPAINTS)[name](subject)
    after = grainy(after) if hidden == "heavy grain" else BENIGN[hidden](after)
    assert (Region.BODY if body else Region.FACE) in compared(meter, subject.pixels, after).people[0]


def test_lost_detail_explains_no_more_than_its_bound(meter, limits, astronaut):
    """Where all detail is lost, what exceeds the raised thresholds is a repaint all the same."""
    laid = meter.lay(*(CanonicalImage.of(astronaut),) * 2, *(observed(astronaut, (face_at(),)),) * 2)
    look = laid.found.look
    everywhere = np.ones_like(laid.found.lost)
    for share, seen in ((0.95, False), (1.05, True)):
        colour = np.full_like(look.colour, limits.change_residual * (1 + limits.change_encoded) * share)
        found = replace(laid.found, lost=everywhere, look=replace(look, colour=colour))
        assert bool(judged(replace(laid, found=found), limits).people[0]) is seen
    assert limits.change_encoded <= 1


@pytest.mark.parametrize("name", FACE_REPAINTS)
@pytest.mark.parametrize("graded", [False, True], ids=["plain", "under-a-grade"])
def test_a_repainted_face_is_seen(meter, subject, name, graded):
    """Mouth or eyes turned, the face narrowed, swapped, or a third of another's blended in: face."""
    after = FACE_REPAINTS[name](subject)
    after = jpeg(warmer(after), 85) if graded else after
    assert Region.FACE in compared(meter, subject.pixels, after).people[0]


def test_recoloured_hair_is_seen_as_hair(meter, astronaut):
    """Paint above the face is that person's hair and nothing else of hers."""
    after = painted(astronaut, (225, 38), (30, 10), (40, 90, 200), soft=2.0)
    assert compared(meter, astronaut, after).people == (frozenset({Region.HAIR}),)


def test_the_wall_beside_her_repainted_is_no_touch(meter, astronaut):
    """A background edit near a person, off her silhouette, is nobody's."""
    after = painted(astronaut, (40, 90), (35, 60), (30, 120, 60))
    assert compared(meter, astronaut, after).people == NOBODY_TOUCHED


def test_a_repaint_over_most_of_the_picture_is_no_tone(meter, astronaut):
    """The tone map cannot follow a repaint that covers far more than half of the pixels."""
    after = astronaut.copy()
    after[150:] = np.clip(np.roll(astronaut, 60, axis=1)[150:] * 0.8 + 30, 0, 255).astype(np.uint8)
    assert Region.BODY in compared(meter, astronaut, after).people[0]


def test_a_repaint_hidden_in_a_faint_picture_is_doubt(meter, astronaut):
    """An output flattened until no difference could exceed a threshold says nothing of anybody."""
    after = (118 + 0.05 * painted(astronaut, (230, 340), (70, 60)).astype(np.float64)).astype(np.uint8)
    result = compared(meter, astronaut, after)
    assert result.people == (frozenset({Region.UNDETERMINED}),)
    assert result.unseen == frozenset({Region.UNDETERMINED})


def test_a_repaint_under_lowered_contrast_is_seen(meter, astronaut):
    """Half the contrast halves the difference, not what is seen of it."""
    after = (64 + 0.5 * painted(astronaut, (230, 340), (60, 50), (150, 90, 60)).astype(np.float64)).astype(
        np.uint8
    )
    assert Region.BODY in compared(meter, astronaut, after).people[0]


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_constant_picture_is_never_an_untouched_person(meter, astronaut, value):
    """An output of one colour is no edit that left anybody alone."""
    assert compared(meter, astronaut, np.full_like(astronaut, value)).people[0]


def test_two_constant_pictures_give_an_answer(meter):
    """A flat input breaks nothing: there is nobody in it, and nothing to see."""
    flat = np.full((300, 200, 3), 90, dtype=np.uint8)
    result = compared(meter, flat, flat + 20, faces=())
    assert result.people == ()
    assert result.unseen == frozenset()


@pytest.mark.parametrize(
    "attack",
    [
        lambda p: p[:, ::-1],
        lambda p: p[::-1],
        lambda p: np.roll(p, 40, axis=1),
        lambda p: p[60:452, 60:452],
        lambda p: cv2.resize(p[:, 128:384], (512, 512)),
    ],
    ids=["mirrored", "upside-down", "shifted", "cropped-hard", "stretched"],
)
def test_another_geometry_is_never_untouched(meter, astronaut, attack):
    """A mirrored, shifted, hard cropped or stretched picture leaves nobody untouched."""
    result = compared(meter, astronaut, np.ascontiguousarray(attack(astronaut)))
    assert Region.FACE in result.people[0] or Region.UNDETERMINED in result.people[0]


def test_plain_cloth_in_a_mirrored_picture_is_not_kept(meter):
    """A body without shading that agrees with any plain cloth is touched once the rest is another picture."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    before = cv2.resize(noise, (512, 512), interpolation=cv2.INTER_CUBIC)
    before[40:480, 60:452] = 40
    body = BodyObservation(Box(156, 200, 200, 200), 0.9, ("pose",))
    result = compared(meter, before, before[:, ::-1], faces=(), bodies=(body,))
    assert result.people == (frozenset({Region.BODY}),)


def test_another_size_is_compared_all_the_same(meter, astronaut, subject):
    """Half the size is no touch; half the size with another face is, in both pictures' people."""
    half = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    swapped = FACE_REPAINTS["face swapped"](subject)
    other = cv2.resize(swapped, (256, 256), interpolation=cv2.INTER_AREA)
    assert compared(meter, astronaut, half).people == NOBODY_TOUCHED
    result = compared(meter, astronaut, other)
    assert Region.FACE in result.people[0]
    assert Region.FACE in result.output_people[0]


def test_a_tiny_face_in_a_large_picture_is_looked_at_closely(meter, astronaut, subject):
    """A 20 px face in a picture of 2,000 px is a few working pixels wide, and seen when swapped."""
    scene = np.full((1400, 2000, 3), 120, dtype=np.uint8)
    scene += np.random.default_rng(0).integers(0, 20, scene.shape, dtype=np.uint8)
    small = cv2.resize(astronaut, (114, 114), interpolation=cv2.INTER_AREA)
    swapped = cv2.resize(FACE_REPAINTS["face swapped"](subject), (114, 114), interpolation=cv2.INTER_AREA)
    before, after = scene.copy(), scene.copy()
    before[700:814, 900:1014] = small
    after[700:814, 900:1014] = swapped
    ratio = 114 / 512
    box = Box(900 + FACE.x * ratio, 700 + FACE.y * ratio, FACE.width * ratio, FACE.height * ratio)
    tiny = face_at(box, face_at().landmarks * ratio + np.array([900, 700]))
    assert compared(meter, before, before, faces=(tiny,)).people == NOBODY_TOUCHED
    assert Region.FACE in compared(meter, before, after, faces=(tiny,)).people[0]


def test_a_face_painted_in_is_touched_at_its_place(meter, astronaut):
    """A face of the output where none was in the input is touched there."""
    before = astronaut.copy()
    before[40:200, 340:480] = astronaut[40:200, 40:180]
    after = before.copy()
    after[55:185, 355:465] = astronaut[55:185, 170:280]
    landmarks = face_at().landmarks + np.array([185.0, 0.0], dtype=np.float32)
    added = face_at(Box(FACE.x + 185, FACE.y, FACE.width, FACE.height), landmarks)
    result = compared(meter, before, after, after_faces=(face_at(), added))
    assert result.people == NOBODY_TOUCHED
    assert Region.FACE in result.output_people[1]


def test_a_body_without_a_face_is_touched_as_body(meter, astronaut):
    """Somebody whose head is out of the picture is touched when the suit is repainted."""
    headless = np.ascontiguousarray(astronaut[190:])
    body = BodyObservation(Box(60, 0, 330, 322), 0.9, ("pose",))
    after = painted(headless, (230, 150), (70, 60))
    assert compared(meter, headless, headless, faces=(), bodies=(body,)).people == NOBODY_TOUCHED
    assert compared(meter, headless, after, faces=(), bodies=(body,)).people == (frozenset({Region.BODY}),)


def test_a_repainted_person_whom_nobody_found_falls_on_the_unseen(meter, astronaut):
    """With nobody found, a repaint on the silhouette is the unseen person's body; one on the wall is not."""
    on_her = painted(astronaut, (230, 340), (70, 60))
    on_wall = painted(astronaut, (40, 60), (30, 40), (30, 120, 60))
    assert compared(meter, astronaut, on_her, faces=()).unseen == frozenset({Region.BODY})
    assert compared(meter, astronaut, on_wall, faces=()).unseen == frozenset()


def test_a_repaint_anywhere_falls_on_the_unseen_where_something_reads_as_exposed(meter, limits, astronaut):
    """Once parts that hold nobody found read as exposed, or cannot be read, every repaint there counts."""
    after = painted(astronaut, (40, 60), (30, 40), (30, 120, 60))
    for value in (Exposure.SUGGESTIVE, Exposure.UNDETERMINED):
        seen = observed(astronaut, (face_at(),), elsewhere=value)
        laid = meter.lay(CanonicalImage.of(astronaut), CanonicalImage.of(after), seen, seen)
        assert judged(laid, limits).unseen == frozenset({Region.BODY})


def test_the_answer_names_the_model_and_the_exposure_of_the_chain(meter, astronaut):
    """What is observed carries the person-region model, and exposure changes per person of the output."""
    from consent_edit.perception.observation import Origin

    image, seen = CanonicalImage.of(astronaut), observed(astronaut, (face_at(),))
    result = meter.observe(image, image, seen, replace(seen), Origin.of(seen))
    (check,) = result.checks
    assert [model.role for model in check.models] == ["person-region"]
    assert result.touched == result.output_touched == NOBODY_TOUCHED
    assert len(result.exposure_changes) == 1


def test_a_person_cropped_away_at_the_border_is_doubt(meter, astronaut):
    """Of somebody whom the output hardly shows any more nothing is told, not that she is untouched."""
    after = np.ascontiguousarray(astronaut[8:504, 8:504])
    cut = BodyObservation(Box(0, 100, 7, 300), 0.9, ("pose",))
    result = compared(meter, astronaut, after, faces=(), bodies=(cut,))
    assert result.people == (frozenset({Region.UNDETERMINED}),)
