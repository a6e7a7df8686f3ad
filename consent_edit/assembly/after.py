"""Facts about the finished file: what became of everybody, by credential and by input picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from consent_edit.assembly.people import (
    ABSENT,
    Assembled,
    Objects,
    assembled,
    matched_consents,
    person_facts,
    unseen_facts,
)
from consent_edit.consent.match import Probe, identity
from consent_edit.consent.verify import ConsentResult
from consent_edit.perception.observation import (
    ChangeObservation,
    FaceObservation,
    ImageObservation,
    PromptObservation,
)
from consent_edit.policy.facts import PersonFacts
from consent_edit.vocabulary import (
    IMAGE_CHECKS,
    MEASURED_OPERATION,
    OPERATION_REGIONS,
    CheckName,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Operation,
    PersonKind,
    Recognisable,
    Region,
    Stage,
)

_UNSEEN_EXPLAINED_BY = frozenset(
    {Operation.BACKGROUND, Operation.OBJECT, Operation.RESTORE, Operation.STYLISE}
)
"""Operations that change pixels belonging to nobody found."""

_SAME_PLACE = 0.3
"""Intersection over union above which an input and an output face stand at the same place."""


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
    for consent, touched in zip(matched, change.faces_touched, strict=True):
        unexplained |= touched - explained if consent.status is ConsentStatus.VERIFIED else touched
    paired = _pair(before, after)
    if Operation.FACE_SWAP not in operations:
        for index in range(len(after.faces)):
            unexplained |= _painted(change, index) if index not in paired else frozenset()
    if not operations & _UNSEEN_EXPLAINED_BY:
        unexplained |= change.unseen_touched
    measured = {MEASURED_OPERATION[region] for region in unexplained}
    if change.tone and not explained:
        measured.add(Operation.TONE)
    return frozenset(measured) - operations


def _painted(change: ChangeObservation, index: int) -> frozenset[Region]:
    """Whether an output face was painted there: of a face without a past only the face itself counts."""
    return change.output_faces_touched[index] & {Region.FACE, Region.UNDETERMINED}


def assemble_output(
    before: ImageObservation,
    after: ImageObservation,
    prompt: PromptObservation,
    change: ChangeObservation,
    consents: Sequence[ConsentResult],
    operations: frozenset[Operation],
    *,
    thresholds: Mapping[str, float],
    environment: Environment,
    objects: Objects,
) -> Assembled:
    """Facts about the finished file, against the credentials' templates and against the input picture.

    The persons are every face of the output, then every face of the input that the output no longer shows as
    that very person: gone, painted over with another's face, or no longer to be recognised.

    Args:
        operations: Asked for, read in the prompt, and measured.
    """
    edit = _Edit(
        before=before,
        after=after,
        change=change,
        operations=operations,
        thresholds=thresholds,
        spoke=matched_consents(before, consents, thresholds, objects),
        speaks=matched_consents(after, consents, thresholds, objects),
        pairs=_pair(before, after),
    )
    vanished = _vanished(edit)
    found = [*(_shown(edit, index) for index in range(len(after.faces))), *(_gone(edit, i) for i in vanished)]
    persons = [
        replace(
            person,
            exposure=after.exposure.value,
            exposure_change=change.exposure_change,
            intent=prompt.intent,
        )
        for person in found
    ]
    unseen = replace(
        unseen_facts(prompt, Exposure.NONE if persons else after.exposure.value),
        touched=change.unseen_touched,
        exposure_change=ExposureChange.NONE if persons else change.exposure_change,
    )
    return assembled(
        Stage.OUTPUT,
        persons=(*persons, unseen),
        boxes=(*(face.box for face in after.faces), *(before.faces[index].box for index in vanished)),
        operations=operations,
        required=[
            (after.checks, IMAGE_CHECKS),
            (prompt.checks, frozenset({CheckName.PROMPT_INTENT})),
            (change.checks, frozenset({CheckName.CHANGE})),
        ],
        runs=(*after.checks, *prompt.checks, *change.checks),
        environment=environment,
        consents=(*edit.speaks, *edit.spoke),
    )


@dataclass(frozen=True, slots=True)
class _Edit:
    """Both pictures of one edit with who speaks for whom.

    Attributes:
        spoke: Per face of the input, the consent that speaks for it.
        speaks: The same per face of the output.
        pairs: Output face -> the input face at its place.
    """

    before: ImageObservation
    after: ImageObservation
    change: ChangeObservation
    operations: frozenset[Operation]
    thresholds: Mapping[str, float]
    spoke: tuple[ConsentResult, ...]
    speaks: tuple[ConsentResult, ...]
    pairs: Mapping[int, int]


def _shown(edit: _Edit, index: int) -> PersonFacts:
    """A face of the output: whose it is, whether still hers, and what was done to it."""
    face, consent, source = edit.after.faces[index], edit.speaks[index], edit.pairs.get(index)
    earlier = edit.spoke[source] if source is not None else ABSENT
    touched = edit.change.faces_touched[source] if source is not None else _painted(edit.change, index)
    whose, kept = _kept(face, consent, earlier, edit.thresholds)
    if touched and _put_there(consent, earlier, edit.operations):
        kept = IdentityKept.FOREIGN
    return replace(person_facts(face, whose), touched=touched, identity_kept=kept)


def _vanished(edit: _Edit) -> list[int]:
    """Faces of the input for whom no face of the output answers."""
    remaining = {
        source
        for index, source in edit.pairs.items()
        if _is_shown(edit.before.faces[source]) == _is_shown(edit.after.faces[index])
        and _speaks_for(edit.speaks[index], edit.spoke[source], edit.operations)
    }
    return [index for index in range(len(edit.before.faces)) if index not in remaining]


def _gone(edit: _Edit, index: int) -> PersonFacts:
    """A face of the input that the output no longer shows as that person."""
    touched = edit.change.faces_touched[index]
    hidden = index in edit.pairs.values() and not touched  # still there, only less well seen
    return replace(
        person_facts(edit.before.faces[index], edit.spoke[index]),
        touched=touched,
        identity_kept=IdentityKept.SAME if hidden else IdentityKept.UNDETERMINED,
    )


def _is_shown(face: FaceObservation) -> bool:
    """Whether people would recognise this face."""
    return face.kind is PersonKind.FACE and face.recognisable is Recognisable.YES


def _put_there(consent: ConsentResult, earlier: ConsentResult, operations: frozenset[Operation]) -> bool:
    """Whether a consenting person's face stands where she did not, and nobody granted a swap."""
    verified = consent.status is ConsentStatus.VERIFIED
    return verified and consent is not earlier and Operation.FACE_SWAP not in operations


