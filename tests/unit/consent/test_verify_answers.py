"""What the verifier says beside its status: who and why, as far as it was established and no further."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
import test_verify
from consent_world import ADULT_BIRTHDATE, MINOR_BIRTHDATE, NOW, PHOTO, ConsentWorld
from test_chain import ca_extensions, issued
from test_sd_jwt import plain
from test_trust import signing

from consent_edit.consent import sd_jwt
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.presentation import Presentation
from consent_edit.vocabulary import (
    MINOR_OPERATIONS,
    Age,
    Assurance,
    ConsentStatus,
    Environment,
    Operation,
)

S = ConsentStatus


@pytest.mark.parametrize(("check", "status", "attacking"), test_verify.ATTACKS)
def test_a_refusal_says_why(check: int, status: ConsentStatus, attacking: test_verify.Attack) -> None:
    """The detail is a plain sentence for the operator, whatever was attacked."""
    world = ConsentWorld.make()
    result = attacking(world, world.person())
    assert plain(result.detail), (check, status)


def established(result: object) -> dict[str, object]:
    """What a result says was established."""
    names = ("grant_id", "subject", "issuer", "credential_sha256", "grant_sha256", "max_uses")
    return {name: getattr(result, name) for name in names}


def test_a_refusal_reports_what_was_established_and_no_more() -> None:
    """Each part is named once its signature held, and not before."""
    world = ConsentWorld.make()
    person = world.person()
    good = person.present(images=[PHOTO], max_uses=3)
    whole = established(world.verify(good))
    assert all(whole.values())
    assert established(world.verify(good, grantee="x")) == whole
    nothing_of_the_grant = {**whole, "grant_id": "", "grant_sha256": "", "max_uses": 0}
    assert established(world.verify(dataclasses.replace(good, grant="x.y.z"))) == nothing_of_the_grant
    forged = person.recredential(good, key=person.key)
    sha256 = sd_jwt.presentation_hash(forged.credential)
    only_the_text = {**dict.fromkeys(whole, ""), "credential_sha256": sha256, "max_uses": 0}
    assert established(world.verify(forged)) == only_the_text
    nothing = {**only_the_text, "credential_sha256": ""}
    assert established(world.verify(Presentation("garbage", good.grant))) == nothing


def test_an_adult_s_refusal_says_nothing_of_age() -> None:
    """A refusal says that somebody is a minor, so that care is taken, and nothing of an adult."""
    world = ConsentWorld.make()
    for birthdate, age in ((ADULT_BIRTHDATE, Age.UNDETERMINED), (MINOR_BIRTHDATE, Age.MINOR)):
        presentation = world.person(birthdate=birthdate).present(images=[PHOTO])
        assert world.verify(presentation, grantee="x").age is age


def test_consent_names_the_status_entries_to_read_again() -> None:
    """Credential's and grant's, in this order, so that release reads them once more."""
    world = ConsentWorld.make()
    person = world.person()
    held = person.grant()
    result = world.verify(held.presentation())
    assert result.statuses == (person.enrolment.entry, held.entry)
    assert plain(result.detail)


def test_all_that_was_granted_may_be_done() -> None:
    """An edit may ask for the whole of a grant; a minor's may hold all that a minor's can."""
    world = ConsentWorld.make()
    granted = {Operation.TONE, Operation.BACKGROUND}
    assert world.verify(world.person().present(), operations=frozenset(granted)).status is S.VERIFIED
    child = world.person(birthdate=MINOR_BIRTHDATE)
    result = world.verify(child.present(operations=MINOR_OPERATIONS), operations=MINOR_OPERATIONS)
    assert (result.status, result.granted) == (S.VERIFIED, MINOR_OPERATIONS)


def test_a_credential_may_last_a_second_or_180_days() -> None:
    """Both ends of what a credential may last are taken."""
    world = ConsentWorld.make()
    person = world.person()
    for lasts in (1, 180 * 86_400):
        credential = person.recredential(person.present(), iat=NOW, exp=NOW + lasts)
        assert world.verify(credential).status is S.VERIFIED


def test_whatever_a_demo_list_vouches_for_is_simulated() -> None:
    """Even were a real issuer on it: the environment alone decides."""
    world = ConsentWorld.make()
    demo = dataclasses.replace(world.trust, environment=Environment.DEMO)
    result = world.verify(world.person().present(), trust=demo)
    assert (result.status, result.assurance) == (S.VERIFIED, Assurance.SIMULATED)


def test_a_defect_still_says_whose_it_is() -> None:
    """When verification breaks off the templates can be read as a label, as in any refusal."""
    world = ConsentWorld.make()
    person = world.person()

    def broken(_: str) -> int:
        raise OSError("disk")

    result = world.verify(person.present(max_uses=1), uses=broken)
    assert set(result.templates) == set(person.templates)
    assert plain(result.detail)


def test_a_certified_issuer_s_refusal_says_whose_it_is_too() -> None:
    """A credential that brings its chain verifies by the anchor; refused, it can still be read."""
    world = ConsentWorld.make()
    person = world.person()
    moment, day = datetime.datetime.fromtimestamp(NOW, datetime.UTC), datetime.timedelta(days=1)
    span = {"begins": moment - day, "ends": moment + day}
    root = issued("root", ca_extensions(), **span)
    leaf = root.leaf(**span)
    listed = world.trust.issuers[world.issuer.name]
    certified = listed.entry.model_copy(update={"jwks": (), "x5c": (root.text,)})
    issuer = dataclasses.replace(listed, keys=(), entry=certified)
    trust = dataclasses.replace(world.trust, issuers={world.issuer.name: issuer})
    good = person.present()
    jwt, *texts = good.credential.rstrip("~").split("~")
    headers = {"x5c": [leaf.text]}
    signed = sign_compact(unverified(jwt)[1], signing(leaf), typ="dc+sd-jwt", headers=headers)
    chained = person.rebind(Presentation(sd_jwt.join(signed, texts), good.grant))
    assert world.verify(chained, trust=trust).status is S.VERIFIED
    refused = world.verify(chained, trust=trust, grantee="x")
    assert refused.status is S.WRONG_GRANTEE
    assert set(refused.templates) == set(person.templates)
