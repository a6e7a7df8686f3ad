"""Whole pictures: the sum that both floors share, the points it gives, and both floors at random pictures.

The mirror is handed ``picture_aggregate``'s answer, so a slip there would be in both floors alike. It is
therefore checked by itself:

1. against a plain restatement, over all pictures of up to two persons and ``unseen`` with every value that
   can matter, and over larger ones at random;
2. every person of every such picture is a consistent point (points.consistent leaves nothing out);
3. every consistent point is some person of some picture (it lets nothing in), with counts up to two;
4. the floor's ``judge`` is the mirror for every person, at pictures drawn from the whole space.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from itertools import combinations_with_replacement, product
from typing import Final, TypeAlias

from consent_edit.policy.context import context_of
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import FloorFinding, PictureAggregate, picture_aggregate
from consent_edit.policy.points import FactValue, Point, consistent, realised
from consent_edit.policy.proof.banned import BANNED
from consent_edit.policy.proof.mirror import Mirror
from consent_edit.policy.proof.space import PERSONAL, SHARED, Fact, Set, Word, values_of
from consent_edit.policy.proof.table import Findings
from consent_edit.policy.proof.words import told
from consent_edit.policy.testing import benign
from consent_edit.vocabulary import (
    Age,
    ConsentStatus,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
    PersonKind,
    Region,
)

Sum: TypeAlias = Callable[[Facts], PictureAggregate]
Judge: TypeAlias = Callable[[Facts], tuple[FloorFinding, ...]]

_SEED: Final = 20260102
_LARGER: Final = 300
_WHOLE: Final = 300
_BASE: Final = benign("output", 1)
_FACE, _UNSEEN = _BASE.persons
_NO_SWAP: Final = frozenset({Operation.TONE})
_SWAP: Final = frozenset({Operation.TONE, Operation.FACE_SWAP})


def restated(facts: Facts) -> PictureAggregate:
    """The sum, said again from its docstring, one person after the other."""
    found = faces = swaps = 0
    adults, exposed, more, revealing = True, False, False, False
    for person in facts.persons:
        nobody = person.kind == PersonKind.UNSEEN
        found += 0 if nobody else 1
        if person.kind == PersonKind.FACE:
            faces += 1
            if person.consent == ConsentStatus.VERIFIED and Operation.FACE_SWAP in person.granted:
                swaps += 1
        shows = person.exposure in {
            Exposure.SUGGESTIVE,
            Exposure.NUDE,
            Exposure.EXPLICIT,
            Exposure.UNDETERMINED,
        }
        grew = person.exposure_change in {ExposureChange.INCREASED, ExposureChange.UNDETERMINED}
        exposed, more = exposed or shows, more or grew
        revealing = revealing or person.intent in {Intent.REVEALING, Intent.SEXUAL}
        there = not nobody or len(facts.persons) < 2 or shows or grew or len(person.touched) > 0
        shown_adult = person.age == Age.ADULT and person.consent == ConsentStatus.VERIFIED
        if there and not shown_adult:
            adults = False
    return PictureAggregate(
        persons=found,
        faces=faces,
        all_adults=adults,
        exposed=exposed,
        more_exposed=more,
        revealing=revealing,
        swap_consents=swaps,
    )


_PERSONS: Final[dict[str, tuple[FactValue, ...]]] = {
    "kind": (PersonKind.FACE, PersonKind.POSSIBLE_FACE, PersonKind.BODY),
    "consent": (ConsentStatus.VERIFIED, ConsentStatus.REVOKED),
    "age": (Age.ADULT, Age.MINOR, Age.UNDETERMINED),
    "exposure": tuple(Exposure),
    "exposure_change": tuple(ExposureChange),
    "intent": tuple(Intent),
    "granted": (_NO_SWAP, _SWAP),
    "touched": (frozenset(), frozenset({Region.BODY})),
}
_PAIRED: Final[dict[str, tuple[FactValue, ...]]] = {
    "kind": (PersonKind.FACE, PersonKind.BODY),
    "consent": (ConsentStatus.VERIFIED, ConsentStatus.ABSENT),
    "age": (Age.ADULT, Age.MINOR),
    "exposure": (Exposure.NONE, Exposure.SUGGESTIVE),
    "exposure_change": (ExposureChange.NONE, ExposureChange.INCREASED),
    "intent": (Intent.ORDINARY, Intent.REVEALING),
    "granted": (_NO_SWAP, _SWAP),
}
_UNSEEN_ONE_BY_ONE: Final[tuple[dict[str, FactValue], ...]] = (
    {},
    {"touched": frozenset({Region.UNDETERMINED})},
    {"exposure": Exposure.UNDETERMINED},
    {"exposure_change": ExposureChange.UNDETERMINED},
    {"intent": Intent.SEXUAL},
    {"exposure": Exposure.NUDE, "age": Age.ADULT, "consent": ConsentStatus.VERIFIED},
)


def _all(base: PersonFacts, values: Mapping[str, Sequence[FactValue]]) -> Iterator[PersonFacts]:
    for chosen in product(*values.values()):
        yield replace(base, **dict(zip(values, chosen, strict=True)))  # type: ignore[arg-type]


def _picture(*persons: PersonFacts) -> Facts:
    return replace(_BASE, persons=persons)


def small_pictures() -> Iterator[Facts]:
    """1.: nobody but ``unseen``; one person; two persons; each with what can matter of ``unseen``."""
    unseen = {name: values for name, values in _PERSONS.items() if name != "kind"}
    yield from map(_picture, _all(_UNSEEN, unseen))
    nobodies = [replace(_UNSEEN, **change) for change in _UNSEEN_ONE_BY_ONE]  # type: ignore[arg-type]
    for person in _all(_FACE, _PERSONS):
        yield _picture(person, nobodies[0])
    for person, nobody in product(_all(_FACE, _PAIRED), nobodies):
        yield _picture(person, nobody)
    for pair in combinations_with_replacement(tuple(_all(_FACE, _PAIRED)), 2):
        yield _picture(*pair, nobodies[0])
    few = tuple(_all(_FACE, {name: _PAIRED[name] for name in ("age", "consent", "exposure")}))
    for pair, nobody in product(combinations_with_replacement(few, 2), nobodies):
        yield _picture(*pair, nobody)


def _drawn(dice: random.Random, facts: dict[str, Fact], plain: dict[str, FactValue]) -> dict[str, FactValue]:
    """A value for each fact, the plain one about half of the time, so that each rule has its say alone."""
    drawn: dict[str, FactValue] = {}
    for path, fact in facts.items():
        words = _shuffled(dice, fact)
        if isinstance(fact, Set):
            drawn[path] = frozenset(words[: dice.choice((0, 0, 1, 1, 2, 3, 4))])
        else:
            drawn[path] = dice.choice((plain.get(path, words[0]), words[0]))
    return drawn


def _shuffled(dice: random.Random, fact: Fact) -> list[StrEnum]:
    words = list(fact.enum) if isinstance(fact, Word | Set) else []
    return dice.sample(words, len(words))


def random_pictures(number: int, most: int = 3) -> Iterator[Facts]:
    """Pictures of the whole space, none to ``most`` persons beside ``unseen``, the same ones every time."""
    dice = random.Random(_SEED)  # noqa: S311 - the same draw every time
    plain = {name: getattr(_FACE, name) for name in PERSONAL if name != "kind"}
    found = [kind for kind in PersonKind if kind is not PersonKind.UNSEEN]
    for _ in range(number):
        kinds = [*(dice.choice(found) for _ in range(dice.randint(0, most))), PersonKind.UNSEEN]
        persons = (PersonFacts(**{**_drawn(dice, PERSONAL, plain), "kind": kind}) for kind in kinds)  # type: ignore[arg-type]
        shared = _drawn(dice, SHARED, {name: getattr(_BASE, name) for name in SHARED})
        yield Facts(**shared, persons=tuple(persons))  # type: ignore[arg-type]


def summed_pictures() -> tuple[tuple[Facts, PictureAggregate], ...]:
    """1.: the small pictures and some larger ones, in an order drawn once, with what they add up to."""
    pictures = [*small_pictures(), *random_pictures(_LARGER, most=6)]
    random.Random(_SEED).shuffle(pictures)  # noqa: S311 - an order, not a secret
    return tuple((facts, restated(facts)) for facts in pictures)


def check_sums(
    pictures: Sequence[tuple[Facts, PictureAggregate]], summed: Sum = picture_aggregate
) -> Findings:
    """1. and 2.: the sum is what it says, and every point of a real picture is a consistent one."""
    wrong: list[str] = []
    for facts, picture in pictures:
        if summed(facts) != picture:
            wrong.append(f"picture_aggregate differs from its restatement: {_listed(facts, picture)}")
        elif not all(consistent(person, picture) for person in facts.persons):
            wrong.append(f"points.consistent leaves out a picture: {_listed(facts, picture)}")
    return Findings(len(pictures), tuple(wrong))


def _listed(facts: Facts, picture: PictureAggregate) -> str:
    return " / ".join(told(values_of(Point(facts, person, picture))) for person in facts.persons)


def check_points(fits: Callable[[PersonFacts, PictureAggregate], bool] = consistent) -> Findings:
    """3.: every consistent point stands in a real picture."""
    count = 0
    wrong: list[str] = []
    kinds = {**_PAIRED, "kind": (PersonKind.FACE, PersonKind.BODY, PersonKind.UNSEEN)}
    touched: dict[str, tuple[FactValue, ...]] = {"touched": (frozenset(), frozenset({Region.FACE}))}
    names = [field.name for field in fields(PictureAggregate)]
    flag, number = (True, False), (0, 1, 2)
    sums = [
        PictureAggregate(**dict(zip(names, chosen, strict=True)))  # type: ignore[arg-type]
        for chosen in product(number, number, flag, flag, flag, flag, number)
    ]
    for person in _all(_FACE, kinds | touched):
        for picture in sums:
            if fits(person, picture):
                count += 1
                if next(realised(Point(_BASE, person, picture)), None) is None:
                    wrong.append(f"no picture is like that: {told(values_of(Point(_BASE, person, picture)))}")
    return Findings(count, tuple(wrong))


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture with the mirror's findings by the engine: rule and person."""

    facts: Facts
    refused: frozenset[tuple[str, int]]


