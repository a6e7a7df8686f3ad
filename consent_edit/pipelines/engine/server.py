"""The engine's door: who may ask, how many at once, and how much memory their requests may take."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from consent_edit.errors import Unavailable
from consent_edit.pipelines.engine.conversation import Conversation, Edits, Patience, turned_away
from consent_edit.pipelines.engine.messages import MAX_REQUEST

BUSY: Final = "check.engine-busy"

_CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group id of the peer, as the kernel fills them in (unix(7), SO_PEERCRED)."""

_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What all hosts together may take.

    Attributes:
        connections: At once; one more is told that the engine is busy.
        memory: Bytes of pictures that were sent and not answered yet.
        patience: What each has to say in what time.
    """

    connections: int = 32
    memory: int = 2 * MAX_REQUEST
    patience: Patience = field(default_factory=Patience)


class EngineServer:
    """Takes requests from a listening socket and runs the editor on them, one at a time.

    Args:
        editor: Runs an edit whole.
        listener: A Unix socket that listens; who may reach it is its place's business as well.
        uids: Users whose processes may ask; by default the engine's own alone.
        bounds: How many, and how much.

    Raises:
        Unavailable: ``check.installation``: this system does not say who asks.
    """

    def __init__(
        self,
        editor: Edits,
        listener: socket.socket,
        *,
        uids: Iterable[int] = (),
        bounds: Bounds | None = None,
    ) -> None:
        if not hasattr(socket, "SO_PEERCRED"):
            raise Unavailable("the engine needs Linux: who asks is not told here", code="check.installation")
        self._editor = editor
        self._listener = listener
        self._uids = frozenset(uids) or frozenset({os.geteuid()})
        self._bounds = bounds if bounds is not None else Bounds()
        self._free = threading.BoundedSemaphore(self._bounds.connections)
        self._lock = threading.Lock()
        self._memory = self._bounds.memory
        self._one = threading.Lock()
        self._begun = 0.0
        self._over = threading.Event()

    def serve(self) -> None:
        """Take whoever comes, until :meth:`stop`."""
        self._listener.settimeout(_PAUSE_S)
        while not self._over.is_set():
            try:
                line, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # too many open files, or the like: whoever has one will close it
                self._over.wait(_PAUSE_S)
                continue
            self._let_in(line)

    def stop(self) -> None:
        """Take nobody any more."""
        self._over.set()

    @property
    def busy_s(self) -> float:
        """Seconds for which the edit that runs has run; 0 when none does."""
        begun = self._begun
        return time.monotonic() - begun if begun else 0.0

    def _let_in(self, line: socket.socket) -> None:
        """Talk to a host in a thread of its own; to a stranger not at all."""
        if peer(line) not in self._uids:
            line.close()
            return
        if not self._free.acquire(blocking=False):
            with closing(line):
                turned_away(line, _busy())
            return
        talk = threading.Thread(target=self._talk, args=(line,), name="engine-host", daemon=True)
        try:
            talk.start()
        except (RuntimeError, MemoryError):  # no thread to be had
            line.close()
            self._free.release()

    def _talk(self, line: socket.socket) -> None:
        try:
            with closing(line):
                Conversation(line, self._editor, self._bounds.patience, self._room, self._turn()).hold()
        finally:
            self._free.release()

    @contextmanager
    def _room(self, count: int) -> Iterator[None]:
        """Memory for a request's pictures, out of what all share.

        Raises:
            Unavailable: ``check.engine-busy``.
        """
        with self._lock:
            if count > self._memory:
                raise _busy()
            self._memory -= count
        try:
            yield
        finally:
            with self._lock:
                self._memory += count

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The editor to oneself, timed."""
        with self._one:
            self._begun = time.monotonic()
            try:
                yield
            finally:
                self._begun = 0.0


def peer(line: socket.socket) -> int:
    """User id of the process at the other end, as the kernel says; -1 where it says nothing."""
    with suppress(OSError, struct.error):
        told = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(told)[1])
    return -1


def _busy() -> Unavailable:
    return Unavailable("the engine has as much to do as it takes", code=BUSY, remedy="ask again later")
