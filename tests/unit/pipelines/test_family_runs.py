"""Every family that runs, on a tiny real pipeline: to its end, broken off, again, and watched all the way."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipelines import PARTS, few_pixels, tiny, tiny_once

from consent_edit.clearance import SEAL, Clearance
from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines import runner
from consent_edit.pipelines.families import FAMILIES, Role
from consent_edit.pipelines.families.family import Works
from consent_edit.pipelines.signature import bind

SERVED = [family for family in FAMILIES if family.name != "grading"]
WIDTH, HEIGHT, STEPS = 64, 96, 2

every = pytest.mark.parametrize("family", SERVED, ids=lambda family: family.name)


@pytest.fixture(scope="module", autouse=True)
def small():
    """What works at about a megapixel works at this picture's area here; the rule itself has another test."""
    torch.set_num_threads(1)
    with few_pixels(WIDTH * HEIGHT):
        yield


@cache
def picture(width=WIDTH, height=HEIGHT):
    rng = np.random.default_rng(0)
    return CanonicalImage.of(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


@cache
def mask(width=WIDTH, height=HEIGHT):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 2 :] = 255
    return CanonicalImage.of(pixels)


@cache
def other(width=80, height=64, seed=1):
    """A further picture, of another size than the one edited."""
    rng = np.random.default_rng(seed)
    return CanonicalImage.of(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


def images(family, width=WIDTH, height=HEIGHT):
    shown = {
        Role.EDITED: picture(width, height),
        Role.MASK: mask(width, height),
        Role.CONTROL: other(width + 40, height),
    }
    return {name: shown[family.pictures[name]] for name in family.needed}


def settings(family):
    wanted = {"num_inference_steps": STEPS, "strength": 1.0, "max_sequence_length": 32}
    wanted["control_mode"] = 1
    few = {name: value for name, value in wanted.items() if name in family.allowed}
    return few | {"generator": torch.Generator().manual_seed(7)}


def run(family, size=(WIDTH, HEIGHT), pipeline=None, **how):
    pipeline = pipeline or tiny_once(family)
    given = images(family, *size)
    call = bind(pipeline, family, (), {"prompt": "make it warmer", **given, **settings(family)})
    clearance = Clearance(SEAL, call.digest({name: one.digest for name, one in given.items()}), None, None)
    return runner.run(pipeline, call, given, clearance, **({"deadline_s": 600.0} | how))


@cache
def bare(family):
    """What the pipeline gives by itself, called as its own documentation calls it."""
    pictures = {name: Image.fromarray(one.pixels) for name, one in images(family).items()}
    sizes = family.sizing.measured(WIDTH, HEIGHT)
    if "_auto_resize" in family.fixed:
        sizes["_auto_resize"] = False
    made = tiny_once(family)(prompt="make it warmer", **pictures, **settings(family), **sizes)
    return np.asarray(made.images[0])


def unhooked(family):
    pipeline = tiny_once(family)
    return not any(hook.method in vars(getattr(pipeline, hook.part)) for hook in family.hooks)


def test_every_family_has_a_tiny_pipeline():
    """No family that runs is left out of the tests below."""
    assert {family.name for family in SERVED} == PARTS.keys()


@every
def test_a_watched_run_is_the_bare_run(family):
    """Watching changes no pixel, tells two plain numbers a step, and leaves nothing behind."""
    told = []
    made = run(family, progress=lambda *said: told.append(said))
    assert np.array_equal(made.pixels, bare(family))
    assert told == [(step, STEPS) for step in range(1, STEPS + 1)]
    assert {type(number) for said in told for number in said} == {int}
    assert unhooked(family)


@every
def test_a_run_broken_off_goes_no_step_further_and_the_next_is_the_same(family):
    """Cancelled after its first step it does no second one, decodes nothing and frees what it held."""
    told, decoded, freed = [], [], []
    pipeline = tiny_once(family)
    inner = type(pipeline.vae).decode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pipeline), "maybe_free_model_hooks", lambda self: freed.append(1))
        patch.setattr(type(pipeline.vae), "decode", lambda *a, **k: decoded.append(1) or inner(*a, **k))
        with pytest.raises(CheckFailed) as refused:
            run(family, progress=lambda *said: told.append(said), cancelled=lambda: bool(told))
    assert refused.value.code == "check.pipeline-cancelled"
    assert (told, decoded, freed) == ([(1, STEPS)], [], [1])
    assert unhooked(family)
    assert np.array_equal(run(family).pixels, bare(family))


