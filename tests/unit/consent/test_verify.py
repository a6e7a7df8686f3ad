"""The verifier: one attack for each numbered check, each accepted if its check were taken out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np
import pytest
from consent_world import (
    AUDIENCE,
    LIST_SIZE,
    LIVENESS,
    MINOR_BIRTHDATE,
    MODELS,
    NOW,
    OTHER_PHOTO,
    PHOTO,
    STATUS_URI,
    ConsentWorld,
    Person,
    face,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import SIMULATED_VCT, Evidence
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.query import ConsentResult
from consent_edit.consent.status.lists import StatusLists
from consent_edit.consent.templates import FaceTemplate
from consent_edit.encoding import b64url_decode, b64url_encode, canonical_json
from consent_edit.vocabulary import (
    Age,
    Assurance,
    ConsentStatus,
    Environment,
    Operation,
    PhotoBinding,
    Purpose,
)

S = ConsentStatus
Attack = Callable[[ConsentWorld, Person], ConsentResult]
ATTACKS: list[object] = []
DAY = 86_400


def attack(check: int, status: ConsentStatus) -> Callable[[Attack], Attack]:
    """Register an attack on a numbered check with the status it must come to."""

    def register(function: Attack) -> Attack:
        ATTACKS.append(pytest.param(check, status, function, id=f"{check:02d}-{function.__name__}"))
        return function

    return register


@attack(1, S.MALFORMED)
def key_binding_jwt_appended(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    kb = sign_compact({"nonce": "x"}, person.key, typ="kb+jwt")
    return world.verify(person.rebind(Presentation(good.credential + kb, good.grant)))


@attack(1, S.MALFORMED)
def disclosure_in_sloppy_base64(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    jwt, *texts = good.credential.rstrip("~").split("~")
    sloppy = [text + "=" for text in texts]
    digests = [b64url_encode(hashlib.sha256(text.encode()).digest()) for text in sloppy]
    token = sign_compact({**unverified(jwt)[1], "_sd": digests}, world.issuer.key, typ="dc+sd-jwt")
    return world.verify(person.rebind(Presentation(sd_jwt.join(token, sloppy), good.grant)))


@attack(2, S.ISSUER_UNTRUSTED)
def credential_of_an_issuer_nobody_listed(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), iss="https://elsewhere.example"))


@attack(2, S.MALFORMED)
def issuer_name_that_is_no_text(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), iss=7))


@attack(2, S.ISSUER_UNTRUSTED)
def trust_in_the_issuer_has_ended(world: ConsentWorld, person: Person) -> ConsentResult:
    issuer = world.trust.issuers[world.issuer.name]
    ended = dataclasses.replace(issuer, entry=issuer.entry.model_copy(update={"exp": NOW}))
    trust = dataclasses.replace(world.trust, issuers={world.issuer.name: ended})
    return world.verify(person.present(), trust=trust)


@attack(2, S.ISSUER_UNTRUSTED)
def trust_list_out_of_date(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(), trust=dataclasses.replace(world.trust, exp=NOW))


@attack(3, S.SIGNATURE_INVALID)
def credential_signed_by_a_stranger(world: ConsentWorld, person: Person) -> ConsentResult:
    stranger = SigningKey.generate(Algorithm.ES256, kid=world.issuer.key.public.kid)
    return world.verify(person.recredential(person.present(), key=stranger))


@attack(3, S.MALFORMED)
def other_token_of_the_issuer_passed_off(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), typ="vc+jwt"))


@attack(4, S.MALFORMED)
def foreign_template_slipped_in(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    victim = [
        FaceTemplate.of(vector, model=role, sha256=MODELS[role]).model_dump()
        for role, vector in face(2).items()
    ]
    extra = b64url_encode(canonical_json(["c2FsdHNhbHRzYWx0c2FsdA", "face_template", victim]))
    jwt, *rest = good.credential.split("~")
    return world.verify(person.rebind(Presentation("~".join([jwt, extra, *rest]), good.grant)))


@attack(7, S.MALFORMED)
def unknown_claim_in_the_credential(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), nudity=True))


@attack(7, S.MALFORMED)
def number_where_a_date_belongs(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), birthdate="1234567890"))


@attack(7, S.MALFORMED)
def two_templates_for_one_embedder(world: ConsentWorld, person: Person) -> ConsentResult:
    entries = [
        FaceTemplate.of(face(seed)["face-embedding"], model="face-embedding", sha256="a" * 64).model_dump()
        for seed in (1, 2)
    ]
    return world.verify(person.recredential(person.present(), face_template=entries))


@attack(7, S.MALFORMED)
def status_entry_handed_out_twice(world: ConsentWorld, person: Person) -> ConsentResult:
    places = [one.idx for one in person.enrolment.stock]
    entries = {"uri": STATUS_URI, "idx": [*places, places[0]]}
    return world.verify(person.recredential(person.present(), grant_entries=entries))


@attack(5, S.ISSUER_UNTRUSTED)
def credential_type_the_issuer_may_not_issue(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), vct=SIMULATED_VCT))


@attack(8, S.MALFORMED)
def credential_that_lasts_too_long(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), exp=NOW + 180 * DAY + 1))


@attack(8, S.MALFORMED)
def credential_that_ends_before_it_begins(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), iat=NOW + 30, exp=NOW + 30))


@attack(6, S.EXPIRED)
def credential_expired(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), iat=NOW - DAY, nbf=NOW - DAY, exp=NOW - 60))


@attack(6, S.NOT_YET_VALID)
def credential_of_tomorrow(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), nbf=NOW + 61))


@attack(6, S.NOT_YET_VALID)
def credential_issued_in_the_future(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), iat=NOW + 61))


def _with_vector(world: ConsentWorld, person: Person, vector: object, dim: int = 128) -> ConsentResult:
    data = b64url_encode(np.asarray(vector, dtype="<f2").tobytes())
    entry = {"model": "face-embedding", "sha256": "a" * 64, "dim": dim, "enc": "f16", "data": data}
    return world.verify(person.recredential(person.present(), face_template=[entry]))


@attack(8, S.MALFORMED)
def minor_s_credential_outlives_childhood(world: ConsentWorld, _: Person) -> ConsentResult:
    born = datetime.fromtimestamp(NOW + 30 * DAY, UTC).date()
    child = world.person(birthdate=born.replace(year=born.year - 18))
    return world.verify(child.recredential(child.present(), exp=NOW + 60 * DAY))


@attack(9, S.MALFORMED)
def minor_without_a_guardian(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), birthdate="2015-05-17", age_over_18=False))


@attack(9, S.MALFORMED)
def minor_named_as_her_own_guardian(world: ConsentWorld, _: Person) -> ConsentResult:
    child = world.person(birthdate=MINOR_BIRTHDATE)
    own = {"jwk": child.key.public.export(), "relation": "parent", "proof_ref": "r"}
    return world.verify(child.recredential(child.present(), guardian=[own]))


@attack(9, S.MALFORMED)
def one_guardian_named_twice(world: ConsentWorld, _: Person) -> ConsentResult:
    child = world.person(birthdate=MINOR_BIRTHDATE)
    guardian = {"jwk": child.guardians[0].public.export(), "relation": "parent", "proof_ref": "r"}
    return world.verify(child.recredential(child.present(), guardian=[guardian, guardian]))


@attack(10, S.MALFORMED)
def template_of_infinite_length(world: ConsentWorld, person: Person) -> ConsentResult:
    return _with_vector(world, person, np.full(128, np.inf))


@attack(10, S.MALFORMED)
def template_scaled_to_match_everybody(world: ConsentWorld, person: Person) -> ConsentResult:
    return _with_vector(world, person, 10 * face(1)["face-embedding"])


@attack(10, S.MALFORMED)
def template_of_another_dimension(world: ConsentWorld, person: Person) -> ConsentResult:
    return _with_vector(world, person, face(1)["face-embedding"], dim=64)


@attack(11, S.SIGNATURE_INVALID)
def grant_signed_by_the_requester(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    forged = person.grant_token(person.grant_claims(good), key=SigningKey.generate(Algorithm.ES256))
    return world.verify(Presentation(good.credential, forged))


@attack(11, S.MALFORMED)
def other_token_of_the_holder_passed_off(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    return world.verify(
        Presentation(good.credential, person.grant_token(person.grant_claims(good), typ="JWT"))
    )


@attack(11, S.SIGNATURE_INVALID)
def minor_grants_by_herself(world: ConsentWorld, _: Person) -> ConsentResult:
    child = world.person(birthdate=MINOR_BIRTHDATE)
    good = child.present()
    return world.verify(Presentation(good.credential, child.grant_token(child.grant_claims(good))))


@attack(11, S.SIGNATURE_INVALID)
def one_of_two_guardians_did_not_sign(world: ConsentWorld, _: Person) -> ConsentResult:
    good = world.person(birthdate=MINOR_BIRTHDATE).present()
    return world.verify(dataclasses.replace(good, cosigned=()))


@attack(11, S.SIGNATURE_INVALID)
def one_guardian_signed_twice(world: ConsentWorld, _: Person) -> ConsentResult:
    good = world.person(birthdate=MINOR_BIRTHDATE).present()
    return world.verify(dataclasses.replace(good, cosigned=(good.grant,)))


@attack(11, S.SIGNATURE_INVALID)
def guardians_signed_different_grants(world: ConsentWorld, _: Person) -> ConsentResult:
    child = world.person(birthdate=MINOR_BIRTHDATE)
    good = child.present()
    wider = child.regrant(good, exp=NOW + DAY)
    return world.verify(dataclasses.replace(good, cosigned=wider.cosigned))


@attack(11, S.SIGNATURE_INVALID)
def signature_of_a_bystander_added(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    extra = person.grant_token(person.grant_claims(good), key=SigningKey.generate())
    return world.verify(dataclasses.replace(good, cosigned=(extra,)))


@attack(12, S.MALFORMED)
def action_outside_the_closed_set(world: ConsentWorld, person: Person) -> ConsentResult:
    details = [{"type": "face_edit", "actions": ["tone", "anything"], "purpose": "personal"}]
    return world.verify(person.regrant(person.present(), authorization_details=details))


@attack(12, S.MALFORMED)
def constraint_nobody_understands(world: ConsentWorld, person: Person) -> ConsentResult:
    details = [{"type": "face_edit", "actions": ["tone"], "purpose": "personal", "constraints": {"max": 1}}]
    return world.verify(person.regrant(person.present(), authorization_details=details))


@attack(12, S.MALFORMED)
def duplicate_names_in_the_grant(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    text = json.dumps(person.grant_claims(person.present(max_uses=1)))
    doubled = text[:-1] + f', "max_uses": 1000, "vc_hash": "{sd_jwt.presentation_hash(good.credential)}"}}'
    return world.verify(Presentation(good.credential, person.grant_token(doubled.encode())))


@attack(12, S.MALFORMED)
def grant_without_a_status_entry(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.regrant(person.present(), status=...))


@attack(12, S.MALFORMED)
def grant_that_ends_before_it_begins(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.regrant(person.present(), nbf=NOW, exp=NOW))


@attack(12, S.MALFORMED)
def guessable_grant_name(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.regrant(person.present(), jti="1"))


@attack(13, S.SIGNATURE_INVALID)
def grant_that_names_another_key(world: ConsentWorld, person: Person) -> ConsentResult:
    other = SigningKey.generate().public.thumbprint
    return world.verify(person.regrant(person.present(), cnf={"jkt": other}))


@attack(14, S.SIGNATURE_INVALID)
def grant_of_another_credential(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.regrant(person.present(), vc_hash="sha256:" + "0" * 64))


@attack(14, S.SIGNATURE_INVALID)
def birthdate_left_out_by_the_requester(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    jwt, *rest = good.credential.split("~")
    kept = [text for text in rest if text and b"birthdate" not in b64url_decode(text)]
    stripped = sd_jwt.join(jwt, kept)
    if stripped == good.credential:
        pytest.fail("nothing was left out")
    return world.verify(Presentation(stripped, good.grant))


@attack(15, S.EXPIRED)
def grant_expired(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.regrant(person.present(), iat=NOW - DAY, nbf=NOW - DAY, exp=NOW - 60))


@attack(15, S.NOT_YET_VALID)
def grant_of_tomorrow(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.regrant(person.present(), nbf=NOW + 61))


@attack(15, S.NOT_YET_VALID)
def grant_signed_in_the_future(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.regrant(person.present(), iat=NOW + 61))


@attack(16, S.WRONG_AUDIENCE)
def grant_carried_to_another_service(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(), audience=AUDIENCE + ".evil.example")


@attack(17, S.WRONG_GRANTEE)
def grant_used_by_somebody_else(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(), grantee="client-2")


@attack(17, S.WRONG_GRANTEE)
def stolen_self_grant_without_her_key(world: ConsentWorld, person: Person) -> ConsentResult:
    own = person.present(grantee=person.wallet.subject)
    return world.verify(own, grantee=person.wallet.subject, nonce="nonce-1")


@attack(17, S.WRONG_GRANTEE)
def stolen_self_grant_with_the_thief_s_key(world: ConsentWorld, person: Person) -> ConsentResult:
    own = person.present(grantee=person.wallet.subject)
    thief = SigningKey.generate().public.thumbprint
    return world.verify(own, grantee=person.wallet.subject, proven=thief, nonce="nonce-1")


@attack(18, S.WRONG_PURPOSE)
def grant_used_for_another_purpose(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(), purpose=Purpose.ADVERTISING)


@attack(19, S.WRONG_IMAGE)
def grant_carried_to_another_photo(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(images=[OTHER_PHOTO]))


@attack(19, S.WRONG_IMAGE)
def second_photo_beside_the_granted_one(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(images=[PHOTO]), photos=frozenset({PHOTO, OTHER_PHOTO}))


@attack(19, S.WRONG_IMAGE)
def photo_bound_grant_without_any_photo(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(images=[PHOTO]), photos=frozenset())


@attack(20, S.OUT_OF_SCOPE)
def operation_nobody_granted(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(), operations=frozenset({Operation.TONE, Operation.HAIR}))


@attack(20, S.OUT_OF_SCOPE)
def edit_that_says_it_does_nothing(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(), operations=frozenset())


@attack(20, S.OUT_OF_SCOPE)
def action_of_another_purpose_borrowed(world: ConsentWorld, person: Person) -> ConsentResult:
    details = [
        {"type": "face_edit", "actions": ["tone"], "purpose": "personal"},
        {"type": "face_edit", "actions": ["makeup"], "purpose": "try_on"},
    ]
    grant = person.regrant(person.present(), authorization_details=details)
    return world.verify(grant, operations=frozenset({Operation.MAKEUP}))


_TOO_MUCH = [{"type": "face_edit", "actions": ["tone", "makeup"], "purpose": "personal"}]


@attack(20, S.OUT_OF_SCOPE)
def minor_grants_what_no_minor_can(world: ConsentWorld, _: Person) -> ConsentResult:
    child = world.person(birthdate=MINOR_BIRTHDATE)
    return world.verify(child.regrant(child.present(), authorization_details=_TOO_MUCH))


@attack(20, S.OUT_OF_SCOPE)
def minor_hides_the_birthdate(world: ConsentWorld, _: Person) -> ConsentResult:
    child = world.person(birthdate=MINOR_BIRTHDATE)
    good = child.regrant(child.present(), authorization_details=_TOO_MUCH)
    jwt, *rest = good.credential.split("~")
    kept = [text for text in rest if text and b"birthdate" not in b64url_decode(text)]
    return world.verify(child.rebind(Presentation(sd_jwt.join(jwt, kept), good.grant)))


@attack(21, S.REVOKED)
def credential_revoked(world: ConsentWorld, person: Person) -> ConsentResult:
    world.issuer.revoke(person.enrolment.entry.idx)
    return world.verify(person.present())


@attack(21, S.STATUS_UNAVAILABLE)
def credential_points_at_a_list_nobody_trusts(world: ConsentWorld, person: Person) -> ConsentResult:
    status = {"status_list": {"uri": "https://elsewhere.example/1", "idx": 0}}
    return world.verify(person.recredential(person.present(), status=status))


@attack(22, S.REVOKED)
def grant_withdrawn(world: ConsentWorld, person: Person) -> ConsentResult:
    held = person.grant()
    person.withdraw(held)
    return world.verify(held.presentation())


@attack(22, S.STATUS_UNAVAILABLE)
def grant_points_beyond_the_list(world: ConsentWorld, person: Person) -> ConsentResult:
    own = person.recredential(person.present(), grant_entries={"uri": STATUS_URI, "idx": [LIST_SIZE]})
    status = {"status_list": {"uri": STATUS_URI, "idx": LIST_SIZE}}
    return world.verify(person.regrant(own, status=status))


@attack(22, S.STATUS_UNAVAILABLE)
def guardians_made_to_sign_what_they_cannot_withdraw(world: ConsentWorld, _: Person) -> ConsentResult:
    child, accomplice = world.person(birthdate=MINOR_BIRTHDATE), world.person(face(2))
    status = {"status_list": accomplice.enrolment.stock[5].model_dump()}
    return world.verify(child.regrant(child.present(), status=status))


@attack(22, S.STATUS_UNAVAILABLE)
def grant_under_the_same_place_of_another_list(world: ConsentWorld, person: Person) -> ConsentResult:
    good = person.present()
    elsewhere = {"uri": "https://courier.example/status", "idx": [one.idx for one in person.enrolment.stock]}
    return world.verify(person.recredential(good, grant_entries=elsewhere))


@attack(22, S.STATUS_UNAVAILABLE)
def grant_under_a_credential_without_entries(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.recredential(person.present(), grant_entries=...))


@attack(23, S.EXHAUSTED)
def grant_used_up(world: ConsentWorld, person: Person) -> ConsentResult:
    return world.verify(person.present(max_uses=2), uses=lambda _: 2)


@attack(24, S.REPLAYED)
def proof_used_a_second_time(world: ConsentWorld, person: Person) -> ConsentResult:
    own = person.present(grantee=person.wallet.subject)
    world.spent.add("nonce-1")
    return world.verify(own, proven=person.wallet.subject, nonce="nonce-1")


@attack(24, S.REPLAYED)
def proof_without_a_nonce(world: ConsentWorld, person: Person) -> ConsentResult:
    own = person.present(grantee=person.wallet.subject)
    return world.verify(own, proven=person.wallet.subject, nonce="")


@pytest.mark.parametrize(("check", "status", "attacking"), ATTACKS)
def test_attack_is_refused_with_its_status(check: int, status: ConsentStatus, attacking: Attack) -> None:
    """Each attack comes to the very status its check yields, and grants nothing."""
    world = ConsentWorld.make()
    person = world.person()
    result = attacking(world, person)
    assert result.status is status, result.detail
    assert (result.granted, result.photo, result.assurance) == (
        frozenset(),
        PhotoBinding.NONE,
        Assurance.NONE,
    )
    assert result.age is not Age.ADULT


def test_every_numbered_check_has_an_attack() -> None:
    """The numbers in verify.py's docstring and body and the numbers attacked are the same."""
    import re
    from pathlib import Path

    from consent_edit.consent import verify

    text = Path(verify.__file__).read_text("utf-8")
    listed = {int(n) for n in re.findall(r"^ ?(\d+)\. ", text.split('"""')[1], re.MULTILINE)}
    inline = {int(n) for n in re.findall(r"(?:# |and |, )(\d+)\. ", text)}
    attacked = {param.values[0] for param in ATTACKS}  # type: ignore[attr-defined]
    assert listed == inline == attacked == set(range(1, 25))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_an_honest_presentation_verifies(algorithm: Algorithm) -> None:
    """A true credential and grant give consent, with everything a decision needs."""
    world = ConsentWorld.make(algorithm=algorithm)
    person = world.person(algorithm=algorithm)
    presentation = person.present(images=[PHOTO], max_uses=3)
    result = world.verify(presentation, uses=lambda _: 2)
    assert result.status is S.VERIFIED, result.detail
    assert (result.assurance, result.age, result.photo) == (
        Assurance.SUBSTANTIAL,
        Age.ADULT,
        PhotoBinding.EXACT,
    )
    assert result.granted == {Operation.TONE, Operation.BACKGROUND}
    assert (result.issuer, result.subject) == (world.issuer.name, person.key.public.thumbprint)
    assert result.credential_sha256 == sd_jwt.presentation_hash(presentation.credential)
    assert (result.grant_id, result.max_uses) == (person.wallet.grants[0].jti, 3)
    assert result.grant_sha256.startswith("sha256:")
    for role, template in person.templates.items():
        assert result.templates[role].dtype == np.float32
        assert float(result.templates[role] @ template) > 0.9999


