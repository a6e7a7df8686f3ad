"""The signed trust list: which issuers and status services count, under which keys, and up to what level.

Everything is offline and nothing comes from a token: the operator's anchor key signs the list, the list
names the keys. A production list and a demo list are loaded by two different calls, and neither call takes
the other's list: what a simulated issuer signs can be trusted nowhere but in the demo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from consent_edit.consent.binding import FACE_BINDING_VCT, SIMULATED_VCT
from consent_edit.consent.chain import leaf_key, read_anchor
from consent_edit.consent.encoding import malformed, parse_object
from consent_edit.consent.jose import VerifiedJws, sign_compact, verify_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.wire import Seconds, Text, Wire, read_wire
from consent_edit.encoding import Json
from consent_edit.errors import ConsentInvalid, VerificationFailed
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment

TRUST_LIST_TYP: Final = "trust-list+jwt"
MAX_TRUST_LIST: Final = 4 * 1024 * 1024
MAX_ANCHOR: Final = 24_000
"""Characters of an anchor certificate in base64; 16 KB and more never occur."""

CLOCK_SKEW: Final = 60
"""Seconds two clocks may differ."""

Anchor: TypeAlias = PublicJwk | tuple[PublicJwk, ...]
"""The key that signs a trust list, or several while one takes over from another."""

MAX_KEYS: Final = 8
"""Keys, or anchors, of one entry at most."""

_Jwks = Annotated[tuple[dict[str, str], ...], Field(max_length=MAX_KEYS)]
_Anchors = Annotated[tuple[Annotated[str, Field(max_length=MAX_ANCHOR)], ...], Field(max_length=MAX_KEYS)]


class _Keys(Wire):
    """Keys by name, certificate anchors, or both; several of either while one takes over from another.

    Attributes:
        jwks: Public JWKs.
        x5c: Base64 DER certificates; a token's own chain must lead to one of them, and its leaf must be of
            the entry's name.
    """

    jwks: _Jwks = ()
    x5c: _Anchors = ()

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.jwks and not self.x5c:
            raise ValueError("an entry needs a key or an anchor")
        return self


class IssuerEntry(_Keys):
    """One identity verifier.

    Attributes:
        id: The ``iss`` of its credentials.
        vct: Credential types it may issue.
        nbf: Trusted from, unix seconds.
        exp: Trusted until, unix seconds.
        highest_assurance: The level its word is worth at most.
    """

    id: Text
    vct: Annotated[tuple[Text, ...], Field(min_length=1, max_length=16)]
    nbf: Seconds
    exp: Seconds
    highest_assurance: Assurance


class StatusServiceEntry(_Keys):
    """One signer of status lists.

    Attributes:
        uris: List addresses it signs for; one that ends with ``/`` stands for all below it.
    """

    id: Text
    uris: Annotated[tuple[Text, ...], Field(min_length=1, max_length=64)]
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
class _Trusted:
    keys: tuple[PublicJwk, ...]

    def _keys_for(
        self, entry: _Keys, name: str, header: Mapping[str, Json], now: int
    ) -> tuple[PublicJwk, ...]:
        """Keys a token with this header may be signed by: its chain's, or the one ``kid`` names, or all."""
        if "x5c" in header:
            if not entry.x5c:
                raise malformed("a certificate chain where keys are listed")
            return (leaf_key(_chain(header["x5c"]), entry.x5c, name=name, now=now),)
        kid = header.get("kid", "")
        return tuple(key for key in self.keys if kid in (key.kid, key.thumbprint)) or self.keys


@dataclass(frozen=True, slots=True)
class TrustedIssuer(_Trusted):
    """An issuer of the list, keys parsed."""

    entry: IssuerEntry

    def keys_for(self, header: Mapping[str, Json], now: int) -> tuple[PublicJwk, ...]:
        """Keys that may have signed a credential with this header, at ``now``; perhaps none.

        Raises:
            ConsentInvalid: ``MALFORMED`` or ``ISSUER_UNTRUSTED``; its certificate chain leads to no anchor.
        """
        return self._keys_for(self.entry, self.entry.id, header, now)


