"""The drop-in: the call a pipeline's users know, with the gate in between, on families of different order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_perception import Scene, picture
from PIL import Image
from tiny_pipelines import tiny_once

from consent_edit import Operation
from consent_edit.errors import ArgumentRejected, CheckFailed, InputError
from consent_edit.pipelines.families import FAMILIES
from consent_edit.pipelines.guarded import GuardedPipeline

NAMES = ("instruct-pix2pix", "flux-kontext", "flux-fill", "qwen-image-img2img", "sd3-controlnet-inpaint")


@pytest.fixture(scope="module")
def tiny():
    torch.set_num_threads(1)
    return {family.name: family for family in FAMILIES if family.name in NAMES}


@pytest.fixture
def guarded(tiny):
    """Makes a drop-in of a family, around a scene in which nobody is shown."""
    made = []

    def make(name):
        pipeline = tiny_once(tiny[name])
        genuine = pipeline.image_processor
        scene = Scene.make(pipeline, genuine)
        made.append((pipeline, genuine))
        return GuardedPipeline(scene.editor), scene

    yield make
    for pipeline, genuine in made:
        pipeline.image_processor = genuine


def shown(side=64):
    return Image.fromarray(picture(1, side, side).pixels)


FEW = {"num_inference_steps": 2, "operations": frozenset({Operation.TONE})}
MASK = Image.new("L", (64, 64), 255)


def test_positions_are_the_classes_own(guarded):
    """Kontext takes its picture first and InstructPix2Pix its words: each call means what it means there."""
    for name, arguments in (
        ("instruct-pix2pix", ("make it warmer", shown())),
        ("flux-kontext", (shown(), "make it warmer")),
    ):
        pipe, scene = guarded(name)
        assert pipe(*arguments, **FEW).released
        assert scene.perception.saw == ["make it warmer"]


def test_arguments_of_a_masked_family_under_its_own_names(guarded):
    """What a class calls its control picture is edited, looked at and repainted under its mask."""
    pipe, scene = guarded("sd3-controlnet-inpaint")
    made = pipe("make it warmer", control_image=shown(), control_mask=MASK, **FEW)
    assert made.images[0].size == (64, 64) and scene.perception.origins


def test_progress_is_told_numbers_and_nothing_else(guarded):
    """A caller's progress callback hears which step of how many; no callback of diffusers is taken."""
    pipe, _ = guarded("flux-kontext")
    told = []
    pipe(shown(), "make it warmer", progress=lambda *said: told.append(said), **FEW)
    assert told == [(1, 2), (2, 2)] and {type(number) for said in told for number in said} == {int}
    for name in ("callback_on_step_end", "callback"):
        with pytest.raises(ArgumentRejected) as refused:
            pipe(shown(), "make it warmer", **{name: lambda *a, **k: {}})
        assert refused.value.code == "input.argument"


def test_the_callers_sizes(guarded):
    """The picture's own size may be named; another is refused before anything is read."""
    pipe, scene = guarded("flux-fill")
    call = {"prompt": "make it warmer", "image": shown(), "mask_image": MASK, **FEW}
    assert pipe(**call, height=64, width=64).released
    entries, read = scene.entries, len(scene.perception.saw)
    with pytest.raises(ArgumentRejected) as refused:
        pipe(**call, height=128, width=64)
    assert refused.value.code == "input.argument"
    assert (scene.entries, len(scene.perception.saw)) == (entries, read)


def test_defaults_said_aloud(guarded):
    """What diffusers does by itself, and None for what is left out, may be written down."""
    pipe, _ = guarded("flux-kontext")
    said = {"output_type": "pil", "return_dict": True, "latents": None, "prompt_2": None, "sigmas": None}
    assert pipe(shown(), "make it warmer", **said, **FEW).released


@pytest.mark.parametrize(
    "given", [np.zeros((64, 64, 3), np.uint8), torch.zeros(1, 16, 8, 8), [np.zeros((64, 64, 3))]]
)
def test_pictures_of_other_kinds(guarded, given):
    """Arrays, tensors and lists are refused before anything looks at them."""
    pipe, scene = guarded("flux-kontext")
    with pytest.raises(ArgumentRejected) as refused:
        pipe(given, "make it warmer", **FEW)
    assert refused.value.code in {"input.type", "input.batch"} and scene.perception.saw == []


def test_pixels_that_are_no_bytes(guarded):
    """A Pillow picture of floats, which no check reads as the pipeline would, is refused."""
    pipe, _ = guarded("flux-kontext")
    with pytest.raises(InputError) as refused:
        pipe(Image.new("F", (64, 64)), "make it warmer", **FEW)
    assert refused.value.code == "input.mode"


def test_a_file_in_place_of_a_picture(guarded):
    """Bytes of a file are taken in as ever, though no pipeline takes them."""
    import io

    held = io.BytesIO()
    shown().save(held, "PNG")
    pipe, _ = guarded("flux-kontext")
    assert pipe(held.getvalue(), "make it warmer", **FEW).released


def test_progress_that_cancels(guarded):
    """A progress callback that raises breaks the edit off, and nothing leaves."""
    pipe, scene = guarded("qwen-image-img2img")
    before = scene.entries

    def stop(step, total):
        raise KeyError("stop")

    with pytest.raises(CheckFailed) as refused:
        pipe("make it warmer", image=shown(), strength=1.0, progress=stop, **FEW)
    assert refused.value.code == "check.pipeline-failed"
    assert scene.entries == before + 1 and '"event":"refusal"' in scene.newest()
