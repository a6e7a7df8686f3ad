"""Strict compact JWS (RFC 7515), ES256 and Ed25519: the key decides, the header is only compared.

:func:`verify_compact` makes these checks, in this order:

1. The token is ASCII text within the size bound (RFC 8725 section 3.11 asks for bounded input).
2. It has exactly three parts, each canonical base64url (RFC 7515 section 5.2, steps 1-3).
3. The header is one strict JSON object (step 4) and holds no member that brings a key, an extension or a
   compression: ``jwk``, ``jku``, ``x5c``, ``x5u``, ``crit``, ``b64``, ``zip`` (RFC 8725 section 3.10). An
   issuer's token may bring ``x5c``: its chain is validated to a listed anchor, by the caller.
4. ``alg`` is the key's own (RFC 8725 section 3.1); ``EdDSA`` is read as the old name of ``Ed25519``.
5. ``typ`` is exactly the one asked for (RFC 8725 section 3.11).
6. The signature holds under the key (step 8).

The payload is not looked at before all six hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from consent_edit.consent.encoding import b64url_decode, malformed, parse_object
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.encoding import Json, JsonValue, b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

MAX_TOKEN: Final = 64 * 1024
"""Characters a token may have; status and trust lists pass a larger bound of their own."""

MAX_HEADER: Final = 96 * 1024
"""Characters a header may have: four certificates of 16 KB fit, and what is kept of headers stays small."""

_FORBIDDEN_HEADERS: Final = frozenset({"jwk", "jku", "x5c", "x5u", "crit", "b64", "zip"})
_ACCEPTED_ALG: Final = {
    Algorithm.ES256: frozenset({"ES256"}),
    Algorithm.ED25519: frozenset({"Ed25519", "EdDSA"}),
}


@dataclass(frozen=True, slots=True)
class VerifiedJws:
    """A token whose signature held.

    Attributes:
        header: The protected header.
        payload: The signed bytes.
    """

    header: Mapping[str, Json]
    payload: bytes = field(repr=False)

    def claims(self) -> dict[str, Json]:
        """The payload as one strict JSON object.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return parse_object(self.payload)


def verify_compact(
    token: str,
    jwk: PublicJwk | Mapping[str, object],
    *,
    typ: str | None = None,
    limit: int = MAX_TOKEN,
    chain: bool = False,
) -> VerifiedJws:
    """Verify a compact JWS; see the module's numbered list.

    Args:
        token: ``header.payload.signature``.
        jwk: The key to verify under, from a source the caller trusts.
        typ: The exact media type expected, or ``None`` when the caller's format has none.
        limit: Longest token taken, in characters.
        chain: Whether the header may bring a certificate chain (``x5c``). It is not looked at here: the
            caller has validated it to an anchor, and ``jwk`` is the key that came out.

    Raises:
        ConsentInvalid: ``MALFORMED``, or ``SIGNATURE_INVALID`` for a wrong ``alg`` or signature.
    """
    key = jwk if isinstance(jwk, PublicJwk) else PublicJwk.parse(jwk)
    # 1. and 2. Bounded text, three canonical parts.
    head, body, tail = _split(token, limit)
    signature, payload = b64url_decode(tail), b64url_decode(body)
    # 3. A strict header that brings nothing of its own.
    header = _header(head, chain)
    # 4. The algorithm is the key's (this is also what refuses "none").
    if str(header.get("alg")) not in _ACCEPTED_ALG[key.algorithm]:
        raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "alg is not the key's algorithm")
    # 5. The type is the one asked for.
    if typ is not None and header.get("typ") != typ:
        raise malformed(f"typ is not {typ}")
    # 6. The signature.
    key.check(signature, f"{head}.{body}".encode("ascii"))
    return VerifiedJws(header=header, payload=payload)


def sign_compact(
    payload: Mapping[str, JsonValue] | bytes,
    key: SigningKey,
    *,
    typ: str,
    kid: str = "",
    headers: Mapping[str, JsonValue] | None = None,
) -> str:
    """Sign a payload as a compact JWS.

    Args:
        payload: Claims, written as canonical JSON (RFC 8785), or bytes signed as they are.
        typ: The media type without ``application/``.
        kid: Key id to put in the header, if any.
        headers: Further header members.
    """
    header: dict[str, JsonValue] = {**(headers or {}), "alg": key.public.algorithm.value, "typ": typ}
    if kid:
        header["kid"] = kid
    body = payload if isinstance(payload, bytes) else canonical_json(payload)
    signed = f"{b64url_encode(canonical_json(header))}.{b64url_encode(body)}"
    return f"{signed}.{b64url_encode(key.sign(signed.encode('ascii')))}"


def unverified(
    token: str, *, limit: int = MAX_TOKEN, chain: bool = False
) -> tuple[Mapping[str, Json], dict[str, Json]]:
    """Header and claims before any signature is checked: only for finding which key to try.

    Args:
        limit: Longest token taken, in characters.
        chain: Whether the header may bring a certificate chain.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    head, body, _ = _split(token, limit)
    return _header(head, chain), parse_object(b64url_decode(body))


def _split(token: str, limit: int) -> tuple[str, str, str]:
    if not isinstance(token, str) or len(token) > limit or not token.isascii():
        raise malformed("not a token, or one beyond the size bound")
    parts = token.split(".")
    if len(parts) != 3 or len(parts[0]) > MAX_HEADER:
        raise malformed("a compact JWS has three parts, and a header within its bound")
    return parts[0], parts[1], parts[2]


@lru_cache(maxsize=64)
def _header(text: str, chain: bool) -> Mapping[str, Json]:
    """The header; an issuer's tokens all bear the same one, so it is read once."""
    header = parse_object(b64url_decode(text))
    if (_FORBIDDEN_HEADERS - {"x5c"} if chain else _FORBIDDEN_HEADERS) & header.keys():
        raise malformed("the header brings a key, an extension or a compression")
    if not isinstance(header.get("kid", ""), str):
        raise malformed("kid must be text")
    return MappingProxyType(header)