def test_skew_of_a_minute_is_allowed_and_no_more() -> None:
    """Fifty-nine seconds past the end still verify; sixty do not."""
    world = ConsentWorld.make()
    person = world.person()
    good = person.present()
    assert world.verify(person.regrant(good, nbf=NOW - DAY, iat=NOW - DAY, exp=NOW - 59)).status is S.VERIFIED
    assert world.verify(person.regrant(good, nbf=NOW + 60)).status is S.VERIFIED


def test_a_grant_to_anybody_serves_anybody() -> None:
    """The grantee ``any``, said expressly to the signer, is honoured."""
    world = ConsentWorld.make()
    assert world.verify(world.person().present(grantee="any", anyone=True), grantee="x").status is S.VERIFIED


def test_every_photo_before_us_must_be_named() -> None:
    """A grant that names two photos speaks for either and for both; an unbound one binds nothing."""
    world = ConsentWorld.make()
    both = world.person().present(images=[PHOTO, OTHER_PHOTO])
    for photos in ({PHOTO}, {OTHER_PHOTO}, {PHOTO, OTHER_PHOTO}):
        result = world.verify(both, photos=frozenset(photos))
        assert (result.status, result.photo, result.photos) == (S.VERIFIED, PhotoBinding.EXACT, photos)
    assert world.verify(world.person().present(), photos=frozenset()).photo is PhotoBinding.NONE


