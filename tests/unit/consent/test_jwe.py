"""Sealed tokens: only the holder of the key reads them, and only in the one form there is."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import ECKey
from jwcrypto import jwe as jwcrypto_jwe
from jwcrypto.jwk import JWK

from consent_edit.consent.encoding import b64url_decode
from consent_edit.consent.jwe import MAX_SEALED, OpeningKey, SealingJwk, open_sealed, seal
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.vocabulary import ConsentStatus

TYP = "sealed-test+jwe"
DATA = canonical_json({"face": "a template"})
KEY, OTHER = OpeningKey.generate(), OpeningKey.generate()
ALG = "ECDH-ES"
VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "vectors" / "consent" / "jwe_test.json").read_text()
)


def point(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """A bare public JWK of any curve."""
    numbers, size = key.public_numbers(), (key.key_size + 7) // 8
    x, y = (b64url_encode(n.to_bytes(size, "big")) for n in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": f"P-{key.key_size}", "x": x, "y": y}


def crafted(
    to: OpeningKey,
    changes: dict[str, object] | None = None,
    *,
    header: Callable[[str], str] = lambda text: text,
    epk: dict[str, object] | None = None,
    encrypted_key: bytes = b"",
    iv_bytes: int = 12,
    enc: str = "A256GCM",
    key_bytes: int = 32,
) -> str:
    """A token with any header at all, whose tag holds for who leaves the defence out."""
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    told = {
        "alg": ALG,
        "enc": enc,
        "epk": {**point(ephemeral.public_key()), **(epk or {})},
        "kid": to.public.kid,
        "typ": TYP,
        **(changes or {}),
    }
    told = {name: value for name, value in told.items() if value is not ...}
    head = b64url_encode(header(json.dumps(told)).encode())
    info = b"".join((len(enc).to_bytes(4, "big"), enc.encode(), bytes(8), (key_bytes * 8).to_bytes(4, "big")))
    shared = ephemeral.exchange(ec.ECDH(), to.public.key)
    cipher = AESGCM(ConcatKDFHash(SHA256(), key_bytes, info).derive(shared))
    iv = bytes(range(iv_bytes))
    text = cipher.encrypt(iv, DATA, head.encode())
    parts = (encrypted_key, iv, text[:-16], text[-16:])
    return ".".join((head, *map(b64url_encode, parts)))


def moved(token: str, count: int) -> str:
    """The token with the border between ciphertext and tag moved; together they stay the same bytes."""
    head, key, iv, text, tag = token.split(".")
    both = b64url_decode(text) + b64url_decode(tag)
    cut = len(both) - count
    return ".".join((head, key, iv, b64url_encode(both[:cut]), b64url_encode(both[cut:])))


def changed(token: str, part: int) -> str:
    """The token with the first byte of one part changed."""
    parts = token.split(".")
    data = b64url_decode(parts[part])
    parts[part] = b64url_encode(bytes([data[0] ^ 1]) + data[1:])
    return ".".join(parts)


def other_curve(curve: ec.EllipticCurve) -> dict[str, object]:
    """An ephemeral key of another curve."""
    return dict(point(ec.generate_private_key(curve).public_key()))


def oversized(key: OpeningKey) -> str:
    """A token one byte of plaintext beyond what the bound takes."""
    return seal(b"x" * (MAX_SEALED * 3 // 4), key.public, typ=TYP)


GOOD: dict[str, Callable[[OpeningKey], str]] = {
    "sealed": lambda key: seal(DATA, key.public, typ=TYP),
    "header in another order and spacing": crafted,
}

Attack = tuple[str, Callable[[OpeningKey, OpeningKey], str]]

ATTACKS: dict[str, Attack] = {
    "four parts": ("Form", lambda k, o: crafted(k).rsplit(".", 1)[0]),
    "sixth part": ("Form", lambda k, o: crafted(k) + "."),
    "padding": ("Form", lambda k, o: crafted(k) + "="),
    "trailing newline": ("Form", lambda k, o: crafted(k) + "\n"),
    "beyond ASCII": ("Form", lambda k, o: crafted(k) + "é"),
    "non-canonical base64url": ("Form", lambda k, o: crafted(k)[:-1] + "_"),
    "bytes in the encrypted key": ("Parts", lambda k, o: crafted(k, encrypted_key=b"key")),
    "initialisation vector of 128 bits": ("Parts", lambda k, o: crafted(k, iv_bytes=16)),
    "initialisation vector of 64 bits": ("Parts", lambda k, o: crafted(k, iv_bytes=8)),
    "tag of 96 bits": ("Parts", lambda k, o: moved(crafted(k), 12)),
    "tag of 160 bits": ("Parts", lambda k, o: moved(crafted(k), 20)),
    "no tag": ("Parts", lambda k, o: moved(crafted(k), 0)),
    "zip": ("Header", lambda k, o: crafted(k, {"zip": "DEF"})),
    "crit": ("Header", lambda k, o: crafted(k, {"crit": ["exp"], "exp": 1})),
    "apu": ("Header", lambda k, o: crafted(k, {"apu": "QWxpY2U"})),
    "empty apv": ("Header", lambda k, o: crafted(k, {"apv": ""})),
    "jwk": ("Header", lambda k, o: crafted(k, {"jwk": k.public.export()})),
    "jku": ("Header", lambda k, o: crafted(k, {"jku": "https://evil.example/jwks"})),
    "x5c": ("Header", lambda k, o: crafted(k, {"x5c": ["AAAA"]})),
    "cty": ("Header", lambda k, o: crafted(k, {"cty": "JWT"})),
    "no epk": ("Header", lambda k, o: crafted(k, {"epk": ...})),
    "header that is a list": ("Header", lambda k, o: crafted(k, header=lambda text: f"[{text}]")),
    "header that is no JSON": ("Header", lambda k, o: crafted(k, header=lambda text: text + "}")),
    "duplicate alg": ("DuplicateName", lambda k, o: crafted(k, header=lambda t: '{"alg":"dir",' + t[1:])),
    "duplicate kid": ("DuplicateName", lambda k, o: crafted(k, header=lambda t: '{"kid":"a",' + t[1:])),
    "duplicate member in epk": (
        "DuplicateName",
        lambda k, o: crafted(k, header=lambda t: t.replace('"crv"', '"crv": "P-384", "crv"')),
    ),
    "alg dir": ("AlgConfusion", lambda k, o: crafted(k, {"alg": "dir"})),
    "alg none": ("AlgConfusion", lambda k, o: crafted(k, {"alg": "none"})),
    "alg with key wrapping": ("AlgConfusion", lambda k, o: crafted(k, {"alg": "ECDH-ES+A256KW"})),
    "alg that is a list": ("AlgConfusion", lambda k, o: crafted(k, {"alg": [ALG]})),
    "enc of 128 bits": ("AlgConfusion", lambda k, o: crafted(k, enc="A128GCM", key_bytes=16)),
    "enc changed in the header": ("AlgConfusion", lambda k, o: crafted(k, {"enc": "A128GCM"})),
    "enc of another mode": ("AlgConfusion", lambda k, o: crafted(k, {"enc": "A256CBC-HS512"})),
    "another typ": ("Typ", lambda k, o: crafted(k, {"typ": "other+jwe"})),
    "typ with its prefix": ("Typ", lambda k, o: crafted(k, {"typ": f"application/{TYP}"})),
    "no typ": ("Typ", lambda k, o: crafted(k, {"typ": ...})),
    "epk off the curve": ("InvalidCurve", lambda k, o: crafted(k, epk={"x": b64url_encode(b"\1" * 32)})),
    "epk zero": (
        "InvalidCurve",
        lambda k, o: crafted(k, epk={"x": b64url_encode(bytes(32)), "y": b64url_encode(bytes(32))}),
    ),
    "epk on P-384": ("InvalidCurve", lambda k, o: crafted(k, epk=other_curve(ec.SECP384R1()))),
    "epk on X25519": (
        "InvalidCurve",
        lambda k, o: crafted(k, {"epk": {"kty": "OKP", "crv": "X25519", "x": b64url_encode(b"\1" * 32)}}),
    ),
    "epk on Ed25519": (
        "InvalidCurve",
        lambda k, o: crafted(
            k,
            epk={"kty": "OKP", "crv": "Ed25519", "x": SigningKey.generate().public.export()["x"]},
        ),
    ),
    "epk with a private member": ("Epk", lambda k, o: crafted(k, epk={"d": b64url_encode(b"\1" * 32)})),
    "epk with a kid": ("Epk", lambda k, o: crafted(k, epk={"kid": "a"})),
    "epk without y": ("Epk", lambda k, o: crafted(k, {"epk": {"kty": "EC", "crv": "P-256", "x": "AAAA"}})),
    "epk with a short coordinate": ("Epk", lambda k, o: crafted(k, epk={"x": "AAAA"})),
    "epk that is text": ("Epk", lambda k, o: crafted(k, {"epk": "AAAA"})),
    "sealed to another key": ("Kid", lambda k, o: crafted(o)),
    "kid of another key": ("Kid", lambda k, o: crafted(k, {"kid": o.public.kid})),
    "own kid on a token for another key": ("Kid", lambda k, o: crafted(o, {"kid": k.public.kid})),
    "kid that is a number": ("Kid", lambda k, o: crafted(k, {"kid": 1})),
    "no kid": ("Kid", lambda k, o: crafted(k, {"kid": ...})),
    "changed ciphertext": ("Tag", lambda k, o: changed(crafted(k), 3)),
    "changed tag": ("Tag", lambda k, o: changed(crafted(k), 4)),
    "changed initialisation vector": ("Tag", lambda k, o: changed(crafted(k), 2)),
    "header respelled after sealing": (
        "Tag",
        lambda k, o: ".".join(
            (
                b64url_encode(b" " + b64url_decode((token := crafted(k)).split(".", 1)[0])),
                token.split(".", 1)[1],
            )
        ),
    ),
}
"""By name: flag, and the token, given the reader's key and somebody else's."""


def refusal(token: str, *keys: OpeningKey) -> str:
    """The message of the refusal, which is ``MALFORMED``."""
    with pytest.raises(ConsentInvalid) as caught:
        open_sealed(token, keys or (KEY,), typ=TYP)
    assert caught.value.status is ConsentStatus.MALFORMED
    assert caught.value.__suppress_context__
    return caught.value.message


@given(st.binary(max_size=300))
def test_what_is_sealed_opens(data: bytes) -> None:
    """The holder of the key gets the bytes back, whatever they are."""
    assert open_sealed(seal(data, KEY.public, typ=TYP), [OTHER, KEY], typ=TYP) == data


def test_the_header_holds_five_members_and_the_token_no_plaintext() -> None:
    """The header says how, to whom and what kind, and nothing of what is inside."""
    token = seal(DATA, KEY.public, typ=TYP)
    head, encrypted_key, iv, text, tag = map(b64url_decode, token.split("."))
    header = json.loads(head)
    assert {name: header[name] for name in ("alg", "enc", "kid", "typ")} == {
        "alg": "ECDH-ES",
        "enc": "A256GCM",
        "kid": KEY.public.kid,
        "typ": TYP,
    }
    assert header["epk"].keys() == {"kty", "crv", "x", "y"}
    assert len(header) == 5
    assert (encrypted_key, len(iv), len(text), len(tag)) == (b"", 12, len(DATA), 16)
    assert DATA not in head + text


def test_the_ephemeral_key_is_fresh_each_time() -> None:
    """Two tokens with the same content share no ephemeral key, vector or ciphertext."""
    first, second = (seal(DATA, KEY.public, typ=TYP).split(".") for _ in range(2))
    assert all(one != other for one, other in zip(first, second, strict=True) if one or other)


@pytest.mark.parametrize("make", GOOD.values(), ids=list(GOOD))
def test_good_tokens_open(make: Callable[[OpeningKey], str]) -> None:
    """Every spelling of a right header opens, for it is under the tag."""
    assert open_sealed(make(KEY), [KEY], typ=TYP) == DATA


@pytest.mark.parametrize(("_flag", "make"), ATTACKS.values(), ids=list(ATTACKS))
def test_sealed_attack(_flag: str, make: Callable[[OpeningKey, OpeningKey], str]) -> None:
    """Each attack is refused."""
    assert refusal(make(KEY, OTHER))


def test_the_refusal_does_not_say_why() -> None:
    """Every attack is refused in the same words: the sender learns nothing from them."""
    messages = {refusal(make(KEY, OTHER)) for _, make in ATTACKS.values()}
    assert messages == {refusal("")}


def test_no_key_opens_nothing() -> None:
    """Without keys, and for something that is no text, the answer is the refusal."""
    with pytest.raises(ConsentInvalid):
        open_sealed(seal(DATA, KEY.public, typ=TYP), [], typ=TYP)
    assert refusal(b"token")


def test_keys_of_a_rotation_may_share_their_kid() -> None:
    """A reader with two keys of one name opens tokens for either."""
    old, new = OpeningKey.generate("service"), OpeningKey.generate("service")
    for key in (old, new):
        assert open_sealed(seal(DATA, key.public, typ=TYP), [old, new], typ=TYP) == DATA


def test_a_larger_bound_is_the_callers_choice() -> None:
    """A long token opens only where the caller passes a larger bound."""
    token = oversized(KEY)
    assert refusal(token)
    assert open_sealed(token, [KEY], typ=TYP, limit=2 * MAX_SEALED)


FIXED = seal(DATA, KEY.public, typ=TYP)


@given(st.integers(0, len(FIXED) - 1), st.integers(0, 6))
def test_no_flipped_bit_survives(place: int, bit: int) -> None:
    """Flip any one bit of a sealed token, and it is refused."""
    assert open_sealed(FIXED, [KEY], typ=TYP) == DATA
    assert refusal(FIXED[:place] + chr(ord(FIXED[place]) ^ 1 << bit) + FIXED[place + 1 :])


@given(st.text(max_size=100), st.binary(max_size=100))
def test_no_other_error_comes_out(text: str, head: bytes) -> None:
    """Whatever comes in, the refusal is a typed one."""
    assert refusal(text)
    assert refusal(f"{b64url_encode(head)}.{FIXED.split('.', 1)[1]}")


def their_header() -> dict[str, object]:
    """The protected header as another library is told it."""
    return {"alg": "ECDH-ES", "enc": "A256GCM", "kid": KEY.public.kid, "typ": TYP}


def test_joserfc_agrees() -> None:
    """joserfc opens what we seal, and we open what it seals."""
    registry = joserfc_jwe.JWERegistry(algorithms=["ECDH-ES", "A256GCM"])
    bare = {name: value for name, value in KEY.export_private().items() if name not in ("use", "alg", "kid")}
    theirs = ECKey.import_key(bare)
    assert theirs.thumbprint() == KEY.public.thumbprint
    token = seal(DATA, KEY.public, typ=TYP)
    assert joserfc_jwe.decrypt_compact(token, theirs, registry=registry).plaintext == DATA
    public = ECKey.import_key({name: value for name, value in bare.items() if name != "d"})
    foreign = joserfc_jwe.encrypt_compact(their_header(), DATA, public, registry=registry)
    assert open_sealed(foreign, [KEY], typ=TYP) == DATA


def test_jwcrypto_agrees() -> None:
    """jwcrypto opens what we seal, and we open what it seals."""
    theirs = JWK(**KEY.export_private())
    opened = jwcrypto_jwe.JWE(algs=["ECDH-ES", "A256GCM"])
    opened.deserialize(seal(DATA, KEY.public, typ=TYP), theirs)
    assert opened.payload == DATA
    sealed = jwcrypto_jwe.JWE(DATA, protected=json.dumps(their_header()))
    sealed.add_recipient(JWK(**KEY.public.export()))
    assert open_sealed(sealed.serialize(compact=True), [KEY], typ=TYP) == DATA


def jwk(**changes: object) -> dict[str, object]:
    """The public JWK with changes; ``...`` leaves a member out."""
    merged = {**KEY.public.export(), **changes}
    return {name: value for name, value in merged.items() if value is not ...}


@pytest.mark.parametrize(
    "bad",
    [
        jwk(use="sig"),
        jwk(use=...),
        jwk(alg="ES256"),
        jwk(alg="ECDH-ES+A256KW"),
        jwk(alg=...),
        jwk(d="AAAA"),
        jwk(k="AAAA"),
        jwk(kid=1),
        jwk(kid="a b"),
        jwk(kid="é"),
        jwk(kid="x" * 257),
        jwk(key_ops="deriveKey"),
        jwk(key_ops=7),
        jwk(key_ops=["verify"]),
        jwk(key_ops=["deriveKey", "deriveKey"]),
        jwk(crv="P-384"),
        jwk(kty="OKP"),
        jwk(x=...),
        jwk(x=b64url_encode(b"\1" * 32)),
        {**SigningKey.generate(Algorithm.ED25519).public.export(), "use": "enc", "alg": "ECDH-ES"},
        SigningKey.generate(Algorithm.ES256).public.export(),
        {},
    ],
)
def test_keys_not_fit_for_sealing_are_refused(bad: dict[str, object]) -> None:
    """A key for signatures, of another curve, with a secret, or silent about its use is refused."""
    with pytest.raises(ConsentInvalid) as caught:
        SealingJwk.parse(bad)
    assert caught.value.status is ConsentStatus.MALFORMED


def test_a_key_for_sealing_verifies_no_signature() -> None:
    """Neither kind of key passes for the other."""
    from consent_edit.consent.keys import PublicJwk

    with pytest.raises(ConsentInvalid):
        PublicJwk.parse(KEY.public.export())


def test_public_keys_survive_their_text() -> None:
    """The exported JWK reads back the same, with and without the operations a browser adds."""
    text = canonical_json(KEY.public.export())
    assert SealingJwk.read(text) == KEY.public
    assert SealingJwk.parse(jwk(key_ops=["deriveBits", "deriveKey"], ext=True)) == KEY.public
    assert SealingJwk.parse(jwk(kid=...)).kid == KEY.public.thumbprint
    assert KEY.public.export()["use"] == "enc"
    with pytest.raises(ConsentInvalid):
        SealingJwk.read(b'{"kty":"EC","kty":"EC"}')


def test_private_keys_survive_their_file(tmp_path: Path) -> None:
    """A saved key is readable by its owner alone, is never overwritten, and opens as before."""
    path = tmp_path / "seal.json"
    KEY.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = OpeningKey.load(path)
    assert loaded.public == KEY.public
    assert open_sealed(seal(DATA, KEY.public, typ=TYP), [loaded], typ=TYP) == DATA
    with pytest.raises(InputError):
        OTHER.save(path)
    assert OpeningKey.load(path).public == KEY.public
    path.chmod(0o644)
    with pytest.raises(InputError) as caught:
        OpeningKey.load(path)
    assert "chmod 600" in caught.value.remedy
    with pytest.raises(InputError):
        OpeningKey.load(tmp_path / "absent.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"d": OTHER.export_private()["d"]},
        {"d": b64url_encode(bytes(32))},
        {"d": b64url_encode(b"\xff" * 32)},
        {"d": "AAAA"},
        {"d": b64url_encode(b"\0" + b64url_decode(KEY.export_private()["d"]))},
        {"d": 1},
        {"use": "sig"},
    ],
)
def test_private_keys_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    """Somebody else's secret, an impossible one, none, or a key for another use is refused."""
    with pytest.raises(ConsentInvalid) as caught:
        OpeningKey.parse({**KEY.export_private(), **changes})
    assert caught.value.status is ConsentStatus.MALFORMED


