"""A passkey's signature over a token: a WebAuthn assertion, verified offline, whose challenge is the payload.

A *passkey token* has three base64url parts: the header ``{"alg":"webauthn","typ":…}``, the payload, and the
assertion as ``{"authenticatorData":…,"clientDataJSON":…,"signature":…}``, both objects in their one canonical
spelling (RFC 8785).

:func:`verify_passkey_token` makes these checks, in this order, those of Web Authentication Level 3, section
7.2, "Verifying an Authentication Assertion", and the token's own:

1. The token is text within the size bound, in three parts, each canonical base64url.
2. The header is, byte for byte, the one for this ``typ``. It is not signed, so it may not say anything.
3. The assertion holds three base64url members and nothing else, canonically written.
4. ``clientDataJSON`` is one strict JSON object; members this version does not know are let be, as section
   5.8.1 asks.
5. ``type`` is ``webauthn.get``: no registration passes for a signature.
6. ``challenge`` is that of this very ``typ`` and payload (:func:`challenge`).
7. ``origin`` is one of the passkey's own.
8. The page was not framed by another origin: ``crossOrigin`` is absent or false, ``topOrigin`` absent.
9. ``authenticatorData`` has the form of section 6.1 for an assertion: 37 bytes, more only as its flags say.
10. ``rpIdHash`` is the SHA-256 of the passkey's RP ID.
11. User present (UP) and user verified (UV) are both set; backed up (BS) only with backup eligible (BE).
12. The signature over ``authenticatorData`` and the SHA-256 of ``clientDataJSON`` holds under the key.

``signCount`` is not looked at: synced passkeys keep it at 0, and nothing offline could remember it. That a
token counts once only is for its ``jti``, its status entry and its uses to see to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from pydantic import Field, model_validator

from consent_edit.consent.encoding import b64url_decode, malformed, parse_object
from consent_edit.consent.jose import MAX_TOKEN, VerifiedJws
from consent_edit.consent.keys import Algorithm, PublicJwk
from consent_edit.consent.wire import Wire
from consent_edit.encoding import Json, JsonValue, b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

PASSKEY_ALG: Final = "webauthn"
"""The ``alg`` of a passkey token; no JOSE algorithm has this name, so no JWS verifier takes one."""

_DOMAIN: Final = b"consent-edit/webauthn/v1"
_MEMBERS: Final = frozenset({"authenticatorData", "clientDataJSON", "signature"})
_FIXED: Final = 37
"""Bytes of authenticator data before anything optional: 32 of rpIdHash, one of flags, four of signCount."""

_UP, _UV, _BE, _BS, _AT, _ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
_CBOR_MAP: Final = 0b101
"""Major type of a map in CBOR (RFC 8949 section 3.1)."""

_HOST = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"

RpId: TypeAlias = Annotated[str, Field(pattern=rf"^{_HOST}$", max_length=253)]
"""A relying party's id: a domain name in lower case, or ``localhost``."""

Origin: TypeAlias = Annotated[str, Field(pattern=rf"^https?://{_HOST}(:[1-9][0-9]{{0,4}})?$", max_length=300)]
"""An origin as browsers write it: scheme, host, a port if it is not the scheme's own, and no path."""


class Passkey(Wire):
    """What, beside its public key, decides whether an assertion of a passkey counts.

    Attributes:
        rp_id: The relying party the passkey was made for.
        origins: The pages it may sign on, each of the relying party's host or below it; https, except on
            ``localhost``.
    """

    rp_id: RpId
    origins: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _origins_belong_to_the_rp(self) -> Passkey:
        for origin in self.origins:
            scheme, _, rest = origin.partition("://")
            host = rest.partition(":")[0]
            if host != self.rp_id and not host.endswith(f".{self.rp_id}"):
                raise ValueError("an origin is not of the relying party")
            if scheme != "https" and host != "localhost":
                raise ValueError("an origin must be https")
        return self


@dataclass(frozen=True, slots=True)
class Assertion:
    """What ``navigator.credentials.get`` answers, as bytes.

    Attributes:
        authenticator_data: What the authenticator says of itself and of the user.
        client_data_json: What the browser says of the page, exactly as it was hashed.
        signature: DER for ES256, 64 bytes for Ed25519.
    """

    authenticator_data: bytes = field(repr=False)
    client_data_json: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def challenge(typ: str, payload: bytes) -> bytes:
    """The 32-byte challenge a passkey signs in order to sign ``payload`` as a token of type ``typ``.

    The domain tag keeps it apart from any sign-in; ``typ``, which holds no NUL, keeps kinds of token apart.
    """
    return hashlib.sha256(b"\0".join((_DOMAIN, typ.encode("utf-8"), payload))).digest()


def passkey_token(payload: bytes, assertion: Assertion, *, typ: str) -> str:
    """Put a payload and the assertion over its :func:`challenge` together; nothing is verified here."""
    members: dict[str, JsonValue] = {
        "authenticatorData": b64url_encode(assertion.authenticator_data),
        "clientDataJSON": b64url_encode(assertion.client_data_json),
        "signature": b64url_encode(assertion.signature),
    }
    return ".".join(map(b64url_encode, (canonical_json(_header(typ)), payload, canonical_json(members))))