def test_a_key_that_proves_itself_may_use_its_grant() -> None:
    """A grant to a key serves whoever signed a fresh proof with it, whatever client id is given."""
    world = ConsentWorld.make()
    person = world.person()
    friend = SigningKey.generate().public.thumbprint
    for key in (person.wallet.subject, friend):
        own = person.present(grantee=key)
        assert world.verify(own, grantee="", proven=key, nonce="n").status is S.VERIFIED


def test_a_client_named_like_a_key_is_no_key() -> None:
    """A client id of a thumbprint's form never serves a grant to that key."""
    world = ConsentWorld.make()
    person = world.person()
    own = person.present(grantee=person.wallet.subject)
    assert world.verify(own, grantee=person.wallet.subject).status is S.WRONG_GRANTEE


def test_all_guardians_together_consent_for_a_minor() -> None:
    """Every guardian's signature over the same grant, in any order, is a minor's consent."""
    world = ConsentWorld.make()
    good = world.person(birthdate=MINOR_BIRTHDATE).present()
    turned = Presentation(good.credential, good.cosigned[0], (good.grant,))
    for presentation in (good, turned):
        result = world.verify(presentation)
        assert (result.status, result.age) == (S.VERIFIED, Age.MINOR)


def test_childhood_ends_with_the_birthday() -> None:
    """What guardians granted ends on the eighteenth birthday: the credential under it does."""
    world = ConsentWorld.make()
    born = datetime.fromtimestamp(NOW + 10 * DAY, UTC).date()
    child = world.person(birthdate=born.replace(year=born.year - 18))
    good = child.present()
    assert world.verify(good).status is S.VERIFIED
    world.clock.now = NOW + 11 * DAY
    assert world.verify(good).status is S.EXPIRED


