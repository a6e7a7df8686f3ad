"""policy diff: exact against chance, group by group, and honest where it is not exact."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points_at_random import codes, point, speaks_of

from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.policy.authoring.comparing import all_compared, two_policies
from consent_edit.policy.authoring.comparing.difference import Difference, compare
from consent_edit.policy.authoring.comparing.example_pictures import MAX_PERSONS, Example
from consent_edit.policy.authoring.comparing.two_policies import ChangeKind
from consent_edit.policy.authoring.comparing.value_classes import atoms_of
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import decide
from consent_edit.policy.testing import benign, vary
from consent_edit.shipped import shipped

sys.path.append(str(Path(__file__).parents[3] / "floor"))
from facts_strategy import policies

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
DEFAULT = PolicyBundle.shipped("default")
SHIPPED = sorted(path.name for path in shipped("policies").iterdir() if (path / "policy.cedar").exists())


def policy(*conditions: str) -> PolicyBundle:
    """Everything is permitted but what one of the conditions forbids."""
    rules = (
        f'@id("r{at}") @reason("r") forbid (principal, action, resource) when {{ {one} }};'
        for at, one in enumerate(conditions)
    )
    return PolicyBundle.from_text(PERMIT + "\n".join(rules))


def kinds(old: frozenset[str], new: frozenset[str]) -> set[tuple[ChangeKind, str, str]]:
    """What a difference must say of a point with these codes."""
    if old == new:
        return set()
    if not new:
        return {(ChangeKind.NEWLY_ALLOWED, "", "")}
    if not old:
        return {(ChangeKind.NEWLY_REFUSED, "", "")}
    gone = {(ChangeKind.OTHER_REASONS, code, "") for code in old - new}
    return gone | {(ChangeKind.OTHER_REASONS, "", code) for code in new - old}


def told(found: Difference, atoms, at, old: frozenset[str], new: frozenset[str]) -> set:
    """What a difference says of a point; newly refused is told of what was allowed, and so on."""
    said = set()
    for change in found.changes:
        if not speaks_of(change, atoms, at):
            continue
        if change.kind is ChangeKind.OTHER_REASONS:
            if old and new:
                said.add((change.kind, *(side[0] if side else "" for side in (change.old, change.new))))
        elif change.kind is ChangeKind.NEWLY_ALLOWED or not old:
            said.add((change.kind, "", ""))
    return said


def agrees(old, new, dice: random.Random, points: int, limit: int = 5_000) -> Difference:
    """Whatever chance finds, the difference says exactly that of it."""
    found, atoms = compare(old, new, limit=limit), atoms_of((old.rules, new.rules))
    if found.exact:
        for _ in range(points):
            at = point(dice, most=4)  # where numbers are compared, above 4 they stand for others alike
            before, after = codes(old, at), codes(new, at)
            assert told(found, atoms, at, before, after) == kinds(before, after), (at, found.changes)
    return found


@settings(max_examples=15, deadline=None)
@given(policies, policies, st.integers(0, 10**6))
def test_a_difference_says_of_every_point_exactly_what_the_engine_says(first, second, seed):
    """Over policies at random: equal iff no point differs, and each cube holds at every one of its points."""
    old, new = (PolicyBundle.from_text(PERMIT + text) for text in (first, second))
    agrees(old, new, random.Random(seed), 40)


@settings(max_examples=15, deadline=None)
@given(policies, st.integers(0, 10**6))
def test_without_a_permit_for_all_it_is_exact_too(text, seed):
    """Nothing permitted is a reason like any other."""
    agrees(PolicyBundle.from_text(text), policy("context.picture.exposed"), random.Random(seed), 40)


@pytest.mark.parametrize("new", SHIPPED)
def test_shipped_policies_are_compared_exactly(new):
    """From the default to any of them the answer is exact and right wherever chance looks."""
    found = agrees(DEFAULT, PolicyBundle.shipped(new), random.Random(7), 100, limit=60_000)
    assert found.exact
    assert found.equal is (new == "default")


CROSSING = [
    "context.granted.containsAll(context.operations)",
    "context.operations == context.granted",
    'context.operations.containsAny(context.granted) && context.granted.contains(Operation::"hair")',
    'context.operations.contains(Operation::"face_swap") || context.granted.containsAll(context.operations)',
    "context.picture.persons == context.picture.faces",
    "context.picture.swap_consents < context.picture.faces && context.picture.persons > 3",
    '[Operation::"tone", Operation::"hair"].containsAll(context.operations)',
    'context.operations == [Operation::"hair"]',
    "context.operations.isEmpty() || context.touched.isEmpty()",
    'if context.picture.all_adults then context.age == Age::"minor" else context.kind == PersonKind::"body"',
    "context.picture.exposed == context.picture.revealing",
    'context.consent != ConsentStatus::"revoked" && context.assurance == Assurance::"low"',
    'context.environment == Environment::"demo"',
    "context.picture.persons == 3 || context.picture.persons >= 5",
]


@pytest.mark.parametrize("one", CROSSING)
@pytest.mark.parametrize("other", CROSSING[:2])
def test_facts_that_are_compared_with_each_other(one, other):
    """Sets, numbers and flags that meet in one rule are told exactly."""
    assert agrees(policy(one), policy(other), random.Random(3), 60).exact


@pytest.mark.parametrize(
    "hidden",
    [
        'context.consent == ConsentStatus::"wrong_purpose"',
        'context.assurance == Assurance::"self_asserted"',
        'context.touched.contains(Region::"undetermined")',
        'context.operations.contains(Operation::"makeup")',
        'context.identity_kept == IdentityKept::"foreign"',
        "context.picture.persons == 41",
        'context.kind == PersonKind::"possible_face"',
    ],
)
def test_attack_a_difference_hidden_in_one_word(hidden):
    """However rare the word, one rule more or less is found, and its example is such a point."""
    found = compare(policy(), policy(hidden))
    assert found.exact and not found.equal
    (change,) = found.changes
    assert (change.kind, change.new) == (ChangeKind.NEWLY_REFUSED, ("policy.r0",))
    assert compare(policy(hidden), policy()).changes[0].kind is ChangeKind.NEWLY_ALLOWED


def test_attack_a_difference_only_where_benign_facts_do_not_lead():
    """Somebody without consent may be in a picture, as long as she is a body: facts unread are chosen so."""
    found = compare(policy(), policy('context.consent == ConsentStatus::"absent"'))
    assert not found.equal
    example = found.changes[0].example.change
    assert example["persons.0.consent"] == "absent"
    assert example.get("persons.0.kind", "face") != "face" or example["persons.0.recognisable"] == "no"


@pytest.mark.parametrize(
    "floors",
    [
        'context.exposure == Exposure::"nude"',
        'context.intent == Intent::"sexual"',
        'context.checks == Checks::"incomplete"',
        "!context.picture.all_adults && context.picture.more_exposed",
        'context.kind == PersonKind::"face" && context.recognisable == Recognisable::"yes" && '
        'context.consent == ConsentStatus::"revoked"',
    ],
)
def test_what_the_floor_refuses_anyway_is_no_difference(floors):
    """A rule that repeats the floor changes nothing; the points are counted."""
    found = compare(policy(), policy(floors))
    assert found.equal and found.exact and found.changes == ()
    assert found.left_to_floor > 0


def test_order_and_comments_are_no_difference():
    """Rules the other way round decide alike."""
    one, other = policy("context.picture.exposed", "context.picture.revealing"), None
    lines = one.text.splitlines()
    other = PolicyBundle.from_text("\n".join(("// why", *reversed(lines))))
    found = compare(one, other)
    assert found.equal and found.exact
    assert found.rules.added == found.rules.removed == found.rules.changed == ()
    assert one.digest != other.digest


def test_same_decisions_by_other_words():
    """Conditions that come to the same are equal, and the rule counts as changed."""
    found = compare(policy('!(context.age == Age::"adult")'), policy('context.age != Age::"adult"'))
    assert found.equal and found.exact
    assert found.rules.changed == ("policy.r0",)


def test_rules_added_removed_and_reworded():
    """The text's own changes are told by code."""
    old = policy("context.picture.exposed", "context.picture.revealing")
    new = PolicyBundle.from_text(
        old.text.replace('"r1") @reason("r")', '"r1") @reason("s")').replace('"r0"', '"r9"')
    )
    rules = compare(old, new).rules
    assert (rules.added, rules.removed, rules.reworded) == (("policy.r9",), ("policy.r0",), ("policy.r1",))


