"""Rules as formulas and as a tree, held against the engine: one verdict, at any point, for any policy."""

from __future__ import annotations

import pytest
import z3
from facts_strategy import any_facts, policies
from hypothesis import given, settings

from consent_edit.errors import CheckFailed
from consent_edit.policy.context import context_of
from consent_edit.policy.engine import Compiled, authorise, compile_text
from consent_edit.policy.facts import Facts
from consent_edit.policy.floor import FloorRule, picture_aggregate
from consent_edit.policy.points import Point, consistent
from consent_edit.policy.proof.evaluate import permitted
from consent_edit.policy.proof.footprint import floor_source, rule_functions
from consent_edit.policy.proof.solver import rules as smt
from consent_edit.policy.proof.solver.pictures import consistent as consistent_formula
from consent_edit.policy.proof.solver.python_rules import python_rule
from consent_edit.policy.proof.solver.rules import Space
from consent_edit.policy.proof.solver.values import Held, Symbolic
from consent_edit.policy.proof.space import FactValue, values_of
from consent_edit.policy.testing import benign

PERMIT = "permit (principal, action, resource);\n"
FORBID = "forbid (principal, action, resource) when { %s };"
OVERFLOW = "context.picture.faces + 9223372036854775807 > 0"


def points_of(facts: Facts) -> list[Point]:
    picture = picture_aggregate(facts)
    return [Point(facts, person, picture) for person in facts.persons]


def engine_permits(compiled: Compiled, point: Point) -> bool:
    context = context_of(point.shared, point.person, point.picture, compiled.reads)
    try:
        return authorise(compiled, context).allowed
    except CheckFailed:
        return False


def solver_permits(compiled: Compiled, point: Point) -> bool:
    """The formula's only truth value at the point."""
    space = Space()
    formula = space.permitted(rule.term for rule in compiled.rules)
    possible = []
    for value in (True, False):
        solver = z3.Solver()
        solver.add(space.is_point(values_of(point)), formula == value)
        possible.append(solver.check() == z3.sat)
    assert possible[0] != possible[1]
    return possible[0]


@settings(max_examples=80, deadline=None)
@given(any_facts, policies)
def test_formula_tree_and_engine_agree(facts: Facts, text: str) -> None:
    """Any policy, erring ones included, at any point: permitted by all three or by none."""
    compiled = compile_text(text)
    for point in points_of(facts):
        told = engine_permits(compiled, point)
        assert solver_permits(compiled, point) is told
        assert permitted([rule.term for rule in compiled.rules], values_of(point)) is told


FORMS = [
    "context.operations.isEmpty()",
    '[Operation::"tone", Operation::"hair"].containsAll(context.operations)',
    'context.operations.containsAll([Operation::"tone"])',
    "context.operations.containsAny(context.granted)",
    "context.operations == context.granted",
    'context.operations != [Operation::"tone"]',
    '[context.kind, PersonKind::"body"].contains(PersonKind::"face")',
    '(if context.picture.exposed then [Operation::"hair"] else context.operations).isEmpty()',
    'if context.recognisable == Recognisable::"yes" then context.picture.faces > 0 else ' + OVERFLOW,
    'if context.recognisable == Recognisable::"no" then context.picture.faces > 0 else ' + OVERFLOW,
    "context.picture.exposed || " + OVERFLOW,
    "context.picture.exposed && " + OVERFLOW,
    "!context.picture.exposed || " + OVERFLOW,
    "!(context.picture.exposed && " + OVERFLOW + ")",
    "context.picture.persons < 9 && context.picture.faces + 9223372036854775807 < 0",
    "context.picture.persons > 9 || context.picture.faces + 9223372036854775807 < 0",
    "-context.picture.persons < 0",
    "-(context.picture.persons - 9223372036854775807 - 3) > 0",
    "context.picture.persons * 9223372036854775807 >= 2",
    "context.picture.persons - context.picture.faces <= 0",
    "context.picture.swap_consents >= 0 && context.picture.persons == 1",
    '(if context.picture.exposed then Stage::"input" else context.stage) == Stage::"output"',
    '"a" == "a"',
    "true",
    "false",
]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_means_what_the_engine_says(form: str) -> None:
    """Every operator, and every way of erring or not reaching an error, for a face and for unseen."""
    for persons in (0, 1, 3):
        for point in points_of(benign("output", persons)):
            for text in (PERMIT + FORBID % form, PERMIT.replace(";\n", f" when {{ {form} }};")):
                compiled = compile_text(text)
                told = engine_permits(compiled, point)
                assert solver_permits(compiled, point) is told
                assert permitted([rule.term for rule in compiled.rules], values_of(point)) is told