def test_unbound_adult_is_undetermined_and_unbound_minor_is_a_minor() -> None:
    """A birthdate shows an adult only in a bound photo; a minor everywhere, also in a refusal."""
    world = ConsentWorld.make()
    assert world.verify(world.person().present()).age is Age.UNDETERMINED
    child = world.person(birthdate=MINOR_BIRTHDATE)
    assert world.verify(child.present()).status is S.VERIFIED
    assert world.verify(child.present()).age is Age.MINOR
    assert world.verify(child.present(), grantee="x").age is Age.MINOR
    assert world.verify(world.person(birthdate=date.min).present(images=[PHOTO])).age is Age.UNDETERMINED


def test_contradicting_ages_read_as_the_lower() -> None:
    """An adult birthdate beside ``age_over_18: false`` is a minor, who needs guardians."""
    world = ConsentWorld.make()
    child = world.person(birthdate=MINOR_BIRTHDATE)
    result = world.verify(child.recredential(child.present(), birthdate="1990-05-17"))
    assert result.age is Age.MINOR
    assert world.verify(world.person().present()).status is S.VERIFIED


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (LIVENESS, Assurance.SUBSTANTIAL),
        (Evidence(loa=Assurance.LOW, method="m", liveness="supervised_session"), Assurance.LOW),
        (Evidence(loa=Assurance.HIGH, method="m"), Assurance.SELF_ASSERTED),
        (Evidence(loa=Assurance.HIGH, method="m", liveness=" "), Assurance.SELF_ASSERTED),
        (Evidence(loa=Assurance.HIGH, method="m", liveness="looked alive"), Assurance.SELF_ASSERTED),
        (Evidence(loa=Assurance.HIGH, method="m", liveness="passive"), Assurance.LOW),
        (Evidence(loa=Assurance.NONE, method="m"), Assurance.NONE),
    ],
)
def test_assurance_is_the_least_of_claim_trust_and_liveness(evidence: Evidence, expected: Assurance) -> None:
    """A credential that claims more than its issuer may, or names no liveness method, is worth less."""
    world = ConsentWorld.make()
    person = world.person()
    claims = evidence.model_dump(mode="json")
    result = world.verify(person.recredential(person.present(), evidence=claims))
    assert (result.status, result.assurance) == (S.VERIFIED, expected)


