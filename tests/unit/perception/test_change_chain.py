"""A chain of edits is laid over its first picture: small steps add up, and what was allowed is kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from change_scene import FACE, LANDMARKS, face_at, jpeg, observed, painted, warmer

from consent_edit.bench.edits import BENIGN
from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.bodies.regions import PersonRegions
from consent_edit.perception.change.chain import Step, renewed
from consent_edit.perception.change.difference import difference, working
from consent_edit.perception.change.sketch import shrunk, sketched
from consent_edit.perception.change.touched import Comparison, Laid
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Box, Origin, Sketch
from consent_edit.vocabulary import CheckOutcome, Region

UNTOUCHED = frozenset()
SUIT = ((230, 340), (70, 60))
STEPS = (0, 0.7, 1.4, 2.1, 2.8, 3.5, 4.2)
"""How far a place is drawn to another colour: each step is below what counts, and the last is above."""


@pytest.fixture(scope="module")
def meter(limits):
    from consent_edit.perception.change.look import ChangeMeter

    try:
        return ChangeMeter(ModelStore(), limits)
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


def observe(meter, before, after, origin=None, faces=None):
    """One edit: the same people in both pictures; without an origin the input begins a chain."""
    faces = (face_at(),) if faces is None else faces
    scale = after.shape[1] / before.shape[1], after.shape[0] / before.shape[0]
    moved = tuple(face_at(one.box.scaled(*scale), one.landmarks * np.array(scale)) for one in faces)
    seen, shown = observed(before, faces), observed(after, moved)
    images = [CanonicalImage.of(np.ascontiguousarray(one)) for one in (before, after)]
    return meter.observe(*images, seen, shown, Origin.of(seen) if origin is None else origin)


def told_of(meter, pictures, faces=None):
    """Every observation of a chain in which every output was released and edited again."""
    faces = (face_at(),) if faces is None else faces
    origin = Origin.of(observed(pictures[0], faces))
    told = []
    for before, after in pairwise(pictures):
        told.append(observe(meter, before, after, origin, faces))
        origin = replace(origin, sketch=Sketch(told[-1].sketch))
    return told


def alone(meter, pictures, faces=None):
    """Every observation of the same edits, each of a picture that begins a chain."""
    return [observe(meter, one, two, None, faces) for one, two in pairwise(pictures)]


def tinted(picture, share, centre=(224, 118), axes=(45, 55)):
    """A face drawn a little towards another colour."""
    return painted(
        picture, centre, axes, picture * np.array([1 - 0.04 * share, 1 - 0.02 * share, 1 + 0.03 * share])
    )


def two(astronaut):
    """Two of her side by side, and both faces."""
    second = face_at(
        Box(FACE.x + 512, FACE.y, FACE.width, FACE.height), LANDMARKS + np.array([512, 0], np.float32)
    )
    return np.hstack([astronaut, astronaut]), (face_at(), second)


NOBODY = np.zeros((160, 160), dtype=np.bool_)


def region(low, high):
    """A body that fills a square."""
    body = NOBODY.copy()
    body[low:high, low:high] = True
    return PersonRegions(NOBODY, NOBODY, body)


def test_a_face_repainted_in_small_steps(meter, astronaut):
    """Of six steps, each below what counts, a late one makes a touched face: in input and in output."""
    steps = [tinted(astronaut, share) if share else astronaut for share in STEPS]
    assert all(step.touched == (UNTOUCHED,) for step in alone(meter, steps))
    told = told_of(meter, steps)
    assert all(step.touched == step.output_touched == (UNTOUCHED,) for step in told[:3])
    seen = [step for step in told[3:] if Region.FACE in step.touched[0]]
    assert seen and all(Region.FACE in step.output_touched[0] for step in seen)


def test_small_steps_under_a_grade(meter, astronaut):
    """Tone, saving again and half a pixel in between do not hide the sum."""
    graded = [warmer(tinted(astronaut, share)) for share in STEPS[1:]]
    steps = [astronaut, graded[0], jpeg(graded[1], 85), BENIGN["half a pixel"](graded[2])]
    steps += [jpeg(one, 85) for one in graded[3:]]
    assert not any(step.touched[0] for step in alone(meter, steps))
    assert any(step.touched[0] for step in told_of(meter, steps))


def test_small_steps_on_nobody(meter, astronaut):
    """Somebody whom nobody found is repainted in small steps: it falls on the unseen."""
    steps = [tinted(astronaut, share, *SUIT) if share else astronaut for share in STEPS]
    assert not any(step.unseen_touched for step in alone(meter, steps, ()))
    assert any(step.unseen_touched == {Region.BODY} for step in told_of(meter, steps, ()))


def test_harmless_edits_add_up_to_nothing(meter, astronaut):
    """Six edits of the whole picture, one after the other, touch nobody."""
    pictures = [astronaut]
    for name in ("JPEG 90", "warmer", "half a pixel", "JPEG 75", "curve", "WebP 80"):
        pictures.append(BENIGN[name](pictures[-1]))
    for told in told_of(meter, pictures):
        assert told.touched == told.output_touched == (UNTOUCHED,)
        assert not told.unseen_touched and not told.background


def test_a_released_repaint_is_not_held_against_the_chain(meter, astronaut):
    """Clothes that were repainted and released do not read as touched in the tone edits that follow."""
    repainted = painted(astronaut, *SUIT)
    first, *later = told_of(meter, [astronaut, repainted, warmer(repainted), jpeg(repainted)])
    assert Region.BODY in first.touched[0]
    assert all(step.touched == (UNTOUCHED,) for step in later)


def test_a_released_repaint_under_a_grade_is_kept_in_the_first_tone(meter, astronaut):
    """A repaint made in another tone than the first picture's is laid into it in the first one's."""
    graded = warmer(astronaut)
    repainted = painted(graded, *SUIT)
    steps = told_of(meter, [astronaut, graded, repainted, jpeg(repainted), graded])
    assert [bool(step.touched[0]) for step in steps] == [False, True, False, True]


def test_a_released_background_is_not_held_against_the_chain(meter, astronaut):
    """A wall that was repainted and released does not read as repainted again; her face since then does."""
    wall = painted(astronaut, (40, 90), (35, 60), (30, 120, 60))
    steps = told_of(meter, [astronaut, wall, *(tinted(wall, share) for share in STEPS[1:])])
    assert [step.background for step in steps] == [True, *(False for _ in STEPS[1:])]
    assert not any(step.touched[0] for step in steps[:4])
    assert any(Region.FACE in step.touched[0] for step in steps[4:])


def test_one_persons_repaint_gives_nobody_else_a_new_past(meter, astronaut):
    """She who consents is repainted at every step; who stands beside her is compared with the first."""
    both, faces = two(astronaut)
    steps, own = [both], both
    for share, height in zip(STEPS[1:], (300, 330, 360, 390, 420, 450), strict=True):
        own = painted(own, (230, height), (70, 40), (40, 90, 160))
        steps.append(tinted(own, share, centre=(224 + 512, 118)))
    assert all(step.touched[0] and not step.touched[1] for step in alone(meter, steps, faces))
    told = told_of(meter, steps, faces)
    assert not any(step.touched[1] for step in told[:3])
    assert any(Region.FACE in step.touched[1] for step in told[3:])


def test_a_moved_chain_is_followed(meter, astronaut):
    """The picture moves by eight pixels on the way, and her place in the first one with it."""
    moved = np.asarray(
        cv2.warpAffine(astronaut, np.float32([[1, 0, 8], [0, 1, 4]]), (512, 512), borderMode=2)
    )
    faces = (face_at(Box(FACE.x + 8, FACE.y + 4, FACE.width, FACE.height), LANDMARKS + np.float32([8, 4])),)
    told = observe(meter, astronaut, moved)
    origin = replace(Origin.of(observed(astronaut, (face_at(),))), sketch=Sketch(told.sketch))
    assert observe(meter, moved, warmer(moved), origin, faces).touched == (UNTOUCHED,)
    hair = painted(moved, (233, 42), (30, 8), (40, 90, 200), soft=2.0)
    assert observe(meter, hair, hair, origin, faces).touched == (frozenset({Region.HAIR}),)


def test_a_band_below_is_no_part_of_the_first_picture(meter, astronaut):
    """A released picture that bears a band is compared without it: rows say how much of it is picture."""
    band = np.zeros((64, 512, 3), np.uint8)
    under = np.vstack([astronaut, band])
    origin = Origin.of(observed(under, (face_at(),)))
    first = replace(origin, sketch=Sketch(observe(meter, astronaut, astronaut).sketch, 512 / 576))
    assert observe(meter, under, warmer(under), first).touched == (UNTOUCHED,)
    repainted = np.vstack([tinted(astronaut, 4.2), band])
    assert Region.FACE in observe(meter, repainted, repainted, first).touched[0]
    in_it = face_at(Box(300, 524, 36, 44), LANDMARKS * 0.4 + np.float32([228, 499]))
    told = observe(meter, under, warmer(under), first, (face_at(), in_it))
    assert told.touched == told.output_touched == (UNTOUCHED, UNTOUCHED)
    whole = replace(first, sketch=Sketch(first.sketch.picture))
    assert observe(meter, under, under, whole).touched != (UNTOUCHED,)


def test_the_first_picture_goes_through_the_process_and_back(perception, astronaut):
    """The process that looks is handed what is kept of the first picture, and hands back what to keep."""
    seen = observed(astronaut, (face_at(),))
    images = [CanonicalImage.of(tinted(astronaut, share)) for share in (4.1, 4.2)]
    alone_ = perception.observe_change(*images, seen, seen, Origin.of(seen))
    assert alone_.touched == (UNTOUCHED,) and alone_.sketch
    kept = Sketch(sketched(shrunk(astronaut).pixels))
    told = perception.observe_change(*images, seen, seen, replace(Origin.of(seen), sketch=kept))
    assert Region.FACE in told.touched[0]
    broken = perception.observe_change(*images, seen, seen, replace(Origin.of(seen), sketch=Sketch(b"x")))
    assert broken.touched == (frozenset({Region.UNDETERMINED}),)
    assert [check.outcome for check in broken.checks] == [CheckOutcome.FAILED]


def test_the_rim_of_a_released_repaint_is_released_with_it(limits, astronaut):
    """What was repainted just beside somebody's region goes with it; what is another's region does not."""
    first = CanonicalImage.of(np.ascontiguousarray(astronaut[160:320, 160:320]))
    shown = first.pixels.copy()
    shown[40:80, 40:80] = (20, 140, 60)
    after = CanonicalImage.of(shown)
    laid = Laid(difference(first, after, working(first)), (region(43, 77), region(0, 43)), (), NOBODY, False)
    step = Step((160, 160), (), after, (), NOBODY, NOBODY, laid)
    told = Comparison((frozenset({Region.BODY}), UNTOUCHED), (), UNTOUCHED, tone=False, background=False)
    anew = renewed(first, 1.0, step, laid, told, limits).astype(int)
    apart, kept = np.abs(anew - shown).max(axis=2), np.abs(anew - first.pixels).max(axis=2)
    assert apart[45:79, 45:79].max() < 12
    assert kept[:43, :43].max() == 0 and kept[90:].max() == 0


@pytest.mark.parametrize("kept", [b"x", b"\xff\xd8\xff", sketched(np.zeros((8, 8, 3), np.uint8))[:-40]])
def test_an_unreadable_first_picture_is_no_answer(meter, astronaut, kept):
    """What is kept of the first picture and cannot be read fails the check; it is not passed over."""
    origin = replace(Origin.of(observed(astronaut, (face_at(),))), sketch=Sketch(kept))
    with pytest.raises(CheckFailed):
        observe(meter, astronaut, astronaut, origin)


@pytest.mark.parametrize(("touched", "face_kept"), [(Region.BODY, True), (Region.UNDETERMINED, False)])
def test_a_released_body_gives_the_face_no_new_past(limits, astronaut, touched, face_kept):
    """Consent to clothes does not let a face drift: only touched regions are renewed, in doubt all."""
    first = CanonicalImage.of(np.ascontiguousarray(astronaut[160:320, 160:320]))
    shown = first.pixels.copy()
    shown[10:40, 10:40] = shown[90:120, 90:120] = (20, 140, 60)
    after = CanonicalImage.of(shown)
    person = PersonRegions(region(10, 40).body, NOBODY, region(90, 120).body)
    laid = Laid(difference(first, after, working(first)), (person,), (), NOBODY, exposed=False)
    step = Step((160, 160), (), after, (), NOBODY, NOBODY, laid)
    told = Comparison((frozenset({touched}),), (), UNTOUCHED, tone=False, background=False)
    anew = renewed(first, 1.0, step, laid, told, limits)
    assert np.array_equal(anew[10:40, 10:40], first.pixels[10:40, 10:40]) is face_kept
    assert not np.array_equal(anew[90:120, 90:120], first.pixels[90:120, 90:120])
