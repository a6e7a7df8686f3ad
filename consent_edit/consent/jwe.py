"""Sealed bytes: compact JWE (RFC 7516) to one P-256 key, by ECDH-ES and A256GCM; nothing else is opened.

Sealing hides; it does not sign. Anybody who has the public key can seal, so what comes out of a seal is
verified as if it had come in the clear.

:func:`open_sealed` makes these checks, in this order:

1. The token is text within the size bound, in five parts, each canonical base64url (RFC 7516 section
   5.2, steps 1-2); the encrypted key is empty (step 10), the initialisation vector of 96 bits and the tag of
   128 (RFC 7518 section 5.3).
2. The header is one strict JSON object (step 3) with exactly ``alg``, ``enc``, ``epk``, ``kid`` and ``typ``:
   no ``zip`` to inflate, no ``crit``, no ``apu`` or ``apv`` to enter the key derivation, no key brought.
3. ``alg`` is ``ECDH-ES``, ``enc`` is ``A256GCM``, ``typ`` is the one asked for (RFC 8725 sections 3.1, 3.11).
4. ``epk`` is a point of P-256, no secret beside it (RFC 7518 section 4.6.1.1; RFC 8725 section 3.4: a point
   off the curve would give the private key away piece by piece).
5. ``kid`` names one of the keys.
6. The tag holds under the key that the Concat KDF (RFC 7518 section 4.6.2) derives.

Whatever fails, the refusal is the same: who sent the token learns nothing from it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from consent_edit.consent.encoding import b64url_decode, malformed, parse_object
from consent_edit.consent.keys import PublicJwk, read_private, write_private
from consent_edit.encoding import JsonValue, b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid

MAX_SEALED: Final = 256 * 1024
"""Characters a sealed token may have unless the reader says otherwise."""

_ALG: Final = "ECDH-ES"
_ENC: Final = "A256GCM"
_HEADER: Final = frozenset({"alg", "enc", "epk", "kid", "typ"})
_POINT: Final = ("kty", "crv", "x", "y")
_OPERATIONS: Final = frozenset({"deriveKey", "deriveBits"})
_KID: Final = re.compile(r"[!-~]{1,256}")
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class SealingJwk:
    """A public key to seal to, and nothing else.

    Attributes:
        kid: The key id its JWK carried, or the thumbprint.
        thumbprint: RFC 7638 SHA-256 thumbprint, base64url.
    """

    kid: str
    thumbprint: str
    key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, key: ec.EllipticCurvePublicKey, kid: str = "") -> SealingJwk:
        """Wrap a P-256 key of the cryptography library.

        Raises:
            ConsentInvalid: ``MALFORMED``; ``kid`` is not 1 to 256 visible ASCII characters.
        """
        thumbprint = PublicJwk.of(key).thumbprint
        if kid and not _KID.fullmatch(kid):
            raise malformed("kid must be visible ASCII, 256 characters at most")
        return cls(kid=kid or thumbprint, thumbprint=thumbprint, key=key)

    @classmethod
    def parse(cls, jwk: Mapping[str, object]) -> SealingJwk:
        """Read a public JWK that says it is for this: ``use: enc`` and ``alg: ECDH-ES``, on P-256.

        A key that does not say so may be somebody's signing key, so it is refused, as is any secret.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        if "d" in jwk or "k" in jwk:
            raise malformed("a JWK for sealing must hold no secret")
        return cls.of(*_purposeful(jwk))

    @classmethod
    def read(cls, data: bytes) -> SealingJwk:
        """Read a JWK from its JSON text.

        Raises:
            ConsentInvalid: as :meth:`parse`; also for a text that is not strict JSON.
        """
        return cls.parse(parse_object(data))

    def export(self) -> dict[str, str]:
        """The public JWK with ``alg``, ``kid`` and ``use``."""
        return {**_point(self.key), "alg": _ALG, "kid": self.kid, "use": "enc"}


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """A private key that opens; its text forms are made only on purpose, never by ``repr``."""

    public: SealingJwk
    _private: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, kid: str = "") -> OpeningKey:
        """A fresh key from the system's random source.

        Raises:
            ConsentInvalid: ``MALFORMED``; ``kid`` is not 1 to 256 visible ASCII characters.
        """
        private = ec.generate_private_key(ec.SECP256R1())
        return cls(public=SealingJwk.of(private.public_key(), kid), _private=private)

    @classmethod
    def parse(cls, jwk: Mapping[str, object]) -> OpeningKey:
        """Read a private JWK; its public half must be the one its secret gives.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        public = SealingJwk.parse({name: value for name, value in jwk.items() if name != "d"})
        text = jwk.get("d")
        secret = b64url_decode(text) if isinstance(text, str) else b""
        if len(secret) != 32:
            raise malformed("JWK member d must be 32 bytes")
        try:
            private = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
        except ValueError as error:
            raise malformed("not a private key") from error
        if SealingJwk.of(private.public_key()).thumbprint != public.thumbprint:
            raise malformed("the halves of the private JWK do not belong together")
        return cls(public=public, _private=private)

    def export_private(self) -> dict[str, str]:
        """The private JWK. Whoever reads it can open what was sealed to the key."""
        secret = self._private.private_numbers().private_value.to_bytes(32, "big")
        return {**self.public.export(), "d": b64url_encode(secret)}

    def save(self, path: Path) -> None:
        """Write the private JWK to a new file that only its owner can read (mode 0600).

        Raises:
            InputError: the file is there already; keys are never overwritten.
        """
        write_private(path, canonical_json(self.export_private()), new=True)

    @classmethod
    def load(cls, path: Path) -> OpeningKey:
        """Read a key written by :meth:`save`.

        Raises:
            InputError: no such file, or one open to others than its owner.
            ConsentInvalid: ``MALFORMED``.
        """
        return cls.parse(parse_object(read_private(path)))

    def agree(self, epk: ec.EllipticCurvePublicKey) -> bytes:
        """The 32-byte content key agreed with a sender's ephemeral key."""
        return _content_key(self._private, epk)


