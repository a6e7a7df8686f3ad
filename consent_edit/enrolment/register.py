"""Whom this issuer has enrolled: templates sealed in the vault, searched exactly; one face has one holder.

A person has one entry, whatever keys and credentials she has had. While somebody is being enrolled her
templates stand in the register as a claim, written before the search: of two desks that enrol one face at the
same time, each finds the other's claim and neither goes on.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from consent_edit.consent.binding import Guardian
from consent_edit.consent.grant import KeyThumbprint
from consent_edit.consent.match import Probe, accepts, cosines
from consent_edit.consent.templates import FaceTemplate
from consent_edit.consent.wire import Seconds, StatusRef, Wire, read_wire
from consent_edit.enrolment.audit import vault_name
from consent_edit.errors import ConsentInvalid, EnrolmentRefused, StoreUnavailable
from consent_edit.store.vault import Vault

CLAIM_LIFETIME: Final = 600
"""Seconds after which a claim belongs to a program that died; an enrolment takes a few."""

_KIND: Final = "enrolment"
_CLAIM: Final = "enrolment-claim"

_Kept = TypeVar("_Kept", bound=Wire)

Models: TypeAlias = Mapping[str, str]
"""Role of embedder -> hex SHA-256 of the weight file in use."""

Vectors: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Role of embedder -> (dim,) template of unit norm."""


class Issued(Wire):
    """One credential.

    Attributes:
        entry: Its own status entry.
        key: Thumbprint of the key it is bound to.
        exp: When it ends, unix seconds.
    """

    entry: StatusRef
    key: KeyThumbprint
    exp: Seconds


class RegisterEntry(Wire):
    """One person.

    Attributes:
        keys: Thumbprints of every key of hers that was enrolled, the first one first.
        issued: Her credentials that have not ended.
        face_template: Her templates, a role and weight file each.
        birthdate: As verified; ``date.min`` when it was not.
        guardian: Who signs in her place.
    """

    keys: Annotated[tuple[KeyThumbprint, ...], Field(min_length=1, max_length=1024)]
    issued: Annotated[tuple[Issued, ...], Field(max_length=1024)]
    face_template: Annotated[tuple[FaceTemplate, ...], Field(min_length=1, max_length=64)]
    birthdate: Annotated[date, Field(repr=False)] = date.min
    guardian: tuple[Guardian, ...] = ()


class _Claim(Wire):
    keys: Annotated[tuple[KeyThumbprint, ...], Field(min_length=1)]
    face_template: Annotated[tuple[FaceTemplate, ...], Field(min_length=1)]
    made: Seconds


