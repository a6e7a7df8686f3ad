"""Whatever breaks in a check, the observation is total and names it (G4)."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
from fakechecks import Misbehaving, ObedientChecks, counting, greedy, obedient

from consent_edit.errors import CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.answers import restored
from consent_edit.perception.checks import Checks, must_embed
from consent_edit.perception.child import Child
from consent_edit.perception.failures import IMAGE_ORDER
from consent_edit.perception.models.lock import ModelLock, SelfTest
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Box, FaceObservation, Origin
from consent_edit.perception.process import Deadlines, PerceptionProcess
from consent_edit.perception.worker import Worker, told
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import (
    CheckName,
    CheckOutcome,
    Exposure,
    ExposureChange,
    Intent,
    PersonKind,
    Recognisable,
    Region,
)

ALL_CHECKS = (*IMAGE_ORDER, CheckName.PROMPT_INTENT, CheckName.CHANGE)
SHORT = Deadlines(start=60.0, load=1.0, run=1.0)
IMAGE = CanonicalImage.of(np.full((40, 50, 3), 128, np.uint8))
ROLE_CHECK = {
    "face-detection": CheckName.FACE_DETECTION,
    "face-embedding": CheckName.FACE_EMBEDDING,
    "face-embedding-second": CheckName.FACE_EMBEDDING_SECOND,
    "face-landmarks-five": CheckName.FACE_EMBEDDING_SECOND,
    "person-pose": CheckName.BODY_DETECTION,
    "person-region": CheckName.CHANGE,
    "apparent-age": CheckName.APPARENT_AGE,
    "exposure": CheckName.EXPOSURE,
}
NEED_FACES = (
    CheckName.FACE_EMBEDDING,
    CheckName.FACE_EMBEDDING_SECOND,
    CheckName.BODY_DETECTION,
    CheckName.APPARENT_AGE,
)


def ask(perception, name):
    """The observation that a check belongs to, and its runs by name."""
    if name is CheckName.PROMPT_INTENT:
        observation = perception.read_prompt(["warmer light"])
    elif name is CheckName.CHANGE:
        seen = perception.observe_image(IMAGE)
        observation = perception.observe_change(IMAGE, IMAGE, seen, seen, Origin.of(seen))
    else:
        observation = perception.observe_image(IMAGE)
    return observation, {run.name: run for run in observation.checks}


def process(build, deadlines=SHORT):
    return PerceptionProcess(ModelStore([]), build=build, deadlines=deadlines)


def worker_with_one_real_check(store, limits, name):
    """A worker in this process whose checks are all fakes but one."""

    class OneReal(ObedientChecks):
        def load(self, asked):
            return Checks.load(self, asked) if asked is name else ()

    return Worker(OneReal(store, limits), lambda check, phase: None)


def runs_of(worker, name):
    """The runs of the observation that a check belongs to."""
    seen = worker.observe_image(IMAGE)
    if name is CheckName.CHANGE:
        return {
            run.name: run for run in worker.observe_change(IMAGE, IMAGE, seen, seen, Origin.of(seen)).checks
        }
    return {run.name: run for run in seen.checks}


@pytest.mark.parametrize("name", ALL_CHECKS)
def test_a_check_that_hangs_past_its_deadline_is_named(name):
    """The hanging check reads TIMED_OUT, every value is undetermined, and the caller is not kept."""
    with process(Misbehaving(name, "hang")) as perception:
        started = time.monotonic()
        observation, runs = ask(perception, name)
        assert time.monotonic() - started < 20
        assert runs[name].outcome is CheckOutcome.TIMED_OUT
        assert all(run.outcome is not CheckOutcome.RAN for run in runs.values())
        if name in IMAGE_ORDER:
            assert observation.exposure.picture.value is Exposure.UNDETERMINED
            assert set(runs) == set(IMAGE_ORDER)
        elif name is CheckName.PROMPT_INTENT:
            assert observation.intent is Intent.UNDETERMINED
            assert observation.names_person
        else:
            assert observation.exposure_change is ExposureChange.UNDETERMINED
            assert observation.touched == (frozenset({Region.UNDETERMINED}),)


@pytest.mark.parametrize(
    ("name", "how"), [(CheckName.FACE_EMBEDDING_SECOND, "kill"), (CheckName.PROMPT_INTENT, "segfault")]
)
def test_a_child_killed_in_a_check_is_named_and_the_next_call_works(name, how, tmp_path):
    """The check in flight when the child died reads FAILED; the next call starts another child."""
    with process(Misbehaving(name, how, once=tmp_path / "died")) as perception:
        _, runs = ask(perception, name)
        assert runs[name].outcome is CheckOutcome.FAILED
        assert "ended" in runs[name].detail
        _, runs = ask(perception, name)
        assert runs[name].outcome is CheckOutcome.RAN


@pytest.mark.parametrize("name", ALL_CHECKS)
def test_a_check_that_raises_is_named_and_hides_no_other(name, limits):
    """The raising check alone reads FAILED, with the exception's class and never its message."""
    checks = Misbehaving(name, "raise")(ModelStore([]), limits)
    worker = Worker(checks, lambda check, phase: None)
    if name is CheckName.PROMPT_INTENT:
        runs = worker.read_prompt(["warmer light"], []).checks
    elif name is CheckName.CHANGE:
        seen = worker.observe_image(IMAGE)
        runs = worker.observe_change(IMAGE, IMAGE, seen, seen, Origin.of(seen)).checks
    else:
        runs = worker.observe_image(IMAGE).checks
    failed = {run.name: run.detail for run in runs if run.outcome is not CheckOutcome.RAN}
    expected = {name: "ValueError"}
    if name is CheckName.FACE_DETECTION:  # without faces there is nothing the embedders could have answered
        expected |= dict.fromkeys(NEED_FACES, "CheckFailed")
    assert failed == expected


