"""Crop, attacked: somebody left at the edge, a mask that points elsewhere, consent for another picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_perception import NOBODY, Box, Scene, picture, seen_face
from PIL import Image
from tiny_pipelines import tiny_inpaint

from consent_edit.errors import ArgumentRejected, EditRefused, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import BodyObservation
from consent_edit.pipelines import runner
from consent_edit.remedies.crop import Window, crop_window
from consent_edit.vocabulary import Intent, Operation, Region

LEFT, RIGHT = Box(10, 10, 20, 20), Box(280, 10, 20, 20)
HER, OTHER = seen_face(1, RIGHT), seen_face(2, LEFT)


def moved(face, window):
    """A face where it is in the part of the picture."""
    return replace(face, box=Box(face.box.x - window.left, face.box.y - window.top, 20, 20))


def laid_out(scene):
    """Two people far apart in a wide picture; the part with the second, and what is made of it."""
    scene.before = picture(1, 320, 160)
    scene.perception.faces[scene.before.digest] = (OTHER, HER)
    seen = scene.perception.observe_image(scene.before)
    window = crop_window(seen, {1})
    size = scene.editor.family.sizing.working(window.width, window.height)
    scene.after = picture(2, *size)
    scene.returned[0] = Image.fromarray(scene.after.pixels)
    part = window.of(scene.before)
    scene.perception.faces[part.digest] = (moved(HER, window),)
    scene.perception.faces[scene.after.digest] = (moved(HER, window),)
    return window


@pytest.fixture
def window(scene):
    return laid_out(scene)


def consent(scene, **grant):
    return scene.person(1).grant(**{"operations": {Operation.TONE}, **grant}).presentation()


def cut(scene, **changes):
    """The edit of the part that shows the consenting people alone."""
    return scene.edit(**{"crop": "bystanders", "presentations": (consent(scene),), **changes})


def test_only_the_part_with_her_is_edited(scene, window, monkeypatch):
    """The bystander's pixels reach neither pipeline nor output, and the receipt says what was done."""
    sent = []
    run = runner.run
    monkeypatch.setattr(
        runner, "run", lambda pipe, call, images, *rest, **more: sent.append(images) or run(
            pipe, call, images, *rest, **more
        )
    )  # fmt: skip
    result = cut(scene)
    assert window.left > LEFT.x + 1.5 * LEFT.width + LEFT.width / 2
    assert sent[0]["image"].digest == window.of(scene.before).digest
    assert json.loads(result.receipt)["receipt"]["remedies"] == ["crop"]
    assert scene.operator.store.decision(result.decision_id)["remedies"] == ["crop"]
    assert "edited" in json.loads(result.receipt)["receipt"]["log"]["leaf"]["commitments"]


def test_it_is_off_unless_asked(scene, window):
    """Without the word the bystander is asked for."""
    with pytest.raises(EditRefused) as refused:
        scene.edit(presentations=(consent(scene),))
    assert refused.value.boxes == (LEFT.as_ints(),)
    assert any("crop='bystanders'" in remedy for remedy in refused.value.remedies)


def test_somebody_left_in_the_part(scene, window):
    """A face that only the second look finds refuses, and its box points into the picture handed in."""
    late = seen_face(3, Box(5, 90, 20, 20))
    part = window.of(scene.before)
    scene.perception.faces[part.digest] = (moved(HER, window), late)
    with pytest.raises(EditRefused) as refused:
        cut(scene)
    assert "floor.consent-required" in scene.exact(refused.value)
    assert refused.value.boxes == ((5 + window.left, 90 + window.top, 20, 20),)
    assert scene.record(refused.value)["remedies"] == ["crop"]


def test_a_body_left_in_the_part_keeps_hands_off(scene, window):
    """Whose face was cut off but not the body is still under hands-off."""
    part = window.of(scene.before)
    scene.perception.bodies[part.digest] = (BodyObservation(Box(0, 0, 20, 150), 0.9, ("pose",)),)
    scene.perception.touched = (NOBODY, frozenset({Region.BODY}))
    scene.perception.reads["another dress"] = (Intent.ORDINARY, frozenset({Operation.CLOTHING}))
    grant = consent(scene, operations={Operation.CLOTHING, Operation.BODY}, images=(scene.before.digest,))
    with pytest.raises(EditRefused) as refused:
        cut(scene, prompt="another dress", presentations=(grant,))
    assert "floor.hands-off" in scene.exact(refused.value)


