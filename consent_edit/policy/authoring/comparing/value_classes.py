"""What policies can tell apart: for every fact they read, the classes of values that all rules treat alike.

Cedar compares words only for equality and asks sets only for members, so words that no rule mentions are
interchangeable, and a set is known by the mentioned members in it and by whether it holds any other. Where
two sets are compared with each other, three others stand for all: one in both, one in either. Numbers fall
into the intervals between mentioned ones. The floor's own distinctions (floor_openings.py) are kept apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from consent_edit.policy.authoring.comparing.floor_openings import (
    FAVOURABLE,
    SET_FACTS,
    WORD_FACTS,
    floor_class,
)
from consent_edit.policy.points import FactValue
from consent_edit.policy.terms import (
    Attribute,
    Binary,
    IsEmpty,
    Negative,
    Operator,
    Other,
    RuleTerm,
    SetOf,
    Term,
    Value,
    Word,
    parts,
    walk,
)

NUMBER_FACTS: Final = ("picture.persons", "picture.faces", "picture.swap_consents")
FLAG_FACTS: Final = (
    "picture.all_adults",
    "picture.exposed",
    "picture.more_exposed",
    "picture.revealing",
)
ALL_FACTS: Final = (*WORD_FACTS, *SET_FACTS, *NUMBER_FACTS, *FLAG_FACTS)
"""Every fact that a rule can name, with those of the picture by their path."""

_JOINING: Final = frozenset({Operator.AND, Operator.OR})
_COMPUTING: Final = frozenset({Operator.ADD, Operator.SUBTRACT, Operator.MULTIPLY})
_LONGEST: Final = 2**63 - 1
_MAX_NUMBERS: Final = 64
_FLOOR_NUMBERS: Final = frozenset({0, 1})
_PAIR: Final = ("operations", "granted")
_SWAP: Final = "face_swap"


@dataclass(frozen=True, slots=True)
class Cell:
    """Values of one coordinate that no rule tells apart.

    Attributes:
        value: The one that stands for all.
        words: All of them, as people read them; of numbers only the one.
        span: Of a number, the interval that it stands in.
    """

    value: StrEnum | bool | int
    words: tuple[str, ...]
    span: str = ""


_YES_NO: Final = (Cell(False, ("without",)), Cell(True, ("with",)))


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One question that policies ask of a person: the word of a fact, or whether sets hold a member.

    Attributes:
        facts: Paths of the facts it is about, such as ``age``; two for a member of two sets at once.
        cells: The answers told apart.
        member: For a set, the member asked for.
        others: For a set, and in place of ``member``: those that no rule mentions, any of which would do, the
            one that the floor minds least first.
        apart_from: The set that must not hold that other one.
    """

    facts: tuple[str, ...]
    cells: tuple[Cell, ...]
    member: StrEnum | None = None
    others: tuple[StrEnum, ...] = ()
    apart_from: str = ""

    @property
    def is_of_sets(self) -> bool:
        """Whether it asks for a member."""
        return self.member is not None or bool(self.others)


@dataclass(frozen=True, slots=True)
class Atoms:
    """What some policies can tell apart together.

    Attributes:
        coordinates: Every question any of them asks.
        doubts: Why the classes may miss something, a sentence each; empty when they cannot.
    """

    coordinates: tuple[Coordinate, ...]
    doubts: tuple[str, ...]

    def without(self, never: Callable[[str, FactValue], bool]) -> Atoms:
        """The same without the words that can be left out whatever else is true."""
        kept = (
            replace(one, cells=tuple(cell for cell in one.cells if not never(one.facts[0], cell.value)))
            if one.facts[0] in WORD_FACTS
            else one
            for one in self.coordinates
        )
        return Atoms(tuple(kept), self.doubts)

    @property
    def points(self) -> int:
        """How many combinations of answers there are."""
        number = 1
        for coordinate in self.coordinates:
            number *= len(coordinate.cells)
        return number