@pytest.mark.parametrize("altered", [False, True], ids=["deleted", "one-byte-altered"])
@pytest.mark.parametrize("role", ROLE_CHECK)
def test_a_weight_file_deleted_or_altered_refuses_and_names_its_check(
    role, altered, image_store, limits, tmp_path
):
    """Without the exact bytes of a role's file its check reads MISSING, by name, and no other does."""
    for entry in image_store.lock.model:
        if entry.role in ROLE_CHECK:
            (tmp_path / entry.file).symlink_to(image_store.find(entry.role))
    file = tmp_path / image_store.lock.entry(role).file
    data = bytearray(file.read_bytes())
    file.unlink()
    if altered:
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    name = ROLE_CHECK[role]
    worker = worker_with_one_real_check(ModelStore([tmp_path]), limits, name)
    runs = runs_of(worker, name)
    assert runs[name].outcome is CheckOutcome.MISSING
    assert role in runs[name].detail
    if name is not CheckName.FACE_DETECTION:
        assert [run.name for run in runs.values() if run.outcome is not CheckOutcome.RAN] == [name]


@pytest.mark.parametrize("role", ROLE_CHECK)
def test_a_model_that_fails_its_self_test_is_named(role, image_store, limits):
    """A model whose known input no longer gives its known output reads FAILED."""
    wrong = SelfTest(reference=(1e3,) * 8, tolerance=0.01)
    entries = tuple(
        entry.model_copy(update={"self_test": wrong}) if entry.role == role else entry
        for entry in image_store.lock.model
    )
    store = ModelStore(image_store.folders, lock=ModelLock(format=1, model=entries))
    name = ROLE_CHECK[role]
    worker = worker_with_one_real_check(store, limits, name)
    runs = runs_of(worker, name)
    assert runs[name].outcome is CheckOutcome.FAILED
    assert "known input" in runs[name].detail


def test_models_missing_altogether_are_each_named_across_the_process_and_found_once_there(
    image_store, tmp_path
):
    """A process without weights names every image check; once they are there the next call finds them."""
    with PerceptionProcess(ModelStore([tmp_path])) as perception:
        seen = perception.observe_image(IMAGE)
        assert {run.name: run.outcome for run in seen.checks} == dict.fromkeys(
            IMAGE_ORDER, CheckOutcome.MISSING
        )
        assert seen.exposure.picture.value is Exposure.UNDETERMINED
        for entry in image_store.lock.model:
            if not entry.optional:
                (tmp_path / entry.file).symlink_to(image_store.find(entry.role))
        seen = perception.observe_image(IMAGE)
        assert all(run.outcome is CheckOutcome.RAN for run in seen.checks)


