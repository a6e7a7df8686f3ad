"""Credentials as they are presented: one attack for each numbered check, accepted if it were taken out."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from soft_authenticator import PRESENT, UP, SoftAuthenticator

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import CREDENTIAL_TYP, FACE_BINDING_VCT, SIMULATED_VCT
from consent_edit.consent.disclosure import conceal
from consent_edit.consent.jose import MAX_TOKEN, sign_compact, unverified
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.trust import IssuerEntry, TrustList, TrustListClaims
from consent_edit.encoding import b64url_decode, b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment

S = ConsentStatus
NOW = 1_800_000_000
DAY = 86_400
ISSUER = "https://issuer.example"
AUDIENCE = "https://editor.example"
NONCE = "bm9uY2Utb2YtMTI4LWJpdHM"
HIDDEN = frozenset({"birthdate", "age_over_18"})
BINDING_TYP = "kb+jwt"


@dataclass(frozen=True)
class Desk:
    """An issuer on a trust list, one holder, and whatever either of them can be made to sign."""

    issuer: SigningKey
    holder: SigningKey
    trust: TrustList
    cnf: Mapping[str, object]

    @classmethod
    def make(cls, algorithm: Algorithm = Algorithm.ES256, cnf: Mapping[str, object] | None = None) -> Desk:
        """Fresh keys; the holder's claim is that of her key, unless another is given."""
        issuer, holder = SigningKey.generate(algorithm), SigningKey.generate(algorithm)
        return cls(issuer, holder, trust_in(issuer), cnf or Signatory(holder.public).claim())

    def claims(self, **changes: object) -> dict[str, object]:
        """An honest credential's claims; a change to ``...`` leaves the claim out."""
        told = {
            "iss": ISSUER,
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + DAY,
            "vct": FACE_BINDING_VCT,
            "cnf": self.cnf,
            "birthdate": "1990-05-17",
            "age_over_18": True,
            **changes,
        }
        return {name: value for name, value in told.items() if value is not ...}

    def credential(
        self,
        *,
        key: SigningKey | None = None,
        typ: str = CREDENTIAL_TYP,
        hidden: frozenset[str] = HIDDEN,
        headers: Mapping[str, object] | None = None,
        kid: str = "",
        **changes: object,
    ) -> str:
        """A credential with these changes, rightly signed by the issuer, or by another key."""
        claims = self.claims(**changes)
        payload, texts = conceal(claims, hidden & claims.keys())  # type: ignore[arg-type]
        signer = key or self.issuer
        return sd_jwt.join(
            sign_compact(payload, signer, typ=typ, kid=kid or self.issuer.public.kid, headers=headers), texts
        )

    def binding(
        self, credential: str, *, key: SigningKey | None = None, typ: str = BINDING_TYP, **changes: object
    ) -> str:
        """A key-binding JWT with these changes, rightly signed by the holder, or by another key."""
        told = {
            "iat": NOW,
            "aud": AUDIENCE,
            "nonce": NONCE,
            "sd_hash": b64url_encode(hashlib.sha256(credential.encode()).digest()),
            **changes,
        }
        return sign_compact({n: v for n, v in told.items() if v is not ...}, key or self.holder, typ=typ)

    def bound(self, credential: str, **binding: object) -> str:
        """A credential with a key-binding JWT of that kind behind it."""
        return credential + self.binding(credential, **binding)  # type: ignore[arg-type]

    def verify(self, presentation: str, **changes: object) -> sd_jwt.VerifiedSdJwt:
        """What the service makes of it."""
        asked: dict[str, object] = {
            "trust": self.trust,
            "audience": AUDIENCE,
            "nonce": NONCE,
            "now": NOW,
            **changes,
        }
        return sd_jwt.verify_presentation(presentation, **asked)  # type: ignore[arg-type]

    def forged(self, **changes: object) -> sd_jwt.VerifiedSdJwt:
        """What it makes of a credential with these changes, honestly bound."""
        return self.verify(self.bound(self.credential(**changes)))  # type: ignore[arg-type]


