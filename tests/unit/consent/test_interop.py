"""Other people's libraries: what we sign verifies there, what they sign verifies here, where they are lax.

Three implementations that share no code with ours or with each other: OWF ``sd-jwt`` (the reference of RFC
9901), ``openvc-core``, and ``@sd-jwt/sd-jwt-vc``, whose answers were recorded by
tests/vectors/consent/make_interop.py. They are oracles here and nothing more: no other module imports them.
"""

from __future__ import annotations

import base64
import datetime
import json
import time
from pathlib import Path

import openvc.proof.sd_jwt as openvc_sd_jwt
import pytest
import sd_jwt.holder as owf_holder
from consent_world import STATUS_URI, ConsentWorld, Person, make_trust_token
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from jwcrypto.jwk import JWK
from openvc.keys import signing_key_from_jwk
from openvc.proof.errors import ProofError
from openvc.status.issue import build_status_list_token, verify_status_list_token
from openvc.status.token_status_list import check_token_status, new_status_list, set_status
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier
from test_chain import Party, ca_extensions, issued
from test_sd_jwt import AUDIENCE, ISSUER, NONCE, NOW, Desk, trust_in

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import FACE_BINDING_VCT
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.consent.status.lists import StatusLists, StatusValue
from consent_edit.consent.trust import TrustList
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "consent"
RECORDED = json.loads((FOLDER / "interop_sd_jwt_js.json").read_text())
SUITE = openvc_sd_jwt.SdJwtVcProofSuite()
S = ConsentStatus


@pytest.fixture(autouse=True)
def _their_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their clocks stand where ours does; they cannot all be told the time."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    monkeypatch.setattr(owf_holder, "time", lambda: float(NOW))


def enrolled(algorithm: Algorithm) -> Person:
    """Somebody with a credential from our issuer's own toolkit."""
    return ConsentWorld.make(algorithm=algorithm).person(algorithm=algorithm)


def presented(person: Person, now: int = NOW) -> str:
    """Her credential with its key binding."""
    return sd_jwt.bind_key(person.enrolment.credential, person.key, audience=AUDIENCE, nonce=NONCE, now=now)


def refusal(desk: Desk, presentation: str, **asked: object) -> ConsentStatus:
    """What we say to a presentation that another library takes."""
    with pytest.raises(ConsentInvalid) as caught:
        desk.verify(presentation, **asked)
    return caught.value.status


# ---------------------------------------------------------------------------------------------- OWF sd-jwt


def owf_key(key: SigningKey) -> JWK:
    """The private key as jwcrypto has it."""
    return JWK(**{name: value for name, value in key.export_private().items() if name != "alg"})


def owf_reads(presentation: str, issuer: PublicJwk, **bound: str) -> dict[str, object]:
    """What OWF sd-jwt makes of a presentation."""
    key = JWK(**issuer.export())
    return dict(SDJWTVerifier(presentation, lambda *_: key, **bound).get_verified_payload())


def owf_presents(desk: Desk, *, bind: bool = True, **changes: object) -> str:
    """A credential that OWF sd-jwt issued and bound."""
    claims = desk.claims(cnf=..., **changes)
    hidden = {
        SDObj(name) if name in ("birthdate", "age_over_18") else name: value for name, value in claims.items()
    }
    issued_by_them = SDJWTIssuer(
        hidden,
        owf_key(desk.issuer),
        owf_key(desk.holder),
        add_decoy_claims=True,
        extra_header_parameters={"typ": "dc+sd-jwt"},
    )
    holder = SDJWTHolder(issued_by_them.sd_jwt_issuance)
    shown = {"birthdate": True, "age_over_18": True}
    if bind:
        holder.create_presentation(shown, NONCE, AUDIENCE, owf_key(desk.holder))
    else:
        holder.create_presentation(shown)
    return str(holder.sd_jwt_presentation)


def test_ours_verifies_in_owf_sd_jwt() -> None:
    """Our issuer's credential and our key binding hold there, disclosures in place (it knows ES256 only)."""
    person = enrolled(Algorithm.ES256)
    claims = owf_reads(
        presented(person), person.world.issuer.key.public, expected_aud=AUDIENCE, expected_nonce=NONCE
    )
    assert claims["birthdate"] == "1990-05-17"
    assert {entry["model"] for entry in claims["face_template"]} == set(person.templates)
    assert claims["cnf"] == {"jwk": person.key.public.export()}


