"""A grantee proves her key: a short-lived JWS over one edit request, for one service, good once.

:func:`verify_proof` takes the key from the token's own claims. On purpose: anybody may make such a proof for
a key of her own, and it proves that she holds that key and nothing more. It counts only where a grant pins
the thumbprint it comes to. The checks, in this order:

1. ``key`` is a public JWK (the payload is read before any signature, for this alone).
2. The signature holds under it, and ``typ`` is :data:`PROOF_TYP`.
3. The claims fit the closed schema.
4. ``aud`` is this very service (RFC 8725 section 3.9).
5. ``iat`` is not ahead of the clock, and at most :data:`PROOF_WINDOW` behind it, give or take the clock skew.
6. ``request`` is the digest of this very request.

That a proof counts once is for the caller: it spends :attr:`Proven.nonce` together with the release.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Final

from consent_edit.consent.encoding import malformed
from consent_edit.consent.grant import TokenId
from consent_edit.consent.jose import sign_compact, unverified, verify_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.consent.wire import Digest, Seconds, Text, Wire, read_wire
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

PROOF_TYP: Final = "edit-request+jwt"
PROOF_WINDOW: Final = 600
"""Seconds a proof is good for."""

MAX_PROOF: Final = 8 * 1024
"""Characters a proof may have; one for an ordinary address has some 700."""


class RequestProof(Wire):
    """The claims of a proof.

    Attributes:
        jti: Its unguessable name; the service takes it once.
        iat: When it was made, unix seconds.
        aud: The one service it is for.
        request: Digest of the edit asked for.
        key: The public JWK that signed it.
    """

    jti: TokenId
    iat: Seconds
    aud: Text
    request: Digest
    key: dict[str, str]


@dataclass(frozen=True, slots=True)
class Proven:
    """A key somebody proved to hold, for one request.

    Attributes:
        thumbprint: RFC 7638 thumbprint of the key, for a grant to pin.
        nonce: To be spent with the release; a second use of the proof is refused by it.
        until: Unix seconds from which no verifier takes the proof, so that the nonce may be forgotten.
    """

    thumbprint: str
    nonce: str
    until: int

    @property
    def spent_as(self) -> str:
        """What is spent with the release: this key's nonce, since a nonce is its signer's choice."""
        return f"{self.thumbprint}.{self.nonce}" if self.nonce else ""


def sign_proof(key: SigningKey, *, audience: str, request: str, now: int) -> str:
    """Prove the key for one request.

    Args:
        key: The grantee's.
        audience: The service's name.
        request: ``sha256:<hex>`` of the request.
        now: Unix seconds.

    Returns:
        A compact JWS, ``typ: edit-request+jwt``.

    Raises:
        ConsentInvalid: ``MALFORMED``; an argument does not fit the schema.
    """
    claims = {"jti": secrets.token_urlsafe(24), "iat": now, "aud": audience, "request": request}
    written = json.dumps({**claims, "key": key.public.export()}).encode("utf-8")
    proof = read_wire(RequestProof, written)
    return sign_compact(proof.model_dump(mode="json"), key, typ=PROOF_TYP)


def verify_proof(token: str, *, audience: str, request: str, now: int) -> Proven:
    """Verify a proof; see the module's numbered list.

    Args:
        token: Compact JWS.
        audience: This service's name.
        request: ``sha256:<hex>`` of the request in hand.
        now: Unix seconds.

    Raises:
        ConsentInvalid: ``MALFORMED``, ``SIGNATURE_INVALID``, ``WRONG_AUDIENCE``, ``NOT_YET_VALID``,
            ``EXPIRED``, or ``REPLAYED`` for a proof made for another request.
    """
    # 1. The key it is said to be of.
    _, unread = unverified(token, limit=MAX_PROOF)
    claimed = unread.get("key")
    if not isinstance(claimed, dict):
        raise malformed("a proof names its key")
    key = PublicJwk.parse(claimed)
    # 2. Signature and type.
    verified = verify_compact(token, key, typ=PROOF_TYP)
    # 3. The claims.
    proof = read_wire(RequestProof, verified.payload)
    # 4. The service.
    if proof.aud != audience:
        raise ConsentInvalid(ConsentStatus.WRONG_AUDIENCE, "the proof is for another service")
    # 5. The time.
    until = proof.iat + PROOF_WINDOW + CLOCK_SKEW
    if proof.iat > now + CLOCK_SKEW:
        raise ConsentInvalid(ConsentStatus.NOT_YET_VALID, "the proof is dated ahead of the clock")
    if now >= until:
        raise ConsentInvalid(ConsentStatus.EXPIRED, "the proof is too old")
    # 6. The request.
    if proof.request != request:
        raise ConsentInvalid(ConsentStatus.REPLAYED, "the proof was made for another request")
    return Proven(thumbprint=key.thumbprint, nonce=proof.jti, until=until)
