"""The table: for each rule of the floor the full product of all facts it reads, both floors at every point.

1. What a rule reads is what the Python function or the mirror's rule reads (footprint.py); the product over
   it is exact, and a rule that starts to read another fact widens its product by itself. Facts a rule does
   not read are benign, as far as the picture can hold them so; points no picture can hold are left out.
2. At each point the engine's verdict on the mirror's rule must be the Python rule's.
3. At each point that is banned (banned.py), some rule of the Python floor must refuse. The product of what
   each banned case speaks of is run through as well.
4. Sets of many words are tried by representatives (space.choices). That this suffices is shown apart: where a
   rule's verdict depends on such a set, every one of its subsets is tried on the Python rule and on the tree.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from math import prod
from typing import Final, TypeAlias

from consent_edit.errors import CheckFailed
from consent_edit.policy import floor
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import FloorRule, PictureAggregate
from consent_edit.policy.points import FactValue, Point, point_of
from consent_edit.policy.proof.banned import BANNED, Banned
from consent_edit.policy.proof.evaluate import holds
from consent_edit.policy.proof.footprint import (
    Footprint,
    floor_source,
    mirror_footprint,
    python_footprint,
    rule_functions,
)
from consent_edit.policy.proof.mirror import Mirror
from consent_edit.policy.proof.space import (
    BENIGN,
    FACTS,
    NUMBERS,
    SUMMED,
    Count,
    Set,
    Values,
    choices,
    completed,
    subsets,
    values_of,
)
from consent_edit.policy.proof.words import told
from consent_edit.policy.terms import RuleTerm

Test: TypeAlias = Callable[[Facts, PersonFacts, PictureAggregate], bool]
"""One rule of the Python floor."""

_SEED: Final = 20260101


@dataclass(frozen=True, slots=True)
class Row:
    """One point with the engine's verdict on one rule of the mirror."""

    point: Point
    values: Values
    fires: bool


