"""The issuer's toolkit: from its own captures of a person to a signed Face Binding Credential.

The central attack is somebody enrolling another person's face under his own key. Averaging photos of two
people makes a template that matches both, so every pair of photos must match above the strict threshold,
under both embedders, both ways. Templates come from the issuer's own captures, never from the wallet;
without a named liveness method nothing above ``self_asserted`` is issued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import (
    ADULT_YEARS,
    CREDENTIAL_TYP,
    FACE_BINDING_VCT,
    MAX_LIFETIME,
    SIMULATED_VCT,
    Evidence,
    grown_up,
)
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.match import Probe, accepted_by_all
from consent_edit.consent.status_service import IssuerStatus
from consent_edit.consent.templates import FaceTemplate
from consent_edit.consent.trust import IssuerEntry, StatusServiceEntry
from consent_edit.consent.wire import StatusRef
from consent_edit.encoding import JsonValue
from consent_edit.errors import EnrolmentRefused
from consent_edit.vocabulary import Assurance, Environment

MAX_CAPTURES: Final = 5
MIN_FACE_WIDTH: Final = 64.0
"""Pixels a face must be wide at enrolment; the recognition density of EN 62676-4 is about 20."""

MIN_DETECTION: Final = 0.7
"""Detector score a face must have at enrolment; a clear face scores above .9."""

GRANT_STOCK: Final = 32
"""Status entries handed to a holder for her grants with each credential."""


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """One photo taken or checked by the issuer, as the issuer's own perception measured it.

    Attributes:
        embeddings: Role of embedder -> float32 (views, dim), rows of unit norm, of the one face.
        faces: Faces found in the photo, doubtful ones counted.
        face_width: Width of the face, pixels.
        detection: Detector score, 0 to 1.
    """

    embeddings: Mapping[str, NDArray[np.float32]] = field(repr=False)
    faces: int
    face_width: float
    detection: float


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the holder takes home.

    Attributes:
        credential: SD-JWT VC with all its disclosures.
        subject: Thumbprint of her key.
        entry: The credential's own status entry, by which the issuer revokes it.
        stock: Status entries for her grants, hers alone.
    """

    credential: str = field(repr=False)
    subject: str
    entry: StatusRef
    stock: tuple[StatusRef, ...]


@dataclass(frozen=True, slots=True)
class Issuer:
    """An identity verifier's signing half.

    Attributes:
        name: Its ``iss``.
        environment: ``DEMO`` makes it a simulated issuer; its credentials say so in their type.
        highest: The level its own procedures reach at most; always ``SIMULATED`` for a simulated one.
    """

    name: str
    key: SigningKey
    status: IssuerStatus
    environment: Environment = Environment.PRODUCTION
    highest: Assurance = Assurance.SUBSTANTIAL

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
        holder: PublicJwk,
        models: Mapping[str, str],
        thresholds: Mapping[str, float],
        evidence: Evidence,
        now: int,
        birthdate: date = date.min,
    ) -> Enrolment:
        """Check the captures and issue a credential.

        Args:
            captures: 1 to 5 photos of one person.
            holder: Her public key.
            models: Role -> hex SHA-256 of the weight file that made its embeddings.
            thresholds: Role -> strict cosine threshold that every pair of captures must reach.
            evidence: How she was identified; its level is capped by what it shows and what this issuer
                reaches.
            now: Unix seconds.
            birthdate: As verified by the issuer; the default says it was not.

        Raises:
            EnrolmentRefused: the photos do not show one and the same person well enough, an embedder's weight
                file is not named, or the birthdate lies in the future.
            CheckFailed: fewer than two embedders.
            StoreUnavailable: the status service's file cannot be written.
        """
        if birthdate > datetime.fromtimestamp(now, UTC).date():
            raise EnrolmentRefused("a birthdate cannot lie in the future")
        templates = enrolment_templates(captures, thresholds)
        if not models.keys() >= templates.keys():
            raise EnrolmentRefused("the weight file of an embedder is not named")
        own, *stock = self.status.allot(holder, 1 + GRANT_STOCK)
        entry = StatusRef(idx=own, uri=self.status.uri)
        claims: dict[str, JsonValue] = {
            "iss": self.name,
            "iat": now,
            "nbf": now,
            "exp": _expiry(now, birthdate),
            "vct": self.vct,
            "cnf": {"jwk": holder.export()},
            "status": {"status_list": entry.model_dump()},
            "evidence": evidence.model_copy(update={"loa": evidence.assurance(self.level)}).model_dump(
                mode="json"
            ),
            "face_template": [
                FaceTemplate.of(vector, model=role, sha256=models[role]).model_dump()
                for role, vector in sorted(templates.items())
            ],
        }
        hidden = {"face_template"}
        if birthdate != date.min:
            claims["birthdate"] = birthdate.isoformat()
            claims["age_over_18"] = grown_up(birthdate, now)
            hidden |= {"birthdate", "age_over_18"} if claims["age_over_18"] else {"birthdate"}
        payload, disclosures = sd_jwt.conceal(claims, hidden)
        token = sign_compact(payload, self.key, typ=CREDENTIAL_TYP, kid=self.key.public.kid)
        return Enrolment(
            credential=sd_jwt.join(token, disclosures),
            subject=holder.thumbprint,
            entry=entry,
            stock=tuple(StatusRef(idx=idx, uri=self.status.uri) for idx in stock),
        )

    def revoke(self, entry: int) -> None:
        """Revoke a credential by its status entry; every grant under it falls with it.

        Raises:
            InputError: no such entry.
            StoreUnavailable: the status service's file cannot be written.
        """
        self.status.revoke(entry)

    def trust_entries(self, *, now: int, lifetime: int) -> tuple[IssuerEntry, StatusServiceEntry]:
        """What an operator puts on a trust list to trust this issuer and its status service.

        Args:
            now: Unix seconds.
            lifetime: Seconds to trust them for.
        """
        span = {"nbf": now, "exp": now + lifetime}
        issuer = IssuerEntry(
            id=self.name,
            jwks=(self.key.public.export(),),
            vct=(self.vct,),
            highest_assurance=self.level,
            **span,
        )
        service = StatusServiceEntry(
            id=f"{self.name}#status", uris=(self.status.uri,), jwks=(self.status.public.export(),), **span
        )
        return issuer, service


