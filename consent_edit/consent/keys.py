"""Keys as JWKs: ES256 and Ed25519, strictly read, kept in files only their owner can open."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from consent_edit.consent.encoding import b64url_decode, malformed, parse_object
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.vocabulary import ConsentStatus

_P25519: Final = 2**255 - 19
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _P25519 - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)
"""The y of the eight points of small order: under such a key anybody's signature verifies."""

_MAX_KEY_FILE: Final = 16 * 1024

_EcPublic: TypeAlias = ec.EllipticCurvePublicKey
_EdPublic: TypeAlias = ed25519.Ed25519PublicKey
_PublicKey: TypeAlias = "_EcPublic | _EdPublic"
_PrivateKey: TypeAlias = "ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey"


class Algorithm(StrEnum):
    """The two signature algorithms, by their JOSE names (RFC 7518, RFC 9864)."""

    ES256 = "ES256"
    ED25519 = "Ed25519"


def _bad_signature(message: str = "the signature does not hold") -> ConsentInvalid:
    return ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, message)


@dataclass(frozen=True, slots=True)
class PublicJwk:
    """A public key that may verify signatures, and nothing else.

    Attributes:
        algorithm: Decided by the key alone, never by a token's header.
        thumbprint: RFC 7638 SHA-256 thumbprint, base64url; how grants and receipts name the key.
        kid: The key id its JWK carried, or the thumbprint.
    """

    algorithm: Algorithm
    thumbprint: str
    kid: str
    key: _PublicKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, key: _PublicKey, kid: str = "") -> PublicJwk:
        """Wrap a key of the cryptography library (P-256 or Ed25519)."""
        algorithm = Algorithm.ED25519 if isinstance(key, _EdPublic) else Algorithm.ES256
        members = json.dumps(_members(key), sort_keys=True, separators=(",", ":"))  # RFC 7638 section 3
        digest = hashlib.sha256(members.encode("ascii")).digest()
        thumbprint = b64url_encode(digest)
        return cls(algorithm=algorithm, thumbprint=thumbprint, kid=kid or thumbprint, key=key)

    @classmethod
    def parse(cls, jwk: Mapping[str, object]) -> PublicJwk:
        """Read a JWK (RFC 7517).

        Refused: private or symmetric keys, other curves, ``alg`` of another algorithm, ``use`` other than
        ``sig``, ``key_ops`` without ``verify``, coordinates of a wrong length or off the curve, and Ed25519
        points of small order or not in canonical form.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        if "d" in jwk or "k" in jwk:
            raise malformed("a JWK for verifying must hold no secret")
        use, operations = jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
        if use != "sig" or not isinstance(operations, list | tuple) or "verify" not in operations:
            raise malformed("the JWK is not meant for verifying signatures")
        if len({str(entry) for entry in operations}) != len(operations):
            raise malformed("the JWK repeats a key operation")  # RFC 7517 section 4.3
        kid = jwk.get("kid", "")
        if not isinstance(kid, str):
            raise malformed("kid must be text")
        match jwk.get("kty"), jwk.get("crv"):
            case "EC", "P-256":
                allowed = {"ES256"}
                key: _PublicKey = _p256(jwk)
            case "OKP", "Ed25519":
                allowed = {"Ed25519", "EdDSA"}
                key = _ed25519(jwk)
            case _:
                raise malformed("only P-256 and Ed25519 keys are taken")
        if "alg" in jwk and str(jwk["alg"]) not in allowed:
            raise malformed("the JWK names an algorithm that is not its own")
        return cls.of(key, kid)

    @classmethod
    def read(cls, data: bytes) -> PublicJwk:
        """Read a JWK from its JSON text.

        Raises:
            ConsentInvalid: as :meth:`parse`; also for a text that is not strict JSON.
        """
        return cls.parse(parse_object(data))

    def export(self) -> dict[str, str]:
        """The public JWK with ``alg``, ``kid`` and ``use``."""
        return {**_members(self.key), "alg": self.algorithm.value, "kid": self.kid, "use": "sig"}

    def check(self, signature: bytes, data: bytes) -> None:
        """Check a JWS signature: 64 bytes, for ES256 r and s side by side (RFC 7518 section 3.4).

        Raises:
            ConsentInvalid: ``SIGNATURE_INVALID``.
        """
        if len(signature) != 64:
            raise _bad_signature()
        try:
            if isinstance(self.key, _EdPublic):
                self.key.verify(signature, data)
            else:
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                self.key.verify(encode_dss_signature(r, s), data, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise _bad_signature() from None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its text forms are made only on purpose, never by ``repr``."""

    public: PublicJwk
    _private: _PrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519, kid: str = "") -> SigningKey:
        """A fresh key from the system's random source."""
        private: _PrivateKey = (
            ed25519.Ed25519PrivateKey.generate()
            if algorithm is Algorithm.ED25519
            else ec.generate_private_key(ec.SECP256R1())
        )
        return cls(public=PublicJwk.of(private.public_key(), kid), _private=private)

    @classmethod
    def parse(cls, jwk: Mapping[str, object]) -> SigningKey:
        """Read a private JWK; its public half must be the one its secret gives.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        public = PublicJwk.parse({k: v for k, v in jwk.items() if k not in ("d", "use", "key_ops")})
        secret = _member(jwk, "d")
        try:
            private: _PrivateKey = (
                ed25519.Ed25519PrivateKey.from_private_bytes(secret)
                if public.algorithm is Algorithm.ED25519
                else ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
            )
        except ValueError as error:
            raise malformed("not a private key") from error
        if PublicJwk.of(private.public_key()).thumbprint != public.thumbprint:
            raise malformed("the halves of the private JWK do not belong together")
        return cls(public=public, _private=private)

    def export_private(self) -> dict[str, str]:
        """The private JWK. Whoever reads it can sign."""
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            secret = self._private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        else:
            secret = self._private.private_numbers().private_value.to_bytes(32, "big")
        return {**self.public.export(), "d": b64url_encode(secret)}

    def save(self, path: Path) -> None:
        """Write the private JWK to a new file that only its owner can read (mode 0600).

        Raises:
            InputError: the file is there already; keys are never overwritten.
        """
        write_private(path, canonical_json(self.export_private()), new=True)

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a key written by :meth:`save`.

        Raises:
            InputError: no such file, or one open to others than its owner.
            ConsentInvalid: ``MALFORMED``.
        """
        return cls.parse(parse_object(read_private(path)))

    def sign(self, data: bytes) -> bytes:
        """A 64-byte JWS signature over ``data``."""
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(data)
        r, s = decode_dss_signature(self._private.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def read_private(path: Path, *, otherwise: str = "make a new key") -> bytes:
    """The content of a secret file that nobody but its owner can read.

    Args:
        otherwise: What to do where others could have read it.

    Raises:
        InputError: it cannot be read, is open to others, or is no file of a key's size.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise InputError(
                    f"the key file {path.name} is open to others than its owner",
                    code="input.key",
                    remedy=f"chmod 600 {path}; if others could have read it, {otherwise}",
                )
            data = file.read(_MAX_KEY_FILE + 1)
    except OSError as error:
        raise InputError(f"cannot read the key file {path.name}", code="input.key") from error
    if len(data) > _MAX_KEY_FILE:
        raise InputError(f"{path.name} is too long for a key file", code="input.key")
    return data


def write_private(path: Path, data: bytes, *, new: bool = False) -> None:
    """Write a file of mode 0600 in one step: the whole new content or the old.

    Raises:
        InputError: it cannot be written, or ``new`` was asked for and it is there.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # its own: two writers may race
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(scratch, path)
            scratch.unlink()
        else:
            scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise InputError(f"cannot write {path.name}", code="input.file") from error


def _members(key: _PublicKey) -> dict[str, str]:
    """The required members of a JWK, which RFC 7638 hashes."""
    if isinstance(key, _EdPublic):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"crv": "Ed25519", "kty": "OKP", "x": b64url_encode(raw)}
    numbers = key.public_numbers()
    x, y = (b64url_encode(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _member(jwk: Mapping[str, object], name: str) -> bytes:
    text = jwk.get(name)
    data = b64url_decode(text) if isinstance(text, str) else b""
    if len(data) != 32:
        raise malformed(f"JWK member {name} must be 32 bytes")
    return data


def _p256(jwk: Mapping[str, object]) -> _EcPublic:
    x, y = (int.from_bytes(_member(jwk, name), "big") for name in ("x", "y"))
    try:
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise malformed("the JWK's point is not on the curve") from error


def _ed25519(jwk: Mapping[str, object]) -> _EdPublic:
    raw = _member(jwk, "x")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P25519 or y in _SMALL_ORDER_Y:
        raise malformed("the JWK's point is of small order or not canonical")
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)
