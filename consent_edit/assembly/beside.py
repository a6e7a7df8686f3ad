"""People of further pictures, which steer an edit or are drawn from: judged as those of the edited one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consent_edit.assembly.people import (
    ABSENT,
    EDITED,
    Objects,
    exposure_of,
    exposure_of_nobody,
    matched_consents,
    person_facts,
)
from consent_edit.consent.verify import ConsentResult
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ImageObservation,
    PersonObservation,
    PromptObservation,
    worst_exposure,
)
from consent_edit.policy.facts import PersonFacts
from consent_edit.vocabulary import ConsentStatus, Exposure, Operation

_PARTIES: Final = 2
"""People whose consent a face swap needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """A further picture with what was presented for it.

    Attributes:
        place: Its name in the call: ``control_image``, or ``image[1]`` within a list.
        consents: Every presentation, as verified for this very picture.
        objects: Whether a face in it is of somebody who objected to every edit.
    """

    place: str
    seen: ImageObservation
    consents: Sequence[ConsentResult]
    objects: Objects


@dataclass(frozen=True, slots=True, eq=False)
class PeopleBeside:
    """Everybody the further pictures show, in their order.

    Attributes:
        persons: Their facts; no pixel of theirs is touched, for these pictures are read and never written.
        boxes: Per person, where in which picture.
        places: Per person, the name of that picture.
        consents: Per face, the consent that speaks for it.
        unseen: The worst exposure that falls on nobody found in any of them.
    """

    persons: tuple[PersonFacts, ...]
    boxes: tuple[Box, ...]
    places: tuple[str, ...]
    consents: tuple[ConsentResult, ...]
    unseen: Exposure


def people_beside(
    edited: ImageObservation,
    spoken: Sequence[ConsentResult],
    pictures: Sequence[Beside],
    prompt: PromptObservation,
    thresholds: Mapping[str, float],
) -> PeopleBeside:
    """Everybody the further pictures show, each with whose consent speaks for them in that very picture.

    Args:
        edited: The picture edited. Where nobody is found in it, but somebody in another, one more person
            stands for whoever is there: others' age and consent say nothing of theirs.
        spoken: What speaks for the faces of the picture edited.
    """
    matched = [matched_consents(one.seen, one.consents, thresholds, one.objects) for one in pictures]
    consents = tuple(consent for several in matched for consent in several)
    swaps = _parties((*spoken, *consents)) >= _PARTIES
    found: list[tuple[str, PersonObservation, PersonFacts]] = [
        (one.place, person, _facts(one.seen, index, speaking, prompt, swaps=swaps))
        for one, several in zip(pictures, matched, strict=True)
        for index, (person, speaking) in enumerate(
            zip(one.seen.people, (*several, *(ABSENT for _ in one.seen.bodies)), strict=True)
        )
    ]
    if found and not edited.people:
        somebody = BodyObservation(Box(0, 0, edited.width, edited.height), 0.0, ())
        facts = replace(
            person_facts(somebody, ABSENT), exposure=exposure_of_nobody(edited), intent=prompt.intent
        )
        found.insert(0, (EDITED, somebody, facts))
    return PeopleBeside(
        persons=tuple(facts for _, _, facts in found),
        boxes=tuple(person.box for _, person, _ in found),
        places=tuple(place for place, _, _ in found),
        consents=consents,
        unseen=worst_exposure(Exposure.NONE, *(exposure_of_nobody(one.seen) for one in pictures)),
    )


def _facts(
    seen: ImageObservation, index: int, consent: ConsentResult, prompt: PromptObservation, *, swaps: bool
) -> PersonFacts:
    """Somebody in a further picture.

    Args:
        swaps: Whether two people granted a swap. Facts count faces whose grant names it, so one person shown
            in two pictures would pass for two: then it is left out here.
    """
    facts = person_facts(seen.people[index], consent)
    granted = facts.granted if swaps else facts.granted - {Operation.FACE_SWAP}
    return replace(facts, granted=granted, exposure=exposure_of(seen, index), intent=prompt.intent)


def _parties(consents: Sequence[ConsentResult]) -> int:
    """How many people granted a face swap."""
    return len(
        {
            consent.subject
            for consent in consents
            if consent.status is ConsentStatus.VERIFIED and Operation.FACE_SWAP in consent.granted
        }
    )
