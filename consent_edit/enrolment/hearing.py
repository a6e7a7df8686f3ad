"""A reviewer is heard at the desk: what a signed decision changes of an attempt; refusals written down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from consent_edit.consent.binding import Evidence
from consent_edit.consent.keys import PublicJwk
from consent_edit.enrolment.audit import Attempt, Event, audited
from consent_edit.enrolment.review import Finding, accepted_review, own_review, signed_review
from consent_edit.errors import InputError
from consent_edit.store.store import Store


@dataclass(frozen=True, slots=True)
class Heard:
    """What a review says of an attempt; the defaults say that there was none.

    Attributes:
        finding: Of an earlier enrolment of the same face.
        given: Whether a reviewer accepted the person.
        guardians: Thumbprints of the guardians' keys that the reviewer was told of.
    """

    finding: Finding = Finding.NEW
    given: bool = False
    guardians: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bench:
    """Who may decide by review for one issuer, and where that is written down."""

    store: Store
    issuer: str
    reviewers: tuple[PublicJwk, ...]

    def hear(
        self,
        review: str,
        evidence: Evidence,
        attempt: Attempt,
        *,
        photos: Collection[str],
        keys: Sequence[str],
    ) -> tuple[Heard, Evidence]:
        """What a review found, if there is one, and the evidence with the liveness its reviewer names.

        Whose decision it is goes into the attempt first: one that does not count leaves its trace too.

        Args:
            review: A signed decision, or nothing.
            photos: Canonical digests of the captures.
            keys: Thumbprints of the keys to be enrolled.

        Raises:
            ConsentInvalid: the decision does not verify, or was used before.
            EnrolmentRefused: the reviewer refused, or it is of something else.
            StoreUnavailable: nobody can say whether it was used.
        """
        attempt.shows(evidence)
        if not review:
            return Heard(), evidence
        signed = signed_review(review, self.reviewers)
        attempt.reviewer, attempt.review = signed.reviewer, signed.token
        accepted_review(
            signed,
            issuer=self.issuer,
            photos=photos,
            keys=keys,
            spent=self.store.nonce_spent,
            now=attempt.time,
        )
        attempt.nonces = (signed.spending,)
        decision = signed.decision
        evidence = evidence.model_copy(update={"liveness": decision.liveness})
        attempt.shows(evidence)
        return Heard(decision.finding, True, frozenset(decision.case.guardians)), evidence

    def record_refusal(self, review: str, now: int) -> str:
        """Write a reviewer's refusal into the log at once; its case cannot be decided again.

        Args:
            now: Unix seconds.

        Returns:
            Thumbprint of the reviewer.

        Raises:
            ConsentInvalid: no listed reviewer signed it, or it was recorded before.
            EnrolmentRefused: it is of another issuer or day.
            InputError: it is no refusal.
            StoreUnavailable: not written.
        """
        with audited(self.store, Attempt(Event.REVIEW, now)) as attempt:
            signed = signed_review(review, self.reviewers)
            case = signed.decision.case
            attempt.subject, attempt.reviewer, attempt.review = case.keys[0], signed.reviewer, signed.token
            own_review(signed, issuer=self.issuer, spent=self.store.nonce_spent, now=now)
            if signed.decision.accepted:
                raise InputError("the reviewer accepted the person", code="input.review")
            attempt.nonces = (signed.spending,)
            attempt.commit(self.store, code="input.review")
        return signed.reviewer
