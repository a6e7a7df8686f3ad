"""Strict JWS, keys, JSON and base64url."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from consent_edit.consent.encoding import b64url_decode, parse_json, parse_object
from consent_edit.consent.jose import MAX_TOKEN, sign_compact, unverified, verify_compact
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey, write_private
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.vocabulary import ConsentStatus

WYCHEPROOF = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "wycheproof"
TYP = "test+jwt"
KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in Algorithm}


def signed(key: SigningKey, header: object, payload: bytes = b"{}") -> str:
    """A token with any header at all, rightly signed."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    text = f"{b64url_encode(head)}.{b64url_encode(payload)}"
    return f"{text}.{b64url_encode(key.sign(text.encode()))}"


def refused(token: str, key: SigningKey, status: ConsentStatus = ConsentStatus.MALFORMED) -> bool:
    """Whether verification refuses with that status."""
    with pytest.raises(ConsentInvalid) as caught:
        verify_compact(token, key.public, typ=TYP)
    return caught.value.status is status


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_what_is_signed_verifies(key: SigningKey) -> None:
    """A signed token gives back its header and claims, under the key as object or as JWK."""
    token = sign_compact({"a": 1}, key, typ=TYP, kid="k", headers={"x": "y"})
    for public in (key.public, key.public.export()):
        verified = verify_compact(token, public, typ=TYP)
        assert verified.claims() == {"a": 1}
        assert verified.header == {"alg": key.public.algorithm, "typ": TYP, "kid": "k", "x": "y"}
    assert verify_compact(token, key.public).claims() == {"a": 1}


def test_alg_none_is_refused() -> None:
    """A token that says it is unsigned is refused, with and without a signature."""
    key = KEYS[Algorithm.ES256]
    token = signed(key, {"alg": "none", "typ": TYP})
    assert refused(token, key, ConsentStatus.SIGNATURE_INVALID)
    assert refused(token.rsplit(".", 1)[0] + ".", key, ConsentStatus.SIGNATURE_INVALID)


@pytest.mark.parametrize("alg", ["HS256", "ES384", "EdDSA", "Ed25519", "es256", None, 1, ["ES256"]])
def test_an_algorithm_not_the_keys_own_is_refused(alg: object) -> None:
    """The header cannot choose the algorithm."""
    key = KEYS[Algorithm.ES256]
    assert refused(signed(key, {"alg": alg, "typ": TYP}), key, ConsentStatus.SIGNATURE_INVALID)


def test_the_old_name_of_ed25519_is_read() -> None:
    """``EdDSA`` is accepted on input, under an Ed25519 key only, and never written."""
    key = KEYS[Algorithm.ED25519]
    assert verify_compact(signed(key, {"alg": "EdDSA", "typ": TYP}), key.public, typ=TYP).payload == b"{}"
    assert unverified(sign_compact({}, key, typ=TYP))[0]["alg"] == "Ed25519"


@pytest.mark.parametrize("member", ["jwk", "jku", "x5c", "x5u", "crit", "b64", "zip"])
def test_headers_that_bring_something_are_refused(member: str) -> None:
    """A header that brings a key, an extension or a compression is refused though its signature holds."""
    key = KEYS[Algorithm.ES256]
    assert refused(signed(key, {"alg": "ES256", "typ": TYP, member: ["exp"]}), key)


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "crit", "b64", "zip", "x5c+jwk"])
def test_a_chain_is_let_through_and_nothing_else(member: str) -> None:
    """Where a caller has validated a chain, ``x5c`` may stand in the header; the others still may not."""
    key = KEYS[Algorithm.ES256]
    token = signed(key, {"alg": "ES256", "typ": TYP, **{name: ["exp"] for name in member.split("+")}})
    for read in (
        lambda: verify_compact(token, key.public, typ=TYP, chain=True),
        lambda: unverified(token, chain=True),
    ):
        with pytest.raises(ConsentInvalid) as caught:
            read()
        assert caught.value.status is ConsentStatus.MALFORMED


def test_a_chain_changes_nothing_about_the_key() -> None:
    """With a chain let through the token still verifies under the key given, and under no other."""
    key, stranger = KEYS[Algorithm.ES256], SigningKey.generate(Algorithm.ES256)
    token = sign_compact({"a": 1}, key, typ=TYP, headers={"x5c": ["AAAA"]})
    verified = verify_compact(token, key.public, typ=TYP, chain=True)
    assert verified.header["x5c"] == ["AAAA"]
    assert unverified(token, chain=True) == (verified.header, {"a": 1})
    with pytest.raises(ConsentInvalid) as caught:
        verify_compact(token, stranger.public, typ=TYP, chain=True)
    assert caught.value.status is ConsentStatus.SIGNATURE_INVALID


