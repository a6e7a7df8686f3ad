"""Facts about the finished file: what became of everybody, by credential and by input picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from consent_edit.assembly.beside import Beside, people_beside
from consent_edit.assembly.measured import painted_face
from consent_edit.assembly.people import (
    ABSENT,
    EDITED,
    Assembled,
    Objects,
    assembled,
    exposure_of,
    exposure_of_nobody,
    matched_consents,
    person_facts,
    unseen_facts,
)
from consent_edit.assembly.places import paired, shares
from consent_edit.consent.match import Probe, identity
from consent_edit.consent.verify import ConsentResult
from consent_edit.perception.observation import (
    ChangeObservation,
    FaceObservation,
    ImageObservation,
    PromptObservation,
    worst_change,
    worst_exposure,
)
from consent_edit.policy.facts import PersonFacts
from consent_edit.vocabulary import (
    IMAGE_CHECKS,
    CheckName,
    ConsentStatus,
    Environment,
    ExposureChange,
    IdentityKept,
    Operation,
    PersonKind,
    Recognisable,
    Stage,
)


def assemble_output(
    before: ImageObservation,
    after: ImageObservation,
    prompt: PromptObservation,
    change: ChangeObservation,
    consents: Sequence[ConsentResult],
    operations: frozenset[Operation],
    *,
    thresholds: Mapping[str, float],
    keeping: Mapping[str, float],
    environment: Environment,
    objects: Objects,
    pictures: Sequence[Beside] = (),
) -> Assembled:
    """Facts about the finished file, against the credentials' templates and against the input picture.

    The persons are everybody the output shows, then everybody of the input whom it no longer shows as that
    very person: gone, painted over with another's face, or no longer to be recognised. Then everybody in each
    further picture, untouched: what was drawn from her leaves only while her consent stands.

    Args:
        operations: Asked for, read in the prompt, and measured.
        thresholds: Embedder role -> cosine from which a face matches a template.
        keeping: Role -> cosine from which an edited face is still that person's.
        pictures: Further pictures, each with consent as it was read just now.
    """
    edit = _Edit(
        before=before,
        after=after,
        change=change,
        operations=operations,
        thresholds=thresholds,
        keeping=keeping,
        presented=tuple(consents),
        spoke=matched_consents(before, consents, thresholds, objects),
        speaks=matched_consents(after, consents, thresholds, objects),
        pairs=paired(shares(before, before.faces), shares(after, after.faces)),
        body_pairs=paired(shares(before, before.bodies), shares(after, after.bodies)),
    )
    vanished = _vanished(edit)
    shown = [
        replace(person, exposure=exposure_of(after, index), exposure_change=_change_of(change, index))
        for index, person in enumerate(
            (
                *(_shown(edit, index) for index in range(len(after.faces))),
                *(_shown_body(edit, index) for index in range(len(after.bodies))),
            )
        )
    ]
    gone = [
        replace(
            _gone(edit, index),
            exposure=after.exposure.picture.value,
            exposure_change=change.exposure_change,
        )
        for index in vanished
    ]
    persons = [replace(person, intent=prompt.intent) for person in (*shown, *gone)]
    beside = people_beside(before, edit.spoke, pictures, prompt, thresholds)
    unseen = replace(
        unseen_facts(prompt, worst_exposure(exposure_of_nobody(after), beside.unseen)),
        touched=change.unseen_touched,
        exposure_change=ExposureChange.NONE if persons else change.exposure_change,
    )
    return assembled(
        Stage.OUTPUT,
        persons=(*persons, *beside.persons, unseen),
        boxes=(
            *(person.box for person in after.people),
            *(before.people[index].box for index in vanished),
            *beside.boxes,
        ),
        pictures=(*(EDITED for _ in persons), *beside.places),
        operations=operations,
        required=[
            (after.checks, IMAGE_CHECKS),
            *((one.seen.checks, IMAGE_CHECKS) for one in pictures),
            (prompt.checks, frozenset({CheckName.PROMPT_INTENT})),
            (change.checks, frozenset({CheckName.CHANGE})),
        ],
        runs=(
            *after.checks,
            *(run for one in pictures for run in one.seen.checks),
            *prompt.checks,
            *change.checks,
        ),
        environment=environment,
        consents=(*edit.speaks, *edit.spoke, *beside.consents),
    )


@dataclass(frozen=True, slots=True)
class _Edit:
    """Both pictures of one edit with who speaks for whom.

    Attributes:
        spoke: Per face of the input, the consent that speaks for it.
        speaks: The same per face of the output.
        pairs: Output face -> the input face at its place.
        body_pairs: The same of bodies.
    """

    before: ImageObservation
    after: ImageObservation
    change: ChangeObservation
    operations: frozenset[Operation]
    thresholds: Mapping[str, float]
    keeping: Mapping[str, float]
    presented: tuple[ConsentResult, ...]
    spoke: tuple[ConsentResult, ...]
    speaks: tuple[ConsentResult, ...]
    pairs: Mapping[int, int]
    body_pairs: Mapping[int, int]


def _change_of(change: ChangeObservation, index: int) -> ExposureChange:
    """How the exposure of somebody in the output moved: worst of their own and the whole picture's."""
    return worst_change(change.exposure_changes[index], change.exposure_change)


