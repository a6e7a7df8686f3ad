"""Observations of checks that gave no answer: total, undetermined throughout, and naming what failed."""

from __future__ import annotations

from collections.abc import Iterable

from consent_edit.errors import ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.models.lock import SELF_TEST_CODE
from consent_edit.perception.observation import (
    ChangeObservation,
    CheckRun,
    ExposureReading,
    ImageObservation,
    PictureExposure,
    PromptObservation,
)
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure, ExposureChange, Intent, Region

IMAGE_ORDER = (
    CheckName.FACE_DETECTION,
    CheckName.FACE_EMBEDDING,
    CheckName.FACE_EMBEDDING_SECOND,
    CheckName.BODY_DETECTION,
    CheckName.APPARENT_AGE,
    CheckName.EXPOSURE,
)
"""The checks of a picture, in the order they run."""


def failed_run(name: CheckName, error: BaseException) -> CheckRun:
    """The run of a check that raised. Our own message is told, of a foreign exception only its class."""
    if isinstance(error, ModelUnavailable):
        outcome = CheckOutcome.FAILED if error.code == SELF_TEST_CODE else CheckOutcome.MISSING
        return CheckRun(name, outcome, detail=error.message)
    if isinstance(error, ImportError):
        return CheckRun(
            name, CheckOutcome.MISSING, detail=f"{type(error).__name__}: {error.name or 'a module'}"
        )
    return CheckRun(name, CheckOutcome.FAILED, detail=type(error).__name__)


def lost_runs(names: Iterable[CheckName], broken: CheckRun) -> tuple[CheckRun, ...]:
    """The runs of a request whose process ended: the one that broke it, and the others lost with it."""
    return tuple(
        broken
        if name is broken.name
        else CheckRun(name, CheckOutcome.FAILED, detail=f"no answer: lost with {broken.name.value}")
        for name in names
    )


def no_image(image: CanonicalImage, checks: tuple[CheckRun, ...]) -> ImageObservation:
    """A picture nothing is known of."""
    return ImageObservation(
        digest=image.digest,
        width=image.width,
        height=image.height,
        faces=(),
        bodies=(),
        exposure=no_exposure(0),
        checks=checks,
    )


def no_exposure(persons: int) -> PictureExposure:
    """A picture of whose exposure nothing is known, with this many people found."""
    unknown = ExposureReading(value=Exposure.UNDETERMINED)
    return PictureExposure(picture=unknown, persons=(unknown,) * persons, elsewhere=unknown)


def no_prompt(run: CheckRun) -> PromptObservation:
    """Texts nothing is known of; doubt counts as a named person."""
    return PromptObservation(
        intent=Intent.UNDETERMINED,
        operations=frozenset(),
        language="und",
        names_person=True,
        checks=(run,),
    )


def no_change(
    before_seen: ImageObservation, after_seen: ImageObservation, run: CheckRun
) -> ChangeObservation:
    """A difference that could not be measured."""
    doubt = frozenset({Region.UNDETERMINED})
    return ChangeObservation(
        touched=tuple(doubt for _ in before_seen.people),
        output_touched=tuple(doubt for _ in after_seen.people),
        unseen_touched=doubt,
        tone=True,
        background=True,
        exposure_changes=tuple(ExposureChange.UNDETERMINED for _ in after_seen.people),
        exposure_change=ExposureChange.UNDETERMINED,
        checks=(run,),
    )