def test_a_header_read_with_a_chain_is_not_remembered_without() -> None:
    """Having been let through once, the very same header is refused where no chain is taken."""
    key = KEYS[Algorithm.ES256]
    token = sign_compact({"a": 1}, key, typ=TYP, headers={"x5c": ["AAAA"], "y": "remembered"})
    for _ in range(2):
        assert verify_compact(token, key.public, typ=TYP, chain=True).claims() == {"a": 1}
        assert refused(token, key)
        with pytest.raises(ConsentInvalid):
            unverified(token)


def test_a_header_given_out_cannot_be_changed() -> None:
    """Headers are remembered, so what one caller gets no caller can write to."""
    key = KEYS[Algorithm.ED25519]
    header = verify_compact(sign_compact({}, key, typ=TYP), key.public, typ=TYP).header
    with pytest.raises(TypeError):
        header["typ"] = "other"  # type: ignore[index]


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"ES256","alg":"ES256","typ":"test+jwt"}',
        b'{"alg":"ES256","typ":"other+jwt"}',
        b'{"alg":"ES256"}',
        b'{"alg":"ES256","typ":"test+jwt","kid":7}',
        b'["ES256"]',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"alg":"ES256","typ":"test+jwt","n":NaN}',
        b'{"alg":"ES256","typ":"test+jwt","n":1e999}',
        b'{"alg":"ES256","typ":"test+jwt","n":"\\ud800"}',
        b'{"alg":"ES256","typ":"test+jwt","n":' + b"[" * 40 + b"]" * 40 + b"}",
    ],
    ids=[
        "duplicate-name",
        "wrong-typ",
        "no-typ",
        "kid-number",
        "not-an-object",
        "not-utf8",
        "byte-order-mark",
        "nan",
        "overflow",
        "lone-surrogate",
        "deep",
    ],
)
def test_headers_not_strict_are_refused(header: bytes) -> None:
    """A header that another parser might read differently is refused though its signature holds."""
    key = KEYS[Algorithm.ES256]
    assert refused(signed(key, header), key)


def test_forms_not_compact_are_refused() -> None:
    """Padding, white space, missing or further parts, other alphabets, and excess are refused."""
    key = KEYS[Algorithm.ED25519]
    good = sign_compact({}, key, typ=TYP)
    head, body, tail = good.split(".")
    for bad in (
        f"{head}.{body}",
        f"{good}.",
        f"{good}=",
        f"{good}\n",
        f" {good}",
        f"{head}.{body}.{tail[:-1]}",
        f"{head}.{body}.é{tail[1:]}",
        f"{head}.{body}=.{tail}",
        f"{head}.{body}.{'A' * MAX_TOKEN}",
    ):
        assert refused(bad, key)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = last[last.index(tail[-1]) ^ 1]
    assert refused(f"{head}.{body}.{tail[:-1]}{twin}", key)  # the same 64 bytes to a lenient decoder


def test_a_larger_bound_is_the_callers_choice() -> None:
    """A long token verifies only where the caller passes a larger bound."""
    key = KEYS[Algorithm.ED25519]
    token = sign_compact({"a": "x" * MAX_TOKEN}, key, typ=TYP)
    assert refused(token, key)
    assert verify_compact(token, key.public, typ=TYP, limit=2 * MAX_TOKEN).claims()


def test_changed_and_foreign_signatures_are_refused() -> None:
    """A changed payload, a cut signature and another key's signature do not hold."""
    key = KEYS[Algorithm.ES256]
    head, body, tail = sign_compact({"a": 1}, key, typ=TYP).split(".")
    invalid = ConsentStatus.SIGNATURE_INVALID
    other = b64url_encode(canonical_json({"a": 2}))
    assert refused(f"{head}.{other}.{tail}", key, invalid)
    assert refused(f"{head}.{body}.{b64url_encode(b64url_decode(tail)[:63])}", key, invalid)
    assert refused(sign_compact({}, SigningKey.generate(Algorithm.ES256), typ=TYP), key, invalid)


