"""Facts before the pipeline runs: who is in the picture, who consented, and what is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from consent_edit.assembly.people import (
    ABSENT,
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
from consent_edit.perception.observation import ImageObservation, PromptObservation
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
) -> Assembled:
    """Facts before the pipeline runs.

    Args:
        operations: Asked for and read in the prompt.
        thresholds: Embedder role -> cosine a face must reach against its own template.
        objects: Whether a face is of somebody who objected to every edit.
    """
    matched = matched_consents(observation, consents, thresholds, objects)
    spoken_for = (*matched, *(ABSENT for _ in observation.bodies))
    persons = tuple(
        replace(person_facts(person, consent), exposure=exposure_of(observation, index), intent=prompt.intent)
        for index, (person, consent) in enumerate(zip(observation.people, spoken_for, strict=True))
    )
    runs = (*observation.checks, *prompt.checks)
    return assembled(
        Stage.INPUT,
        persons=(*persons, unseen_facts(prompt, exposure_of_nobody(observation))),
        boxes=tuple(person.box for person in observation.people),
        operations=operations,
        required=[(observation.checks, IMAGE_CHECKS), (prompt.checks, frozenset({CheckName.PROMPT_INTENT}))],
        runs=runs,
        environment=environment,
        consents=matched,
    )
