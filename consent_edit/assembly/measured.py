"""Operations measured from the pixels that changed, beside those asked for and read in the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consent_edit.assembly.people import ABSENT, Objects, matched_consents
from consent_edit.assembly.places import paired, shares
from consent_edit.consent.verify import ConsentResult
from consent_edit.perception.observation import ChangeObservation, ImageObservation
from consent_edit.vocabulary import (
    MEASURED_OPERATION,
    OPERATION_REGIONS,
    ConsentStatus,
    Operation,
    Region,
)

_UNSEEN_EXPLAINED_BY = frozenset({Operation.BACKGROUND, Operation.RESTORE})
"""Operations of the whole picture, which change pixels that may be somebody nobody found."""

_BACKGROUND_EXPLAINED_BY = _UNSEEN_EXPLAINED_BY | {Operation.OBJECT, Operation.STYLISE}
"""Operations that change pixels off everybody found."""


def measured_operations(
    before: ImageObservation,
    after: ImageObservation,
    change: ChangeObservation,
    consents: Sequence[ConsentResult],
    operations: frozenset[Operation],
    *,
    thresholds: Mapping[str, float],
    objects: Objects,
) -> frozenset[Operation]:
    """Operations measured from the changed pixels that nothing asked for explains.

    What is asked for explains changes of the people who consent, and of nobody else: a bystander's repainted
    face, or a face that was not there before, counts as an operation of its own whatever the edit is called.

    Args:
        consents: As verified for ``operations``.
        operations: Asked for and read in the prompt.
    """
    explained = frozenset[Region]().union(*(OPERATION_REGIONS[operation] for operation in operations))
    unexplained: set[Region] = set()
    matched = matched_consents(before, consents, thresholds, objects)
    spoken_for = (*matched, *(ABSENT for _ in before.bodies))
    for consent, touched in zip(spoken_for, change.touched, strict=True):
        unexplained |= touched - explained if consent.status is ConsentStatus.VERIFIED else touched
    if Operation.FACE_SWAP not in operations:
        pairs = paired(shares(before, before.faces), shares(after, after.faces))
        for index in range(len(after.faces)):
            unexplained |= painted_face(change, index) if index not in pairs else frozenset()
    if not operations & _UNSEEN_EXPLAINED_BY:
        unexplained |= change.unseen_touched
    measured = {MEASURED_OPERATION[region] for region in unexplained}
    if change.background and not operations & _BACKGROUND_EXPLAINED_BY:
        measured.add(Operation.BACKGROUND)
    if change.tone and not explained:
        measured.add(Operation.TONE)
    return frozenset(measured) - operations


def painted_face(change: ChangeObservation, index: int) -> frozenset[Region]:
    """Whether an output face was painted there: of a face without a past only the face itself counts."""
    return change.output_touched[index] & {Region.FACE, Region.UNDETERMINED}
