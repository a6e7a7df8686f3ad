"""Receipt keys: an Ed25519 private key for its owner alone, and the public JWK that verifiers are handed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from consent_edit.consent.keys import PublicJwk
from consent_edit.encoding import Json, parse_json
from consent_edit.errors import ConsentInvalid, InputError, Unavailable

PRIVATE_KEY_FILE: Final = "receipt-key.pem"
PUBLIC_KEY_FILE: Final = "receipt-key.jwk.json"
ALGORITHM: Final = "Ed25519"

_MAX_KEY_FILE: Final = 64 * 1024


def key_id(key: Ed25519PublicKey) -> str:
    """The key's RFC 7638 thumbprint, base64url: computed from the key, never taken from a file's ``kid``."""
    return PublicJwk.of(key).thumbprint


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """The public JWK that verifiers are handed (RFC 8037), with ``alg``, ``kid`` and ``use``."""
    return PublicJwk.of(key).export()


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
        listed = parsed.get("keys", [parsed]) if isinstance(parsed, dict) else []
        if not isinstance(listed, list) or not listed:
            raise ValueError("no keys")
        return tuple(_parse(jwk) for jwk in listed)
    except (OSError, ValueError, ConsentInvalid) as error:
        raise InputError(
            f"{path} is not a public Ed25519 key in JWK form ({error})",
            code="input.key",
            remedy=f"pass the operator's {PUBLIC_KEY_FILE}",
        ) from error


def _parse(jwk: Json) -> Ed25519PublicKey:
    """One JWK for verifying; a private key, or one meant for something else, is refused."""
    key = PublicJwk.parse(jwk).key if isinstance(jwk, dict) else None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 JWK")
    return key
