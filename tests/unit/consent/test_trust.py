"""Trust lists: what loads, what does not, which keys a token may be under, and the wall around the demo."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence

import pytest
from consent_world import NOW, STATUS_URI, ConsentWorld
from cryptography import x509
from test_chain import Party, ca_extensions, issued
from test_sd_jwt import ISSUER, Desk, came_to, trust_in

from consent_edit.consent.binding import FACE_BINDING_VCT, SIMULATED_VCT
from consent_edit.consent.issuing.folder import trust_list
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.consent.trust import (
    TRUST_LIST_TYP,
    IssuerEntry,
    StatusServiceEntry,
    TrustedIssuer,
    TrustedStatusService,
    TrustList,
    TrustListClaims,
    read_anchors,
)
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid, VerificationFailed
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment

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


# ------------------------------------------------------------------------------------------- keys and chains

TODAY = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
SPAN = {"begins": TODAY - datetime.timedelta(days=9), "ends": TODAY + datetime.timedelta(days=9)}
ROOT, OTHER_ROOT = (issued(name, ca_extensions(), **SPAN) for name in ("root", "other root"))
LEAF = ROOT.leaf(**SPAN)


def signing(party: Party) -> SigningKey:
    """The key of a certificate, to sign with."""
    secret = party.key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    return SigningKey.parse({**PublicJwk.of(party.key.public_key()).export(), "d": b64url_encode(secret)})


def chained(
    leaf: Party, *, x5c: object = ..., anchors: Sequence[Party] = (ROOT,), jwks: Sequence[object] = ()
) -> ConsentStatus:
    """What a credential comes to that brings a chain, at an issuer listed like that."""
    desk = Desk.make()
    trust = trust_in(desk.issuer, jwks=tuple(jwks), x5c=tuple(anchor.text for anchor in anchors))
    headers = {"x5c": [leaf.text] if x5c is ... else x5c}
    return came_to(
        lambda d: d.verify(d.bound(d.credential(key=signing(leaf), headers=headers)), trust=trust), desk
    )


S = ConsentStatus


def test_a_certified_issuer_needs_no_listed_key() -> None:
    """A leaf of the issuer's name below a listed anchor signs for it; so it does beside listed keys."""
    assert chained(LEAF) is S.VERIFIED
    assert chained(LEAF, jwks=(SigningKey.generate().public.export(),)) is S.VERIFIED
    assert chained(LEAF, x5c=[LEAF.text, ROOT.text]) is S.VERIFIED


def test_several_anchors_count_while_one_takes_over() -> None:
    """An old and a new root both lead to the issuer, as long as both are listed."""
    for root in (ROOT, OTHER_ROOT):
        assert chained(root.leaf(**SPAN), anchors=(ROOT, OTHER_ROOT)) is S.VERIFIED
    assert chained(OTHER_ROOT.leaf(**SPAN)) is S.ISSUER_UNTRUSTED


def test_chain_where_keys_are_listed() -> None:
    """An issuer whose keys are listed brings none: not even a chain whose leaf has the very key."""
    own = signing(LEAF).public.export()
    assert chained(LEAF, jwks=(own,), anchors=()) is S.MALFORMED


def test_chain_to_somebody_else_s_root() -> None:
    """A chain to a root that is not listed leads nowhere, however it is brought."""
    stranger = OTHER_ROOT.leaf(**SPAN)
    assert chained(stranger) is S.ISSUER_UNTRUSTED
    assert chained(stranger, x5c=[stranger.text, OTHER_ROOT.text]) is S.ISSUER_UNTRUSTED


def test_chain_of_another_issuer() -> None:
    """A certificate that the same root gave somebody else does not serve this issuer."""
    name = "https://elsewhere.example"
    other = ROOT.leaf(name=x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)]), **SPAN)
    assert chained(other) is S.ISSUER_UNTRUSTED


def test_chain_of_the_issuer_under_a_key_not_its_own() -> None:
    """The leaf's key signs, and no other: somebody's else's signature under a true chain is no signature."""
    desk = Desk.make(Algorithm.ES256)
    trust = trust_in(desk.issuer, x5c=(ROOT.text,))
    headers = {"x5c": [LEAF.text]}
    forged = desk.credential(headers=headers)
    assert came_to(lambda d: d.verify(d.bound(forged), trust=trust), desk) is S.SIGNATURE_INVALID


@pytest.mark.parametrize("x5c", ["", LEAF.text, None, {}, [], [None], [7, LEAF.text], [[LEAF.text]]])
def test_chains_that_are_no_list_of_certificates(x5c: object) -> None:
    """Whatever stands in ``x5c``, nothing but a list of certificates is looked at."""
    assert chained(LEAF, x5c=x5c) is S.MALFORMED


