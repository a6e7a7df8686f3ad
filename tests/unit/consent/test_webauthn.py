"""Passkey tokens: what a passkey signed where it may, and every way of passing something else off for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fido2.cose import ES256, CoseKey, EdDSA
from fido2.server import Fido2Server
from fido2.webauthn import AttestedCredentialData, PublicKeyCredentialRpEntity
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from soft_authenticator import AT, BS, ED, ORIGIN, PRESENT, RP_ID, SYNCED, UP, UV, SoftAuthenticator

from consent_edit.consent.encoding import b64url_decode
from consent_edit.consent.jose import MAX_TOKEN, sign_compact, verify_compact
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.consent.webauthn import Assertion, Passkey, challenge, passkey_token, verify_passkey_token
from consent_edit.consent.wire import read_wire
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

TYP = "test+jwt"
PAYLOAD = canonical_json({"may": ["tone"]})
ASKED = challenge(TYP, PAYLOAD)
EMPTY_MAP, ONE_OUTPUT = b"\xa0", b"\xa1\x68credBlob\xf4"
"""Extension outputs in CBOR: none, and one that says false."""

VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "vectors" / "consent" / "passkey_test.json").read_text()
)
MALFORMED, INVALID = ConsentStatus.MALFORMED, ConsentStatus.SIGNATURE_INVALID

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def parts(token: str) -> list[bytes]:
    """A token's three parts, decoded."""
    return [b64url_decode(part) for part in token.split(".")]


def token_of(*decoded: bytes) -> str:
    """A token of any parts at all."""
    return ".".join(map(b64url_encode, decoded))


def honest(authenticator: SoftAuthenticator) -> str:
    """The token nobody tampered with."""
    return authenticator.sign(PAYLOAD, typ=TYP)


def with_members(authenticator: SoftAuthenticator, **changes: object) -> str:
    """The honest token with the assertion's members changed; ``...`` leaves one out."""
    head, body, tail = parts(honest(authenticator))
    members = {name: value for name, value in {**json.loads(tail), **changes}.items() if value is not ...}
    return token_of(head, body, canonical_json(members))


def with_signature(authenticator: SoftAuthenticator, change: Callable[[bytes], bytes]) -> str:
    """The honest token with its signature changed."""
    signature = authenticator.answer(ASKED).signature
    return with_members(authenticator, signature=b64url_encode(change(signature)))


def with_client_text(authenticator: SoftAuthenticator, text: bytes) -> str:
    """A token over client data of any form, rightly signed."""
    return passkey_token(PAYLOAD, authenticator.over(text, authenticator.authenticator_data()), typ=TYP)


def client_text(authenticator: SoftAuthenticator) -> bytes:
    """The honest client data."""
    return authenticator.client_data(ASKED)


GOOD: dict[str, Callable[[SoftAuthenticator], str]] = {
    "honest": honest,
    "synced passkey": lambda a: a.sign(PAYLOAD, typ=TYP, flags=SYNCED),
    "signature counter": lambda a: a.sign(PAYLOAD, typ=TYP, count=7),
    "no crossOrigin member": lambda a: a.sign(PAYLOAD, typ=TYP, client={"crossOrigin": ...}),
    "unknown member in client data": lambda a: a.sign(
        PAYLOAD, typ=TYP, client={"other_keys_can_be_added_here": "do not compare against a template"}
    ),
    "token binding of old browsers": lambda a: a.sign(
        PAYLOAD, typ=TYP, client={"tokenBinding": {"status": "supported"}}
    ),
    "extension outputs": lambda a: a.sign(PAYLOAD, typ=TYP, flags=PRESENT | ED, rest=ONE_OUTPUT),
}

Attack = tuple[str, ConsentStatus, Callable[[SoftAuthenticator], str]]