def judged(mirror: Mirror, number: int = _WHOLE) -> tuple[Judged, ...]:
    """4.: pictures of the whole space, and what the mirror says of every person in them."""
    found = []
    for facts in random_pictures(number):
        picture = restated(facts)
        contexts = [context_of(facts, person, picture, mirror.whole.reads) for person in facts.persons]
        refused = frozenset(
            (rule, index) for index, text in enumerate(contexts) for rule in mirror.refusals(text)
        )
        found.append(Judged(facts, refused))
    return tuple(found)


def check_judged(pictures: Sequence[Judged], judge: Judge) -> Findings:
    """4.: the floor's findings are the mirror's, and nothing banned goes without one."""
    wrong: list[str] = []
    violations: list[str] = []
    for known in pictures:
        ours = {(finding.rule.value, finding.person) for finding in judge(known.facts)}
        picture = restated(known.facts)
        if ours != known.refused:
            wrong.append(f"{sorted(ours ^ known.refused)}: {_listed(known.facts, picture)}")
        if not ours:
            points = (Point(known.facts, person, picture) for person in known.facts.persons)
            facts = [values_of(point) for point in points]
            violations.extend(b.name for b in BANNED for values in facts if b.covers(values))
    return Findings(len(pictures), tuple(wrong), tuple(violations))
