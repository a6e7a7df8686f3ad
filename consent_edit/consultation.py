"""Consultation, step 3 of an edit: presentations verified for what the edit does, under what is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consent_edit.consent.status.lists import StatusValue
from consent_edit.consent.verify import ConsentQuery, ConsentResult, verify_presentation
from consent_edit.errors import CheckFailed
from consent_edit.operator import Operator, Snapshot
from consent_edit.reception import FurtherPicture, Received
from consent_edit.request import EditRequest
from consent_edit.vocabulary import ConsentStatus, Operation


def read_consents(
    operator: Operator,
    request: EditRequest,
    received: Received,
    operations: frozenset[Operation],
    *snapshots: Snapshot,
    of: FurtherPicture | None = None,
) -> list[ConsentResult]:
    """Verify every presentation for one picture under every snapshot, status and uses read now.

    Args:
        operations: What the edit does, as far as it is known.
        of: The further picture that they are to be good for; the picture edited where none is named. A grant
            that names photos must name this one.

    Raises:
        CheckFailed: ``check.clock-behind``: the clock went backwards since the request was received.
        StoreUnavailable: the use counts cannot be read.
    """
    now = operator.clock()
    if now < received.at:  # an older time would hide a withdrawal since
        raise CheckFailed("the clock went backwards during the edit", code="check.clock-behind")
    shown = of or received
    query = ConsentQuery(
        audience=operator.audience,
        grantee=request.grantee,
        proven=received.proof.thumbprint,
        nonce=received.proof.spent_as,
        operations=operations,
        purpose=request.purpose,
        photos=frozenset({shown.photo}),
        now=now,
        models=shown.seen.models,
    )
    readings = [
        [
            verify_presentation(
                presentation,
                trust=snapshot.trust,
                statuses=operator.statuses,
                query=query,
                record=operator.store,
            )
            for presentation in received.presentations
        ]
        for snapshot in snapshots
    ]
    consents, *others = readings
    for other in others:
        consents = first_refusal(consents, other)
    return consents


def first_refusal(one: Sequence[ConsentResult], other: Sequence[ConsentResult]) -> list[ConsentResult]:
    """Two readings of the same presentations: the first that refuses speaks, and consent needs both."""
    return [
        first if first.status is not ConsentStatus.VERIFIED else second
        for first, second in zip(one, other, strict=True)
    ]


def standing(operator: Operator, consents: Sequence[ConsentResult], *snapshots: Snapshot) -> bool:
    """Whether no verified consent was withdrawn or revoked since it was read, as far as can be told."""
    now = operator.clock()
    return all(
        operator.statuses.read(entry.uri, entry.idx, now, snapshot.trust) is not StatusValue.REVOKED
        for consent in consents
        for entry in consent.statuses
        for snapshot in snapshots
    )


def strictest(*snapshots: Snapshot) -> dict[str, float]:
    """Embedder role -> the highest cosine any of the snapshots asks for of a match."""
    return _highest([snapshot.thresholds.matching for snapshot in snapshots])


def strictest_keeping(*snapshots: Snapshot) -> dict[str, float]:
    """Embedder role -> the highest cosine any of the snapshots asks for of an edited face."""
    return _highest([snapshot.thresholds.keeping for snapshot in snapshots])


def _highest(asked: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Role -> the highest value; a role that one of them lacks can accept nobody."""
    return {role: max(one.get(role, 1.0) for one in asked) for role in set().union(*asked)}