@dataclass(frozen=True, slots=True)
class Comparison:
    """A photo against what is registered.

    Attributes:
        scores: Role -> comparison score (median cosine over the views), of the roles whose weight file is the
            same on both sides; empty when nothing compares.
        accepted: Whether something compares, and all of it is accepted.
    """

    scores: Mapping[str, float]
    accepted: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search of the whole register came to.

    Attributes:
        hits: Everybody whose face was shown.
        blind: Whether somebody with a credential in force could not be compared by any role: her templates
            are of other weight files. Then nobody can say that the face is not hers.
    """

    hits: tuple[tuple[RegisterEntry, Comparison], ...]
    blind: bool


class Register:
    """The register in one vault.

    Args:
        vault: Where it lies, sealed.
        strict: Role -> cosine from which two photos are of one person; every role must accept.
    """

    def __init__(self, vault: Vault, strict: Mapping[str, float]) -> None:
        self._vault = vault
        self._strict = dict(strict)

    def entries(self) -> Iterator[RegisterEntry]:
        """Everybody enrolled.

        Raises:
            StoreUnavailable: it cannot be read; one damaged entry is enough: nobody knows who is missing.
        """
        for _, data in self._vault.all(_KIND):
            yield _read(RegisterEntry, data)

    def of_keys(self, keys: Collection[str]) -> tuple[RegisterEntry, ...]:
        """Who holds any of these keys; one person, unless two of the keys are two people's.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        return tuple(entry for entry in self.entries() if not set(entry.keys).isdisjoint(keys))

    def search(
        self, probes: Sequence[Probe], models: Models, now: int, *, but: Collection[str] = ()
    ) -> Found:
        """Everybody whose face any of these photos shows, searched exactly.

        Args:
            models: Role -> hex SHA-256 of the weight file that made the probes' embeddings.
            now: Unix seconds.
            but: Keys whose holders are left out.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        hits, blind = [], False
        for entry in self.entries():
            if not set(entry.keys).isdisjoint(but):
                continue
            comparison = self._best(probes, entry.face_template, models)
            if comparison.accepted:
                hits.append((entry, comparison))
            blind = blind or (not comparison.scores and any(one.exp > now for one in entry.issued))
        return Found(tuple(hits), blind)

    def compare(self, probe: Probe, templates: Sequence[FaceTemplate], models: Models) -> Comparison:
        """One photo against registered templates, by every role whose weight file is the same."""
        known = {one.model: one.vector() for one in templates if models.get(one.model) == one.sha256}
        compared = {
            role: _cosines(probe, known, role)
            for role in self._strict
            if role in known and role in probe.embeddings
        }
        return Comparison(
            scores={role: float(np.median(values)) for role, values in compared.items()},
            accepted=bool(compared)
            and all(accepts(values, self._strict[role]) for role, values in compared.items()),
        )

    @contextmanager
    def claim(
        self,
        keys: Sequence[str],
        templates: Sequence[FaceTemplate],
        probes: Sequence[Probe],
        models: Models,
        now: int,
    ) -> Iterator[None]:
        """Hold a face and keys while they are being enrolled; afterwards nothing of the claim is left.

        Raises:
            EnrolmentRefused: another desk holds the face or a key right now.
            StoreUnavailable: it cannot be written or read.
        """
        name = f"claim:{secrets.token_hex(16)}"
        claim = _Claim(keys=tuple(keys), face_template=tuple(templates), made=now)
        self._vault.put(name, _CLAIM, claim.model_dump_json().encode("utf-8"))
        try:
            for other, data in self._vault.all(_CLAIM):
                if other != name:
                    self._yield_to(other, _read(_Claim, data), keys, probes, models, now)
            yield
        finally:
            self._vault.erase(name)

    def put(self, entry: RegisterEntry) -> None:
        """Enter a person, or what changed of her.

        Raises:
            StoreUnavailable: not written.
        """
        self._vault.put(vault_name(entry.keys[0]), _KIND, entry.model_dump_json().encode("utf-8"))

    def forget(self, keys: Sequence[str]) -> int:
        """Forget a person by all her keys, and every salt that told which log entries are about her.

        Args:
            keys: As her entry has them.

        Returns:
            How many sealed things were erased.

        Raises:
            StoreUnavailable: not erased, or not surely; do it again.
        """
        # Last the name the entry itself lies under: until then a second try finds it.
        return sum(self._vault.erase(vault_name(key)) for key in reversed(keys))

    def _best(self, probes: Sequence[Probe], templates: Sequence[FaceTemplate], models: Models) -> Comparison:
        """The first photo that is accepted, else the last one's comparison."""
        best = Comparison({}, accepted=False)
        for probe in probes:
            best = self.compare(probe, templates, models)
            if best.accepted:
                break
        return best

    def _yield_to(
        self, name: str, other: _Claim, keys: Sequence[str], probes: Sequence[Probe], models: Models, now: int
    ) -> None:
        """Give way to another desk's claim, unless whoever made it is long gone."""
        if not now - CLAIM_LIFETIME < other.made:
            self._vault.erase(name)
        elif not set(other.keys).isdisjoint(keys) or self._best(probes, other.face_template, models).accepted:
            raise EnrolmentRefused(
                "the same person or key is being enrolled at another desk",
                code="input.enrolment-busy",
                remedy="see that nobody enrols twice, and try again in a few minutes",
            )


def probe_of(vectors: Vectors) -> Probe:
    """Templates as a probe of one view."""
    return Probe({role: vector[None, :] for role, vector in vectors.items()})


def _cosines(probe: Probe, known: Vectors, role: str) -> NDArray[np.float64]:
    """As matching has them; minus one where either is no embedding of the same model."""
    found = cosines(probe, known, role)
    return found if found.size else np.full(1, -1.0)


def _read(model: type[_Kept], data: bytes) -> _Kept:
    try:
        return read_wire(model, data)
    except ConsentInvalid as error:
        raise StoreUnavailable("the register holds a damaged entry", code="check.store-damaged") from error
