"""People as facts: whose consent speaks for a face, and what is known of somebody unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consent_edit.assembly.checks import described, failures
from consent_edit.consent.match import MatchOutcome, Probe, match_faces, roles_without_template
from consent_edit.consent.verify import ConsentResult
from consent_edit.encoding import JsonValue
from consent_edit.perception.observation import (
    Box,
    CheckRun,
    FaceObservation,
    ImageObservation,
    PersonObservation,
    PromptObservation,
    worst_exposure,
)
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import consent_counts, recognisable_face
from consent_edit.remedies.kinds import Remedy
from consent_edit.vocabulary import (
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
    Stage,
)

Boxes = tuple[tuple[int, int, int, int], ...]

EDITED: Final = "image"
"""Name of the picture edited, whatever its pipeline calls it, and of what was made of it."""

ABSENT = ConsentResult(status=ConsentStatus.ABSENT, detail="nobody's consent speaks for this face")
"""What speaks for a face that nobody's consent speaks for."""

OBJECTED = ConsentResult(status=ConsentStatus.REVOKED, detail="the person objected to every edit")
"""What speaks for a face on the "never edit me" list."""

Objects = Callable[[Probe], bool]
"""Whether a face is of somebody who objected to every edit; raises where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """Facts with what belongs beside them.

    Attributes:
        boxes: Per person of ``facts.persons``; ``unseen`` has none, so boxes are one fewer.
        pictures: Per box, the picture it lies in: :data:`EDITED`, or the place of a further picture.
        failed_checks: Codes ``check.<name>-<outcome>`` of must-run checks without an answer.
        effective_checks: What ran, as plain mappings for the record.
        consents: The distinct verified consents that speak for a face here; the ones a release uses.
        remedies: What was carried out on request so that the edit could be admitted, or released.
    """

    facts: Facts
    boxes: Boxes
    pictures: tuple[str, ...]
    failed_checks: tuple[str, ...]
    effective_checks: tuple[Mapping[str, JsonValue], ...]
    consents: tuple[ConsentResult, ...]
    remedies: tuple[Remedy, ...] = ()


def consenting_faces(
    observation: ImageObservation,
    consents: Sequence[ConsentResult],
    *,
    thresholds: Mapping[str, float],
    environment: Environment,
    objects: Objects,
) -> frozenset[int]:
    """Indices of the faces that can be recognised and for whom consent counts, as the floor has it.

    Everybody else is a bystander, and nothing here tells why: who never consented, withdrew, objected, or
    consented to something else (G7).
    """
    matched = matched_consents(observation, consents, thresholds, objects)
    facts = [person_facts(face, whose) for face, whose in zip(observation.faces, matched, strict=True)]
    return frozenset(
        index
        for index, person in enumerate(facts)
        if recognisable_face(person) and consent_counts(person, environment)
    )


def matched_consents(
    observation: ImageObservation,
    consents: Sequence[ConsentResult],
    thresholds: Mapping[str, float],
    objects: Objects,
) -> tuple[ConsentResult, ...]:
    """For each face the consent that speaks for it, verified or not; an ``ABSENT`` one where none does.

    A consent that failed still carries its credential's templates, so that the refusal can say whose
    consent failed and why. It never counts as consent. Several presentations of one person speak with one
    voice: the first that verified, or the first. A person who objected to every edit has withdrawn.
    """
    speaking = _one_a_subject(consents)
    probes = [Probe(embeddings=face.embeddings) for face in observation.faces]
    matches = match_faces(probes, [consent.templates for consent in speaking], thresholds)
    unplaceable = [  # only a failure may fall on a face that nothing matched; consent never does
        consent
        for consent in speaking
        if not consent.templates and consent.status is not ConsentStatus.VERIFIED
    ]
    found: list[ConsentResult] = []
    for probe, match in zip(probes, matches, strict=True):
        if probe.embeddings and objects(probe):
            found.append(OBJECTED)
        elif match.outcome is MatchOutcome.MATCHED:
            found.append(speaking[match.reference])
        elif match.outcome is MatchOutcome.NONE and unplaceable:
            found.append(unplaceable[0])
        else:
            found.append(_absent(speaking, thresholds))
    return tuple(found)


def _absent(presented: Sequence[ConsentResult], thresholds: Mapping[str, float]) -> ConsentResult:
    """Nobody's consent; for the operator, why a credential could not have matched anybody."""
    lacking = frozenset[str]().union(
        *(roles_without_template(one.templates, thresholds) for one in presented if one.templates)
    )
    if not lacking:
        return ABSENT
    detail = f"a credential holds no template of {', '.join(sorted(lacking))}; have it issued anew"
    return replace(ABSENT, detail=detail)


