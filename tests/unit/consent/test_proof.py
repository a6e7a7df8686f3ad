"""Proofs of possession: the holder of a key, for one request, at one service, for ten minutes."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soft_authenticator import SoftAuthenticator

from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.consent.proof import (
    MAX_PROOF,
    PROOF_TYP,
    PROOF_WINDOW,
    Proven,
    RequestProof,
    sign_proof,
    verify_proof,
)
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import ConsentStatus

NOW = 1_800_000_000
SERVICE = "https://edit.example"
REQUEST, OTHER_REQUEST = byte_digest(b"request"), byte_digest(b"other request")
KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in Algorithm}
KEY = KEYS[Algorithm.ED25519]


def checked(token: str, *, now: int = NOW, audience: str = SERVICE, request: str = REQUEST) -> Proven:
    """What the service makes of a proof."""
    return verify_proof(token, audience=audience, request=request, now=now)


def status_of(token: str, **asked: object) -> ConsentStatus:
    """Why a proof is refused."""
    with pytest.raises(ConsentInvalid) as caught:
        checked(token, **asked)
    return caught.value.status


def claims(**changes: object) -> dict[str, object]:
    """The claims of a good proof with changes; ``...`` leaves one out."""
    merged = {
        "jti": secrets.token_urlsafe(24),
        "iat": NOW,
        "aud": SERVICE,
        "request": REQUEST,
        "key": KEY.public.export(),
        **changes,
    }
    return {name: value for name, value in merged.items() if value is not ...}


def signed(changes: dict[str, object] | None = None, *, typ: str = PROOF_TYP, by: SigningKey = KEY) -> str:
    """A proof of any content, rightly signed."""
    return sign_compact(canonical_json(claims(**(changes or {}))), by, typ=typ)


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_the_holder_of_a_key_proves_it(key: SigningKey) -> None:
    """A proof gives the thumbprint, a nonce of its own, and the time until which to remember it."""
    first, second = (sign_proof(key, audience=SERVICE, request=REQUEST, now=NOW) for _ in range(2))
    proven = checked(first)
    assert proven.thumbprint == key.public.thumbprint
    assert proven.until == NOW + PROOF_WINDOW + CLOCK_SKEW
    assert len(proven.nonce) >= 22
    assert proven.nonce != checked(second).nonce


def test_a_replayed_proof_has_the_same_nonce() -> None:
    """The caller can tell a second use: it spends the nonce once."""
    token = sign_proof(KEY, audience=SERVICE, request=REQUEST, now=NOW)
    assert checked(token) == checked(token, now=NOW + 5)


def test_a_proof_for_another_service_is_refused() -> None:
    """A service cannot carry on a proof that it was handed."""
    token = sign_proof(KEY, audience="https://other.example", request=REQUEST, now=NOW)
    assert status_of(token) is ConsentStatus.WRONG_AUDIENCE


def test_a_proof_moved_to_another_request_is_refused() -> None:
    """Whoever sees a proof cannot put it to a request of her own."""
    token = sign_proof(KEY, audience=SERVICE, request=OTHER_REQUEST, now=NOW)
    assert status_of(token) is ConsentStatus.REPLAYED


def test_the_window_is_exact() -> None:
    """Good from a clock skew before it was made until the window and a skew after; not a second longer."""
    token = sign_proof(KEY, audience=SERVICE, request=REQUEST, now=NOW)
    assert checked(token, now=NOW - CLOCK_SKEW)
    assert status_of(token, now=NOW - CLOCK_SKEW - 1) is ConsentStatus.NOT_YET_VALID
    until = checked(token, now=NOW + PROOF_WINDOW + CLOCK_SKEW - 1).until
    assert status_of(token, now=until) is ConsentStatus.EXPIRED


def test_somebody_elses_key_in_the_claims_is_refused() -> None:
    """Naming the grantee's key without holding it proves nothing."""
    thief = SigningKey.generate(Algorithm.ED25519)
    assert status_of(signed(by=thief)) is ConsentStatus.SIGNATURE_INVALID


