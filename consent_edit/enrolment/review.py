"""The reviewed path of a small operator: a person of the issuer's compares two pictures and signs a decision.

:func:`accepted_review` makes these checks of a decision that the desk is shown:

1. malformed, signature_invalid: no reviewer of the issuer's folder signed it (RFC 7515 section 5.2), or its
   claims do not fit the closed schema.
2. The reviewer accepted the person.
3. It was signed within the last :data:`REVIEW_WINDOW` seconds.
4. It is about these very photos.
5. It is about these very keys.
6. It was not used before; only the commit that spends its name decides a race.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

import numpy as np
from pydantic import Field

from consent_edit.consent.binding import LIVENESS_CAPS
from consent_edit.consent.grant import KeyThumbprint, TokenId
from consent_edit.consent.issuing.capture import Capture
from consent_edit.consent.jose import sign_compact, verify_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.consent.wire import Digest, Seconds, Wire, read_wire
from consent_edit.errors import ConsentInvalid, EnrolmentRefused, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.vocabulary import ConsentStatus

REVIEW_TYP: Final = "enrolment-review+jwt"
REVIEW_WINDOW: Final = 86_400
"""Seconds for which a decision counts."""

MAX_NOTE: Final = 500

Hundredths = Annotated[int, Field(ge=-100, le=100)]
Scores = dict[str, Hundredths]


class Finding(StrEnum):
    """What the reviewer found of an earlier enrolment of the same face."""

    NEW = "new"
    """Nobody of that face is enrolled, so far as the reviewer knows; overrides nothing."""

    SAME_PERSON = "same_person"
    """She is enrolled and lost her key: her old credentials end, the entry becomes that of the new key."""

    OTHER_PERSON = "other_person"
    """Somebody who looks like her is enrolled; both stay."""


class ReviewCase(Wire):
    """What is put before the reviewer, without the pictures themselves.

    Attributes:
        id: Unguessable; the decision bears it.
        keys: Thumbprints of the keys that the person is to be enrolled under.
        document: Canonical digest of the document's photo.
        photos: Canonical digests of the issuer's own captures.
        scores: One of each capture: role -> comparison score with the document's photo, in hundredths.
        made: Unix seconds.
    """

    id: TokenId
    keys: Annotated[tuple[KeyThumbprint, ...], Field(min_length=1, max_length=16)]
    document: Digest
    photos: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=5)]
    scores: Annotated[tuple[Scores, ...], Field(min_length=1, max_length=5)]
    made: Seconds


class ReviewDecision(Wire):
    """What the reviewer signs.

    Attributes:
        case: What was put before the reviewer.
        iat: When it was signed, unix seconds.
        liveness: A name of ``LIVENESS_CAPS``: how the reviewer knows that the person was there.
        finding: Of an earlier enrolment of the same face.
        note: The reviewer's own words; they stay in the decision.
    """

    case: ReviewCase
    iat: Seconds
    accepted: bool
    liveness: Annotated[str, Field(max_length=256)]
    finding: Finding
    note: Annotated[str, Field(max_length=MAX_NOTE, repr=False)] = ""


@dataclass(frozen=True, slots=True)
class AcceptedReview:
    """A decision that holds.

    Attributes:
        reviewer: Thumbprint of who signed it.
        until: When it stops to count, unix seconds.
    """

    decision: ReviewDecision
    reviewer: str
    until: int


@dataclass(frozen=True, slots=True, eq=False)
class ShownPhoto:
    """A picture and what the issuer's perception made of it."""

    image: CanonicalImage = field(repr=False)
    capture: Capture


def prepare(
    document: ShownPhoto,
    captures: Sequence[ShownPhoto],
    *,
    keys: Sequence[str],
    roles: Collection[str],
    now: int,
) -> ReviewCase:
    """Put a case together.

    Args:
        document: The photo of an identity document; it must show one face, of any quality.
        captures: The issuer's own photos of the person, as they are to be enrolled.
        keys: Thumbprints of the keys she is to be enrolled under.
        roles: Embedders to compare with.
        now: Unix seconds.

    Raises:
        EnrolmentRefused: a picture does not show exactly one face that every embedder read, or is of another
            observation; too many or few.
    """
    shown = (document, *captures)
    if not 1 <= len(captures) <= 5 or not 1 <= len(keys) <= 16:
        raise EnrolmentRefused("a review is of 1 to 5 photos and 1 to 16 keys", code="input.enrolment")
    for photo in shown:
        if photo.capture.digest != photo.image.digest or photo.capture.faces != 1:
            raise EnrolmentRefused(
                "each picture of a review must show exactly one face",
                code="input.enrolment-quality",
                remedy="crop the document to its photo, and take the person alone",
            )
        if any(_unread(photo.capture, role) for role in roles):
            raise EnrolmentRefused(
                "a picture was not read by every embedder",
                code="input.enrolment-quality",
                remedy="run: consent-edit models verify",
            )
    return ReviewCase(
        id=secrets.token_hex(16),
        keys=tuple(keys),
        document=document.image.digest,
        photos=tuple(photo.image.digest for photo in captures),
        scores=tuple(_scores(document.capture, photo.capture, roles) for photo in captures),
        made=now,
    )


