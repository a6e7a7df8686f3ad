"""Perception in a process of its own: native code can hang and crash, so it runs where it can be killed.

Whatever happens to a check, the caller gets a total observation that names it: nothing here raises for a
failing check, and nothing here decides. The child is a fresh interpreter with a bare environment (no secrets
of the host's), told by pipe what to build; it ends when the pipe closes or the parent is gone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.checks import Checks, build_checks
from consent_edit.perception.child import Child
from consent_edit.perception.failures import IMAGE_ORDER, lost_runs, no_change, no_image, no_prompt
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import (
    ChangeObservation,
    CheckRun,
    ImageObservation,
    Origin,
    PromptObservation,
)
from consent_edit.perception.operator.checks import OperatorBuild
from consent_edit.perception.verdicts import Verdicts
from consent_edit.perception.worker import LOADING, RUNNING
from consent_edit.thresholds import Thresholds, load_thresholds
from consent_edit.vocabulary import CheckName, CheckOutcome

Build = Callable[[ModelStore, Thresholds], Checks]

MEMORY_BYTES: Final = 4 << 30
"""Most data the child may hold. A check that needs more fails; 1.1 GB were seen at 4096 px."""

DEVICE_MEMORY_BYTES: Final = 16 << 30
"""The same bound where torch runs the models on a device of its own.

