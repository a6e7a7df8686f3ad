"""Receipt keys: an Ed25519 private key for its owner alone, and the public JWK that verifiers are handed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from consent_edit.errors import InputError, Unavailable
from consent_edit.store.canonical_json import JsonValue, canonical_json, parse_json

PRIVATE_KEY_FILE: Final = "receipt-key.pem"
PUBLIC_KEY_FILE: Final = "receipt-key.jwk.json"
ALGORITHM: Final = "Ed25519"

_MAX_KEY_FILE: Final = 64 * 1024


def b64url_encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """The bytes of canonical base64url.

    Raises:
        ValueError: padding, a foreign character, or stray bits at the end.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if b64url_encode(data) != text:
        raise ValueError("not canonical base64url")
    return data


def key_id(key: Ed25519PublicKey) -> str:
    """The key's RFC 7638 thumbprint, base64url: computed from the key, never taken from a file's ``kid``."""
    return b64url_encode(hashlib.sha256(canonical_json(_members(key))).digest())


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """The public JWK that verifiers are handed (RFC 8037), with ``alg``, ``kid`` and ``use``."""
    return {**_members(key), "alg": ALGORITHM, "kid": key_id(key), "use": "sig"}


def create_receipt_key(folder: Path) -> Ed25519PrivateKey:
    """Make a receipt key: ``receipt-key.pem``, readable by its owner alone, and ``receipt-key.jwk.json``.

    Raises:
        InputError: ``input.key``: there is a key already, or the folder cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(folder / PRIVATE_KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        (folder / PUBLIC_KEY_FILE).write_text(json.dumps(public_jwk(key.public_key()), indent=2) + "\n")
    except OSError as error:
        raise InputError(f"no receipt key could be made in {folder}", code="input.key") from error
    return key


def load_receipt_key(path: Path) -> Ed25519PrivateKey:
    """Read a private receipt key.

    Raises:
        Unavailable: ``check.receipt-key``: absent, no Ed25519 key, or open to others than its owner.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise Unavailable(
                f"{path} is open to others than its owner",
                code="check.receipt-key",
                remedy=f"chmod 600 {path}",
            )
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Unavailable(f"{path} holds no key that can be read", code="check.receipt-key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Unavailable(f"{path} holds no Ed25519 key", code="check.receipt-key")
    return key


def load_public_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """The public keys of a JWK or JWK set file, in its order; never empty.

    Raises:
        InputError: ``input.key``: absent, malformed, of another kind, or holding a private key.
    """
    try:
        with path.open("rb") as file:
            parsed = parse_json(file.read(_MAX_KEY_FILE + 1), max_bytes=_MAX_KEY_FILE)
        listed = parsed.get("keys", [parsed]) if isinstance(parsed, Mapping) else []
        if isinstance(listed, str) or not isinstance(listed, list) or not listed:
            raise ValueError("no keys")
        return tuple(_parse(jwk) for jwk in listed)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a public Ed25519 key in JWK form ({error})",
            code="input.key",
            remedy=f"pass the operator's {PUBLIC_KEY_FILE}",
        ) from error


def _parse(jwk: JsonValue) -> Ed25519PublicKey:
    """One JWK; a private key, or one meant for something else, is refused."""
    if not isinstance(jwk, Mapping) or (jwk.get("kty"), jwk.get("crv")) != ("OKP", ALGORITHM):
        raise ValueError("not an Ed25519 JWK")
    operations = jwk.get("key_ops", ["verify"])
    if "d" in jwk or not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("not a JWK for verifying")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHM) not in {ALGORITHM, "EdDSA"}:
        raise ValueError("a JWK meant for something else")
    encoded = jwk.get("x")
    if not isinstance(encoded, str):
        raise ValueError("x is missing")
    return Ed25519PublicKey.from_public_bytes(b64url_decode(encoded))


def _members(key: Ed25519PublicKey) -> dict[str, str]:
    """The members that RFC 7638 hashes for an OKP key (RFC 8037, section 2)."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"crv": ALGORITHM, "kty": "OKP", "x": b64url_encode(raw)}
