"""The Face Binding Credential: an identity verifier's word that this face belongs to this key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from consent_edit.consent.encoding import malformed
from consent_edit.consent.signatory import Signatory, SigningMember
from consent_edit.consent.templates import FaceTemplate
from consent_edit.consent.wire import Seconds, StatusClaim, StatusRef, Text, Wire
from consent_edit.vocabulary import Age, Assurance

CREDENTIAL_TYP: Final = "dc+sd-jwt"
FACE_BINDING_VCT: Final = "urn:consent-edit:vct:face-binding:1"
SIMULATED_VCT: Final = "urn:consent-edit:vct:face-binding:simulated:1"
"""The type of what a simulated issuer issues; no production trust list can allow it."""

MAX_LIFETIME: Final = 180 * 86_400
"""Seconds between a credential's ``iat`` and ``exp``, at most."""

ADULT_YEARS: Final = 18
MAX_ENTRIES: Final = 4096
"""Status entries handed out with a credential, at most."""

_FULL_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_ALL_ZONES: Final = timedelta(hours=12)


LIVENESS_CAPS: Final[dict[str, Assurance]] = {
    "supervised_session": Assurance.HIGH,
    "iso30107-3-level-2": Assurance.HIGH,
    "iso30107-3-level-1": Assurance.SUBSTANTIAL,
    "passive": Assurance.LOW,
}
"""Liveness method -> the level it supports at most: a session with a person of the issuer's, presentation
attack detection tested to ISO/IEC 30107-3 (level 2 with artefacts made for the purpose), or untested."""


class Guardian(SigningMember):
    """Somebody who signs for the person, as the issuer verified.

    Attributes:
        relation: What the guardian is to the person.
        proof_ref: The issuer's own reference to what it saw.
    """

    relation: Literal["parent", "legal_guardian", "court_appointed"]
    proof_ref: Text


class Evidence(Wire):
    """How the issuer came to know the person.

    Attributes:
        loa: The eIDAS level claimed; the trust list caps it.
        method: How identity was checked, in the issuer's words.
        liveness: A name of :data:`LIVENESS_CAPS`; with any other, or none, nothing above ``self_asserted``
            counts.
    """

    loa: Assurance
    method: Text
    liveness: Annotated[str, Field(max_length=256)] = ""

    def assurance(self, highest: Assurance) -> Assurance:
        """What this evidence is worth from an issuer trusted up to ``highest``."""
        supported = LIVENESS_CAPS.get(self.liveness, Assurance.SELF_ASSERTED)
        return min(self.loa, highest, supported, key=lambda level: level.rank)


class GrantEntries(Wire):
    """The status entries handed out for a person's grants, all of one list.

    Attributes:
        uri: The list.
        idx: Their places in it, each once.
    """

    uri: Text
    idx: Annotated[
        tuple[Annotated[int, Field(ge=0, le=2**31)], ...], Field(min_length=1, max_length=MAX_ENTRIES)
    ]

    @field_validator("idx")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value):
            raise ValueError("an entry stands once")
        return value

    @classmethod
    def of(cls, entries: Sequence[StatusRef]) -> GrantEntries:
        """The claim that names these entries.

        Args:
            entries: At least one, all of one list.
        """
        return cls(uri=entries[0].uri, idx=tuple(entry.idx for entry in entries))

    def refs(self) -> tuple[StatusRef, ...]:
        """The entries, in their order."""
        return tuple(StatusRef(idx=idx, uri=self.uri) for idx in self.idx)


class FaceBinding(Wire):
    """The claims of a Face Binding Credential, disclosures put in place (SD-JWT VC section 2.2.2).

    ``birthdate`` and ``age_over_18`` are absent when not disclosed; an absent one reads as no statement. The
    issuer writes ``age_over_18: false`` of a minor in plain, so that no presentation can leave it out.

    Attributes:
        face_template: One entry a model; two of one role while verifiers change from one weight file to
            the next.
        guardian: Who signs in the person's place, all of them.
        grant_entries: The status entries handed out for her grants. A grant under any other entry counts for
            nothing: whoever drafted it could have put one there that neither she nor a guardian can flip.
            Absent: none was handed out, and no grant counts.
    """

    iss: Text
    iat: Seconds
    nbf: Seconds
    exp: Seconds
    vct: Text
    cnf: SigningMember
    status: StatusClaim
    evidence: Evidence
    face_template: Annotated[tuple[FaceTemplate, ...], Field(min_length=1, max_length=8)]
    birthdate: Annotated[date, Field(repr=False)] = date.min
    age_over_18: bool = False
    guardian: Annotated[tuple[Guardian, ...], Field(max_length=8)] = ()
    grant_entries: GrantEntries | None = None

    @field_validator("birthdate", mode="before")
    @classmethod
    def _full_date(cls, value: object) -> date:
        if not isinstance(value, str) or not _FULL_DATE.match(value):
            raise ValueError("a full date is needed")
        return date.fromisoformat(value)

    @model_validator(mode="after")
    def _one_template_a_model(self) -> FaceBinding:
        if len({(entry.model, entry.sha256) for entry in self.face_template}) != len(self.face_template):
            raise ValueError("one template a model")
        return self

    def holder(self) -> Signatory:
        """Whose face it is.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return self.cnf.signatory()

    def signatories(self, holder: Signatory) -> tuple[Signatory, ...]:
        """Who signs this person's grants: every guardian named, or the person.

        Args:
            holder: As :meth:`holder` gave it.

        Raises:
            ConsentInvalid: ``MALFORMED``; also when a guardian stands twice or is the person.
        """
        guardians = tuple(guardian.signatory() for guardian in self.guardian)
        if len({holder.thumbprint, *(one.thumbprint for one in guardians)}) != 1 + len(guardians):
            raise malformed("a guardian stands twice, or is the person")
        return guardians or (holder,)

    def hands_out(self, entry: StatusRef) -> bool:
        """Whether a status entry is one of those handed out for her grants."""
        handed = self.grant_entries
        return handed is not None and entry.uri == handed.uri and entry.idx in handed.idx

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


def majority(birthdate: date) -> int:
    """The start of the eighteenth birthday (born on a leap day: 1 March), unix seconds, UTC."""
    year = birthdate.year + ADULT_YEARS
    leap = (birthdate.month, birthdate.day) == (2, 29)
    day = (3, 1) if leap else (birthdate.month, birthdate.day)
    return int(datetime(year, *day, tzinfo=UTC).timestamp())


def grown_up(birthdate: date, now: int) -> bool:
    """Whether the eighteenth birthday has come everywhere on earth (born on a leap day: 1 March)."""
    today = (datetime.fromtimestamp(now, UTC) - _ALL_ZONES).date()
    birthday = (birthdate.year + ADULT_YEARS, birthdate.month, birthdate.day)
    return birthday <= (today.year, today.month, today.day)
