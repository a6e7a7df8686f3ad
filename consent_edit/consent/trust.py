"""The signed trust list: which issuers and status services count, under which keys, and up to what level.

Everything is offline and nothing comes from a token: the operator's anchor key signs the list, the list
names the keys. A production list and a demo list are loaded by two different calls, and neither call takes
the other's list: what a simulated issuer signs can be trusted nowhere but in the demo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field

from consent_edit.consent.binding import FACE_BINDING_VCT, SIMULATED_VCT
from consent_edit.consent.jose import sign_compact, verify_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.wire import Seconds, Text, Wire, read_wire
from consent_edit.errors import ConsentInvalid, VerificationFailed
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment

TRUST_LIST_TYP: Final = "trust-list+jwt"
MAX_TRUST_LIST: Final = 4 * 1024 * 1024
CLOCK_SKEW: Final = 60
"""Seconds two clocks may differ."""

_Keys = Annotated[tuple[dict[str, str], ...], Field(min_length=1, max_length=8)]


class IssuerEntry(Wire):
    """One identity verifier.

    Attributes:
        id: The ``iss`` of its credentials.
        jwks: Its keys, two while it rotates.
        vct: Credential types it may issue.
        nbf: Trusted from, unix seconds.
        exp: Trusted until, unix seconds.
        highest_assurance: The level its word is worth at most.
    """

    id: Text
    jwks: _Keys
    vct: Annotated[tuple[Text, ...], Field(min_length=1, max_length=16)]
    nbf: Seconds
    exp: Seconds
    highest_assurance: Assurance


class StatusServiceEntry(Wire):
    """One signer of status lists.

    Attributes:
        uris: List addresses it signs for; one that ends with ``/`` stands for all below it.
    """

    id: Text
    uris: Annotated[tuple[Text, ...], Field(min_length=1, max_length=64)]
    jwks: _Keys
    nbf: Seconds
    exp: Seconds


class TrustListClaims(Wire):
    """The signed content of a trust list."""

    version: Literal[1] = 1
    environment: Environment
    iat: Seconds
    exp: Seconds
    issuers: Annotated[tuple[IssuerEntry, ...], Field(max_length=1024)]
    status_services: Annotated[tuple[StatusServiceEntry, ...], Field(max_length=1024)]

    def sign(self, anchor: SigningKey) -> str:
        """The list as a compact JWS, signed by the operator's anchor key."""
        return sign_compact(self.model_dump_json().encode("utf-8"), anchor, typ=TRUST_LIST_TYP)


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer of the list, keys parsed."""

    entry: IssuerEntry
    keys: tuple[PublicJwk, ...]


@dataclass(frozen=True, slots=True)
class TrustedStatusService:
    """A status service of the list, keys parsed."""

    entry: StatusServiceEntry
    keys: tuple[PublicJwk, ...]

    def covers(self, uri: str) -> bool:
        """Whether it may sign the list at ``uri``."""
        return any(
            uri == own or (own.endswith("/") and uri.startswith(own) and "/.." not in uri)
            for own in self.entry.uris
        )


@dataclass(frozen=True, slots=True)
class TrustList:
    """A verified trust list.

    Attributes:
        environment: ``DEMO`` only if loaded by :meth:`load_demo`.
        digest: ``sha256:<hex>`` over the signed token, for receipts.
    """

    environment: Environment
    digest: str
    iat: int
    exp: int
    issuers: Mapping[str, TrustedIssuer]
    status_services: tuple[TrustedStatusService, ...]

    @classmethod
    def load(cls, token: str, *, anchor: PublicJwk, now: int) -> TrustList:
        """Verify a production list.

        Args:
            token: Compact JWS, ``typ: trust-list+jwt``.
            anchor: The operator's anchor key, from configuration.
            now: Unix seconds.

        Raises:
            VerificationFailed: it does not verify, is out of date, contradicts itself, is a demo list, or
                names a simulated issuer or its credential type.
        """
        return cls._load(token, anchor, now, Environment.PRODUCTION)

    @classmethod
    def load_demo(cls, token: str, *, anchor: PublicJwk, now: int) -> TrustList:
        """Verify a demo list: every issuer on it is simulated, and all it vouches for is ``SIMULATED``.

        Raises:
            VerificationFailed: as :meth:`load`, or it is no demo list.
        """
        return cls._load(token, anchor, now, Environment.DEMO)

    @classmethod
    def _load(cls, token: str, anchor: PublicJwk, now: int, environment: Environment) -> TrustList:
        try:
            verified = verify_compact(token, anchor, typ=TRUST_LIST_TYP, limit=MAX_TRUST_LIST)
            claims = read_wire(TrustListClaims, verified.payload)
            issuers = [TrustedIssuer(entry, _keys(entry.jwks)) for entry in claims.issuers]
            services = [TrustedStatusService(entry, _keys(entry.jwks)) for entry in claims.status_services]
        except ConsentInvalid as error:
            raise _refused(error.message) from error
        if claims.environment is not environment:
            raise _refused(f"it is a {claims.environment} list, loaded as {environment}")
        for entry in claims.issuers:
            _check_simulated(entry, environment)
        by_id = {issuer.entry.id: issuer for issuer in issuers}
        if len(by_id) != len(issuers):
            raise _refused("it names an issuer twice")
        trust = cls(
            environment=environment,
            digest=byte_digest(token.encode("ascii")),
            iat=claims.iat,
            exp=claims.exp,
            issuers=MappingProxyType(by_id),
            status_services=tuple(services),
        )
        if not trust.in_force(now):
            raise _refused("it is out of date or not yet in force")
        return trust

    def in_force(self, now: int) -> bool:
        """Whether the list itself is in force at ``now``."""
        return self.iat - CLOCK_SKEW <= now < self.exp

    def issuer(self, name: str, now: int) -> TrustedIssuer:
        """The issuer of that name, trusted at ``now``.

        Raises:
            ConsentInvalid: ``ISSUER_UNTRUSTED``.
        """
        found = self.issuers.get(name)
        if found is None or not self.in_force(now):
            raise ConsentInvalid(ConsentStatus.ISSUER_UNTRUSTED, "no such issuer in a trust list in force")
        if not found.entry.nbf <= now < found.entry.exp:
            raise ConsentInvalid(ConsentStatus.ISSUER_UNTRUSTED, "the issuer is not trusted at this time")
        return found

    def status_keys(self, uri: str, now: int) -> tuple[PublicJwk, ...]:
        """Keys that may sign the status list at ``uri`` at ``now``; empty when no service may."""
        if not self.in_force(now):
            return ()
        return tuple(
            key
            for service in self.status_services
            if service.covers(uri) and service.entry.nbf <= now < service.entry.exp
            for key in service.keys
        )


def _refused(why: str) -> VerificationFailed:
    return VerificationFailed(
        f"the trust list is refused: {why}",
        code="verification.trust-list",
        remedy="sign a new trust list with the anchor key this installation is configured with",
    )


def _keys(jwks: tuple[dict[str, str], ...]) -> tuple[PublicJwk, ...]:
    return tuple(PublicJwk.parse(jwk) for jwk in jwks)


def _check_simulated(entry: IssuerEntry, environment: Environment) -> None:
    """Simulated issuers stand on demo lists, and on no other; nothing else stands there."""
    if environment is Environment.DEMO:
        if entry.highest_assurance is not Assurance.SIMULATED or set(entry.vct) != {SIMULATED_VCT}:
            raise _refused("a demo list holds simulated issuers only")
    elif entry.highest_assurance is Assurance.SIMULATED or set(entry.vct) != {FACE_BINDING_VCT}:
        raise _refused("a production list holds no simulated issuer and no other credential type")