def test_owf_sd_jwt_refuses_what_was_changed_of_ours() -> None:
    """Another nonce, another service, and a disclosure left out are seen there as well."""
    person = enrolled(Algorithm.ES256)
    good, issuer = presented(person), person.world.issuer.key.public
    jwt, _, *rest = good.split("~")
    for presentation, audience, nonce in (
        (good, AUDIENCE, "other"),
        (good, "https://evil.example", NONCE),
        ("~".join([jwt, *rest]), AUDIENCE, NONCE),
    ):
        with pytest.raises(ValueError, match=r"nonce|audience|digest"):
            owf_reads(presentation, issuer, expected_aud=audience, expected_nonce=nonce)


def test_owf_sd_jwt_s_verifies_in_ours() -> None:
    """What it issues and binds, decoy digests and all, verifies here."""
    desk = Desk.make(Algorithm.ES256)
    verified = desk.verify(owf_presents(desk))
    assert verified.issuer == ISSUER
    assert verified.claims["birthdate"] == "1990-05-17"
    jwk = {name: desk.holder.public.export()[name] for name in ("crv", "x", "y")}
    assert verified.claims["cnf"]["jwk"].items() >= jwk.items()


def test_expired_credential_that_owf_sd_jwt_takes() -> None:
    """It looks at no expiry; ours refuses the credential as expired."""
    desk = Desk.make(Algorithm.ES256)
    over = owf_presents(desk, iat=NOW - 9, nbf=NOW - 9, exp=NOW - 60)
    assert owf_reads(over, desk.issuer.public, expected_aud=AUDIENCE, expected_nonce=NONCE)["exp"] == NOW - 60
    assert refusal(desk, over) is S.EXPIRED


def test_credential_of_tomorrow_that_owf_sd_jwt_takes() -> None:
    """Nor does it look at when a credential begins."""
    desk = Desk.make(Algorithm.ES256)
    early = owf_presents(desk, nbf=NOW + 61)
    assert owf_reads(early, desk.issuer.public, expected_aud=AUDIENCE, expected_nonce=NONCE)
    assert refusal(desk, early) is S.NOT_YET_VALID


def test_stripped_key_binding_that_owf_sd_jwt_takes() -> None:
    """A presentation whose key binding somebody tore off verifies there; ours refuses it."""
    desk = Desk.make(Algorithm.ES256)
    stripped = owf_presents(desk).rpartition("~")[0] + "~"
    assert owf_reads(stripped, desk.issuer.public)["iss"] == ISSUER
    assert refusal(desk, stripped) is S.MALFORMED
    assert refusal(desk, owf_presents(desk, bind=False)) is S.MALFORMED


def test_stale_key_binding_that_owf_sd_jwt_takes() -> None:
    """It looks at no time of the binding; ours refuses one older than its window."""
    desk = Desk.make(Algorithm.ES256)
    kept, late = owf_presents(desk), NOW + sd_jwt.BINDING_WINDOW + 60
    assert owf_reads(kept, desk.issuer.public, expected_aud=AUDIENCE, expected_nonce=NONCE)
    assert refusal(desk, kept, now=late) is S.EXPIRED


def test_disclosure_nobody_refers_to_that_owf_sd_jwt_takes() -> None:
    """It passes over a disclosure that no digest names; ours refuses (RFC 9901 section 7.1)."""
    desk = Desk.make(Algorithm.ES256)
    jwt, *rest = desk.credential().split("~")
    extra = "WyJjMkZzZEEiLCAic21pbGUiLCB0cnVlXQ"
    loose = desk.bound("~".join([jwt, extra, *rest]))
    assert owf_reads(loose, desk.issuer.public, expected_aud=AUDIENCE, expected_nonce=NONCE)
    assert refusal(desk, loose) is S.MALFORMED


# ---------------------------------------------------------------------------------------------- openvc-core


def openvc_reads(presentation: str, issuer: PublicJwk, **asked: object) -> openvc_sd_jwt.VerifiedSdJwt:
    """What openvc-core makes of a presentation."""
    told = {"audience": AUDIENCE, "nonce": NONCE, "require_key_binding": True, **asked}
    return SUITE.verify(presentation, public_key_jwk=issuer.export(), expected_vct=FACE_BINDING_VCT, **told)


def openvc_presents(desk: Desk, **issuing: object) -> str:
    """A credential that openvc-core issued and bound."""
    credential = SUITE.issue(
        desk.claims(cnf=...),
        signing_key=signing_key_from_jwk(desk.issuer.export_private(), desk.issuer.public.kid),
        disclosable=("birthdate", "age_over_18"),
        holder_jwk=desk.holder.public.export(),
        decoys=2,
        **issuing,
    )
    holder = signing_key_from_jwk(desk.holder.export_private(), "")
    return SUITE.create_presentation(credential, holder_key=holder, audience=AUDIENCE, nonce=NONCE)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_ours_verifies_in_openvc(algorithm: Algorithm) -> None:
    """Our issuer's credential and our key binding hold there, for both algorithms."""
    person = enrolled(algorithm)
    read = openvc_reads(presented(person), person.world.issuer.key.public)
    assert (read.key_bound, read.expired, read.issuer) == (True, False, person.world.issuer.name)
    assert read.claims["birthdate"] == "1990-05-17"
    assert {entry["model"] for entry in read.claims["face_template"]} == set(person.templates)


