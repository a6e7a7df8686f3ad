"""Rules on half-known points: true, false, or which question must be answered next.

The engine decides whole points only; telling where two policies differ needs to know when the rest of a point
plays no part. Whatever is said here is asked of the engine again wherever it matters (two_policies.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from consent_edit.policy.authoring.comparing.value_classes import Coordinate
from consent_edit.policy.terms import (
    Attribute,
    Binary,
    Effect,
    IfThenElse,
    IsEmpty,
    Not,
    Operator,
    RuleTerm,
    SetOf,
    Term,
    Value,
    Word,
    walk,
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not to be told yet.

    Attributes:
        ask: Index of the coordinate to ask next.
    """

    ask: int


Known: TypeAlias = bool | Unknown
Answered: TypeAlias = Mapping[int, int]
"""Coordinate -> cell, for those answered so far."""

_ORDER: Final[Mapping[Operator, Callable[[int, int], bool]]] = {
    Operator.LESS: lambda a, b: a < b,
    Operator.LESS_EQUAL: lambda a, b: a <= b,
    Operator.GREATER: lambda a, b: a > b,
    Operator.GREATER_EQUAL: lambda a, b: a >= b,
}


def denied(one: Known) -> Known:
    """Not."""
    return one if isinstance(one, Unknown) else not one


def every(many: Iterable[Known]) -> Known:
    """True when all are; false as soon as one is, whatever else is unknown."""
    unknown: Known = True
    for one in many:
        if one is False:
            return False
        if isinstance(one, Unknown) and unknown is True:
            unknown = one
    return unknown


def some(many: Iterable[Known]) -> Known:
    """True as soon as one is."""
    return denied(every(denied(one) for one in many))


class Reader:
    """Terms over some coordinates."""

    def __init__(self, coordinates: Sequence[Coordinate]) -> None:
        self._coordinates = coordinates
        self._of: dict[str, list[int]] = {}
        for at, coordinate in enumerate(coordinates):
            for fact in coordinate.facts:
                self._of.setdefault(fact, []).append(at)

    def asks(self, rule: RuleTerm) -> tuple[int, ...]:
        """Every coordinate that a rule may ask for."""
        terms = (term for condition in rule.conditions for term in walk(condition))
        paths = {".".join(term.path) for term in terms if isinstance(term, Attribute)}
        return tuple(sorted({at for path in paths for at in self._of.get(path, ())}))

    def fires(self, rule: RuleTerm, answered: Answered) -> Known:
        """Whether a rule's conditions hold."""
        return every(self.truth(condition, answered) for condition in rule.conditions)

    def truth(self, term: Term, answered: Answered) -> Known:  # noqa: PLR0911 - one a form
        """What a boolean term comes to."""
        match term:
            case Value(bool(value)):
                return value
            case Not(arg):
                return denied(self.truth(arg, answered))
            case IsEmpty(arg):
                return every(denied(self._member(arg, element, answered)) for element in self._elements(arg))
            case IfThenElse(test, then, other):
                chosen = self.truth(test, answered)
                if isinstance(chosen, Unknown):
                    return chosen
                return self.truth(then if chosen else other, answered)
            case Binary(Operator.AND, left, right):
                return every(self.truth(side, answered) for side in (left, right))
            case Binary(Operator.OR, left, right):
                return some(self.truth(side, answered) for side in (left, right))
            case Binary(operator, left, right):
                return self._compared(operator, left, right, answered)
            case Attribute(path):
                at = self._of[".".join(path)][0]
                if at not in answered:
                    return Unknown(at)
                return self._coordinates[at].cells[answered[at]].value is True
            case _:
                return False

    def _compared(  # noqa: PLR0911 - one an operator
        self, operator: Operator, left: Term, right: Term, answered: Answered
    ) -> Known:
        match operator:
            case Operator.NOT_EQUAL:
                return denied(self._compared(Operator.EQUAL, left, right, answered))
            case Operator.CONTAINS if isinstance(left, SetOf):
                return some(self._compared(Operator.EQUAL, item, right, answered) for item in left.items)
            case Operator.CONTAINS:
                return self._member(left, right.id if isinstance(right, Word) else None, answered)
            case Operator.CONTAINS_ALL | Operator.CONTAINS_ANY:
                return self._sets(operator, left, right, answered)
            case Operator.EQUAL if self._is_set(left):
                ways = (
                    self._sets(Operator.CONTAINS_ALL, *two, answered)
                    for two in ((left, right), (right, left))
                )
                return every(ways)
        for side in (left, right):
            if isinstance(side, Attribute) and (at := self._of[".".join(side.path)][0]) not in answered:
                return Unknown(at)
        one, two = self._word(left, answered), self._word(right, answered)
        if operator is Operator.EQUAL:
            return one == two
        if isinstance(one, Value) and isinstance(two, Value):
            return _ORDER[operator](int(one.value), int(two.value))
        return False

    def _word(self, term: Term, answered: Answered) -> Term:
        """A word, number or flag, once it is known; one that no rule mentions is nobody's."""
        if not isinstance(term, Attribute):
            return term
        at = self._of[".".join(term.path)][0]
        value = self._coordinates[at].cells[answered[at]].value
        return Value(value) if isinstance(value, bool | int) else Word(type(value).__name__, value.value)

    def _is_set(self, term: Term) -> bool:
        if not isinstance(term, Attribute):
            return isinstance(term, SetOf)
        return self._coordinates[self._of[".".join(term.path)][0]].is_of_sets

    def _sets(self, operator: Operator, left: Term, right: Term, answered: Answered) -> Known:
        elements = dict.fromkeys((*self._elements(left), *self._elements(right)))
        pairs = [(self._member(left, e, answered), self._member(right, e, answered)) for e in elements]
        if operator is Operator.CONTAINS_ANY:
            return some(every(pair) for pair in pairs)
        return every(some((in_left, denied(in_right))) for in_left, in_right in pairs)

    def _elements(self, term: Term) -> list[str | int]:
        """What a set may hold: words, and for words that no rule mentions the index of their coordinate."""
        if isinstance(term, SetOf):
            return [item.id for item in term.items if isinstance(item, Word)]
        if not isinstance(term, Attribute):
            return []
        own = [(at, self._coordinates[at].member) for at in self._of[".".join(term.path)]]
        return [at if member is None else member.value for at, member in own]

    def _member(self, term: Term, element: str | int | None, answered: Answered) -> Known:
        if isinstance(term, SetOf):
            return any(isinstance(item, Word) and item.id == element for item in term.items)
        for at in self._of[".".join(term.path)] if isinstance(term, Attribute) else ():
            member = self._coordinates[at].member
            if element == (at if member is None else member.value):
                return (
                    Unknown(at)
                    if at not in answered
                    else self._coordinates[at].cells[answered[at]].value is True
                )
        return False


def allows(rules: Sequence[tuple[RuleTerm, Known]]) -> Known:
    """What a policy comes to: some rule permits and none forbids."""
    forbids = some(fires for rule, fires in rules if rule.effect is Effect.FORBID)
    permits = some(fires for rule, fires in rules if rule.effect is Effect.PERMIT)
    return every((denied(forbids), permits))