def test_an_issuer_with_anchors_only_takes_nothing_unchained() -> None:
    """Without a chain there is no key to try."""
    desk = Desk.make()
    trust = trust_in(desk.issuer, jwks=(), x5c=(ROOT.text,))
    assert came_to(lambda d: d.verify(d.bound(d.credential()), trust=trust), desk) is S.SIGNATURE_INVALID


@pytest.mark.parametrize("service", [False, True], ids=["issuer", "status service"])
def test_a_key_is_found_by_its_name_or_all_are_tried(service: bool) -> None:
    """``kid`` or thumbprint choose among the listed keys; an unknown name, or none, leaves all."""
    keys = tuple(SigningKey.generate(kid=f"key-{number}").public for number in range(3))
    trusted = _trusted(keys, service=service)
    for key in keys:
        assert trusted.keys_for({"kid": key.kid}, NOW) == (key,)
        assert trusted.keys_for({"kid": key.thumbprint}, NOW) == (key,)
    for header in ({}, {"kid": ""}, {"kid": "elsewhere"}):
        assert trusted.keys_for(header, NOW) == keys


@pytest.mark.parametrize("service", [False, True], ids=["issuer", "status service"])
def test_a_chain_gives_the_one_key_of_its_leaf(service: bool) -> None:
    """With a chain no listed key counts, whatever ``kid`` says; the chain must hold at that very time."""
    listed = SigningKey.generate(kid="listed").public
    trusted = _trusted((listed,), service=service, x5c=(ROOT.text,))
    assert trusted.keys_for({"kid": "listed"}, NOW) == (listed,)
    assert trusted.keys_for({"kid": "listed", "x5c": [LEAF.text]}, NOW) == (signing(LEAF).public,)
    with pytest.raises(ConsentInvalid) as caught:
        trusted.keys_for({"x5c": [LEAF.text]}, NOW + YEAR)
    assert caught.value.status is S.ISSUER_UNTRUSTED


def _trusted(
    keys: Sequence[PublicJwk], *, service: bool, x5c: tuple[str, ...] = ()
) -> TrustedIssuer | TrustedStatusService:
    common = {"id": ISSUER, "jwks": tuple(key.export() for key in keys), "x5c": x5c, "nbf": 0, "exp": 2**40}
    if service:
        return TrustedStatusService(tuple(keys), StatusServiceEntry(uris=(STATUS_URI,), **common))
    entry = IssuerEntry(vct=(FACE_BINDING_VCT,), highest_assurance=Assurance.LOW, **common)
    return TrustedIssuer(tuple(keys), entry)


def test_old_and_new_key_of_an_issuer_overlap() -> None:
    """While both are listed both sign; once the old one is off the list it signs no more."""
    desk, new = Desk.make(), SigningKey.generate(Algorithm.ED25519, kid="new")
    both = trust_in(desk.issuer, jwks=(desk.issuer.public.export(), new.public.export()))
    only = trust_in(new)
    for key, trust, status in (
        (desk.issuer, both, S.VERIFIED),
        (new, both, S.VERIFIED),
        (desk.issuer, only, S.SIGNATURE_INVALID),
        (new, only, S.VERIFIED),
    ):
        credential = desk.credential(key=key, kid=key.public.kid)
        assert came_to(lambda d, c=credential, t=trust: d.verify(d.bound(c), trust=t), desk) is status


# ------------------------------------------------------------------------------------------------- loading


def signed(world: ConsentWorld, claims: Mapping[str, object]) -> str:
    """Claims of any kind, signed by the anchor as a trust list."""
    return sign_compact(canonical_json(claims), world.anchor, typ=TRUST_LIST_TYP)  # type: ignore[arg-type]


def changed(world: ConsentWorld, part: str, **changes: object) -> str:
    """An honest list whose first issuer, or status service, is changed; ``...`` drops a member."""
    claims = json.loads(claims_of(world).model_dump_json())
    entry = {**claims[part][0], **changes}
    claims[part] = [{name: value for name, value in entry.items() if value is not ...}]
    return signed(world, claims)


def refuses(world: ConsentWorld, token: str, anchor: object = ...) -> str:
    """The message with which a list is refused."""
    with pytest.raises(VerificationFailed) as caught:
        TrustList.load(token, anchor=world.anchor.public if anchor is ... else anchor, now=NOW)  # type: ignore[arg-type]
    assert caught.value.code == "verification.trust-list"
    assert caught.value.remedy
    return caught.value.message


