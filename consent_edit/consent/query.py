"""What is asked of consent, and what verification answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent.wire import StatusRef
from consent_edit.vocabulary import Age, Assurance, ConsentStatus, Operation, PhotoBinding, Purpose

Templates: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Role of embedder -> (dim,) float32 of unit norm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentQuery:
    """What is about to be done, by whom, where and when.

    Attributes:
        audience: This service, as grants name it in ``aud``.
        grantee: Client id of who asks for the edit, as the host authenticated it.
        proven: Thumbprint of the key that signed a proof over this very request; empty without one.
        nonce: What the proof is spent as (``Proven.spent_as``); empty without one.
        operations: All the edit does; none at all is out of scope.
        purpose: What for.
        photos: Canonical pixel digests (``sha256:<hex>``) of the photos that show the person; a grant that
            names photos must name them all.
        now: Unix seconds.
        models: Role of embedder -> hex SHA-256 of the weight file in use. A template that another file
            made, or of a role not named here, is left out, so that nothing matches it.
    """

    audience: str
    grantee: str
    operations: frozenset[Operation]
    purpose: Purpose
    photos: frozenset[str]
    now: int
    models: Mapping[str, str] = field(default_factory=dict)
    proven: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConsentResult:
    """What a presentation came to.

    Attributes:
        status: Only ``VERIFIED`` is consent.
        assurance: ``NONE`` unless verified; ``SIMULATED`` for all that a demo trust list vouches for.
        age: ``ADULT`` only if verified, shown adult, and ``photo`` is ``EXACT``; ``MINOR`` whenever the
            credential says so.
        photo: ``EXACT`` only if verified and *every* photo of the query is named by the grant.
        photos: The photos of the query that the grant names; empty unless verified.
        granted: Operations of the grant for the query's purpose; empty unless verified.
        templates: Role -> (dim,) float32 of unit norm. Also present, unverified, for a refused
            presentation whose template disclosure can be read, so that a caller can say whose refusal it
            is; never consent.
        grant_id: The grant's ``jti``; empty unless its signature held.
        subject: Thumbprint of the holder's key; empty unless the credential's signature held.
        issuer: The credential's issuer; empty unless its signature held.
        credential_sha256: ``sha256:<hex>`` over the presented credential; empty for what is no presentation.
        grant_sha256: ``sha256:<hex>`` over the grant's token; empty unless its signature held.
        max_uses: Releases the grant is good for; 0: no limit.
        statuses: Status entries of credential and grant, to be read again; empty unless verified.
        detail: Why, in one sentence for the operator. It holds nothing of the token.
    """

    status: ConsentStatus
    assurance: Assurance = Assurance.NONE
    age: Age = Age.UNDETERMINED
    photo: PhotoBinding = PhotoBinding.NONE
    photos: frozenset[str] = frozenset()
    granted: frozenset[Operation] = frozenset()
    templates: Templates = field(default_factory=dict, repr=False)
    grant_id: str = ""
    subject: str = ""
    issuer: str = ""
    credential_sha256: str = ""
    grant_sha256: str = ""
    max_uses: int = 0
    statuses: tuple[StatusRef, ...] = ()
    detail: str = ""

    @property
    def use_id(self) -> str:
        """What uses are counted by: the grant of this very holder, since a ``jti`` is her own choice."""
        return use_id(self.subject, self.grant_id)


def use_id(subject: str, jti: str) -> str:
    """Names one holder's grant among all holders'; a thumbprint holds no dot."""
    return f"{subject}.{jti}"
