"""Points: one person of some picture, as both the floor's rules and a Cedar context see it.

A decision is taken person by person; all that a person's rules learn of the others is the
:class:`~consent_edit.policy.floor.PictureAggregate`. So a point, one person with what she shares with
everybody and a picture summed up, is the unit over which policies are compared and the floor is proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from itertools import product
from typing import Final, TypeAlias

from consent_edit.policy.context import FACT_NAMES, context_of
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import RULES, FloorRule, PictureAggregate, picture_aggregate
from consent_edit.policy.testing import benign
from consent_edit.vocabulary import (
    Age,
    ConsentStatus,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
    PersonKind,
    Recognisable,
    Region,
)

FactValue: TypeAlias = StrEnum | frozenset[StrEnum] | bool | int

_FACE: Final = benign("output", 1).persons[0]
_NOBODY: Final = benign("input", 0).persons
_SHARED: Final = tuple(field.name for field in fields(Facts) if field.name != "persons")
_PERSONAL: Final = tuple(field.name for field in fields(PersonFacts))
_SUMMED: Final = tuple(field.name for field in fields(PictureAggregate))
_TONE: Final = frozenset({Operation.TONE})
_SWAP: Final = frozenset({Operation.TONE, Operation.FACE_SWAP})


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


@lru_cache(maxsize=65536)
def _everybodys(*values: FactValue) -> Facts:
    return Facts(**dict(zip(_SHARED, values, strict=True)), persons=_NOBODY)  # type: ignore[arg-type]


def point_of(values: Mapping[str, FactValue]) -> Point:
    """The point with these values, by the paths of facts; every fact must have one."""
    own = {name: values[name] for name in _PERSONAL}
    summed = {name: values[f"picture.{name}"] for name in _SUMMED}
    return Point(
        _everybodys(*(values[name] for name in _SHARED)),
        PersonFacts(**own),  # type: ignore[arg-type]
        PictureAggregate(**summed),  # type: ignore[arg-type]
    )


def realised(point: Point) -> Iterator[Facts]:
    """Pictures with this person in them that sum up to this, the most ordinary first.

    The person stands first, or last where she is ``unseen``. Of a consistent point there is one at least;
    what others in the picture must show falls on one of them.
    """
    person, picture = point.person, point.picture
    unseen = person.kind is PersonKind.UNSEEN
    face = person.kind is PersonKind.FACE
    swaps = face and person.consent is ConsentStatus.VERIFIED and Operation.FACE_SWAP in person.granted
    others = [
        replace(
            _FACE,
            kind=PersonKind.FACE if number < picture.faces - face else PersonKind.BODY,
            granted=_SWAP if number < picture.swap_consents - swaps else _TONE,
        )
        for number in range(picture.persons - (not unseen))
    ]
    last = _companions(others[-1], picture) if others else ()
    nobody = (person,) if unseen else _nobodies(picture)
    for one, other in product(last or (None,), nobody):
        found = (*others[:-1], *((one,) if one else ()))
        persons = (*found, other) if unseen else (person, *found, other)
        facts = replace(point.shared, persons=persons)
        if picture_aggregate(facts) == picture:
            yield facts


def _seen(person: PersonFacts, picture: PictureAggregate) -> PersonFacts:
    """The same, with all that somebody in the picture must show."""
    return replace(
        person,
        exposure=Exposure.SUGGESTIVE if picture.exposed else Exposure.NONE,
        exposure_change=ExposureChange.INCREASED if picture.more_exposed else ExposureChange.NONE,
        intent=Intent.REVEALING if picture.revealing else Intent.ORDINARY,
    )


def _companions(plain: PersonFacts, picture: PictureAggregate) -> tuple[PersonFacts, ...]:
    """An adult who consents; somebody too small to recognise; a minor; and each with what must be seen."""
    small = replace(plain, recognisable=Recognisable.NO, consent=ConsentStatus.ABSENT, age=Age.UNDETERMINED)
    each = (plain, small, replace(plain, age=Age.MINOR))
    return (*each, *(_seen(one, picture) for one in each))


def _nobodies(picture: PictureAggregate) -> tuple[PersonFacts, ...]:
    """``unseen`` of whom nothing is known; with what must be seen; and as somebody who is there."""
    (plain,) = _NOBODY
    adult = replace(plain, consent=ConsentStatus.VERIFIED, age=Age.ADULT)
    touched = replace(plain, touched=frozenset({Region.BODY}))
    there = adult if picture.all_adults else touched
    return plain, _seen(plain, picture), _seen(there, picture)
