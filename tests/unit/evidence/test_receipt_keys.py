"""Receipt keys are their owner's alone, and only public Ed25519 keys are taken for verifying."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from consent_edit.encoding import b64url_decode
from consent_edit.errors import InputError, Unavailable
from consent_edit.evidence.keys import (
    PRIVATE_KEY_FILE,
    PUBLIC_KEY_FILE,
    create_receipt_key,
    key_id,
    load_public_keys,
    load_receipt_key,
    public_jwk,
)


def test_key_files_round_trip(tmp_path):
    """A created key loads again, and its JWK gives the matching public key."""
    key = create_receipt_key(tmp_path)
    assert (tmp_path / PRIVATE_KEY_FILE).stat().st_mode & 0o777 == 0o600
    loaded = load_receipt_key(tmp_path / PRIVATE_KEY_FILE)
    (public,) = load_public_keys(tmp_path / PUBLIC_KEY_FILE)
    public.verify(loaded.sign(b"x"), b"x")
    assert (
        key_id(public)
        == key_id(key.public_key())
        == json.loads((tmp_path / PUBLIC_KEY_FILE).read_text())["kid"]
    )


def test_thumbprint_is_that_of_the_rfc():
    """The key id equals the example of RFC 8037, appendix A.3."""
    key = Ed25519PublicKey.from_public_bytes(b64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
    assert key_id(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_key_is_not_overwritten(tmp_path):
    """A second key in the same folder is refused, so that old receipts stay verifiable."""
    create_receipt_key(tmp_path)
    with pytest.raises(InputError):
        create_receipt_key(tmp_path)


def test_private_key_open_to_others(tmp_path):
    """A private key that others may read is not used."""
    create_receipt_key(tmp_path)
    (tmp_path / PRIVATE_KEY_FILE).chmod(0o640)
    with pytest.raises(Unavailable) as caught:
        load_receipt_key(tmp_path / PRIVATE_KEY_FILE)
    assert caught.value.code == "check.receipt-key"


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_private_key_unreadable(tmp_path, content):
    """A file that holds no key is reported as such."""
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    for candidate in (path, tmp_path / "absent.pem"):
        with pytest.raises(Unavailable):
            load_receipt_key(candidate)


def test_key_set(tmp_path):
    """A JWK set gives all its keys, so that keys can be rotated."""
    keys = [Ed25519PrivateKey.generate().public_key() for _ in range(2)]
    (tmp_path / "set.json").write_text(json.dumps({"keys": [public_jwk(key) for key in keys]}))
    assert [key_id(key) for key in load_public_keys(tmp_path / "set.json")] == [key_id(key) for key in keys]


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"},
        {"kty": "EC"},
        {"crv": "X25519"},
        {"alg": "ES256"},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"x": "AAAA"},
        {"x": None},
        {"x": "*" * 43},
        {"alg": None},
        {"kid": 1},
        {"k": "AAAA"},
        {"key_ops": "verify"},
        {"key_ops": ["verify", "verify"]},
        {"x": "AQ" + "A" * 41},
        {"kty": "EC", "crv": "P-256"},
    ],
)
def test_jwk_of_another_kind(tmp_path, change):
    """A private key, another curve, or a key meant for something else is refused."""
    jwk = public_jwk(Ed25519PrivateKey.generate().public_key()) | change
    (tmp_path / "key.json").write_text(json.dumps(jwk))
    with pytest.raises(InputError) as caught:
        load_public_keys(tmp_path / "key.json")
    assert caught.value.code == "input.key"


@pytest.mark.parametrize("text", ["", "[]", '{"keys":[]}', '{"keys":"x"}', '{"x":1,"x":2}', '{"keys":[1]}'])
def test_file_that_is_no_jwk(tmp_path, text):
    """A file without a key verifies nothing."""
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(InputError):
        load_public_keys(tmp_path / "key.json")