def test_reasons_that_change_where_both_refuse():
    """Another code for the same refusal is a difference, by the code that came."""
    found = compare(policy("context.picture.exposed"), policy("false", "context.picture.exposed"))
    assert not found.equal
    assert {(change.kind, change.old, change.new) for change in found.changes} == {
        (ChangeKind.OTHER_REASONS, ("policy.r0",), ()),
        (ChangeKind.OTHER_REASONS, (), ("policy.r1",)),
    }


def test_over_budget_says_so():
    """A limit too low gives a sample, which finds what it finds and never calls itself exact."""
    strict = PolicyBundle.shipped("strict") if "strict" in SHIPPED else policy(*CROSSING)
    found = compare(DEFAULT, strict, limit=50)
    assert not found.exact
    assert "sample" in found.doubts[0]
    assert found == compare(DEFAULT, strict, limit=50)


def test_a_sample_meets_every_two_answers():
    """Of any two questions every pair of answers is asked, where the limit has room for it."""
    rules = (policy(*CROSSING[6:]).rules,)
    atoms = atoms_of(rules)
    answers = list(all_compared._sample(atoms, 3_000))
    assert atoms.points > 3_000 >= len(answers)
    sizes = [len(coordinate.cells) for coordinate in atoms.coordinates]
    for one in range(len(sizes)):
        for other in range(one + 1, len(sizes)):
            met = {(each[one], each[other]) for each in answers}
            assert len(met) == sizes[one] * sizes[other]


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("context.picture.faces + 1 > context.picture.persons", "computes with numbers"),
        ("context.picture.faces * 2 < 5", "computes with numbers"),
        ('[context.age].contains(Age::"minor")', "compares more than facts and words"),
        ('(if context.picture.exposed then Age::"minor" else Age::"adult") == context.age', "compares more"),
        ('principal == Requester::"requester"', "is not analysed"),
    ],
)
def test_forms_that_are_not_analysed_are_said(condition, why):
    """Arithmetic and odd forms are asked of the engine point by point, and the answer says so."""
    found = compare(policy(), policy(condition))
    assert not found.exact
    assert any(why in doubt and "r0" in doubt for doubt in found.doubts)
    assert not found.equal