def trust_in(issuer: SigningKey, **changes: object) -> TrustList:
    """A production list that names this issuer's key."""
    entry = {
        "id": ISSUER,
        "jwks": (issuer.public.export(),),
        "vct": (FACE_BINDING_VCT,),
        "nbf": NOW - DAY,
        "exp": NOW + 9 * DAY,
        "highest_assurance": Assurance.SUBSTANTIAL,
        **changes,
    }
    claims = TrustListClaims(
        environment=Environment.PRODUCTION,
        iat=NOW,
        exp=NOW + 9 * DAY,
        issuers=(IssuerEntry(**entry),),  # type: ignore[arg-type]
        status_services=(),
    )
    anchor = SigningKey.generate()
    return TrustList.load(claims.sign(anchor), anchor=anchor.public, now=NOW)


Attack = Callable[[Desk], object]
ATTACKS: list[object] = []


def attack(check: int, status: ConsentStatus) -> Callable[[Attack], Attack]:
    """Register an attack on a numbered check with the status it must come to."""

    def register(function: Attack) -> Attack:
        ATTACKS.append(pytest.param(check, status, function, id=f"{check:02d}-{function.__name__}"))
        return function

    return register


def plain(message: object) -> bool:
    """Whether this is a sentence of ours: there, not shouted, and with nothing in it that was not known."""
    return isinstance(message, str) and message != message.upper() and not re.search("XX|None", message)


def came_to(attacking: Attack, desk: Desk) -> ConsentStatus:
    """The status of the refusal, which says why; ``VERIFIED`` when there was none."""
    try:
        attacking(desk)
    except ConsentInvalid as refusal:
        assert plain(refusal.message), refusal.message
        return refusal.status
    return S.VERIFIED


@attack(1, S.MALFORMED)
def disclosure_spelled_in_sloppy_base64(desk: Desk) -> object:
    jwt, *texts = desk.credential().rstrip("~").split("~")
    sloppy = [f"{text}=" for text in texts]
    digests = [b64url_encode(hashlib.sha256(text.encode()).digest()) for text in sloppy]
    signed = sign_compact({**unverified(jwt)[1], "_sd": digests}, desk.issuer, typ=CREDENTIAL_TYP)
    return desk.verify(desk.bound(sd_jwt.join(signed, sloppy)))


@attack(1, S.MALFORMED)
def flood_of_disclosures(desk: Desk) -> object:
    many = {f"c{number}": number for number in range(65)}
    return desk.forged(hidden=frozenset(many), **many)


@attack(1, S.MALFORMED)
def disclosures_of_great_length(desk: Desk) -> object:
    return desk.forged(hidden=frozenset({"long"}), long="x" * MAX_TOKEN)


@attack(2, S.ISSUER_UNTRUSTED)
def issuer_nobody_listed(desk: Desk) -> object:
    return desk.forged(iss="https://elsewhere.example")


@attack(2, S.MALFORMED)
def issuer_name_that_is_no_text(desk: Desk) -> object:
    return desk.forged(iss=7)


@attack(2, S.MALFORMED)
def credential_without_an_issuer(desk: Desk) -> object:
    return desk.forged(iss=...)


@attack(2, S.ISSUER_UNTRUSTED)
def trust_in_the_issuer_has_ended(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential()), trust=trust_in(desk.issuer, exp=NOW))


@attack(2, S.ISSUER_UNTRUSTED)
def trust_list_out_of_date(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential()), trust=dataclasses.replace(desk.trust, exp=NOW))


@attack(3, S.SIGNATURE_INVALID)
def credential_signed_by_a_stranger(desk: Desk) -> object:
    return desk.forged(key=SigningKey.generate(desk.issuer.public.algorithm))


