"""Watches a running pipeline from ``scheduler.step`` and ``vae.decode``, where every family passes.

Callbacks and ``_interrupt`` are not used: many pipelines have neither, or ignore them. The hooks sit on the
instances, are laid anew for every run, and are checked afterwards to be still the ones that were laid.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from consent_edit.errors import CheckFailed
from consent_edit.pipelines.families import Hook

CANCELLED: Final = "check.pipeline-cancelled"
_UNWATCHED: Final = "check.pipeline-unwatched"
_MAKERS: Final = frozenset({"diffusers", "consent_edit"})

Progress = Callable[[int, int], object]
"""A caller's ``progress(step, total)``: gets two plain numbers and nothing of the picture."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step:
    """One passage of ``scheduler.step``: which of how many, what went in and what came out."""

    number: int
    total: int
    arguments: tuple[object, ...]
    keywords: Mapping[str, object]
    made: object


@dataclass(slots=True)
class Watch:
    """What one run is allowed, and what was seen of it.

    Attributes:
        deadline: ``time.monotonic()`` value past which the run is aborted.
        cancelled: Asked at every step; true aborts.
        progress: Told of every step that was done; whatever it raises aborts the run.
        glance: Shown every step that was done; ours, and never a caller's.
        seen: How often each hook was passed.
    """

    deadline: float
    cancelled: Callable[[], bool] = field(default=lambda: False)
    progress: Progress = field(default=lambda step, total: None)
    glance: Callable[[Step], object] = field(default=lambda step: None)
    seen: dict[Hook, int] = field(default_factory=dict)

    def look(self) -> None:
        """Abort by raising when the deadline has passed or the run was cancelled.

        Raises:
            CheckFailed: ``check.pipeline-timed-out`` or ``check.pipeline-cancelled``.
        """
        if time.monotonic() > self.deadline:
            raise CheckFailed("the pipeline ran past its deadline", code="check.pipeline-timed-out")
        if self.cancelled():
            raise CheckFailed("the edit was cancelled while it ran", code=CANCELLED)

    def passed(
        self,
        hook: Hook,
        pipeline: object,
        arguments: tuple[object, ...],
        keywords: Mapping[str, object],
        made: object,
    ) -> None:
        """Count a passage, and tell how far the run is."""
        self.seen[hook] = self.seen.get(hook, 0) + 1
        if hook is Hook.STEP:
            number = self.seen[hook]
            step = Step(number, max(number, _steps(pipeline)), arguments, keywords, made)
            self.progress(step.number, step.total)
            self.glance(step)


def _steps(pipeline: object) -> int:
    """How many steps the pipeline says it takes; all of its schedule where it does not say."""
    said = getattr(pipeline, "_num_timesteps", None)
    schedule = getattr(getattr(pipeline, "scheduler", None), "timesteps", ())
    return said if type(said) is int else len(schedule)


@contextmanager
def watched(pipeline: object, watch: Watch, hooks: Sequence[Hook]) -> Iterator[None]:
    """Lay the hooks for one run and take them off again, whatever happens in between.

    Args:
        hooks: The methods that every run of the family passes.

    Raises:
        CheckFailed: ``check.pipeline-unwatched`` when a hook cannot be laid, was replaced during the run with
            the part it sits on or without, or never saw the run pass.
    """
    laid: list[tuple[Hook, object, object]] = []
    try:
        for hook in hooks:
            part = getattr(pipeline, hook.part, None)
            laid.append((hook, part, _lay(pipeline, part, hook, watch)))
        yield
        watch.look()  # a run that came late after its last step is late all the same
        for hook, part, method in laid:
            if vars(part).get(hook.method) is not method or getattr(pipeline, hook.part, None) is not part:
                raise CheckFailed(f"{hook.value} was replaced while it ran", code=_UNWATCHED)
        unseen = [hook.value for hook in hooks if not watch.seen.get(hook)]
        if unseen:
            raise CheckFailed(f"the run never passed {' nor '.join(unseen)}", code=_UNWATCHED)
    finally:
        for hook, part, _ in laid:
            vars(part).pop(hook.method, None)


def _lay(pipeline: object, part: object, hook: Hook, watch: Watch) -> object:
    original = getattr(type(part), hook.method, None) if _as_made(part) else None

    def method(*arguments: object, **keywords: object) -> object:
        watch.look()
        made = original(part, *arguments, **keywords)  # type: ignore[misc]  # None is refused below
        watch.passed(hook, pipeline, arguments, keywords, made)
        return made

    if original is not None:  # pipelines read from it which arguments, such as a generator, they may give
        method.__signature__ = inspect.signature(partial(original, part))  # type: ignore[attr-defined]
    if original is None or vars(part).setdefault(hook.method, method) is not method:
        raise CheckFailed(
            f"the pipeline's {hook.value} is missing or is not as diffusers made it",
            code=_UNWATCHED,
            remedy="hand over a pipeline that no other edit runs on, with a scheduler and vae of diffusers' "
            "own classes; compile its unet or transformer, not its vae",
        )
    return method


def _as_made(part: object) -> bool:
    """Whether a part is of a class that diffusers or this package defines: any other may do as it likes."""
    kind = type(part)
    module = sys.modules.get(kind.__module__)
    return kind.__module__.partition(".")[0] in _MAKERS and getattr(module, kind.__qualname__, None) is kind
