"""The guard itself: nothing that diffusers' classes offer leads around it, by whatever name or call."""

from __future__ import annotations

import copy
import inspect
import pickle
from importlib import import_module
from types import SimpleNamespace

import pytest
from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting, DiffusionPipeline
from fake_perception import seen_face
from PIL import Image

from consent_edit.errors import ArgumentRejected, CheckFailed, ConsentEditError, EditRefused
from consent_edit.pipelines.families import FAMILIES
from consent_edit.pipelines.guarded import GuardedPipeline
from consent_edit.pipelines.manners import Manners

SERVED = [family for family in FAMILIES if family.name != "grading"]


def kind_of(family):
    module, _, name = family.class_path.partition(":")
    return getattr(import_module(module), name)


@pytest.fixture
def guarded(scene):
    return GuardedPipeline(scene.editor)


@pytest.fixture
def shown(scene):
    return Image.fromarray(scene.before.pixels)


@pytest.mark.parametrize("family", SERVED, ids=lambda family: family.name)
def test_every_name_of_the_class(family):
    """Of all that a covered class and its parts offer, only what says where and how it runs is there."""
    kind = kind_of(family)
    guarded = GuardedPipeline(SimpleNamespace(pipeline=object.__new__(kind)))
    passed_on = {name for name in dir(Manners) if not name.startswith("_")} | {"editor"}
    parts = {name for name in inspect.signature(kind.__init__).parameters if name != "self"}
    offered = {name for name in {*dir(kind), *parts} if not (name.startswith("__") and name.endswith("__"))}
    assert parts and {"from_pipe", "components", "save_pretrained"} <= offered - passed_on
    for name in offered - passed_on:
        assert not hasattr(guarded, name), name


@pytest.mark.parametrize(
    "how", [DiffusionPipeline, AutoPipelineForImage2Image, AutoPipelineForInpainting, "own"]
)
def test_another_pipeline_made_from_it(scene, guarded, how):
    """``from_pipe`` takes the parts out of a pipeline; out of a guarded one there are none to take."""
    kind = type(scene.editor.pipeline) if how == "own" else how
    with pytest.raises((ConsentEditError, ValueError, TypeError, AttributeError)) as refused:
        kind.from_pipe(guarded)
    told = refused.value
    assert isinstance(told, ArgumentRejected) or "GuardedPipeline" in str(told)


def test_call_of_the_class_on_the_guard(scene, guarded, shown):
    """The class's own call, with the guard for its pipeline, finds no part to run on."""
    before = scene.entries
    with pytest.raises(ArgumentRejected):
        type(scene.editor.pipeline).__call__(guarded, "make it warmer", shown, num_inference_steps=1)
    assert scene.entries == before


def test_call_of_the_guards_class(scene, guarded, shown):
    """Asked through its class the guard is the same guard: who is shown is asked for."""
    scene.shows([seen_face(1)], [seen_face(1)])
    with pytest.raises(EditRefused) as refused:
        type(guarded).__call__(guarded, "make it warmer", shown, num_inference_steps=1)
    assert "consent.required" in refused.value.codes


@pytest.mark.parametrize(
    "extra",
    [
        {"state": object()},
        {"output": "latents"},
        {"image_reference": Image.new("RGB", (64, 64))},
        {"init_image": Image.new("RGB", (64, 64))},
        {"kwargs": {"latents": 1}},
        {"**": 1},
        {"self": object()},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_arguments_of_other_pipelines(scene, guarded, shown, extra):
    """What modular pipelines, or others, take beside the picture is no argument here."""
    with pytest.raises((ArgumentRejected, TypeError)):
        guarded(prompt="make it warmer", image=shown, num_inference_steps=1, **extra)
    assert not scene.perception.saw


def test_arguments_of_other_pipelines_left_empty(scene, guarded, shown):
    """``output=None`` asks a modular pipeline for its whole state; here it asks for nothing."""
    released = guarded("make it warmer", shown, num_inference_steps=1, state=None, output=None)
    assert [type(one).__name__ for one in released.outcomes] == ["EditResult"]
    assert not hasattr(released, "values") and released.images[0].size == (64, 64)


def test_pipeline_put_in_a_pickle_or_copied(guarded, scene):
    """Neither guard, editor, gate nor operator can be sent elsewhere; a copy is a guard of the same."""
    for one in (guarded, scene.editor, scene.operator, scene.editor._gate):
        with pytest.raises((TypeError, AttributeError, ConsentEditError, pickle.PicklingError)):
            pickle.dumps(one)
    assert copy.copy(guarded).editor is scene.editor


def test_clearance_kept_from_an_edit(scene):
    """A clearance taken out of one edit runs and releases nothing more, and none can be made of it."""
    from consent_edit.pipelines import attended

    kept = []
    run = attended.runner.run

    def keeping(pipeline, call, images, clearance, **how):
        kept.append((pipeline, call, images, clearance))
        return run(pipeline, call, images, clearance, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attended.runner, "run", keeping)
        scene.edit()
    pipeline, call, images, clearance = kept[0]
    for again in (
        lambda: run(pipeline, call, images, clearance, deadline_s=9.0),
        lambda: clearance.close(),
        lambda: pickle.dumps(clearance),
        lambda: copy.deepcopy(clearance),
        lambda: type(clearance)(object(), call.digest({}), None, None),
    ):
        with pytest.raises(CheckFailed) as refused:
            again()
        assert refused.value.code in {"check.clearance-spent", "check.clearance-forged"}


def test_progress_is_handed_nothing_to_look_through(scene):
    """What a callback is given leads to no picture: two plain numbers, and nothing to keep."""
    told = []
    scene.editor.edit(scene.request(), progress=lambda *said, **more: told.append((said, more)))
    assert told and all(set(map(type, said)) == {int} and not more for said, more in told)


def test_error_of_a_refused_output_holds_no_picture(scene):
    """Neither text, arguments nor notes of the error, as a log prints it, hold what was made."""
    scene.shows([], [seen_face(7)])
    with pytest.raises(EditRefused) as refused:
        scene.edit()
    error = refused.value
    told = f"{error!r}{error.args}{error.diagnostics()}{vars(error)}{getattr(error, '__notes__', '')}"
    assert "array" not in told and "Image" not in told and "bytes" not in told and len(told) < 4000
    assert error.__cause__ is None and error.__context__ is None
