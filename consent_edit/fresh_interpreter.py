"""Starts a Python interpreter of its own that knows next to nothing of the host's environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

PLACES: Final = (
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
)
"""What a process that runs models must know: where programs and devices are. No secret is among them."""

_BOOT: Final = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "


def environment(kept: Iterable[str], **fixed: str) -> dict[str, str]:
    """The variables of these names as the host has them, and the fixed ones."""
    return {name: os.environ[name] for name in kept if name in os.environ} | fixed


def search_path() -> str:
    """Where this interpreter finds modules, as JSON: absolute, whatever the working folder is later."""
    return json.dumps([entry or os.getcwd() for entry in sys.path])  # noqa: PTH109


def started(
    code: str, arguments: Sequence[str], *, told: Mapping[str, str], handed: Sequence[int]
) -> subprocess.Popen[bytes]:
    """Start our own interpreter on our own code, silent and isolated (``-I``), with this one's search path.

    Args:
        code: What it runs; ``sys`` is imported, and its arguments begin at ``sys.argv[2]``.
        told: Its whole environment.
        handed: File descriptors that it has from here.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
        [sys.executable, "-I", "-c", _BOOT + code, search_path(), *arguments],
        pass_fds=tuple(handed),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(told),
    )
