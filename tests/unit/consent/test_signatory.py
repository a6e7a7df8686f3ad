"""Who signs: a key by JWS or a passkey by assertions, and never one for the other."""

from __future__ import annotations

import json

import pytest
from soft_authenticator import ORIGIN, RP_ID, SoftAuthenticator

from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.signatory import Signatory, SigningMember
from consent_edit.consent.webauthn import Passkey
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

TYP = "test+jwt"
PAYLOAD = b'{"a":1}'
KEYS = [SigningKey.generate(algorithm) for algorithm in Algorithm]
PASSKEYS = [SoftAuthenticator.make(algorithm) for algorithm in Algorithm]


def refused(signatory: Signatory, token: str, *, typ: str = TYP, limit: int = 4096) -> ConsentStatus:
    """The status of the refusal."""
    with pytest.raises(ConsentInvalid) as caught:
        signatory.verify(token, typ=typ, limit=limit)
    return caught.value.status


@pytest.mark.parametrize("key", KEYS, ids=list(Algorithm))
def test_a_key_signs_jws(key: SigningKey) -> None:
    """A key's JWS of the right type gives back its payload."""
    signatory = Signatory(key.public)
    token = sign_compact(PAYLOAD, key, typ=TYP)
    assert signatory.verify(token, typ=TYP) == PAYLOAD
    assert signatory.thumbprint == key.public.thumbprint
    assert refused(signatory, token, typ="other+jwt") is ConsentStatus.MALFORMED
    assert refused(signatory, token, limit=len(token) - 1) is ConsentStatus.MALFORMED
    stranger = SigningKey.generate(key.public.algorithm)
    assert refused(signatory, sign_compact(PAYLOAD, stranger, typ=TYP)) is ConsentStatus.SIGNATURE_INVALID


@pytest.mark.parametrize("passkey", PASSKEYS, ids=list(Algorithm))
def test_a_passkey_signs_assertions(passkey: SoftAuthenticator) -> None:
    """A passkey's assertion over the type and payload gives back the payload."""
    signatory = Signatory(passkey.key, passkey.passkey)
    token = passkey.sign(PAYLOAD, typ=TYP)
    assert signatory.verify(token, typ=TYP) == PAYLOAD
    assert refused(signatory, token, typ="other+jwt") is ConsentStatus.MALFORMED
    assert refused(signatory, token, limit=len(token) - 1) is ConsentStatus.MALFORMED


@pytest.mark.parametrize("passkey", PASSKEYS, ids=list(Algorithm))
def test_jws_of_a_passkey_s_own_key(passkey: SoftAuthenticator) -> None:
    """A passkey's key never counts without a ceremony: somebody who got the raw key out signs nothing."""
    token = sign_compact(PAYLOAD, passkey.secret, typ=TYP)
    assert refused(Signatory(passkey.key, passkey.passkey), token) is ConsentStatus.MALFORMED


@pytest.mark.parametrize("passkey", PASSKEYS, ids=list(Algorithm))
def test_assertion_under_a_key_said_to_sign_jws(passkey: SoftAuthenticator) -> None:
    """An assertion is no JWS, though the key that made it is the right one."""
    assert refused(Signatory(passkey.key), passkey.sign(PAYLOAD, typ=TYP)) is ConsentStatus.SIGNATURE_INVALID


def test_passkey_of_another_relying_party() -> None:
    """What the key signed on another site does not count, though the key is the same."""
    passkey = PASSKEYS[0]
    elsewhere = Passkey(rp_id="elsewhere.example", origins=("https://elsewhere.example",))
    token = passkey.sign(PAYLOAD, typ=TYP)
    assert refused(Signatory(passkey.key, elsewhere), token) is ConsentStatus.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "signatory", [Signatory(KEYS[0].public), Signatory(PASSKEYS[1].key, PASSKEYS[1].passkey)]
)
def test_a_signatory_survives_its_record(signatory: Signatory) -> None:
    """The record gives back key and passkey both, and is canonical, so that equal ones are the same text."""
    read = Signatory.from_json(signatory.to_json())
    assert read == signatory
    assert read.to_json() == signatory.to_json()
    assert json.loads(signatory.to_json()) == signatory.claim()
    assert SigningMember.model_validate_json(json.dumps(signatory.claim())).signatory() == signatory


def test_a_key_s_claim_names_no_passkey() -> None:
    """The claim of a key is its JWK alone; that of a passkey says where it signs."""
    assert Signatory(KEYS[0].public).claim() == {"jwk": KEYS[0].public.export()}
    claim = Signatory(PASSKEYS[0].key, PASSKEYS[0].passkey).claim()
    assert claim["webauthn"] == {"rp_id": RP_ID, "origins": [ORIGIN]}


def _record(**changes: object) -> str:
    return json.dumps({**Signatory(KEYS[0].public).claim(), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        _record(jwk={**KEYS[0].public.export(), "use": "enc"}),
        _record(jwk={**KEYS[0].public.export(), "d": "AAAA"}),
        _record(jwk={}),
        _record(jkt="x"),
        _record(webauthn={}),
        _record(webauthn={"rp_id": RP_ID, "origins": []}),
        _record(webauthn={"rp_id": RP_ID, "origins": ["https://evil.example"]}),
        _record()[:-1] + ',"jwk":{}}',
    ],
    ids=["empty", "list", "nothing", "enc", "secret", "no-key", "more", "rp", "origins", "foreign", "twice"],
)
def test_records_that_name_no_signatory_are_refused(text: str) -> None:
    """A key not for verifying, a passkey that could sign anywhere, or anything unknown names nobody."""
    with pytest.raises(ConsentInvalid) as caught:
        Signatory.from_json(text)
    assert caught.value.status is ConsentStatus.MALFORMED


def test_a_null_passkey_is_none() -> None:
    """``webauthn: null`` reads as a key that signs JWS, and is not written."""
    signatory = Signatory.from_json(_record(webauthn=None))
    assert signatory.passkey is None
    assert "webauthn" not in signatory.claim()