@dataclass(frozen=True, slots=True)
class RuleTable:
    """Everything about one rule.

    Attributes:
        rule: Its reason code.
        footprint: What either floor reads for it.
        rows: The points, in an order drawn once, so that a wrong rule is found out early.
    """

    rule: str
    footprint: Footprint
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the table came to.

    Attributes:
        points: How many points were tried.
        disagreements: Where the two floors differ, in words.
        violations: What is banned and not refused, in words.
    """

    points: int = 0
    disagreements: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        """Both together."""
        return Findings(
            self.points + other.points,
            self.disagreements + other.disagreements,
            self.violations + other.violations,
        )


def python_rules() -> dict[str, Test]:
    """Reason code -> rule, of the floor that runs."""
    return {rule.value: test for rule, test in floor.RULES}


def footprints(mirror: Mirror) -> dict[str, Footprint]:
    """What either floor reads for each rule.

    Raises:
        CheckFailed: the two floors do not have the same rules, one cannot be followed, or one compares a
            count with a number whose neighbours are not all tried.
    """
    text = floor_source()
    functions = {FloorRule[name].value: function for name, function in rule_functions(text).items()}
    cedar = {rule.id: rule for rule in mirror.rules}
    if not set(functions) == set(cedar) == {rule.value for rule in FloorRule} or len(cedar) != len(
        mirror.rules
    ):
        raise CheckFailed("the two floors do not have the same rules")
    found = {}
    for rule, function in functions.items():
        ours, theirs = python_footprint(function, text), mirror_footprint(cedar[rule])
        numbers = ours.numbers | theirs.numbers
        if any(not {max(0, number - 1), number, number + 1} <= set(NUMBERS) for number in numbers):
            raise CheckFailed(f"{rule}: a number beyond what counts are tried with")
        facts, literals = ours.facts | theirs.facts, ours.literals | theirs.literals
        found[rule] = Footprint(facts, literals, ours.functions, numbers)
    return found


def over(facts: Sequence[str], literals: frozenset[frozenset[StrEnum]]) -> Iterator[tuple[Values, Point]]:
    """Every point over these facts that a picture can hold, with the values that make it."""
    tried = [choices(FACTS[path], literals) for path in facts]
    for chosen in product(*tried):
        point = completed(dict(zip(facts, chosen, strict=True)))
        if point is not None:
            yield values_of(point), point


def whole_size(facts: Sequence[str]) -> int:
    """How many points there are over these facts, each set in all its subsets."""
    kinds = (FACTS[path] for path in facts)
    return prod(2 ** len(fact.enum) if isinstance(fact, Set) else len(choices(fact)) for fact in kinds)


def whole(facts: Sequence[str]) -> Iterator[Point]:
    """All of them, whether a picture can hold them or not; every other fact is benign."""
    tried = [
        tuple(subsets(fact.enum)) if isinstance(fact, Set) else choices(fact)
        for fact in (FACTS[path] for path in facts)
    ]
    for chosen in product(*tried):
        yield point_of({**BENIGN, **dict(zip(facts, chosen, strict=True))})


def build(mirror: Mirror, only: Collection[str] = ()) -> tuple[RuleTable, ...]:
    """Ask the engine for every rule at every point of its product.

    Args:
        mirror: The mirror.
        only: Codes of the rules to ask for; by default all.
    """
    tables = []
    for rule, footprint in footprints(mirror).items():
        if only and rule not in only:
            continue
        fires = mirror.fires(rule)
        facts = [path for path in FACTS if path in footprint.facts]
        rows = [
            Row(point, values, fires(point)) for values, point in over(facts, frozenset(footprint.literals))
        ]
        random.Random(_SEED).shuffle(rows)  # noqa: S311 - an order, not a secret
        tables.append(RuleTable(rule, footprint, tuple(rows)))
    return tuple(tables)


def compare(tables: Sequence[RuleTable], rules: Mapping[str, Test]) -> Findings:
    """2. and 3.: both floors at every point, and what is banned there."""
    disagreements: list[str] = []
    violations: list[str] = []
    for table in tables:
        test = rules[table.rule]
        for row in table.rows:
            point = row.point
            if test(point.shared, point.person, point.picture) is not row.fires:
                who = "only the mirror" if row.fires else "only floor.py"
                disagreements.append(f"{table.rule}: {who} refuses: {told(row.values)}")
            violations.extend(_violations(row.values, point, rules))
    return Findings(sum(len(table.rows) for table in tables), tuple(disagreements), tuple(violations))


def _violations(values: Values, point: Point, rules: Mapping[str, Test]) -> Iterator[str]:
    names = [banned.name for banned in BANNED if banned.covers(values)]
    if names and not any(test(point.shared, point.person, point.picture) for test in rules.values()):
        yield f"{names[0]}: {told(values)}"


def banned_product(rules: Mapping[str, Test], cases: Sequence[Banned] = BANNED) -> Findings:
    """3.: what each banned case speaks of, together with whatever the rest of the picture adds up to."""
    points = 0
    violations: list[str] = []
    flags = {path for path, fact in SUMMED.items() if not isinstance(fact, Count)}
    for case in cases:
        facts = [path for path in FACTS if path in case.reads | flags]
        for values, point in over(facts, frozenset()):
            if case.covers(values):
                points += 1
                violations.extend(_violations(values, point, rules))
    return Findings(points, violations=tuple(violations))


def sweep(tables: Sequence[RuleTable], rules: Mapping[str, Test], mirror: Mirror) -> Findings:
    """4.: every subset of a large set, beside one point for each way in which the rule depends on it."""
    done = Findings()
    for table in tables:
        for path in sorted(table.footprint.facts):
            fact = FACTS[path]
            if isinstance(fact, Set) and len(choices(fact)) < 2 ** len(fact.enum):
                for values in _dependent(table, path):
                    done += _sweep(table.rule, values, path, fact, rules[table.rule], mirror.rules)
    return done


def _dependent(table: RuleTable, path: str) -> Iterator[Values]:
    """The other facts, once for each way in which the verdict follows from the set."""
    verdicts: dict[tuple[tuple[str, FactValue], ...], dict[FactValue, bool]] = {}
    others = sorted(table.footprint.facts - {path})
    first: dict[tuple[tuple[str, FactValue], ...], Values] = {}
    for row in table.rows:
        key = tuple((other, row.values[other]) for other in others)
        verdicts.setdefault(key, {})[row.values[path]] = row.fires
        first.setdefault(key, row.values)
    seen: set[frozenset[tuple[FactValue, bool]]] = set()
    for key, answers in verdicts.items():
        way = frozenset(answers.items())
        if len(set(answers.values())) > 1 and way not in seen:
            seen.add(way)
            yield first[key]


def _sweep(
    rule: str, values: Values, path: str, fact: Set, test: Test, mirror: Sequence[RuleTerm]
) -> Findings:
    fires = holds(next(term for term in mirror if term.id == rule))
    wrong: list[str] = []
    count = 0
    start = point_of(values)
    for chosen in subsets(fact.enum):
        count += 1
        tried: dict[str, FactValue] = {**values, path: chosen}
        shared = replace(start.shared, **{path: chosen}) if hasattr(start.shared, path) else start.shared  # type: ignore[arg-type]
        person = replace(start.person, **{path: chosen}) if hasattr(start.person, path) else start.person  # type: ignore[arg-type]
        if test(shared, person, start.picture) is not fires(tried):
            wrong.append(f"{rule}: the floors differ: {told(tried)}")
    return Findings(count, tuple(wrong))
