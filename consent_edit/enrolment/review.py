"""The reviewed path of a small operator: a person of the issuer's compares two pictures and signs a decision.

:func:`signed_review` makes the first of these checks of a decision that the desk is shown, so that the desk
can write down whose it was whatever comes of it; :func:`accepted_review` makes the others.

1. malformed, signature_invalid: no reviewer of the issuer's folder signed it (RFC 7515 section 5.2), or its
   claims do not fit the closed schema.
2. It was put before the reviewer by this very issuer.
3. It was signed within the last :data:`REVIEW_WINDOW` seconds.
4. It was not used before; only the commit that spends its name decides a race.
5. The reviewer accepted the person.
6. It is about these very photos.
7. It is about these very keys.
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
from consent_edit.consent.issuing.admission import MAX_GUARDIANS
from consent_edit.consent.issuing.capture import Capture
from consent_edit.consent.jose import sign_compact, verify_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.consent.wire import Digest, Seconds, Text, Wire, read_wire
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
    """Nobody of that face is enrolled, so far as the reviewer knows; overrides no double that was found."""

    SAME_PERSON = "same_person"
    """She is enrolled and lost her key: her old credentials end, the entry becomes that of the new key."""

    OTHER_PERSON = "other_person"
    """Somebody who looks like her is enrolled; both stay."""


class ReviewCase(Wire):
    """What is put before the reviewer, without the pictures themselves.

    Attributes:
        id: Unguessable; the decision bears it.
        issuer: Name of the issuer that asks; the decision is good there alone.
        keys: Thumbprints of the keys that the person is to be enrolled under.
        document: Canonical digest of the document's photo.
        photos: Canonical digests of the issuer's own captures.
        scores: One of each capture: role -> comparison score with the document's photo, in hundredths.
        made: Unix seconds.
        guardians: Thumbprints of the guardians' keys: who is to sign in the person's place.
    """

    id: TokenId
    issuer: Text
    keys: Annotated[tuple[KeyThumbprint, ...], Field(min_length=1, max_length=16)]
    document: Digest
    photos: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=5)]
    scores: Annotated[tuple[Scores, ...], Field(min_length=1, max_length=5)]
    made: Seconds
    guardians: Annotated[tuple[KeyThumbprint, ...], Field(max_length=MAX_GUARDIANS)] = ()


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
class SignedReview:
    """A decision of a listed reviewer, whatever it says.

    Attributes:
        token: As it was signed.
        reviewer: Thumbprint of who signed it.
    """

    token: str = field(repr=False)
    decision: ReviewDecision
    reviewer: str

    @property
    def spending(self) -> tuple[str, int]:
        """What the log entry that takes it in spends: its name, and until when it counts (unix seconds)."""
        return self.decision.case.id, self.decision.iat + REVIEW_WINDOW + CLOCK_SKEW


@dataclass(frozen=True, slots=True, eq=False)
class ShownPhoto:
    """A picture and what the issuer's perception made of it."""

    image: CanonicalImage = field(repr=False)
    capture: Capture


def prepare(
    document: ShownPhoto,
    captures: Sequence[ShownPhoto],
    *,
    issuer: str,
    keys: Sequence[str],
    guardians: Sequence[str] = (),
    roles: Collection[str],
    now: int,
) -> ReviewCase:
    """Put a case together.

    Args:
        document: The photo of an identity document; it must show one face, of any quality.
        captures: The issuer's own photos of the person, as they are to be enrolled.
        issuer: Name of the issuer that asks.
        keys: Thumbprints of the keys she is to be enrolled under.
        guardians: Thumbprints of the keys of those who are to sign in her place.
        roles: Embedders to compare with.
        now: Unix seconds.

    Raises:
        EnrolmentRefused: a picture does not show exactly one face that every embedder read, or is of another
            observation; too many or few.
    """
    shown = (document, *captures)
    if not 1 <= len(captures) <= 5 or not 1 <= len(keys) <= 16 or len(guardians) > MAX_GUARDIANS:
        raise EnrolmentRefused(
            f"a review is of 1 to 5 photos, 1 to 16 keys and up to {MAX_GUARDIANS} guardians",
            code="input.enrolment",
        )
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
        issuer=issuer,
        keys=tuple(keys),
        document=document.image.digest,
        photos=tuple(photo.image.digest for photo in captures),
        scores=tuple(_scores(document.capture, photo.capture, roles) for photo in captures),
        made=now,
        guardians=tuple(guardians),
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


def signed_review(token: str, reviewers: Sequence[PublicJwk]) -> SignedReview:
    """Whose decision it is; see the module's numbered list.

    Args:
        reviewers: The public keys listed in the issuer's folder.

    Raises:
        ConsentInvalid: ``MALFORMED`` or ``SIGNATURE_INVALID``.
    """
    # 1. A listed reviewer.
    refusal = ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "no reviewer is listed")
    for key in reviewers:
        try:
            payload = verify_compact(token, key, typ=REVIEW_TYP).payload
        except ConsentInvalid as error:
            refusal = error
            continue
        return SignedReview(token, read_wire(ReviewDecision, payload), key.thumbprint)
    raise refusal


def own_review(signed: SignedReview, *, issuer: str, spent: Callable[[str], bool], now: int) -> None:
    """That a decision, accepted or refused, is this issuer's, of the last day and not used before.

    Raises:
        ConsentInvalid: ``REPLAYED``.
        EnrolmentRefused: it is of another issuer or day.
    """
    decision = signed.decision
    # 2. This issuer.
    if decision.case.issuer != issuer:
        raise _refused("the review is for another issuer")
    # 3. Just now.
    if not -CLOCK_SKEW <= now - decision.iat < REVIEW_WINDOW:
        raise _refused("the review is not of the last day")
    # 4. Once.
    if spent(decision.case.id):
        raise ConsentInvalid(ConsentStatus.REPLAYED, "the review was used before")


def accepted_review(
    signed: SignedReview,
    *,
    issuer: str,
    photos: Collection[str],
    keys: Collection[str],
    spent: Callable[[str], bool],
    now: int,
) -> None:
    """Check a decision for an enrolment; see the module's numbered list.

    Args:
        issuer: Name of the issuer that enrols.
        photos: Canonical digests of the captures to be enrolled.
        keys: Thumbprints of the keys to be enrolled.
        spent: Whether a decision of that name was used.
        now: Unix seconds.

    Raises:
        ConsentInvalid: ``REPLAYED``.
        EnrolmentRefused: the reviewer refused, too long ago, or of other photos, keys or another issuer.
    """
    # 2. to 4. This issuer, just now, once.
    own_review(signed, issuer=issuer, spent=spent, now=now)
    # 5. Accepted.
    if not signed.decision.accepted:
        raise _refused("the reviewer did not accept the person")
    # 6. These photos.
    if set(signed.decision.case.photos) != set(photos):
        raise _refused("the review is of other photos")
    # 7. These keys.
    if set(signed.decision.case.keys) != set(keys):
        raise _refused("the review is for other keys")


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