def decide(
    case: ReviewCase,
    key: SigningKey,
    *,
    accepted: bool,
    liveness: str,
    now: int,
    finding: Finding = Finding.NEW,
    note: str = "",
) -> str:
    """Sign a decision.

    Args:
        key: The reviewer's.
        liveness: A name of ``LIVENESS_CAPS``.
        now: Unix seconds.

    Returns:
        Compact JWS, ``typ: enrolment-review+jwt``.

    Raises:
        InputError: the liveness method is not one of the table, the note too long, or the case is of a
            later time or older than a day.
    """
    if liveness not in LIVENESS_CAPS:
        raise InputError(
            "the reviewer names how it is known that the person was there",
            code="input.liveness",
            remedy=f"one of: {', '.join(LIVENESS_CAPS)}",
        )
    if len(note) > MAX_NOTE:
        raise InputError(f"a note has up to {MAX_NOTE} characters", code="input.note")
    if not 0 <= now - case.made < REVIEW_WINDOW:
        raise InputError("the case is too old", code="input.review", remedy="prepare it again")
    decision = ReviewDecision(
        case=case, iat=now, accepted=accepted, liveness=liveness, finding=finding, note=note
    )
    return sign_compact(decision.model_dump_json().encode("utf-8"), key, typ=REVIEW_TYP)


def accepted_review(
    token: str,
    reviewers: Sequence[PublicJwk],
    *,
    photos: Collection[str],
    keys: Collection[str],
    spent: Callable[[str], bool],
    now: int,
) -> AcceptedReview:
    """Verify a decision for an enrolment; see the module's numbered list.

    Args:
        reviewers: The public keys listed in the issuer's folder.
        photos: Canonical digests of the captures to be enrolled.
        keys: Thumbprints of the keys to be enrolled.
        spent: Whether a decision of that name was used.
        now: Unix seconds.

    Raises:
        ConsentInvalid: ``MALFORMED``, ``SIGNATURE_INVALID`` or ``REPLAYED``.
        EnrolmentRefused: the reviewer refused, too long ago, or of other photos or keys.
    """
    # 1. A listed reviewer.
    decision, reviewer = _verified(token, reviewers)
    # 2. Accepted.
    if not decision.accepted:
        raise _refused("the reviewer did not accept the person")
    # 3. Just now.
    if not -CLOCK_SKEW <= now - decision.iat < REVIEW_WINDOW:
        raise _refused("the review is not of the last day")
    # 4. These photos.
    if set(decision.case.photos) != set(photos):
        raise _refused("the review is of other photos")
    # 5. These keys.
    if set(decision.case.keys) != set(keys):
        raise _refused("the review is for other keys")
    # 6. Once.
    if spent(decision.case.id):
        raise ConsentInvalid(ConsentStatus.REPLAYED, "the review was used before")
    return AcceptedReview(decision, reviewer, until=decision.iat + REVIEW_WINDOW + CLOCK_SKEW)


def _verified(token: str, reviewers: Sequence[PublicJwk]) -> tuple[ReviewDecision, str]:
    refusal = ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "no reviewer is listed")
    for key in reviewers:
        try:
            payload = verify_compact(token, key, typ=REVIEW_TYP).payload
        except ConsentInvalid as error:
            refusal = error
            continue
        return read_wire(ReviewDecision, payload), key.thumbprint
    raise refusal


def _refused(why: str) -> EnrolmentRefused:
    return EnrolmentRefused(
        why, code="input.review", remedy="have the enrolment reviewed, with these very photos"
    )


def _unread(capture: Capture, role: str) -> bool:
    views = capture.embeddings.get(role)
    return views is None or views.ndim != 2 or views.size == 0 or not bool(np.isfinite(views).all())


def _scores(one: Capture, other: Capture, roles: Collection[str]) -> Scores:
    """Median cosine over all pairs of views, in hundredths."""
    return {
        role: max(
            -100, min(100, round(100 * float(np.median(one.embeddings[role] @ other.embeddings[role].T))))
        )
        for role in sorted(roles)
    }
