"""Weaker floors: the mirror with a rule taken out, or with one of the reasons for which a rule refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from consent_edit.policy.proof.words import cedar
from consent_edit.policy.terms import Binary, Not, Operator, RuleTerm, Term

Cutter: TypeAlias = Callable[[Term], Iterator[tuple[Term, Term]]]


@dataclass(frozen=True, slots=True)
class Weakened:
    """A floor that refuses less.

    Attributes:
        name: What was taken out.
        rule: The rule it was taken out of.
        rest: What is left of that rule; ``None`` when all of it is gone.
    """

    name: str
    rule: RuleTerm
    rest: RuleTerm | None

    def rules(self, floor: Sequence[RuleTerm]) -> tuple[RuleTerm, ...]:
        """The whole weakened floor."""
        swapped = (self.rest if rule == self.rule else rule for rule in floor)
        return tuple(rule for rule in swapped if rule is not None)


def weakened(floor: Sequence[RuleTerm]) -> Iterator[Weakened]:
    """Each rule taken out; then each rule with each of its alternatives taken out."""
    for rule in floor:
        yield Weakened(f"without {rule.id}", rule, None)
    for rule in floor:
        for number, condition in enumerate(rule.conditions):
            for lost, rest in _narrower(condition):
                conditions = (*rule.conditions[:number], rest, *rule.conditions[number + 1 :])
                yield Weakened(f"{rule.id} without {cedar(lost)}", rule, replace(rule, conditions=conditions))


def _narrower(term: Term) -> Iterator[tuple[Term, Term]]:
    """What can be taken out of a term so that it holds at fewer points, and what is left."""
    yield from _cut(term, Operator.OR, _narrower)
    if isinstance(term, Not):
        yield from ((lost, Not(rest)) for lost, rest in _wider(term.arg))


def _wider(term: Term) -> Iterator[tuple[Term, Term]]:
    """What can be taken out of a term so that it holds at more points, and what is left."""
    yield from _cut(term, Operator.AND, _wider)
    if isinstance(term, Not):
        yield from ((lost, Not(rest)) for lost, rest in _narrower(term.arg))


def _cut(term: Term, operator: Operator, deeper: Cutter) -> Iterator[tuple[Term, Term]]:
    if not isinstance(term, Binary) or term.operator not in (Operator.AND, Operator.OR):
        return
    left, right = term.left, term.right
    if term.operator is operator:
        yield left, right
        yield right, left
    yield from ((lost, Binary(term.operator, rest, right)) for lost, rest in deeper(left))
    yield from ((lost, Binary(term.operator, left, rest)) for lost, rest in deeper(right))
