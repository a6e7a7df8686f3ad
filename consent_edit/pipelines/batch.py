"""Many edits on one pipeline: runs in order, the checks of one picture while the next is made.

The pipeline runs in the caller's thread, one picture at a time. One more thread does everything else, in
order: it checks, signs and releases picture i - 1 and admits picture i + 1 while picture i is made. So three
pictures are held at once, however many there are. That thread runs nothing on the pipeline's device:
perception is a process of its own, and a file is finished on the CPU.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from consent_edit.errors import CheckFailed, ConsentEditError
from consent_edit.pipelines.attended import Admitted, Made
from consent_edit.pipelines.watch import CANCELLED, Progress
from consent_edit.request import EditRequest, EditResult

Outcome = EditResult | ConsentEditError
"""How one edit of many ended: what was released, or the very error that ``edit`` would have raised."""

BatchProgress = Callable[[int, int, int], object]
"""A caller's ``progress(index, step, total)``: three plain numbers and nothing of the picture."""

_LOG: Final = logging.getLogger("consent_edit.batch")


@dataclass(frozen=True, slots=True)
class Parts:
    """An edit in its parts; each raises what ``ConsentEditor.edit`` raises, and writes down how it broke off.

    Attributes:
        admit: Look at what is asked and let it through the first door.
        make: Run it.
        release: Check what was made and let it out.
        abandon: Write down that it was admitted and came to nothing.
    """

    admit: Callable[[EditRequest], Admitted]
    make: Callable[[Admitted, Callable[[], bool], Progress], Made]
    release: Callable[[Made, Callable[[], bool]], EditResult]
    abandon: Callable[[Admitted], None]


@dataclass(slots=True, eq=False)
class _Picture:
    """One edit under way.

    Attributes:
        end: Its checks and its release, or what ended it earlier; none until then.
    """

    admission: Future[Admitted]
    end: Future[EditResult] | None = None

    def left_open(self) -> Admitted | None:
        """Its admission, where nobody wrote down how it ended; asked when no thread works on it any more."""
        if self.admission.cancelled() or self.admission.exception() is not None:
            return None
        ended = self.end is not None and not self.end.cancelled()
        return None if ended else self.admission.result()

    def released(self) -> str:
        """Decision id of its release; empty if there was none."""
        end = self.end
        if end is None or end.cancelled() or end.exception() is not None:
            return ""
        return end.result().decision_id


@dataclass(slots=True, eq=False)
class Batch:
    """One batch under way.

    Attributes:
        cancelled: Asked by both threads, at every step and before every admission and release; true ends
            the whole batch.
        progress: Told of every denoising step.
    """

    parts: Parts
    requests: tuple[EditRequest, ...]
    cancelled: Callable[[], bool]
    progress: BatchProgress
    _stopped: threading.Event = field(default_factory=threading.Event)
    _under_way: deque[_Picture] = field(default_factory=deque)
    _begun: int = 0

    def outcomes(self) -> Generator[tuple[int, Outcome], None, None]:
        """Each request's index with how it ended, in order.

        Whatever interrupts it, or closes it early, ends the batch: what was admitted is written down as
        broken off, and what was released and not handed over is named in a note and in a warning.
        """
        checks = ThreadPoolExecutor(1, thread_name_prefix="consent-edit-checks")
        try:
            for index in range(len(self.requests)):
                self._begin(checks, up_to=index + 1)
                picture = self._under_way[-1]
                refused = picture.admission.exception()
                self._begin(checks, up_to=index + 2)
                if refused is None:
                    self._make(checks, picture, index)
                else:
                    picture.end = _failed(refused)
                if index:
                    yield index - 1, self._first_end()
            if self.requests:
                yield len(self.requests) - 1, self._first_end()
        except BaseException as error:
            self._break_off(checks, error)
            raise
        finally:
            checks.shutdown()

    def _begin(self, checks: ThreadPoolExecutor, up_to: int) -> None:
        """Have requests admitted in the other thread, those that are not yet."""
        for request in self.requests[self._begun : up_to]:
            self._begun += 1
            self._under_way.append(_Picture(checks.submit(self._admit, request)))

    def _admit(self, request: EditRequest) -> Admitted:
        if self._off():
            raise CheckFailed("the edit was cancelled before it was looked at", code=CANCELLED)
        return self.parts.admit(request)

    def _off(self) -> bool:
        """Whether the batch is to end; once it is, it stays so."""
        if not self._stopped.is_set():
            try:
                off = self.cancelled()
            except Exception as error:
                self._stopped.set()
                raise CheckFailed(
                    f"the callback that cancels failed with {type(error).__name__}", code=CANCELLED
                ) from error
            if off:
                self._stopped.set()
        return self._stopped.is_set()

    def _make(self, checks: ThreadPoolExecutor, picture: _Picture, index: int) -> None:
        try:
            made = self.parts.make(
                picture.admission.result(), self._off, lambda step, total: self.progress(index, step, total)
            )
        except BaseException as error:
            picture.end = _failed(error)  # and written down
            if not isinstance(error, ConsentEditError):
                raise
        else:
            picture.end = checks.submit(self.parts.release, made, self._off)

    def _first_end(self) -> Outcome:
        """How the oldest picture under way ended, once it has."""
        end = self._under_way[0].end
        outcome = CheckFailed("the edit never ran") if end is None else _outcome(end)
        self._under_way.popleft()
        return outcome

    def _break_off(self, checks: ThreadPoolExecutor, error: BaseException) -> None:
        self._stopped.set()
        checks.shutdown(wait=True, cancel_futures=True)
        for admitted in filter(None, [picture.left_open() for picture in self._under_way]):
            try:
                self.parts.abandon(admitted)
            except ConsentEditError as unwritten:
                error.add_note(f"an admitted edit could not be written down as broken off: {unwritten.code}")
        name_lost(error, [picture.released() for picture in self._under_way])


def name_lost(error: BaseException, decision_ids: Iterable[str]) -> None:
    """Say which files were released and never handed over: they stand in the log, and uses were counted."""
    lost = [one for one in decision_ids if one]
    if lost:
        told = f"released, and not handed over: {', '.join(lost)}"
        error.add_note(told)
        _LOG.warning(told)


def _failed(error: BaseException) -> Future[EditResult]:
    end: Future[EditResult] = Future()
    end.set_exception(error)
    return end


def _outcome(end: Future[EditResult]) -> Outcome:
    """What an edit ended with; of an error no frame is kept, for they hold pictures that did not leave."""
    try:
        return end.result()
    except ConsentEditError as error:
        _unframe(error)
        return error


def _unframe(error: BaseException) -> None:
    """Take the frames off an error and off all that it came of, by whichever way."""
    left, done = [error], list[BaseException]()
    while left:
        told = left.pop()
        if any(told is one for one in done):  # a host's own errors may come of each other
            continue
        done.append(told)
        told.__traceback__ = None
        left += [one for one in (told.__cause__, told.__context__) if one is not None]
