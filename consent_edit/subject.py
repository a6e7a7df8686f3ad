"""What a service owes the person depicted: all it holds of her, its erasure, and her objection taken in.

She shows who she is with her credential and a key-binding JWT over a nonce that this service gave out for
this very purpose, good for one time. Nobody else's word opens, erases or lists anything, nor does a
credential that was revoked: whoever took her key could ask in her name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import FaceBinding
from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.presentation import open_holder
from consent_edit.consent.sd_jwt import VerifiedSdJwt
from consent_edit.consent.status.lists import StatusValue
from consent_edit.consent.trust import TrustList
from consent_edit.consent.wire import StatusClaim, Wire, read_claims
from consent_edit.encoding import JsonValue
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.nonces import given_out, spend
from consent_edit.objections import Objections
from consent_edit.operator import Operator
from consent_edit.perception.models.lock import read_lock
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance, ConsentStatus


class Purpose(StrEnum):
    """What a nonce is given out for; its first letters say so to the person who answers it."""

    EXPORT = "export"
    ERASE = "erase"
    OBJECT = "object"
    LIFT = "lift"


def shipped_models() -> dict[str, str]:
    """Role of embedder -> SHA-256 (hex) of the weight file that this version matches with.

    Raises:
        ModelUnavailable: the lock cannot be read.
    """
    lock = read_lock()
    return {role: lock.entry(role).sha256 for role in load_thresholds().never}


@dataclass(frozen=True, slots=True)
class SubjectDesk:
    """One operator's desk for the people depicted.

    Attributes:
        models: Role of embedder -> SHA-256 (hex) of the weight file in use; by default the shipped ones.
    """

    operator: Operator
    models: Mapping[str, str] = field(default_factory=shipped_models)

    def challenge(self, purpose: Purpose) -> str:
        """A nonce for a person to bind her credential to; good once, for this purpose, for 15 minutes.

        Raises:
            StoreUnavailable: it could not be kept.
        """
        return given_out(self.operator.store, Asked(purpose.value), self.operator.clock())

    def export(self, presentation: str, nonce: str) -> Mapping[str, JsonValue]:
        """Everything that is held of her: each decision her consent went into, in the order they were made.

        A credential that has ended still shows who she is.

        Args:
            presentation: Her credential with key-binding JWT, sealed to this service or not.
            nonce: As :meth:`challenge` gave it to her.

        Raises:
            ConsentInvalid: it is not her, not for this service or purpose, it was revoked, nobody can tell
                whether it was, or the nonce is none of ours or was used.
            StoreUnavailable: the store cannot be read.
        """
        subject = self._identify(presentation, nonce, Purpose.EXPORT).holder.thumbprint
        return {
            "subject": subject,
            "service": self.operator.audience,
            "decisions": list(self.operator.store.subject_entries(subject)),
        }

    def erase(self, presentation: str, nonce: str) -> int:
        """Destroy the key under which everything of her is kept; the log goes on verifying.

        Returns:
            How many entries nobody can read any more. An objection stands until it is lifted.

        Raises:
            ConsentInvalid: as :meth:`export`.
            StoreUnavailable: nothing was erased.
        """
        subject = self._identify(presentation, nonce, Purpose.ERASE).holder.thumbprint
        return self.operator.store.erase_subject(subject)

    def object_to_edits(self, presentation: str, nonce: str) -> None:
        """Put her on the "never edit me" list; the one request in which she discloses her templates.

        Raises:
            ConsentInvalid: as :meth:`export`, it has ended, the templates are not disclosed, or the issuer's
                word for whose face it is is worth less than ``low``: it could be a stranger's photo.
            InputError: ``input.objection``: other weight files made the templates; they compare with nothing.
            StoreUnavailable: not written.
        """
        verified = self._identify(presentation, nonce, Purpose.OBJECT)
        binding = read_claims(FaceBinding, verified.claims)
        highest = self.operator.snapshot().trust.issuers[verified.issuer].entry.highest_assurance
        if not binding.evidence.assurance(highest).at_least(Assurance.LOW):
            raise ConsentInvalid(ConsentStatus.ISSUER_UNTRUSTED, "nobody verified whose face this is")
        made = {(entry.model, entry.sha256) for entry in binding.face_template}
        if not made >= set(self.models.items()):
            raise InputError(
                "the credential's templates are of other weight files than this service uses",
                code="input.objection",
                remedy="renew the credential with its issuer, then object with the new one",
            )
        for template in binding.face_template:
            template.vector()  # a damaged entry would stop every edit
        self._objections().add(verified.holder.thumbprint, binding.face_template)

    def lift_objection(self, presentation: str, nonce: str) -> None:
        """Take her off the "never edit me" list.

        Raises:
            ConsentInvalid: as :meth:`export`.
            StoreUnavailable: not written.
        """
        self._objections().remove(self._identify(presentation, nonce, Purpose.LIFT).holder.thumbprint)

    def stale_objections(self) -> int:
        """How many people on the list would not be found: no weight file in use made their templates.

        Raises:
            StoreUnavailable: the list cannot be read.
            CheckFailed: an entry is damaged.
        """
        return self._objections().stale(self.models)

    def _objections(self) -> Objections:
        return Objections(self.operator.store, self.operator.thresholds)

    def _identify(self, presentation: str, nonce: str, purpose: Purpose) -> VerifiedSdJwt:
        """Who is there now, for this; the nonce is spent by it."""
        operator = self.operator
        now, trust = operator.clock(), operator.snapshot().trust
        text = presentation if "~" in presentation else open_holder(presentation, operator.opening_keys)
        verified = sd_jwt.verify_presentation(
            text,
            trust,
            audience=operator.audience,
            nonce=nonce,
            now=now,
            lapsed=purpose in (Purpose.EXPORT, Purpose.ERASE),
        )
        self._not_revoked(verified, trust, now)
        spend(operator.store, nonce, Asked(purpose.value), now)
        return verified

    def _not_revoked(self, verified: VerifiedSdJwt, trust: TrustList, now: int) -> None:
        told = read_claims(_Told, {"status": verified.claims.get("status")}).status.status_list
        match self.operator.statuses.read(told.uri, told.idx, now, trust):
            case StatusValue.VALID:
                return
            case StatusValue.REVOKED:
                raise ConsentInvalid(ConsentStatus.REVOKED, "the credential was revoked")
            case _:
                raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "its status cannot be read")


class _Told(Wire):
    """What is read of a credential with nothing disclosed."""

    status: StatusClaim
