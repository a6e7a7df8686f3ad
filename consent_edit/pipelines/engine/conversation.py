"""One connection on the engine's side: a request in, its steps, and one answer out."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from consent_edit.errors import CheckFailed, Unavailable
from consent_edit.pipelines.engine import frames
from consent_edit.pipelines.engine.frames import HungUp, Unframed
from consent_edit.pipelines.engine.messages import ASKED, MAX_ASKED, Asked, Failed, Released, Step
from consent_edit.pipelines.engine.translation import failed, request_of
from consent_edit.pipelines.watch import CANCELLED, Progress
from consent_edit.request import EditRequest, EditResult

_STEP_S: Final = 5.0
"""A host that does not read its steps for so long is gone."""


class Edits(Protocol):
    """What the engine runs: the editor, whole."""

    def edit(self, request: EditRequest, *, cancelled: Callable[[], bool], progress: Progress) -> EditResult:
        """As ``ConsentEditor.edit``."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a host has.

    Attributes:
        ask: To send its whole request, from when it was let in.
        take: To take its answer.
    """

    ask: float = 30.0
    take: float = 60.0


@dataclass(slots=True)
class Conversation:
    """A host that was let in.

    Attributes:
        room: Takes the pictures' memory out of what all hosts share, while they are here.
        turn: The editor, one at a time; entered once the request is whole.
    """

    line: socket.socket
    editor: Edits
    patience: Patience
    room: Callable[[int], AbstractContextManager[None]]
    turn: AbstractContextManager[object]
    deaf: bool = False

    def hold(self) -> None:
        """From the request to the answer; whatever the host does, nothing is raised by it.

        A host that sends what is no request is not answered.
        """
        try:
            until = time.monotonic() + self.patience.ask
            head = frames.receive_head(self.line, ASKED, MAX_ASKED, until)
            try:
                with self.room(sum(one.length for one in head.sent)):
                    result = self._edited(self._request(head, until))
            except Unframed:
                raise
            except Exception as error:  # noqa: BLE001 - told as a break
                self._tell(failed(error))
                return
            told = Released(
                receipt=result.receipt, decision_id=result.decision_id, length=len(result.released)
            )
            self._tell(told, result.released)
        except Unframed:
            return

    def _request(self, head: Asked, until: float) -> EditRequest:
        return request_of(head, [frames.receive(self.line, one.length, until) for one in head.sent])

    def _edited(self, request: EditRequest) -> EditResult:
        with self.turn:
            if self._cancelled():  # while it waited
                raise CheckFailed("the edit was cancelled before it ran", code=CANCELLED)
            return self.editor.edit(request, cancelled=self._cancelled, progress=self._progress)

    def _cancelled(self) -> bool:
        """After its request a host says nothing more: it closes its side, is gone, or talks out of turn."""
        asked = select.poll()
        asked.register(self.line, select.POLLIN | select.POLLRDHUP)
        return self.deaf or bool(asked.poll(0))

    def _progress(self, step: int, total: int) -> None:
        try:
            self._tell(Step(step=step, total=total), seconds=_STEP_S)
        except HungUp:
            self.deaf = True

    def _tell(self, head: Step | Released | Failed, *parts: bytes, seconds: float | None = None) -> None:
        frames.send(self.line, frames.framed(head), parts, self.patience.take if seconds is None else seconds)


def turned_away(line: socket.socket, error: Unavailable) -> None:
    """Tell a host that it is not let in, if it listens."""
    try:
        frames.send(line, frames.framed(failed(error)), (), 1.0)
    except Unframed:
        return
