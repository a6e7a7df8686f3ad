"""The runner, its hooks and its allow-list, on a tiny real InstructPix2Pix."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipelines import InstructPix2Pix, tiny_instruct_pix2pix

from consent_edit.clearance import SEAL, Clearance
from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines import families, runner
from consent_edit.pipelines.signature import bind


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return CanonicalImage.of(rng.integers(0, 255, (64, 48, 3), dtype=np.uint8))


def bound(pipeline, picture, **keywords):
    call = {"prompt": "make it warmer", "image": picture, "num_inference_steps": 3} | keywords
    return bind(pipeline, families.INSTRUCT_PIX2PIX, (), call)


def clearance(call, picture):
    return Clearance(SEAL, call.digest({"image": picture.digest}), snapshot=None, decision=None)


def run(pipeline, picture, *, clear=None, deadline_s=60.0, cancelled=lambda: False, **keywords):
    call = bound(pipeline, picture, **keywords)
    return runner.run(
        pipeline,
        call,
        {"image": picture},
        clear or clearance(call, picture),
        deadline_s=deadline_s,
        cancelled=cancelled,
    )


def seeded():
    return torch.Generator().manual_seed(7)


def test_a_watched_run_gives_what_the_bare_pipeline_gives(pipeline, picture):
    """Watching changes no pixel."""
    bare = pipeline(
        prompt="make it warmer",
        image=Image.fromarray(picture.pixels),
        num_inference_steps=3,
        generator=seeded(),
    ).images[0]
    watched = run(pipeline, picture, generator=seeded())
    assert np.array_equal(np.asarray(bare), watched.pixels)


def test_hooks_are_gone_after_a_run(pipeline, picture):
    """Nothing of the watch stays on the instances."""
    run(pipeline, picture)
    assert "step" not in vars(pipeline.scheduler)
    assert "decode" not in vars(pipeline.vae)


def test_a_cancelled_run_aborts_and_the_pipeline_runs_again(pipeline, picture):
    """Cancelling aborts within one step and leaves the pipeline usable."""
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 2

    with pytest.raises(CheckFailed) as refused:
        run(pipeline, picture, cancelled=cancelled)
    assert refused.value.code == "check.pipeline-cancelled"
    assert len(asked) == 2
    assert run(pipeline, picture).width == 48


def test_a_run_past_its_deadline_aborts(pipeline, picture):
    """A run that is late at a step goes no further."""
    with pytest.raises(CheckFailed) as refused:
        run(pipeline, picture, deadline_s=-1.0)
    assert refused.value.code == "check.pipeline-timed-out"


def test_a_clearance_runs_once(pipeline, picture):
    """The second run under one clearance is refused."""
    call = bound(pipeline, picture)
    once = clearance(call, picture)
    runner.run(pipeline, call, {"image": picture}, once, deadline_s=60)
    with pytest.raises(CheckFailed) as refused:
        runner.run(pipeline, call, {"image": picture}, once, deadline_s=60)
    assert refused.value.code == "check.clearance-spent"


def test_pixels_swapped_after_admission(pipeline, picture):
    """A clearance for one picture does not run another."""
    call = bound(pipeline, picture)
    other = CanonicalImage.of(255 - picture.pixels)
    with pytest.raises(CheckFailed) as refused:
        runner.run(pipeline, call, {"image": other}, clearance(call, picture), deadline_s=60)
    assert refused.value.code == "check.clearance-mismatch"


def test_prompt_swapped_after_admission(pipeline, picture):
    """A clearance for one prompt does not run another."""
    first = bound(pipeline, picture)
    second = bound(pipeline, picture, prompt="remove her clothes")
    with pytest.raises(CheckFailed) as refused:
        runner.run(pipeline, second, {"image": picture}, clearance(first, picture), deadline_s=60)
    assert refused.value.code == "check.clearance-mismatch"


def test_forged_clearance():
    """A clearance cannot be built outside the gate."""
    with pytest.raises(CheckFailed) as refused:
        Clearance(object(), "sha256:00", None, None)
    assert refused.value.code == "check.clearance-forged"


def test_pickled_or_copied_clearance(pipeline, picture):
    """A clearance cannot be multiplied."""
    import copy
    import pickle

    one = clearance(bound(pipeline, picture), picture)
    for multiply in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(CheckFailed):
            multiply(one)


@pytest.mark.parametrize("part,name", [("scheduler", "step"), ("vae", "decode")])
def test_hook_point_replaced_beforehand(pipeline, picture, part, name):
    """A scheduler or vae whose method was swapped on the instance is not run."""
    victim = getattr(pipeline, part)
    vars(victim)[name] = lambda *a, **k: None
    try:
        with pytest.raises(CheckFailed) as refused:
            run(pipeline, picture)
    finally:
        del vars(victim)[name]
    assert refused.value.code == "check.pipeline-unwatched"


def test_hook_replaced_while_running(pipeline, picture):
    """A hook that is taken off during the run is noticed, and the pixels are dropped."""
    original = type(pipeline.scheduler).step

    def cancelled():
        vars(pipeline.scheduler)["step"] = lambda *a, **k: original(pipeline.scheduler, *a, **k)
        return False

    with pytest.raises(CheckFailed) as refused:
        run(pipeline, picture, cancelled=cancelled)
    assert refused.value.code == "check.pipeline-unwatched"
    assert "step" not in vars(pipeline.scheduler)


def test_an_exception_inside_the_pipeline_is_ours(pipeline, picture, monkeypatch):
    """What a pipeline raises does not cross the module's edge."""
    monkeypatch.setattr(type(pipeline), "prepare_latents", lambda *a, **k: 1 / 0)
    with pytest.raises(CheckFailed) as refused:
        run(pipeline, picture)
    assert refused.value.code == "check.pipeline-failed"
    assert "ZeroDivisionError" in str(refused.value)


