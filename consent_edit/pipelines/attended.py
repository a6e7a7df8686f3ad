"""One attended run: it waits for its turn, and ends once a consent is withdrawn (G6) or a preview refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from consent_edit.assembly import Assembled
from consent_edit.clearance import Clearance
from consent_edit.consultation import standing
from consent_edit.errors import CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.operator import Operator
from consent_edit.perception.observation import ImageObservation, Perception
from consent_edit.pipelines import runner
from consent_edit.pipelines.preview import Preview
from consent_edit.pipelines.turns import turns
from consent_edit.pipelines.watch import CANCELLED, Progress
from consent_edit.reception import Received
from consent_edit.request import EditRequest

PIPELINE_DEADLINE_S: Final = 600.0
"""A run is aborted at its next step after this long; a hung pipeline must not hold a clearance for ever."""

TURN_DEADLINE_S: Final = 600.0
"""Longest wait for edits that asked for the pipeline earlier."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Admitted:
    """An edit past the gate's first door.

    Attributes:
        assembled: Facts of the input stage.
        clearance: Leave to run it once; whoever holds it open sees to it that its end is written down.
    """

    request: EditRequest
    received: Received
    assembled: Assembled
    clearance: Clearance


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Made:
    """An admitted edit with the pixels that the pipeline made; nobody has looked at them yet."""

    admitted: Admitted
    pixels: CanonicalImage


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ended:
    """How a run ended. With neither of the two, a consent was withdrawn while the edit waited or ran.

    Attributes:
        made: What it made.
        preview: What was seen half-way, where that ended it.
    """

    made: tuple[Made, ...] = ()
    preview: tuple[ImageObservation, ...] = ()


def run(
    pipeline: object,
    operator: Operator,
    perception: Perception,
    admitted: Admitted,
    *,
    cancelled: Callable[[], bool],
    progress: Progress,
) -> Ended:
    """Run an admitted edit, at most one at a time on a pipeline.

    Raises:
        ArgumentRejected: as :func:`consent_edit.pipelines.runner.run`.
        CheckFailed: as there, or ``check.pipeline-busy``: its turn never came.
    """
    received, clearance = admitted.received, admitted.clearance

    def withdrawn() -> bool:
        consents = admitted.assembled.consents
        return not standing(operator, consents, clearance.snapshot, operator.snapshot())

    given = received.image
    preview = Preview(
        pipeline,
        received.call.family.sizing.working(given.width, given.height),
        perception.observe_image,
        clearance.snapshot.thresholds.preview_nude,
    )

    def unwanted() -> bool:
        return cancelled() or withdrawn() or bool(preview.found)

    try:
        with turns(pipeline).taken(TURN_DEADLINE_S, unwanted):
            if withdrawn():
                return Ended()
            if cancelled():
                raise CheckFailed("the edit was cancelled before it ran", code=CANCELLED)
            pixels = runner.run(
                pipeline,
                received.call,
                received.images,
                clearance,
                deadline_s=PIPELINE_DEADLINE_S,
                cancelled=unwanted,
                progress=progress,
                glance=preview.glance,
            )
    except CheckFailed as error:
        if error.code == CANCELLED and (withdrawn() or preview.found):
            return Ended(preview=() if withdrawn() else preview.found)
        raise
    return Ended(made=(Made(admitted, pixels),))
