"""One entry for each thing that happens at the desk, refused attempts too, in the issuer's own log.

The log's leaf says what happened, when, on what evidence and with what outcome; whom it was about only as
commitments. Nothing biometric stands anywhere: comparison scores are rounded, and the leaf has those between
the photos themselves alone. The salts that open the commitments lie in the vault under the person's key, with
the reviewer's decision if there was one, and end with it. Why something was refused is in the private record.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from consent_edit.consent.binding import LIVENESS_CAPS, Evidence
from consent_edit.encoding import JsonValue
from consent_edit.errors import ConsentEditError
from consent_edit.evidence.log import commitment
from consent_edit.intake.digests import byte_digest
from consent_edit.store.store import Store
from consent_edit.store.vault import SubjectEntry
from consent_edit.vocabulary import Assurance

STAGE: Final = "enrolment"
REVIEW_CODE: Final = "input.enrolment-review"
"""What every refusal reads that a review may lift, and that of somebody on a list: nobody is given away."""

UNLISTED: Final = "none"
"""Liveness that is none of the closed table."""


class Event(StrEnum):
    """What a leaf records."""

    ENROLMENT = "enrolment"
    RENEWAL = "renewal"
    REVOCATION = "revocation"
    ERASURE = "erasure"
    REVIEW = "review"
    OBJECTION = "objection"
    OBJECTION_LIFTED = "objection-lifted"


class Cause(StrEnum):
    """Why a review is needed, for the private record alone."""

    NONE = ""
    DUPLICATE = "duplicate"
    LISTED = "listed"
    OTHER_FACE = "other-face"
    OTHER_BIRTHDATE = "other-birthdate"
    OTHER_GUARDIANS = "other-guardians"
    INCOMPARABLE = "incomparable"


@dataclass(slots=True)
class Attempt:
    """What is known so far of something under way at the desk.

    Attributes:
        subject: Thumbprint of the person's key, or of the first of them; may be empty.
        liveness: Name of the closed table, or :data:`UNLISTED`.
        scores: Name of a comparison -> role -> score.
        entries: Status entries of the credentials issued or revoked.
        reviewer: Thumbprint of who decided by review; empty without one.
        review: The decision as the reviewer signed it, whatever it said; the leaf commits to its digest.
        nonces: To be spent with the entry: (nonce, unix seconds until which it would count).
    """

    event: Event
    time: int
    subject: str = ""
    loa: Assurance = Assurance.NONE
    liveness: str = UNLISTED
    models: tuple[str, ...] = ()
    scores: dict[str, Mapping[str, float]] = field(default_factory=dict)
    entries: tuple[str, ...] = ()
    reviewer: str = ""
    review: str = field(default="", repr=False)
    cause: Cause = Cause.NONE
    nonces: tuple[tuple[str, int], ...] = ()
    done: bool = False

    def shows(self, evidence: Evidence) -> None:
        """Note the evidence by its closed names; the issuer's own words may name somebody and stay out."""
        self.loa = evidence.loa
        self.liveness = evidence.liveness if evidence.liveness in LIVENESS_CAPS else UNLISTED

    def commit(self, store: Store, *, code: str = "") -> None:
        """Write the entry; with it the nonces are spent, or nothing is written.

        Args:
            code: Of the error that refused it; empty when it was done.

        Raises:
            ConsentInvalid: ``REPLAYED``: a nonce was spent before.
            StoreUnavailable: not written.
        """
        named = {"subject": self.subject} if self.subject else {}
        named |= {f"credential.{number}": entry for number, entry in enumerate(self.entries)}
        if self.review:
            named["review"] = byte_digest(self.review.encode("ascii"))
        salts = {name: secrets.token_hex(32) for name in named}
        entry_id = secrets.token_hex(16)
        leaf: dict[str, JsonValue] = {
            "v": 1,
            "event": self.event.value,
            "time": self.time,
            "decision": entry_id,
            "outcome": "refused" if code else "done",
            "code": code,
            "evidence": {"loa": self.loa.value, "liveness": self.liveness},
            "models": list(self.models),
            "reviewer": self.reviewer,
            "scores": _rounded({name: self.scores[name] for name in self.scores if name == "pair"}),
            "commitments": {name: commitment(name, value, salts[name]) for name, value in named.items()},
        }
        record: dict[str, JsonValue] = {
            "decision_id": entry_id,
            "stage": STAGE,
            "event": self.event.value,
            "code": code,
            "cause": self.cause.value,
            "scores": _rounded(self.scores),
        }
        kept = self.subject and self.event is not Event.ERASURE  # the salts of an erasure end at once
        data: dict[str, JsonValue] = {"event": self.event.value, "time": self.time, "salts": salts}
        if self.review:
            data["review"] = self.review
        store.commit_release(
            grants=(),
            record=record,
            leaf=leaf,
            now=self.time,
            nonces=self.nonces,
            subjects=(SubjectEntry(vault_name(self.subject), data),) if kept else (),
        )
        self.done = True


@contextmanager
def audited(store: Store, attempt: Attempt) -> Iterator[Attempt]:
    """Whatever is refused inside leaves its entry; what is done writes its own, before anything goes out.

    Raises:
        StoreUnavailable: the entry of a refusal could not be written.
    """
    try:
        yield attempt
    except ConsentEditError as error:
        if not attempt.done:
            attempt.nonces, attempt.entries = (), ()  # a refusal spends nothing, and nothing was issued
            attempt.commit(store, code=error.code)
        raise


def vault_name(subject: str) -> str:
    """Under which name the vault keeps what is about a person's key."""
    return f"enrolled:{subject}"


def entry_names(entries: Iterable[int], uri: str) -> tuple[str, ...]:
    """Status entries as a leaf commits to them."""
    return tuple(f"{uri}#{idx}" for idx in entries)


def weight_files(models: Mapping[str, str], roles: Sequence[str]) -> tuple[str, ...]:
    """The weight files of some roles, sorted."""
    return tuple(sorted({models[role] for role in roles if role in models}))


def _rounded(scores: Mapping[str, Mapping[str, float]]) -> dict[str, JsonValue]:
    """Scores in hundredths: enough to judge a threshold by, too little to tell two faces apart."""
    return {
        name: {role: round(100 * value) for role, value in by_role.items() if math.isfinite(value)}
        for name, by_role in scores.items()
    }