@attack(3, S.SIGNATURE_INVALID)
def credential_signed_by_its_holder(desk: Desk) -> object:
    return desk.forged(key=desk.holder)


@attack(3, S.MALFORMED)
def other_token_of_the_issuer_passed_off(desk: Desk) -> object:
    return desk.forged(typ="JWT")


@attack(3, S.MALFORMED)
def credential_of_the_type_s_old_name(desk: Desk) -> object:
    return desk.forged(typ="vc+sd-jwt")


@attack(3, S.SIGNATURE_INVALID)
def claim_changed_under_the_signature(desk: Desk) -> object:
    jwt, *texts = desk.credential().rstrip("~").split("~")
    head, _, tail = jwt.split(".")
    changed = canonical_json({**unverified(jwt)[1], "exp": NOW + 2 * DAY})
    return desk.verify(desk.bound(sd_jwt.join(f"{head}.{b64url_encode(changed)}.{tail}", texts)))


@attack(4, S.MALFORMED)
def claim_slipped_in(desk: Desk) -> object:
    jwt, *texts = desk.credential().split("~")
    extra = b64url_encode(canonical_json(["c2FsdHNhbHRzYWx0c2FsdA", "face_template", []]))
    return desk.verify(desk.bound("~".join([jwt, extra, *texts])))


@attack(4, S.MALFORMED)
def disclosure_given_twice(desk: Desk) -> object:
    jwt, first, *texts = desk.credential().split("~")
    return desk.verify(desk.bound("~".join([jwt, first, first, *texts])))


@attack(4, S.MALFORMED)
def expiry_that_could_be_withheld(desk: Desk) -> object:
    return desk.forged(hidden=frozenset({"exp"}))


@attack(5, S.ISSUER_UNTRUSTED)
def credential_type_the_issuer_may_not_issue(desk: Desk) -> object:
    return desk.forged(vct=SIMULATED_VCT)


@attack(5, S.ISSUER_UNTRUSTED)
def credential_without_a_type(desk: Desk) -> object:
    return desk.forged(vct=...)


@attack(6, S.EXPIRED)
def credential_expired(desk: Desk) -> object:
    return desk.forged(iat=NOW - DAY, nbf=NOW - DAY, exp=NOW - 60)


@attack(6, S.NOT_YET_VALID)
def credential_of_tomorrow(desk: Desk) -> object:
    return desk.forged(nbf=NOW + 61)


@attack(6, S.NOT_YET_VALID)
def credential_issued_in_the_future(desk: Desk) -> object:
    return desk.forged(iat=NOW + 61)


@attack(6, S.MALFORMED)
def credential_without_an_end(desk: Desk) -> object:
    return desk.forged(exp=...)


@attack(6, S.MALFORMED)
def time_that_is_true(desk: Desk) -> object:
    return desk.forged(nbf=True)


@attack(6, S.MALFORMED)
def time_that_is_text(desk: Desk) -> object:
    return desk.forged(exp="never")


@attack(7, S.MALFORMED)
def key_binding_stripped(desk: Desk) -> object:
    return desk.verify(desk.credential())


@attack(7, S.MALFORMED)
def other_token_of_the_holder_passed_off(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential(), typ="JWT"))


@attack(7, S.MALFORMED)
def unknown_claim_in_the_key_binding(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential(), consent=True))


@attack(7, S.MALFORMED)
def key_binding_for_several_services(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential(), aud=[AUDIENCE, "https://elsewhere.example"]))


@attack(7, S.MALFORMED)
def key_binding_without_a_time(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential(), iat=...))


@attack(7, S.MALFORMED)
def credential_bound_to_no_key(desk: Desk) -> object:
    return desk.forged(cnf=...)


@attack(7, S.MALFORMED)
def credential_bound_to_a_key_by_name(desk: Desk) -> object:
    return desk.forged(cnf={"kid": desk.holder.public.kid})