@dataclass(frozen=True, slots=True)
class TrustedStatusService(_Trusted):
    """A status service of the list, keys parsed."""

    entry: StatusServiceEntry

    def keys_for(self, header: Mapping[str, Json], now: int) -> tuple[PublicJwk, ...]:
        """Keys that may have signed a status list with this header; as :meth:`TrustedIssuer.keys_for`."""
        return self._keys_for(self.entry, self.entry.id, header, now)

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
    def load(cls, token: str, *, anchor: Anchor, now: int) -> TrustList:
        """Verify a production list.

        Args:
            token: Compact JWS, ``typ: trust-list+jwt``.
            anchor: The operator's anchor key, from configuration, or several while they change.
            now: Unix seconds.

        Raises:
            VerificationFailed: it does not verify, is out of date, contradicts itself, is a demo list, or
                names a simulated issuer or its credential type.
        """
        return cls._load(token, anchor, now, Environment.PRODUCTION)

    @classmethod
    def load_demo(cls, token: str, *, anchor: Anchor, now: int) -> TrustList:
        """Verify a demo list: every issuer on it is simulated, and all it vouches for is ``SIMULATED``.

        Raises:
            VerificationFailed: as :meth:`load`, or it is no demo list.
        """
        return cls._load(token, anchor, now, Environment.DEMO)

    @classmethod
    def _load(cls, token: str, anchor: Anchor, now: int, environment: Environment) -> TrustList:
        try:
            verified = _verified(token, anchor if isinstance(anchor, tuple) else (anchor,))
            claims = read_wire(TrustListClaims, verified.payload)
            issuers = [TrustedIssuer(_keys(entry), entry) for entry in claims.issuers]
            services = [TrustedStatusService(_keys(entry), entry) for entry in claims.status_services]
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

    def has_status_service(self, uri: str, now: int) -> bool:
        """Whether any service may sign the status list at ``uri`` at ``now``."""
        return bool(self._services(uri, now))

    def status_keys(self, uri: str, header: Mapping[str, Json], now: int) -> tuple[PublicJwk, ...]:
        """Keys that may have signed the status list at ``uri`` with this header; empty when no service may.

        Raises:
            ConsentInvalid: ``MALFORMED`` or ``ISSUER_UNTRUSTED``; its certificate chain leads to no anchor.
        """
        return tuple(key for service in self._services(uri, now) for key in service.keys_for(header, now))

    def _services(self, uri: str, now: int) -> list[TrustedStatusService]:
        if not self.in_force(now):
            return []
        return [
            service
            for service in self.status_services
            if service.covers(uri) and service.entry.nbf <= now < service.entry.exp
        ]


def read_anchors(data: bytes) -> tuple[PublicJwk, ...]:
    """Anchor keys from a file: one JWK, or a JWK set while one anchor takes over from another (RFC 7517).

    Raises:
        ConsentInvalid: ``MALFORMED``; also for an empty set.
    """
    parsed = parse_object(data)
    match parsed:
        case {"keys": [_, *_] as keys} if all(isinstance(key, dict) for key in keys):
            return tuple(PublicJwk.parse(key) for key in keys if isinstance(key, dict))
        case {"kty": _}:
            return (PublicJwk.parse(parsed),)
        case _:
            raise malformed("not a JWK, nor a JWK set")


def _refused(why: str) -> VerificationFailed:
    return VerificationFailed(
        f"the trust list is refused: {why}",
        code="verification.trust-list",
        remedy="sign a new trust list with the anchor key this installation is configured with",
    )


def _verified(token: str, anchors: tuple[PublicJwk, ...]) -> VerifiedJws:
    refusal = malformed("there is no anchor")
    for anchor in anchors:
        try:
            return verify_compact(token, anchor, typ=TRUST_LIST_TYP, limit=MAX_TRUST_LIST)
        except ConsentInvalid as error:
            refusal = error
    raise refusal


def _keys(entry: _Keys) -> tuple[PublicJwk, ...]:
    """The keys of an entry; its anchors are read as well, so that a bad one is found here and now."""
    for anchor in entry.x5c:
        read_anchor(anchor)
    return tuple(PublicJwk.parse(jwk) for jwk in entry.jwks)


def _chain(value: Json) -> list[str]:
    if not isinstance(value, list):
        raise malformed("x5c must be a list of certificates")
    return [entry if isinstance(entry, str) else "" for entry in value]


def _check_simulated(entry: IssuerEntry, environment: Environment) -> None:
    """Simulated issuers stand on demo lists, and on no other; nothing else stands there."""
    if environment is Environment.DEMO:
        if entry.highest_assurance is not Assurance.SIMULATED or set(entry.vct) != {SIMULATED_VCT}:
            raise _refused("a demo list holds simulated issuers only")
    elif entry.highest_assurance is Assurance.SIMULATED or set(entry.vct) != {FACE_BINDING_VCT}:
        raise _refused("a production list holds no simulated issuer and no other credential type")
