"""Consent records: the fields ISO/IEC TS 27560 asks for, in true DPV terms, and nothing biometric."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from consent_world import (
    AUDIENCE,
    LIVENESS,
    MINOR_BIRTHDATE,
    MODELS,
    NOW,
    PHOTO,
    ConsentWorld,
    capture,
    face,
    guardian,
)
from pydantic import ValidationError

from consent_edit.consent.holder.held import HeldGrant, read_credential
from consent_edit.consent.holder.record import CONTEXT, PURPOSES, Controller, consent_receipt, consent_record
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.keys import SigningKey
from consent_edit.encoding import canonical_json
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Operation, Purpose

DAY = 86_400

# Terms copied from the Data Privacy Vocabulary (DPV) 2.3, https://w3id.org/dpv/2.3/dpv and .../2.3/pd: the
# names alone. DPV: Copyright © the Contributors, W3C Data Privacy Vocabularies and Controls Community Group;
# W3C Software and Document License, https://www.w3.org/copyright/software-license-2023/
_DPV = """
    Advertising Alter ConsentExpired ConsentGiven ConsentNotice ConsentReceipt ConsentRecord ConsentWithdrawn
    DataController DataSubject DataSubjectRight ExplicitlyExpressedConsent FixedOccurrencesDuration
    GuardianOfDataSubject Match NonCommercialPurpose ParentOfDataSubject PersonalData Process Processing
    PublicBenefit Purpose Recipient ResearchAndDevelopment ServicePersonalisation ServiceProvision
    SpecialCategoryPersonalData StorageDuration UntilTimeDuration WithdrawConsent hasAddress hasConsentControl
    hasConsentStatus hasContact hasDataController hasDataSubject hasDuration hasIdentifier hasIndicationMethod
    hasJurisdiction hasLegalBasis hasName hasNotice hasPersonalData hasProcess hasProcessing hasPurpose
    hasRecipient hasRecordOfActivity hasRight hasStorageCondition isExercisedAt isIndicatedAtTime
    isIndicatedBy
    """
DPV = frozenset(_DPV.split())
KNOWN = {
    "dpv": DPV,
    "pd": frozenset({"FacialPrint", "Picture"}),
    "dct": frozenset({"conformsTo", "created", "date", "description", "identifier", "language", "title"}),
    "loc": frozenset({"FR", "EU"}),
    "rdf": frozenset({"value"}),
    "schema": frozenset({"recipient"}),
    "skos": frozenset({"broader"}),
}
# Fields that the DPV guide to ISO/IEC TS 27560 (https://w3id.org/dpv/guides/consent-27560, section 8) says
# must be present in a record; those of the service's own are tested below.
_REQUIRED = """
    dct:conformsTo dct:identifier dpv:hasDataSubject dpv:hasNotice dpv:hasProcess dpv:hasDataController
    dpv:hasConsentControl dpv:hasRight dpv:hasLegalBasis dpv:hasConsentStatus
"""
REQUIRED = _REQUIRED.split()


def terms(value: object) -> Iterator[str]:
    """Every name of a member, type and node in a JSON-LD value."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "@context":
                continue
            if name in ("@type", "@id"):
                yield from ([member] if isinstance(member, str) else member)
            else:
                yield name
                yield from terms(member)
    elif isinstance(value, list):
        for member in value:
            yield from terms(member)


def held(**changes: object) -> HeldGrant:
    """A grant of one photo, used twice at most."""
    return ConsentWorld.make().person().grant(images=[PHOTO], max_uses=2, **changes)


def test_every_term_is_one_of_the_vocabularys() -> None:
    """Every prefixed name in a full receipt is declared in the context and exists in its vocabulary."""
    world = ConsentWorld.make()
    person, child = world.person(), world.person(birthdate=MINOR_BIRTHDATE)
    grants = [
        *(person.grant(purpose=purpose, operations=set(Operation), images=[PHOTO]) for purpose in Purpose),
        person.grant(grantee="any", anyone=True, max_uses=2),
        child.grant(),
    ]
    person.wallet.withdraw(grants[0].jti, NOW)
    grants[0] = person.wallet.held(grants[0].jti)
    told = Controller(audience=AUDIENCE, name="N", contact="c@example", address="A 1", jurisdiction="FR")
    receipt = consent_receipt(grants, now=NOW + 60 * DAY, controllers=[told])
    found = set()
    for term in terms(receipt):
        if term.startswith(("urn:", "https://w3id.org/dpv/schema/dpv-27560#")):
            continue
        prefix, _, name = term.partition(":")
        assert name in KNOWN[prefix], term
        found.add(term)
    assert {f"dpv:{name}" for name in DPV} - found == {"dpv:GuardianOfDataSubject"}
    assert receipt["@context"] == dict(CONTEXT)
    assert set(CONTEXT) == set(KNOWN)