def test_attack_an_overflow_that_errs():
    """A rule that errs on some points refuses there, and that is told like any refusal."""
    found = compare(policy(), policy("context.picture.faces + 9223372036854775807 > 0 && false"))
    assert not found.equal
    assert found.changes[0].new == ("check.policy-engine-failed",)


def test_an_engine_that_says_otherwise_stops_the_comparison(monkeypatch):
    """What the analysis makes out is asked of the engine; if it disagrees nothing is said."""
    monkeypatch.setattr(two_policies.Side, "asked", lambda self, values: frozenset())
    with pytest.raises(CheckFailed) as caught:
        compare(policy(), policy("context.picture.exposed"))
    assert caught.value.code == "check.policy-analysis"


def test_facts_that_nobody_reads_are_named():
    """What neither reads plays no part, and is said."""
    found = compare(policy(), policy("context.picture.exposed"))
    assert found.read == ("picture.exposed",)
    assert "age" in found.unread and "picture.exposed" not in found.unread


def test_a_limit_below_one_is_refused():
    """There is nothing to compare at."""
    with pytest.raises(ArgumentRejected):
        compare(DEFAULT, DEFAULT, limit=0)


def test_benign_is_among_what_is_compared():
    """A rule against the most ordinary edit is a difference everywhere."""
    (change,) = compare(policy(), policy('context.stage == Stage::"output"')).changes
    assert [one.text for one in change.conditions] == ["stage is output"]
    assert change.example == Example("output", 1, {}, whole=True)
    assert benign().stage == "output"


def tried(example: Example, bundle: PolicyBundle) -> frozenset[str]:
    """What a policy says of an example, as ``policy explain`` takes it."""
    return frozenset(decide(vary(benign(example.stage, example.persons), example.change), bundle).codes)


