"""Whether the person before the camera is whom the register knows, and nobody else is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from consent_edit.consent.binding import Guardian, grown_up, majority
from consent_edit.consent.issuing.admission import gathered
from consent_edit.consent.issuing.capture import Capture, enrolment_templates, pair_scores
from consent_edit.consent.issuing.issue import Enrolment
from consent_edit.consent.match import Probe
from consent_edit.consent.templates import FaceTemplate
from consent_edit.enrolment.audit import REVIEW_CODE, Attempt, Cause
from consent_edit.enrolment.hearing import Heard
from consent_edit.enrolment.register import Comparison, Issued, Register, RegisterEntry, probe_of
from consent_edit.enrolment.review import Finding
from consent_edit.errors import EnrolmentRefused
from consent_edit.thresholds import Thresholds


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Photos that all show one person, read for comparison.

    Attributes:
        probes: The photos, and last their mean.
        templates: What they make together.
        models: Role of embedder -> hex SHA-256 of the weight file.
    """

    probes: tuple[Probe, ...] = field(repr=False)
    templates: tuple[FaceTemplate, ...] = field(repr=False)
    models: Mapping[str, str]


def read(
    captures: Sequence[Capture], models: Mapping[str, str], thresholds: Thresholds, attempt: Attempt
) -> Shown:
    """Read photos; refused unless each is good and all are of one person.

    Raises:
        EnrolmentRefused: as :func:`enrolment_templates`, or an embedder's weight file is not named.
        CheckFailed: fewer than two embedders.
    """
    attempt.scores["pair"] = pair_scores(captures, thresholds)
    vectors = enrolment_templates(captures, thresholds)
    probes = (*(Probe(capture.embeddings) for capture in captures), probe_of(vectors))
    return Shown(probes=probes, templates=gathered(vectors, models, ()), models=models)


def earlier_entry(
    register: Register,
    shown: Shown,
    keys: Sequence[str],
    *,
    birthdate: date,
    guardians: Sequence[Guardian],
    heard: Heard,
    attempt: Attempt,
) -> tuple[RegisterEntry, ...]:
    """The entry that an enrolment goes on with: none for a new person, one for somebody known.

    A known key must show its own face and day of birth, and name its own guardians. A face known under other
    keys is refused, unless a review found that it is the same person, who lost her key, or another one. One
    who lost her key and is not found is refused too: her old credentials would stay in force.

    Raises:
        EnrolmentRefused: ``input.enrolment-review``; ``input.review`` for a lost key that nobody had.
        StoreUnavailable: the register cannot be read.
    """
    own = register.of_keys(keys)
    if len(own) > 1 or any(not _same_face(register, entry, shown, attempt) for entry in own):
        raise needs_review(attempt, Cause.OTHER_FACE)
    hits = _others(register, own, shown, heard, attempt)
    known = own
    match heard.finding:
        case Finding.OTHER_PERSON:
            pass
        case Finding.SAME_PERSON if len(hits) == 1 and not own:
            known = hits
        case Finding.SAME_PERSON if not hits and not own:
            raise EnrolmentRefused(
                "the review says that she is enrolled, but her entry is not found by her face",
                code="input.review",
                remedy="end it by her old key (issuer erase), then have her reviewed as new",
            )
        case _ if hits:
            raise needs_review(attempt, Cause.DUPLICATE)
        case _:
            pass
    if any(entry.birthdate not in (birthdate, date.min) for entry in known):
        raise needs_review(attempt, Cause.OTHER_BIRTHDATE)
    for entry in known:
        _require_guardians(entry, guardians, birthdate, heard, attempt)
    return known


def require_nobody_else(
    register: Register, entry: RegisterEntry, shown: Shown, *, heard: Heard, attempt: Attempt
) -> None:
    """That photos which pass for an entry's person pass for nobody else of the register.

    A morph of two people passes for both; only a review that found another person lifts that.

    Raises:
        EnrolmentRefused: ``input.enrolment-review``.
        StoreUnavailable: the register cannot be read.
    """
    if _others(register, (entry,), shown, heard, attempt) and heard.finding is not Finding.OTHER_PERSON:
        raise needs_review(attempt, Cause.DUPLICATE)


def require_same_face(
    register: Register, entry: RegisterEntry, shown: Shown, *, reviewed: bool, attempt: Attempt
) -> None:
    """Every photo against the register; a review counts only where nothing can be compared any more.

    Raises:
        EnrolmentRefused: ``input.enrolment-review``.
    """
    if _same_face(register, entry, shown, attempt):
        return
    if attempt.scores["own"]:
        raise needs_review(attempt, Cause.OTHER_FACE)
    if not reviewed:
        raise needs_review(attempt, Cause.INCOMPARABLE)