@attack(7, S.SIGNATURE_INVALID)
def key_binding_signed_by_a_thief(desk: Desk) -> object:
    thief = SigningKey.generate(desk.holder.public.algorithm)
    return desk.verify(desk.bound(desk.credential(), key=thief))


@attack(7, S.SIGNATURE_INVALID)
def key_binding_signed_by_the_issuer(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential(), key=desk.issuer))


@attack(7, S.MALFORMED)
def key_binding_that_brings_its_key(desk: Desk) -> object:
    credential = desk.credential()
    thief = SigningKey.generate(desk.holder.public.algorithm)
    payload = unverified(desk.binding(credential))[1]
    headers = {"jwk": thief.public.export()}
    return desk.verify(credential + sign_compact(payload, thief, typ=BINDING_TYP, headers=headers))


@attack(7, S.MALFORMED)
def passkey_holder_s_credential_bound_by_a_jws(desk: Desk) -> object:
    passkey = SoftAuthenticator.make(desk.holder.public.algorithm)
    cnf = Signatory(desk.holder.public, passkey.passkey).claim()
    return desk.forged(cnf=cnf)


@attack(7, S.SIGNATURE_INVALID)
def passkey_used_with_nobody_looking(desk: Desk) -> object:
    return passkey_presented(desk, flags=UP)


@attack(8, S.WRONG_AUDIENCE)
def presentation_carried_to_another_service(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential()), audience="https://evil.example")


@attack(8, S.WRONG_AUDIENCE)
def presentation_made_for_a_service_of_like_name(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential(), aud=f"{AUDIENCE}.evil.example"))


@attack(9, S.REPLAYED)
def presentation_shown_again(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential()), nonce="YW5vdGhlci1ub25jZS1vZi0x")


@attack(9, S.REPLAYED)
def no_nonce_was_given_out(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential()), nonce="")


@attack(10, S.SIGNATURE_INVALID)
def disclosure_left_out_after_binding(desk: Desk) -> object:
    credential = desk.credential()
    jwt, _, *rest = credential.split("~")
    return desk.verify("~".join([jwt, *rest]) + desk.binding(credential))


@attack(10, S.SIGNATURE_INVALID)
def disclosure_added_after_binding(desk: Desk) -> object:
    credential = desk.credential()
    jwt, _, *rest = credential.split("~")
    return desk.verify(credential + desk.binding("~".join([jwt, *rest])))


@attack(10, S.SIGNATURE_INVALID)
def key_binding_of_her_other_credential(desk: Desk) -> object:
    return desk.verify(desk.credential() + desk.binding(desk.credential()))


@attack(11, S.EXPIRED)
def key_binding_kept_for_later(desk: Desk) -> object:
    signed = NOW - sd_jwt.BINDING_WINDOW - 60
    return desk.verify(desk.bound(desk.credential(iat=signed, nbf=signed), iat=signed))


@attack(11, S.NOT_YET_VALID)
def key_binding_signed_ahead(desk: Desk) -> object:
    return desk.verify(desk.bound(desk.credential(), iat=NOW + 61))


@pytest.mark.parametrize(("check", "status", "attacking"), ATTACKS)
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_attack_is_refused_with_its_status(
    check: int, status: ConsentStatus, attacking: Attack, algorithm: Algorithm
) -> None:
    """Each attack comes to the very status its check yields."""
    assert came_to(attacking, Desk.make(algorithm)) is status


def test_every_numbered_check_has_an_attack() -> None:
    """The numbers in sd_jwt.py's docstring and body and the numbers attacked are the same."""
    text = Path(sd_jwt.__file__).read_text("utf-8")
    listed = {int(number) for number in re.findall(r"^ ?(\d+)\. ", text.split('"""')[1], re.MULTILINE)}
    inline = {int(number) for number in re.findall(r"# (\d+)\. ", text)}
    attacked = {param.values[0] for param in ATTACKS}  # type: ignore[attr-defined]
    assert listed == inline == attacked == set(range(1, 12))