def enrolment_templates(
    captures: Sequence[Capture], thresholds: Mapping[str, float]
) -> dict[str, NDArray[np.float32]]:
    """Templates of one person: the normalised mean over captures that all match each other.

    Args:
        captures: 1 to 5 photos.
        thresholds: Role -> strict cosine threshold.

    Returns:
        Role -> (dim,) float32 of unit norm.

    Raises:
        EnrolmentRefused: too few or many photos, a photo without exactly one good face, or two that do not
            match.
        CheckFailed: fewer than two embedders.
    """
    if not 1 <= len(captures) <= MAX_CAPTURES:
        raise EnrolmentRefused(f"enrolment takes 1 to {MAX_CAPTURES} photos")
    for number, capture in enumerate(captures, start=1):
        _quality(number, capture, thresholds)
    means = [{role: _mean(capture.embeddings[role]) for role in thresholds} for capture in captures]
    probes = [Probe(capture.embeddings) for capture in captures]
    for number, (probe, mean) in enumerate(zip(probes, means, strict=True), start=1):
        if not accepted_by_all(probe, mean, thresholds):
            raise EnrolmentRefused(f"photo {number} is read differently from view to view")
    for (i, one), (j, other) in combinations(enumerate(probes), 2):
        if not (accepted_by_all(one, means[j], thresholds) and accepted_by_all(other, means[i], thresholds)):
            raise EnrolmentRefused(
                f"photos {i + 1} and {j + 1} do not clearly show the same person",
                remedy="enrol with sharp, recent, frontal photos of one person only",
            )
    return {role: _mean(np.stack([mean[role] for mean in means])) for role in thresholds}


def _quality(number: int, capture: Capture, thresholds: Mapping[str, float]) -> None:
    """One face, large and clear, read by every embedder."""
    if capture.faces != 1:
        raise EnrolmentRefused(f"photo {number} must show exactly one face")
    if not capture.face_width >= MIN_FACE_WIDTH or not capture.detection >= MIN_DETECTION:
        raise EnrolmentRefused(f"the face in photo {number} is too small or unclear")
    for role in thresholds:
        views = capture.embeddings.get(role)
        if views is None or views.ndim != 2 or views.size == 0:
            raise EnrolmentRefused(f"photo {number} was not read by {role}")


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = rows.astype(np.float64).mean(axis=0)
    norm = float(np.linalg.norm(mean))
    if not norm > 1e-3:
        raise EnrolmentRefused("the photos' embeddings cancel out")
    unit: NDArray[np.float32] = (mean / norm).astype(np.float32)
    return unit


def _expiry(now: int, birthdate: date) -> int:
    """180 days on, or the eighteenth birthday if it comes first."""
    end = now + MAX_LIFETIME
    if birthdate == date.min or grown_up(birthdate, now):
        return end
    year = birthdate.year + ADULT_YEARS
    leap = (birthdate.month, birthdate.day) == (2, 29)
    birthday = (
        datetime(year, 3, 1, tzinfo=UTC)
        if leap
        else datetime(year, birthdate.month, birthdate.day, tzinfo=UTC)
    )
    return max(now + 1, min(end, int(birthday.timestamp())))