@dataclass(slots=True)
class _Mentions:
    """What was found in rules so far."""

    read: set[str] = field(default_factory=set)
    words: dict[str, set[str]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=lambda: set(_FLOOR_NUMBERS))
    everywhere: dict[str, set[str]] = field(default_factory=dict)
    doubts: dict[str, None] = field(default_factory=dict)

    def note(self, term: Term, rule: str) -> None:
        """Take down what a boolean term reads and mentions."""
        match term:
            case Attribute(path):
                self._reads(path)
            case Other():
                self._doubt(f"rule {rule} holds a form that is not analysed")
                self._entangle((term,), rule)
                if term.whole_context:
                    self.read.update(ALL_FACTS)
                    self.whole.update(ALL_FACTS)
            case Binary(operator, left, right) if operator not in _JOINING:
                self._compare(left, right, rule)
            case IsEmpty(arg) if not isinstance(arg, Attribute):
                self._doubt(f"rule {rule} compares more than facts and words")
                self._entangle((arg,), rule)
            case _:
                for part in parts(term):
                    self.note(part, rule)

    def _doubt(self, why: str) -> None:
        self.doubts[why] = None

    def _reads(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The facts that a path names: one, or all of the picture's."""
        name = ".".join(path)
        named = (name,) if name in ALL_FACTS else tuple(f for f in ALL_FACTS if f.startswith(f"{name}."))
        self.read.update(named)
        return named

    def _compare(self, left: Term, right: Term, rule: str) -> None:
        """One fact against literals gives classes; two facts are seen together; more is not analysed."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Attribute) and _literal(other):
                (*_, name) = self._reads(one.path)
                for term in walk(other):
                    self._literal(term, name)
                return
        if not all(isinstance(side, Attribute) or _literal(side) for side in (left, right)):
            self._doubt(f"rule {rule} compares more than facts and words")
        self._entangle((left, right), rule)

    def thin(self) -> None:
        """Of more numbers than anybody means, look at some."""
        if len(self.numbers) > _MAX_NUMBERS:
            self._doubt(f"more than {_MAX_NUMBERS} numbers are named; the lowest of them were looked at")
            self.numbers = set(sorted(self.numbers)[:_MAX_NUMBERS])

    def _literal(self, term: Term, name: str) -> None:
        match term:
            case Word(_, word):
                self.words.setdefault(name, set()).add(word)
            case Value(bool()):
                pass
            case Value(int(number)):
                self.numbers.add(number)
            case _:
                pass

    def _entangle(self, terms: Iterable[Term], rule: str) -> None:
        """Facts compared with each other: every word of each counts, and sets are seen together."""
        for term in (below for top in terms for below in walk(top)):
            match term:
                case Attribute(path):
                    self.whole.update(self._reads(path))
                case Value(bool()):
                    pass
                case Value(int(number)):
                    self.numbers.update((number, -number))
                case Negative() | Binary(Operator.ADD | Operator.SUBTRACT | Operator.MULTIPLY, _, _):
                    self._doubt(f"rule {rule} computes with numbers")
                case Other():
                    self._doubt(f"rule {rule} holds a form that is not analysed")
                case _:
                    pass


def _literal(term: Term) -> bool:
    return all(isinstance(below, Value | Word | SetOf) for below in walk(term))


def atoms_of(policies: Sequence[Sequence[RuleTerm]]) -> Atoms:
    """What the rules of some policies can tell apart, all of them together."""
    found = _Mentions()
    for rule in (rule for rules in policies for rule in rules):
        for condition in rule.conditions:
            found.note(condition, rule.id)
            for term in walk(condition):
                if isinstance(term, Word):
                    found.everywhere.setdefault(term.type, set()).add(term.id)
    found.thin()
    coordinates = [one for fact in ALL_FACTS if fact in found.read for one in _coordinates(fact, found)]
    return Atoms(tuple(coordinates), tuple(found.doubts))


def facts_read(rules: Sequence[RuleTerm]) -> frozenset[str]:
    """Facts that some rules read, those of the picture by their path."""
    return frozenset(fact for coordinate in atoms_of((rules,)).coordinates for fact in coordinate.facts)


def _coordinates(fact: str, found: _Mentions) -> list[Coordinate]:
    if fact in WORD_FACTS:
        return [Coordinate((fact,), _words(fact, found))]
    if fact in SET_FACTS:
        return _members(fact, found)
    if fact in NUMBER_FACTS:
        return [Coordinate((fact,), _numbers(found))]
    return [Coordinate((fact,), (Cell(False, ("false",)), Cell(True, ("true",))))]


def _words(fact: str, found: _Mentions) -> tuple[Cell, ...]:
    """Each mentioned word by itself; the others together, as far as the floor does not part them."""
    enum = WORD_FACTS[fact]
    alone = set(enum) if fact in found.whole else found.words.get(fact, set())
    classes: dict[object, list[StrEnum]] = {}
    for word in enum:
        classes.setdefault(word if word in alone else ("others", floor_class(fact, word)), []).append(word)
    return tuple(Cell(words[0], tuple(word.value for word in words)) for words in classes.values())


def _members(fact: str, found: _Mentions) -> list[Coordinate]:
    """Each mentioned member, and the others; two sets seen together can share others or not."""
    enum = SET_FACTS[fact]
    together = fact in _PAIR and found.whole.issuperset(_PAIR)
    mentioned = (
        found.everywhere.get(enum.__name__, set()) if fact in found.whole else found.words.get(fact, set())
    )
    if (together or fact == "granted") and found.read & set(NUMBER_FACTS):
        mentioned = mentioned | {_SWAP}  # whoever grants a swap is counted in the picture
    coordinates = [Coordinate((fact,), _YES_NO, word) for word in enum if word in mentioned]
    others = tuple(word for word in FAVOURABLE[enum] if word not in mentioned)
    if not others:
        return coordinates
    if not together:
        return [*coordinates, Coordinate((fact,), _YES_NO, others=others)]
    if fact == _PAIR[0]:
        coordinates.append(Coordinate(_PAIR, _YES_NO, others=others))
    (other_set,) = set(_PAIR) - {fact}
    return [*coordinates, Coordinate((fact,), _YES_NO, others=others, apart_from=other_set)]


def _numbers(found: _Mentions) -> tuple[Cell, ...]:
    """The first of every interval that comparisons leave; of several numbers, as many as can differ in it."""
    read = found.read & set(NUMBER_FACTS)
    compared = bool(found.whole & set(NUMBER_FACTS))
    each = 1 if len(read) == 1 else len(NUMBER_FACTS) if compared else 2
    starts = sorted(
        {bound for number in found.numbers for bound in (number, number + 1) if 0 <= bound <= _LONGEST}
    )
    cells: list[Cell] = []
    for start, end in pairwise((*starts, _LONGEST + 1)):
        span = f"{start} or more" if end > _LONGEST else f"{start} to {end - 1}"
        span = str(start) if end == start + 1 else span
        cells.extend(Cell(number, (str(number),), span) for number in range(start, min(start + each, end)))
    return tuple(cells)