def test_demo_consent_is_simulated_there_and_untrusted_elsewhere() -> None:
    """What the demo's issuer signs verifies as simulated in the demo, and nowhere else."""
    demo, real = ConsentWorld.make(environment=Environment.DEMO, name="demo:issuer"), ConsentWorld.make()
    presentation = demo.person().present(images=[PHOTO])
    assert demo.verify(presentation).status is S.VERIFIED
    assert demo.verify(presentation).assurance is Assurance.SIMULATED
    assert real.verify(presentation).status is S.ISSUER_UNTRUSTED


def test_a_refusal_still_says_whose_it_is() -> None:
    """Untrusted issuers and failed grants leave the templates readable as a label, never as consent."""
    world = ConsentWorld.make()
    person = world.person()
    good = person.present()
    for result in (
        world.verify(good, grantee="x"),
        world.verify(person.recredential(good, iss="https://elsewhere.example")),
        world.verify(Presentation(good.credential, "x.y.z")),
    ):
        assert result.status is not S.VERIFIED
        assert set(result.templates) == set(person.templates)
    assert world.verify(Presentation("garbage", good.grant)).templates == {}
    assert _with_vector(world, person, np.full(128, np.nan)).templates == {}


def test_templates_of_another_weight_file_are_left_out() -> None:
    """A template made by a file that is not in use is not handed to matching."""
    world = ConsentWorld.make()
    models = {**MODELS, "face-embedding": "c" * 64}
    result = world.verify(world.person().present(), models=models)
    assert result.status is S.VERIFIED
    assert set(result.templates) == {"face-embedding-second"}


