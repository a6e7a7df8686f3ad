"""What the solver is asked: weak floors, wide policies and empty claims are told, each in its own way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import z3

from consent_edit.errors import CheckFailed
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.engine import compile_text
from consent_edit.policy.floor import FloorRule
from consent_edit.policy.proof.banned import BANNED, Banned, Empty, Flagged, HasAny, Is
from consent_edit.policy.proof.mirror import Mirror
from consent_edit.policy.proof.prove import policy_claims
from consent_edit.policy.proof.solver import rules as smt
from consent_edit.policy.proof.solver.claims import (
    COVERED,
    SAT,
    UNSAT,
    VACUOUS,
    Claim,
    bundle_claims,
    floor_claims,
    narrowing_claim,
    same_rule,
    weakened_claims,
)
from consent_edit.policy.proof.solver.rules import Space
from consent_edit.policy.proof.solver.values import contains, equal, words_of
from consent_edit.policy.proof.space import BENIGN
from consent_edit.policy.proof.weaken import weakened
from consent_edit.policy.terms import Attribute, Binary, Not, Operator, Other, RuleTerm, Value

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
FORBID = '@id("%s") @reason("r") forbid (principal, action, resource) when { %s };\n'


def rules(text: str) -> list[RuleTerm]:
    return [rule.term for rule in compile_text(text).rules]


def test_the_floors_claims_hold(mirror: Mirror) -> None:
    """One a banned case, that no rule errs, and that something leaves."""
    claims = floor_claims(mirror.rules)
    assert len(claims) == len(BANNED) + 2
    assert all(claim.holds for claim in claims)


@pytest.mark.parametrize("rule", [rule.value for rule in FloorRule])
def test_a_planted_weak_floor_is_told_by_the_case_that_leaves(rule: str, mirror: Mirror) -> None:
    """Without a rule only its own banned cases leave, and the example is a few words."""
    weak = [other for other in mirror.rules if other.id != rule]
    broken = [claim for claim in floor_claims(weak) if not claim.holds]
    assert broken
    own = {f"{case.name}: never leaves" for case in BANNED if case.rule == rule}
    assert {claim.name for claim in broken} <= own
    assert all(claim.verdict == SAT and claim.example.startswith("stage ") for claim in broken)


def test_a_floor_that_refuses_everything_is_told() -> None:
    """Nothing banned leaves it, and nothing else."""
    claims = floor_claims(rules("forbid (principal, action, resource);"))
    assert [claim.name for claim in claims if not claim.holds] == [
        "an edit that everybody consented to may leave"
    ]


def test_an_erring_floor_is_told(mirror: Mirror) -> None:
    """A rule that can err is no rule to rely on: the engine would skip it."""
    errs = rules(FORBID % ("floor.x", "context.picture.faces + 9223372036854775807 > 0"))
    broken = [claim for claim in floor_claims([*mirror.rules, *errs]) if not claim.holds]
    assert [claim.name for claim in broken] == [
        "no rule of the floor errs",
    ]
    only = floor_claims(errs, [Banned("floor.x", "a prompt", (Is("stage", ("input",)),))])
    assert only[0].verdict == SAT


def test_a_claim_about_nothing_proves_nothing(mirror: Mirror) -> None:
    """A banned case that cannot be is no proof that it never leaves."""
    never = Banned("floor.x", "never", (Is("kind", ("face",)), Is("kind", ("body",))))
    claim = floor_claims(mirror.rules, [never])[0]
    assert (claim.verdict, claim.holds) == (VACUOUS, False)


def test_an_unknown_verdict_proves_nothing() -> None:
    """A solver that gives up has proven neither."""
    assert not Claim("x", "unknown", (UNSAT,), 0.0).holds
    assert not Claim("x", "unknown", (SAT, COVERED), 0.0).holds


def test_an_idle_part_of_a_rule_is_told(mirror: Mirror) -> None:
    """A reason that changes nothing is not called needed."""
    first = mirror.rules[0]
    (condition,) = first.conditions
    doubled = replace(first, conditions=(Binary(Operator.OR, condition, condition),))
    idle = [c for c in weakened_claims([doubled, *mirror.rules[1:]]) if not c.holds]
    assert {claim.verdict for claim in idle} == {UNSAT}
    assert len(idle) == 2


def test_weaker_floors_take_out_each_reason(mirror: Mirror) -> None:
    """Whole rules first; then what is joined by or, or by and within a negation, wherever it stands."""
    a, b, c = (Attribute(("picture", name)) for name in ("exposed", "more_exposed", "revealing"))
    inside = Not(Binary(Operator.AND, a, Not(Binary(Operator.OR, b, c))))
    rule = replace(mirror.rules[0], conditions=(inside,))
    whole, *parts = weakened([rule])
    assert (whole.rest, whole.rules([rule])) == (None, ())
    assert [part.rest.conditions[0] for part in parts if part.rest] == [
        Not(Not(Binary(Operator.OR, b, c))),
        Not(a),
        Not(Binary(Operator.AND, a, Not(c))),
        Not(Binary(Operator.AND, a, Not(b))),
    ]


def test_a_policy_that_permits_nothing_is_told(mirror: Mirror) -> None:
    """Under it nothing banned leaves, because nothing does."""
    banned, leaves = bundle_claims("shut", rules(PERMIT + FORBID % ("x", "true")), mirror.rules)
    assert banned.holds
    assert not leaves.holds


def test_a_policy_cannot_open_a_weak_floor_s_hole_by_itself(mirror: Mirror) -> None:
    """A policy that forbids what the weak floor lets out makes up for it; a permit-all does not."""
    weak = [rule for rule in mirror.rules if rule.id != FloorRule.CHECKS_INCOMPLETE.value]
    strict = rules(PERMIT + FORBID % ("x", 'context.checks != Checks::"complete"'))
    assert bundle_claims("strict", strict, weak)[0].verdict == UNSAT
    assert bundle_claims("open", rules(PERMIT), weak)[0].verdict == SAT


def test_a_narrowing_that_widens_is_told() -> None:
    """Laid over a policy, a permit would let more through, and an example says what."""
    base = rules('permit (principal, action, resource) when { context.stage == Stage::"input" };')
    wider = narrowing_claim("x", base, [*base, *rules(PERMIT)])
    assert (wider.verdict, wider.example) == (SAT, "stage output; a face")
    narrower = narrowing_claim("x", base, [*base, *rules(FORBID % ("y", "context.picture.exposed"))])
    assert narrower.verdict == UNSAT


def test_each_bundle_with_each_jurisdiction(mirror: Mirror) -> None:
    """Two claims a bundle, and one for each law laid over it."""
    laws = [
        Narrowing.from_text(FORBID % (name, "context.picture.revealing"), name=name) for name in ("eu", "fr")
    ]
    claims = list(policy_claims([PolicyBundle.from_text(PERMIT, name="a")], laws, mirror.rules))
    assert [claim.name for claim in claims] == [
        "a: nothing banned leaves",
        "a: something may leave",
        "a+eu: only narrows",
        "a+fr: only narrows",
    ]
    assert all(claim.holds for claim in claims)


def test_two_rules_are_the_same_or_not(mirror: Mirror) -> None:
    """Proven over every point; a rule that errs where the other does not is another one."""
    one, other = mirror.rules[:2]
    turned = replace(one, conditions=tuple(Not(Not(condition)) for condition in one.conditions))
    assert same_rule(one, turned)
    assert not same_rule(one, other)
    (permits,) = rules(PERMIT)
    assert not same_rule(permits, replace(permits, effect=one.effect))
    errs = rules(FORBID % ("x", "context.picture.faces + 9223372036854775807 > 0"))[0]
    holds = rules(FORBID % ("x", "context.picture.faces >= 0"))[0]
    assert not same_rule(errs, holds)
    unlike = Binary(Operator.EQUAL, Value(1), Value("a"))
    assert same_rule(replace(holds, conditions=(unlike,)), replace(holds, conditions=(Value(False),)))


def test_nonsense_is_no_formula() -> None:
    """A condition that is no Boolean, a banned case about the wrong kind of fact: neither is guessed at."""
    space = Space()
    with pytest.raises(CheckFailed):
        space.rule(replace(rules(PERMIT)[0], conditions=(Attribute(("stage",)),)))
    with pytest.raises(CheckFailed):
        space.banned(Banned("floor.x", "x", (Is("operations", ("hair",)),)))


def test_sets_of_two_kinds_are_not_compared() -> None:
    """A word of one enum in a set of another's, a set and what is none: nobody can know, nothing is said."""
    space = Space()
    operations, stage = space.sets["operations"], space.scalars["stage"]
    assert contains(Operator.CONTAINS, operations, stage) is None
    assert contains(Operator.CONTAINS, stage, operations) is None
    assert contains(Operator.CONTAINS_ALL, operations, space.sets["touched"]) is None
    assert contains(Operator.CONTAINS_ANY, operations, stage) is None
    assert equal(operations, space.sets["touched"]) is None
    assert z3.is_false(equal(stage, space.scalars["kind"]))
    assert words_of(z3.IntSort()) is None
    with pytest.raises(CheckFailed):
        smt._scalar("operations")