def test_the_child_inherits_no_secret(monkeypatch):
    """A token in the host's environment is nowhere in the child's."""
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with process(obedient) as perception:
        assert perception.observe_image(IMAGE).exposure.picture.scores == {"secret": 0.0}


def test_the_child_ends_when_its_parent_is_killed(tmp_path):
    """A parent that dies without closing leaves no perception process behind."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys, time, subprocess
            sys.path.insert(0, {str(Path(__file__).parent)!r})
            import numpy as np
            from fakechecks import obedient
            from consent_edit.intake.canonical import CanonicalImage
            from consent_edit.perception import child as child_room, process
            from consent_edit.perception.models.store import ModelStore
            spawned = []
            real = subprocess.Popen
            class Watched(real):
                def __init__(self, *a, **k):
                    super().__init__(*a, **k); spawned.append(self.pid)
            child_room.subprocess.Popen = Watched
            perception = process.PerceptionProcess(ModelStore([]), build=obedient)
            perception.observe_image(CanonicalImage.of(np.zeros((8, 8, 3), np.uint8)))
            sys.stdout.write(f"{{spawned[0]}}\\n"); sys.stdout.flush()
            time.sleep(60)
            """
        ),
        encoding="utf-8",
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        if ") Z " in Path(f"/proc/{child}/stat").read_text(encoding="utf-8"):
            break
        time.sleep(0.1)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_many_threads_share_one_process():
    """Eight threads asking at once each get the answer to their own question."""
    images = [CanonicalImage.of(np.full((8, 8 + i, 3), i, np.uint8)) for i in range(8)]
    answers = {}
    with process(obedient, Deadlines()) as perception:
        threads = [
            threading.Thread(target=lambda i=i: answers.__setitem__(i, perception.observe_image(images[i])))
            for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {i: answers[i].digest for i in answers} == {i: images[i].digest for i in range(8)}


def test_code_smuggled_in_an_answer_is_not_run(tmp_path):
    """A child taken over by a picture can send data only: a call in its answer is refused, not made."""

    class Smuggled:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    with pytest.raises(CheckFailed):
        restored(pickle.dumps(("answer", Smuggled()), protocol=4))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("width", "embedded"), [(19.0, False), (23.9, False), (24.0, True), (200.0, True)])
def test_a_face_too_narrow_to_be_matched_has_no_embedding(width, embedded):
    """Below the measured width nobody's consent can speak for a face, recognisable or not."""
    limits = load_thresholds()
    assert limits.match_probe_width == 24.0
    face = FaceObservation(
        box=Box(0, 0, width, width),
        kind=PersonKind.FACE,
        recognisable=Recognisable.YES if width >= limits.face_recognisable_width else Recognisable.NO,
        score=0.9,
        passes=("p",),
        landmarks=np.zeros((5, 2), np.float32),
    )
    assert must_embed(face, limits) is embedded
    assert not must_embed(replace(face, kind=PersonKind.POSSIBLE_FACE), limits)


def other(seed):
    """Another picture."""
    return CanonicalImage.of(np.full((40, 50, 3), seed, np.uint8))


def test_a_picture_that_comes_back_is_not_looked_at_twice():
    """The same pixels give the same observation, and another picture does not."""
    with process(counting) as perception:
        first, again = perception.observe_image(other(1)), perception.observe_image(other(1))
        assert again is first
        assert perception.observe_image(other(2)).faces[0].score == 2.0


def test_only_so_many_pictures_are_remembered():
    """The oldest verdict goes first, and 0 keeps none."""
    store = ModelStore([])
    with PerceptionProcess(store, build=counting, remembered=2) as perception:
        scores = [perception.observe_image(other(seed)).faces[0].score for seed in (1, 2, 3, 1, 3)]
        assert scores == [1.0, 2.0, 3.0, 4.0, 3.0]
    with PerceptionProcess(store, build=counting, remembered=0) as perception:
        assert [perception.observe_image(other(1)).faces[0].score for _ in range(2)] == [1.0, 2.0]