def test_rotated_issuer_keys_both_verify() -> None:
    """While an issuer rotates, credentials of the old and the new key hold, whatever kid they name."""
    world = ConsentWorld.make()
    person = world.person()
    new = SigningKey.generate(Algorithm.ED25519)
    issuer = world.trust.issuers[world.issuer.name]
    rotated = dataclasses.replace(issuer, keys=(new.public, *issuer.keys))
    trust = dataclasses.replace(world.trust, issuers={world.issuer.name: rotated})
    assert world.verify(person.present(), trust=trust).status is S.VERIFIED
    assert world.verify(person.recredential(person.present(), key=new), trust=trust).status is S.VERIFIED


def test_a_defect_in_the_use_counter_is_no_consent() -> None:
    """When the use count cannot be read, the answer is a refusal, not an exception."""
    world = ConsentWorld.make()

    def broken(_: str) -> int:
        raise OSError("disk")

    result = world.verify(world.person().present(max_uses=1), uses=broken)
    assert (result.status, "OSError" in result.detail) == (S.MALFORMED, True)


def test_no_status_list_at_hand_is_no_consent() -> None:
    """Without any list the status is unavailable."""
    world = ConsentWorld.make()
    assert world.verify(world.person().present(), statuses=StatusLists()).status is S.STATUS_UNAVAILABLE


