"""Assembles Facts: what was seen and asked (perception) beside who consented to what (consent).

The rooms below know nothing of each other; here, and only here, a face meets a credential.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from consent_edit.consent.match import MatchOutcome, Probe, identity, match_faces
from consent_edit.consent.verify import ConsentResult
from consent_edit.effective_checks import described, failures
from consent_edit.encoding import JsonValue
from consent_edit.perception.observation import (
    Box,
    ChangeObservation,
    CheckRun,
    FaceObservation,
    ImageObservation,
    PromptObservation,
)
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.vocabulary import (
    IMAGE_CHECKS,
    MEASURED_OPERATION,
    OPERATION_REGIONS,
    Age,
    Assurance,
    CheckName,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    NamedPerson,
    Operation,
    PersonKind,
    PhotoBinding,
    Recognisable,
    Region,
    Stage,
)

Boxes = tuple[tuple[int, int, int, int], ...]

_ABSENT = ConsentResult(status=ConsentStatus.ABSENT, detail="nobody's consent speaks for this face")

_UNSEEN_EXPLAINED_BY = frozenset(
    {Operation.BACKGROUND, Operation.OBJECT, Operation.RESTORE, Operation.STYLISE}
)
"""Operations that change pixels belonging to nobody found."""

_SAME_PLACE = 0.3
"""Intersection over union above which an input and an output face stand at the same place."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """Facts with what belongs beside them.

    Attributes:
        boxes: Per person of ``facts.persons``; ``unseen`` has none, so boxes are one fewer.
        failed_checks: Codes ``check.<name>-<outcome>`` of must-run checks without an answer.
        effective_checks: What ran, as plain mappings for the record.
        consents: The distinct verified consents that speak for a face here; the ones a release uses.
    """

    facts: Facts
    boxes: Boxes
    failed_checks: tuple[str, ...]
    effective_checks: tuple[Mapping[str, JsonValue], ...]
    consents: tuple[ConsentResult, ...]


def matched_consents(
    observation: ImageObservation, consents: Sequence[ConsentResult], thresholds: Mapping[str, float]
) -> tuple[ConsentResult, ...]:
    """For each face the consent that speaks for it, verified or not; an ``ABSENT`` one where none does.

    A consent that failed still carries its credential's templates, so that the refusal can say whose
    consent failed and why. It never counts as consent.
    """
    probes = [Probe(embeddings=face.embeddings) for face in observation.faces]
    matches = match_faces(probes, [consent.templates for consent in consents], thresholds)
    unplaceable = [  # only a failure may fall on a face that nothing matched; consent never does
        consent
        for consent in consents
        if not consent.templates and consent.status is not ConsentStatus.VERIFIED
    ]
    found: list[ConsentResult] = []
    for match in matches:
        if match.outcome is MatchOutcome.MATCHED:
            found.append(consents[match.reference])
        elif match.outcome is MatchOutcome.NONE and unplaceable:
            found.append(unplaceable[0])
        else:
            found.append(_ABSENT)
    return tuple(found)


def assemble_input(
    observation: ImageObservation,
    prompt: PromptObservation,
    consents: Sequence[ConsentResult],
    operations: frozenset[Operation],
    *,
    thresholds: Mapping[str, float],
    environment: Environment,
) -> Assembled:
    """Facts before the pipeline runs.

    Args:
        operations: Asked for and read in the prompt.
        thresholds: Embedder role -> cosine a face must reach against its own template.
    """
    matched = matched_consents(observation, consents, thresholds)
    persons = tuple(
        _person(face, consent, observation.exposure.value, prompt.intent)
        for face, consent in zip(observation.faces, matched, strict=True)
    )
    runs = (*observation.checks, *prompt.checks)
    return _assembled(
        Stage.INPUT,
        persons=(*persons, _unseen(prompt, Exposure.NONE if persons else observation.exposure.value)),
        boxes=tuple(face.box for face in observation.faces),
        operations=operations,
        required=[(observation.checks, IMAGE_CHECKS), (prompt.checks, frozenset({CheckName.PROMPT_INTENT}))],
        runs=runs,
        environment=environment,
        consents=matched,
    )


def measured_operations(
    before: ImageObservation,
    after: ImageObservation,
    change: ChangeObservation,
    consents: Sequence[ConsentResult],
    operations: frozenset[Operation],
    thresholds: Mapping[str, float],
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
    matched = matched_consents(before, consents, thresholds)
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
) -> Assembled:
    """Facts about the finished file, against the credentials' templates and against the input picture.

    The persons are every face of the output, then every face of the input that the output no longer shows as
    that very person: gone, painted over with another's face, or no longer to be recognised.

    Args:
        operations: Asked for, read in the prompt, and measured.
    """
    matched_before = matched_consents(before, consents, thresholds)
    matched_after = matched_consents(after, consents, thresholds)
    pairs = _pair(before, after)
    persons: list[PersonFacts] = []
    for index, (face, consent) in enumerate(zip(after.faces, matched_after, strict=True)):
        source = pairs.get(index)
        earlier = matched_before[source] if source is not None else _ABSENT
        touched = change.faces_touched[source] if source is not None else _painted(change, index)
        whose, kept = _kept(face, consent, earlier, thresholds)
        if touched and _put_there(consent, earlier, operations):
            kept = IdentityKept.FOREIGN
        persons.append(
            replace(
                _person(face, whose, after.exposure.value, prompt.intent),
                touched=touched,
                identity_kept=kept,
                exposure_change=change.exposure_change,
            )
        )
    remaining = {
        source
        for index, source in pairs.items()
        if _is_shown(before.faces[source]) == _is_shown(after.faces[index])
        and _speaks_for(matched_after[index], matched_before[source], operations)
    }
    vanished = [index for index in range(len(before.faces)) if index not in remaining]
    for index in vanished:
        touched = change.faces_touched[index]
        hidden = index in pairs.values() and not touched  # still there, only less well seen
        persons.append(
            replace(
                _person(before.faces[index], matched_before[index], after.exposure.value, prompt.intent),
                touched=touched,
                identity_kept=IdentityKept.SAME if hidden else IdentityKept.UNDETERMINED,
                exposure_change=change.exposure_change,
            )
        )
    unseen = replace(
        _unseen(prompt, Exposure.NONE if persons else after.exposure.value),
        touched=change.unseen_touched,
        exposure_change=ExposureChange.NONE if persons else change.exposure_change,
    )
    return _assembled(
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
        consents=(*matched_after, *matched_before),
    )


def _person(face: FaceObservation, consent: ConsentResult, exposure: Exposure, intent: Intent) -> PersonFacts:
    return PersonFacts(
        kind=face.kind,
        recognisable=face.recognisable,
        consent=consent.status,
        assurance=consent.assurance,
        age=consent.age,
        exposure=exposure,
        exposure_change=ExposureChange.NONE,
        intent=intent,
        photo=consent.photo,
        granted=consent.granted,
        touched=frozenset(),
        identity_kept=IdentityKept.SAME,
        named_person=NamedPerson.NONE,
    )


def _unseen(prompt: PromptObservation, exposure: Exposure) -> PersonFacts:
    return PersonFacts(
        kind=PersonKind.UNSEEN,
        recognisable=Recognisable.NO,
        consent=ConsentStatus.ABSENT,
        assurance=Assurance.NONE,
        age=Age.UNDETERMINED,
        exposure=exposure,
        exposure_change=ExposureChange.NONE,
        intent=prompt.intent,
        photo=PhotoBinding.NONE,
        granted=frozenset(),
        touched=frozenset(),
        identity_kept=IdentityKept.SAME,
        named_person=NamedPerson.UNCOVERED if prompt.names_person else NamedPerson.NONE,
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


def _assembled(
    stage: Stage,
    *,
    persons: tuple[PersonFacts, ...],
    boxes: tuple[Box, ...],
    operations: frozenset[Operation],
    required: Iterable[tuple[Sequence[CheckRun], frozenset[CheckName]]],
    runs: Sequence[CheckRun],
    environment: Environment,
    consents: Sequence[ConsentResult],
) -> Assembled:
    failed = tuple(dict.fromkeys(code for given, names in required for code in failures(given, names)))
    facts = Facts(
        stage=stage,
        persons=persons,
        operations=operations,
        checks=Checks.INCOMPLETE if failed else Checks.COMPLETE,
        environment=environment,
    )
    return Assembled(
        facts=facts,
        boxes=tuple(box.as_ints() for box in boxes),
        failed_checks=failed,
        effective_checks=tuple(described(run) for run in runs),
        consents=tuple(
            {
                consent.use_id: consent for consent in consents if consent.status is ConsentStatus.VERIFIED
            }.values()
        ),
    )
