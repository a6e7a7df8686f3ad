"""Parts of a pipeline that do as they like around the hooks: what they make is judged, and is what leaves."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_perception import Scene, seen_face
from PIL import Image
from tiny_pipelines import tiny_once

from consent_edit.errors import ArgumentRejected, CheckFailed, EditRefused
from consent_edit.intake.decode import decode
from consent_edit.pipelines.families import FAMILIES
from consent_edit.vocabulary import Exposure


@pytest.fixture
def judged(scene):
    """The scene with the pipeline's own pictures in place of scripted ones; what was looked at, in order."""
    return genuine_output(scene)


def genuine_output(scene):
    scene.editor.pipeline.image_processor = scene.editor.pipeline.image_processor._genuine
    looked = []
    observe = scene.perception.observe_image
    scene.perception.observe_image = lambda image: (looked.append(image.digest), observe(image))[1]
    return looked


def strangers_in_the_output(scene):
    """Whatever the pipeline makes shows somebody whom nobody asked."""
    observe = scene.perception.observe_image

    def observing(image):
        if image.digest != scene.before.digest:
            scene.perception.faces[image.digest] = (seen_face(7),)
        return observe(image)

    scene.perception.observe_image = observing


@pytest.fixture
def scheduler(scene):
    """The pipeline's scheduler; whatever was put on the instance is taken off again."""
    part = scene.editor.pipeline.scheduler
    kept = dict(vars(part))
    yield part
    vars(part).clear()
    vars(part).update(kept)


FORGED = torch.full((1, 4, 32, 32), 3.0)


@pytest.mark.parametrize("method", ["scale_model_input", "add_noise"])
def test_scheduler_that_brings_samples_of_its_own(scene, scheduler, judged, method):
    """Beside ``step`` a scheduler may put other samples in; the picture they become is the one looked at."""
    settings = {"num_inference_steps": 1, "generator": torch.Generator().manual_seed(1)}
    plain = scene.edit(settings=settings).released
    vars(scheduler)[method] = lambda sample, *_: FORGED.expand_as(sample)
    judged.clear()
    settings["generator"] = torch.Generator().manual_seed(1)
    released = scene.edit(settings=settings).released
    if method == "scale_model_input":
        assert released != plain, "the scheduler's samples reached nothing: the attack is none"
    assert decode(released).image.digest == judged[-1]


def test_samples_of_a_stranger_put_in_by_the_scheduler(scene, scheduler, judged):
    """Whose face such samples become is asked of the finished picture, and nobody consented to it."""
    vars(scheduler)["scale_model_input"] = lambda sample, *_: FORGED.expand_as(sample)
    strangers_in_the_output(scene)
    with pytest.raises(EditRefused) as refused:
        scene.edit()
    assert {"floor.consent-required", "floor.foreign-identity"} <= scene.exact(refused.value)


@pytest.mark.parametrize("method", ["step", "set_timesteps"])
def test_scheduler_that_takes_no_step(scene, scheduler, method):
    """A run in which nothing passes the hook is not watched, and what it gives back is dropped."""
    nothing = SimpleNamespace(prev_sample=FORGED)
    vars(scheduler)[method] = lambda *_, **__: (nothing.prev_sample,)
    if method == "set_timesteps":
        vars(scheduler).update(timesteps=torch.tensor([]), num_inference_steps=0)
    before = scene.entries
    with pytest.raises(CheckFailed) as refused:
        scene.edit()
    assert refused.value.code in {"check.pipeline-unwatched", "check.pipeline-failed"}
    assert scene.entries == before + 1 and '"event":"refusal"' in scene.newest()


class Checker:
    """In the place of Stable Diffusion's own safety checker: gives back what it likes."""

    def __init__(self, found, shown=lambda images: images):
        self.found, self.shown, self.calls = found, shown, 0

    def __call__(self, images, clip_input):
        self.calls += 1
        return self.shown(images), [self.found] * len(images)


class Extractor:
    """In the place of its feature extractor."""

    def __call__(self, images, return_tensors):
        return self

    def to(self, device):
        return SimpleNamespace(pixel_values=torch.zeros(1))


@pytest.fixture
def checked(scene):
    """Puts a safety checker into the pipeline, and takes it out again."""
    pipeline = scene.editor.pipeline

    def put(checker):
        pipeline.safety_checker, pipeline.feature_extractor = checker, Extractor()
        return checker

    yield put
    pipeline.safety_checker = pipeline.feature_extractor = None


def nude_output(scene):
    """From here on, whatever is looked at is nude: the input has been by then."""
    read = scene.perception.read_prompt

    def reading(*arguments, **keywords):
        scene.perception.exposure = Exposure.NUDE
        return read(*arguments, **keywords)

    scene.perception.read_prompt = reading


