"""The issuer's toolkit: from its own captures of a person to signed Face Binding Credentials.

Templates come from photos that the issuer's own perception measured; a template made elsewhere has no way in,
and a photo that the person handed in is worth ``self_asserted`` at most. So is anything without a liveness
method of the closed table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import (
    CREDENTIAL_TYP,
    FACE_BINDING_VCT,
    SIMULATED_VCT,
    Evidence,
    GrantEntries,
    Guardian,
    grown_up,
)
from consent_edit.consent.issuing.admission import MAX_BATCH, Person, check_age, check_keys, expiry, gathered
from consent_edit.consent.issuing.capture import Capture, CaptureQuality, CaptureSource, enrolment_templates
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.consent.templates import FaceTemplate
from consent_edit.consent.trust import IssuerEntry, StatusServiceEntry
from consent_edit.consent.wire import StatusRef
from consent_edit.encoding import JsonValue
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Assurance, Environment

__all__ = [
    "GRANT_STOCK",
    "MAX_BATCH",
    "Capture",
    "CaptureQuality",
    "CaptureSource",
    "Enrolment",
    "Issuer",
    "RetiredKey",
    "enrolment_templates",
]

GRANT_STOCK: Final = 32
"""Status entries handed to a holder for her grants with each credential."""

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the holder takes home.

    Attributes:
        credential: SD-JWT VC with all its disclosures.
        subject: Thumbprint of her key.
        entry: The credential's own status entry, by which the issuer revokes it.
        stock: Status entries for her grants, hers and her guardians' alone.
        exp: When the credential ends, unix seconds.
        face_template: What it says of the face.
        loa: The level it claims.
    """

    credential: str = field(repr=False)
    subject: str
    entry: StatusRef
    stock: tuple[StatusRef, ...]
    exp: int
    face_template: tuple[FaceTemplate, ...] = field(repr=False)
    loa: Assurance


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that signs no more.

    Attributes:
        until: When the last credential it signed has ended, unix seconds.
    """

    key: PublicJwk
    until: int


@dataclass(frozen=True, slots=True)
class Issuer:
    """An identity verifier's signing half.

    Attributes:
        name: Its ``iss``.
        environment: ``DEMO`` makes it a simulated issuer; its credentials say so in their type.
        highest: The level its own procedures reach at most; always ``SIMULATED`` for a simulated one.
        retired: Keys it signed with before.
    """

    name: str
    key: SigningKey
    status: IssuerStatus
    environment: Environment = Environment.PRODUCTION
    highest: Assurance = Assurance.SUBSTANTIAL
    retired: tuple[RetiredKey, ...] = ()

    @property
    def vct(self) -> str:
        """The credential type it issues."""
        return SIMULATED_VCT if self.environment is Environment.DEMO else FACE_BINDING_VCT

    @property
    def level(self) -> Assurance:
        """The level its word is worth at most."""
        return Assurance.SIMULATED if self.environment is Environment.DEMO else self.highest

    def enrol(
        self,
        captures: Sequence[Capture],
        *,
        holder: Signatory,
        models: Mapping[str, str],
        thresholds: Thresholds,
        evidence: Evidence,
        now: int,
        birthdate: date = date.min,
        guardians: Sequence[Guardian] = (),
        carried: Sequence[FaceTemplate] = (),
    ) -> Enrolment:
        """Check the captures and issue one credential: :meth:`enrol_batch` for one key."""
        (enrolment,) = self.enrol_batch(
            captures,
            holders=(holder,),
            models=models,
            thresholds=thresholds,
            evidence=evidence,
            now=now,
            birthdate=birthdate,
            guardians=guardians,
            carried=carried,
        )
        return enrolment

    def enrol_batch(
        self,
        captures: Sequence[Capture],
        *,
        holders: Sequence[Signatory],
        models: Mapping[str, str],
        thresholds: Thresholds,
        evidence: Evidence,
        now: int,
        birthdate: date = date.min,
        guardians: Sequence[Guardian] = (),
        carried: Sequence[FaceTemplate] = (),
    ) -> tuple[Enrolment, ...]:
        """Check the captures and issue a credential to each of a person's keys, one for each audience.

        The credentials of a batch share no key, salt, status entry or second of issue. Whoever is shown the
        templates of two can still tell that they are of one face, and a guardian's key is the same in all.

        Args:
            captures: 1 to 5 photos of one person.
            holders: Her keys, or her passkeys.
            models: Role -> hex SHA-256 of the weight file that made its embeddings.
            thresholds: Strict cosines and limits of quality that the captures must keep.
            evidence: How she was identified. The level issued is capped by what it shows, by what this issuer
                reaches, and at ``SELF_ASSERTED`` when any photo is not the issuer's own.
            now: Unix seconds.
            birthdate: As verified by the issuer; the default says it was not.
            guardians: Who signs in her place; a minor needs one at least.
            carried: Templates of weight files that verifiers still use, made by this issuer before.

        Returns:
            An enrolment a key, in the keys' order.

        Raises:
            EnrolmentRefused: the photos do not show one and the same person well enough, an embedder's weight
                file is not named, the birthdate lies in the future, a minor has no guardian, or the same key
                stands twice.
            CheckFailed: fewer than two embedders.
            InputError: the status list is full.
            StoreUnavailable: the status service's file cannot be written.
        """
        check_keys(holders, guardians)
        check_age(birthdate, guardians, now)
        vectors = enrolment_templates(captures, thresholds)
        own = all(capture.source is CaptureSource.OWN for capture in captures)
        highest = (
            self.level if own else min(self.level, Assurance.SELF_ASSERTED, key=lambda level: level.rank)
        )
        person = Person(
            evidence=evidence.model_copy(update={"loa": evidence.assurance(highest)}),
            birthdate=birthdate,
            guardians=tuple(guardians),
            templates=gathered(vectors, models, carried),
        )
        start = now if len(holders) == 1 else now - now % _DAY  # a batch does not bear its second
        return tuple(self._issue(holder, person, start=start, now=now) for holder in holders)

    def revoke(self, entry: int) -> None:
        """Revoke a credential by its status entry; every grant under it falls with it.

        Raises:
            InputError: no such entry.
            StoreUnavailable: the status service's file cannot be written.
        """
        self.status.revoke(entry)

    def trust_entries(self, *, now: int, lifetime: int) -> tuple[IssuerEntry, StatusServiceEntry]:
        """What an operator puts on a trust list to trust this issuer and its status service.

        A retired key is named until the last credential it signed has ended.

        Args:
            now: Unix seconds.
            lifetime: Seconds to trust them for.
        """
        retired = {one.key.thumbprint: one.key for one in self.retired if one.until > now}
        retired.pop(self.key.public.thumbprint, None)  # a rotation cut short names the key it keeps
        issuer = IssuerEntry(
            id=self.name,
            jwks=tuple(key.export() for key in (self.key.public, *retired.values())),
            vct=(self.vct,),
            highest_assurance=self.level,
            nbf=now,
            exp=now + lifetime,
        )
        service = StatusServiceEntry(
            id=f"{self.name}#status",
            uris=(self.status.uri,),
            jwks=tuple(key.export() for key in self.status.publics(now)),
            nbf=now,
            exp=now + lifetime,
        )
        return issuer, service

    def _issue(self, holder: Signatory, person: Person, *, start: int, now: int) -> Enrolment:
        """Allot status entries and sign."""
        owners = (holder, *(guardian.signatory() for guardian in person.guardians))
        own, *rest = (
            StatusRef(idx=idx, uri=self.status.uri) for idx in self.status.allot(owners, 1 + GRANT_STOCK)
        )
        stock, exp = tuple(rest), expiry(start, person.birthdate, now)
        claims: dict[str, JsonValue] = {
            "iss": self.name,
            "iat": start,
            "nbf": start,
            "exp": exp,
            "vct": self.vct,
            "cnf": holder.claim(),
            "status": {"status_list": own.model_dump()},
            "evidence": person.evidence.model_dump(mode="json"),
            "grant_entries": GrantEntries.of(stock).model_dump(mode="json"),
            "face_template": [template.model_dump() for template in person.templates],
        }
        hidden = {"face_template"}
        if person.guardians:
            claims["guardian"] = [
                {
                    **guardian.signatory().claim(),
                    "relation": guardian.relation,
                    "proof_ref": guardian.proof_ref,
                }
                for guardian in person.guardians
            ]
        if person.birthdate != date.min:
            claims["birthdate"] = person.birthdate.isoformat()
            claims["age_over_18"] = grown_up(person.birthdate, now)
            hidden |= {"birthdate", "age_over_18"} if claims["age_over_18"] else {"birthdate"}
        payload, disclosures = sd_jwt.conceal(claims, hidden)
        token = sign_compact(payload, self.key, typ=CREDENTIAL_TYP, kid=self.key.public.kid)
        return Enrolment(
            credential=sd_jwt.join(token, disclosures),
            subject=holder.thumbprint,
            entry=own,
            stock=stock,
            exp=exp,
            face_template=person.templates,
            loa=person.evidence.loa,
        )