def seal(data: bytes, to: SealingJwk, *, typ: str) -> str:
    """Seal bytes so that only the holder of the key can read them; who sealed them stays unknown.

    Args:
        data: What to seal; its length can be told from the token's.
        to: Whom to seal it to.
        typ: The media type without ``application/``; the opener asks for the same.
    """
    ephemeral = ec.generate_private_key(ec.SECP256R1())  # fresh each time: the key of A256GCM is used once
    header: dict[str, JsonValue] = {
        "alg": _ALG,
        "enc": _ENC,
        "epk": _point(ephemeral.public_key()),
        "kid": to.kid,
        "typ": typ,
    }
    head = b64url_encode(canonical_json(header))
    iv = os.urandom(_IV_BYTES)
    sealed = AESGCM(_content_key(ephemeral, to.key)).encrypt(iv, data, head.encode("ascii"))
    cut = len(sealed) - _TAG_BYTES
    return f"{head}..{b64url_encode(iv)}.{b64url_encode(sealed[:cut])}.{b64url_encode(sealed[cut:])}"


def open_sealed(token: str, keys: Sequence[OpeningKey], *, typ: str, limit: int = MAX_SEALED) -> bytes:
    """Open a sealed token; see the module's numbered list.

    Args:
        token: Compact JWE.
        keys: The reader's own keys, two while it rotates.
        typ: The exact type expected.
        limit: Longest token taken, in characters.

    Raises:
        ConsentInvalid: ``MALFORMED``, the same for whatever is wrong.
    """
    try:
        return _open(token, keys, typ, limit)
    except ConsentInvalid:
        raise malformed("the sealed token cannot be opened: it is malformed, or not for this key") from None


def _open(token: str, keys: Sequence[OpeningKey], typ: str, limit: int) -> bytes:
    # 1. Bounded text, five canonical parts of the right lengths.
    if not isinstance(token, str) or len(token) > limit:
        raise malformed("not a token, or one beyond the size bound")
    parts = token.split(".")
    if len(parts) != 5:
        raise malformed("a compact JWE has five parts")
    head, encrypted_key, iv, text, tag = map(b64url_decode, parts)
    if encrypted_key or len(iv) != _IV_BYTES or len(tag) != _TAG_BYTES:
        raise malformed("a part has the wrong length")
    # 2. A strict header with these members and no other.
    header = parse_object(head)
    if header.keys() != _HEADER:
        raise malformed("the header has other members than it should")
    # 3. The algorithms and the type.
    if (header["alg"], header["enc"], header["typ"]) != (_ALG, _ENC, typ):
        raise malformed("another algorithm or type")
    # 4. The ephemeral point.
    epk = header["epk"]
    if not isinstance(epk, dict) or epk.keys() != set(_POINT):
        raise malformed("epk is not a bare public key")
    point = _p256(epk)
    # 5. The key it is sealed to.
    named = [key for key in keys if key.public.kid == header["kid"]]
    # 6. The tag; a kid that two keys of a rotation share is tried with both.
    for key in named:
        with contextlib.suppress(InvalidTag):
            return AESGCM(key.agree(point)).decrypt(iv, text + tag, parts[0].encode("ascii"))
    raise malformed("sealed to another key, or changed")


def _content_key(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
    """Agree and derive (RFC 7518 section 4.6.2): AlgorithmID, empty apu and apv, the key length in bits."""
    enc = _ENC.encode("ascii")
    info = len(enc).to_bytes(4, "big") + enc + bytes(4) + bytes(4) + (256).to_bytes(4, "big")
    return ConcatKDFHash(SHA256(), 32, info).derive(private.exchange(ec.ECDH(), public))


def _purposeful(jwk: Mapping[str, object]) -> tuple[ec.EllipticCurvePublicKey, str]:
    """Key and kid of a JWK that says what it is for."""
    if jwk.get("use") != "enc" or jwk.get("alg") != _ALG:
        raise malformed("the JWK does not say that it is for sealing: use must be enc, alg ECDH-ES")
    operations = jwk.get("key_ops", [])
    if not isinstance(operations, list | tuple):
        raise malformed("key_ops must be a list")
    names = [str(entry) for entry in operations]
    if not _OPERATIONS.issuperset(names) or len(set(names)) != len(names):  # RFC 7517 section 4.3
        raise malformed("the JWK is not meant for agreeing on a key")
    kid = jwk.get("kid", "")
    if not isinstance(kid, str):
        raise malformed("kid must be text")
    return _p256(jwk), kid


def _p256(jwk: Mapping[str, object]) -> ec.EllipticCurvePublicKey:
    """The point of a JWK; members beside its four are the caller's to judge."""
    key = PublicJwk.parse({name: jwk[name] for name in _POINT if name in jwk}).key
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise malformed("only P-256 keys seal")
    return key


def _point(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    exported = PublicJwk.of(key).export()
    return {name: exported[name] for name in _POINT}