``RLIMIT_DATA`` counts what a process may write and shares with nobody (setrlimit(2), since Linux 4.7). CUDA's
reservations of addresses cannot be written, and what it maps from its driver, pinned memory too, is shared:
neither counts. Torch's libraries, the context's own tables and staging buffers do; a few GB are usual."""

REMEMBERED: Final = 32
"""Pictures whose observation is kept: an output that comes back as the next input is not looked at again."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds after which the child is killed.

    Attributes:
        start: From its start until it takes requests (imports).
        load: For one check to load its models and run their self-tests.
        run: For one check to answer.
    """

    start: float = 60.0
    load: float = 60.0
    run: float = 30.0


class _Broken(Exception):  # never leaves this module
    """The child gave no answer: the run of the check that was in flight."""

    def __init__(self, run: CheckRun) -> None:
        super().__init__(run.detail)
        self.run = run


class PerceptionProcess:
    """The checks, in a child killed at its deadline and started again on the next call. Threads may share it.

    Args:
        store: Where the weights are; by default the operator's folder and the user cache.
        deadlines: When to give up.
        build: Module-level callable that makes the checks in the child.
        limits: The operating thresholds in force, asked before every look: a child that was told others is
            ended. By default the file's.
        remembered: Pictures whose observation is kept while the child that saw them lives.
        memory: Bytes of data the child may hold; by default what the backend needs.

    Raises:
        Unavailable: the installation lacks its lock or thresholds; never for a check.
    """

    def __init__(
        self,
        store: ModelStore | None = None,
        *,
        deadlines: Deadlines | None = None,
        build: Build = build_checks,
        limits: Callable[[], Thresholds] | None = None,
        remembered: int = REMEMBERED,
        memory: int | None = None,
    ) -> None:
        self._store = store if store is not None else ModelStore()
        self._deadlines = deadlines if deadlines is not None else Deadlines()
        self._build = build
        file = load_thresholds()
        self._limits = limits if limits is not None else lambda: file
        self._told = self._limits()
        self._memory = _bound(self._build, self._store) if memory is None else memory
        self._verdicts = Verdicts(remembered)
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._asker = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child; a later call starts a new one."""
        with self._lock:
            self._stop()

    def observe_image(self, image: CanonicalImage) -> ImageObservation:
        """Look at one picture; a check that gives no answer is in ``checks``, and its value undetermined."""
        with self._lock:
            self._renew()
            kept = self._verdicts.of(image.digest)
            if kept is not None:
                return kept
            try:
                seen = self._ask("observe_image", (image,), IMAGE_ORDER[0])
                if not isinstance(seen, ImageObservation) or not _answers(seen, image):
                    raise _Broken(_wrong(IMAGE_ORDER[0]))
            except _Broken as broken:
                return no_image(image, lost_runs(IMAGE_ORDER, broken.run))
            self._retire(seen.checks)
            self._verdicts.keep(seen)
            return seen

    def read_prompt(self, texts: Sequence[str], *, negative: Sequence[str] = ()) -> PromptObservation:
        """Read the texts of a request; ``negative`` steer by what they exclude."""
        name = CheckName.PROMPT_INTENT
        with self._lock:
            self._renew()
            try:
                read = self._ask("read_prompt", (tuple(texts), tuple(negative)), name)
                if not isinstance(read, PromptObservation):
                    raise _Broken(_wrong(name))
            except _Broken as broken:
                return no_prompt(broken.run)
            self._retire(read.checks)
            return read

    def observe_change(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        seen_before: ImageObservation,
        seen_after: ImageObservation,
        origin: Origin,
    ) -> ChangeObservation:
        """Compare the output picture with the input picture, and its exposure with the first of the chain."""
        name = CheckName.CHANGE
        people = (len(seen_before.people), len(seen_after.people), len(seen_after.people))
        with self._lock:
            self._renew()
            try:
                question = (before, after, seen_before, seen_after, origin)
                change = self._ask("observe_change", question, name)
                if (
                    not isinstance(change, ChangeObservation)
                    or (len(change.touched), len(change.output_touched), len(change.exposure_changes))
                    != people
                ):
                    raise _Broken(_wrong(name))
            except _Broken as broken:
                return no_change(seen_before, seen_after, broken.run)
            self._retire(change.checks)
            return change

    def _ask(self, question: str, arguments: tuple[object, ...], first: CheckName) -> object:
        """Put a question to the child and follow its announcements to the answer.

        Raises:
            _Broken: no answer; the child is gone.
        """
        name, phase = first, "starting"
        try:
            if self._child is None:
                brief = (self._build, self._store, self._told, self._memory)
                self._child = Child(self, brief, self._deadlines.start)
                self._asker = os.getpid()
            child = self._child
            child.tell((question, arguments), self._deadlines.run)
            limit, begun = self._deadlines.run, set[tuple[CheckName, str]]()
            while True:
                phase = phase if phase != "starting" else "running"
                message = child.hear(limit)
                if message[0] == "answer":
                    return message[1]
                name, phase = CheckName(str(message[1])), str(message[2])
                if phase not in (LOADING, RUNNING) or (name, phase) in begun:
                    raise EOFError("a check begins once")  # or its deadline would never come
                begun.add((name, phase))
                limit = self._deadlines.load if phase == LOADING else self._deadlines.run
        except TimeoutError:
            self._stop()
            detail = f"no answer within its deadline while {phase}"
            raise _Broken(CheckRun(name, CheckOutcome.TIMED_OUT, detail=detail)) from None
        except Exception as error:
            self._stop()
            detail = f"the process ended while {phase} ({type(error).__name__})"
            raise _Broken(CheckRun(name, CheckOutcome.FAILED, detail=detail)) from error
        except BaseException:  # an interrupt: the answer still to come would be taken for the next one's
            self._stop()
            raise

    def _renew(self) -> None:
        """End a child, and forget what it saw, once other thresholds are in force than it was told.

        In a fork the child is the parent's: asked by both, it could give each the other's answer.
        """
        limits = self._limits()
        if limits != self._told or self._asker != os.getpid():
            self._stop()
            self._told = limits

    def _stop(self) -> None:
        """End the child, if there is one and it is not a parent's, and forget what it saw."""
        self._verdicts.forget()
        if self._child is not None:
            if self._asker == os.getpid():
                self._child.end()
            else:
                self._child.leave()
            self._child = None

    def _retire(self, runs: Iterable[CheckRun]) -> None:
        """A child in which a check failed is not asked again: the next one may find what this one lacked."""
        if any(run.outcome is not CheckOutcome.RAN for run in runs):
            self._stop()


def _bound(build: Build, store: ModelStore) -> int:
    """Bytes of data that a child may hold, by the backend that it is to run."""
    wanted = build.backend if isinstance(build, OperatorBuild) else None
    backend = store.backend if wanted is None else wanted
    return MEMORY_BYTES if backend.device == "cpu" else DEVICE_MEMORY_BYTES


def _answers(seen: ImageObservation, image: CanonicalImage) -> bool:
    """Whether an observation is of this picture, and tells an exposure for everybody found."""
    return seen.digest == image.digest and len(seen.exposure.persons) == len(seen.people)


def _wrong(name: CheckName) -> CheckRun:
    """The run of a check whose answer was not an answer to what was asked."""
    return CheckRun(name, CheckOutcome.FAILED, detail="the answer does not belong to the question")
