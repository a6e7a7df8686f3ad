"""floor.cedar beside floor.py: the same rules, and the same findings wherever chance looks.

The full product of what each rule reads is the proof's (policy/proof/table.py, run in test_prove.py).
"""

from __future__ import annotations

import pytest
from facts_strategy import any_facts
from hypothesis import given, settings

from consent_edit.errors import CheckFailed
from consent_edit.policy.context import contexts
from consent_edit.policy.digests import MIRROR_FILE
from consent_edit.policy.facts import Facts
from consent_edit.policy.floor import FloorRule, judge
from consent_edit.policy.proof.mirror import mirror_of, the_mirror
from consent_edit.policy.terms import Effect

TEXT = MIRROR_FILE.read_text(encoding="utf-8")


def test_the_mirror_has_exactly_the_floors_rules() -> None:
    """Each rule once, in the floor's order, none more, all of them forbids."""
    rules = the_mirror().rules
    assert [rule.id for rule in rules] == [rule.value for rule in FloorRule]
    assert {rule.effect for rule in rules} == {Effect.FORBID}


@settings(max_examples=60, deadline=None)
@given(any_facts)
def test_no_disagreement_at_random(facts: Facts) -> None:
    """Both floors find the same for every person, wherever chance looks."""
    mirror = the_mirror()
    ours = {(finding.rule.value, finding.person) for finding in judge(facts)}
    told = enumerate(contexts(facts, mirror.whole.reads))
    assert ours == {(rule, index) for index, text in told for rule in mirror.refusals(text)}


def test_a_rule_alone_is_the_rule_in_the_whole() -> None:
    """Cut into its rules, the mirror is still the same text; one that cannot be cut is not read."""
    for (name, alone), rule in zip(the_mirror().alone, the_mirror().rules, strict=True):
        assert (name, alone.rules[0].term) == (rule.id, rule)
    rule = "forbid (principal, action, resource);"
    with pytest.raises(CheckFailed, match="begins a line"):
        mirror_of(TEXT + f'@id("one") {rule} @id("two") {rule}')