def test_nobody_s_consent_leaves_nothing(scene, window):
    """Withdrawn, absent or given for another photo: the same error, which says nothing of why (G7)."""
    withdrawn = scene.person(1)
    grant = withdrawn.grant(operations={Operation.TONE})
    withdrawn.withdraw(grant)
    told = set()
    for presented in ((), (grant.presentation(),), (consent(scene, images=(picture(9).digest,)),)):
        with pytest.raises(InputError) as refused:
            cut(scene, presentations=presented)
        told.add((refused.value.code, refused.value.message, refused.value.remedy))
    assert len(told) == 1


def test_people_too_close_to_be_parted(scene):
    """Where no part holds her alone nothing runs, and anonymising is named instead."""
    scene.shows((HER, seen_face(2, Box(270, 10, 20, 20))), ())
    scene.before = picture(1, 320, 160)
    scene.perception.faces[scene.before.digest] = (HER, seen_face(2, Box(240, 10, 20, 20)))
    with pytest.raises(InputError) as refused:
        cut(scene)
    assert refused.value.code == "input.crop"
    assert scene.entries == 0


def test_consent_is_for_the_picture_handed_in(scene, window):
    """A grant that names the whole picture holds for its part; one that names the part does not."""
    assert cut(scene, presentations=(consent(scene, images=(scene.before.digest,)),)).released
    with pytest.raises(InputError):
        cut(scene, presentations=(consent(scene, images=(window.of(scene.before).digest,)),))


def test_the_first_picture_is_the_one_handed_in(scene, window):
    """The chain begins with everybody who was there, told by their places in the part."""
    cut(scene)
    (origin,) = scene.perception.origins
    assert len(origin.boxes) == 2
    assert origin.boxes[0].x + origin.boxes[0].width < 0
    assert origin.boxes[1].x * window.width == pytest.approx(RIGHT.x - window.left)


def test_whom_everybody_consents_to_is_not_cut(scene):
    """With nobody else in the picture the whole of it is edited, and nothing is said to be done."""
    scene.shows((seen_face(1, Box(20, 10, 20, 20)),), (seen_face(1, Box(20, 10, 20, 20)),))
    result = cut(scene)
    assert json.loads(result.receipt)["receipt"]["remedies"] == []


@pytest.fixture(scope="module")
def inpaint(tmp_path_factory):
    return tiny_inpaint(tmp_path_factory.mktemp("inpaint-tokenizer"))


@pytest.fixture
def masked(inpaint):
    genuine = inpaint.image_processor
    scene = Scene.make(inpaint, genuine)
    yield scene
    inpaint.image_processor = genuine


@pytest.mark.parametrize("over", [LEFT, RIGHT])
def test_the_mask_is_cut_alike(masked, over, monkeypatch):
    """A mask keeps its place on the people: over the one cut off nothing is left of it, over her all is."""
    window = laid_out(masked)
    pixels = np.zeros((160, 320, 3), np.uint8)
    pixels[round(over.y) : round(over.y) + 20, round(over.x) : round(over.x) + 20] = 255
    sent = []
    run = runner.run
    monkeypatch.setattr(
        runner, "run", lambda pipe, call, images, *rest, **more: sent.append(images) or run(
            pipe, call, images, *rest, **more
        )
    )  # fmt: skip
    grant = consent(masked, operations={Operation.OBJECT, Operation.TONE})
    cut(
        masked,
        mask=CanonicalImage.of(pixels),
        presentations=(grant,),
        settings={"num_inference_steps": 1},
    )
    left = sent[0]["mask_image"]
    assert (left.width, left.height) == (window.width, window.height)
    expected = window.of(CanonicalImage.of(pixels)).pixels > 0
    assert (left.pixels[expected] == 255).all()
    assert left.pixels.mean() < 255 * (expected.mean() * 2 + 0.01)


def test_a_size_asked_for_is_the_part_s_own(masked):
    """A width that fits the picture handed in and not its part is told, not obeyed."""
    laid_out(masked)
    pixels = np.zeros((160, 320, 3), np.uint8)
    pixels[10:30, 280:300] = 255
    grant = consent(masked, operations={Operation.OBJECT, Operation.TONE})
    with pytest.raises(ArgumentRejected):
        cut(
            masked,
            mask=CanonicalImage.of(pixels),
            presentations=(grant,),
            settings={"num_inference_steps": 1, "width": 320, "height": 160},
        )


def test_the_whole_picture_s_window_is_itself():
    """A part that is all of the picture has the picture's own digest."""
    image = picture(4)
    assert Window(0, 0, 64, 64).of(image).digest == image.digest