def test_results_and_presentations_print_nothing_biometric() -> None:
    """No repr of what verification handles shows a template or a token."""
    world = ConsentWorld.make()
    person = world.person()
    held = person.grant(images=[PHOTO])
    result = world.verify(held.presentation())
    shown = repr((result, held, held.presentation(), person.enrolment, person.wallet.public))
    assert "array" not in shown
    assert held.credential[:60] not in shown
    assert held.token[:60] not in shown


_WORLD = ConsentWorld.make()
_PERSON = _WORLD.person()
_GOOD = _PERSON.present(images=[PHOTO])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_changed_byte_verifies(data: st.DataObject) -> None:
    """Changing any one character of credential or grant never leaves consent."""
    part = data.draw(st.sampled_from(["credential", "grant"]))
    text = getattr(_GOOD, part)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(max_codepoint=0x2FF).filter(lambda c: c != text[place]))
    changed = text[:place] + letter + text[place + 1 :]
    result = _WORLD.verify(dataclasses.replace(_GOOD, **{part: changed}))
    assert result.status is not S.VERIFIED


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_at_all_gets_an_answer(credential: str, grant: str) -> None:
    """Whatever is presented, the verifier answers with a status and never raises."""
    assert _WORLD.verify(Presentation(credential, grant)).status is S.MALFORMED