def ended(
    known: Sequence[RegisterEntry],
    *,
    birthdate: date,
    guardians: Sequence[Guardian],
    heard: Heard,
    now: int,
) -> tuple[RegisterEntry, ...]:
    """The entries whose earlier credentials end once the new ones are issued.

    They do after a lost key, and when other guardians sign from now on. They do for every minor: an earlier
    one may say that she is an adult, or nothing of her age.
    """
    names = _thumbprints(guardians)
    exchanged = any(_thumbprints(entry.guardian) != names for entry in known)
    minor = is_minor(birthdate, now)
    return tuple(known) if minor or exchanged or heard.finding is Finding.SAME_PERSON else ()


def is_minor(birthdate: date, now: int) -> bool:
    """Whether a verified day of birth is a minor's; ``date.min`` is nobody's."""
    return birthdate != date.min and not grown_up(birthdate, now)


def entered(
    known: Sequence[RegisterEntry],
    issued: Sequence[Enrolment],
    *,
    birthdate: date,
    guardians: Sequence[Guardian],
    now: int,
) -> RegisterEntry:
    """What the register says of a person from now on; new templates replace those of the same weight file."""
    new = issued[0].face_template
    made = {(template.model, template.sha256) for template in new}
    keys = (*(key for entry in known for key in entry.keys), *(one.subject for one in issued))
    before = tuple(old for entry in known for old in entry.issued if old.exp > now)
    earlier = (old for entry in known for old in entry.face_template)
    return RegisterEntry(
        keys=tuple(dict.fromkeys(keys)),
        issued=(*before, *(Issued(entry=one.entry, key=one.subject, exp=one.exp) for one in issued)),
        face_template=(*new, *(old for old in earlier if (old.model, old.sha256) not in made)),
        birthdate=birthdate,
        guardian=tuple(guardians),
    )


def _others(
    register: Register,
    own: Sequence[RegisterEntry],
    shown: Shown,
    heard: Heard,
    attempt: Attempt,
) -> tuple[RegisterEntry, ...]:
    """Whoever else is registered with this face.

    Where somebody cannot be compared, for all weight files changed since, only a reviewer can say that it is
    not she. An issuer gets out of that by renewals: every renewal adds templates of the new weight files, and
    entries without a credential in force count no more. Changed one at a time, the weight files leave nobody
    who cannot be compared.

    Raises:
        EnrolmentRefused: ``input.enrolment-review``.
    """
    keys = [key for entry in own for key in entry.keys]
    found = register.search(shown.probes, shown.models, attempt.time, but=keys)
    attempt.scores["register"] = lowest(comparison for _, comparison in found.hits)
    if found.blind and not found.hits and not heard.given:
        raise needs_review(attempt, Cause.INCOMPARABLE)
    return tuple(entry for entry, _ in found.hits)


def _require_guardians(
    entry: RegisterEntry, guardians: Sequence[Guardian], birthdate: date, heard: Heard, attempt: Attempt
) -> None:
    """Who signs for somebody known stays, but for a review that was told who it is to be.

    The person's own keys are no guardian's, whatever a review says. Without a review a minor gets her first
    guardians, and who has come of age loses those she had as a minor.
    """
    asked, had = _thumbprints(guardians), _thumbprints(entry.guardian)
    if asked == had and asked.isdisjoint(entry.keys):
        return
    until = majority(birthdate) if birthdate != date.min else 0
    of_age = not asked and not is_minor(birthdate, attempt.time)
    outgrown = of_age and all(one.exp <= until for one in entry.issued)
    first = not had and is_minor(birthdate, attempt.time)
    reviewed = heard.given and heard.guardians == asked
    if not asked.isdisjoint(entry.keys) or not (outgrown or first or reviewed):
        raise needs_review(attempt, Cause.OTHER_GUARDIANS)


def _thumbprints(guardians: Iterable[Guardian]) -> frozenset[str]:
    return frozenset(guardian.signatory().thumbprint for guardian in guardians)


def needs_review(attempt: Attempt, cause: Cause) -> EnrolmentRefused:
    """One sentence for all of them: it says nothing of anybody else."""
    attempt.cause = cause
    return EnrolmentRefused(
        "this enrolment cannot be made without a review",
        code=REVIEW_CODE,
        remedy="have it reviewed: consent-edit issuer review prepare",
    )


def lowest(compared: Iterable[Comparison]) -> dict[str, float]:
    """Role -> the lowest score of several comparisons."""
    found: dict[str, float] = {}
    for one in compared:
        for role, score in one.scores.items():
            found[role] = min(score, found.get(role, score))
    return found


def _same_face(register: Register, entry: RegisterEntry, shown: Shown, attempt: Attempt) -> bool:
    """Whether every photo, and their mean, is accepted against an entry."""
    compared = [register.compare(probe, entry.face_template, shown.models) for probe in shown.probes]
    attempt.scores["own"] = lowest(compared)
    return all(one.accepted for one in compared)
