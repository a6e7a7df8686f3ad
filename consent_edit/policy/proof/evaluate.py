"""What a rule comes to at a point, computed from its tree: a small second evaluator beside the engine's own.

It makes changed rules cheap to try by the thousand. It proves nothing alone: every verdict of the unchanged
mirror is the engine's, and a test holds the two evaluators against each other.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final, TypeAlias

from consent_edit.errors import CheckFailed
from consent_edit.policy.points import FactValue
from consent_edit.policy.proof.space import Values, word_of
from consent_edit.policy.terms import (
    Attribute,
    Binary,
    Effect,
    IfThenElse,
    IsEmpty,
    Negative,
    Not,
    Operator,
    Other,
    RuleTerm,
    SetOf,
    Term,
    Value,
    Word,
)

Answer: TypeAlias = FactValue | str
Evaluator: TypeAlias = Callable[[Values], Answer]

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1


class Erred(Exception):
    """The rule errs here: a number beyond 64 bits."""


_COMPARE: Final[dict[Operator, Callable[[int, int], bool]]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_EQUAL: operator.ge,
}
_COUNT: Final[dict[Operator, Callable[[int, int], int]]] = {
    Operator.ADD: operator.add,
    Operator.SUBTRACT: operator.sub,
    Operator.MULTIPLY: operator.mul,
}


def _long(number: int) -> int:
    if not LONG_MIN <= number <= LONG_MAX:
        raise Erred
    return number


def _set(value: Answer) -> frozenset[StrEnum]:
    if not isinstance(value, frozenset):
        raise CheckFailed("a rule takes for a set what is none")
    return value


def _number(value: Answer) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise CheckFailed("a rule takes for a number what is none")
    return value


def _equal(left: Answer, right: Answer) -> bool:
    """Words of two enums are never equal, though the same text."""
    return type(left) is type(right) and left == right


def evaluator(term: Term) -> Evaluator:  # noqa: PLR0911 - one a form
    """A term as a function of the facts, which raises :class:`Erred` where the term errs.

    Raises:
        CheckFailed: the term has a part without a meaning here.
    """
    match term:
        case Value(value):
            return lambda facts: value
        case Word(kind, name):
            word = word_of(kind, name)
            return lambda facts: word
        case Attribute(path):
            name = ".".join(path)
            return lambda facts: facts[name]
        case SetOf(items):
            return _set_literal(items)
        case Not(arg):
            inner = evaluator(arg)
            return lambda facts: not inner(facts)
        case Negative(arg):
            inner = evaluator(arg)
            return lambda facts: _long(-_number(inner(facts)))
        case IsEmpty(arg):
            inner = evaluator(arg)
            return lambda facts: not _set(inner(facts))
        case Binary(kind_, left, right):
            return _binary(kind_, evaluator(left), evaluator(right))
        case IfThenElse(test, then, other):
            asked, yes, no = evaluator(test), evaluator(then), evaluator(other)
            return lambda facts: yes(facts) if asked(facts) else no(facts)
        case Other(source):  # pragma: no branch - there is no other
            raise CheckFailed(f"no meaning is known for {source}")


def _set_literal(items: tuple[Term, ...]) -> Evaluator:
    if all(isinstance(item, Word) for item in items):
        fixed = frozenset(word_of(item.type, item.id) for item in items if isinstance(item, Word))
        return lambda facts: fixed
    inner = [evaluator(item) for item in items]
    return lambda facts: frozenset(one(facts) for one in inner)  # type: ignore[misc]


def _binary(kind: Operator, left: Evaluator, right: Evaluator) -> Evaluator:  # noqa: PLR0911 - one a form
    match kind:
        case Operator.AND:
            return lambda facts: bool(left(facts)) and bool(right(facts))
        case Operator.OR:
            return lambda facts: bool(left(facts)) or bool(right(facts))
        case Operator.EQUAL:
            return lambda facts: _equal(left(facts), right(facts))
        case Operator.NOT_EQUAL:
            return lambda facts: not _equal(left(facts), right(facts))
        case Operator.CONTAINS:
            return lambda facts: right(facts) in _set(left(facts))
        case Operator.CONTAINS_ALL:
            return lambda facts: _set(left(facts)) >= _set(right(facts))
        case Operator.CONTAINS_ANY:
            return lambda facts: not _set(left(facts)).isdisjoint(_set(right(facts)))
        case Operator.ADD | Operator.SUBTRACT | Operator.MULTIPLY:
            count = _COUNT[kind]
            return lambda facts: _long(count(_number(left(facts)), _number(right(facts))))
        case _:
            compare = _COMPARE[kind]
            return lambda facts: compare(_number(left(facts)), _number(right(facts)))


def holds(rule: RuleTerm) -> Callable[[Values], bool]:
    """Whether all of a rule's conditions hold, in the order of evaluation; raises :class:`Erred`."""
    conditions = [evaluator(condition) for condition in rule.conditions]
    return lambda facts: all(condition(facts) for condition in conditions)


def permitted(rules: Iterable[RuleTerm], facts: Values) -> bool:
    """Whether rules permit a point: some rule permits, none forbids, and none errs."""
    allowed = False
    forbidden = False
    for rule in rules:
        try:
            held = holds(rule)(facts)
        except Erred:
            return False
        allowed |= held and rule.effect is Effect.PERMIT
        forbidden |= held and rule.effect is Effect.FORBID
    return allowed and not forbidden