ATTACKS: dict[str, Attack] = {
    "token cut in two": ("Form", MALFORMED, lambda a: honest(a).rsplit(".", 1)[0]),
    "fourth part": ("Form", MALFORMED, lambda a: honest(a) + ".AAAA"),
    "padding": ("Form", MALFORMED, lambda a: honest(a) + "="),
    "trailing newline": ("Form", MALFORMED, lambda a: honest(a) + "\n"),
    "characters beyond ASCII": ("Form", MALFORMED, lambda a: honest(a) + "é"),
    "token of another type": ("Typ", MALFORMED, lambda a: a.sign(PAYLOAD, typ="other+jwt")),
    "type changed in the header": (
        "Typ",
        INVALID,
        lambda a: passkey_token(PAYLOAD, a.answer(challenge("other+jwt", PAYLOAD)), typ=TYP),
    ),
    "header spelled otherwise": (
        "Header",
        MALFORMED,
        lambda a: token_of(b'{"alg": "webauthn","typ":"test+jwt"}', *parts(honest(a))[1:]),
    ),
    "key in the header": (
        "Header",
        MALFORMED,
        lambda a: token_of(
            canonical_json({"alg": "webauthn", "jwk": a.key.export(), "typ": TYP}), *parts(honest(a))[1:]
        ),
    ),
    "alg of a JWS in the header": (
        "Header",
        MALFORMED,
        lambda a: token_of(canonical_json({"alg": "ES256", "typ": TYP}), *parts(honest(a))[1:]),
    ),
    "JWS passed off as an assertion": (
        "Confusion",
        MALFORMED,
        lambda a: sign_compact(PAYLOAD, a.secret, typ=TYP),
    ),
    "JWS signature in an assertion's place": (
        "Confusion",
        MALFORMED,
        lambda a: (
            token_of(*parts(honest(a))[:2]) + "." + sign_compact(PAYLOAD, a.secret, typ=TYP).rsplit(".", 1)[1]
        ),
    ),
    "assertion spelled otherwise": (
        "Assertion",
        MALFORMED,
        lambda a: token_of(*parts(honest(a))[:2], parts(honest(a))[2] + b" "),
    ),
    "further member in the assertion": ("Assertion", MALFORMED, lambda a: with_members(a, userHandle="AAAA")),
    "further member that is no text": ("Assertion", MALFORMED, lambda a: with_members(a, userHandle=1)),
    "no signature": ("Assertion", MALFORMED, lambda a: with_members(a, signature=...)),
    "signature that is no text": ("Assertion", MALFORMED, lambda a: with_members(a, signature=1)),
    "duplicate member in the assertion": (
        "Assertion",
        MALFORMED,
        lambda a: token_of(*parts(honest(a))[:2], b'{"signature":"AAAA",' + parts(honest(a))[2][1:]),
    ),
    "padded signature": ("Assertion", MALFORMED, lambda a: with_members(a, signature="MAA=")),
    "client data that is no JSON": ("ClientData", MALFORMED, lambda a: with_client_text(a, b"webauthn.get")),
    "client data that is no object": (
        "ClientData",
        MALFORMED,
        lambda a: with_client_text(a, b"[" + client_text(a) + b"]"),
    ),
    "duplicate challenge": (
        "ClientData",
        MALFORMED,
        lambda a: with_client_text(a, b'{"challenge":"AAAA",' + client_text(a)[1:]),
    ),
    "duplicate origin": (
        "ClientData",
        MALFORMED,
        lambda a: with_client_text(a, b'{"origin":"https://evil.example",' + client_text(a)[1:]),
    ),
    "bytes behind the client data": (
        "ClientData",
        MALFORMED,
        lambda a: with_client_text(a, client_text(a) + b"{}"),
    ),
    "registration": (
        "Ceremony",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"type": "webauthn.create"}),
    ),
    "payment": ("Ceremony", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, client={"type": "payment.get"})),
    "no ceremony named": ("Ceremony", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, client={"type": ...})),
    "assertion replayed for another grant": (
        "Challenge",
        INVALID,
        lambda a: passkey_token(PAYLOAD, a.answer(challenge(TYP, b'{"may":["pose"]}')), typ=TYP),
    ),
    "payload widened after signing": (
        "Challenge",
        INVALID,
        lambda a: passkey_token(PAYLOAD + b" ", a.answer(ASKED), typ=TYP),
    ),
    "sign-in to a website": (
        "Challenge",
        INVALID,
        lambda a: passkey_token(PAYLOAD, a.answer(hashlib.sha256(PAYLOAD).digest()), typ=TYP),
    ),
    "challenge in padded base64": (
        "Challenge",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"challenge": b64url_encode(ASKED) + "="}),
    ),
    "no challenge": ("Challenge", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, client={"challenge": ...})),
    "other origin": (
        "Origin",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"origin": "https://evil.example"}),
    ),
    "origin that begins alike": (
        "Origin",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"origin": ORIGIN + ".evil.example"}),
    ),
    "page below the relying party that is not listed": (
        "Origin",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"origin": "https://blog.wallet.example"}),
    ),
    "plain http": (
        "Origin",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"origin": "http://wallet.example"}),
    ),
    "other port": (
        "Origin",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"origin": ORIGIN + ":8443"}),
    ),
    "list of origins": ("Origin", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, client={"origin": [ORIGIN]})),
    "no origin": ("Origin", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, client={"origin": ...})),
    "cross-origin iframe": (
        "Frame",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"crossOrigin": True}),
    ),
    "crossOrigin that is no boolean": (
        "Frame",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"crossOrigin": 0}),
    ),
    "framed by a named site": (
        "Frame",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, client={"topOrigin": "https://evil.example"}),
    ),
    "authenticator data cut short": (
        "AuthenticatorData",
        MALFORMED,
        lambda a: passkey_token(
            PAYLOAD, a.over(client_text(a), a.authenticator_data(flags=PRESENT)[:36]), typ=TYP
        ),
    ),
    "no authenticator data": (
        "AuthenticatorData",
        MALFORMED,
        lambda a: passkey_token(PAYLOAD, a.over(client_text(a), b""), typ=TYP),
    ),
    "trailing bytes": ("AuthenticatorData", MALFORMED, lambda a: a.sign(PAYLOAD, typ=TYP, rest=EMPTY_MAP)),
    "extension flag without data": (
        "AuthenticatorData",
        MALFORMED,
        lambda a: a.sign(PAYLOAD, typ=TYP, flags=PRESENT | ED),
    ),
    "extension data that is no map": (
        "AuthenticatorData",
        MALFORMED,
        lambda a: a.sign(PAYLOAD, typ=TYP, flags=PRESENT | ED, rest=b"\x80"),
    ),
    "attested credential data": (
        "AuthenticatorData",
        MALFORMED,
        lambda a: a.sign(PAYLOAD, typ=TYP, flags=PRESENT | AT | ED, rest=EMPTY_MAP),
    ),
    "other relying party": ("RpId", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, rp_id="evil.example")),
    "parent relying party": ("RpId", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, rp_id="example")),
    "no user present": ("User", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, flags=UV)),
    "user not verified": ("User", INVALID, lambda a: a.sign(PAYLOAD, typ=TYP, flags=UP)),
    "backed up without being eligible": (
        "User",
        INVALID,
        lambda a: a.sign(PAYLOAD, typ=TYP, flags=PRESENT | BS),
    ),
    "somebody else's passkey": (
        "Signature",
        INVALID,
        lambda a: honest(SoftAuthenticator.make(a.key.algorithm)),
    ),
    "empty signature": ("Signature", INVALID, lambda a: with_signature(a, lambda s: b"")),
    "bytes behind the signature": ("Signature", INVALID, lambda a: with_signature(a, lambda s: s + b"\0")),
    "user verification claimed after signing": (
        "Signature",
        INVALID,
        lambda a: with_members(
            a,
            authenticatorData=b64url_encode(a.authenticator_data(flags=PRESENT)),
            signature=b64url_encode(a.answer(ASKED, flags=UP).signature),
        ),
    ),
    "origin changed after signing": (
        "Signature",
        INVALID,
        lambda a: with_members(
            a, signature=b64url_encode(a.answer(ASKED, client={"origin": "https://evil.example"}).signature)
        ),
    ),
    "signature without the client data": (
        "Signature",
        INVALID,
        lambda a: with_members(a, signature=b64url_encode(a.over(b"", a.authenticator_data()).signature)),
    ),
}
"""By name: flag, status, and the token, made by the rightful passkey as far as the attack lets it be."""

