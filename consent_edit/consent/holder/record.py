"""Consent records and receipts in the form of ISO/IEC TS 27560:2023: JSON-LD with the terms of W3C DPV.

The fields follow the guide "Consent Records and Receipts as per ISO/IEC TS 27560:2023 using DPV" (DPVCG,
https://w3id.org/dpv/guides/consent-27560); every term is spelled with its prefix. A record holds no template
and no picture: photos stand in it by digest. What a wallet cannot know (where the service is, how to reach
it, under which law) is :class:`Controller`'s to say, and left out while nobody says it.

:func:`consent_receipt`, of all grants of a wallet, is what ``consent-edit wallet show --record`` writes.
:func:`consent_record`, of one grant, is for programs that keep such records themselves, as a controller does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import Field

from consent_edit.consent.grant import ANYONE, ConsentGrant
from consent_edit.consent.holder.held import HeldGrant, read_credential
from consent_edit.consent.holder.notice import GUARDIAN_NOTICE_URI, utc
from consent_edit.consent.holder.notice_words import WORDS, Language
from consent_edit.consent.wire import Text, Wire
from consent_edit.encoding import JsonValue, canonical_json
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import Purpose

CONTEXT: Final[Mapping[str, str]] = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "loc": "https://w3id.org/dpv/loc#",
    "pd": "https://w3id.org/dpv/pd#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}
"""The prefixes, as JSON-LD's ``@context``: nothing has to be fetched to read a record."""

RECORD_SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#record"
RECEIPT_SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#receipt"

PURPOSES: Final[Mapping[Purpose, str]] = {
    Purpose.PERSONAL: "dpv:NonCommercialPurpose",
    Purpose.ENTERTAINMENT: "dpv:ServiceProvision",
    Purpose.ADVERTISING: "dpv:Advertising",
    Purpose.TRY_ON: "dpv:ServicePersonalisation",
    Purpose.NEWS: "dpv:PublicBenefit",
    Purpose.RESEARCH: "dpv:ResearchAndDevelopment",
}
"""The DPV purpose that each of ours is a narrower one of (``skos:broader``)."""

_KEY_URI: Final = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"
"""A key as a URI (RFC 9278)."""


class Controller(Wire):
    """What is known of the service beside its name; ISO/IEC TS 27560 wants all of it in a full record.

    Attributes:
        audience: Its name, as grants have it.
        contact: How to reach it, such as an e-mail address.
        address: Its postal address.
        jurisdiction: ISO 3166-1 code of the country, or ``EU``, under whose law it works.
    """

    audience: Text
    name: Text = ""
    contact: Text = ""
    address: Text = ""
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = ""


def consent_receipt(
    grants: Iterable[HeldGrant],
    *,
    now: int,
    controllers: Iterable[Controller] = (),
) -> dict[str, JsonValue]:
    """A receipt: the records of these grants, with the time it was made.

    Args:
        now: Unix seconds.
        controllers: What is known of services.

    Raises:
        ConsentInvalid: ``MALFORMED``; a grant held here cannot be read.
    """
    known = {one.audience: one for one in controllers}
    records = [_record(held, now, known) for held in grants]
    name = byte_digest(canonical_json([now, *(record["dct:identifier"] for record in records)]))
    return {
        "@context": dict(CONTEXT),
        "@id": f"urn:consent-edit:receipt:{name}",
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": {"@id": RECEIPT_SCHEMA},
        "dct:created": _time(now),
        "dct:identifier": name,
        "dpv:hasIdentifier": name,
        "dpv:hasRecordOfActivity": list(records),
        "schema:recipient": {"@id": "dpv:DataSubject"},
    }


def consent_record(
    held: HeldGrant, *, now: int, controllers: Iterable[Controller] = ()
) -> dict[str, JsonValue]:
    """The record of one grant: who consented to what, for whom, when, until when, and what became of it.

    Args:
        now: Unix seconds.
        controllers: What is known of services.

    Raises:
        ConsentInvalid: ``MALFORMED``; the grant cannot be read.
    """
    known = {one.audience: one for one in controllers}
    return {"@context": dict(CONTEXT), **_record(held, now, known)}


def _record(held: HeldGrant, now: int, known: Mapping[str, Controller]) -> dict[str, JsonValue]:
    grant = held.claims()
    entry = f"{grant.status.status_list.uri}#{grant.status.status_list.idx}"
    controllers = [known.get(name, Controller(audience=name)) for name in grant.aud]
    places = sorted({one.jurisdiction for one in controllers} - {""})
    return {
        "@id": f"urn:consent-edit:grant:{grant.jti}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": {"@id": RECORD_SCHEMA},
        "dct:created": _time(grant.iat),
        "dct:identifier": grant.jti,
        "dpv:hasIdentifier": grant.jti,
        "dpv:hasDataSubject": _person(grant.cnf.jkt, "dpv:DataSubject"),
        "dpv:hasDataController": list(map(_controller, controllers)),
        "dpv:hasLegalBasis": {"@id": "dpv:ExplicitlyExpressedConsent"},
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice",
            "dct:date": _time(grant.iat),
            "dct:identifier": [grant.notice.uri, grant.notice.hash],
            "dct:language": grant.notice.lang,
        },
        "dpv:hasProcess": _processes(grant),
        "dpv:hasConsentControl": {"@type": "dpv:WithdrawConsent", "dpv:isExercisedAt": entry},
        "dpv:hasRight": {
            "@type": "dpv:DataSubjectRight",
            "dct:title": "Right to withdraw consent at any time",
            "dpv:isExercisedAt": entry,
        },
        "dpv:hasConsentStatus": _events(held, grant, now),
        **({"dpv:hasJurisdiction": [{"@id": f"loc:{place}"} for place in places]} if places else {}),
    }