@pytest.mark.parametrize("part", ["issuers", "status_services"])
@pytest.mark.parametrize(
    "changes",
    [
        {"jwks": ...},
        {"jwks": []},
        {"x5c": ["AAAA"]},
        {"x5c": ["not base64"]},
        {"x5c": [LEAF.text]},
        {"x5c": [ROOT.text, LEAF.text]},
        {"x5c": ["A" * 24_001]},
        {"x5c": [ROOT.text] * 9},
        {"x5c": ROOT.text},
        {"jwks": [{}]},
        {"jwks": [{"kty": "oct", "k": "AAAA"}]},
        {"jwks": [SigningKey.generate().export_private()]},
        {"jwks": [SigningKey.generate().public.export()] * 9},
        {"key": "more"},
        {"nbf": ...},
        {"exp": "never"},
        {"id": ""},
    ],
    ids=[
        "neither-key-nor-anchor",
        "no-keys",
        "anchor-no-certificate",
        "anchor-no-base64",
        "leaf-for-an-anchor",
        "leaf-among-anchors",
        "anchor-too-long",
        "too-many-anchors",
        "anchor-no-list",
        "empty-key",
        "symmetric-key",
        "private-key",
        "too-many-keys",
        "unknown-member",
        "no-start",
        "no-end",
        "no-name",
    ],
)
def test_a_bad_entry_is_found_when_the_list_is_loaded(
    world: ConsentWorld, part: str, changes: dict[str, object]
) -> None:
    """What could not be used later keeps the whole list from loading now."""
    assert TrustList.load(changed(world, part), anchor=world.anchor.public, now=NOW)
    refuses(world, changed(world, part, **changes))


def test_an_entry_may_have_anchors_and_no_key(world: ConsentWorld) -> None:
    """Anchors alone are enough, for issuers and for status services."""
    for part in ("issuers", "status_services"):
        token = changed(world, part, jwks=..., x5c=[ROOT.text])
        assert TrustList.load(token, anchor=world.anchor.public, now=NOW)


def test_old_and_new_anchor_overlap(world: ConsentWorld) -> None:
    """While an installation is configured with both anchors a list of either loads; others never do."""
    new, stranger = SigningKey.generate(), SigningKey.generate()
    claims = claims_of(world)
    both = (world.anchor.public, new.public)
    for anchor in (world.anchor, new):
        assert TrustList.load(claims.sign(anchor), anchor=both, now=NOW)
    refuses(world, claims.sign(stranger), both)
    refuses(world, claims.sign(world.anchor), (new.public,))
    assert "no anchor" in refuses(world, claims.sign(world.anchor), ())


def test_anchors_are_read_from_a_key_or_a_set_of_keys() -> None:
    """A file with one JWK gives one anchor, one with a JWK set gives all of them, in order."""
    keys = [SigningKey.generate(algorithm).public for algorithm in Algorithm]
    one, *_ = texts = [canonical_json(key.export()) for key in keys]
    assert read_anchors(one) == (keys[0],)
    assert read_anchors(b'{"keys":[' + b",".join(texts) + b"]}") == tuple(keys)
    assert read_anchors(b'{"keys":[' + one + b"]}") == (keys[0],)


_JWK = canonical_json(SigningKey.generate().public.export())
_PRIVATE = canonical_json(SigningKey.generate().export_private())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":[]}',
        b'{"keys":{}}',
        b'{"keys":["x"]}',
        b'{"keys":[' + _JWK + b',"x"]}',
        b'{"keys":[' + _JWK + b",{}]}",
        b'{"keys":[' + _PRIVATE + b"]}",
        _PRIVATE,
        b'{"kty":"oct","k":"AAAA"}',
        b'{"keys":[],"keys":[' + _JWK + b"]}",
        _JWK[:-1] + b',"kty":"EC"}',
    ],
    ids=[
        "nothing",
        "list",
        "empty",
        "empty-set",
        "set-no-list",
        "set-of-text",
        "text-beside-a-key",
        "empty-key-beside-a-key",
        "private-key-in-a-set",
        "private-key",
        "symmetric-key",
        "set-named-twice",
        "kty-named-twice",
    ],
)
def test_files_that_hold_no_anchor_are_refused(data: bytes) -> None:
    """An empty set, a private key, or anything read two ways is no anchor."""
    with pytest.raises(ConsentInvalid) as caught:
        read_anchors(data)
    assert caught.value.status is S.MALFORMED


# --------------------------------------------------------------------------------------------------- times