def passkey_presented(desk: Desk, flags: int = PRESENT) -> sd_jwt.VerifiedSdJwt:
    """A credential whose holder has a passkey, bound by its assertion."""
    passkey = SoftAuthenticator.make(desk.holder.public.algorithm)
    credential = desk.credential(cnf=Signatory(passkey.key, passkey.passkey).claim())
    payload = b64url_decode(desk.binding(credential).split(".")[1])
    return desk.verify(credential + passkey.sign(payload, typ=BINDING_TYP, flags=flags))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_an_honest_presentation_verifies(algorithm: Algorithm) -> None:
    """A credential bound by its holder's key verifies, its disclosures in place."""
    desk = Desk.make(algorithm)
    credential = desk.credential()
    verified = desk.verify(sd_jwt.bind_key(credential, desk.holder, audience=AUDIENCE, nonce=NONCE, now=NOW))
    assert verified.issuer == ISSUER
    assert verified.claims == desk.claims()
    assert verified.sha256 == f"sha256:{hashlib.sha256(credential.encode()).hexdigest()}"
    assert verified.sha256 == sd_jwt.presentation_hash(credential)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_passkey_binds_as_well(algorithm: Algorithm) -> None:
    """A holder whose key is a passkey binds her credential by an assertion."""
    assert passkey_presented(Desk.make(algorithm)).issuer == ISSUER


def test_a_presentation_may_disclose_less() -> None:
    """What the holder withholds, and binds without, is simply absent."""
    desk = Desk.make()
    jwt, *_ = desk.credential().split("~")
    verified = desk.verify(desk.bound(f"{jwt}~"))
    assert verified.claims == desk.claims(birthdate=..., age_over_18=...)


def test_skew_of_a_minute_is_allowed_and_no_more() -> None:
    """A minute either way is allowed at the edges of a credential's time and of a binding's."""
    desk = Desk.make()
    desk.forged(iat=NOW - DAY, nbf=NOW - DAY, exp=NOW - 59)
    desk.forged(nbf=NOW + 60)
    desk.verify(desk.bound(desk.credential(), iat=NOW + 60))
    oldest = NOW - sd_jwt.BINDING_WINDOW - 59
    desk.verify(desk.bound(desk.credential(), iat=oldest))
    assert sd_jwt.BINDING_WINDOW == 300


def test_one_that_has_ended_says_whose_key_it_is_where_that_is_asked() -> None:
    """Only where the caller says so an ended credential still shows who she is; one not begun never does."""
    desk = Desk.make()
    ended = desk.bound(desk.credential(iat=NOW - 9 * DAY, nbf=NOW - 9 * DAY, exp=NOW - 8 * DAY))
    assert desk.verify(ended, lapsed=True).holder.thumbprint == desk.holder.public.thumbprint
    begun = desk.bound(desk.credential(nbf=NOW + 61))
    for presentation, lapsed, status in ((ended, False, S.EXPIRED), (begun, True, S.NOT_YET_VALID)):
        with pytest.raises(ConsentInvalid) as refused:
            desk.verify(presentation, lapsed=lapsed)
        assert refused.value.status is status


def test_bounds_are_what_they_say() -> None:
    """Sixty-four disclosures, and 64 KB of presentation, are still taken."""
    desk = Desk.make()
    many = {f"c{number}": number for number in range(64)}
    assert len(desk.forged(hidden=frozenset(many), **many).claims) == len(desk.claims()) + 64
    assert len(sd_jwt.parse("a" * (MAX_TOKEN - 1) + "~").jwt) == MAX_TOKEN - 1