@pytest.mark.parametrize(
    "asked", [{"nonce": "other"}, {"audience": "https://evil.example"}, {"kb_max_age_s": 0}]
)
def test_openvc_refuses_what_was_changed_of_ours(asked: dict[str, object]) -> None:
    """Another nonce, another service and an old binding are seen there as well."""
    person = enrolled(Algorithm.ES256)
    old = presented(person, now=NOW - 61)
    with pytest.raises(ProofError):
        openvc_reads(old, person.world.issuer.key.public, **asked)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_openvc_s_verifies_in_ours(algorithm: Algorithm) -> None:
    """What it issues and binds verifies here, for both algorithms."""
    desk = Desk.make(algorithm)
    verified = desk.verify(openvc_presents(desk))
    assert verified.claims == desk.claims(cnf={"jwk": desk.holder.public.export()})


def test_stripped_key_binding_that_openvc_takes() -> None:
    """Told what to bind against, but not that it must be bound, it takes a stripped one; ours never does."""
    desk = Desk.make()
    stripped = openvc_presents(desk).rpartition("~")[0] + "~"
    assert openvc_reads(stripped, desk.issuer.public, require_key_binding=False).key_bound is False
    assert refusal(desk, stripped) is S.MALFORMED


@pytest.mark.parametrize("ours", [True, False], ids=["ours-there", "theirs-here"])
def test_certificate_chains_lead_to_the_same_key(ours: bool) -> None:
    """A credential that brings its chain verifies on either side by the anchor alone."""
    root = issued("root", ca_extensions(), **_lifetime())
    leaf = root.leaf(**_lifetime())
    desk = _desk_of(leaf)
    trust = trust_in(desk.issuer, jwks=(), x5c=(root.text,))
    if ours:
        from openvc.x5c import resolve_x5c_key

        presentation = desk.bound(desk.credential(headers={"x5c": [leaf.text]}))
        jwk = resolve_x5c_key([leaf.text], iss=ISSUER, trust_anchors=[root.certificate], now=_moment())
        assert SUITE.verify(presentation, public_key_jwk=jwk).claims["birthdate"] == "1990-05-17"
        desk.verify(presentation, trust=trust)
    else:
        presentation = openvc_presents(desk, x5c=[leaf.text])
        assert desk.verify(presentation, trust=trust).issuer == ISSUER
        assert refusal(desk, presentation) is S.MALFORMED  # an issuer whose keys are listed brings none


def _lifetime() -> dict[str, datetime.datetime]:
    day = datetime.timedelta(days=1)
    return {"begins": _moment() - day, "ends": _moment() + 9 * day}


def _moment() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(NOW, datetime.UTC)


def _desk_of(leaf: Party) -> Desk:
    assert isinstance(leaf.key, ec.EllipticCurvePrivateKey)
    secret = leaf.key.private_numbers().private_value.to_bytes(32, "big")
    public = PublicJwk.of(leaf.key.public_key()).export()
    issuer = SigningKey.parse({**public, "d": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()})
    holder = SigningKey.generate(Algorithm.ES256)
    return Desk(issuer, holder, trust_in(issuer), {"jwk": holder.public.export()})


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_our_status_list_reads_the_same_in_openvc(algorithm: Algorithm) -> None:
    """A revocation that we publish is a revocation there, and the entries beside it are not."""
    person = enrolled(algorithm)
    issuer = person.world.issuer
    issuer.revoke(person.enrolment.entry.idx)
    key = issuer.status.public.export()
    claims = verify_status_list_token(
        issuer.status.token(NOW), public_key_jwk=key, expected_uri=STATUS_URI, now=_moment()
    )
    read = SUITE.verify(presented(person), public_key_jwk=issuer.key.public.export()).claims
    for entry, revoked in (
        (read["status"], True),
        ({"status_list": person.enrolment.stock[0].model_dump()}, False),
    ):
        told = check_token_status({"status": entry}, resolve_status_list_token=lambda _: claims)
        assert told is not None
        assert told.revoked is revoked


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_openvc_s_status_list_reads_the_same_in_ours(bits: int) -> None:
    """A list that it packs and signs says here what it says there, entry by entry."""
    world = ConsentWorld.make()
    key = signing_key_from_jwk(world.issuer.status._key.export_private(), "")
    entries = new_status_list(64, bits=bits)
    set_status(entries, 7, 1, bits=bits)
    token = build_status_list_token(
        signing_key=key, uri=STATUS_URI, status_list=entries, bits=bits, issued_at=NOW, ttl=60
    )
    statuses = StatusLists({STATUS_URI: lambda _: token})
    read = [statuses.read(STATUS_URI, idx, NOW, world.trust) for idx in (6, 7, 8, 64)]
    assert read == [StatusValue.VALID, StatusValue.REVOKED, StatusValue.VALID, StatusValue.UNAVAILABLE]


