"""The engine as its host sees it: requests in, released bytes or an error of ours out. It holds no key."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from consent_edit.errors import CheckFailed, ConsentEditError, InputError, Unavailable
from consent_edit.pipelines.engine import frames
from consent_edit.pipelines.engine.frames import Unframed
from consent_edit.pipelines.engine.messages import MAX_ASKED, MAX_TOLD, TOLD, Failed, Released, Step
from consent_edit.pipelines.engine.translation import Parts, asked, error_of
from consent_edit.request import EditRequest, EditResult

LOST: Final = "check.engine-lost"
"""The engine went away with the edit: it made no answer, and whatever it made is nobody's."""

DOWN: Final = "check.engine-down"
"""There is no engine to ask."""

DEADLINE_S: Final = 1800.0
"""Longest wait for an answer: the engine's own deadlines, and its queue, are shorter."""

_SEND_S: Final = 60.0
_LOOK_MS: Final = 50
"""Milliseconds between two looks at ``cancelled``."""

_START: Final = "start one with: consent-edit engine OPERATOR_FOLDER --pipeline FOLDER --socket PATH"


class EngineClient:
    """Asks an engine, over its socket, as a ``ConsentEditor`` is asked. Threads and processes may share it.

    Args:
        path: The engine's socket.
        deadline_s: Seconds to wait for an answer.
    """

    def __init__(self, path: Path | str, *, deadline_s: float = DEADLINE_S) -> None:
        self.path = Path(path)
        self._deadline_s = deadline_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held between two edits; the engine goes on."""

    def edit(
        self,
        request: EditRequest,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], object] = lambda step, total: None,
    ) -> EditResult:
        """Edit one picture, as ``ConsentEditor.edit`` does.

        Args:
            request: What is asked. Settings are plain values, or a ``torch.Generator``, whose seed travels.
            cancelled: Asked many times a second; true aborts the edit at its next denoising step.
            progress: Told of every denoising step done, which it was and of how many, and nothing else.

        Returns:
            The released bytes with their receipt.

        Raises:
            InputError: the request cannot be used (``input.*``).
            EditRefused: the decision was to refuse; it stands in the engine's log.
            Unavailable: a needed part is missing or broke (``check.*``); ``check.engine-down``: there is no
                engine; ``check.engine-lost``: it ended with the edit, which its log will say.
        """
        head, parts = asked(request)
        try:
            beginning = frames.framed(head)
        except ValueError:
            raise InputError(
                "a text of the request is none, or a number is not finite", code="input.request"
            ) from None
        if len(beginning) > MAX_ASKED:
            raise InputError("the words and presentations are too long", code="input.request")
        with self._line() as line:
            return self._asked(line, (beginning, parts), cancelled, progress)

    async def edit_async(self, request: EditRequest) -> EditResult:
        """As :meth:`edit`, in a thread of its own; cancelling the task aborts the edit at its next step.

        Raises:
            ConsentEditError: as :meth:`edit`.
        """
        unwanted: list[bool] = []
        try:
            return await asyncio.to_thread(self.edit, request, cancelled=lambda: bool(unwanted))
        finally:
            unwanted.append(True)

    def edit_many(self, requests: Iterable[EditRequest]) -> tuple[EditResult | ConsentEditError, ...]:
        """Edit several pictures, one after the other.

        Returns:
            For each request, in their order, what was released or why nothing was.
        """
        ends: list[EditResult | ConsentEditError] = []
        for request in requests:
            try:
                ends.append(self.edit(request))
            except ConsentEditError as error:
                ends.append(error)
        return tuple(ends)

    def _line(self) -> socket.socket:
        """A line to the engine.

        Raises:
            Unavailable: ``check.engine-down``.
        """
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(_SEND_S)
            line.connect(str(self.path))
        except OSError as error:
            line.close()
            why = (
                "may not be asked by this user" if isinstance(error, PermissionError) else "cannot be reached"
            )
            raise Unavailable(f"the engine {why}", code=DOWN, remedy=_START) from error
        return line

    def _asked(
        self,
        line: socket.socket,
        question: tuple[bytes, Parts],
        cancelled: Callable[[], bool],
        progress: Callable[[int, int], object],
    ) -> EditResult:
        until = time.monotonic() + self._deadline_s
        with suppress(Unframed):  # it may have answered before it heard all; if not, it is lost
            frames.send(line, *question, _SEND_S)
        failure: Exception | None = None
        while True:
            try:
                failure = failure or _watched(line, until, cancelled)
                told = frames.receive_head(line, TOLD, MAX_TOLD, min(until, time.monotonic() + _SEND_S))
                data = frames.receive(line, told.length, until) if isinstance(told, Released) else b""
            except Unframed as error:
                raise _lost() from error
            match told:
                case Step(step=step, total=total):
                    failure = failure or _called(lambda: progress(step, total))
                    if failure:
                        _hang_up(line)
                case Failed() if failure is None:
                    raise error_of(told)
                case Released() if failure is None:
                    return EditResult(released=data, receipt=told.receipt, decision_id=told.decision_id)
                case _:
                    raise CheckFailed(
                        f"the pipeline failed with {type(failure).__name__}", code="check.pipeline-failed"
                    ) from failure


def _watched(line: socket.socket, until: float, cancelled: Callable[[], bool]) -> Exception | None:
    """Wait for the next word of the engine's, and hang up once the edit is unwanted.

    Returns:
        What ``cancelled`` raised, if it did.

    Raises:
        Unframed: nothing came in time.
    """
    coming = select.poll()
    coming.register(line, select.POLLIN)
    failure: Exception | None = None
    unwanted = False
    while True:
        if not unwanted:  # asked first: steps may come faster than any pause
            answer: list[bool] = []
            failure = _called(lambda: answer.append(bool(cancelled())))  # noqa: B023
            unwanted = failure is not None or answer[-1]
            if unwanted:
                _hang_up(line)
        if coming.poll(_LOOK_MS):
            return failure
        if time.monotonic() > until:
            raise Unframed("no answer")


def _called(what: Callable[[], object]) -> Exception | None:
    """Call the host's own; what it raised, for a run in its own process would have been aborted by it."""
    try:
        what()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    return None


def _hang_up(line: socket.socket) -> None:
    """Say that the edit is unwanted: nothing more comes from here."""
    with suppress(OSError):
        line.shutdown(socket.SHUT_WR)


def _lost() -> Unavailable:
    return Unavailable(
        "the engine went away with the edit, or did not answer in time",
        code=LOST,
        remedy="ask again; how this edit ended stands in the engine's log",
    )
