"""Turns on a pipeline: one run at a time, the one that asked first goes first."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

from consent_edit.errors import CheckFailed
from consent_edit.pipelines.watch import CANCELLED

BUSY: Final = "check.pipeline-busy"

_PAUSE_S: Final = 0.05
"""How often one who waits asks whether it is still wanted."""


class Turns:
    """Who runs on one pipeline, and who waits for it, in the order in which they asked."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._running: int | None = None

    @contextmanager
    def taken(self, deadline_s: float, cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Have the pipeline to oneself.

        Args:
            deadline_s: Seconds to wait at most.
            cancelled: Asked while waiting; true ends it.

        Raises:
            CheckFailed: ``check.pipeline-busy`` past the deadline, or to a thread that would wait for itself;
                ``check.pipeline-cancelled``.
        """
        own = threading.get_ident()
        if self._running == own:
            raise CheckFailed("this was asked from inside a run of the same pipeline", code=BUSY)
        try:
            self._wait(own, time.monotonic() + deadline_s, cancelled)
            yield
        finally:
            with self._changed:
                if self._running == own:  # not where an interrupt came before its turn did
                    self._running = None
                    self._changed.notify_all()

    def _wait(self, own: int, deadline: float, cancelled: Callable[[], bool]) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
        try:
            while not self._came(ticket, own):
                if cancelled():  # not under the lock: it is foreign code
                    raise CheckFailed("the edit was cancelled while it waited", code=CANCELLED)
                if time.monotonic() > deadline:
                    raise CheckFailed(
                        "other edits held the pipeline past the deadline",
                        code=BUSY,
                        remedy="ask again later, or run another pipeline beside this one",
                    )
        finally:
            with self._changed:
                if ticket in self._queue:
                    self._queue.remove(ticket)
                    self._changed.notify_all()

    def _came(self, ticket: object, own: int) -> bool:
        with self._changed:
            if self._running is not None or self._queue[0] is not ticket:
                self._changed.wait(_PAUSE_S)
            if self._running is not None or self._queue[0] is not ticket:
                return False
            self._running = own
            self._queue.popleft()
            return True


_LOCK: Final = threading.Lock()
_TURNS: Final[WeakKeyDictionary[object, Turns]] = WeakKeyDictionary()


def turns(pipeline: object) -> Turns:
    """The turns of a pipeline: the same ones for every editor around it."""
    with _LOCK:
        return _TURNS.setdefault(pipeline, Turns())