def test_a_list_is_in_force_from_its_signing_to_its_end(world: ConsentWorld) -> None:
    """A minute of skew is allowed before, none after; what lapses in memory counts no more."""
    claims = claims_of(world)
    for now in (NOW - 60, NOW, NOW + YEAR - 1):
        assert load(world, claims, now).in_force(now)
    trust = load(world, claims)
    assert not trust.in_force(NOW - 61)
    assert not trust.in_force(NOW + YEAR)
    for look in (lambda: trust.issuer(world.issuer.name, NOW + YEAR), lambda: trust.issuer("x", NOW)):
        with pytest.raises(ConsentInvalid) as caught:
            look()
        assert caught.value.status is S.ISSUER_UNTRUSTED
    assert not trust.has_status_service(STATUS_URI, NOW + YEAR)
    assert trust.status_keys(STATUS_URI, {}, NOW + YEAR) == ()


@pytest.mark.parametrize(
    ("nbf", "exp", "counts"), [(NOW, NOW + 1, True), (NOW + 1, NOW + 9, False), (0, NOW, False)]
)
def test_an_entry_counts_within_its_own_time(world: ConsentWorld, nbf: int, exp: int, counts: bool) -> None:
    """From its first second, and no more from its last: for issuers and for status services."""
    trust = TrustList.load(changed(world, "issuers", nbf=nbf, exp=exp), anchor=world.anchor.public, now=NOW)
    if counts:
        assert trust.issuer(world.issuer.name, NOW).entry.nbf == nbf
    else:
        with pytest.raises(ConsentInvalid):
            trust.issuer(world.issuer.name, NOW)
    trust = TrustList.load(
        changed(world, "status_services", nbf=nbf, exp=exp), anchor=world.anchor.public, now=NOW
    )
    assert trust.has_status_service(STATUS_URI, NOW) is counts
    assert bool(trust.status_keys(STATUS_URI, {}, NOW)) is counts


# ---------------------------------------------------------------------------------------------- status uris

BELOW = "https://issuer.example/status/"


@pytest.mark.parametrize(
    ("uri", "covered"),
    [
        (BELOW + "1", True),
        (BELOW + "a/b", True),
        (BELOW, True),
        (BELOW + "v..1", True),
        ("https://issuer.example/exact", True),
        ("https://issuer.example/exact/1", False),
        ("https://issuer.example/exact2", False),
        ("https://issuer.example/status", False),
        ("https://issuer.example/statusx/1", False),
        (BELOW + "../other/1", False),
        (BELOW + "a/../../other/1", False),
        (BELOW + "..", False),
        ("https://issuer.example.evil.example/status/1", False),
        ("http://issuer.example/status/1", False),
        ("HTTPS://issuer.example/status/1", False),
        ("", False),
    ],
)
def test_a_status_service_signs_for_its_own_addresses_only(uri: str, covered: bool) -> None:
    """An address ending with a slash stands for all below it, and steps upwards lead nowhere."""
    entry = StatusServiceEntry(
        id="s", uris=("https://issuer.example/exact", BELOW), x5c=(ROOT.text,), nbf=0, exp=2**40
    )
    assert TrustedStatusService((), entry).covers(uri) is covered


def test_every_service_of_an_address_may_sign_it(world: ConsentWorld) -> None:
    """Two services that share an address, as when one takes over, both sign; a third does not."""
    keys = [SigningKey.generate().public for _ in range(3)]
    services = tuple(
        StatusServiceEntry(id=str(number), uris=(uri,), jwks=(key.export(),), nbf=0, exp=2**40)
        for number, (uri, key) in enumerate(
            zip((STATUS_URI, STATUS_URI, BELOW + "other/"), keys, strict=True)
        )
    )
    trust = load(world, claims_of(world).model_copy(update={"status_services": services}))
    assert trust.status_keys(STATUS_URI, {}, NOW) == tuple(keys[:2])
    assert trust.status_keys(STATUS_URI, {"kid": keys[1].kid}, NOW) == (keys[0], keys[1])
    assert trust.status_keys(BELOW + "nobody's", {}, NOW) == ()


def test_a_status_list_may_bring_a_chain_of_its_service(world: ConsentWorld) -> None:
    """The leaf must be of the service's name; a service with listed keys takes no chain."""
    both = claims_of(world).status_services[0]
    certified = both.model_copy(update={"id": ISSUER, "x5c": (ROOT.text,)})
    trust = load(world, claims_of(world).model_copy(update={"status_services": (certified,)}))
    assert trust.status_keys(STATUS_URI, {"x5c": [LEAF.text]}, NOW) == (signing(LEAF).public,)
    with pytest.raises(ConsentInvalid) as caught:
        load(world, claims_of(world)).status_keys(STATUS_URI, {"x5c": [LEAF.text]}, NOW)
    assert caught.value.status is S.MALFORMED