def _one_a_subject(consents: Sequence[ConsentResult]) -> list[ConsentResult]:
    """Of each person's presentations the first that verified, or the first; the unsigned ones all."""
    chosen: dict[str, ConsentResult] = {}
    for number, consent in enumerate(consents):
        name = consent.subject or f"unsigned {number}"
        held = chosen.get(name)
        if held is None or (
            held.status is not ConsentStatus.VERIFIED and consent.status is ConsentStatus.VERIFIED
        ):
            chosen[name] = consent
    return list(chosen.values())


def exposure_of(seen: ImageObservation, index: int) -> Exposure:
    """A person's exposure: the worst of what the crops around them and the whole picture show."""
    return worst_exposure(seen.exposure.picture.value, seen.exposure.persons[index].value)


def exposure_of_nobody(seen: ImageObservation) -> Exposure:
    """The exposure that falls on ``unseen``: of what holds nobody found, of all where nobody is found."""
    if not seen.people:
        return worst_exposure(seen.exposure.picture.value, seen.exposure.elsewhere.value)
    return seen.exposure.elsewhere.value


def age_of(face: FaceObservation, consent: ConsentResult) -> Age:
    """The credential's age where it speaks for this photo; else a child's looks can only lower it."""
    if consent.age is Age.UNDETERMINED and face.apparent_age is Age.MINOR:
        return Age.MINOR
    return consent.age


def person_facts(person: PersonObservation, consent: ConsentResult) -> PersonFacts:
    """A person found, before anything is known of the picture's exposure, the words or the edit.

    Args:
        person: A body without a face is nobody's to consent for: ``consent`` is :data:`ABSENT` then.
    """
    if isinstance(person, FaceObservation):
        kind, recognisable, age = person.kind, person.recognisable, age_of(person, consent)
    else:
        kind, recognisable, age = PersonKind.BODY, Recognisable.NO, consent.age
    return PersonFacts(
        kind=kind,
        recognisable=recognisable,
        consent=consent.status,
        assurance=consent.assurance,
        age=age,
        exposure=Exposure.UNDETERMINED,
        exposure_change=ExposureChange.NONE,
        intent=Intent.UNDETERMINED,
        photo=consent.photo,
        granted=consent.granted,
        touched=frozenset(),
        identity_kept=IdentityKept.SAME,
        named_person=NamedPerson.NONE,
    )


def unseen_facts(prompt: PromptObservation, exposure: Exposure) -> PersonFacts:
    """The person every picture has, on whom falls what belongs to nobody found."""
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


def assembled(
    stage: Stage,
    *,
    persons: Sequence[PersonFacts],
    boxes: Sequence[Box],
    pictures: Sequence[str],
    operations: frozenset[Operation],
    required: Iterable[tuple[Sequence[CheckRun], frozenset[CheckName]]],
    runs: Sequence[CheckRun],
    environment: Environment,
    consents: Sequence[ConsentResult],
) -> Assembled:
    """Facts with what belongs beside them; a required check without an answer makes them incomplete.

    Args:
        required: Runs, and the names of the checks that must be among them.
        pictures: Per box, the picture it lies in.
        runs: All runs, for the record; each is told once.
        consents: Whatever speaks for a face; only the verified ones are kept.
    """
    failed = tuple(dict.fromkeys(code for given, names in required for code in failures(given, names)))
    unique = [run for number, run in enumerate(runs) if run not in runs[:number]]
    facts = Facts(
        stage=stage,
        persons=tuple(persons),
        operations=operations,
        checks=Checks.INCOMPLETE if failed else Checks.COMPLETE,
        environment=environment,
    )
    return Assembled(
        facts=facts,
        boxes=tuple(box.as_ints() for box in boxes),
        pictures=tuple(pictures),
        failed_checks=failed,
        effective_checks=tuple(described(run) for run in unique),
        consents=tuple(
            {
                consent.use_id: consent for consent in consents if consent.status is ConsentStatus.VERIFIED
            }.values()
        ),
    )