STRICTER = {
    "crossOrigin that is no boolean",
    "cross-origin iframe",
    "framed by a named site",
    "backed up without being eligible",
    "challenge in padded base64",
    "duplicate origin",
    "duplicate challenge",
    "extension data that is no map",
}
"""Attacks that the other library leaves to its caller, or reads leniently."""


def checked(token: str, authenticator: SoftAuthenticator) -> bytes:
    """The payload of a token of :data:`TYP` that verifies."""
    return verify_passkey_token(token, authenticator.key, authenticator.passkey, typ=TYP).payload


def status_of(token: str, authenticator: SoftAuthenticator) -> ConsentStatus:
    """Why a token is refused."""
    with pytest.raises(ConsentInvalid) as caught:
        checked(token, authenticator)
    return caught.value.status


@pytest.fixture(params=list(Algorithm), scope="module")
def authenticator(request: pytest.FixtureRequest) -> SoftAuthenticator:
    """A passkey of either algorithm."""
    return SoftAuthenticator.make(request.param)


@pytest.mark.parametrize("make", GOOD.values(), ids=list(GOOD))
def test_what_a_passkey_signed_verifies(
    make: Callable[[SoftAuthenticator], str], authenticator: SoftAuthenticator
) -> None:
    """The payload comes back, under the one header there is."""
    verified = verify_passkey_token(make(authenticator), authenticator.key, authenticator.passkey, typ=TYP)
    assert verified.payload == PAYLOAD
    assert verified.claims() == {"may": ["tone"]}
    assert verified.header == {"alg": "webauthn", "typ": TYP}