def test_a_record_has_the_fields_the_standard_asks_for() -> None:
    """Each required field of record, notice, process and event is there and says what was granted."""
    grant = held()
    record = json.loads(canonical_json(consent_record(grant, now=NOW)))
    claims = grant.claims()
    assert all(record[name] for name in REQUIRED)
    assert record["@type"] == "dpv:ConsentRecord"
    assert record["dct:conformsTo"] == {"@id": "https://w3id.org/dpv/schema/dpv-27560#record"}
    assert record["dct:identifier"] == grant.jti
    assert record["dpv:hasDataSubject"]["dct:identifier"] == claims.cnf.jkt
    assert record["dpv:hasDataSubject"]["@id"].endswith(f":jwk-thumbprint:sha-256:{claims.cnf.jkt}")
    assert record["dpv:hasDataController"] == [{"@type": "dpv:DataController", "dct:identifier": AUDIENCE}]
    assert record["dpv:hasNotice"]["dct:language"] == "en"
    assert claims.notice.hash in record["dpv:hasNotice"]["dct:identifier"]
    (process,) = record["dpv:hasProcess"]
    assert process["dpv:hasPurpose"]["skos:broader"] == {"@id": "dpv:NonCommercialPurpose"}
    assert process["dpv:hasRecipient"] == {"@type": "dpv:Recipient", "dct:identifier": "client-1"}
    pictures, template = process["dpv:hasPersonalData"]
    assert (pictures["skos:broader"], pictures["dct:identifier"]) == ({"@id": "pd:Picture"}, [PHOTO])
    assert template == {"@type": "dpv:SpecialCategoryPersonalData", "skos:broader": {"@id": "pd:FacialPrint"}}
    assert {part["@id"] for part in process["dpv:hasProcessing"]} == {
        "dpv:Match",
        "urn:consent-edit:operation:background",
        "urn:consent-edit:operation:tone",
    }
    assert process["dpv:hasDuration"] == [
        {"@type": "dpv:UntilTimeDuration", "rdf:value": "2027-02-14T08:00:00Z"},
        {"@type": "dpv:FixedOccurrencesDuration", "rdf:value": "2"},
    ]
    (event,) = record["dpv:hasConsentStatus"]
    assert event["@type"] == ["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"]
    assert event["dpv:isIndicatedAtTime"] == "2027-01-15T08:00:00Z"
    assert event["dpv:isIndicatedBy"] == [record["dpv:hasDataSubject"]]
    assert claims.status.status_list.uri in record["dpv:hasConsentControl"]["dpv:isExercisedAt"]


def test_a_receipt_wraps_its_records() -> None:
    """A receipt says what it is, when it was made and for whom, and holds each grant's record."""
    one, two = held(), held()
    receipt = json.loads(canonical_json(consent_receipt([one, two], now=NOW)))
    assert receipt["@type"] == "dpv:ConsentReceipt"
    assert receipt["dct:conformsTo"] == {"@id": "https://w3id.org/dpv/schema/dpv-27560#receipt"}
    assert receipt["dct:created"] == "2027-01-15T08:00:00Z"
    assert receipt["schema:recipient"] == {"@id": "dpv:DataSubject"}
    records = receipt["dpv:hasRecordOfActivity"]
    assert [record["dct:identifier"] for record in records] == [one.jti, two.jti]
    assert [{"@context": dict(CONTEXT), **record} for record in records] == [
        json.loads(canonical_json(consent_record(grant, now=NOW))) for grant in (one, two)
    ]


def test_what_the_service_says_of_itself_is_in_the_record() -> None:
    """Name, contact, address and country come from who knows them, of the right service only."""
    told = Controller(
        audience=AUDIENCE,
        name="Editor Ltd",
        contact="dpo@editor.example",
        address="1 Road",
        jurisdiction="FR",
    )
    other = Controller(audience="https://other.example", name="Other", jurisdiction="EU")
    record = consent_record(held(), now=NOW, controllers=[other, told])
    (controller,) = record["dpv:hasDataController"]  # type: ignore[misc]
    assert controller == {
        "@type": "dpv:DataController",
        "dct:identifier": AUDIENCE,
        "dpv:hasName": "Editor Ltd",
        "dpv:hasContact": "dpo@editor.example",
        "dpv:hasAddress": "1 Road",
    }
    assert record["dpv:hasJurisdiction"] == [{"@id": "loc:FR"}]
    assert "dpv:hasJurisdiction" not in consent_record(held(), now=NOW)
    with pytest.raises(ValidationError):
        Controller(audience="a", jurisdiction="fr:x")