def test_what_a_child_saw_goes_with_it():
    """After the child has ended its pictures are looked at again."""
    with process(counting) as perception:
        first = perception.observe_image(other(1))
        perception.close()
        assert perception.observe_image(other(1)) is not first


def test_a_check_without_an_answer_is_never_remembered(tmp_path):
    """A picture that a check failed on is looked at again, by all checks."""
    with process(Misbehaving(CheckName.EXPOSURE, "raise", once=tmp_path / "failed")) as perception:
        broken = perception.observe_image(IMAGE)
        assert any(run.outcome is CheckOutcome.FAILED for run in broken.checks)
        assert all(run.outcome is CheckOutcome.RAN for run in perception.observe_image(IMAGE).checks)


def test_thresholds_tightened_while_the_child_runs_hold_at_the_next_look():
    """The child is built anew with the thresholds in force, and nothing seen under the old ones is kept."""
    held = [load_thresholds()]
    with PerceptionProcess(ModelStore([]), build=counting, limits=lambda: held[0]) as perception:
        assert perception.observe_image(IMAGE).faces[0].box.width == held[0].face_recognisable_width
        held[0] = load_thresholds(tightened={"face_recognisable_width": 7.0})
        assert perception.observe_image(IMAGE).faces[0].box.width == 7.0


def test_a_child_that_asks_for_too_much_memory_fails_and_is_named():
    """The bound is the child's own: its check fails, the host goes on."""
    with PerceptionProcess(ModelStore([]), build=greedy, memory=128 << 20, deadlines=SHORT) as perception:
        runs = {run.name: run.outcome for run in perception.observe_image(IMAGE).checks}
        assert runs[CheckName.FACE_DETECTION] is CheckOutcome.FAILED
    with PerceptionProcess(ModelStore([]), build=greedy, memory=2 << 30) as perception:
        runs = {run.name: run.outcome for run in perception.observe_image(IMAGE).checks}
        assert runs[CheckName.FACE_DETECTION] is CheckOutcome.RAN


@pytest.fixture
def ends():
    """The host's side of a pipe as it holds a child, and the child's end of it."""
    child = object.__new__(Child)
    child._pipe, theirs = Pipe()
    child._kill = lambda: None
    with child._pipe, theirs:
        yield child, theirs


def test_pixels_reach_the_child_as_they_are_and_nothing_can_write_them(ends):
    """They come behind the question, byte by byte those of the picture; small arrays come within it."""
    child, theirs = ends
    rows = np.arange(15, dtype=np.float32).reshape(5, 3).T
    image = CanonicalImage.of(np.random.default_rng(0).integers(0, 256, (180, 160, 3), dtype=np.uint8))
    child.tell(("observe_image", (image, rows)), 5.0)
    question, (arrived, small) = told(theirs)
    assert question == "observe_image"
    assert arrived.digest == image.digest
    assert np.array_equal(arrived.pixels, image.pixels)
    assert not arrived.pixels.flags.writeable
    assert np.array_equal(small, rows)
    child.tell(image, 5.0)
    assert len(theirs.recv_bytes()) < 1000
    assert theirs.recv_bytes() == image.pixels.tobytes()


def test_attack_a_stream_that_never_pauses_has_a_deadline(ends):
    """What is there to be read does not put the end off: after it nothing is read any more."""
    child, theirs = ends
    theirs.send_bytes(pickle.dumps(("ready",), protocol=4))
    with pytest.raises(TimeoutError):
        child.hear(0.0)
    assert child.hear(5.0) == ("ready",)


@pytest.mark.parametrize("length", [-1, -1000, -(2**31)])
def test_attack_a_message_without_a_length_is_none(length, ends):
    """Nor one longer than anything that a check answers."""
    child, theirs = ends
    os.write(theirs.fileno(), struct.pack("!i", length) + b"x" * 64)
    with pytest.raises(EOFError):
        child.hear(5.0)