@pytest.mark.parametrize(("_flag", "status", "make"), ATTACKS.values(), ids=list(ATTACKS))
def test_passkey_attack(
    _flag: str,
    status: ConsentStatus,
    make: Callable[[SoftAuthenticator], str],
    authenticator: SoftAuthenticator,
) -> None:
    """Each attack is refused, for its own reason."""
    assert status_of(make(authenticator), authenticator) is status


def test_any_listed_origin_counts_and_only_those() -> None:
    """A passkey may be used on each of its pages, with the port they name."""
    origins = ("https://wallet.example", "https://app.wallet.example:8443")
    authenticator = SoftAuthenticator.make(origins=origins)
    for origin in origins:
        assert checked(authenticator.sign(PAYLOAD, typ=TYP, client={"origin": origin}), authenticator)
    elsewhere = authenticator.sign(PAYLOAD, typ=TYP, client={"origin": "https://app.wallet.example"})
    assert status_of(elsewhere, authenticator) is INVALID


def test_a_passkey_token_is_no_jws(authenticator: SoftAuthenticator) -> None:
    """The same key verifies no passkey token as a JWS."""
    for typ in (TYP, None):
        with pytest.raises(ConsentInvalid) as caught:
            verify_compact(honest(authenticator), authenticator.key, typ=typ)
        assert caught.value.status is INVALID


def test_huge_payloads_and_client_data_are_the_callers_choice(authenticator: SoftAuthenticator) -> None:
    """A long token verifies only where the caller passes a larger bound."""
    key, passkey = authenticator.key, authenticator.passkey
    huge_payload = authenticator.sign(b"x" * MAX_TOKEN, typ=TYP)
    huge_client_data = authenticator.sign(PAYLOAD, typ=TYP, client={"x": "x" * MAX_TOKEN})
    for token in (huge_payload, huge_client_data):
        assert status_of(token, authenticator) is MALFORMED
        assert verify_passkey_token(token, key, passkey, typ=TYP, limit=4 * MAX_TOKEN).payload
    with pytest.raises(ConsentInvalid):
        verify_passkey_token(7, key, passkey, typ=TYP)


def test_both_halves_of_s_count() -> None:
    """ES256 signatures with s and with its negative both hold: authenticators write either."""
    authenticator = SoftAuthenticator.make(Algorithm.ES256)

    def mirrored(signature: bytes) -> bytes:
        r, s = decode_dss_signature(signature)
        return encode_dss_signature(r, P256_ORDER - s)

    assert checked(with_signature(authenticator, mirrored), authenticator) == PAYLOAD


DER_ATTACKS: dict[str, Callable[[bytes], bytes]] = {
    "long form of the length": lambda s: bytes([s[0], 0x81]) + s[1:],
    "leading zeros": lambda s: bytes([0x30, s[1] + 1, 2, s[3] + 1, 0]) + s[4:],
    "r and s side by side": lambda s: b"".join(n.to_bytes(32, "big") for n in decode_dss_signature(s)),
    "negative r": lambda s: b"\x30\x06\x02\x01\xff\x02\x01\x01",
    "negative s": lambda s: b"\x30\x06\x02\x01\x01\x02\x01\xff",
    "indefinite length": lambda s: b"\x30\x80" + s[2:] + b"\0\0",
    "r beyond 256 bits": lambda s: encode_dss_signature(
        decode_dss_signature(s)[0] + 2**256, decode_dss_signature(s)[1]
    ),
    "r beyond the order": lambda s: encode_dss_signature(
        decode_dss_signature(s)[0] % (2**256 - P256_ORDER) + P256_ORDER, decode_dss_signature(s)[1]
    ),
    "zero r": lambda s: encode_dss_signature(0, decode_dss_signature(s)[1]),
    "zero s": lambda s: encode_dss_signature(decode_dss_signature(s)[0], 0),
    "both zero": lambda s: encode_dss_signature(0, 0),
    "third integer": lambda s: bytes([0x30, s[1] + 3]) + s[2:] + b"\x02\x01\x01",
    "another tag": lambda s: b"\x31" + s[1:],
}


