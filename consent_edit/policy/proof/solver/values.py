"""Operations of Cedar on z3 expressions: a word is a constant of a finite sort, a set one Boolean a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, TypeAlias

import z3

from consent_edit.policy.proof.space import FACTS, Set, Word
from consent_edit.policy.terms import Operator

Members: TypeAlias = dict[str, z3.BoolRef]
"""A set: word -> whether it is in."""

FALSE: Final = z3.BoolVal(False)
TRUE: Final = z3.BoolVal(True)


@cache
def sort_of(enum: type[StrEnum]) -> tuple[z3.SortRef, Mapping[str, z3.ExprRef]]:
    """The finite sort of an enum, and its constants by word."""
    sort, members = z3.EnumSort(enum.__name__, [f"{enum.__name__}::{word.value}" for word in enum])
    return sort, dict(zip((word.value for word in enum), members, strict=True))


def constant(word: StrEnum) -> z3.ExprRef:
    """A word as a constant."""
    return sort_of(type(word))[1][word.value]


@dataclass(frozen=True, slots=True)
class Symbolic:
    """A term at all points at once.

    Attributes:
        value: A z3 expression; for a set, its members; ``None`` where it may be anything.
        errs: When it errs.
    """

    value: z3.ExprRef | Members | None
    errs: z3.BoolRef


@dataclass(frozen=True, slots=True)
class Held:
    """When a condition holds, and when it errs."""

    value: z3.BoolRef
    errs: z3.BoolRef


def literal(value: bool | int | str) -> z3.ExprRef:
    """A literal."""
    if isinstance(value, str):
        return z3.StringVal(value)
    return z3.BoolVal(value) if isinstance(value, bool) else z3.IntVal(value)


def words_of(sort: z3.SortRef) -> Mapping[str, z3.ExprRef] | None:
    """The constants of a sort by word; ``None`` when it is no enum of the facts."""
    for fact in FACTS.values():
        if isinstance(fact, Word | Set) and sort_of(fact.enum)[0] == sort:
            return sort_of(fact.enum)[1]
    return None


def junction(kind: Operator, left: Held, right: Held) -> Symbolic:
    """1.: the right side counts only where the left one does not decide."""
    if kind is Operator.AND:
        return Symbolic(z3.And(left.value, right.value), z3.Or(left.errs, z3.And(left.value, right.errs)))
    reached = z3.Not(left.value)
    return Symbolic(z3.Or(left.value, right.value), z3.Or(left.errs, z3.And(reached, right.errs)))


def equal(left: object, right: object) -> z3.BoolRef | None:
    """Whether two values are the same; ``None`` when nobody can know."""
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        return z3.And(*(inside == right[word] for word, inside in left.items()))
    if isinstance(left, z3.ExprRef) and isinstance(right, z3.ExprRef):
        return left == right if left.sort() == right.sort() else FALSE
    return None


def contains(kind: Operator, left: object, right: object) -> z3.BoolRef | None:
    """``contains``, ``containsAll``, ``containsAny``; ``None`` when nobody can know."""
    if not isinstance(left, dict):
        return None
    if kind is Operator.CONTAINS and isinstance(right, z3.ExprRef):
        words = words_of(right.sort())
        if words is None or words.keys() != left.keys():
            return None
        return z3.Or(*(z3.And(inside, right == words[word]) for word, inside in left.items()))
    if not isinstance(right, dict) or right.keys() != left.keys():
        return None
    if kind is Operator.CONTAINS_ALL:
        return z3.And(*(z3.Implies(right[word], inside) for word, inside in left.items()))
    return z3.Or(*(z3.And(right[word], inside) for word, inside in left.items()))


def compare(kind: Operator, left: object, right: object) -> z3.BoolRef | None:
    """Two numbers compared; ``None`` when nobody can know."""
    if not (z3.is_int(left) and z3.is_int(right)):
        return None
    match kind:
        case Operator.LESS:
            return left < right  # type: ignore[operator]
        case Operator.LESS_EQUAL:
            return left <= right  # type: ignore[operator]
        case Operator.GREATER:
            return left > right  # type: ignore[operator]
        case _:
            return left >= right  # type: ignore[operator]
