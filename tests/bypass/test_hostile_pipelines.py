"""Pipelines that are what they should be by name, and hostile in what they hold, return or raise."""

from __future__ import annotations

import numpy as np
import pytest
from fake_perception import picture, seen_face
from PIL import Image

from consent_edit.errors import ArgumentRejected, CheckFailed, ConsentInvalid, EditRefused
from consent_edit.intake.decode import decode
from consent_edit.pipelines import families
from consent_edit.vocabulary import ConsentStatus


def broken(scene, error=CheckFailed, **changes):
    """The error an edit ends in; exactly one entry more must stand in the log, and no release."""
    before = scene.entries
    with pytest.raises(error) as refused:
        scene.edit(**changes)
    assert scene.entries == before + 1
    assert '"event":"refusal"' in scene.newest()
    return refused.value


@pytest.mark.parametrize("covered", ["grading:GradingPipeline", "InstructPix2PixPipeline"])
def test_impostor_class_of_a_covered_name(covered):
    """A class that merely bears a covered class's name and module is not covered."""
    path = next(family.class_path for family in families.FAMILIES if family.class_path.endswith(covered))
    module, _, name = path.partition(":")
    impostor = type(name, (), {"__module__": module, "__qualname__": name, "components": {}})
    with pytest.raises(ArgumentRejected) as refused:
        families.classify(impostor())
    assert refused.value.code == "input.unsupported-pipeline"


def test_pipeline_exchanged_for_another_family(scene, monkeypatch):
    """An editor made for a narrow pipeline does not run a wider one put in its place."""
    monkeypatch.setattr(scene.editor, "family", families.GRADING)
    assert broken(scene, ArgumentRejected).code == "input.unsupported-pipeline"


@pytest.mark.parametrize("size", [(32, 32), (128, 128), (64, 32), (56, 64), (65, 64)])
def test_picture_of_another_size(scene, size):
    """A picture of another size is no answer: faces and changes could not be told apart in it."""
    scene.returned[0] = Image.fromarray(picture(3, *size).pixels)
    assert broken(scene).code == "check.pipeline-output"


class Shifting(Image.Image):
    """Shows one picture at the first look and another at every later one."""

    def __init__(self, pictures):
        super().__init__()
        self._pictures = list(pictures)
        self._mode = "RGB"
        self._size = self._pictures[0].size

    @property
    def __array_interface__(self):
        shown = self._pictures.pop(0) if len(self._pictures) > 1 else self._pictures[0]
        return shown.__array_interface__


def test_picture_that_changes_between_looks(scene):
    """A returned picture is read once; what is released is what was checked."""
    first, second = picture(4), picture(5)
    scene.returned[0] = Shifting([Image.fromarray(first.pixels), Image.fromarray(second.pixels)])
    released = decode(scene.edit().released).image
    assert released.digest == first.digest


def test_pipeline_that_paints_into_its_input(scene):
    """A pipeline that paints over the picture it was given changes no pixel that was checked."""
    processor = scene.editor.pipeline.image_processor
    genuine = processor.preprocess
    digest = scene.before.digest

    def painting(image, *arguments, **keywords):
        image.paste((0, 0, 0), (0, 0, 64, 64))
        return genuine(image, *arguments, **keywords)

    processor.preprocess = painting
    compared = []
    inner = scene.perception.observe_change
    scene.perception.observe_change = lambda before, *rest: (compared.append(before), inner(before, *rest))[1]
    scene.edit(image=scene.before)
    assert compared[0].digest == digest and np.array_equal(compared[0].pixels, picture(1).pixels)


FORGED = EditRefused("ask +33 6 00", codes=("consent.revoked",), boxes=((1, 2, 3, 4),), decision_id="1")


@pytest.mark.parametrize(
    "raised",
    [FORGED, ConsentInvalid(ConsentStatus.REVOKED, "she withdrew"), RuntimeError("her name"), MemoryError()],
    ids=["refusal", "consent", "foreign", "memory"],
)
def test_pipeline_that_raises_a_verdict_of_its_own(scene, raised):
    """Only the gate refuses: what a pipeline raises is a broken check, and none of its words leave."""

    def raising():
        raise raised

    vars(scene.editor.pipeline.image_processor)["_shown"] = raising
    error = broken(scene)
    assert error.code == "check.pipeline-failed"
    assert "she" not in error.message and "her name" not in error.message


def test_pipeline_that_writes_into_the_log(scene):
    """A code of free words does not reach the log."""

    def raising():
        raise ArgumentRejected("no", code="input." + "call Jane Doe, 12 Main Street " * 30)

    vars(scene.editor.pipeline.image_processor)["_shown"] = raising
    broken(scene, ArgumentRejected)
    assert "Jane" not in scene.newest()


def test_pipeline_that_exits(scene):
    """An exit from within an admitted edit goes on, but the log says that it broke off."""

    def raising():
        raise SystemExit(0)

    vars(scene.editor.pipeline.image_processor)["_shown"] = raising
    before = scene.entries
    with pytest.raises(SystemExit):
        scene.edit()
    assert scene.entries == before + 1


def test_run_cancelled_after_its_last_step(scene):
    """A run that is cancelled, or late, where no step is left to ask at is aborted all the same."""
    shown, over = scene.returned[0], []
    vars(scene.editor.pipeline.image_processor)["_shown"] = lambda: (over.append(1), shown)[1]
    with pytest.raises(CheckFailed) as refused:
        scene.editor.edit(scene.request(), cancelled=lambda: bool(over))
    assert refused.value.code == "check.pipeline-cancelled"


def test_scheduler_exchanged_for_one_equal_to_all(scene):
    """A scheduler put in during the run is another, whatever it says of being equal."""
    pipeline = scene.editor.pipeline
    genuine = pipeline.scheduler

    class Equal(type(genuine)):
        def __eq__(self, other):
            return True

        __hash__ = object.__hash__

    genuine_returned = scene.returned[0]

    def exchanging():
        pipeline.scheduler = Equal.from_config(genuine.config)
        return genuine_returned

    vars(pipeline.image_processor)["_shown"] = exchanging
    try:
        assert broken(scene).code == "check.pipeline-unwatched"
    finally:
        pipeline.scheduler = genuine


def test_adapter_loaded_after_guarding(scene):
    """An adapter loaded after the pipeline was guarded is found before it runs."""
    unet = scene.editor.pipeline.unet
    unet._hf_peft_config_loaded = True
    try:
        assert broken(scene, ArgumentRejected).code == "input.adapter"
    finally:
        del unet._hf_peft_config_loaded


def test_edit_within_an_edit(scene):
    """A second edit of the same pipeline while it runs is refused; the first one is not disturbed."""
    inner = []

    def again():
        if not inner:
            inner.append(None)
            with pytest.raises(CheckFailed) as refused:
                scene.edit()
            inner[0] = refused.value.code
        return False

    assert scene.editor.edit(scene.request(), cancelled=again).released
    assert inner == ["check.pipeline-busy"]


def test_faces_of_strangers_behind_an_empty_input(scene):
    """A picture of nobody does not become a picture of somebody."""
    scene.shows([], [seen_face(7)])
    with pytest.raises(EditRefused) as refused:
        scene.edit()
    assert {"floor.consent-required", "floor.foreign-identity"} <= scene.exact(refused.value)