@settings(max_examples=60, deadline=None)
@given(
    granted=st.sets(st.sampled_from(list(Operation)), min_size=1),
    asked=st.sets(st.sampled_from(list(Operation))),
)
def test_consent_never_covers_more_than_was_granted(granted: set[Operation], asked: set[Operation]) -> None:
    """An edit verifies exactly when it asks for something and all it asks for was granted."""
    details = [{"type": "face_edit", "actions": sorted(granted), "purpose": "personal"}]
    grant = _PERSON.regrant(_GOOD, authorization_details=details)
    result = _WORLD.verify(grant, operations=frozenset(asked))
    assert (result.status is S.VERIFIED) == bool(asked and asked <= granted)


def test_tokens_carry_their_media_types() -> None:
    """Credential and grant name the types that the specifications give them."""
    assert unverified(_GOOD.credential.split("~")[0])[0]["typ"] == "dc+sd-jwt"
    assert unverified(_GOOD.grant)[0]["typ"] == "consent-grant+jwt"


def test_uses_are_counted_by_holder_and_grant() -> None:
    """A grant with somebody else's jti has uses of its own: a jti is its signer's choice."""
    world = ConsentWorld.make()
    asked: list[str] = []

    def uses(use_id: str) -> int:
        asked.append(use_id)
        return 0

    for person in (world.person(), world.person()):
        result = world.verify(person.regrant(person.present(max_uses=1), jti="A" * 22), uses=uses)
        assert result.status is S.VERIFIED, result.detail
        assert result.use_id == asked[-1]
    assert len(set(asked)) == 2
