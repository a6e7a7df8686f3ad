"""The Face Binding Credential: an identity verifier's word that this face belongs to this key."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, field_validator, model_validator

from consent_edit.consent.keys import PublicJwk
from consent_edit.consent.templates import FaceTemplate
from consent_edit.consent.wire import Seconds, StatusClaim, Text, Wire
from consent_edit.vocabulary import Age, Assurance

CREDENTIAL_TYP: Final = "dc+sd-jwt"
FACE_BINDING_VCT: Final = "urn:consent-edit:vct:face-binding:1"
SIMULATED_VCT: Final = "urn:consent-edit:vct:face-binding:simulated:1"
"""The type of what a simulated issuer issues; no production trust list can allow it."""

MAX_LIFETIME: Final = 180 * 86_400
"""Seconds between a credential's ``iat`` and ``exp``, at most."""

ADULT_YEARS: Final = 18
_FULL_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_ALL_ZONES: Final = timedelta(hours=12)


class HolderKey(Wire):
    """The ``cnf`` claim (RFC 7800 section 3.2): the public key of the person depicted."""

    jwk: dict[str, str]


class Evidence(Wire):
    """How the issuer came to know the person.

    Attributes:
        loa: The eIDAS level claimed; the trust list caps it.
        method: How identity was checked, in the issuer's words.
        liveness: The liveness method (ISO/IEC 30107-3) or supervised session, by name; empty if there was
            none, and then nothing above ``self_asserted`` counts.
    """

    loa: Assurance
    method: Text
    liveness: Annotated[str, Field(max_length=256)] = ""

    def assurance(self, highest: Assurance) -> Assurance:
        """What this evidence is worth from an issuer trusted up to ``highest``."""
        caps = [self.loa, highest]
        if not self.liveness.strip():
            caps.append(Assurance.SELF_ASSERTED)
        return min(caps, key=lambda level: level.rank)


class FaceBinding(Wire):
    """The claims of a Face Binding Credential, disclosures put in place (SD-JWT VC section 2.2.2).

    ``birthdate`` and ``age_over_18`` are absent when not disclosed; an absent one reads as no statement. The
    issuer writes ``age_over_18: false`` of a minor in plain, so that no presentation can leave it out.
    """

    iss: Text
    iat: Seconds
    nbf: Seconds
    exp: Seconds
    vct: Text
    cnf: HolderKey
    status: StatusClaim
    evidence: Evidence
    face_template: Annotated[tuple[FaceTemplate, ...], Field(min_length=1, max_length=8)]
    birthdate: Annotated[date, Field(repr=False)] = date.min
    age_over_18: bool = False

    @field_validator("birthdate", mode="before")
    @classmethod
    def _full_date(cls, value: object) -> date:
        if not isinstance(value, str) or not _FULL_DATE.match(value):
            raise ValueError("a full date is needed")
        return date.fromisoformat(value)

    @model_validator(mode="after")
    def _one_template_a_model(self) -> FaceBinding:
        if len({entry.model for entry in self.face_template}) != len(self.face_template):
            raise ValueError("one template a model")
        return self

    def holder(self) -> PublicJwk:
        """The key that signs this person's grants.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return PublicJwk.parse(self.cnf.jwk)

    def age_at(self, now: int) -> Age:
        """What the credential says of the person's age at ``now`` (unix seconds).

        ``ADULT`` only once the eighteenth birthday has come in every time zone, and only if no statement says
        otherwise; ``UNDETERMINED`` when neither claim is disclosed.
        """
        said: list[bool] = []
        if "birthdate" in self.model_fields_set:
            said.append(grown_up(self.birthdate, now))
        if "age_over_18" in self.model_fields_set:
            said.append(self.age_over_18)
        if not said:
            return Age.UNDETERMINED
        return Age.ADULT if all(said) else Age.MINOR


def grown_up(birthdate: date, now: int) -> bool:
    """Whether the eighteenth birthday has come everywhere on earth (born on a leap day: 1 March)."""
    today = (datetime.fromtimestamp(now, UTC) - _ALL_ZONES).date()
    birthday = (birthdate.year + ADULT_YEARS, birthdate.month, birthdate.day)
    return birthday <= (today.year, today.month, today.day)
