"""Trust lists: what loads, what does not, and the wall between demo and production."""

from __future__ import annotations

import pytest
from consent_world import NOW, ConsentWorld

from consent_edit.consent.binding import FACE_BINDING_VCT, SIMULATED_VCT
from consent_edit.consent.issuer_folder import trust_list
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.trust import IssuerEntry, TrustList, TrustListClaims
from consent_edit.errors import VerificationFailed
from consent_edit.vocabulary import Assurance, Environment

DEMO, PRODUCTION = Environment.DEMO, Environment.PRODUCTION
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def world() -> ConsentWorld:
    """A production world."""
    return ConsentWorld.make()


def claims_of(world: ConsentWorld, environment: Environment = PRODUCTION) -> TrustListClaims:
    """An honest list of that world."""
    entries = [world.issuer.trust_entries(now=NOW - 60, lifetime=YEAR)]
    return trust_list(entries, environment=environment, now=NOW, lifetime=YEAR)


def load(world: ConsentWorld, claims: TrustListClaims, now: int = NOW) -> TrustList:
    """Sign and load as production."""
    return TrustList.load(claims.sign(world.anchor), anchor=world.anchor.public, now=now)


def test_an_honest_list_loads(world: ConsentWorld) -> None:
    """A list signed by the anchor loads, with a digest that follows its bytes."""
    one, two = load(world, claims_of(world)), load(world, claims_of(world))
    assert one.environment is PRODUCTION
    assert one.digest.startswith("sha256:")
    assert (one.digest != two.digest) == (world.anchor.public.algorithm == "ES256")
    assert one.issuer(world.issuer.name, NOW).entry.highest_assurance is Assurance.SUBSTANTIAL


def entry(world: ConsentWorld, **changes: object) -> TrustListClaims:
    """The list with its issuer changed."""
    claims = claims_of(world)
    return claims.model_copy(update={"issuers": (claims.issuers[0].model_copy(update=changes),)})


@pytest.mark.parametrize(
    "attack",
    [
        "simulated_issuer_smuggled_into_production",
        "simulated_type_smuggled_into_production",
        "demo_list_loaded_as_production",
        "issuer_named_twice",
        "not_yet_in_force",
        "out_of_date",
        "key_not_fit_for_verifying",
    ],
)
def test_a_bad_production_list_is_refused(world: ConsentWorld, attack: str) -> None:
    """Each defect keeps the list from loading at all."""
    claims, now = claims_of(world), NOW
    match attack:
        case "simulated_issuer_smuggled_into_production":
            claims = entry(world, highest_assurance=Assurance.SIMULATED)
        case "simulated_type_smuggled_into_production":
            claims = entry(world, vct=(FACE_BINDING_VCT, SIMULATED_VCT))
        case "demo_list_loaded_as_production":
            claims = claims_of(world, DEMO)
        case "issuer_named_twice":
            claims = claims.model_copy(update={"issuers": claims.issuers * 2})
        case "not_yet_in_force":
            now = NOW - 61
        case "out_of_date":
            now = NOW + YEAR
        case _:
            claims = entry(world, jwks=({**world.issuer.key.public.export(), "use": "enc"},))
    with pytest.raises(VerificationFailed) as caught:
        load(world, claims, now)
    assert caught.value.code == "verification.trust-list"


def test_a_list_signed_by_somebody_else_is_refused(world: ConsentWorld) -> None:
    """Only the configured anchor's signature counts, and only over a trust list."""
    claims = claims_of(world)
    for token in (
        claims.sign(SigningKey.generate()),
        claims.sign(world.issuer.key),
        sign_compact(claims.model_dump_json().encode(), world.anchor, typ="JWT"),
        sign_compact(
            claims.model_dump_json()[:-1].encode() + b',"extra":1}', world.anchor, typ="trust-list+jwt"
        ),
        "",
    ):
        with pytest.raises(VerificationFailed):
            TrustList.load(token, anchor=world.anchor.public, now=NOW)


def test_a_demo_list_holds_simulated_issuers_only(world: ConsentWorld) -> None:
    """The demo loads its own list, never a production one, nor one with a real issuer on it."""
    demo = ConsentWorld.make(environment=DEMO)
    assert demo.trust.environment is DEMO
    for claims in (claims_of(world, DEMO), claims_of(world, PRODUCTION)):
        with pytest.raises(VerificationFailed):
            TrustList.load_demo(claims.sign(world.anchor), anchor=world.anchor.public, now=NOW)
    token = claims_of(demo, DEMO).sign(demo.anchor)
    with pytest.raises(VerificationFailed):
        TrustList.load(token, anchor=demo.anchor.public, now=NOW)


def test_the_simulated_issuers_very_key_is_useless_in_production(world: ConsentWorld) -> None:
    """Even an operator who lists the demo issuer's key as a real issuer does not accept what it signed."""
    demo = ConsentWorld.make(environment=DEMO)
    presentation = demo.person().present()
    listed = IssuerEntry(
        id=demo.issuer.name,
        jwks=(demo.issuer.key.public.export(),),
        vct=(FACE_BINDING_VCT,),
        nbf=NOW - 60,
        exp=NOW + YEAR,
        highest_assurance=Assurance.HIGH,
    )
    trust = load(world, claims_of(world).model_copy(update={"issuers": (listed,)}))
    assert demo.verify(presentation, trust=trust).status == "issuer_untrusted"
