"""Changed floors: what the proof cannot tell from the real one is reported, and nothing else is."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from consent_edit.errors import CheckFailed
from consent_edit.policy.floor import FloorRule
from consent_edit.policy.proof.changed_floors import cedar_mutants as cedar_module
from consent_edit.policy.proof.changed_floors import python_mutants as python_module
from consent_edit.policy.proof.changed_floors.cedar_mutants import (
    CedarMutant,
    cedar_mutants,
    told_apart,
    try_cedar,
)
from consent_edit.policy.proof.changed_floors.changes import changes
from consent_edit.policy.proof.changed_floors.mutants import Fate, Tally, tally
from consent_edit.policy.proof.changed_floors.python_mutants import Evidence, floor_tree, run, try_python
from consent_edit.policy.proof.evaluate import evaluator
from consent_edit.policy.proof.footprint import floor_source
from consent_edit.policy.proof.mirror import Mirror
from consent_edit.policy.proof.pictures import judged, summed_pictures
from consent_edit.policy.proof.solver.claims import same_rule
from consent_edit.policy.proof.space import BENIGN
from consent_edit.policy.proof.table import RuleTable
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
    Value,
    Word,
)

NUDITY = FloorRule.NUDITY_OF_REAL_PERSON.value
INTENT = FloorRule.SEXUAL_INTENT.value


def blind(tables: dict[str, RuleTable], *rules: str) -> tuple[RuleTable, ...]:
    """All tables, those of some rules without a row."""
    return tuple(replace(t, rows=()) if t.rule in rules else t for t in tables.values())


def test_what_was_neither_killed_nor_proven_the_same_survives() -> None:
    """And only that; a tally of nothing does not hold."""
    fates = [Fate("a", "one", True), Fate("a", "two", False, True), Fate("b", "three", False)]
    found = tally(fates)
    assert (found.made, found.killed) == ({"a": 2, "b": 1}, {"a": 1})
    assert (found.equivalent, found.survivors) == (("two",), ("three",))
    assert not found.holds
    assert tally(fates[:2]).holds
    assert not Tally().holds
    assert found.to_json() == {"made": 3, "killed": 1, "equivalent": 1}


def test_a_changed_mirror_that_the_table_misses_survives(
    mirror: Mirror, tables: dict[str, RuleTable]
) -> None:
    """Were the table blind for a rule, every change of that rule would be reported."""
    whole = try_cedar(mirror.rules, tuple(tables.values()), same_rule)
    assert whole.survivors == ()
    found = try_cedar(mirror.rules, blind(tables, NUDITY), same_rule)
    assert found.survivors
    assert all(name.startswith(NUDITY) for name in found.survivors)
    assert sum(found.made.values()) == sum(whole.made.values())


def test_a_changed_mirror_that_is_no_change_is_proven_to_be_none(
    mirror: Mirror, tables: dict[str, RuleTable]
) -> None:
    """A doubled condition can lose one half: the solver says so, and it is counted apart."""
    rule = next(rule for rule in mirror.rules if rule.id == NUDITY)
    doubled = replace(rule, conditions=rule.conditions * 2)
    found = try_cedar([doubled], tuple(tables.values()), same_rule)
    dropped = [name for name in found.equivalent if name.endswith("dropped")]
    assert len(dropped) == 2
    assert found.survivors == ()
    assert try_cedar([doubled], tuple(tables.values()), lambda *_: False).survivors


def test_a_changed_mirror_that_errs_is_told(tables: dict[str, RuleTable], mirror: Mirror) -> None:
    """An error is not the real rule's verdict."""
    rule = next(rule for rule in mirror.rules if rule.id == NUDITY)
    over = Binary(Operator.ADD, Value(2**63 - 1), Attribute(("picture", "persons")))
    errs = replace(rule, conditions=(Binary(Operator.LESS, over, Value(0)),))
    assert told_apart(CedarMutant("x", "x", rule, errs), tables[NUDITY])


def test_changes_of_every_kind_of_term() -> None:
    """Each form of a term is changed in itself, and rebuilt around a change below it."""
    flag, count = Attribute(("picture", "exposed")), Attribute(("picture", "faces"))
    tone = Word("Operation", "tone")
    condition = IfThenElse(
        Not(IsEmpty(Attribute(("operations",)))),
        Binary(Operator.LESS, Negative(count), Value(2)),
        Binary(Operator.OR, Binary(Operator.CONTAINS, SetOf((tone,)), tone), Other("x", (flag, Value(True)))),
    )
    made = list(cedar_mutants([RuleTerm("floor.x", Effect.FORBID, (condition,))]))
    kinds = {mutant.kind for mutant in made}
    assert {
        "rule dropped",
        "forbid to permit",
        "condition dropped",
        "condition negated",
        "negation dropped",
        "negated",
        "< replaced",
        "number",
        "|| replaced",
        "operand dropped",
        "element in",
        "word replaced",
        "constant",
    } <= kinds
    assert "element out" not in kinds
    assert len({str(mutant.changed) for mutant in made}) == len(made)


def test_a_term_without_parts_is_rebuilt_as_itself() -> None:
    """There is nothing in it to be put elsewhere."""
    for leaf in (Word("Operation", "tone"), Attribute(("stage",)), Value(1)):
        assert cedar_module._with(leaf, ()) == leaf


