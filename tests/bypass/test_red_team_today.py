"""Remedies and lineage, attacked once more: a part with a past of its own, crowds that hold everybody up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_perception import Box, picture, seen_face
from PIL import Image

from consent_edit.errors import EditRefused
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import pdq
from consent_edit.perception.change.past import _same
from consent_edit.perception.exposure.change import exposure_changes
from consent_edit.perception.observation import ExposureReading, Origin, PictureExposure
from consent_edit.perception.places import inside, paired
from consent_edit.remedies import anonymise
from consent_edit.remedies.anonymise import anonymised
from consent_edit.remedies.crop import crop_window
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Exposure, Operation

LIMITS = load_thresholds()
STEP = 0.45 * LIMITS.exposure_rise
STRANGER, HER = Box(10, 10, 20, 20), Box(280, 10, 20, 20)


class Collage:
    """A consenting person's picture beside a stranger who is to be cut off; what is made of the part."""

    def __init__(self, scene):
        self.scene = scene
        scene.before = picture(1, 320, 160)
        scene.perception.faces[scene.before.digest] = (seen_face(2, STRANGER), seen_face(1, HER))
        self.window = crop_window(scene.perception.observe_image(scene.before), {1})
        self.part = self.window.of(scene.before)
        sides = scene.editor.family.sizing.working(self.window.width, self.window.height)
        scene.after = picture(2, *sides)
        scene.returned[0] = Image.fromarray(scene.after.pixels)
        self.box = Box(HER.x - self.window.left, HER.y, HER.width, HER.height)
        for one in (self.part, scene.after):
            scene.perception.faces[one.digest] = (seen_face(1, self.box),)

    def exposes(self, scores):
        """Read exposure by digest, and compare it as perception does."""
        look, compare = self.scene.perception.observe_image, self.scene.perception.observe_change

        def observe_image(image):
            seen = look(image)
            reading = ExposureReading(Exposure.NONE, {"body": scores.get(image.digest, 0.0)})
            whole = ExposureReading(Exposure.NONE, {"whole": 0.0})
            return replace(seen, exposure=PictureExposure(whole, (reading,) * len(seen.people), whole))

        def observe_change(before, after, seen_before, seen_after, origin):
            told = compare(before, after, seen_before, seen_after, origin)
            pasts = [origin, *origin.further, Origin.of(seen_before)]
            each, whole = exposure_changes(pasts, seen_after, LIMITS)
            return replace(told, exposure_changes=each, exposure_change=whole)

        self.scene.perception.observe_image = observe_image
        self.scene.perception.observe_change = observe_change

    def was_released(self, likenesses=()):
        """The part is a released picture, of a chain that began with nothing shown."""
        nothing = ExposureReading(Exposure.NONE, {"body": 0.0})
        whole = ExposureReading(Exposure.NONE, {"whole": 0.0})
        where = self.box.scaled(1 / self.part.width, 1 / self.part.height)
        digest = self.part.digest if not likenesses else picture(7).digest
        self.scene.operator.store.commit_release(
            grants=[],
            record={"decision_id": "1", "stage": "output"},
            leaf={"v": 1},
            now=self.scene.world.clock(),
            origins={digest: Origin((where,), PictureExposure(whole, (nothing,), whole))},
            likenesses={digest: likenesses},
        )

    def cut(self):
        her = self.scene.person(1).grant(operations={Operation.TONE}).presentation()
        return self.scene.edit(crop="bystanders", presentations=(her,))


@pytest.fixture
def collage(scene):
    return Collage(scene)


@pytest.mark.parametrize("anew", [False, True], ids=["the very pixels", "saved anew"])
def test_a_released_picture_laid_beside_a_stranger_who_is_cut_off_again(collage, anew):
    """The part goes on with the chain it belongs to: a collage that the crop undoes begins no new one."""
    scores = dict.fromkeys((collage.scene.before.digest, collage.part.digest), 2 * STEP)
    collage.exposes({**scores, collage.scene.after.digest: 3 * STEP})
    collage.was_released((pdq(collage.part).bits,) if anew else ())
    with pytest.raises(EditRefused) as refused:
        collage.cut()
    assert any(code.startswith("policy.") for code in collage.scene.exact(refused.value))


