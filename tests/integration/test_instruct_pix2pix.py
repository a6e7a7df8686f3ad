"""A tiny real InstructPix2Pix behind the gate: what it makes of a face is refused, of no face is released."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tiny_pipelines import tiny_instruct_pix2pix

from consent_edit import EditRefused, Operation, guard
from consent_edit.demo.world import GRANTEE
from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.intake.canonical import CanonicalImage


@pytest.fixture(scope="module")
def guarded(world, perception, tmp_path_factory):
    pipeline = tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))
    return guard(pipeline, world.operator, perception=perception)


@pytest.fixture
def landscape():
    """Sky over sand, nobody there."""
    rows = np.linspace(0, 1, 128)[:, None, None]
    sky, sand = np.array([90, 140, 220.0]), np.array([200, 180, 120.0])
    pixels = np.broadcast_to(sky * (1 - rows) + sand * rows, (128, 160, 3))
    return CanonicalImage.of(pixels.astype(np.uint8))


def exact(world, refusal):
    return set(world.operator.decision(refusal.decision_id).codes)


def seeded():
    return torch.Generator().manual_seed(3)


def test_a_face_repainted_by_random_weights_is_refused(guarded, world):
    """A grant for stylising does not cover a face that is nobody's any more."""
    consent = world.consent(operations=(Operation.STYLISE, Operation.TONE))
    with pytest.raises(EditRefused) as refused:
        guarded(
            "turn it into a watercolour painting",
            world.photo,
            num_inference_steps=2,
            grantee=GRANTEE,
            presentations=consent,
            operations=frozenset({Operation.STYLISE}),
        )
    assert exact(world, refused.value) & {
        "floor.foreign-identity",
        "floor.checks-incomplete",
        "floor.hands-off",
    }


def test_a_background_of_nobody_is_released(guarded, landscape):
    """A picture without anybody in it may get another background; ``.images`` is decoded ``.released``."""
    output = guarded(
        "replace the background with a forest",
        landscape,
        num_inference_steps=2,
        generator=seeded(),
        grantee=GRANTEE,
        operations=frozenset({Operation.BACKGROUND}),
    )
    from consent_edit.intake.decode import decode

    assert np.array_equal(np.asarray(output.images[0]), decode(output.released).image.pixels)
    assert output.receipt


def test_refused_at_the_input_costs_no_step(guarded, world, monkeypatch):
    """Without consent the pipeline is never called."""

    def never(*arguments, **keywords):
        raise AssertionError("the pipeline ran")

    monkeypatch.setattr(type(guarded.editor.pipeline.scheduler), "step", never)
    with pytest.raises(EditRefused) as refused:
        guarded("make it warmer", world.photo, num_inference_steps=2, grantee=GRANTEE)
    assert refused.value.codes[0] == "floor.consent-required"
    assert all(not code.startswith("consent.") or code == "consent.required" for code in refused.value.codes)


def test_latents_smuggled_as_an_image(guarded):
    """A tensor in the place of a picture is no picture."""
    with pytest.raises(Exception) as refused:
        guarded("make it warmer", torch.zeros(1, 4, 32, 32), grantee=GRANTEE)
    assert getattr(refused.value, "code", "").startswith("input.")


def test_negative_prompt_that_undresses(guarded, landscape):
    """ "Clothes" in a negative prompt asks for their removal."""
    with pytest.raises(EditRefused) as refused:
        guarded(
            "a portrait",
            landscape,
            negative_prompt="clothes",
            num_inference_steps=2,
            grantee=GRANTEE,
            operations=frozenset({Operation.BACKGROUND}),
        )
    assert set(refused.value.codes) & {
        "floor.sexual-intent",
        "floor.sexualised-minor",
        "policy.revealing-intent",
    }


def test_pipeline_that_raises_leaves_a_record(guarded, world, landscape, monkeypatch):
    """A run that breaks off releases nothing, and the log says that it broke off."""
    before = world.operator.store.log_state().size
    monkeypatch.setattr(type(guarded.editor.pipeline), "prepare_latents", lambda *a, **k: 1 / 0)
    with pytest.raises(CheckFailed) as refused:
        guarded(
            "replace the background with a forest",
            landscape,
            num_inference_steps=2,
            grantee=GRANTEE,
            operations=frozenset({Operation.BACKGROUND}),
        )
    assert refused.value.code == "check.pipeline-failed"
    assert world.operator.store.log_state().size == before + 1


def test_guarded_output_is_frozen(guarded, landscape):
    """What left cannot be swapped afterwards in the result."""
    output = guarded(
        "replace the background with a forest",
        landscape,
        num_inference_steps=2,
        grantee=GRANTEE,
        operations=frozenset({Operation.BACKGROUND}),
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        output.outcomes = ()
    with pytest.raises((AttributeError, TypeError)):
        output.released = b""


def test_unclassified_pipeline_cannot_be_guarded(world, perception):
    """What nobody has classified is refused before anything runs."""
    with pytest.raises(ArgumentRejected) as refused:
        guard(object(), world.operator, perception=perception)
    assert refused.value.code == "input.unsupported-pipeline"
