"""Changed Python floors: floor.py with one thing in it altered, run in memory against the mirror's verdicts.

The two sets of operations that the floor takes from the vocabulary are part of what is altered. A changed
floor exists only as long as it is tried; nothing is written, and no module of the package is touched.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from types import CodeType
from typing import Final, TypeAlias

from consent_edit import vocabulary
from consent_edit.policy import floor
from consent_edit.policy.facts import Facts
from consent_edit.policy.floor import PictureAggregate
from consent_edit.policy.proof.changed_floors.changes import Change, changes
from consent_edit.policy.proof.changed_floors.mutants import Fate, Tally, tally
from consent_edit.policy.proof.footprint import floor_source
from consent_edit.policy.proof.pictures import Judged
from consent_edit.policy.proof.space import FACTS, Count
from consent_edit.policy.proof.table import RuleTable, python_rules, whole, whole_size

Summed: TypeAlias = Sequence[tuple[Facts, PictureAggregate]]

_TAKEN_IN: Final = ("PHOTO_BOUND_OPERATIONS", "WHOLE_PICTURE_OPERATIONS")
_ACROSS_PERSONS: Final = frozenset({"judge", "picture_aggregate", "_present"})
_MOST_POINTS: Final = 100_000
_SUM: Final = attrgetter(*(field.name for field in fields(PictureAggregate)))


def floor_tree() -> ast.Module:
    """floor.py, the vocabulary's two sets of operations written out in it."""
    tree = ast.parse(floor_source())
    words = ast.parse(Path(str(vocabulary.__file__)).read_text(encoding="utf-8"))
    sets = [
        node
        for node in words.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id in _TAKEN_IN
    ]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == vocabulary.__name__:
            node.names = [alias for alias in node.names if alias.name not in _TAKEN_IN]
    last = max(n for n, node in enumerate(tree.body) if isinstance(node, ast.ImportFrom))
    tree.body[last + 1 : last + 1] = sets
    return tree


def _compiled(tree: ast.Module) -> CodeType:
    return compile(tree, str(floor.__file__), "exec")


def run(code: CodeType) -> dict[str, Callable[..., object]]:
    """The names that a changed floor defines."""
    names: dict[str, Callable[..., object]] = {"__name__": floor.__name__}  # type: ignore[dict-item]
    exec(code, names)  # noqa: S102 - our own source, one thing in it altered
    return names


@dataclass(frozen=True, slots=True)
class Evidence:
    """What changed floors are tried against.

    Attributes:
        tables: Every rule at every point, with the engine's verdict on the mirror.
        summed: Pictures with what they add up to.
        judged: Pictures with the mirror's findings for every person.
    """

    tables: tuple[RuleTable, ...]
    summed: Summed
    judged: tuple[Judged, ...]


def told_apart(names: Mapping[str, Callable[..., object]], evidence: Evidence, function: str) -> bool:
    """Whether a changed floor says anything else than the mirror; rules that use the function come first."""
    tests = {rule.value: test for rule, test in names["RULES"]}  # type: ignore[attr-defined]
    if list(tests) != [table.rule for table in evidence.tables]:
        return True
    for table in sorted(evidence.tables, key=lambda table: function not in table.footprint.functions):
        test = tests[table.rule]
        for row in table.rows:
            if bool(test(row.point.shared, row.point.person, row.point.picture)) is not row.fires:
                return True
    judge, summed = names["judge"], names["picture_aggregate"]
    for known in evidence.judged:
        found = {(finding.rule.value, finding.person) for finding in judge(known.facts)}  # type: ignore[attr-defined]
        if found != known.refused:
            return True
    return any(_SUM(summed(facts)) != _SUM(picture) for facts, picture in evidence.summed)


def try_python(evidence: Evidence, tree: ast.Module | None = None) -> Tally:
    """Try every change. A changed floor that breaks down refuses everything, and counts as told apart."""
    tree = tree or floor_tree()
    return tally(_fates(tree, evidence))


def _fates(tree: ast.Module, evidence: Evidence) -> Iterator[Fate]:
    users = _users(tree)
    for change in changes(tree):
        with _made(change):
            code = _compiled(ast.fix_missing_locations(tree))
        try:
            names = run(code)
            killed = told_apart(names, evidence, change.function)
        except Exception:  # noqa: BLE001 - whatever a changed floor raises tells it from the real one
            killed = True
        same = not killed and _same_everywhere(names, evidence, users(change))
        yield Fate(change.kind, change.name, killed, same)


def _users(tree: ast.Module) -> Callable[[Change], frozenset[str]]:
    """The functions that a change touches: the one it is in, or those that name the constant."""
    mentions = {
        node.name: {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }

    def users(change: Change) -> frozenset[str]:
        if change.function:
            return frozenset({change.function})
        return frozenset(name for name, words in mentions.items() if change.constant in words)

    return users


def _same_everywhere(
    names: Mapping[str, Callable[..., object]], evidence: Evidence, users: frozenset[str]
) -> bool:
    """Whether a changed floor is the real one at every point there is, each set in all its subsets.

    Not the table's representatives but all there are; with too many, or counts without end, it says no.
    """
    if not users or users & _ACROSS_PERSONS:
        return False
    tests = {rule.value: test for rule, test in names["RULES"]}  # type: ignore[attr-defined]
    real = python_rules()
    for table in evidence.tables:
        if users & table.footprint.functions:
            facts = tuple(path for path in FACTS if path in table.footprint.facts)
            counted = any(isinstance(FACTS[path], Count) for path in facts)
            if counted or whole_size(facts) > _MOST_POINTS:
                return False
            for point in whole(facts):
                case = (point.shared, point.person, point.picture)
                if bool(tests[table.rule](*case)) is not real[table.rule](*case):
                    return False
    return True


@contextmanager
def _made(change: Change) -> Iterator[None]:
    """The tree with one change in it, and as it was afterwards."""
    change.put(change.new)
    try:
        yield
    finally:
        change.put(change.old)
