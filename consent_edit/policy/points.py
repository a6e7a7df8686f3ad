"""Points: one person of some picture, as both the floor's rules and a Cedar context see it.

A decision is taken person by person; all that a person's rules learn of the others is the
:class:`~consent_edit.policy.floor.PictureAggregate`. So a point, one person with what she shares with
everybody and a picture summed up, is the unit over which policies are compared and the floor is proven.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consent_edit.policy.context import FACT_NAMES, context_of
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import RULES, FloorRule, PictureAggregate
from consent_edit.vocabulary import (
    Age,
    ConsentStatus,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
    PersonKind,
)


@dataclass(frozen=True, slots=True)
class Point:
    """One person at one stage of one edit.

    Attributes:
        shared: For stage, checks, environment and operations; its persons play no part.
        person: The person.
        picture: The picture she is in, summed up.
    """

    shared: Facts
    person: PersonFacts
    picture: PictureAggregate

    def context(self, fields: Iterable[str] = FACT_NAMES) -> str:
        """The point as a Cedar context, JSON."""
        return context_of(self.shared, self.person, self.picture, fields)

    def floor(self) -> tuple[FloorRule, ...]:
        """The floor's rules that refuse here, in their order."""
        return tuple(rule for rule, broken in RULES if broken(self.shared, self.person, self.picture))


def consistent(person: PersonFacts, picture: PictureAggregate) -> bool:
    """Whether some picture with this person in it sums up to this.

    1. Counts: nobody is counted who is not there, and the person herself is.
    2. What is found on the person is found in the picture.
    3. Somebody present who is not shown to be an adult leaves no picture of adults.
    4. Alone, ``unseen`` is all there is.
    """
    unseen = person.kind is PersonKind.UNSEEN
    face = person.kind is PersonKind.FACE
    verified = person.consent is ConsentStatus.VERIFIED
    swaps = face and verified and Operation.FACE_SWAP in person.granted
    exposed = person.exposure is not Exposure.NONE
    more = person.exposure_change is not ExposureChange.NONE
    revealing = person.intent in (Intent.REVEALING, Intent.SEXUAL)
    adult = verified and person.age is Age.ADULT
    others = picture.persons - (not unseen)
    # 1.
    counts = 0 <= picture.swap_consents - swaps <= picture.faces - face <= others
    # 2.
    found = picture.exposed >= exposed and picture.more_exposed >= more and picture.revealing >= revealing
    # 3.
    alone = unseen and picture.persons == 0
    present = not unseen or alone or exposed or more or bool(person.touched)
    adults = adult or not (present and picture.all_adults)
    # 4.
    all_there_is = (exposed, more, revealing, adult)
    summed = (picture.exposed, picture.more_exposed, picture.revealing, picture.all_adults)
    return counts and found and adults and (not alone or summed == all_there_is)
