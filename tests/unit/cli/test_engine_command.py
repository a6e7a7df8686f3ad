"""``consent-edit engine``: says where it listens, serves, and ends when told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from engine_worlds import EngineWorld

from consent_edit.errors import ImageRejected
from consent_edit.pipelines.engine.client import EngineClient

COMMAND = "from consent_edit.cli.main import run; run()"
TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return EngineWorld.make(tmp_path_factory.mktemp("world"))


def start(*arguments: object) -> subprocess.Popen[str]:
    """The command, running."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "engine", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
    )


def test_serves_until_told_to_stop(world, tmp_path):
    """It prints its socket once it serves, answers on it, and leaves nothing behind on SIGTERM."""
    path = tmp_path / "own" / "engine.sock"
    running = start(world.operator, "--pipeline", "engine_worlds:pipeline", "--socket", path)
    try:
        said = json.loads(running.stdout.readline())
        assert said["socket"] == str(path)
        with pytest.raises(ImageRejected):
            EngineClient(path).edit(world.request(image=b"no picture"))
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        running.communicate()
    assert not path.exists() and not Path(f"/proc/{said['pid']}").exists()


@pytest.mark.parametrize(
    ("more", "code", "leaves"),
    [
        (["--pipeline", "nowhere"], "input.engine", 2),
        (["--pipeline", "a:b", "--editor", "c:d"], "input.usage", 2),
        (["--group", "no-such-group"], "input.group", 2),
        (["--editor", "engine_worlds:broken_editor"], "check.engine-setup", 4),
    ],
)
def test_what_cannot_be_served(world, tmp_path, more, code, leaves):
    """What cannot be served is told with its code, and the command leaves as the others do."""
    done = start(world.operator, "--socket", tmp_path / "own" / "e.sock", *more)
    out, _ = done.communicate(timeout=120)
    assert (json.loads(out)["error"]["code"], done.returncode) == (code, leaves)
