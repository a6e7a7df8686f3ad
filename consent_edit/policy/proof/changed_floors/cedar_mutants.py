"""Changed mirrors: floor.cedar with one thing altered, each to be told from the real one by the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from consent_edit.policy.proof.changed_floors.mutants import Fate, Tally, tally
from consent_edit.policy.proof.evaluate import Erred, holds
from consent_edit.policy.proof.space import enum_of
from consent_edit.policy.proof.table import RuleTable
from consent_edit.policy.proof.words import cedar
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
    parts,
)

Same: TypeAlias = Callable[[RuleTerm, RuleTerm], bool]
"""Whether two rules are proven to do the same."""

_SWAPPED: Final = {
    Operator.EQUAL: (Operator.NOT_EQUAL,),
    Operator.NOT_EQUAL: (Operator.EQUAL,),
    Operator.AND: (Operator.OR,),
    Operator.OR: (Operator.AND,),
    Operator.LESS: (Operator.LESS_EQUAL, Operator.GREATER_EQUAL),
    Operator.LESS_EQUAL: (Operator.LESS, Operator.GREATER),
    Operator.GREATER: (Operator.GREATER_EQUAL, Operator.LESS_EQUAL),
    Operator.GREATER_EQUAL: (Operator.GREATER, Operator.LESS),
    Operator.CONTAINS_ALL: (Operator.CONTAINS_ANY,),
    Operator.CONTAINS_ANY: (Operator.CONTAINS_ALL,),
}
_ASKS_A_SET: Final = (Operator.CONTAINS, Operator.CONTAINS_ALL, Operator.CONTAINS_ANY)


@dataclass(frozen=True, slots=True)
class CedarMutant:
    """One changed rule.

    Attributes:
        kind: What sort of change.
        name: The change, for people.
        rule: The rule as it is.
        changed: The rule as changed; ``None`` when it is gone.
    """

    kind: str
    name: str
    rule: RuleTerm
    changed: RuleTerm | None


def cedar_mutants(floor: Sequence[RuleTerm]) -> Iterator[CedarMutant]:
    """Every change of every rule."""
    for rule in floor:
        yield CedarMutant("rule dropped", f"{rule.id} dropped", rule, None)
        flipped = replace(rule, effect=Effect.PERMIT)
        yield CedarMutant("forbid to permit", f"{rule.id} permits", rule, flipped)
        for number, condition in enumerate(rule.conditions):
            before, after = rule.conditions[:number], rule.conditions[number + 1 :]
            shown = cedar(condition)
            yield CedarMutant(
                "condition dropped",
                f"{rule.id}: {shown} dropped",
                rule,
                replace(rule, conditions=before + after),
            )
            for kind, name, changed in ((("condition negated", shown, Not(condition))), *_changes(condition)):
                conditions = (*before, changed, *after)
                yield CedarMutant(kind, f"{rule.id}: {name}", rule, replace(rule, conditions=conditions))


def _changes(term: Term) -> Iterator[tuple[str, str, Term]]:
    """Kind, name and outcome of each change somewhere in a term."""
    for kind, changed in _here(term):
        yield kind, f"{cedar(term)} -> {cedar(changed)}", changed
    if isinstance(term, SetOf):
        return
    inner = parts(term)
    for number, part in enumerate(inner):
        for kind, name, changed in _changes(part):
            yield kind, name, _with(term, (*inner[:number], changed, *inner[number + 1 :]))


def _with(term: Term, inner: tuple[Term, ...]) -> Term:
    """The term with other terms directly below it."""
    match term:
        case Not() | Negative() | IsEmpty():
            return type(term)(inner[0])
        case Binary(operator):
            return Binary(operator, inner[0], inner[1])
        case IfThenElse():
            return IfThenElse(inner[0], inner[1], inner[2])
        case Other():
            return replace(term, inner=inner)
        case Value() | Word() | SetOf() | Attribute():  # pragma: no branch - there is no other
            return term


def _here(term: Term) -> Iterator[tuple[str, Term]]:
    match term:
        case Not(arg):
            yield "negation dropped", arg
        case Attribute(path) if path[-1] in _FLAGS:
            yield "negated", Not(term)
        case IsEmpty():
            yield "negated", Not(term)
        case Binary():
            yield from _binary(term)
        case SetOf(items):
            yield from _set_literal(items)
        case Word(kind, name):
            yield from (("word replaced", Word(kind, other)) for other in _words(kind) if other != name)
        case Value(bool(value)):
            yield "constant", Value(not value)
        case Value(int(value)):
            yield from (("number", Value(value + step)) for step in (1, -1))


_FLAGS: Final = ("all_adults", "exposed", "more_exposed", "revealing")


def _words(kind: str) -> tuple[str, ...]:
    return tuple(word.value for word in enum_of(kind))


def _binary(term: Binary) -> Iterator[tuple[str, Term]]:
    for operator in _SWAPPED.get(term.operator, ()):
        yield f"{term.operator.value} replaced", replace(term, operator=operator)
    if term.operator in (Operator.AND, Operator.OR):
        yield from (("operand dropped", side) for side in (term.left, term.right))
    if term.operator in _ASKS_A_SET:
        yield "negated", Not(term)
    if term.operator is Operator.CONTAINS_ALL:
        yield "sides swapped", Binary(term.operator, term.right, term.left)


def _set_literal(items: tuple[Term, ...]) -> Iterator[tuple[str, Term]]:
    if len(items) > 1:
        yield from (
            ("element out", SetOf((*items[:number], *items[number + 1 :]))) for number in range(len(items))
        )
    kinds = {item.type for item in items if isinstance(item, Word)}
    for kind in kinds:
        missing = [Word(kind, name) for name in _words(kind) if Word(kind, name) not in items]
        yield from (("element in", SetOf((*items, word))) for word in missing)


def told_apart(mutant: CedarMutant, table: RuleTable) -> bool:
    """Whether the changed rule differs at some point from the engine's verdict on the real one."""
    changed = mutant.changed
    if changed is None or changed.effect is Effect.PERMIT:
        return any(row.fires for row in table.rows)
    held = holds(changed)
    try:
        return any(held(row.values) is not row.fires for row in table.rows)
    except Erred:
        return True


def try_cedar(floor: Sequence[RuleTerm], tables: Sequence[RuleTable], same: Same) -> Tally:
    """Try every change.

    Args:
        same: The solver's word that two rules do the same; asked only where the table saw no difference.
    """
    by_rule = {table.rule: table for table in tables}
    fates = []
    for mutant in cedar_mutants(floor):
        killed = told_apart(mutant, by_rule[mutant.rule.id])
        equivalent = not killed and mutant.changed is not None and same(mutant.rule, mutant.changed)
        fates.append(Fate(mutant.kind, mutant.name, killed, equivalent))
    return tally(fates)
