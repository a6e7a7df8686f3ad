"""Facts before the pipeline runs: who is in the picture, who consented, and what is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from consent_edit.assembly.beside import Beside, people_beside
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
from consent_edit.consent.verify import ConsentResult
from consent_edit.perception.observation import ImageObservation, PromptObservation, worst_exposure
from consent_edit.vocabulary import IMAGE_CHECKS, CheckName, Environment, Operation, Stage


def assemble_input(
    observation: ImageObservation,
    prompt: PromptObservation,
    consents: Sequence[ConsentResult],
    operations: frozenset[Operation],
    *,
    thresholds: Mapping[str, float],
    environment: Environment,
    objects: Objects,
    pictures: Sequence[Beside] = (),
) -> Assembled:
    """Facts before the pipeline runs.

    The persons are everybody in the picture edited, then everybody in each further picture.

    Args:
        operations: Asked for and read in the prompt.
        thresholds: Embedder role -> cosine a face must reach against its own template.
        objects: Whether a face is of somebody who objected to every edit.
        pictures: Further pictures.
    """
    matched = matched_consents(observation, consents, thresholds, objects)
    spoken_for = (*matched, *(ABSENT for _ in observation.bodies))
    persons = tuple(
        replace(person_facts(person, consent), exposure=exposure_of(observation, index), intent=prompt.intent)
        for index, (person, consent) in enumerate(zip(observation.people, spoken_for, strict=True))
    )
    beside = people_beside(observation, matched, pictures, prompt, thresholds)
    nobody = worst_exposure(exposure_of_nobody(observation), beside.unseen)
    return assembled(
        Stage.INPUT,
        persons=(*persons, *beside.persons, unseen_facts(prompt, nobody)),
        boxes=(*(person.box for person in observation.people), *beside.boxes),
        pictures=(*(EDITED for _ in observation.people), *beside.places),
        operations=operations,
        required=[
            (observation.checks, IMAGE_CHECKS),
            *((one.seen.checks, IMAGE_CHECKS) for one in pictures),
            (prompt.checks, frozenset({CheckName.PROMPT_INTENT})),
        ],
        runs=(*observation.checks, *(run for one in pictures for run in one.seen.checks), *prompt.checks),
        environment=environment,
        consents=(*matched, *beside.consents),
    )
