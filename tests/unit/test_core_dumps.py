"""Neither the process that looks at faces nor the command line leaves a memory image when it crashes."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from consent_edit import core_dumps
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.checks import Checks
from consent_edit.perception.observation import ExposureReading, PictureExposure
from consent_edit.perception.process import PerceptionProcess
from consent_edit.vocabulary import Exposure

FILTER = Path("/proc/self/coredump_filter")
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not FILTER.exists(), reason="limits of other processes are read in /proc")


@pytest.fixture(autouse=True)
def dumping():
    """This process, and with it what it starts, dumps as much as it is allowed to."""
    before, kept = resource.getrlimit(resource.RLIMIT_CORE), FILTER.read_text()
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    FILTER.write_text("0x33")
    yield
    FILTER.write_text(f"0x{kept.strip()}")
    resource.setrlimit(resource.RLIMIT_CORE, before)


def dumped(process: int | str) -> tuple[list[str], int]:
    """What a process may dump: soft and hard limit, and which kinds of memory."""
    found = re.search(r"^Max core file size +(\S+) +(\S+)", Path(f"/proc/{process}/limits").read_text(), re.M)
    assert found
    return list(found.groups()), int(Path(f"/proc/{process}/coredump_filter").read_text(), 16)


class Telling(Checks):
    """Checks of which the first does nothing but leave its process id."""

    def load(self, name):
        return ()

    def detect(self, pixels):
        Path(os.environ["TMPDIR"], "pid").write_text(str(os.getpid()))
        return ()

    def bodies(self, pixels, faces):
        return ()

    def expose(self, pixels, people):
        nothing = ExposureReading(Exposure.NONE, {})
        return PictureExposure(nothing, (), nothing)


def telling(store, limits):
    """Builds them in the child."""
    return Telling(store, limits)


def test_worker_that_looks_at_faces_dumps_nothing(monkeypatch, tmp_path):
    """The very process that the checks run in has a limit of zero, and no memory to put into a dump."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert dumped("self")[1]
    with PerceptionProcess(build=telling) as perception:
        perception.observe_image(CanonicalImage.of(np.full((40, 50, 3), 128, np.uint8)))
        pid = (tmp_path / "pid").read_text()
        assert int(pid) != os.getpid()
        assert dumped(pid) == (["0", "0"], 0)


def test_command_dumps_nothing(tmp_path):
    """A command, which holds keys and pictures, has neither, from before it reads its first file."""
    pipe = tmp_path / "list.jwt"
    os.mkfifo(pipe)
    line = ["operator", "init", tmp_path / "op", "--audience", "a", "--trust-list", pipe, "--anchor", pipe]
    command = [sys.executable, "-m", "consent_edit", *map(str, line)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 60
        end = -1
        while end < 0 and process.poll() is None and time.monotonic() < until:
            try:
                end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # opens once the command reads
            except OSError:
                time.sleep(0.02)
        assert end >= 0, "the command never read its first file"
        seen = dumped(process.pid)
        os.close(end)
        process.kill()
    assert seen == (["0", "0"], 0)


def test_limit_holds_where_no_filter_is(monkeypatch, tmp_path):
    """Where there is no such file the limit is set all the same, and nothing is raised."""
    asked = []
    monkeypatch.setattr(core_dumps, "_FILTER", tmp_path / "none" / "filter")
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: asked.append(limit))
    core_dumps.forbid()
    assert asked == [(resource.RLIMIT_CORE, (0, 0))]