@pytest.mark.parametrize(
    "text",
    ["a.b.c", "", "a.b.c~x", "a.b.c~~", "a.b.c~é~", "a.b.c~{}~", "a" * MAX_TOKEN + "~", None, b"a.b.c~"],
    ids=[
        "no-tilde",
        "empty",
        "key-binding",
        "empty-disclosure",
        "not-ascii",
        "json",
        "long",
        "none",
        "bytes",
    ],
)
def test_texts_that_are_no_presentation_are_refused(text: str) -> None:
    """Missing tildes, key-binding JWTs, odd disclosures and excess are refused."""
    with pytest.raises(ConsentInvalid) as caught:
        sd_jwt.parse(text)
    assert caught.value.status is S.MALFORMED
    assert plain(caught.value.message)


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "~", "~~~", "é~", "{}", '{"payload":"","signatures":[]}', None, b"a.b.c~"]
)
def test_any_text_at_all_is_refused_in_our_own_words(text: str) -> None:
    """What is no presentation is malformed, whatever it is; so is a credential without its tildes."""
    bare = Desk.make().credential(hidden=frozenset()).rstrip("~")
    assert came_to(lambda desk: desk.verify(bare), Desk.make()) is S.MALFORMED
    assert came_to(lambda desk: desk.verify(text), Desk.make()) is S.MALFORMED


def test_a_bound_presentation_is_no_unbound_one() -> None:
    """Where no key binding is expected, one that hangs at the end is refused, not passed over."""
    desk = Desk.make()
    with pytest.raises(ConsentInvalid):
        sd_jwt.parse(desk.bound(desk.credential()))
    with pytest.raises(ConsentInvalid):
        sd_jwt.bind_key(desk.bound(desk.credential()), desk.holder, audience=AUDIENCE, nonce=NONCE, now=NOW)


@pytest.mark.parametrize("told", [{"nonce": ""}, {"audience": ""}, {"nonce": "n" * 2049}])
def test_nothing_is_bound_that_no_verifier_would_take(told: dict[str, str]) -> None:
    """An empty or endless nonce or audience is refused before anything is signed."""
    desk = Desk.make()
    with pytest.raises(ConsentInvalid) as caught:
        sd_jwt.bind_key(
            desk.credential(), desk.holder, **{"audience": AUDIENCE, "nonce": NONCE, "now": NOW, **told}
        )
    assert caught.value.status is S.MALFORMED
    assert plain(caught.value.message)


def test_an_issuer_without_any_key_signed_nothing() -> None:
    """An issuer trusted by its certificates alone has signed nothing that brings none."""
    desk = Desk.make()
    issuer = dataclasses.replace(desk.trust.issuers[ISSUER], keys=())
    trust = dataclasses.replace(desk.trust, issuers={ISSUER: issuer})
    assert came_to(lambda d: d.verify(d.bound(d.credential()), trust=trust), desk) is S.SIGNATURE_INVALID


def test_each_listed_key_is_tried() -> None:
    """Two keys of an issuer under one name, as after a hasty change, both verify."""
    desk = Desk.make()
    new = SigningKey.generate(kid=desk.issuer.public.kid)
    trust = trust_in(desk.issuer, jwks=(new.public.export(), desk.issuer.public.export()))
    for key in (desk.issuer, new):
        desk.verify(desk.bound(desk.credential(key=key)), trust=trust)


def test_what_binds_is_a_key_binding_jwt() -> None:
    """The binding has the type and the four claims of RFC 9901 section 4.3, and no more."""
    desk = Desk.make()
    credential = desk.credential()
    bound = sd_jwt.bind_key(credential, desk.holder, audience=AUDIENCE, nonce=NONCE, now=NOW)
    header, claims = unverified(bound.removeprefix(credential))
    assert header == {"alg": desk.holder.public.algorithm.value, "typ": BINDING_TYP}
    assert claims == unverified(desk.binding(credential))[1]


def test_nothing_of_it_is_printed() -> None:
    """No repr shows the token or a claim."""
    desk = Desk.make()
    credential = desk.credential()
    shown = repr((sd_jwt.parse(credential), desk.verify(desk.bound(credential))))
    assert "1990-05-17" not in shown
    assert credential[:40] not in shown