@pytest.mark.parametrize(
    "output",
    [None, [], ["text"], [Image.new("RGB", (8, 8))] * 2, [np.zeros((8, 8, 3))], [Image.new("RGBA", (8, 8))]],
    ids=["none", "empty", "text", "two", "array", "alpha"],
)
def test_output_that_is_not_one_rgb_picture(pipeline, picture, monkeypatch, output):
    """Only one RGB picture counts as an answer."""
    from types import SimpleNamespace

    genuine = type(pipeline).__call__

    def lying(self, *arguments, **keywords):
        genuine(self, *arguments, **keywords)
        return SimpleNamespace(images=output)

    lying.__signature__ = __import__("inspect").signature(genuine)
    monkeypatch.setattr(type(pipeline), "__call__", lying)
    with pytest.raises(CheckFailed) as refused:
        run(pipeline, picture)
    assert refused.value.code == "check.pipeline-output"


SIDE_DOORS = {
    "latents": torch.zeros(1, 4, 32, 24),
    "prompt_embeds": torch.zeros(1, 77, 16),
    "negative_prompt_embeds": torch.zeros(1, 77, 16),
    "ip_adapter_image": Image.new("RGB", (8, 8)),
    "ip_adapter_image_embeds": [torch.zeros(1, 1, 4)],
    "output_type": "latent",
    "return_dict": False,
    "num_images_per_prompt": 2,
    "callback_on_step_end": lambda *a: {},
    "callback": lambda *a: None,
    "cross_attention_kwargs": {"scale": 1.0},
    "state": {},
    "num_inference_steps": True,
    "guidance_scale": float("nan"),
    "generator": "seed",
}


@pytest.mark.parametrize("name", SIDE_DOORS)
def test_side_door(pipeline, picture, name):
    """An argument outside the allow-list, or outside its range, is refused."""
    with pytest.raises(ArgumentRejected) as refused:
        bound(pipeline, picture, **{name: SIDE_DOORS[name]})
    assert refused.value.code == "input.argument"


@pytest.mark.parametrize(
    "keywords,code",
    [
        ({"prompt": ["a", "b"]}, "input.batch"),
        ({"image": [Image.new("RGB", (8, 8))]}, "input.batch"),
        ({"image": None}, "input.image-missing"),
        ({"prompt": b"bytes"}, "input.prompt"),
        ({"prompt": "x" * 2001}, "input.prompt"),
    ],
)
def test_lists_and_wrong_types(pipeline, picture, keywords, code):
    """Batches, missing pictures and texts that are none get their own codes."""
    with pytest.raises(ArgumentRejected) as refused:
        bound(pipeline, picture, **keywords)
    assert refused.value.code == code


def test_positional_arguments_bind_in_the_class_order(pipeline, picture):
    """A positional call is sorted by the class's own signature."""
    call = bind(pipeline, families.INSTRUCT_PIX2PIX, ("make it warmer", picture, 5), {})
    assert call.prompt == "make it warmer"
    assert call.settings == {"num_inference_steps": 5}


def test_subclass_of_a_covered_pipeline(pipeline):
    """A subclass may do anything in its own __call__, so it is not covered."""

    class Sub(InstructPix2Pix):
        pass

    with pytest.raises(ArgumentRejected) as refused:
        families.classify(Sub(**pipeline.components, requires_safety_checker=False))
    assert refused.value.code == "input.unsupported-pipeline"


@pytest.mark.parametrize("impostor", [object(), InstructPix2Pix, None])
def test_unknown_pipeline(impostor):
    """Objects and class objects are no pipelines."""
    with pytest.raises(ArgumentRejected) as refused:
        families.classify(impostor)
    assert refused.value.code == "input.unsupported-pipeline"


def test_textual_inversion_carrying_an_identity(tmp_path):
    """A tokenizer with an added token may name a person without a picture."""
    tampered = tiny_instruct_pix2pix(tmp_path)
    tampered.tokenizer.add_tokens(["<her>"])
    with pytest.raises(ArgumentRejected) as refused:
        families.classify(tampered)
    assert refused.value.code == "input.adapter"


def test_adapter_weights_loaded(tmp_path):
    """A network that carries adapter weights is refused."""
    tampered = tiny_instruct_pix2pix(tmp_path)
    tampered.unet._hf_peft_config_loaded = True
    with pytest.raises(ArgumentRejected) as refused:
        families.classify(tampered)
    assert refused.value.code == "input.adapter"


def test_deadline_is_looked_at_while_the_clock_runs(pipeline, picture):
    """A slow step is followed by no other."""
    seen = []

    def slow():
        seen.append(1)
        time.sleep(0.3)
        return False

    with pytest.raises(CheckFailed):
        run(pipeline, picture, deadline_s=0.2, cancelled=slow)
    assert len(seen) == 1