def _shown(edit: _Edit, index: int) -> PersonFacts:
    """A face of the output: whose it is, whether still hers, and what was done to it."""
    face, consent, source = edit.after.faces[index], edit.speaks[index], edit.pairs.get(index)
    earlier = edit.spoke[source] if source is not None else ABSENT
    if source is None:
        touched = painted_face(edit.change, index)
    else:  # where they stood, and where they stand
        touched = edit.change.touched[source] | edit.change.output_touched[index]
    whose, kept = _kept(edit, face, consent, earlier)
    if touched and _put_there(consent, earlier, edit.operations):
        kept = IdentityKept.FOREIGN
    return replace(person_facts(face, whose), touched=touched, identity_kept=kept)


def _shown_body(edit: _Edit, index: int) -> PersonFacts:
    """Somebody without a face in the output: touched where they stood before, and where they stand now."""
    source, faces = edit.body_pairs.get(index), (len(edit.before.faces), len(edit.after.faces))
    touched = edit.change.output_touched[faces[1] + index]
    if source is not None:
        touched |= edit.change.touched[faces[0] + source]
    return replace(person_facts(edit.after.bodies[index], ABSENT), touched=touched)


def _vanished(edit: _Edit) -> list[int]:
    """People of the input for whom nobody in the output answers, as indices into everybody found there."""
    remaining = {
        source
        for index, source in edit.pairs.items()
        if _is_shown(edit.before.faces[source]) == _is_shown(edit.after.faces[index])
        and _speaks_for(edit.speaks[index], edit.spoke[source], edit.operations)
    }
    faces = [index for index in range(len(edit.before.faces)) if index not in remaining]
    bodies = [index for index in range(len(edit.before.bodies)) if index not in edit.body_pairs.values()]
    return [*faces, *(len(edit.before.faces) + index for index in bodies)]


def _gone(edit: _Edit, index: int) -> PersonFacts:
    """Somebody of the input whom the output no longer shows as that person."""
    touched = edit.change.touched[index]
    if index >= len(edit.before.faces):
        return replace(person_facts(edit.before.people[index], ABSENT), touched=touched)
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
    edit: _Edit, face: FaceObservation, consent: ConsentResult, earlier: ConsentResult
) -> tuple[ConsentResult, IdentityKept]:
    """Whose the output face is, and whether it still is that person's.

    A face that matches nobody, but stands where a consenting person stood and which every embedder still
    takes for that person and for nobody else presented, is that person ``ALTERED``; any other unmatched face
    is ``FOREIGN``.
    """

    def against(whose: ConsentResult) -> IdentityKept:
        others = [one.templates for one in edit.presented if one.subject != whose.subject and one.templates]
        probe = Probe(embeddings=face.embeddings)
        return identity(probe, whose.templates, edit.thresholds, edit.keeping, others)

    if consent.templates and consent.status is not ConsentStatus.ABSENT:
        return consent, against(consent)
    if not face.embeddings:
        return consent, IdentityKept.UNDETERMINED
    if earlier.templates and against(earlier) is IdentityKept.ALTERED:
        return earlier, IdentityKept.ALTERED
    return consent, IdentityKept.FOREIGN
