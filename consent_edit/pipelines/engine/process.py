"""The engine's keeper: starts it in a bare interpreter, and again once it crashed, hung or was killed.

It holds the listening socket, so that hosts who come while an engine starts wait for it instead of failing.
"""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from consent_edit import fresh_interpreter
from consent_edit.errors import ConsentEditError, InputError, Unavailable, VerificationFailed
from consent_edit.pipelines.engine import place
from consent_edit.pipelines.engine.child import FAILED, READY
from consent_edit.pipelines.engine.client import DOWN, EngineClient
from consent_edit.pipelines.engine.conversation import turned_away
from consent_edit.pipelines.engine.setup import EngineSetup
from consent_edit.request import EditRequest, EditResult

_BOOT: Final = "from consent_edit.pipelines.engine.child import serve; serve(*map(int, sys.argv[2:]))"
_KEPT_VARIABLES: Final = (
    *fresh_interpreter.PLACES,
    "HOME",
    "XDG_CACHE_HOME",
    "CONSENT_EDIT_MODELS",
    "OMP_NUM_THREADS",
)
_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 30.0
_MAX_REASON: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDeadlines:
    """Seconds.

    Attributes:
        start: From its start until the engine takes requests; weights are loaded in it.
        edit: For one edit, before the engine is taken for hung.
        silence: Without a beat, before it is: native code may hold the interpreter for a while.
    """

    start: float = 600.0
    edit: float = 900.0
    silence: float = 60.0


