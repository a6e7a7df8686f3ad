"""Watches a running pipeline from ``scheduler.step`` and ``vae.decode``, where every family passes.

Callbacks and ``_interrupt`` are not used: many pipelines have neither, or ignore them. The hooks sit on the
instances, are laid anew for every run, and are checked afterwards to be still the ones that were laid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from consent_edit.errors import CheckFailed

CANCELLED: Final = "check.pipeline-cancelled"


@dataclass(slots=True)
class Watch:
    """What one run is allowed, and what was seen of it.

    Attributes:
        deadline: ``time.monotonic()`` value past which the run is aborted.
        cancelled: Asked at every step; true aborts.
        steps: Denoising steps seen.
        decodes: Decodings seen.
    """

    deadline: float
    cancelled: Callable[[], bool] = field(default=lambda: False)
    steps: int = 0
    decodes: int = 0

    def look(self) -> None:
        """Abort by raising when the deadline has passed or the run was cancelled.

        Raises:
            CheckFailed: ``check.pipeline-timed-out`` or ``check.pipeline-cancelled``.
        """
        if time.monotonic() > self.deadline:
            raise CheckFailed("the pipeline ran past its deadline", code="check.pipeline-timed-out")
        if self.cancelled():
            raise CheckFailed("the edit was cancelled while it ran", code=CANCELLED)


@contextmanager
def watched(pipeline: object, watch: Watch, *, decodes: bool) -> Iterator[None]:
    """Lay the hooks for one run and take them off again.

    Args:
        decodes: Whether the family's pixels must come out of ``vae.decode``.

    Raises:
        CheckFailed: ``check.pipeline-unwatched`` when a hook cannot be laid, was replaced during the run, or
            never saw the run pass.
    """
    points = [(getattr(pipeline, "scheduler", None), "step")]
    if decodes:
        points.append((getattr(pipeline, "vae", None), "decode"))
    laid: list[tuple[object, str, object]] = []
    try:
        for part, name in points:
            laid.append((part, name, _lay(part, name, watch)))
        yield
        watch.look()  # a run that came late after its last step is late all the same
        for part, name, hook in laid:
            now = getattr(pipeline, "scheduler" if name == "step" else "vae", None)
            if vars(part).get(name) is not hook or now is not part:
                raise CheckFailed(f"{name} was replaced while it ran", code="check.pipeline-unwatched")
        if watch.steps == 0 or (decodes and watch.decodes == 0):
            raise CheckFailed("the run never passed its hooks", code="check.pipeline-unwatched")
    finally:
        for part, name, _ in laid:
            vars(part).pop(name, None)


def _lay(part: object, name: str, watch: Watch) -> object:
    original = getattr(type(part), name, None)
    if original is None or name in vars(part):
        raise CheckFailed(
            f"the pipeline's {name} is missing or already replaced",
            code="check.pipeline-unwatched",
            remedy="hand over a pipeline whose scheduler and vae are as diffusers made them",
        )

    def hook(*arguments: object, **keywords: object) -> object:
        watch.look()
        if name == "step":
            watch.steps += 1
        else:
            watch.decodes += 1
        return original(part, *arguments, **keywords)

    vars(part)[name] = hook
    return hook