def _speaks_for(now: ConsentResult, earlier: ConsentResult, operations: frozenset[Operation]) -> bool:
    """Whether the output face at somebody's place answers for her; if not, she is a person of her own."""
    if now is earlier or now.status is ConsentStatus.ABSENT:
        return True
    return earlier.status is ConsentStatus.VERIFIED and Operation.FACE_SWAP in operations


def _kept(
    face: FaceObservation,
    consent: ConsentResult,
    earlier: ConsentResult,
    thresholds: Mapping[str, float],
) -> tuple[ConsentResult, IdentityKept]:
    """Whose the output face is, and whether it still is that person's.

    A face that matches nobody, but stands where a consenting person stood and still reads as that person by
    one of the embedders, is that person ``ALTERED``; any other unmatched face is ``FOREIGN``.
    """
    probe = Probe(embeddings=face.embeddings)
    if consent.templates and consent.status is not ConsentStatus.ABSENT:
        return consent, identity(probe, consent.templates, thresholds)
    if not face.embeddings:
        return consent, IdentityKept.UNDETERMINED
    if earlier.templates and identity(probe, earlier.templates, thresholds) is IdentityKept.ALTERED:
        return earlier, IdentityKept.ALTERED
    return consent, IdentityKept.FOREIGN


def _pair(before: ImageObservation, after: ImageObservation) -> dict[int, int]:
    """Output face -> the input face at its place (best overlap first, each used once)."""
    scale_x, scale_y = after.width / before.width, after.height / before.height
    overlaps = sorted(
        (
            (new.box.overlap(old.box.scaled(scale_x, scale_y)), j, i)
            for j, new in enumerate(after.faces)
            for i, old in enumerate(before.faces)
        ),
        reverse=True,
    )
    pairs: dict[int, int] = {}
    for overlap, j, i in overlaps:
        if overlap > _SAME_PLACE and j not in pairs and i not in pairs.values():
            pairs[j] = i
    return pairs
