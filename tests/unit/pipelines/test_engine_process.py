"""The engine's keeper: what does not start is said, what dies starts again, and what is closed is gone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from engine_worlds import EngineWorld

from consent_edit.errors import EditRefused, ImageRejected, InputError, Unavailable
from consent_edit.pipelines.engine import setup as engine_setup
from consent_edit.pipelines.engine.process import EngineDeadlines, EngineProcess
from consent_edit.pipelines.engine.setup import EngineSetup, loaded


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return EngineWorld.make(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize(
    ("setup", "code"),
    [
        (EngineSetup(operator="/nowhere"), "input.operator"),
        (EngineSetup(editor="engine_worlds:missing"), "input.engine"),
        (EngineSetup(editor="no_such_module:x"), "input.engine"),
        (EngineSetup(editor="engine_worlds:no_editor"), "input.engine"),
        (EngineSetup(editor="engine_worlds:broken_editor", arguments=("somebody",)), "check.engine-setup"),
    ],
    ids=lambda value: getattr(value, "editor", "") or getattr(value, "operator", value),
)
def test_what_cannot_be_loaded(setup, code):
    """What an engine cannot serve is an error of ours that names the step, and says nothing foreign."""
    with pytest.raises((InputError, Unavailable)) as refused:
        loaded(setup)
    assert refused.value.code == code and "somebody" not in refused.value.message


@pytest.mark.parametrize("pipeline", ["neither", "engine_worlds:nothing_there"])
def test_pipeline_that_is_none(world, pipeline):
    """A pipeline that is neither a folder nor a function is refused."""
    with pytest.raises(InputError) as refused:
        loaded(EngineSetup(operator=str(world.operator), pipeline=pipeline))
    assert refused.value.code == "input.engine"


def test_folder_of_weights_is_loaded_from_the_disk_alone(tmp_path, monkeypatch):
    """Weights come from the folder alone, in the precision and on the device asked for."""
    told, placed = {}, []

    class Loaded:
        to = placed.append

    def load(place, **said):
        told.update(said)
        return Loaded

    monkeypatch.setattr(engine_setup, "load", load)
    setup = EngineSetup(pipeline=str(tmp_path), dtype="bfloat16", device="cuda")
    assert engine_setup._pipeline(setup) is Loaded
    assert (told["local_files_only"], str(told["dtype"]), placed) == (True, "torch.bfloat16", ["cuda"])


def test_start_that_fails_is_told(tmp_path):
    """Who starts an engine that cannot start is told why, and no socket is left."""
    path = tmp_path / "own" / "engine.sock"
    with pytest.raises(InputError) as refused:
        EngineProcess(EngineSetup(operator=str(tmp_path / "nothing")), path)
    assert refused.value.code == "input.operator" and refused.value.remedy
    assert not path.exists()


@pytest.fixture(scope="module")
def engine(world):
    with EngineProcess(world.setup(), deadlines=EngineDeadlines(silence=30.0)) as running:
        yield running


def test_operator_folder_and_pipeline(world):
    """An engine that loads an operator's folder by itself answers in its own words."""
    setup = EngineSetup(operator=str(world.operator), pipeline="engine_worlds:pipeline", memory=2 << 30)
    with EngineProcess(setup) as running:
        limits = Path(f"/proc/{running.pid}/limits").read_text().splitlines()
        assert [line for line in limits if line.startswith("Max data size") and str(2 << 30) in line]
        with pytest.raises(ImageRejected):
            running.edit(world.request(image=b"no picture"))
    with pytest.raises(Unavailable) as gone:
        running.edit(world.request())
    assert gone.value.code == "check.engine-down" and not running.path.exists()


def test_killed_between_two_edits(engine, world):
    """An engine that dies while nobody asks is there again for the next who does."""
    world.publish()
    first = engine.pid
    os.kill(first, signal.SIGKILL)
    assert engine.edit(world.consented()).released or first
    assert engine.pid != first


def test_frozen_engine(world):
    """An engine that says nothing any more is ended, and whoever waits is served by the next one."""
    deadlines = EngineDeadlines(silence=5.0)
    with EngineProcess(world.setup(), deadlines=deadlines) as running:
        os.kill(running.pid, signal.SIGSTOP)
        with pytest.raises(EditRefused):
            running.edit(world.request())
        assert running.starts >= 2


def test_engine_that_cannot_start_again(world, tmp_path):
    """While no engine starts hosts are told at once; when one can, it serves again."""
    hidden = tmp_path / "hidden"
    with EngineProcess(world.setup()) as running:
        world.operator.rename(hidden)
        try:
            os.kill(running.pid, signal.SIGKILL)
            with pytest.raises(Unavailable) as down:
                running.edit(world.request())
            assert down.value.code in {"check.engine-down", "check.engine-lost"}
        finally:
            hidden.rename(world.operator)
        world.publish()
        until, served = time.monotonic() + 60, False
        while not served and time.monotonic() < until:
            world.publish()
            try:
                served = bool(running.edit(world.consented()).released)
            except Unavailable:
                time.sleep(0.2)
        assert served