@pytest.mark.parametrize("new", SHIPPED)
def test_examples_can_be_tried(new):
    """Each is a whole picture; where it says so, deciding on it shows the very change it stands for."""
    after = PolicyBundle.shipped(new)
    for change in compare(DEFAULT, after).changes:
        before, now = tried(change.example, DEFAULT), tried(change.example, after)
        if not change.example.whole:
            continue
        gone, come = (frozenset(codes) for codes in (change.old, change.new))
        if change.kind is ChangeKind.OTHER_REASONS:
            assert before and now and gone <= before - now and come <= now - before
        else:
            assert bool(before) is (change.kind is ChangeKind.NEWLY_ALLOWED) is not bool(now)


@pytest.mark.parametrize(
    "one", [*CROSSING[4:6], "context.picture.persons == 4 && context.picture.faces == 2"]
)
def test_examples_of_what_a_picture_adds_up_to_can_be_tried(one):
    """Counts and flags are no facts that a test file could set; persons are."""
    for change in compare(policy(), policy(one)).changes:
        assert change.example.whole and tried(change.example, policy(one)) == {"policy.r0"}


def test_a_rule_about_more_persons_than_can_be_listed():
    """Its example says how many, and is no picture."""
    (change,) = compare(policy(), policy(f"context.picture.persons > {MAX_PERSONS}")).changes
    assert change.example.persons > MAX_PERSONS and not change.example.whole
    huge = compare(policy(), policy("context.picture.persons > 9000000000000000000")).changes[0]
    assert huge.example.persons > MAX_PERSONS


def test_what_cannot_be_is_no_difference():
    """Nobody who was not found looks altered, so a rule about that changes nothing."""
    when = 'context.kind == PersonKind::"unseen" && context.identity_kept == IdentityKept::"altered"'
    assert compare(policy(), policy(when)).equal


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ('context.kind == PersonKind::"unseen"', "for whoever nobody found"),
        ('context.kind != PersonKind::"unseen"', "for everybody found"),
        (
            '!([Operation::"hair", Operation::"tone"].containsAll(context.operations))',
            "the edit does something other than hair or tone (for example background)",
        ),
        (
            '!context.operations.containsAny([Operation::"hair", Operation::"tone"])',
            "the edit does none of hair, tone",
        ),
        ('context.operations.contains(Operation::"hair")', "the edit does hair"),
    ],
)
def test_conditions_are_plain_words(condition, said):
    """As somebody would say them who does not know the rules' language."""
    (change,) = compare(policy(), policy(condition)).changes
    assert [one.text for one in change.conditions] == [said]


def test_some_of_many_numbers_is_said_in_words():
    """Where counts are compared with each other, no condition speaks of numbers that stand for others."""
    for change in compare(policy(), policy(*CROSSING[4:6])).changes:
        assert not any(" like " in one.text for one in change.conditions)


def test_every_region_is_told_to_who_watches():
    """A long comparison can show how far it is."""
    ticks: list[int] = []
    compare(policy(), policy("context.picture.exposed"), tick=lambda: ticks.append(1))
    assert len(ticks) > 2
    ticks.clear()
    compare(policy(), policy(*CROSSING), limit=7, tick=lambda: ticks.append(1))
    assert len(ticks) > 7


def test_each_policy_is_asked_once_for_a_context(monkeypatch):
    """The engine is what costs: nothing is asked twice, and where one answer settles it the other is not."""
    asked: list[tuple[str, str]] = []
    refusals_of = PolicyBundle.refusals_of

    def counted(self, context):
        asked.append((self.digest, context))
        return refusals_of(self, context)

    monkeypatch.setattr(PolicyBundle, "refusals_of", counted)
    assert compare(policy("context.picture.exposed"), policy("context.picture.revealing")).exact
    assert len(asked) == len(set(asked))


def test_an_example_that_something_else_refuses_says_so():
    """A swap takes two faces: where two persons are one too many, no whole picture shows the change."""
    old, new = (
        policy("context.picture.persons > 1", *more)
        for more in ((), ('context.operations.contains(Operation::"face_swap")',))
    )
    refused = [one for one in compare(old, new).changes if one.kind is ChangeKind.NEWLY_REFUSED]
    assert refused and not any(one.example.whole for one in refused)
