"""A status service, its trust list and lists signed anyhow, for tests that need nobody enrolled."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consent_world import NOW, STATUS_URI, Clock

from consent_edit.consent.grant import WITHDRAWAL_TYP, Withdrawal
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.lists import StatusLists, StatusValue
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.consent.trust import StatusServiceEntry, TrustList, TrustListClaims
from consent_edit.consent.wire import StatusRef
from consent_edit.encoding import b64url_encode
from consent_edit.vocabulary import Environment

SERVICE = "https://issuer.example"
ANCHOR = SigningKey.generate()


def trusting(
    keys: Sequence[PublicJwk] = (),
    *,
    uris: Sequence[str] = (STATUS_URI,),
    now: int = NOW,
    **entry: object,
) -> TrustList:
    """A trust list with one status service."""
    told = {"nbf": now - 1000, "exp": now + 10**6, "jwks": tuple(key.export() for key in keys), **entry}
    service = StatusServiceEntry(id=SERVICE, uris=tuple(uris), **told)  # type: ignore[arg-type]
    claims = TrustListClaims(
        environment=Environment.PRODUCTION,
        iat=now,
        exp=now + 10**6,
        issuers=(),
        status_services=(service,),
    )
    return TrustList.load(claims.sign(ANCHOR), anchor=ANCHOR.public, now=now)


def signed_list(
    key: SigningKey,
    *,
    entries: bytes = b"\x02\x00",
    typ: str = "statuslist+jwt",
    headers: Mapping[str, object] | None = None,
    bits: int = 1,
    **claims: object,
) -> str:
    """A list with any claims; entry 1 of 16 is revoked unless told otherwise."""
    lst = claims.pop("lst", b64url_encode(zlib.compress(entries)))
    payload = {"sub": STATUS_URI, "iat": NOW, "status_list": {"bits": bits, "lst": lst}, **claims}
    return sign_compact(payload, key, typ=typ, headers=headers)  # type: ignore[arg-type]


def withdrawal(idx: int, uri: str = STATUS_URI, jti: str = "w" * 22) -> Withdrawal:
    """An unsigned wish to withdraw."""
    return Withdrawal(jti=jti, iat=NOW, status_list=StatusRef(idx=idx, uri=uri))


def jws(idx: int, key: SigningKey, uri: str = STATUS_URI, typ: str = WITHDRAWAL_TYP) -> str:
    """A withdrawal signed as a JWS."""
    return sign_compact(withdrawal(idx, uri).payload(), key, typ=typ)


@dataclass
class StatusWorld:
    """One service of 1024 entries, and a verifier that trusts it and has no source."""

    clock: Clock = field(default_factory=Clock)
    key: SigningKey = field(default_factory=lambda: SigningKey.generate(Algorithm.ES256))
    person: SigningKey = field(default_factory=SigningKey.generate)
    statuses: StatusLists = field(default_factory=StatusLists)

    def __post_init__(self) -> None:
        self.status = IssuerStatus(STATUS_URI, self.key, size=1024)
        self.trust = trusting([self.key.public])

    def allot(self, *owners: Signatory) -> int:
        """One entry, the person's unless told otherwise."""
        return self.status.allot(owners or (Signatory(self.person.public),))[0]

    def list(self, **claims: object) -> str:
        """A list by the service's key, with any claims."""
        key = claims.pop("key", self.key)
        return signed_list(key, **claims)  # type: ignore[arg-type]

    def read(self, idx: int = 0, *, now: int = NOW, uri: str = STATUS_URI) -> StatusValue:
        """What the verifier's cache says."""
        return self.statuses.read(uri, idx, now, self.trust)
