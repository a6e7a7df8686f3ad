"""Who asks for a renewal, or objects: her credential, proof of its key, and what the register holds of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from consent_edit.consent.binding import Evidence
from consent_edit.consent.issuing.folder import trust_list
from consent_edit.consent.issuing.issue import Issuer
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.sd_jwt import verify_presentation
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.lists import StatusLists, StatusValue
from consent_edit.consent.trust import TrustList
from consent_edit.consent.wire import StatusClaim, StatusRef, Wire, read_claims
from consent_edit.enrolment.register import Register, RegisterEntry
from consent_edit.errors import ConsentInvalid, EnrolmentRefused
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment

_TRUSTED_S: Final = 60
"""Seconds for which an issuer trusts itself to read one presentation."""


class _Told(Wire):
    """What a renewal reads of the credential: all of it in plain, so nothing need be disclosed."""

    status: StatusClaim
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Held:
    """A credential of this issuer's that is in force, presented just now by whoever holds its key.

    Attributes:
        entry: Its own status entry.
        loa: The level it was issued at.
    """

    holder: Signatory
    entry: StatusRef
    loa: Assurance

    def capped(self, evidence: Evidence) -> Evidence:
        """New evidence, worth no more than the credential was: nobody's identity was checked again."""
        lower = min(evidence.loa, self.loa, key=lambda level: level.rank)
        return evidence.model_copy(update={"loa": lower})


def presented(issuer: Issuer, presentation: str, *, nonce: str, now: int) -> Held:
    """Verify a presentation against the issuer's own keys and status list.

    Args:
        presentation: Credential with key-binding JWT, audience ``issuer.name``.
        nonce: Given to the holder; whether it was, and only once, is for the caller to say.
        now: Unix seconds.

    Raises:
        ConsentInvalid: it does not verify, is another's or not for this issuer, or is revoked.
    """
    trust = _own_trust(issuer, now)
    verified = verify_presentation(presentation, trust, audience=issuer.name, nonce=nonce, now=now)
    told = read_claims(_Told, {name: verified.claims.get(name) for name in _Told.model_fields})
    entry = told.status.status_list
    lists = StatusLists({issuer.status.uri: issuer.status.source(lambda: now)})
    match lists.read(entry.uri, entry.idx, now, trust):
        case StatusValue.VALID:
            return Held(holder=verified.holder, entry=entry, loa=told.evidence.loa)
        case StatusValue.REVOKED:
            raise ConsentInvalid(ConsentStatus.REVOKED, "the credential is revoked")
        case _:
            raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "nobody can say whether it is revoked")


def registered(register: Register, held: Held) -> RegisterEntry:
    """The register's entry of a credential.

    Raises:
        EnrolmentRefused: it has none: the person was erased, or enrolled before there was a register.
        StoreUnavailable: the register cannot be read.
    """
    key = held.holder.thumbprint
    for entry in register.of_keys((key,)):
        if any(one.entry == held.entry and one.key == key for one in entry.issued):
            return entry
    raise EnrolmentRefused(
        "the register does not know this credential",
        code="input.enrolment-unknown",
        remedy="enrol the person anew",
    )


def _own_trust(issuer: Issuer, now: int) -> TrustList:
    """A trust list of this one issuer, signed by a key that ends here."""
    anchor = SigningKey.generate()
    entries = issuer.trust_entries(now=now, lifetime=_TRUSTED_S)
    claims = trust_list([entries], environment=issuer.environment, now=now, lifetime=_TRUSTED_S)
    load = TrustList.load_demo if issuer.environment is Environment.DEMO else TrustList.load
    return load(claims.sign(anchor), anchor=anchor.public, now=now)