def test_a_thiefs_own_key_comes_to_her_own_thumbprint() -> None:
    """The key in the claims decides nothing but the thumbprint, which a grant must pin."""
    thief = SigningKey.generate(Algorithm.ED25519)
    token = sign_proof(thief, audience=SERVICE, request=REQUEST, now=NOW)
    assert checked(token).thumbprint == thief.public.thumbprint != KEY.public.thumbprint


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": "short"},
        {"jti": ...},
        {"iat": str(NOW)},
        {"iat": NOW + 0.5},
        {"iat": -1},
        {"aud": ""},
        {"aud": [SERVICE, "https://other.example"]},
        {"request": "sha256:abc"},
        {"request": ...},
        {"exp": NOW + 10**9},
        {"key": ...},
        {"key": KEY.public.thumbprint},
        {"key": {}},
        {"key": KEY.export_private()},
        {"key": {**KEY.public.export(), "key_ops": ["verify"]}},
        {"key": {"kty": "oct", "k": "AAAA"}},
    ],
    ids=[
        "guessable jti",
        "no jti",
        "iat as text",
        "iat with a fraction",
        "iat before 1970",
        "empty audience",
        "two audiences",
        "short digest",
        "no request",
        "exp of its own",
        "no key",
        "thumbprint for a key",
        "empty key",
        "private key",
        "key with a list in it",
        "symmetric key",
    ],
)
def test_claims_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    """A proof has these claims, of these forms, and no other, though its signature holds."""
    assert status_of(signed(changes)) is ConsentStatus.MALFORMED


@pytest.mark.parametrize("typ", ["consent-grant+jwt", "JWT", "kb+jwt"])
def test_another_token_of_the_same_key_is_no_proof(typ: str) -> None:
    """What the key signed for something else does not count."""
    assert status_of(signed(typ=typ)) is ConsentStatus.MALFORMED


def test_a_passkey_assertion_is_no_proof() -> None:
    """A passkey token over a proof's claims is refused."""
    authenticator = SoftAuthenticator(KEYS[Algorithm.ES256])
    payload = canonical_json(claims(key=authenticator.key.export()))
    token = authenticator.sign(payload, typ=PROOF_TYP)
    assert status_of(token) is ConsentStatus.SIGNATURE_INVALID


def test_duplicate_key_claims_are_refused() -> None:
    """No key is checked that another parser would not see."""
    body = canonical_json(claims())
    doubled = b'{"key":{},' + body[1:]
    assert status_of(sign_compact(doubled, KEY, typ=PROOF_TYP)) is ConsentStatus.MALFORMED


def test_unsigned_and_oversized_proofs_are_refused() -> None:
    """No signature, another's alg, or more text than a proof can need is refused."""
    head, body, _ = signed().split(".")
    none = b64url_encode(b'{"alg":"none","typ":"edit-request+jwt"}')
    assert status_of(f"{head}.{body}.") is ConsentStatus.SIGNATURE_INVALID
    assert status_of(f"{none}.{body}.") is ConsentStatus.SIGNATURE_INVALID
    assert (
        status_of(signed({"key": {**KEY.public.export(), "note": "x" * MAX_PROOF}}))
        is ConsentStatus.MALFORMED
    )


def test_the_longest_address_fits_the_bound() -> None:
    """The size bound refuses no proof for an address that the schema allows."""
    audience = "https://" + "a" * 2040
    token = sign_proof(KEYS[Algorithm.ES256], audience=audience, request=REQUEST, now=NOW)
    assert len(token) < MAX_PROOF
    assert checked(token, audience=audience).nonce


@pytest.mark.parametrize("bad", [{"audience": ""}, {"request": "x"}, {"now": -1}])
def test_a_proof_nobody_would_take_is_not_signed(bad: dict[str, object]) -> None:
    """The signer hears of a wrong argument at once."""
    with pytest.raises(ConsentInvalid):
        sign_proof(KEY, **{"audience": SERVICE, "request": REQUEST, "now": NOW, **bad})


FIXED = sign_proof(KEY, audience=SERVICE, request=REQUEST, now=NOW)


@given(st.integers(0, len(FIXED) - 1), st.integers(0, 6))
def test_no_flipped_bit_survives(place: int, bit: int) -> None:
    """Flip any one bit of a proof, and it is refused, or is another key's."""
    with pytest.raises(ConsentInvalid):
        checked(FIXED[:place] + chr(ord(FIXED[place]) ^ 1 << bit) + FIXED[place + 1 :])


def test_proofs_hold_the_public_key_alone() -> None:
    """The claims name the key as its public JWK, with nothing secret in it."""
    proof = RequestProof.model_validate_json(canonical_json(claims()))
    assert PublicJwk.parse(proof.key) == KEY.public