def test_a_part_that_nobody_knows_begins_with_the_whole(collage):
    """The same step of a part that was never released leaves, and its chain is the picture's handed in."""
    scores = dict.fromkeys((collage.scene.before.digest, collage.part.digest), 2 * STEP)
    collage.exposes({**scores, collage.scene.after.digest: 3 * STEP})
    assert collage.cut().released
    assert [len(one.boxes) for one in collage.scene.perception.origins] == [2]
    assert collage.scene.perception.origins[0].further == ()


def test_a_box_of_the_output_after_a_crop(collage):
    """A face that appears in the part is shown where it is in the picture that the requester has."""
    stranger = Box(4, 100, 20, 20)
    made = (seen_face(1, collage.box), seen_face(7, stranger))
    collage.scene.perception.faces[collage.scene.after.digest] = made
    with pytest.raises(EditRefused) as refused:
        collage.cut()
    assert collage.scene.record(refused.value)["stage"] == "output"
    shown = Box(stranger.x + collage.window.left, stranger.y + collage.window.top, 20, 20)
    assert set(refused.value.boxes) == {HER.as_ints(), shown.as_ints()}


def crowd(count, by=0.0):
    """People in rows, as shares of a picture."""
    side = int(count**0.5) + 1
    return [
        Box((i % side + by) / side, (i // side + by) / side, 0.9 / side, 0.9 / side) for i in range(count)
    ]


def test_crowds_are_paired_as_boxes_one_by_one():
    """Pairing many at once says what pairing them box by box says, over every kind of overlap."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        now, then = ([Box(*row) for row in rng.random((rng.integers(0, 90), 4))] for _ in range(2))
        shares = [(one.overlap(old), i, j) for i, one in enumerate(now) for j, old in enumerate(then)]
        pairs = {}
        for share, i, j in sorted(shares, reverse=True):
            if share >= 0.3 and i not in pairs and j not in pairs.values():
                pairs[i] = j
        assert paired(now, then, 0.3) == pairs
        for one in now[:5]:
            assert all(0 <= share <= 1 + 1e-9 for share in inside(one, then))
    assert inside(Box(0, 0, 4, 4), [Box(1, 1, 2, 2), Box(2, 0, 4, 4), Box(9, 9, 1, 1)]) == [1.0, 0.5, 0.0]
    assert inside(Box(0, 0, 4, 4), []) == []


def test_a_crowd_in_every_look_alike(monkeypatch):
    """Pictures of crowds planted as look-alikes hold nobody up: box meets box in arrays, not one by one."""
    met = []
    overlap = Box.overlap
    monkeypatch.setattr(Box, "overlap", lambda *boxes: met.append(1) or overlap(*boxes))
    assert len(_same(crowd(400), crowd(400, by=0.3))) == 400
    assert len(met) < 400


def test_a_crowd_to_be_painted_over(monkeypatch):
    """A face is held against those near it alone: four times the crowd is four times the work."""
    looked = []
    away = anonymise._away
    monkeypatch.setattr(anonymise, "_away", lambda *given: looked.append(1) or away(*given))
    image = CanonicalImage.of(np.zeros((480, 480, 3), np.uint8))

    def work(count):
        looked.clear()
        faces = [seen_face(2, box.scaled(480, 480)) for box in crowd(count)]
        anonymised(image, faces, set())
        return len(looked)

    assert work(400) < 6 * work(100)


def test_near_faces_lend_no_colour_as_far_ones_lend_none(monkeypatch):
    """Looking at near faces alone paints the same picture as looking at all of them."""
    image = picture(5, 240, 240)
    faces = [
        seen_face(2, Box(12 + 45 * (i % 5), 12 + 47 * (i // 5), 14 + 3 * (i % 4), 22)) for i in range(25)
    ]
    near = anonymised(image, faces, {12})
    monkeypatch.setattr(anonymise, "_near", lambda box, others, reach: list(others))
    assert anonymised(image, faces, {12}).digest == near.digest