def test_payload_that_is_no_object_gives_no_claims() -> None:
    """A signed payload is still read strictly."""
    key = KEYS[Algorithm.ED25519]
    verified = verify_compact(sign_compact(b'{"a":1,"a":2}', key, typ=TYP), key.public, typ=TYP)
    with pytest.raises(ConsentInvalid):
        verified.claims()


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_an_independent_library_agrees(algorithm: Algorithm) -> None:
    """joserfc verifies what we sign, we verify what it signs, and the thumbprints are the same."""
    key = KEYS[algorithm]
    private = key.export_private()
    theirs = ECKey.import_key(private) if algorithm is Algorithm.ES256 else OKPKey.import_key(private)
    assert theirs.thumbprint() == key.public.thumbprint
    names = [algorithm.value]
    token = sign_compact({"a": 1}, key, typ=TYP)
    assert json.loads(jws.deserialize_compact(token, theirs, algorithms=names).payload) == {"a": 1}
    foreign = jws.serialize_compact(
        {"alg": algorithm.value, "typ": TYP}, b'{"b":2}', theirs, algorithms=names
    )
    assert verify_compact(foreign, key.public, typ=TYP).claims() == {"b": 2}


def test_rfc7638_thumbprints_are_bound_to_the_key_alone() -> None:
    """The Ed25519 key of RFC 8037 appendix A.3 has the thumbprint printed there."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "other"}
    key = PublicJwk.parse(jwk)
    assert (key.thumbprint, key.kid) == ("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "other")


def _jwk(algorithm: Algorithm, **changes: object) -> dict[str, object]:
    merged = {**KEYS[algorithm].public.export(), **changes}
    return {name: value for name, value in merged.items() if value is not ...}


@pytest.mark.parametrize(
    "jwk",
    [
        _jwk(Algorithm.ES256, use="enc"),
        _jwk(Algorithm.ES256, key_ops=["sign"]),
        _jwk(Algorithm.ES256, key_ops=["verify", "verify"]),
        _jwk(Algorithm.ES256, key_ops="verify"),
        _jwk(Algorithm.ES256, alg="ES384"),
        _jwk(Algorithm.ES256, alg="Ed25519"),
        _jwk(Algorithm.ED25519, alg="ES256"),
        _jwk(Algorithm.ES256, d="AAAA"),
        _jwk(Algorithm.ES256, kid=1),
        _jwk(Algorithm.ES256, crv="P-384"),
        _jwk(Algorithm.ES256, kty="OKP"),
        _jwk(Algorithm.ES256, x=...),
        _jwk(Algorithm.ES256, x="AAAA"),
        _jwk(Algorithm.ES256, x=b64url_encode(b"\1" * 32)),
        _jwk(Algorithm.ED25519, x=b64url_encode(bytes(32))),
        _jwk(Algorithm.ED25519, x=b64url_encode((1).to_bytes(32, "little"))),
        _jwk(Algorithm.ED25519, x=b64url_encode(((2**255 - 19) + 3).to_bytes(32, "little"))),
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {},
    ],
)
def test_keys_not_fit_for_verifying_are_refused(jwk: dict[str, object]) -> None:
    """Keys for another use, of another kind, with a secret, off the curve or of small order are refused."""
    with pytest.raises(ConsentInvalid) as caught:
        PublicJwk.parse(jwk)
    assert caught.value.status is ConsentStatus.MALFORMED


def test_the_small_order_points_are_of_small_order() -> None:
    """Each refused y belongs to a point that eight times itself is the neutral element."""
    from consent_edit.consent.keys import _P25519, _SMALL_ORDER_Y

    d = -121665 * pow(121666, -1, _P25519) % _P25519
    for y in _SMALL_ORDER_Y:
        doubled = y
        for _ in range(
            3
        ):  # y of 2P from y alone: (y^2 + x^2) / (2 - y^2 + x^2), x^2 = (y^2 - 1) / (d y^2 + 1)
            squared = doubled * doubled % _P25519
            x2 = (squared - 1) * pow(d * squared + 1, -1, _P25519) % _P25519
            doubled = (squared + x2) * pow(2 - squared + x2, -1, _P25519) % _P25519
        assert doubled == 1


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_keys_survive_their_file(algorithm: Algorithm, tmp_path: Path) -> None:
    """A saved key is readable by its owner alone, is never overwritten, and signs as before."""
    path = tmp_path / "key.json"
    KEYS[algorithm].save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = SigningKey.load(path)
    assert loaded.public == KEYS[algorithm].public
    verify_compact(sign_compact({}, loaded, typ=TYP), KEYS[algorithm].public, typ=TYP)
    with pytest.raises(InputError):
        SigningKey.generate().save(path)
    assert SigningKey.load(path).public == KEYS[algorithm].public
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.json"]
    with pytest.raises(InputError):
        SigningKey.load(tmp_path / "absent.json")


def test_private_files_are_replaced_whole(tmp_path: Path) -> None:
    """Rewriting leaves the new content under the same mode; a folder that is not there is an error."""
    path = tmp_path / "state"
    write_private(path, b"one")
    write_private(path, b"two")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o600)
    with pytest.raises(InputError):
        write_private(tmp_path / "no" / "state", b"x")


def test_halves_that_do_not_belong_together_are_refused() -> None:
    """A private JWK with somebody else's public half, or an impossible secret, is refused."""
    for algorithm in Algorithm:
        mixed = {
            **KEYS[algorithm].export_private(),
            "d": SigningKey.generate(algorithm).export_private()["d"],
        }
        with pytest.raises(ConsentInvalid):
            SigningKey.parse(mixed)
    with pytest.raises(ConsentInvalid):
        SigningKey.parse({**KEYS[Algorithm.ES256].export_private(), "d": b64url_encode(bytes(32))})


