"""The space the proof works over: every fact by its path, the values it can take, and a point made of them.

Nothing here is written down twice: facts and values are read off the dataclasses and enums themselves, so
that a fact added to them widens the space by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import combinations, product
from typing import Final, TypeAlias, get_args, get_type_hints

from consent_edit.errors import CheckFailed
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import PictureAggregate, picture_aggregate
from consent_edit.policy.points import FactValue, Point, consistent, point_of
from consent_edit.policy.testing import benign

Values: TypeAlias = Mapping[str, FactValue]
"""Path of a fact (``stage``, ``consent``, ``picture.faces``) -> its value."""

PICTURE: Final = "picture."
NUMBERS: Final = (0, 1, 2, 3)
"""What counts are tried with: below, at and above every number that a rule compares one with (table.py)."""


@dataclass(frozen=True, slots=True)
class Word:
    """A fact that is one word of an enum."""

    enum: type[StrEnum]


@dataclass(frozen=True, slots=True)
class Set:
    """A fact that is a set of words of an enum."""

    enum: type[StrEnum]


@dataclass(frozen=True, slots=True)
class Flag:
    """A fact that is true or false."""


@dataclass(frozen=True, slots=True)
class Count:
    """A fact that is a number of persons."""


Fact: TypeAlias = Word | Set | Flag | Count


def _fact(hint: object) -> Fact:
    if hint is bool:
        return Flag()
    if hint is int:
        return Count()
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Word(hint)
    (member,) = get_args(hint)
    return Set(member)


def _facts(owner: type, prefix: str = "") -> dict[str, Fact]:
    hints = get_type_hints(owner)
    return {prefix + name: _fact(hint) for name, hint in hints.items() if name != "persons" or prefix}


SHARED: Final = _facts(Facts)
PERSONAL: Final = _facts(PersonFacts)
SUMMED: Final = _facts(PictureAggregate, PICTURE)
FACTS: Final[Mapping[str, Fact]] = {**SHARED, **PERSONAL, **SUMMED}
"""Every fact a rule can read, by its path."""


def values_of(point: Point) -> dict[str, FactValue]:
    """A point, fact by fact."""
    owners = ((SHARED, point.shared, ""), (PERSONAL, point.person, ""), (SUMMED, point.picture, PICTURE))
    return {path: getattr(owner, path.removeprefix(cut)) for names, owner, cut in owners for path in names}


def _benign() -> Values:
    facts = benign()
    return values_of(Point(facts, facts.persons[0], picture_aggregate(facts)))


BENIGN: Final[Values] = _benign()
"""The face in an edit of a photo that she consented to, at the output."""


def subsets(enum: type[StrEnum]) -> Iterator[frozenset[StrEnum]]:
    """Every set of the enum's words."""
    words = tuple(enum)
    for size in range(len(words) + 1):
        yield from map(frozenset, combinations(words, size))


def blocks(enum: type[StrEnum], literals: frozenset[frozenset[StrEnum]]) -> tuple[tuple[StrEnum, ...], ...]:
    """The enum's words, put together where no literal tells them apart."""
    apart: dict[tuple[bool, ...], list[StrEnum]] = {}
    ordered = sorted(literals, key=sorted)
    for word in enum:
        apart.setdefault(tuple(word in literal for literal in ordered), []).append(word)
    return tuple(map(tuple, apart.values()))


_ALL_SUBSETS: Final = 6


def choices(fact: Fact, literals: frozenset[frozenset[StrEnum]] = frozenset()) -> tuple[FactValue, ...]:
    """The values a fact is tried with.

    A set of few words is tried with every subset. A set of many is tried with every choice of at most one
    word from each block, with each literal itself, and with all words. That is as good as every subset:
    what a rule asks of a set is whether it is empty, whether it has a member in a literal, and whether it
    has one outside of it; blocks are what the literals leave undivided, so the answers depend only on which
    blocks have a member. Which member stands for its block is tried through all the same, in case a rule
    forgot one; and that no rule asks for more is shown by the sweep over all subsets (table.py).
    """
    match fact:
        case Flag():
            return (True, False)
        case Count():
            return NUMBERS
        case Word(enum):
            return tuple(enum)
        case Set(enum) if len(enum) <= _ALL_SUBSETS:
            return tuple(subsets(enum))
        case Set(enum):  # pragma: no branch - there is no other
            picks = product(*((None, *block) for block in blocks(enum, literals)))
            sets = (frozenset(word for word in pick if word is not None) for pick in picks)
            named = (literal for literal in sorted(literals, key=sorted) if literal <= frozenset(enum))
            return tuple(dict.fromkeys((*sets, *named, frozenset(enum))))


_PICTURE_ORDER: Final[Mapping[str, tuple[FactValue, ...]]] = {
    path: (BENIGN[path], *(value for value in choices(SUMMED[path]) if value != BENIGN[path]))
    for path in SUMMED
}


@lru_cache(maxsize=65536)
def _completed(person: PersonFacts, fixed: tuple[tuple[str, FactValue], ...]) -> PictureAggregate | None:
    """The picture nearest the benign one in which this person can be, some of it being fixed."""
    held = dict(fixed)
    tried = ((held[path],) if path in held else _PICTURE_ORDER[path] for path in SUMMED)
    names = [path.removeprefix(PICTURE) for path in SUMMED]
    for values in product(*tried):
        picture = PictureAggregate(**dict(zip(names, values, strict=True)))  # type: ignore[arg-type]
        if consistent(person, picture):
            return picture
    return None


def completed(values: Values) -> Point | None:
    """The point with these values, all facts not named being benign as far as that can be.

    Returns:
        ``None`` when no picture has a person like that in it.
    """
    plain = point_of({**BENIGN, **values})
    fixed = tuple((path, values[path]) for path in SUMMED if path in values)
    picture = _completed(plain.person, fixed)
    return None if picture is None else Point(plain.shared, plain.person, picture)


def is_enum(name: str) -> bool:
    """Whether the facts have an enum that the schema knows by this name."""
    return name in _ENUMS


def enum_of(name: str) -> type[StrEnum]:
    """The enum of the vocabulary that the schema knows by this name.

    Raises:
        CheckFailed: the vocabulary has no such enum.
    """
    try:
        return _ENUMS[name]
    except KeyError as error:
        raise CheckFailed(f"the vocabulary has no enum {name}") from error


def word_of(enum_name: str, word: str) -> StrEnum:
    """An enumerated entity of the schema as the member of the vocabulary that it is.

    Raises:
        CheckFailed: the vocabulary has no such word.
    """
    try:
        return enum_of(enum_name)(word)
    except ValueError as error:
        raise CheckFailed(f"the vocabulary has no word {enum_name}::{word!r}") from error


_ENUMS: Final = {fact.enum.__name__: fact.enum for fact in FACTS.values() if isinstance(fact, Word | Set)}
