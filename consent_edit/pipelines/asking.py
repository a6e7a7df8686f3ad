"""The other ways to ask an editor: what it would decide, for many edits at once, and from asyncio."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Final

from consent_edit.assembly import Assembled
from consent_edit.errors import CheckFailed, ConsentEditError, InputError
from consent_edit.gate import Gate
from consent_edit.operator import Snapshot
from consent_edit.pipelines.asynchronous import in_thread
from consent_edit.pipelines.attended import Admitted, Made
from consent_edit.pipelines.batch import Batch, BatchProgress, Outcome, Parts, name_lost
from consent_edit.pipelines.watch import Progress
from consent_edit.policy.decision import Decision
from consent_edit.reception import Received
from consent_edit.request import EditRequest, EditResult

AT_ONCE: Final = 3
"""Edits of one editor that asyncio has under way at once: one is looked at, one made, one checked."""


class Asking(ABC):
    """Gives an editor its other ways of being asked; each releases what ``edit`` would and nothing else."""

    _gate: Gate

    @abstractmethod
    def edit(
        self,
        request: EditRequest,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Progress = lambda step, total: None,
    ) -> EditResult:
        """Edit one picture."""

    @abstractmethod
    def _before(self, request: EditRequest) -> tuple[Received, Snapshot, Assembled]: ...

    @abstractmethod
    def _admit(self, request: EditRequest) -> Admitted: ...

    @abstractmethod
    def _make(self, admitted: Admitted, cancelled: Callable[[], bool], progress: Progress) -> Made: ...

    @abstractmethod
    def _release(self, made: Made, cancelled: Callable[[], bool]) -> EditResult: ...

    @abstractmethod
    def _abandon(self, admitted: Admitted) -> None: ...

    def assess(self, request: EditRequest) -> Decision:
        """The exact input decision as a value, for the operator; runs no pipeline and releases nothing.

        Raises:
            InputError: the request cannot be used.
        """
        with ours():
            _, snapshot, assembled = self._before(request)
            return self._gate.decide(assembled, snapshot)

    def audit(self, request: EditRequest) -> str:
        """The exact input decision, written down; for live traffic before edits are switched on.

        No pipeline runs and nothing leaves; no use is counted and no proof spent.

        Returns:
            Name of the decision record (``Operator.decision``), admitted or refused.

        Raises:
            InputError: the request cannot be used.
            StoreUnavailable: it could not be written.
        """
        with ours():
            _, snapshot, assembled = self._before(request)
            return self._gate.assessed(assembled, snapshot)

    def edit_many(
        self,
        requests: Iterable[EditRequest],
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: BatchProgress = lambda index, step, total: None,
    ) -> tuple[Outcome, ...]:
        """Edit many pictures, each by itself: what becomes of one is nothing to the others.

        One picture is made at a time; meanwhile the one before it is checked and the next is looked at.

        Args:
            cancelled: Asked as :meth:`edit` asks it, from two threads; true ends all that is not released.
            progress: Told of every denoising step done: of which request, which it was and of how many.

        Returns:
            For each request, in order: what was released, or the error that :meth:`edit` would have raised,
            without its traceback. Never ``None``.

        Raises:
            InputError: ``input.request``: something among them is no request; nothing was looked at.
        """
        outcomes: list[Outcome] = []
        try:
            for _, outcome in self._in_order(requests, cancelled, progress):
                outcomes.append(outcome)
        except BaseException as error:
            name_lost(error, [one.decision_id for one in outcomes if isinstance(one, EditResult)])
            raise
        return tuple(outcomes)

    async def edit_async(
        self, request: EditRequest, *, progress: Progress = lambda step, total: None
    ) -> EditResult:
        """Edit one picture without holding up the event loop; raises what :meth:`edit` raises.

        Cancelling the task ends the edit within one step. The task ends when the edit has.

        Args:
            progress: As :meth:`edit` tells it; called in another thread.
        """
        stop = threading.Event()

        def call() -> EditResult:
            return self.edit(request, cancelled=stop.is_set, progress=progress)

        return await in_thread(self._threads, call, stop, _lost)

    async def stream(
        self,
        requests: Iterable[EditRequest],
        *,
        progress: BatchProgress = lambda index, step, total: None,
    ) -> AsyncGenerator[tuple[int, Outcome], None]:
        """Edit many pictures without holding up the event loop, each handed over as it is done, in order.

        The next one is begun when it is asked for, so that none pile up. Cancelling the task, or closing the
        iterator, ends what is under way within one step.

        Args:
            progress: As :meth:`edit_many` tells it; called in another thread.

        Yields:
            Index of the request, and what :meth:`edit_many` would return for it.

        Raises:
            InputError: as :meth:`edit_many`.
        """
        stop = threading.Event()
        outcomes = self._in_order(requests, stop.is_set, progress)
        try:
            while True:
                one = await in_thread(self._threads, partial(next, outcomes, None), stop, _lost)
                if one is None:
                    return
                yield one
        finally:
            stop.set()
            await in_thread(self._threads, outcomes.close, stop)

    def _in_order(
        self, requests: Iterable[EditRequest], cancelled: Callable[[], bool], progress: BatchProgress
    ) -> Generator[tuple[int, Outcome], None, None]:
        """The outcomes of a batch that nobody can change any more."""
        held = tuple(requests) if isinstance(requests, Iterable) else (requests,)
        wrong = [index for index, one in enumerate(held) if not isinstance(one, EditRequest)]
        if wrong or not isinstance(requests, Iterable):
            raise InputError(
                f"number {wrong[0]} of the batch is no request" if wrong else "one request is no batch",
                code="input.request",
                remedy="hand in a list of EditRequest",
            )
        parts = Parts(self._admit, self._make, self._release, self._abandon)
        return Batch(parts, held, cancelled, progress).outcomes()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="consent-edit")


@contextmanager
def ours() -> Iterator[None]:
    """No foreign exception leaves, whatever a host's perception, clock or store raises."""
    try:
        yield
    except ConsentEditError:
        raise
    except Exception as error:
        raise CheckFailed(
            f"the edit broke off with {type(error).__name__}", code="check.edit-failed"
        ) from error


def _lost(error: BaseException, answer: object) -> None:
    """Name what was released to a task that is no longer there."""
    outcome = answer[1] if isinstance(answer, tuple) else answer
    if isinstance(outcome, EditResult):
        name_lost(error, [outcome.decision_id])
