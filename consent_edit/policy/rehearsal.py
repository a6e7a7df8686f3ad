"""Rehearsal: foreign policy text is compiled and evaluated once in a process of its own that can be killed.

Native code that parses can crash, and cannot be stopped. The limits on text (limits.py) keep every known way
to make it do so out; this is for the ways nobody knows. The child is a fresh interpreter with a bare
environment and hard limits (rehearsal_child.py); what it says counts only as one whole line, and only if it
ended well. A shipped policy takes 55 ms; a text that passed is remembered.
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from consent_edit.errors import CheckFailed, PolicyInvalid
from consent_edit.fresh_interpreter import environment, search_path
from consent_edit.policy.limits import check_limits

DEADLINE_S: Final = 30.0
"""Six times the processor time that the child may use, for a machine that is busy."""

_MAX_ANSWER: Final = 64 * 1024
_REMEMBERED: Final = 64
_READY: Final = b"ready\n"
_KEYS: Final = {"verdict", "message", "remedy"}
_PACKAGE: Final = Path(__file__).resolve().parent.parent
_KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_BOOT: Final = (
    "import json, sys, types; sys.path.extend(json.loads(sys.argv[1])); "
    "package = types.ModuleType('consent_edit'); package.__path__ = [sys.argv[2]]; "
    "sys.modules['consent_edit'] = package; "
    "from consent_edit.policy.rehearsal_child import main; main()"
)
"""The package's own ``__init__`` is passed over: it imports the whole house, and this needs one room. The
standard library comes first, whatever lies in the host's folders."""


def rehearse(text: str) -> None:
    """Compile and evaluate a text in a child process first.

    Raises:
        PolicyInvalid: over a limit, not valid, too slow, or erring for an ordinary picture; or the child
            crashed, or took too long or too much memory.
        CheckFailed: ``check.policy-rehearsal``: no child could be started.
    """
    check_limits(text)
    _rehearsed(text)


@lru_cache(maxsize=_REMEMBERED)
def _rehearsed(text: str) -> None:
    """As :func:`rehearse`; only a text that passed is remembered."""
    try:
        source = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PolicyInvalid("the policy text holds half a character") from error
    child = _start()
    try:
        heard = _exchange(child, source, time.monotonic() + DEADLINE_S)
        status = child.wait(1.0)
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise _brought_down("it took too long") from error
    except OSError as error:
        raise _not_held(type(error).__name__) from error
    finally:
        _end(child)
    if not heard.startswith(_READY):
        raise _not_held(f"the process ended with {status} before it began")
    _judge(heard.removeprefix(_READY), status)


def _start() -> subprocess.Popen[bytes]:
    """Start the child.

    Raises:
        CheckFailed: it cannot be started.
    """
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
            [sys.executable, "-I", "-S", "-B", "-c", _BOOT, search_path(), str(_PACKAGE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(_KEPT_VARIABLES, MALLOC_ARENA_MAX="1"),
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _not_held(type(error).__name__) from error


def _exchange(child: subprocess.Popen[bytes], source: bytes, until: float) -> bytes:
    """Hand the text over and hear all that comes back, up to a limit, whatever comes first.

    Raises:
        TimeoutError: the child is not done in time.
        PolicyInvalid: it says more than any answer can hold.
    """
    if child.stdin is None or child.stdout is None:
        raise OSError
    heard, left = bytearray(), memoryview(source)
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdin, selectors.EVENT_WRITE)
        waiting.register(child.stdout, selectors.EVENT_READ)
        while child.stdout in {key.fileobj for key in waiting.get_map().values()}:
            ready = waiting.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj is child.stdin:
                    left = _written(key.fd, left)
                    if not left:
                        waiting.unregister(child.stdin)
                        child.stdin.close()
                else:
                    part = os.read(key.fd, 4096)
                    heard += part
                    if not part:
                        waiting.unregister(child.stdout)
                    if len(heard) > _MAX_ANSWER:
                        raise _brought_down("it talked without end")
    return bytes(heard)


def _written(pipe: int, left: memoryview) -> memoryview:
    """What is still to be written; nothing when nobody listens any more."""
    try:
        return left[os.write(pipe, left[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        return left[:0]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child with whatever it started, and leave nothing of it."""
    if child.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    child.wait()


def _judge(line: bytes, status: int) -> None:
    """Take the child at its word only if it is one whole answer and it ended well.

    Raises:
        PolicyInvalid: it says so, or says nothing that counts.
    """
    if status != 0:
        raise _brought_down(_ending(status))
    try:
        answer = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError) as error:
        raise _brought_down("it answered nonsense") from error
    if not isinstance(answer, dict) or set(answer) != _KEYS:
        raise _brought_down("it answered nonsense")
    if not all(isinstance(said, str) for said in answer.values()):
        raise _brought_down("it answered nonsense")
    if answer["verdict"] == "invalid":
        raise PolicyInvalid(answer["message"], remedy=answer["remedy"])
    if answer["verdict"] != "good":
        raise _brought_down("it answered nonsense")


def _ending(status: int) -> str:
    try:
        return f"it ended with {signal.Signals(-status).name}"
    except ValueError:
        return f"it ended with status {status}"


def _brought_down(how: str) -> PolicyInvalid:
    return PolicyInvalid(
        f"the text brought the rehearsal down: {how}",
        remedy="make its rules shorter and flatter; a text that does this is never used",
    )


def _not_held(why: str) -> CheckFailed:
    return CheckFailed(
        f"no rehearsal of the policy text could be held ({why})",
        code="check.policy-rehearsal",
        remedy="let this process start its own Python interpreter, with some memory to spare",
    )
