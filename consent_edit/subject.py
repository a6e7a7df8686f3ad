"""What a service owes the person depicted: all it holds of her, its erasure, and her objection taken in.

She shows who she is with her credential and a key-binding JWT over a nonce that this service gave out, good
for one time. Nobody else's word opens, erases or lists anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import FaceBinding
from consent_edit.consent.presentation import open_holder
from consent_edit.consent.sd_jwt import VerifiedSdJwt
from consent_edit.consent.wire import read_claims
from consent_edit.encoding import JsonValue
from consent_edit.objections import Objections
from consent_edit.operator import Operator

NONCE_LIFETIME: Final = 900
"""Seconds for which a nonce given out can be answered."""


@dataclass(frozen=True, slots=True)
class SubjectDesk:
    """One operator's desk for the people depicted."""

    operator: Operator

    def challenge(self) -> str:
        """A nonce for a person to bind her credential to; good once, for 15 minutes.

        Raises:
            StoreUnavailable: it could not be kept.
        """
        return self.operator.store.issue_nonce(self.operator.clock(), NONCE_LIFETIME)

    def export(self, presentation: str, nonce: str) -> Mapping[str, JsonValue]:
        """Everything that is held of her: each decision her consent went into, in the order they were made.

        Args:
            presentation: Her credential with key-binding JWT, sealed to this service or not.
            nonce: As :meth:`challenge` gave it to her.

        Raises:
            ConsentInvalid: it is not her, not for this service, or the nonce is none of ours or was used.
            StoreUnavailable: the store cannot be read.
        """
        subject = _subject(self._identify(presentation, nonce))
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
        return self.operator.store.erase_subject(_subject(self._identify(presentation, nonce)))

    def object_to_edits(self, presentation: str, nonce: str) -> None:
        """Put her on the "never edit me" list; the one request in which she discloses her templates.

        Raises:
            ConsentInvalid: as :meth:`export`, or the templates are not disclosed.
            StoreUnavailable: not written.
        """
        verified = self._identify(presentation, nonce)
        binding = read_claims(FaceBinding, verified.claims)
        for template in binding.face_template:
            template.vector()  # a damaged entry would stop every edit
        self._objections().add(binding.holder().thumbprint, binding.face_template)

    def lift_objection(self, presentation: str, nonce: str) -> None:
        """Take her off the "never edit me" list.

        Raises:
            ConsentInvalid: as :meth:`export`.
            StoreUnavailable: not written.
        """
        self._objections().remove(_subject(self._identify(presentation, nonce)))

    def _objections(self) -> Objections:
        return Objections(self.operator.store, self.operator.thresholds)

    def _identify(self, presentation: str, nonce: str) -> VerifiedSdJwt:
        """Who is there now; the nonce is spent by it."""
        operator = self.operator
        now = operator.clock()
        text = presentation if "~" in presentation else open_holder(presentation, operator.opening_keys)
        verified = sd_jwt.verify_presentation(
            text, operator.snapshot().trust, audience=operator.audience, nonce=nonce, now=now
        )
        operator.store.spend_nonce(nonce, now)
        return verified


def _subject(verified: VerifiedSdJwt) -> str:
    """Thumbprint of the key she showed that she holds."""
    return verified.holder.thumbprint