class EngineProcess:
    """A running engine. It is asked as a ``ConsentEditor`` is; other processes reach it by :attr:`path`.

    Args:
        setup: What it serves.
        path: Its socket; by default one in a new folder of its own.
        group: Id of a group whose members may reach the socket too.
        deadlines: When it is given up.

    Raises:
        InputError: there is nothing to serve there, or it cannot listen there.
        VerificationFailed: the operator's trust list does not verify.
        Unavailable: it does not start.
    """

    def __init__(
        self,
        setup: EngineSetup,
        path: Path | None = None,
        *,
        group: int | None = None,
        deadlines: EngineDeadlines | None = None,
    ) -> None:
        self._setup = setup
        self._deadlines = deadlines if deadlines is not None else EngineDeadlines()
        self._folder = tempfile.TemporaryDirectory(prefix="ce-") if path is None else None
        self.path = path if path is not None else Path(self._folder.name, "engine.sock")  # type: ignore[union-attr]
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._starts = 0
        self._client = EngineClient(self.path)
        self._listener = place.listening(self.path, group=group)
        try:
            first = self._started()
        except BaseException:
            self._put_away()
            raise
        self._keeper = threading.Thread(target=self._keep, args=(first,), name="engine-keeper", daemon=True)
        self._keeper.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def client(self) -> EngineClient:
        """Asks this engine; any process of a user who may ask can make one like it, with the path alone."""
        return self._client

    @property
    def pid(self) -> int:
        """Process id of the engine that runs, or ran last."""
        return self._child.pid if self._child is not None else 0

    @property
    def starts(self) -> int:
        """How often an engine was started."""
        return self._starts

    def edit(
        self,
        request: EditRequest,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], object] = lambda step, total: None,
    ) -> EditResult:
        """As :meth:`EngineClient.edit`.

        Raises:
            ConsentEditError: as there.
        """
        return self._client.edit(request, cancelled=cancelled, progress=progress)

    def wait(self) -> None:
        """Wait until :meth:`stop` is called."""
        while not self._over.wait(_PAUSE_S):  # short: a signal's handler runs between two of them
            pass

    def stop(self) -> None:
        """Have :meth:`wait` return; a signal's handler may call it."""
        self._over.set()

    def close(self) -> None:
        """End the engine. An edit that runs is lost; the next engine's log says so."""
        self._over.set()
        with self._lock:
            if self._child is not None:
                self._child.end()
        self._keeper.join(_LONGEST_PAUSE_S)
        self._put_away()

    def _keep(self, child: _Child) -> None:
        """Watch the engine, and start it again, until closed."""
        while not self._over.is_set():
            child.watch(self._deadlines.silence)
            child.end()
            again = self._again()
            if again is None:
                return
            child = again

    def _again(self) -> _Child | None:
        """The next engine; while none starts, hosts are told so. Nothing once closed."""
        pause = 1.0
        while not self._over.is_set():
            try:
                return self._started()
            except ConsentEditError as error:
                self._turn_away(error, pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        return None

    def _turn_away(self, why: ConsentEditError, seconds: float) -> None:
        down = Unavailable(f"the engine does not start ({why.code})", code=DOWN, remedy="see to the engine")
        until = time.monotonic() + seconds
        self._listener.settimeout(_PAUSE_S)
        while time.monotonic() < until and not self._over.is_set():
            with suppress(OSError):
                line, _ = self._listener.accept()
                with line:
                    turned_away(line, down)

    def _started(self) -> _Child:
        """A new engine that takes requests.

        Raises:
            ConsentEditError: what keeps it from starting.
        """
        with self._lock:
            if self._over.is_set():
                raise Unavailable("the engine was closed", code=DOWN)
            child = self._child = _Child(self._listener, self._setup, self._deadlines.edit)
            self._starts += 1
        try:
            child.await_ready(self._deadlines.start)
        except BaseException:
            child.end()
            raise
        return child

    def _put_away(self) -> None:
        self._listener.close()
        place.removed(self.path)
        if self._folder is not None:
            self._folder.cleanup()


class _Child:
    """One engine process."""

    def __init__(self, listener: socket.socket, setup: EngineSetup, edit_s: float) -> None:
        self._line, theirs = socket.socketpair()
        told = fresh_interpreter.environment(_KEPT_VARIABLES, HF_HUB_OFFLINE="1")
        handed = (theirs.fileno(), listener.fileno())
        try:
            numbers = [str(number) for number in (*handed, int(edit_s * 1000))]
            self._process = fresh_interpreter.started(_BOOT, numbers, told=told, handed=handed)
        except OSError as error:
            self._line.close()
            raise Unavailable(
                f"no engine can be started ({type(error).__name__})", code="check.engine-setup"
            ) from error
        finally:
            theirs.close()
        with suppress(OSError):  # it ended already: await_ready says so
            self._line.sendall(setup.model_dump_json().encode("utf-8") + b"\n")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def await_ready(self, seconds: float) -> None:
        """Wait until it takes requests.

        Raises:
            ConsentEditError: what it says keeps it from it; ``check.engine-setup`` where it says nothing.
        """
        self._line.settimeout(seconds)
        try:
            said = self._line.recv(1)
            if said == READY:
                return
            reason = self._reason() if said == FAILED else ""
        except OSError:
            said, reason = b"", ""
        if reason:
            raise _unable(reason)
        late = "did not get ready in time" if self._process.poll() is None else "ended while it started"
        raise Unavailable(f"the engine {late}", code="check.engine-setup")

    def watch(self, silence: float) -> None:
        """Return once it ended or fell silent."""
        with suppress(OSError):
            self._line.settimeout(silence)
            while self._line.recv(64):
                pass

    def end(self) -> None:
        """Kill it and leave nothing of it."""
        self._process.kill()
        self._process.wait()
        self._line.close()

    def _reason(self) -> str:
        parts = b""
        while part := self._line.recv(_MAX_REASON):
            parts = (parts + part)[:_MAX_REASON]
        return parts.decode("utf-8", "replace")


def _unable(reason: str) -> ConsentEditError:
    """What the engine said of its failed start, as an error of its kind."""
    code, message, remedy = (*reason.split("\n"), "", "")[:3]
    kinds: dict[str, type[ConsentEditError]] = {"input": InputError, "verification": VerificationFailed}
    return kinds.get(code.partition(".")[0], Unavailable)(message, code=code, remedy=remedy)
