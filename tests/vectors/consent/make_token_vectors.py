"""Remakes the vectors of passkey tokens and sealed tokens, beside those that make_vectors.py makes.

From the repository's root: python tests/vectors/consent/make_token_vectors.py. Each attack of
tests/unit/consent/test_webauthn.py and test_jwe.py becomes a vector; somebody else's verifier can be tried on
them. Keys are fresh at each run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "unit" / "consent")]
PASSKEYS, SEALED = HERE / "passkey_test.json", HERE / "jwe_test.json"
for absent in (PASSKEYS, SEALED):  # the tests read them as they are imported
    if not absent.exists():
        absent.write_text('{"tests": []}')

import test_jwe  # noqa: E402
import test_webauthn  # noqa: E402
from soft_authenticator import SoftAuthenticator  # noqa: E402

from consent_edit.consent.jwe import OpeningKey  # noqa: E402
from consent_edit.consent.keys import Algorithm  # noqa: E402
from consent_edit.encoding import b64url_encode  # noqa: E402

PASSKEY_NOTES = {
    "Form": ("CAN_OF_WORMS", "One token has many spellings, or a huge one exhausts its reader."),
    "Typ": ("MISSING_STEP", "A token of one kind passes for another."),
    "Header": ("CAN_OF_WORMS", "A header nobody signed decides something."),
    "Confusion": ("AUTH_BYPASS", "A JWS passes for an assertion, or an assertion for a JWS."),
    "Assertion": (
        "SIGNATURE_MALLEABILITY",
        "One assertion has many spellings, so a digest does not name it.",
    ),
    "ClientData": ("CAN_OF_WORMS", "Two parsers read two different challenges or origins."),
    "Ceremony": ("MISSING_STEP", "Making a passkey, or paying, passes for signing."),
    "Challenge": ("AUTH_BYPASS", "A signature over one grant counts for another."),
    "Origin": ("MISSING_STEP", "A phishing page has grants signed."),
    "Frame": ("MISSING_STEP", "A page signs unseen inside another site's frame."),
    "AuthenticatorData": (
        "CAN_OF_WORMS",
        "Bytes that nobody reads are signed along, or a flag says untruth.",
    ),
    "RpId": ("MISSING_STEP", "An assertion for another service counts."),
    "User": ("MISSING_STEP", "Whoever holds the device signs, or nobody at all."),
    "Signature": ("AUTH_BYPASS", "Anybody signs for the person depicted."),
}

SEALED_NOTES = {
    "Form": ("CAN_OF_WORMS", "One token has many spellings, or a huge one exhausts its reader."),
    "Parts": ("MODIFIED_PARAMETER", "A part nobody checks carries bytes, or the tag is shortened."),
    "Header": ("MISSING_STEP", "An extension, a compression or another key derivation is ignored."),
    "DuplicateName": ("CAN_OF_WORMS", "Two parsers read two different headers."),
    "AlgConfusion": ("KNOWN_BUG", "The token chooses how it is opened."),
    "Typ": ("MISSING_STEP", "Sealed bytes of one kind pass for another."),
    "InvalidCurve": ("KNOWN_BUG", "A point off the curve gives the private key away piece by piece."),
    "Epk": ("CAN_OF_WORMS", "An ephemeral key brings a secret or says that it is for something else."),
    "Kid": ("MISSING_STEP", "A token for one key is tried on another."),
    "Tag": ("AUTH_BYPASS", "Changed bytes come out of the seal."),
}


def passkeys() -> dict[str, object]:
    """Vectors of passkey tokens, for both algorithms."""
    cases: list[dict[str, object]] = []
    authenticators = {algorithm: SoftAuthenticator.make(algorithm) for algorithm in Algorithm}
    for algorithm, authenticator in authenticators.items():
        own = {"alg": algorithm.value, "public": authenticator.key.export()}
        for name, make in test_webauthn.GOOD.items():
            told = {"payload": b64url_encode(test_webauthn.PAYLOAD), "result": "valid", "status": "verified"}
            cases.append({"name": name, "flags": [], **own, "token": make(authenticator), **told})
        for name, (flag, status, make) in test_webauthn.ATTACKS.items():
            told = {"result": "invalid", "status": status.value}
            cases.append({"name": name, "flags": [flag], **own, "token": make(authenticator), **told})
    return {
        "algorithm": "passkey token",
        "typ": test_webauthn.TYP,
        "passkey": authenticators[Algorithm.ES256].passkey.model_dump(mode="json"),
        "notes": explained(PASSKEY_NOTES),
        "tests": numbered(cases),
    }


def sealed() -> dict[str, object]:
    """Vectors of sealed tokens; the private key is published with them."""
    key, other = OpeningKey.generate("service-2026"), OpeningKey.generate("other")
    good = {"plaintext": b64url_encode(test_jwe.DATA), "result": "valid"}
    cases: list[dict[str, object]] = [
        {"name": name, "flags": [], "jwe": make(key), **good} for name, make in test_jwe.GOOD.items()
    ]
    for name, (flag, make) in test_jwe.ATTACKS.items():
        cases.append({"name": name, "flags": [flag], "jwe": make(key, other), "result": "invalid"})
    return {
        "algorithm": "ECDH-ES A256GCM",
        "typ": test_jwe.TYP,
        "private": key.export_private(),
        "notes": explained(SEALED_NOTES),
        "tests": numbered(cases),
    }


def explained(notes: dict[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Notes in the Wycheproof form."""
    return {flag: {"bugType": bug, "effect": effect} for flag, (bug, effect) in notes.items()}


def numbered(cases: list[dict[str, object]]) -> list[dict[str, object]]:
    """Cases by their running number."""
    return [{"tcId": number, **case} for number, case in enumerate(cases, start=1)]


def main() -> None:
    """Write both files."""
    for path, content in ((PASSKEYS, passkeys()), (SEALED, sealed())):
        path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