def verify_passkey_token(
    token: str, key: PublicJwk, passkey: Passkey, *, typ: str, limit: int = MAX_TOKEN
) -> VerifiedJws:
    """Verify a passkey token; see the module's numbered list.

    Args:
        token: ``header.payload.assertion``.
        key: The passkey's public key, from a source the caller trusts.
        passkey: Where the passkey may sign, from the same source.
        typ: The exact type expected.
        limit: Longest token taken, in characters.

    Raises:
        ConsentInvalid: ``MALFORMED`` for what cannot be read; ``SIGNATURE_INVALID`` for an assertion made
            elsewhere, over something else, without the person, or by another key.
    """
    # 1. Bounded text, three canonical parts.
    if not isinstance(token, str) or len(token) > limit:
        raise malformed("not a token, or one beyond the size bound")
    parts = token.split(".")
    if len(parts) != 3:
        raise malformed("a passkey token has three parts")
    head, payload, tail = map(b64url_decode, parts)
    # 2. The one header there is for this type.
    header = _header(typ)
    if head != canonical_json(header):
        raise malformed(f"not the header of a passkey token of type {typ}")
    # 3. The assertion.
    assertion = _assertion(tail)
    # 4. to 8. What the browser says.
    _check_client_data(assertion.client_data_json, challenge(typ, payload), passkey)
    # 9. to 11. What the authenticator says.
    _check_authenticator_data(assertion.authenticator_data, passkey)
    # 12. The signature.
    signed = assertion.authenticator_data + hashlib.sha256(assertion.client_data_json).digest()
    key.check(_raw_signature(assertion.signature, key), signed)
    return VerifiedJws(header=MappingProxyType(header), payload=payload)


def _header(typ: str) -> dict[str, Json]:
    return {"alg": PASSKEY_ALG, "typ": typ}


def _assertion(data: bytes) -> Assertion:
    """The assertion in its one spelling; it is not signed itself, so another would make another token."""
    members = parse_object(data)
    texts = {name: text for name, text in members.items() if isinstance(text, str)}
    if texts.keys() != _MEMBERS or data != canonical_json(texts):
        raise malformed("the assertion does not hold its three members, canonically")
    return Assertion(
        authenticator_data=b64url_decode(texts["authenticatorData"]),
        client_data_json=b64url_decode(texts["clientDataJSON"]),
        signature=b64url_decode(texts["signature"]),
    )


def _check_client_data(data: bytes, expected: bytes, passkey: Passkey) -> None:
    # 4. One strict JSON object.
    client: Mapping[str, Json] = parse_object(data)
    # 5. "type" is the string webauthn.get.
    if client.get("type") != "webauthn.get":
        raise _invalid("the client data is not that of an assertion")
    # 6. "challenge" equals the base64url encoding of the challenge; text against text, so one spelling only.
    if client.get("challenge") != b64url_encode(expected):
        raise _invalid("the passkey signed something else")
    # 7. "origin" is an origin expected.
    if client.get("origin") not in passkey.origins:
        raise _invalid("the passkey was used on another origin")
    # 8. "crossOrigin" and "topOrigin": no framing by another site is expected.
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise _invalid("the passkey was used in another site's frame")


def _check_authenticator_data(data: bytes, passkey: Passkey) -> None:
    # 9. The form. Extension outputs are one CBOR map that the signature covers; none is asked for and none
    #    could make an assertion count for more, so it is passed over and no CBOR parser is put in reach.
    #    Attested credential data belongs to registrations; section 6.1 bans it from assertions.
    if len(data) < _FIXED:
        raise malformed("the authenticator data is cut short")
    flags, rest = data[32], data[_FIXED:]
    if flags & _AT:
        raise malformed("the authenticator data is that of a registration")
    if bool(flags & _ED) != bool(rest) or (rest and rest[0] >> 5 != _CBOR_MAP):
        raise malformed("the authenticator data is not as long as its flags say")
    # 10. "rpIdHash".
    if data[:32] != hashlib.sha256(passkey.rp_id.encode("ascii")).digest():
        raise _invalid("the passkey was used for another relying party")
    # 11. UP and UV are set; BS is not set without BE.
    if not flags & _UP or not flags & _UV:
        raise _invalid("the authenticator did not verify that the person was there")
    if flags & _BS and not flags & _BE:
        raise _invalid("the authenticator contradicts itself about backups")


def _raw_signature(signature: bytes, key: PublicJwk) -> bytes:
    """The signature as JWS has it; WebAuthn writes ES256 in DER (section 6.5.5); any s counts."""
    if key.algorithm is Algorithm.ED25519:
        return signature
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError):
        raise _invalid("the signature is not in DER") from None


def _invalid(why: str) -> ConsentInvalid:
    return ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, why)
