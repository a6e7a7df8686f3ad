"""Editing through a mask: no words, harmless words, a mask that is another picture, a mask swapped later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_perception import Scene, ScriptedPerception, seen_face
from tiny_pipelines import tiny_inpaint

from consent_edit import EditRefused, Operation
from consent_edit.errors import ArgumentRejected, CheckFailed, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines.families import INPAINT
from consent_edit.vocabulary import Intent, Region

SIZES = {"num_inference_steps": 1, "width": 64, "height": 64}


class Reaching(ScriptedPerception):
    """Says that the first comparison, the mask's, reaches the parts of the first person it was told."""

    reached: frozenset[Region] = frozenset({Region.BODY})

    def observe_change(self, before, after, seen_before, seen_after, origin):
        found = super().observe_change(before, after, seen_before, seen_after, origin)
        first = len(self.origins) == 1
        return replace(found, touched=(self.reached,)) if first and seen_before.people else found


@pytest.fixture(scope="module")
def inpaint(tmp_path_factory):
    return tiny_inpaint(tmp_path_factory.mktemp("inpaint-tokenizer"))


@pytest.fixture
def scene(inpaint):
    genuine = inpaint.image_processor
    scene = Scene.make(inpaint, genuine, perception=Reaching())
    scene.shows([seen_face(1)], [seen_face(1)])
    yield scene
    inpaint.image_processor = genuine


def mask(side=64):
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[side // 2 :] = 255
    return CanonicalImage.of(pixels)


@pytest.mark.parametrize("prompt", ["", "nice weather"])
def test_an_innocent_prompt_with_a_mask_over_a_body(scene, prompt):
    """Her consent to backgrounds does not cover what the mask reaches, and nothing is run."""
    scene.perception.reads[prompt] = (Intent.ORDINARY, frozenset({Operation.BACKGROUND} if prompt else ()))
    grant = scene.person(1).grant(operations={Operation.BACKGROUND, Operation.TONE})
    with pytest.raises(EditRefused) as refused:
        scene.edit(prompt=prompt, mask=mask(), settings=SIZES, presentations=(grant.presentation(),))
    assert {"floor.sexual-intent", "floor.photo-required"} <= scene.exact(refused.value)
    assert scene.record(refused.value)["stage"] == "input"


def test_a_mask_beside_everybody_is_no_reason_to_refuse(scene):
    """The same request whose mask reaches nobody is let through to the pipeline and released."""
    scene.perception.reached = frozenset()
    grant = scene.person(1).grant(operations={Operation.OBJECT, Operation.TONE})
    assert scene.edit(prompt="", mask=mask(), settings=SIZES, presentations=(grant.presentation(),)).released


def test_a_missing_or_wrong_mask_is_bad_input(scene):
    """No mask, one of another size, and one that is no picture are each named."""
    for given in (None, mask(32)):
        with pytest.raises(InputError) as refused:
            scene.edit(prompt="", mask=given, settings=SIZES)
        assert refused.value.code == "input.mask"
    with pytest.raises(InputError):
        scene.edit(prompt="", mask=b"no picture", settings=SIZES)
    with pytest.raises(ArgumentRejected):
        scene.edit(prompt="", mask=mask(), settings={**SIZES, "mask_image": mask()})
    assert scene.perception.saw == []


def test_a_mask_for_a_pipeline_without_one(tiny):
    """A mask that nothing would honour is refused, not ignored."""
    other = Scene.make(tiny, tiny.image_processor)
    with pytest.raises(ArgumentRejected):
        other.edit(mask=mask())


def test_the_mask_is_part_of_what_is_cleared_and_signed(scene):
    """Another mask is another call and another request to prove."""
    requests = [scene.request(mask=one) for one in (mask(), CanonicalImage.of(255 - mask().pixels))]
    assert requests[0].digest() != requests[1].digest()
    call = {"mask_image": mask().digest, "image": scene.before.digest}
    from consent_edit.pipelines.signature import bind

    pictures = {"image": scene.before, "mask_image": mask()}
    bound = bind(scene.editor.pipeline, INPAINT, (), {"prompt": "", **pictures})
    assert bound.digest(call) != bound.digest({**call, "mask_image": "sha256:other"})


def test_a_mask_nobody_could_compare_is_over_everybody(scene, monkeypatch):
    """Where the reach was not measured the edit is refused, as any check without an answer refuses."""
    scene.perception.reached = frozenset({Region.UNDETERMINED})
    with pytest.raises((EditRefused, CheckFailed)):
        scene.edit(prompt="", mask=mask(), settings=SIZES)