@every
def test_a_run_past_its_deadline_does_no_step(family):
    """A run that is late before its first step does not begin."""
    told = []
    with pytest.raises(CheckFailed) as refused:
        run(family, deadline_s=-1.0, progress=lambda *said: told.append(said))
    assert refused.value.code == "check.pipeline-timed-out"
    assert told == [] and unhooked(family)


@every
def test_a_progress_callback_that_raises_breaks_the_run_off(family):
    """What a caller's own callback raises ends the run, and leaves as no foreign exception."""

    def progress(step, total):
        raise RuntimeError("no")

    with pytest.raises(CheckFailed) as refused:
        run(family, progress=progress)
    assert refused.value.code == "check.pipeline-failed" and unhooked(family)


ODD = [family for family in SERVED if family.name in {"sd-img2img", "sd-inpaint", "flux-kontext", "flux2"}]


@pytest.mark.parametrize("family", ODD, ids=lambda family: family.name)
def test_a_picture_of_odd_sides_is_cut_to_the_multiple(family):
    """The output is the picture's size cut to the family's multiple, and no other."""
    made = run(family, (WIDTH + 5, HEIGHT + 3))
    assert (made.width, made.height) == (WIDTH, HEIGHT)


SCALED = [family for family in SERVED if family.sizing.works is not Works.OWN]


@pytest.mark.parametrize("family", SCALED, ids=lambda family: family.name)
def test_a_picture_worked_on_at_another_size_comes_back_at_its_own(family):
    """Families with an area of their own give back the picture's size, so that places can be compared."""
    made = run(family, (150, 210))
    assert (made.width, made.height) == (150, 210)


def test_a_size_that_is_not_the_pictures_is_refused():
    """A call bound without its picture's size is held against it before anything runs."""
    family = next(one for one in SERVED if one.name == "flux-kontext")
    pipeline = tiny_once(family)
    given = images(family)
    handed = {"image": Image.fromarray(picture().pixels), "prompt": "make it warmer"}
    call = bind(pipeline, family, (), {**handed, "height": HEIGHT, "width": 2 * WIDTH})
    clearance = Clearance(SEAL, call.digest({name: one.digest for name, one in given.items()}), None, None)
    with pytest.raises(ArgumentRejected) as refused:
        runner.run(pipeline, call, given, clearance, deadline_s=60)
    assert refused.value.code == "input.argument" and "width" in refused.value.message


def test_a_compiled_network_runs_watched():
    """Compiling the network that draws changes neither the watch nor the picture."""
    family = next(one for one in SERVED if one.name == "flux-img2img")
    pipeline = tiny_once(family)
    plain = bare(family)
    genuine = pipeline.transformer
    pipeline.transformer = torch.compile(genuine, backend="eager")
    told = []
    try:
        made = run(family, progress=lambda *said: told.append(said))
    finally:
        pipeline.transformer = genuine
    assert len(told) == STEPS and np.array_equal(made.pixels, plain)


HALF = [family for family in SERVED if family.name in {"sdxl-img2img", "flux-kontext"}]


@pytest.mark.parametrize("family", HALF, ids=lambda family: family.name)
def test_half_precision_and_a_tiled_vae_run_watched(family, tmp_path):
    """A pipeline in bfloat16 that decodes in tiles passes the same hooks."""
    pipeline = tiny(family, tmp_path).to(torch.bfloat16)
    pipeline.vae.enable_tiling()
    told = []
    made = run(family, pipeline=pipeline, progress=lambda *said: told.append(said))
    assert len(told) == STEPS and (made.width, made.height) == (WIDTH, HEIGHT)