def test_formulas_of_banned_cases_are_the_cases() -> None:
    """The solver's reading of a case is the table's, at a point inside and one outside."""
    cases = [*BANNED, Banned("f", "x", (Empty("granted"), Flagged("picture.exposed", False)))]
    points = [BENIGN, {**BENIGN, "granted": frozenset()}]
    points += [{**BENIGN, "operations": frozenset()}, {**BENIGN, "picture.swap_consents": 1}]
    for case in cases:
        for point in points:
            space, solver = Space(), z3.Solver()
            solver.add(space.is_point(point), space.banned(case))
            assert (solver.check() == z3.sat) is case.covers(point)
    assert HasAny("operations", ("hair",)) != HasAny("granted", ("hair",))


@pytest.mark.parametrize("operator", [Operator.CONTAINS, Operator.CONTAINS_ANY, Operator.LESS, Operator.ADD])
def test_an_operation_on_something_unknown_is_unknown(operator: Operator) -> None:
    """Whatever is done with what nobody can read may come to anything."""
    unknown = Other("somebody")
    term = Binary(operator, unknown, Attribute(("stage",)))
    if operator is Operator.ADD:
        term = Binary(Operator.LESS, term, Value(1))
    space = Space()
    held = space.rule(replace(rules(PERMIT)[0], conditions=(term,)))
    for wanted in (held.value, z3.Not(held.value), held.errs, z3.Not(held.errs)):
        solver = z3.Solver()
        solver.add(wanted)
        assert solver.check() == z3.sat