def test_conditions_are_evaluated_in_order() -> None:
    """A second condition that errs counts only where the first one holds."""
    for first in ("context.picture.exposed", "!context.picture.exposed"):
        compiled = compile_text(PERMIT + FORBID % first.replace("exposed", f"exposed }} when {{ {OVERFLOW}"))
        (point, _) = points_of(benign())
        assert solver_permits(compiled, point) is engine_permits(compiled, point)


def _errs_both(kind: object, left: Held, right: Held) -> Symbolic:
    joined = z3.And if kind is smt.Operator.AND else z3.Or
    return Symbolic(joined(left.value, right.value), z3.Or(left.errs, right.errs))


def _never_errs(kind: object, left: Held, right: Held) -> Symbolic:
    joined = z3.And if kind is smt.Operator.AND else z3.Or
    return Symbolic(joined(left.value, right.value), z3.BoolVal(False))


@pytest.mark.parametrize("unsound", [_errs_both, _never_errs])
def test_an_unsound_translation_is_caught(unsound: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were errors carried on too eagerly or lost, the forms above would tell."""
    monkeypatch.setattr(smt, "junction", unsound)
    wrong = 0
    for form in FORMS:
        compiled = compile_text(PERMIT + FORBID % form)
        for point in points_of(benign("output", 1)):
            wrong += solver_permits(compiled, point) is not engine_permits(compiled, point)
    assert wrong


def free_values(form: str, facts: dict[str, FactValue]) -> set[bool]:
    """What a formula with an unknown part may come to."""
    space = Space()
    compiled = compile_text(PERMIT + FORBID % form)
    formula = space.permitted(rule.term for rule in compiled.rules)
    possible = set()
    for value in (True, False):
        solver = z3.Solver()
        solver.add(space.is_point(facts), formula == value)
        if solver.check() == z3.sat:
            possible.add(value)
    return possible


UNKNOWN = [
    'principal == Requester::"somebody"',
    'principal in Requester::"group"',
    '[principal].contains(Requester::"x")',
    "context has stage",
    "resource is Person",
    '(if resource == Person::"x" then context.picture.faces else 0) == 1',
    "[resource].isEmpty()",
    "[1, 2].contains(context.picture.faces)",
    '(if context.picture.exposed then principal else Requester::"x") == Requester::"y"',
    '"word" like "w*"',
]


@pytest.mark.parametrize("form", UNKNOWN)
def test_what_has_no_meaning_may_be_anything(form: str) -> None:
    """A part nobody can read may hold or not; nothing is ever concluded from it."""
    (point, _) = points_of(benign())
    assert free_values(form, values_of(point)) == {True, False}


def test_the_same_unknown_is_the_same_everywhere() -> None:
    """Two rules that ask the same unreadable thing get one answer, so a narrowing is not called widening."""
    space = Space()
    form = FORBID % 'principal in Requester::"group"'
    narrower, base = (compile_text(text) for text in (PERMIT + form + form, PERMIT + form))
    solver = z3.Solver()
    solver.add(space.permitted(r.term for r in narrower.rules))
    solver.add(z3.Not(space.permitted(r.term for r in base.rules)))
    assert solver.check() == z3.unsat


@settings(max_examples=80, deadline=None)
@given(any_facts, any_facts)
def test_the_consistent_points_of_the_solver_are_ours(facts: Facts, other: Facts) -> None:
    """A person of one picture in the sum of another: consistent for the solver exactly where for us."""
    for picture in (picture_aggregate(facts), picture_aggregate(other)):
        for person in facts.persons:
            space, solver = Space(), z3.Solver()
            solver.add(space.is_point(values_of(Point(facts, person, picture))), consistent_formula(space))
            assert (solver.check() == z3.sat) is consistent(person, picture)


@settings(max_examples=60, deadline=None)
@given(any_facts)
def test_the_floors_own_code_as_formulas_is_the_code(facts: Facts) -> None:
    """Each Python rule, run and as a formula, says the same of every person of any picture."""
    text = floor_source()
    functions = {FloorRule[name]: function for name, function in rule_functions(text).items()}
    space = Space()
    formulas = {rule: python_rule(functions[rule], space, text) for rule in functions}
    for point in points_of(facts):
        solver = z3.Solver()
        solver.add(space.is_point(values_of(point)))
        solver.add(*(formula == (rule in point.floor()) for rule, formula in formulas.items()))
        assert solver.check() == z3.sat
