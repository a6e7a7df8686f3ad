"""The look half-way: it ends a run on what is plainly seen, and otherwise leaves no trace."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from fake_perception import Scene, ScriptedPerception, picture, seen_face
from tiny_pipelines import tiny_instruct_pix2pix, tiny_once

from consent_edit import EditRefused, Operation
from consent_edit.clearance import SEAL, Clearance
from consent_edit.intake.decode import decode
from consent_edit.perception.observation import ExposureReading, PictureExposure
from consent_edit.pipelines import preview, runner
from consent_edit.pipelines.families import FAMILIES
from consent_edit.pipelines.signature import bind
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import CheckOutcome, Exposure

SOON_S = 60.0
STEPS = 20
SURE = {"whole": 0.99, "whole.second": 0.99}


class Seeing(ScriptedPerception):
    """Says of every picture it does not know, such as a preview, what it was told to say."""

    reading = ExposureReading(Exposure.NUDE, SURE)
    known: frozenset[str] = frozenset()
    raises: type[Exception] | None = None
    failing = False
    other = ""

    def observe_image(self, image):
        seen = super().observe_image(image)
        if image.digest in self.known:
            return seen
        self.looks = [*getattr(self, "looks", []), image]
        if self.raises:
            raise self.raises
        checks = seen.checks
        if self.failing:
            checks = (*checks[:-1], replace(checks[-1], outcome=CheckOutcome.TIMED_OUT))
        exposure = PictureExposure(self.reading, (), ExposureReading(Exposure.NONE))
        return replace(seen, exposure=exposure, checks=checks, digest=self.other or seen.digest)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def scene(tiny):
    genuine = tiny.image_processor
    made = Scene.make(tiny, genuine, Seeing())
    made.perception.known = frozenset({made.before.digest, made.after.digest})
    yield made
    tiny.image_processor = genuine


def looked():
    """Until the look has ended."""
    for thread in threading.enumerate():
        if thread.name == "consent-edit-preview":
            thread.join(SOON_S)


def edit(scene, steps=STEPS, told=None, **changes):
    request = scene.request(settings={"num_inference_steps": steps}, **changes)
    told = [] if told is None else told

    def progress(step, total):
        told.append(step)
        looked()

    return scene.editor.edit(request, progress=progress)


def test_plainly_nude_half_way_ends_the_run(scene):
    """It is refused by the floor at the preview, within a step, and no use is counted."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE})
    told, before = [], scene.entries
    with pytest.raises(EditRefused) as refused:
        edit(scene, told=told, presentations=(grant.presentation(),))
    assert told == list(range(1, STEPS // 2 + 2))[: len(told)] and len(told) <= STEPS // 2 + 1
    assert "floor.nudity-of-real-person" in refused.value.codes and refused.value.boxes == ()
    assert "floor.consent-required" not in refused.value.codes
    record = scene.operator.decision(refused.value.decision_id)
    assert record.stage.value == "preview" and "floor.nudity-of-real-person" in record.codes
    assert scene.uses(grant) == 0 and scene.entries == before + 1 and refused.value.__context__ is None
    assert len(scene.perception.looks) == 1


def released(scene, **how):
    told = []
    made = edit(scene, told=told, **how)
    assert told == list(range(1, how.get("steps", STEPS) + 1))
    assert decode(made.released).image.digest == scene.after.digest


@pytest.mark.parametrize(
    "reading",
    [
        ExposureReading(Exposure.NUDE, {"whole": 0.99, "whole.second": 0.5}),
        ExposureReading(Exposure.NUDE, {"whole": 0.5, "whole.second": 0.99}),
        ExposureReading(Exposure.NUDE, {"whole": 0.99}),
        ExposureReading(Exposure.NUDE, {"centre": 0.99}),
        ExposureReading(Exposure.SUGGESTIVE, SURE),
        ExposureReading(Exposure.UNDETERMINED, SURE),
        ExposureReading(Exposure.NONE, SURE),
    ],
)
def test_what_is_not_plain_goes_on(scene, reading):
    """What one family alone sees, or is not sure of, or sees in a part, waits for the final check."""
    scene.perception.reading = reading
    released(scene)
    assert len(scene.perception.looks) == 1


@pytest.mark.parametrize("how", [{"raises": RuntimeError}, {"failing": True}, {"other": "sha256:00"}])
def test_look_that_fails_goes_on(scene, how):
    """A look that raises, lacks a check or is of another picture says nothing."""
    for name, value in how.items():
        setattr(scene.perception, name, value)
    released(scene)
    assert scene.perception.looks


def test_short_runs_are_not_looked_at(scene):
    """Half-way of fewer than twenty steps there is nothing to see yet."""
    released(scene, steps=preview.SHORTEST - 1)
    assert not hasattr(scene.perception, "looks")


def test_withdrawal_is_told_before_a_preview(scene):
    """Where both end a run, it is refused as withdrawn: the consent is what the person took back."""
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    grant = person.grant(operations={Operation.TONE})

    def progress(step, total):
        if step == STEPS // 2:
            person.withdraw(grant)
        looked()

    request = scene.request(presentations=(grant.presentation(),), settings={"num_inference_steps": STEPS})
    with pytest.raises(EditRefused) as refused:
        scene.editor.edit(request, progress=progress)
    assert "consent.revoked" in scene.exact(refused.value)


NAMES = ("sd-img2img", "sdxl-img2img", "sd3-img2img", "flux-kontext", "qwen-image-img2img", "z-image-img2img")
LOOKED_AT = [family for family in FAMILIES if family.name in NAMES]


def run(pipeline, family, look, **settings):
    given = picture(1, 64, 96)
    steps = {"strength": 1.0} if "strength" in family.allowed else {}
    settings = {
        "num_inference_steps": STEPS,
        "generator": torch.Generator().manual_seed(1),
        **steps,
        **settings,
    }
    call = bind(pipeline, family, (), {"prompt": "make it warmer", "image": given, **settings})
    clearance = Clearance(SEAL, call.digest({"image": given.digest}), None, None)
    return runner.run(pipeline, call, {"image": given}, clearance, deadline_s=600.0, glance=look)


@pytest.mark.parametrize("family", LOOKED_AT, ids=lambda family: family.name)
def test_preview_of_a_family(family):
    """Each layout of latents is decoded into a picture of the run's shape, and the run's own is unchanged."""
    pipeline, seen = tiny_once(family), []
    watching = preview.Preview(pipeline, (64, 96), seen.append, 0.9)
    with_preview = run(pipeline, family, watching.glance)
    looked()
    (shown,) = seen
    assert shown.height / shown.width == pytest.approx(1.5, rel=0.1) and np.ptp(shown.pixels) > 0
    assert np.array_equal(with_preview.pixels, run(pipeline, family, lambda step: None).pixels)


def test_preview_of_the_last_step_is_the_picture(tiny):
    """What a scheduler says of the finished latents is, at its last step, what it made."""
    family = next(one for one in FAMILIES if one.name == "instruct-pix2pix")
    genuine = tiny.scheduler
    kinds = (
        (EulerDiscreteScheduler, {}),
        (DDIMScheduler, {"set_alpha_to_one": True}),
        (DPMSolverMultistepScheduler, {}),
        (UniPCMultistepScheduler, {}),
        (LCMScheduler, {}),
    )
    try:
        for kind, config in kinds:
            tiny.scheduler = kind.from_config(genuine.config, **config)
            steps = []
            run(
                tiny,
                family,
                lambda step, told=steps: told.append((step, preview._clean(tiny.scheduler, step))),
            )
            step, clean = steps[-1]
            assert torch.allclose(clean, step.made[0], atol=1e-2, rtol=1e-2), kind.__name__
        tiny.scheduler = PNDMScheduler.from_config(genuine.config)
        watching = preview.Preview(tiny, (64, 96), lambda seen: 1 / 0, 0.9)
        run(tiny, family, watching.glance)
        assert watching.found == ()
    finally:
        tiny.scheduler = genuine


def test_flow_matching_says_it_too():
    """So does flow matching, from its sigma."""
    family = next(one for one in FAMILIES if one.name == "sd3-img2img")
    pipeline, steps = tiny_once(family), []
    run(pipeline, family, lambda step: steps.append((step, preview._clean(pipeline.scheduler, step))))
    step, clean = steps[-1]
    assert torch.allclose(clean, step.made[0], atol=1e-4)


def test_bar_is_pinned():
    """Its number stands with the others, far above the final check's, and can only be tightened downwards."""
    limits = load_thresholds()
    assert limits.preview_nude > 2 * limits.exposure_nude_whole