@pytest.mark.parametrize("change", DER_ATTACKS.values(), ids=list(DER_ATTACKS))
def test_signatures_not_in_der_are_refused(change: Callable[[bytes], bytes]) -> None:
    """One signature has one spelling, and integers out of range verify nothing."""
    authenticator = SoftAuthenticator.make(Algorithm.ES256)
    assert status_of(with_signature(authenticator, change), authenticator) is INVALID


def test_the_challenge_is_what_was_published() -> None:
    """Wallet pages compute the challenge themselves, so it never changes."""
    assert challenge("a", b"b") == hashlib.sha256(b"consent-edit/webauthn/v1\0a\0b").digest()
    assert challenge("consent-grant+jwt", b"{}") != challenge("consent-withdrawal+jwt", b"{}")


@pytest.mark.parametrize(
    ("rp_id", "origins"),
    [
        ("wallet.example", ()),
        ("wallet.example", ("https://wallet.example",) * 9),
        ("wallet.example", ("https://evil.example",)),
        ("wallet.example", ("https://evilwallet.example",)),
        ("wallet.example", ("https://wallet.example.evil.example",)),
        ("wallet.example", ("http://wallet.example",)),
        ("wallet.example", ("https://wallet.example/",)),
        ("wallet.example", ("https://wallet.example/path",)),
        ("wallet.example", ("https://user@wallet.example",)),
        ("wallet.example", ("https://WALLET.example",)),
        ("wallet.example", ("https://wallet.example:0",)),
        ("wallet.example", ("https://wallet.example\n",)),
        ("wallet.example", ("null",)),
        ("wallet.example", ("*",)),
        ("Wallet.example", ("https://wallet.example",)),
        ("https://wallet.example", ("https://wallet.example",)),
        (".example", ("https://wallet.example",)),
        ("", ("https://wallet.example",)),
        ("localhost", ("http://evil.localhost",)),
    ],
)
def test_passkeys_that_could_be_used_anywhere_are_refused(rp_id: str, origins: tuple[str, ...]) -> None:
    """An origin is exact, https, and of the relying party itself."""
    with pytest.raises(ValidationError):
        Passkey(rp_id=rp_id, origins=origins)
    with pytest.raises(ConsentInvalid):
        read_wire(Passkey, json.dumps({"rp_id": rp_id, "origins": origins}).encode())


@pytest.mark.parametrize(
    ("rp_id", "origin"),
    [
        ("localhost", "http://localhost:3000"),
        ("localhost", "https://localhost"),
        ("wallet.example", "https://a.b-c.wallet.example:65535"),
    ],
)
def test_passkeys_of_one_relying_party_are_read(rp_id: str, origin: str) -> None:
    """Own host, hosts below it, and plain http on this machine are origins; the form survives its text."""
    passkey = Passkey(rp_id=rp_id, origins=(origin,))
    assert read_wire(Passkey, passkey.model_dump_json().encode()) == passkey
    authenticator = SoftAuthenticator.make(rp_id=rp_id, origins=(origin,))
    assert checked(honest(authenticator), authenticator) == PAYLOAD


FLIPPED = {algorithm: SoftAuthenticator.make(algorithm) for algorithm in Algorithm}


@given(payload=st.binary(max_size=40), data=st.data())
def test_no_flipped_bit_survives(payload: bytes, data: st.DataObject) -> None:
    """Flip any one bit of a passkey token, and it is refused."""
    authenticator = FLIPPED[data.draw(st.sampled_from(list(Algorithm)))]
    token = authenticator.sign(payload, typ=TYP)
    assert checked(token, authenticator) == payload
    place, bit = data.draw(st.integers(0, 2**16)) % len(token), data.draw(st.integers(0, 6))
    flipped = token[:place] + chr(ord(token[place]) ^ 1 << bit) + token[place + 1 :]
    with pytest.raises(ConsentInvalid):
        checked(flipped, authenticator)