def test_withdrawn_and_expired_are_told_apart() -> None:
    """Withdrawn at its time, by whom; expired at its end; a withdrawn one does not expire as well."""
    person = ConsentWorld.make().person()
    grant = person.grant()
    late = consent_record(grant, now=NOW + 31 * DAY)["dpv:hasConsentStatus"]
    assert late[1] == {  # type: ignore[index]
        "@type": "dpv:ConsentExpired",
        "dpv:isIndicatedAtTime": "2027-02-14T08:00:00Z",
    }
    person.wallet.withdraw(grant.jti, NOW + 60)
    events = consent_record(person.wallet.held(grant.jti), now=NOW + 31 * DAY)["dpv:hasConsentStatus"]
    assert [event["@type"] for event in events[1:]] == ["dpv:ConsentWithdrawn"]  # type: ignore[index,union-attr,call-overload]
    assert events[1]["dpv:isIndicatedAtTime"] == "2027-01-15T08:01:00Z"  # type: ignore[index,call-overload]
    assert events[1]["dpv:isIndicatedBy"] == {"@id": "dpv:DataSubject"}  # type: ignore[index,call-overload]


def test_guardians_are_named_as_who_consented() -> None:
    """For a child the record names each guardian by key and role; a guardian's own knows himself only."""
    world = ConsentWorld.make()
    child = world.person(birthdate=MINOR_BIRTHDATE)
    draft = child.wallet.begin_grant(
        audience=AUDIENCE, grantee="g", operations={Operation.TONE}, purpose=Purpose.NEWS, now=NOW
    )
    wallets = [Wallet(key) for key in child.guardians]
    grant = child.wallet.finish_grant(draft.jti, *(one.cosign(draft.payload) for one in wallets))
    (event,) = consent_record(grant, now=NOW)["dpv:hasConsentStatus"]  # type: ignore[misc]
    signers = event["dpv:isIndicatedBy"]  # type: ignore[index,call-overload]
    assert [(one["@type"], one["dct:identifier"]) for one in signers] == [  # type: ignore[index,union-attr,call-overload]
        ("dpv:ParentOfDataSubject", wallet.subject) for wallet in wallets
    ]
    wallets[0].withdraw(grant.jti, NOW)
    given, withdrawn = consent_record(wallets[0].grants[0], now=NOW)["dpv:hasConsentStatus"]  # type: ignore[misc]
    assert given["dpv:isIndicatedBy"] == [{"@type": "dpv:GuardianOfDataSubject"}]  # type: ignore[index,call-overload]
    assert withdrawn["dpv:isIndicatedBy"] == {"@id": "dpv:GuardianOfDataSubject"}  # type: ignore[index,call-overload]


def test_every_purpose_is_mapped() -> None:
    """Each purpose of ours is a narrower one of a DPV purpose."""
    assert PURPOSES.keys() == set(Purpose)


def test_a_record_holds_no_template_and_no_token() -> None:
    """Neither the template, nor the credential, the grant's token or the withdrawal's stands in a receipt."""
    person = ConsentWorld.make().person()
    grant = person.grant(images=[PHOTO])
    person.wallet.withdraw(grant.jti, NOW)
    grant = person.wallet.held(grant.jti)
    text = canonical_json(consent_receipt([grant], now=NOW)).decode()
    secrets = [entry.data for entry in read_credential(grant.credential).face_template]
    secrets += [*grant.credential.split("~")[1:-1], grant.token, grant.withdrawal]
    for secret in secrets:
        assert secret[:40] not in text


def test_other_guardians_than_parents_are_guardians() -> None:
    """A legal guardian is no parent: the record says which."""
    world, child, key = ConsentWorld.make(), Wallet(SigningKey.generate()), SigningKey.generate()
    named = guardian(key).model_copy(update={"relation": "legal_guardian"})
    child.accept(
        world.issuer.enrol(
            [capture(face(1))],
            holder=child.holder,
            guardians=[named],
            models=MODELS,
            thresholds=load_thresholds(),
            evidence=LIVENESS,
            now=NOW,
            birthdate=MINOR_BIRTHDATE,
        )
    )
    draft = child.begin_grant(
        audience=AUDIENCE, grantee="g", operations={Operation.TONE}, purpose=Purpose.NEWS, now=NOW
    )
    grant = child.finish_grant(draft.jti, Wallet(key).cosign(draft.payload))
    (event,) = consent_record(grant, now=NOW)["dpv:hasConsentStatus"]  # type: ignore[misc]
    assert [one["@type"] for one in event["dpv:isIndicatedBy"]] == ["dpv:GuardianOfDataSubject"]  # type: ignore[index,union-attr,call-overload]