# ------------------------------------------------------------------------------------------------- joserfc


def joserfc_reads(token: str, key: PublicJwk) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a token whose signature joserfc found good."""
    theirs = (ECKey if key.algorithm is Algorithm.ES256 else OKPKey).import_key(key.export())
    read = jws.deserialize_compact(token, theirs, algorithms=[key.algorithm.value])
    return dict(read.protected), json.loads(read.payload)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_token_of_ours_verifies_in_joserfc(algorithm: Algorithm) -> None:
    """Grant, trust list, status list and key binding are plain JWS to a stranger, each of its own type."""
    person = enrolled(algorithm)
    world = person.world
    good = person.present()
    tokens = {
        "consent-grant+jwt": (good.grant, person.key.public),
        "dc+sd-jwt": (good.credential.split("~")[0], world.issuer.key.public),
        "kb+jwt": (presented(person).rpartition("~")[2], person.key.public),
        "trust-list+jwt": (make_trust_token(world), world.anchor.public),
        "statuslist+jwt": (world.issuer.status.token(NOW), world.issuer.status.public),
    }
    for typ, (token, key) in tokens.items():
        header, _ = joserfc_reads(token, key)
        assert (header["typ"], header["alg"]) == (typ, algorithm.value)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_trust_list_that_joserfc_signed_loads(algorithm: Algorithm) -> None:
    """An operator may sign the list with another tool."""
    world = ConsentWorld.make(algorithm=algorithm)
    private = world.anchor.export_private()
    theirs = (ECKey if algorithm is Algorithm.ES256 else OKPKey).import_key(private)
    _, claims = joserfc_reads(make_trust_token(world), world.anchor.public)
    header = {"alg": algorithm.value, "typ": "trust-list+jwt"}
    token = jws.serialize_compact(header, json.dumps(claims).encode(), theirs, algorithms=[algorithm.value])
    assert TrustList.load(token, anchor=world.anchor.public, now=NOW).issuers.keys() == {world.issuer.name}


# ---------------------------------------------------------------------------- @sd-jwt/sd-jwt-vc, recorded


def _recorded_desk(case: dict[str, object]) -> Desk:
    issuer = PublicJwk.parse(case["issuer"])
    nobody = SigningKey.generate()
    unsigned = SigningKey(public=issuer, _private=nobody._private)
    return Desk(unsigned, nobody, trust_in(unsigned), {})


@pytest.mark.parametrize("case", RECORDED["theirs"], ids=lambda case: case["name"])
def test_what_sd_jwt_js_made_comes_to_its_status(case: dict[str, object]) -> None:
    """What it issued and bound verifies here; what it takes and should not is refused."""
    desk = _recorded_desk(case)
    if case["status"] == "verified":
        verified = desk.verify(case["presentation"], nonce=RECORDED["nonce"])
        assert verified.claims["birthdate"] == "1990-05-17"
    else:
        assert case["taken_by_them"] is True
        assert refusal(desk, case["presentation"], nonce=RECORDED["nonce"]) == case["status"]


@pytest.mark.parametrize("case", RECORDED["ours"], ids=lambda case: case["name"])
def test_what_sd_jwt_js_said_of_ours(case: dict[str, object]) -> None:
    """It took our presentations, read our claims in them, and our form has not changed since."""
    verified = _recorded_desk(case).verify(case["presentation"], nonce=RECORDED["nonce"])
    assert case["read_by_them"] == json.loads(json.dumps(verified.claims))
    assert case["key_bound_by_them"] is True


def test_the_recording_names_its_library() -> None:
    """Whoever doubts the recording can make it again with the same library."""
    assert RECORDED["library"]["name"] == "@sd-jwt/sd-jwt-vc"
    assert RECORDED["library"]["version"] == "0.17.1"
    assert (RECORDED["now"], RECORDED["audience"], RECORDED["issuer"]) == (NOW, AUDIENCE, ISSUER)
    assert len(RECORDED["theirs"]) >= 4
    assert len(RECORDED["ours"]) == len(Algorithm)