@given(text=st.text(max_size=200), tail=st.binary(max_size=200))
def test_no_other_error_comes_out(text: str, tail: bytes) -> None:
    """Whatever comes in, the refusal is a typed one."""
    authenticator = FLIPPED[Algorithm.ES256]
    head, body, _ = parts(honest(authenticator))
    assertion = Assertion(authenticator_data=tail, client_data_json=tail[::-1], signature=tail)
    bad = (text, token_of(head, body, tail), passkey_token(PAYLOAD, assertion, typ=TYP))
    for token in (*bad, with_signature(authenticator, lambda _: tail)):
        with pytest.raises(ConsentInvalid):
            checked(token, authenticator)


def oracle_takes(token: str, authenticator: SoftAuthenticator) -> bool:
    """Whether python-fido2 takes the token's assertion for its payload."""
    try:
        _, payload, tail = parts(token)
        members = json.loads(tail)
        key: CoseKey = ES256 if authenticator.key.algorithm is Algorithm.ES256 else EdDSA
        credential = AttestedCredentialData.create(
            bytes(16), b"id", key.from_cryptography_key(authenticator.key.key)
        )
        server = Fido2Server(
            PublicKeyCredentialRpEntity(id=authenticator.passkey.rp_id, name="wallet"),
            verify_origin=lambda origin: origin in authenticator.passkey.origins,
        )
        asked = {"challenge": b64url_encode(challenge(TYP, payload)), "user_verification": "required"}
        server.authenticate_complete(
            asked,
            [credential],
            {
                "id": b64url_encode(b"id"),
                "rawId": b64url_encode(b"id"),
                "type": "public-key",
                "response": {name: members[name] for name in sorted(members)},
            },
        )
    except Exception:  # noqa: BLE001 - whatever it raises, it does not take it
        return False
    return True


@pytest.mark.parametrize("make", GOOD.values(), ids=list(GOOD))
def test_an_independent_library_takes_what_we_take(
    make: Callable[[SoftAuthenticator], str], authenticator: SoftAuthenticator
) -> None:
    """python-fido2 agrees about every good assertion."""
    assert oracle_takes(make(authenticator), authenticator)


TOKEN_ONLY = ("Form", "Typ", "Header", "Confusion", "Assertion")
"""Flags of attacks on the token around the assertion, of which the other library knows nothing."""


@pytest.mark.parametrize("name", [name for name, (flag, _, _) in ATTACKS.items() if flag not in TOKEN_ONLY])
def test_an_independent_library_refuses_what_we_refuse(name: str, authenticator: SoftAuthenticator) -> None:
    """python-fido2 agrees about every attack on the assertion but the listed ones; there we are stricter."""
    token = ATTACKS[name][2](authenticator)
    assert oracle_takes(token, authenticator) == (name in STRICTER)


@pytest.mark.parametrize("case", VECTORS["tests"], ids=lambda case: f"{case['tcId']} {case['name']}")
def test_passkey_vector(case: dict[str, object]) -> None:
    """Each published token verifies exactly if it is said to."""
    key, passkey = PublicJwk.parse(case["public"]), Passkey(**read_passkey(VECTORS["passkey"]))
    try:
        held = verify_passkey_token(case["token"], key, passkey, typ=VECTORS["typ"]).payload
        assert held == b64url_decode(case["payload"])
        result = "valid"
    except ConsentInvalid as error:
        assert error.status == case["status"]
        result = "invalid"
    assert result == case["result"]


def read_passkey(members: dict[str, object]) -> dict[str, object]:
    """The members of a passkey as its form wants them."""
    return {"rp_id": members["rp_id"], "origins": tuple(members["origins"])}


def test_every_flag_is_explained_and_used() -> None:
    """Flags name a bug type and its effect; none is unexplained, and every attack here is published."""
    used = {flag for case in VECTORS["tests"] for flag in case["flags"]}
    assert used == set(VECTORS["notes"])
    assert all(note["bugType"] and note["effect"] for note in VECTORS["notes"].values())
    assert {case["name"] for case in VECTORS["tests"]} >= set(ATTACKS) | set(GOOD)


def test_wire_names_are_pinned() -> None:
    """Wallet pages write these names."""
    authenticator = SoftAuthenticator(SigningKey.generate())
    head, body, tail = parts(honest(authenticator))
    assert head == b'{"alg":"webauthn","typ":"test+jwt"}'
    assert body == PAYLOAD
    assert list(json.loads(tail)) == ["authenticatorData", "clientDataJSON", "signature"]
    assert authenticator.passkey == Passkey(rp_id=RP_ID, origins=(ORIGIN,))
