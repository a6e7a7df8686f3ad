"""Cedar rules as formulas over symbolic facts, for the solver z3, which this folder alone imports.

A fact that is a word is a constant of a finite sort, a set is one Boolean a word, a count is a whole number.
A term becomes a value and a condition under which it errs, after Cedar's own order of evaluation:

1. ``&&``, ``||`` and ``if`` err only through what they really evaluate.
2. Arithmetic errs beyond 64 bits.
3. What has no meaning in terms.py (``Other``) may be anything and may err, but is the same wherever the same
   text stands. So what is proven over it holds whatever it means.
4. A rule's conditions are evaluated one after the other, as if joined by ``&&``.
5. Policies permit when no rule errs (our engine refuses otherwise), none forbids, and one permits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import z3

from consent_edit.errors import CheckFailed
from consent_edit.policy.points import FactValue
from consent_edit.policy.proof.banned import Banned, Clause, Empty, Fewer, Flagged, HasAny, Is
from consent_edit.policy.proof.evaluate import LONG_MAX, LONG_MIN
from consent_edit.policy.proof.solver.values import (
    FALSE,
    TRUE,
    Held,
    Members,
    Symbolic,
    compare,
    constant,
    contains,
    equal,
    junction,
    literal,
    sort_of,
    words_of,
)
from consent_edit.policy.proof.space import FACTS, Count, Flag, Set, Values, Word, is_enum, word_of
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
)
from consent_edit.policy.terms import Word as Entity


def _scalar(path: str) -> z3.ExprRef:
    match FACTS[path]:
        case Word(enum):
            return z3.Const(path, sort_of(enum)[0])
        case Flag():
            return z3.Bool(path)
        case Count():
            return z3.Int(path)
        case Set():  # pragma: no branch - there is no other
            raise CheckFailed(f"{path} is a set")


_SETS: Final = {path: fact.enum for path, fact in FACTS.items() if isinstance(fact, Set)}


@dataclass(slots=True)
class Space:
    """Symbolic facts, and the formulas of rules over them."""

    scalars: Mapping[str, z3.ExprRef] = field(
        default_factory=lambda: {path: _scalar(path) for path in FACTS if path not in _SETS}
    )
    sets: Mapping[str, Members] = field(
        default_factory=lambda: {
            path: {word.value: z3.Bool(f"{path}:{word.value}") for word in enum}
            for path, enum in _SETS.items()
        }
    )
    _unknown: dict[tuple[Term, str], z3.ExprRef] = field(default_factory=dict)

    def is_value(self, path: str, value: FactValue) -> z3.BoolRef:
        """The fact has this value."""
        if isinstance(value, frozenset):
            members = self.sets[path].items()
            return z3.And(*(inside if word in value else z3.Not(inside) for word, inside in members))
        return self.scalars[path] == (constant(value) if isinstance(value, StrEnum) else value)

    def is_point(self, values: Values) -> z3.BoolRef:
        """Every fact has its value of a point."""
        return z3.And(*(self.is_value(path, value) for path, value in values.items()))

    def rule(self, rule: RuleTerm) -> Held:
        """4.: the rule's conditions, one after the other."""
        value, errs = TRUE, FALSE
        for condition in rule.conditions:
            one = self._bool(condition)
            errs = z3.Or(errs, z3.And(value, one.errs))
            value = z3.And(value, one.value)
        return Held(value, errs)

    def permitted(self, rules: Iterable[RuleTerm]) -> z3.BoolRef:
        """5.: some rule permits, none forbids, none errs."""
        permits: list[z3.BoolRef] = []
        refuses: list[z3.BoolRef] = []
        for rule in rules:
            held = self.rule(rule)
            refuses.append(held.errs)
            (permits if rule.effect is Effect.PERMIT else refuses).append(held.value)
        return z3.And(z3.Or(*permits), z3.Not(z3.Or(*refuses)))

    def _bool(self, term: Term) -> Held:
        found = self._term(term)
        if found.value is None:
            return Held(self._anything(term, "value"), found.errs)
        if not z3.is_bool(found.value):
            raise CheckFailed("a rule's condition is no Boolean")
        return Held(found.value, found.errs)

    def _anything(self, term: Term, what: str, number: bool = False) -> z3.ExprRef:
        """3.: a free constant, the same for the same term."""
        name = f"{what} of {len(self._unknown)}"
        make = z3.Int if number else z3.Bool
        return self._unknown.setdefault((term, what), make(name))

    def _opaque(self, term: Term) -> Symbolic:
        return Symbolic(None, self._anything(term, "error"))

    def _term(self, term: Term) -> Symbolic:  # noqa: PLR0911 - one a form
        match term:
            case Value(value):
                return Symbolic(literal(value), FALSE)
            case Entity(kind, name) if is_enum(kind):
                return Symbolic(constant(word_of(kind, name)), FALSE)
            case Attribute(path):
                return self._fact(term, ".".join(path))
            case SetOf(items):
                return self._set_literal(term, items)
            case Not(arg):
                inner = self._bool(arg)
                return Symbolic(z3.Not(inner.value), inner.errs)
            case Negative(arg):
                return self._count(term, Operator.SUBTRACT, Symbolic(z3.IntVal(0), FALSE), self._term(arg))
            case IsEmpty(arg):
                return self._empty(term, self._term(arg))
            case Binary(kind_, left, right) if kind_ in (Operator.AND, Operator.OR):
                return junction(kind_, self._bool(left), self._bool(right))
            case Binary(kind_, left, right):
                return self._binary(term, kind_, self._term(left), self._term(right))
            case IfThenElse(test, then, other):
                return self._branch(term, self._bool(test), self._term(then), self._term(other))
            case Entity() | Other():  # pragma: no branch - there is no other
                return self._opaque(term)

    def _fact(self, term: Term, path: str) -> Symbolic:
        value = self.sets.get(path, self.scalars.get(path))
        return self._opaque(term) if value is None else Symbolic(value, FALSE)

    def _free(self, term: Term, *inner: Symbolic, number: bool = False) -> Symbolic:
        """The outcome of an operation on something that may be anything."""
        value = self._anything(term, "value", number)
        return Symbolic(value, z3.Or(self._anything(term, "error"), *(one.errs for one in inner)))

    def _set_literal(self, term: Term, items: tuple[Term, ...]) -> Symbolic:
        inner = [self._term(item) for item in items]
        errs = z3.Or(*(one.errs for one in inner))
        sorts = {one.value.sort() for one in inner if isinstance(one.value, z3.ExprRef)}
        known = all(isinstance(one.value, z3.ExprRef) for one in inner) and len(sorts) == 1
        words = words_of(sorts.pop()) if known else None
        if words is None:
            return Symbolic(None, z3.Or(errs, self._anything(term, "error")))
        members = {
            word: z3.simplify(z3.Or(*(one.value == constant for one in inner)))
            for word, constant in words.items()
        }
        return Symbolic(members, errs)

    def _empty(self, term: Term, inner: Symbolic) -> Symbolic:
        if not isinstance(inner.value, dict):
            return self._free(term, inner)
        return Symbolic(z3.Not(z3.Or(*inner.value.values())), inner.errs)

    def _binary(self, term: Term, kind: Operator, left: Symbolic, right: Symbolic) -> Symbolic:
        errs = z3.Or(left.errs, right.errs)
        match kind:
            case Operator.EQUAL | Operator.NOT_EQUAL:
                same = equal(left.value, right.value)
                if same is None:
                    return self._free(term, left, right)
                return Symbolic(same if kind is Operator.EQUAL else z3.Not(same), errs)
            case Operator.CONTAINS | Operator.CONTAINS_ALL | Operator.CONTAINS_ANY:
                found = contains(kind, left.value, right.value)
                return self._free(term, left, right) if found is None else Symbolic(found, errs)
            case Operator.ADD | Operator.SUBTRACT | Operator.MULTIPLY:
                return self._count(term, kind, left, right)
            case _:
                compared = compare(kind, left.value, right.value)
                return self._free(term, left, right) if compared is None else Symbolic(compared, errs)

    def _count(self, term: Term, kind: Operator, left: Symbolic, right: Symbolic) -> Symbolic:
        """2.: whole numbers, and an error beyond 64 bits."""
        one, other = left.value, right.value
        if one is None or other is None or isinstance(one, dict) or isinstance(other, dict):
            return self._free(term, left, right, number=True)
        match kind:
            case Operator.ADD:
                number = one + other
            case Operator.SUBTRACT:
                number = one - other
            case _:
                number = one * other
        beyond = z3.Or(number < LONG_MIN, number > LONG_MAX)
        return Symbolic(number, z3.Or(left.errs, right.errs, beyond))

    def _branch(self, term: Term, test: Held, then: Symbolic, other: Symbolic) -> Symbolic:
        errs = z3.Or(test.errs, z3.If(test.value, then.errs, other.errs))
        if isinstance(then.value, dict) and isinstance(other.value, dict):
            words = {w: z3.If(test.value, inside, other.value[w]) for w, inside in then.value.items()}
            return Symbolic(words, errs)
        if isinstance(then.value, z3.ExprRef) and isinstance(other.value, z3.ExprRef):
            return Symbolic(z3.If(test.value, then.value, other.value), errs)
        return Symbolic(None, z3.Or(errs, self._anything(term, "error")))

    def banned(self, case: Banned) -> z3.BoolRef:
        """The point is banned in this way."""
        return z3.And(*(self._clause(clause) for clause in case.clauses))

    def _clause(self, clause: Clause) -> z3.BoolRef:
        path = clause.fact
        match clause:
            case Is(_, words):
                constants = _constants(path)
                return z3.Or(*(self.scalars[path] == constants[word] for word in words))
            case HasAny(_, words):
                return z3.Or(*(self.sets[path][word] for word in words))
            case Empty():
                return z3.Not(z3.Or(*self.sets[path].values()))
            case Flagged(_, wanted):
                return self.scalars[path] == wanted
            case Fewer(_, than):  # pragma: no branch - there is no other
                return self.scalars[path] < than


def _constants(path: str) -> Mapping[str, z3.ExprRef]:
    fact = FACTS[path]
    if not isinstance(fact, Word):
        raise CheckFailed(f"{path} is no word")
    return sort_of(fact.enum)[1]