@pytest.mark.parametrize(
    "way", ["never there", "finds nothing", "taken out while it runs", "finds everything"]
)
def test_safety_checker_removed_or_blind(scene, checked, way):
    """Whatever becomes of the pipeline's own checker, a nude output is refused by ours."""
    nude_output(scene)
    checker = None if way == "never there" else checked(Checker(found=way == "finds everything"))

    def progress(step, total):
        if way == "taken out while it runs":
            scene.editor.pipeline.safety_checker = None

    with pytest.raises(EditRefused) as refused:
        scene.editor.edit(scene.request(), progress=progress)
    assert "floor.nudity-of-real-person" in scene.exact(refused.value)
    if way in {"finds nothing", "finds everything"}:
        assert checker.calls == 1, "the checker was not passed: the case is none"


def test_safety_checker_that_gives_back_another_picture(scene, checked, judged):
    """What comes out of it is what is looked at, and what leaves."""
    checked(Checker(found=False, shown=lambda images: torch.zeros_like(torch.as_tensor(images))))
    released = decode(scene.edit().released).image
    assert released.digest == judged[-1]
    assert len(np.unique(released.pixels)) == 1, "its picture did not come out: the attack is none"


def test_safety_checker_that_brings_a_stranger(scene, checked, judged):
    """A face that it puts in is a face in the output."""
    checked(Checker(found=False, shown=lambda images: torch.zeros_like(torch.as_tensor(images))))
    strangers_in_the_output(scene)
    with pytest.raises(EditRefused) as refused:
        scene.edit()
    assert "floor.foreign-identity" in scene.exact(refused.value)


@pytest.mark.parametrize("name", ["instruct-pix2pix", "flux-kontext"])
def test_interrupt_set_while_it_runs(name):
    """``_interrupt`` ends some families early and others not; either way the picture made is judged."""
    pipeline = tiny_once(next(family for family in FAMILIES if family.name == name))
    genuine = pipeline.image_processor
    scene = Scene.make(pipeline, genuine)
    try:
        looked, steps = genuine_output(scene), []

        def progress(step, total):
            steps.append(step)
            pipeline._interrupt = True

        request = scene.request(settings={"num_inference_steps": 3})
        released = scene.editor.edit(request, progress=progress).released
        assert decode(released).image.digest == looked[-1]
        assert len(steps) == (1 if name == "flux-kontext" else 3)
        strangers_in_the_output(scene)
        with pytest.raises(EditRefused):
            scene.editor.edit(request, progress=progress)
    finally:
        pipeline.image_processor, pipeline._interrupt = genuine, False


def test_output_that_brings_more_than_it_shows(scene):
    """Text and profiles that hang on the picture that a pipeline returns do not leave with it."""
    shown = scene.returned[0].copy()
    shown.info.update(comment="her name", icc_profile=b"x" * 4000, exif=b"Exif\0\0" + b"her name")
    scene.returned[0] = shown
    released = scene.edit().released
    assert b"her name" not in released and b"x" * 100 not in released


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "F"])
def test_output_of_another_mode(scene, mode):
    """What could be shown in more than one way is no answer."""
    scene.returned[0] = Image.new(mode, (64, 64))
    with pytest.raises(CheckFailed) as refused:
        scene.edit()
    assert refused.value.code == "check.pipeline-output"


def test_class_changed_after_it_was_guarded(scene):
    """A pipeline that became one of another class is not run, though its instance is the same."""
    pipeline = scene.editor.pipeline
    kind = type(pipeline)
    ran = []
    pipeline.__class__ = type(kind.__name__, (kind,), {"check_inputs": lambda *_, **__: ran.append(1)})
    try:
        with pytest.raises(ArgumentRejected) as refused:
            scene.edit()
    finally:
        pipeline.__class__ = kind
    assert refused.value.code == "input.unsupported-pipeline" and not ran


def test_generator_whose_state_was_chosen(scene, judged):
    """Noise of a state set by hand is noise like any: what it becomes is looked at."""
    state = torch.Generator().get_state()
    state[100:2000] = 255
    crafted = torch.Generator()
    crafted.set_state(state)
    released = scene.edit(settings={"num_inference_steps": 1, "generator": crafted}).released
    assert decode(released).image.digest == judged[-1]


class Seeded(torch.Generator):
    """Counts what is asked of it."""

    asked = 0

    def manual_seed(self, seed):
        Seeded.asked += 1
        return super().manual_seed(seed)

    initial_seed = manual_seed


def test_generator_of_a_class_of_its_own(scene):
    """A generator that could do something when it is asked is not asked anything."""
    with pytest.raises(ArgumentRejected) as refused:
        scene.edit(settings={"generator": Seeded()})
    assert refused.value.code == "input.argument" and Seeded.asked == 0


def test_generator_drawn_from_between_check_and_run(scene, judged):
    """A generator is the caller's; drawn from meanwhile it makes another picture, which is the one judged."""
    generator = torch.Generator().manual_seed(1)
    read = scene.perception.read_prompt
    scene.perception.read_prompt = lambda *a, **k: (torch.rand(9, generator=generator), read(*a, **k))[1]
    released = scene.edit(settings={"num_inference_steps": 1, "generator": generator}).released
    assert decode(released).image.digest == judged[-1]
