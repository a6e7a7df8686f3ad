"""The perception child as its host holds it: told next to nothing, spoken to by the clock, and ended."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final

from consent_edit import fresh_interpreter
from consent_edit.perception.answers import restored

_CODE: Final = "from consent_edit.perception.worker import serve; serve(int(sys.argv[2]), int(sys.argv[3]))"
_THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_LENGTH: Final = struct.Struct("!i")
"""What goes before a message, as multiprocessing's Connection writes it; negative from 2 GiB on."""

_APART: Final = 1 << 16
"""From so many bytes on an array is sent as it lies in memory: pixels are neither pickled nor copied."""


class Child:
    """A running child.

    Args:
        owner: The child ends with it, and with the interpreter.
        brief: What it is to build, as its ``serve`` takes it.
        start: Seconds until it must be ready.

    Raises:
        TimeoutError: it was not ready in time.
        EOFError: it is gone.
    """

    def __init__(self, owner: object, brief: object, start: float) -> None:
        self._pipe, theirs = Pipe()
        child = fresh_interpreter.started(
            _CODE,
            [str(theirs.fileno()), str(os.getpid())],
            told=fresh_interpreter.environment(
                fresh_interpreter.PLACES, **dict.fromkeys(_THREAD_VARIABLES, "1")
            ),
            handed=[theirs.fileno()],
        )
        theirs.close()
        self._kill = child.kill
        self.end = weakref.finalize(owner, _end, child, self._pipe)
        try:
            self.tell(brief, start)
            self.hear(start)
        except BaseException:
            self.end()
            raise

    def leave(self) -> None:
        """Let it be, in a fork of the process that started it: it is that one's."""
        self.end.detach()
        self._pipe.close()

    def tell(self, what: object, seconds: float) -> None:
        """Send something; the child is killed if it does not take it in time.

        Raises:
            OSError: the child is gone.
        """
        apart: list[memoryview] = []

        def inline(buffer: pickle.PickleBuffer) -> bool:
            data = buffer.raw()
            if data.nbytes >= _APART:
                apart.append(data)
            return data.nbytes < _APART

        body = pickle.dumps(what, protocol=5, buffer_callback=inline)
        with self._within(seconds):
            self._pipe.send_bytes(pickle.dumps((body, len(apart)), protocol=5))
            for data in apart:
                self._pipe.send_bytes(data)

    def hear(self, seconds: float) -> tuple[object, ...]:
        """The next message.

        Raises:
            TimeoutError: none came in time.
            EOFError: the child is gone, or what came is no message.
        """
        until = time.monotonic() + seconds
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, until))
        if length < 0:
            raise EOFError("no message")
        message = restored(self._read(length, until))
        if not isinstance(message, tuple) or not message:
            raise EOFError("no message")
        return message

    def _read(self, count: int, until: float) -> bytes:
        """So many bytes, if all are there by then; nobody waits longer for half a message.

        Raises:
            TimeoutError: they did not come in time.
            EOFError: the child is gone.
        """
        parts = []
        while count:
            left = until - time.monotonic()
            if left <= 0 or not self._pipe.poll(left):  # a stream that never pauses has an end as well
                raise TimeoutError
            part = os.read(self._pipe.fileno(), min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Kill the child if this takes longer: what nobody reads is sent without end."""
        watch = threading.Timer(max(0.0, seconds), self._kill)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()


def _end(child: subprocess.Popen[bytes], pipe: Connection) -> None:
    """Kill a child and leave nothing of it."""
    pipe.close()
    child.kill()
    child.wait()
