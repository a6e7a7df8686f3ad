"""Who may be enrolled under which keys, and for how long: what is checked before any credential is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent.binding import MAX_LIFETIME, Evidence, Guardian, grown_up, majority
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.templates import FaceTemplate
from consent_edit.errors import EnrolmentRefused

MAX_BATCH: Final = 16
"""Credentials of one enrolment, at most."""

MAX_GUARDIANS: Final = 8
"""Guardians of one person, at most: so many signed copies of a grant fit into a presentation."""

MAX_TEMPLATES: Final = 8
"""Templates of one credential, at most, as the closed form of credentials has it."""


@dataclass(frozen=True, slots=True)
class Person:
    """What every credential of one enrolment says.

    Attributes:
        evidence: With the level that is issued.
        birthdate: ``date.min`` when it was not verified.
    """

    evidence: Evidence
    birthdate: date = field(repr=False)
    guardians: tuple[Guardian, ...]
    templates: tuple[FaceTemplate, ...] = field(repr=False)


def check_keys(holders: Sequence[Signatory], guardians: Sequence[Guardian]) -> None:
    """Keys enough, not too many, and each somebody's alone.

    Raises:
        EnrolmentRefused: no key, too many, or one that stands twice.
    """
    if not 1 <= len(holders) <= MAX_BATCH or len(guardians) > MAX_GUARDIANS:
        raise EnrolmentRefused(
            f"an enrolment is for 1 to {MAX_BATCH} keys and up to {MAX_GUARDIANS} guardians",
            code="input.enrolment-key",
        )
    keys = [*holders, *(guardian.signatory() for guardian in guardians)]
    if len({one.thumbprint for one in keys}) != len(keys):
        raise EnrolmentRefused(
            "a key stands twice among the person's and the guardians'",
            code="input.enrolment-key",
            remedy="give the person, and every guardian, a key of their own",
        )


def check_age(birthdate: date, guardians: Sequence[Guardian], now: int) -> None:
    """A day of birth that has come, and a guardian for a minor.

    Args:
        birthdate: ``date.min`` when it was not verified; then nothing is known of the age.
        now: Unix seconds.

    Raises:
        EnrolmentRefused: a birthdate in the future, a minor without guardian, or one who comes of age today.
    """
    if birthdate > datetime.fromtimestamp(now, UTC).date():
        raise EnrolmentRefused("a birthdate cannot lie in the future", code="input.enrolment-birthdate")
    if birthdate == date.min or grown_up(birthdate, now):
        return
    if not guardians:
        raise EnrolmentRefused(
            "a minor is enrolled with a guardian",
            code="input.enrolment-guardian",
            remedy="name every guardian whose word is needed, as you verified it",
        )
    if majority(birthdate) <= now:
        raise EnrolmentRefused(
            "the eighteenth birthday has not come in every time zone",
            code="input.enrolment-birthdate",
            remedy="enrol the person tomorrow, as an adult",
        )


def gathered(
    vectors: Mapping[str, NDArray[np.float32]], models: Mapping[str, str], carried: Sequence[FaceTemplate]
) -> tuple[FaceTemplate, ...]:
    """The new templates, and those carried of other weight files.

    Raises:
        EnrolmentRefused: the weight file of an embedder is not named, or there are too many templates.
    """
    if not models.keys() >= vectors.keys():
        raise EnrolmentRefused("the weight file of an embedder is not named", code="input.enrolment-models")
    new = tuple(
        FaceTemplate.of(vector, model=role, sha256=models[role]) for role, vector in sorted(vectors.items())
    )
    made = {(template.model, template.sha256) for template in new}
    both = (*new, *(one for one in carried if (one.model, one.sha256) not in made))
    if len(both) > MAX_TEMPLATES:
        raise EnrolmentRefused(
            f"a credential holds {MAX_TEMPLATES} templates at most",
            code="input.enrolment-models",
            remedy="carry over only what verifiers still use",
        )
    return both


def expiry(start: int, birthdate: date, now: int) -> int:
    """When a credential that begins at ``start`` ends: 180 days on, or on an earlier eighteenth birthday."""
    end = start + MAX_LIFETIME
    return end if birthdate == date.min or grown_up(birthdate, now) else min(end, majority(birthdate))