def _processes(grant: ConsentGrant) -> list[JsonValue]:
    """One process a purpose: the pictures are altered, and the face compared with the template."""
    recipient: JsonValue = (
        {"@type": "dpv:Recipient", "dct:description": "anybody"}
        if grant.grantee == ANYONE
        else {"@type": "dpv:Recipient", "dct:identifier": grant.grantee}
    )
    pictures: dict[str, JsonValue] = {"@type": "dpv:PersonalData", "skos:broader": {"@id": "pd:Picture"}}
    if grant.images:
        pictures["dct:identifier"] = list(grant.images)
    face: dict[str, JsonValue] = {
        "@type": "dpv:SpecialCategoryPersonalData",
        "skos:broader": {"@id": "pd:FacialPrint"},
    }
    words = WORDS[Language.EN]
    return [
        {
            "@type": "dpv:Process",
            "dpv:hasPurpose": {
                "@id": f"urn:consent-edit:purpose:{detail.purpose}",
                "@type": "dpv:Purpose",
                "dct:title": words.purposes[detail.purpose],
                "skos:broader": {"@id": PURPOSES[detail.purpose]},
            },
            "dpv:hasPersonalData": [pictures, face],
            "dpv:hasProcessing": [
                {"@id": "dpv:Match"},
                *(
                    {
                        "@id": f"urn:consent-edit:operation:{action}",
                        "@type": "dpv:Processing",
                        "dct:title": words.operations[action],
                        "skos:broader": {"@id": "dpv:Alter"},
                    }
                    for action in detail.actions
                ),
            ],
            "dpv:hasRecipient": recipient,
            "dpv:hasStorageCondition": {"@type": "dpv:StorageDuration", "dpv:hasDuration": _until(grant)},
            "dpv:hasDuration": [_until(grant), *_uses(grant)],
        }
        for detail in grant.authorization_details
    ]


def _events(held: HeldGrant, grant: ConsentGrant, now: int) -> list[JsonValue]:
    """Given; and withdrawn, or else expired."""
    signers = _signers(held, grant)
    events: list[JsonValue] = [
        {
            "@type": ["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"],
            "dpv:hasDuration": _until(grant),
            "dpv:hasIndicationMethod": "Electronic signature over the grant and the notice's hash",
            "dpv:isIndicatedAtTime": _time(grant.iat),
            "dpv:isIndicatedBy": signers,
        }
    ]
    withdrawn = held.withdrawn_at()
    if withdrawn:
        events.append(
            {
                "@type": "dpv:ConsentWithdrawn",
                "dpv:hasIndicationMethod": "Electronic signature over the withdrawal",
                "dpv:isIndicatedAtTime": _time(withdrawn),
                "dpv:isIndicatedBy": {"@id": "dpv:DataSubject" if held.credential else _GUARDIAN},
            }
        )
    elif now >= grant.exp:
        events.append({"@type": "dpv:ConsentExpired", "dpv:isIndicatedAtTime": _time(grant.exp)})
    return events


_GUARDIAN: Final = "dpv:GuardianOfDataSubject"
_RELATIONS: Final[Mapping[str, str]] = {"parent": "dpv:ParentOfDataSubject"}


def _signers(held: HeldGrant, grant: ConsentGrant) -> list[JsonValue]:
    """The person, or her guardians; a guardian's own wallet does not know the others."""
    if grant.notice.uri != GUARDIAN_NOTICE_URI:
        return [_person(grant.cnf.jkt, "dpv:DataSubject")]
    if not held.credential:
        return [{"@type": _GUARDIAN}]
    guardians = read_credential(held.credential).guardian
    return [_person(one.signatory().thumbprint, _RELATIONS.get(one.relation, _GUARDIAN)) for one in guardians]


def _person(thumbprint: str, role: str) -> dict[str, JsonValue]:
    """Somebody by her key; her name stands nowhere."""
    return {"@id": f"{_KEY_URI}{thumbprint}", "@type": role, "dct:identifier": thumbprint}


def _controller(known: Controller) -> dict[str, JsonValue]:
    said = {"dpv:hasName": known.name, "dpv:hasContact": known.contact, "dpv:hasAddress": known.address}
    told = {term: value for term, value in said.items() if value}
    return {"@type": "dpv:DataController", "dct:identifier": known.audience, **told}


def _until(grant: ConsentGrant) -> dict[str, JsonValue]:
    return {"@type": "dpv:UntilTimeDuration", "rdf:value": _time(grant.exp)}


def _uses(grant: ConsentGrant) -> list[JsonValue]:
    if not grant.max_uses:
        return []
    return [{"@type": "dpv:FixedOccurrencesDuration", "rdf:value": str(grant.max_uses)}]


def _time(seconds: int) -> str:
    """ISO 8601, UTC."""
    return utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