def test_the_tree_evaluator_does_not_guess() -> None:
    """What has no meaning, and what is of the wrong kind, raises."""
    with pytest.raises(CheckFailed):
        evaluator(Other("x"))
    for term in (IsEmpty(Value(1)), Negative(Value(True)), Negative(Value("a"))):
        with pytest.raises(CheckFailed):
            evaluator(term)(BENIGN)


@pytest.fixture(scope="module")
def evidence(tables: dict[str, RuleTable], mirror: Mirror) -> Evidence:
    """What changed Python floors are tried against."""
    return Evidence(tuple(tables.values()), summed_pictures(), judged(mirror, 60))


def fates(monkeypatch: pytest.MonkeyPatch, evidence: Evidence, part: str) -> Tally:
    """Try the changes of one function or constant."""
    monkeypatch.setattr(
        python_module,
        "changes",
        lambda tree: (change for change in changes(tree) if part in (change.function, change.constant)),
    )
    return try_python(evidence)


def test_the_floor_written_out_is_the_floor(evidence: Evidence) -> None:
    """Unchanged, with the vocabulary's sets in it, it is told apart from nothing."""
    names = run(compile(floor_tree(), "floor", "exec"))
    assert not python_module.told_apart(names, evidence, "")
    kept = {change.constant for change in changes(floor_tree())}
    assert {"PHOTO_BOUND_OPERATIONS", "WHOLE_PICTURE_OPERATIONS", "_SWAP_PARTIES", "RULES"} <= kept


@pytest.mark.parametrize(
    "part", ["judge", "_present", "_nudity_of_real_person", "WHOLE_PICTURE_OPERATIONS", "RULES"]
)
def test_changed_floors_are_noticed(part: str, evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the judge, in the sum, in a rule, in a set of the vocabulary, in the table of rules."""
    found = fates(monkeypatch, evidence, part)
    assert found.holds
    assert found.killed == found.made


def test_a_changed_floor_that_nothing_tells_survives(
    evidence: Evidence, tables: dict[str, RuleTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the table blind for nudity and the pictures away, a rule that never refuses would survive."""
    nothing = Evidence(blind(tables, NUDITY), (), ())
    found = fates(monkeypatch, nothing, "_nudity_of_real_person")
    assert any("returns False at once" in name for name in found.survivors)
    assert fates(monkeypatch, Evidence(evidence.tables, (), ()), "_present").survivors
    assert fates(monkeypatch, Evidence(evidence.tables, (), ()), "judge").survivors


def test_the_table_alone_notices_every_change_of_a_rule(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by luck, in a picture drawn at random, but at some point of the product."""
    elsewhere = {"picture_aggregate", "_present", "judge", "_UNREVEALING_INTENTS"}
    monkeypatch.setattr(
        python_module,
        "changes",
        lambda tree: (c for c in changes(tree) if not {c.function, c.constant} & elsewhere),
    )
    found = try_python(Evidence(evidence.tables, (), ()))
    assert sum(found.made.values()) > 200
    assert found.survivors == ()


def test_a_change_that_is_none_is_proven_at_every_point(
    evidence: Evidence, tables: dict[str, RuleTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreadable prompt is dealt with first, so listing it as answered too changes nothing, anywhere."""
    found = fates(monkeypatch, evidence, "_ANSWERED_INTENTS")
    (same,) = found.equivalent
    assert same.endswith("Intent.UNDETERMINED}")
    assert found.survivors == ()
    monkeypatch.setattr(python_module, "_MOST_POINTS", 10)
    assert fates(monkeypatch, evidence, "_ANSWERED_INTENTS").survivors == found.equivalent
    monkeypatch.undo()
    missed = fates(monkeypatch, Evidence(blind(tables, INTENT), (), ()), "_ANSWERED_INTENTS")
    assert len(missed.survivors) >= 2
    assert same not in missed.survivors


def test_counts_without_end_are_not_called_the_same(
    tables: dict[str, RuleTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a rule reads a count, trying all of them is not possible and is not claimed."""
    nothing = Evidence(blind(tables, *tables), (), ())
    found = fates(monkeypatch, nothing, "_SWAP_PARTIES")
    assert (len(found.survivors), found.equivalent) == (2, ())


def test_a_statement_that_no_change_knows_is_reported() -> None:
    """A new form in the floor is not passed over: changed into itself, it survives and is seen."""
    tree = ast.parse(floor_source() + "\nif True:\n    pass\n")
    unforeseen = [change for change in changes(tree) if change.kind == "unforeseen"]
    assert len(unforeseen) == 1
    assert unforeseen[0].old is unforeseen[0].new


def test_changes_below_any_form_are_found() -> None:
    """Whatever stands around it, a change is found; what is no syntax has none."""
    tree = ast.parse("def rule(x) -> bool:\n    return (lambda *, a: not a)(a=x)")
    assert "not dropped" in {change.kind for change in changes(tree)}


def test_a_tree_is_as_it_was_after_all_changes(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change undone leaves no trace for the next one."""
    tree = floor_tree()
    before = ast.dump(tree)
    monkeypatch.setattr(python_module, "told_apart", lambda *_: True)
    assert try_python(evidence, tree).holds
    assert ast.dump(tree) == before