def test_secrets_do_not_show_in_repr() -> None:
    """Printing a key shows no secret."""
    key = KEYS[Algorithm.ES256]
    assert key.export_private()["d"] not in repr(key)


@given(st.binary(max_size=60))
def test_base64url_has_one_spelling(data: bytes) -> None:
    """Every byte string has exactly one accepted spelling."""
    text = b64url_encode(data)
    assert b64url_decode(text) == data
    for bad in (text + "=", text + "A" * (1 + (-len(text)) % 4), "+" + text, text + "\n"):
        try:
            assert b64url_encode(b64url_decode(bad)) == bad
        except ConsentInvalid:
            continue


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.text(),
        lambda kids: st.lists(kids, max_size=3),
    )
)
def test_strict_json_reads_what_it_writes(value: object) -> None:
    """What is written canonically is read back the same."""
    assert parse_object(canonical_json({"v": value})) == {"v": value}


def test_brackets_in_strings_do_not_count_as_nesting() -> None:
    """Only real nesting is bounded."""
    assert parse_json(b'["' + b"[" * 99 + b'\\"]"]') == ["[" * 99 + '"]']
    assert parse_json(b"[" + b"[]," * 99 + b"[]]") == [[]] * 100
    assert parse_json(b"[1.5]") == [1.5]


def _group_key(jwk: dict[str, object]) -> PublicJwk | None:
    try:
        return PublicJwk.parse(jwk)
    except ConsentInvalid:
        return None


def _wycheproof(name: str) -> list[dict[str, object]]:
    path = WYCHEPROOF / name
    if not path.exists():
        pytest.skip("shared Wycheproof vectors are not beside this checkout")
    groups: list[dict[str, object]] = json.loads(path.read_text())["testGroups"]
    return groups


def test_wycheproof_jws() -> None:
    """Every Wycheproof JWS under a key kind that we take comes out as it says; no other key kind is taken."""
    ran = accepted = 0
    for group in _wycheproof("json_web_signature_test.json"):
        jwk = group.get("public") or group.get("private")
        key = _group_key(jwk)
        for case in group["tests"]:
            ran += 1
            token = case["jws"] if isinstance(case["jws"], str) else json.dumps(case["jws"])
            if key is None:
                ours = jwk.get("crv") in ("P-256", "Ed25519") and "d" not in jwk
                assert case["result"] != "valid" or not ours, case
                continue
            try:
                verify_compact(token, key)
            except ConsentInvalid:
                assert case["result"] != "valid", case
            else:
                assert case["result"] == "valid", case
                accepted += 1
    assert ran > 300
    assert accepted > 0


@pytest.mark.parametrize("name", ["ed25519_test.json", "ecdsa_secp256r1_sha256_p1363_test.json"])
def test_wycheproof_signatures(name: str) -> None:
    """Raw Ed25519 and P-256 signatures hold exactly when Wycheproof says so."""
    counts = {"valid": 0, "invalid": 0}
    for group in _wycheproof(name):
        if name.startswith("ed"):
            key = PublicJwk.parse(
                {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(bytes.fromhex(group["publicKey"]["pk"]))}
            )
        else:
            point = bytes.fromhex(group["publicKey"]["uncompressed"])
            key = PublicJwk.of(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
        for case in group["tests"]:
            try:
                key.check(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                held = True
            except ConsentInvalid:
                held = False
            assert held == (case["result"] == "valid"), case
            counts[case["result"]] += 1
    assert min(counts.values()) > 30


def test_wycheproof_keys() -> None:
    """Of Wycheproof's key sets, no symmetric, mixed or private key is taken for verifying."""
    for group in _wycheproof("json_web_key_test.json"):
        for jwk in group["private"].get("keys", [group["private"]]):
            if "d" in jwk or "k" in jwk:
                with pytest.raises(ConsentInvalid):
                    PublicJwk.parse(jwk)


def test_umask_does_not_widen_private_files(tmp_path: Path) -> None:
    """A permissive umask leaves private files private."""
    old = os.umask(0)
    try:
        write_private(tmp_path / "x", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