def test_names_of_keys_are_bounded() -> None:
    """A key is not made under a name that a header could not carry plainly."""
    assert OpeningKey.generate("https://edit.example/keys#1").public.kid == "https://edit.example/keys#1"
    with pytest.raises(ConsentInvalid):
        OpeningKey.generate("two words")


def test_secrets_do_not_show_in_repr() -> None:
    """Printing a key shows no secret."""
    assert KEY.export_private()["d"] not in repr(KEY)


@pytest.mark.parametrize("case", VECTORS["tests"], ids=lambda case: f"{case['tcId']} {case['name']}")
def test_sealed_vector(case: dict[str, str]) -> None:
    """Each published token opens exactly if it is said to."""
    key = OpeningKey.parse(VECTORS["private"])
    try:
        assert open_sealed(case["jwe"], [key], typ=VECTORS["typ"]) == b64url_decode(case["plaintext"])
        result = "valid"
    except ConsentInvalid:
        result = "invalid"
    assert result == case["result"]


def test_every_flag_is_explained_and_used() -> None:
    """Flags name a bug type and its effect; none is unexplained, and every attack here is published."""
    used = {flag for case in VECTORS["tests"] for flag in case["flags"]}
    assert used == set(VECTORS["notes"])
    assert all(note["bugType"] and note["effect"] for note in VECTORS["notes"].values())
    assert {case["name"] for case in VECTORS["tests"]} >= set(ATTACKS) | set(GOOD)
