"""G4: a check that is missing, raises, hangs or dies refuses the edit and is named; so is a lost weight."""

from __future__ import annotations

import numpy as np
import pytest
from misbehaving_checks import Misbehaving, MisbehavingWithFace, ReallyLoaded

from consent_edit import EditRefused, EditRequest
from consent_edit.demo.world import GRANTEE
from consent_edit.editor import ConsentEditor
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.process import Deadlines, PerceptionProcess
from consent_edit.pipelines.grading import GradingPipeline
from consent_edit.vocabulary import CheckName

LANDSCAPE = CanonicalImage.of(np.tile(np.arange(64, 224, dtype=np.uint8)[:, None, None], (1, 200, 3)))
ALL_CALLS = [
    (CheckName.FACE_DETECTION, 0),
    (CheckName.FACE_DETECTION, 1),
    (CheckName.BODY_DETECTION, 0),
    (CheckName.BODY_DETECTION, 1),
    (CheckName.EXPOSURE, 0),
    (CheckName.EXPOSURE, 1),
    (CheckName.PROMPT_INTENT, 0),
    (CheckName.CHANGE, 0),
]
WHEN = {0: "first", 1: "at-the-output"}


def edit(world, perception, photo=LANDSCAPE, presentations=()):
    editor = ConsentEditor(GradingPipeline.shipped(), world.operator, perception=perception)
    request = EditRequest(
        image=photo, prompt="make the picture warmer", grantee=GRANTEE, presentations=presentations
    )
    return editor.edit(request)


@pytest.fixture(scope="module")
def consent(world):
    """Her consent to a tone edit; a refused edit uses none of it up."""
    return world.consent()


def exact(world, refusal):
    return set(world.operator.decision(refusal.decision_id).codes)


def test_control_releases(world):
    """With every check answering, the very same edit is released: what follows is the failing checks'."""
    with PerceptionProcess(build=Misbehaving()) as perception:
        assert edit(world, perception).released


@pytest.mark.parametrize("how,outcome", [("raise", "failed"), ("kill", "failed")])
@pytest.mark.parametrize("culprit,after", ALL_CALLS, ids=lambda value: WHEN.get(value, value))
def test_failing_check_is_named(world, culprit, after, how, outcome):
    """A check that raises or takes its process down refuses the edit, at the input or at the output."""
    with (
        PerceptionProcess(build=Misbehaving(culprit, how, after)) as perception,
        pytest.raises(EditRefused) as refused,
    ):
        edit(world, perception)
    assert {"floor.checks-incomplete", f"check.{culprit.value}-{outcome}"} <= exact(world, refused.value)


@pytest.mark.parametrize("culprit,after", ALL_CALLS, ids=lambda value: WHEN.get(value, value))
def test_hanging_check_is_named(world, culprit, after):
    """A check that hangs past its deadline is killed, named, and refuses the edit."""
    deadlines = Deadlines(run=0.5)
    with (
        PerceptionProcess(build=Misbehaving(culprit, "hang", after), deadlines=deadlines) as perception,
        pytest.raises(EditRefused) as refused,
    ):
        edit(world, perception)
    assert {"floor.checks-incomplete", f"check.{culprit.value}-timed_out"} <= exact(world, refused.value)


@pytest.mark.parametrize(
    "culprit", [CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND, CheckName.APPARENT_AGE]
)
@pytest.mark.parametrize("how,outcome", [("raise", "failed"), ("hang", "timed_out")])
def test_failing_check_of_a_face_is_named(world, culprit, how, outcome):
    """Either embedder, or the age signal, failing on a face refuses the edit."""
    build, deadlines = MisbehavingWithFace(culprit, how), Deadlines(run=0.5)
    with (
        PerceptionProcess(build=build, deadlines=deadlines) as perception,
        pytest.raises(EditRefused) as refused,
    ):
        edit(world, perception)
    assert {"floor.checks-incomplete", f"check.{culprit.value}-{outcome}"} <= exact(world, refused.value)


