"""The perception child: runs each check guarded, announcing it first, so that its death names the culprit."""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from consent_edit import core_dumps
from consent_edit.errors import CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.checks import Checks, must_embed
from consent_edit.perception.failures import failed_run, no_change, no_exposure, no_prompt
from consent_edit.perception.observation import (
    BodyObservation,
    ChangeObservation,
    CheckRun,
    FaceObservation,
    ImageObservation,
    ModelUse,
    Origin,
    PersonObservation,
    PromptObservation,
)
from consent_edit.vocabulary import CheckName, CheckOutcome

T = TypeVar("T")
Embeddings: TypeAlias = Mapping[str, NDArray[np.float32]]

LOADING: Final = "loading"
RUNNING: Final = "running"
_WATCH_SECONDS: Final = 1.0
_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3


class Worker:
    """Answers one request at a time.

    Args:
        checks: What can be asked.
        announce: Told the check and the phase before each begins.
    """

    def __init__(self, checks: Checks, announce: Callable[[CheckName, str], None]) -> None:
        self._checks = checks
        self._announce = announce
        self._uses: dict[CheckName, tuple[ModelUse, ...]] = {}

    def _guarded(self, name: CheckName, work: Callable[[], T], fallback: T) -> tuple[T, CheckRun]:
        """Load if need be, run, and turn whatever happens into a value and a record."""
        try:
            if name not in self._uses:
                self._announce(name, LOADING)
                self._uses[name] = tuple(map(self._with_runtime, self._checks.load(name)))
            self._announce(name, RUNNING)
            value = work()
        except Exception as error:  # noqa: BLE001 - a check may raise anything; all of it refuses
            return fallback, failed_run(name, error)
        return value, CheckRun(name, CheckOutcome.RAN, models=self._uses[name])

    def _with_runtime(self, use: ModelUse) -> ModelUse:
        """The model with what runs it, where the check itself did not say."""
        store = self._checks.store
        files = {entry.role: entry.file for entry in store.lock.model}
        if use.runtime or use.role not in files:
            return use
        return replace(use, runtime=store.backend.runtime(files[use.role]))

    def observe_image(self, image: CanonicalImage) -> ImageObservation:
        """Everything seen in one picture."""
        pixels, checks, limits = image.pixels, self._checks, self._checks.limits
        nobody: tuple[FaceObservation, ...] = ()
        faces, detection = self._guarded(CheckName.FACE_DETECTION, lambda: checks.detect(pixels), nobody)
        detected = detection.outcome is CheckOutcome.RAN

        def of_faces(work: Callable[[], T]) -> Callable[[], T]:
            def guarded() -> T:
                if not detected:
                    raise CheckFailed("no faces to look at")
                return work()

            return guarded

        def embedded(
            name: CheckName, embed: Callable[[Sequence[FaceObservation]], Iterable[Embeddings]]
        ) -> tuple[tuple[FaceObservation, ...], CheckRun]:
            def work() -> tuple[FaceObservation, ...]:
                asked = [face for face in faces if must_embed(face, limits)]
                told = {
                    id(face): replace(face, embeddings={**face.embeddings, **own})
                    for face, own in zip(asked, embed(asked), strict=True)
                }
                return tuple(told.get(id(face), face) for face in faces)

            return self._guarded(name, of_faces(work), faces)

        one, two = CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND  # roles are named as checks are
        faces, first = embedded(
            one, lambda some: [{one.value: rows} for rows in checks.embed_faces(pixels, some)]
        )
        faces, second = embedded(
            two,
            lambda some: [
                {two.value: rows, **checks.embed_added(pixels, face)}
                for face, rows in zip(some, checks.embed_faces_second(pixels, some), strict=True)
            ],
        )
        none: tuple[BodyObservation, ...] = ()
        bodies, finding = self._guarded(
            CheckName.BODY_DETECTION, of_faces(lambda: checks.bodies(pixels, faces)), none
        )
        faces, aged = self._guarded(
            CheckName.APPARENT_AGE,
            of_faces(lambda: tuple(replace(f, apparent_age=checks.age(pixels, f)) for f in faces)),
            faces,
        )
        people: tuple[PersonObservation, ...] = (*faces, *bodies)
        exposure, exposed = self._guarded(
            CheckName.EXPOSURE, lambda: checks.expose(pixels, people), no_exposure(len(people))
        )
        checks.let_go()
        return ImageObservation(
            digest=image.digest,
            width=image.width,
            height=image.height,
            faces=faces,
            bodies=bodies,
            exposure=exposure,
            checks=(detection, first, second, finding, aged, exposed),
        )

    def read_prompt(self, texts: Sequence[str], negative: Sequence[str]) -> PromptObservation:
        """Everything read in the texts."""
        name = CheckName.PROMPT_INTENT
        nothing = no_prompt(CheckRun(name, CheckOutcome.FAILED))
        observation, run = self._guarded(name, lambda: self._checks.read(texts, negative), nothing)
        return observation if run.outcome is CheckOutcome.RAN else no_prompt(run)

    def observe_change(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
        origin: Origin,
    ) -> ChangeObservation:
        """What differs between input and output, and in exposure from the first picture of the chain."""
        name = CheckName.CHANGE
        nothing = no_change(before_seen, after_seen, CheckRun(name, CheckOutcome.FAILED))
        observation, run = self._guarded(
            name, lambda: self._checks.change(before, after, before_seen, after_seen, origin), nothing
        )
        if run.outcome is not CheckOutcome.RAN:
            return no_change(before_seen, after_seen, run)
        return replace(observation, checks=(run,))


def _end_with_parent(parent: int) -> None:
    """Leave when the parent is gone, even in the middle of a check."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(0)


def _bound(memory: int) -> None:
    """Hold no more data than this, nor than the host may itself."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    least = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (least, least))


def _quiet_threads() -> None:
    """One thread each: with busy cores two are slower. A missing cv2 is named by the check that needs it."""
    try:
        import cv2
    except ImportError:
        return
    cv2.setNumThreads(1)


def _keep_freed_memory() -> None:
    """Let the allocator keep what one look frees for the next: pages given back are zeroed again."""
    try:
        allocator = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another libc
        return
    allocator(_M_MMAP_THRESHOLD, 1 << 25)
    allocator(_M_TRIM_THRESHOLD, 1 << 28)


def told(pipe: Connection) -> Any:  # noqa: ANN401 - whatever the parent said
    """What the parent told: large arrays come after the rest, as they lay in memory, not writeable."""
    body, apart = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from the parent only
    return pickle.loads(body, buffers=[pipe.recv_bytes() for _ in range(apart)])  # noqa: S301


def serve(descriptor: int, parent: int) -> None:
    """The child's life: take what to build, then answer until the pipe closes.

    Args:
        descriptor: File descriptor of the child's end of the pipe.
        parent: Process id of the parent.
    """
    core_dumps.forbid()
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    pipe = Connection(descriptor)

    def tell(*message: object) -> None:
        pipe.send_bytes(pickle.dumps(message, protocol=4))

    try:
        build, store, limits, memory = told(pipe)
        _bound(memory)
        _quiet_threads()
        _keep_freed_memory()
        worker = Worker(build(store, limits), lambda name, phase: tell("begin", name.value, phase))
        asked: dict[str, Callable[..., object]] = {
            "observe_image": worker.observe_image,
            "read_prompt": worker.read_prompt,
            "observe_change": worker.observe_change,
        }
        tell("ready")
        while True:
            question, arguments = told(pipe)
            tell("answer", asked[question](*arguments))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