CHECK_OF_ROLE = {
    "face-detection": "face-detection",
    "face-detection-short": "face-detection",
    "face-detection-centre": "face-detection",
    "face-mesh": "face-detection",
    "person-pose": "body-detection",
    "person-region": "body-detection",
    "apparent-age": "apparent-age",
    "face-embedding": "face-embedding",
    "face-embedding-second": "face-embedding-second",
    "face-landmarks-five": "face-embedding-second",
    "exposure": "exposure",
    "sentence-encoder": "prompt-intent",
    "sentence-encoder-pieces": "prompt-intent",
    "prompt-head": "prompt-intent",
    "sentence-encoder-tuned": "prompt-intent",
}
DONE_WITHOUT = {"sentence-encoder-second"}
"""Roles without which a check still answers: what it then cannot read is undetermined."""

NEED_FACES = {"face-embedding", "face-embedding-second", "body-detection", "apparent-age"}


def test_every_locked_model_is_covered():
    """The table above knows every model of the lock."""
    asked = {entry.role for entry in ModelStore().lock.model if not entry.optional}
    assert set(CHECK_OF_ROLE) | DONE_WITHOUT == asked


def checks_of(role):
    """The checks that cannot load without a role; detection tells two people in one place apart by SFace."""
    also = {CheckName.FACE_DETECTION} if role == "face-embedding" else set()
    return {CheckName(CHECK_OF_ROLE[role])} | also


def store_with(role, folder, *, altered, files=None):
    """The weight files of some roles; one altered by a byte, or gone from wherever it could be found."""
    whole, models = ModelStore(), []
    for entry in whole.lock.model:
        if entry.optional:
            continue
        if entry.role != role:
            if files is None or entry.role in files:
                (folder / entry.file).symlink_to(whole.find(entry.role).resolve())
        elif altered:
            data = whole.find(entry.role).read_bytes()
            (folder / entry.file).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        else:
            gone = {"member": "nowhere/" + entry.file} if entry.carrier.kind != "wheel" else {}
            entry = entry.model_copy(update={"carrier": entry.carrier.model_copy(update=gone)})
        models.append(entry)
    return ModelStore([folder], lock=whole.lock.model_copy(update={"model": tuple(models)}))


def test_control_releases_with_every_weight_file_in_place(world):
    """With every model loaded, the landscape's edit is released: what follows is the lost file's."""
    with PerceptionProcess(build=ReallyLoaded(CheckName)) as perception:
        assert edit(world, perception).released


@pytest.mark.parametrize("altered", [False, True], ids=["deleted", "altered"])
@pytest.mark.parametrize("role", CHECK_OF_ROLE)
def test_lost_weight_file_is_named(world, tmp_path, role, altered):
    """Deleting or altering any weight file refuses the edit and names the check that needs it, and no other.

    The checks that need it load their models as ever; the others see a landscape without loading anything.
    """
    needed = DONE_WITHOUT.union(other for other in CHECK_OF_ROLE if checks_of(other) & checks_of(role))
    store = store_with(role, tmp_path, altered=altered, files=needed)
    with (
        PerceptionProcess(store, build=ReallyLoaded(checks_of(role))) as perception,
        pytest.raises(EditRefused) as refused,
    ):
        edit(world, perception)
    codes = exact(world, refused.value)
    missing = {f"check.{name.value}-missing" for name in checks_of(role)}
    assert {"floor.checks-incomplete"} | missing <= codes
    found = {code for code in codes if code.startswith("check.")}
    unasked = NEED_FACES if "check.face-detection-missing" in missing else set()
    assert found - {f"check.{name}-failed" for name in unasked} == missing


@pytest.mark.parametrize("role,altered", [("face-landmarks-five", False), ("exposure", True)])
def test_lost_weight_file_among_real_checks(world, consent, tmp_path, role, altered):
    """With every other check looking at a consented photo, one lost file refuses and names its check."""
    with (
        PerceptionProcess(store_with(role, tmp_path, altered=altered)) as perception,
        pytest.raises(EditRefused) as refused,
    ):
        edit(world, perception, world.photo, consent)
    codes = exact(world, refused.value)
    assert "floor.checks-incomplete" in codes
    assert {code for code in codes if code.startswith("check.")} == {f"check.{CHECK_OF_ROLE[role]}-missing"}
