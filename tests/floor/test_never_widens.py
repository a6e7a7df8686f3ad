"""No operator policy, however written, turns a floor refusal into an allow, nor gives a person away."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from facts_strategy import any_facts, conditions, let_through, near_facts, policies
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.policy import floor
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import NOT_PERMITTED
from consent_edit.policy.decision import decide, public_view
from consent_edit.policy.facts import Facts
from consent_edit.policy.floor import judge
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import (
    Age,
    Assurance,
    ConsentStatus,
    IdentityKept,
    Operation,
    PersonKind,
    PhotoBinding,
)

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
DEFAULT = PolicyBundle.shipped("default")
BOX = (10, 20, 30, 40)


@settings(max_examples=70, deadline=None)
@given(st.one_of(any_facts, near_facts), policies)
def test_no_policy_allows_what_the_floor_refuses(facts: Facts, text: str) -> None:
    """Whatever valid policy is added to a permit-all, every finding of the floor stands."""
    found = {finding.rule.value for finding in judge(facts)}
    decision = decide(facts, PolicyBundle.from_text(PERMIT + text))
    assert found <= set(decision.codes)
    assert not (found and decision.allowed)


def refused(bundle: PolicyBundle, facts: Facts) -> set[tuple[str, int]] | None:
    """Forbids and whom they fall on, and who is not permitted; ``None`` when a rule errs."""
    try:
        return set(bundle.refusals(facts))
    except CheckFailed:
        return None


TWO_FORBIDS = (
    PERMIT + '@id("no-tone") @reason("r") forbid (principal, action, resource) '
    'when { context.operations.contains(Operation::"tone") };'
)


@settings(max_examples=100, deadline=None)
@given(let_through, st.sampled_from(["", PERMIT]), policies, conditions)
@example(benign(), "", PERMIT.replace("all", "other"), "true")
@example(benign(), "", TWO_FORBIDS, "false")
@example(benign("input", 2), "", TWO_FORBIDS, "context.picture.persons > 1")
def test_adding_a_restriction_never_widens(facts: Facts, base: str, text: str, condition: str) -> None:
    """What a policy refuses, it refuses with one more forbid: for the same persons, by the same forbids."""
    more = f'@id("more") @reason("r") forbid (principal, action, resource) when {{ {condition} }};'
    one, two = (PolicyBundle.from_text(base + text + rest) for rest in ("", "\n" + more))
    before, after = decide(facts, one), decide(facts, two)
    assert before.allowed or not after.allowed
    found, then = refused(one, facts), refused(two, facts)
    assert before.allowed is (found == set())
    if found is None or then is None:
        assert then is None
        return
    assert {who for _, who in found} <= {who for _, who in then}
    assert {(code, who) for code, who in found if code != NOT_PERMITTED} <= then


MANY = PERMIT + "".join(
    f'@id("no-{number}") @reason("r") forbid (principal, action, resource);\n' for number in range(6)
)


@settings(max_examples=40, deadline=None)
@given(st.one_of(any_facts, let_through), policies)
@example(benign(), MANY)
@example(vary(benign("output", 3), {"persons.1.consent": "revoked"}), MANY)
def test_same_facts_same_decision(facts: Facts, text: str) -> None:
    """Deciding again, with bundles compiled apart and one that remembers, gives equal decisions (G9)."""
    first, second = PolicyBundle.from_text(text), PolicyBundle.from_text(text)
    decision = decide(facts, first)
    assert decision == decide(facts, second) == decide(facts, first)
    assert decision.to_record() == decide(facts, second).to_record()


unverified = st.sampled_from([status for status in ConsentStatus if status is not ConsentStatus.VERIFIED])
secrets = st.fixed_dictionaries(
    {
        "consent": unverified,
        "assurance": st.sampled_from(Assurance),
        "age": st.sampled_from(Age),
        "photo": st.sampled_from(PhotoBinding),
        "granted": st.frozensets(st.sampled_from(Operation), max_size=3),
        "identity_kept": st.sampled_from(IdentityKept),
    }
)


WORDS_OF = {
    "consent": [f'context.consent == ConsentStatus::"{word.value}"' for word in ConsentStatus],
    "assurance": [f'context.assurance == Assurance::"{word.value}"' for word in Assurance],
    "age": [f'context.age == Age::"{word.value}"' for word in Age],
    "photo": [f'context.photo == PhotoBinding::"{word.value}"' for word in PhotoBinding],
    "granted": [f'context.granted.contains(Operation::"{word.value}")' for word in Operation],
    "identity_kept": [f'context.identity_kept == IdentityKept::"{word.value}"' for word in IdentityKept],
}


def forbidding(conditions: list[str]) -> str:
    return "".join(
        f'@id("reads-{number}") @reason("r") forbid (principal, action, resource) when {{ {condition} }};\n'
        for number, condition in enumerate(conditions)
    )


def first_as(facts: Facts, secret: dict) -> Facts:
    return replace(facts, persons=(replace(facts.persons[0], **secret), *facts.persons[1:]))


@pytest.mark.parametrize("fact", sorted(WORDS_OF))
@settings(max_examples=40, deadline=None)
@given(st.one_of(any_facts, near_facts, near_facts), secrets, secrets, policies)
def test_a_refusal_gives_nobody_away(fact: str, facts: Facts, one: dict, other: dict, text: str) -> None:
    """Enrolled, withdrawn or unknown: what only her credential could tell never changes the view (G7).

    The policy has a rule for each word of the fact.
    """
    assume(one[fact] != other[fact])
    assume(facts.persons[0].kind is not PersonKind.UNSEEN)
    bundle = PolicyBundle.from_text(PERMIT + forbidding(WORDS_OF[fact]) + text)
    boxes = (BOX,) * (len(facts.persons) - 1)
    first, second = decide(first_as(facts, one), bundle), decide(first_as(facts, other), bundle)
    assume(not first.allowed and not second.allowed)
    views = public_view(first, boxes), public_view(second, boxes)
    assert views[0] == views[1]
    if floor.recognisable_face(facts.persons[0]):
        assert BOX in views[0].boxes
        assert "consent.required" in views[0].codes
    assert not any(code.startswith("consent.") and code != "consent.required" for code in views[0].codes)


WHO = {
    "unknown": {"persons.0.consent": "absent", "persons.0.age": "undetermined", "persons.0.photo": "none"},
    "withdrawn": {"persons.0.consent": "revoked", "persons.0.photo": "exact"},
    "enrolled minor for somebody else": {"persons.0.consent": "wrong_grantee", "persons.0.age": "minor"},
    "simulated": {"persons.0.assurance": "simulated"},
    "self-asserted": {"persons.0.assurance": "self_asserted", "persons.0.photo": "none"},
}


@pytest.mark.parametrize("stage", ["input", "preview", "output"])
@pytest.mark.parametrize("operation", ["tone", "clothing", "face_swap"])
def test_unknown_withdrawn_and_enrolled_read_the_same(stage: str, operation: str) -> None:
    """One view for all of them, in words, codes, boxes and remedies, beside a second person who consented."""
    views = set()
    for who in WHO.values():
        facts = vary(benign(stage, 2), {**who, "operations": [operation], "persons.1.granted": ["face_swap"]})
        views.add(public_view(decide(facts, DEFAULT), (BOX, (0, 0, 9, 9))))
    (view,) = views
    assert "consent.required" in view.codes
    assert BOX in view.boxes
    assert view.message
    assert view.remedies


def test_a_rule_against_the_withdrawn_is_not_shown() -> None:
    """A rule that reads the status decides, and the record says so; the requester reads nothing of it."""
    bundle = PolicyBundle.from_text(
        PERMIT + '@id("withdrawn-person") @reason("She withdrew.") forbid (principal, action, resource) '
        'when { context.consent == ConsentStatus::"revoked" };'
    )
    face = decide(vary(benign(), {"persons.0.consent": "revoked"}), bundle)
    assert "policy.withdrawn-person" in face.codes
    view = public_view(face, (BOX,))
    assert "policy.withdrawn-person" not in view.codes
    assert "withdrew" not in view.message
    body = decide(vary(benign("input"), {"persons.0.consent": "revoked", "persons.0.kind": "body"}), bundle)
    assert public_view(body, (BOX,)).codes == ("policy.not-permitted",)


READS = {
    "age": ('context.age == Age::"minor"', {"persons.0.age": "minor"}),
    "assurance": ('context.assurance == Assurance::"low"', {"persons.0.assurance": "low"}),
    "photo": ('context.photo == PhotoBinding::"exact"', {"persons.0.photo": "exact"}),
    "granted": ('context.granted.contains(Operation::"hair")', {"persons.0.granted": ["hair"]}),
    "identity": ('context.identity_kept == IdentityKept::"altered"', {"persons.0.identity_kept": "altered"}),
}


@pytest.mark.parametrize("fact", sorted(READS))
def test_a_rule_that_reads_a_credential_is_not_shown(fact: str) -> None:
    """What only her credential or grant could have told the rules, the requester reads nothing of."""
    condition, known = READS[fact]
    rule = f'@id("reads") @reason("r") forbid (principal, action, resource) when {{ {condition} }};'
    bundle = PolicyBundle.from_text(PERMIT + rule)
    without = vary(benign(), {"persons.0.consent": "revoked", "persons.0.photo": "none"})
    plain, told = decide(without, bundle), decide(vary(without, known), bundle)
    assert "policy.reads" not in plain.codes
    assert "policy.reads" in told.codes
    assert public_view(plain, (BOX,)) == public_view(told, (BOX,))


def test_a_rule_that_fails_for_the_withdrawn_only_is_not_shown() -> None:
    """Not even an erring rule tells a withdrawn person from an unknown one."""
    bundle = PolicyBundle.from_text(
        PERMIT + '@id("errs") @reason("r") forbid (principal, action, resource) '
        'when { context.consent == ConsentStatus::"revoked" && '
        "context.picture.faces + 9223372036854775807 > 0 };"
    )
    withdrawn, unknown = (
        decide(vary(benign(), {"persons.0.consent": consent}), bundle) for consent in ("revoked", "absent")
    )
    assert "check.policy-engine-failed" in withdrawn.codes
    assert "check.policy-engine-failed" not in unknown.codes
    assert public_view(withdrawn, (BOX,)) == public_view(unknown, (BOX,))


def test_boxes_point_at_those_who_must_be_asked_and_at_nobody_else() -> None:
    """The consenting person's box stays out, unless she must consent to this very photo."""
    boxes = ((0, 0, 1, 1), (1, 1, 2, 2))
    facts = vary(benign("input", 2), {"persons.1.consent": "absent"})
    assert public_view(decide(facts, DEFAULT), boxes).boxes == boxes[1:]
    unbound = vary(benign("input", 2), {"operations": ["hair"], "persons.0.photo": "none"})
    assert public_view(decide(unbound, DEFAULT), boxes).boxes == boxes[:1]
    nudity = vary(benign("input", 2), {"persons.0.exposure": "nude"})
    assert public_view(decide(nudity, DEFAULT), boxes).boxes == ()


def test_boxes_that_do_not_fit_are_refused() -> None:
    """A box too many or too few would point at the wrong person; none at all is fine."""
    decision = decide(vary(benign("input", 2), {"persons.1.consent": "absent"}), DEFAULT)
    with pytest.raises(ArgumentRejected):
        public_view(decision, (BOX,))
    assert public_view(decision, ()).boxes == ()


def test_an_allowed_edit_reads_as_nothing() -> None:
    """There is no refusal to tell of."""
    view = public_view(decide(benign(), DEFAULT), (BOX,))
    assert (view.message, view.codes, view.boxes, view.remedies) == ("", (), (), ())


def test_a_view_reads_in_french() -> None:
    """Message and remedies follow the language, codes do not."""
    decision = decide(vary(benign("input"), {"persons.0.intent": "revealing"}), DEFAULT)
    english, french = public_view(decision, (BOX,)), public_view(decision, (BOX,), "fr")
    assert english.codes == french.codes == ("policy.revealing-intent",)
    assert french.message == "La demande cherche à dénuder davantage une personne."
    assert english.message == "The prompt asks to make a person more revealing."


def test_the_floor_imports_vocabulary_and_facts_only() -> None:
    """Nothing else can reach into it, and it reads nothing from outside."""
    tree = ast.parse(Path(floor.__file__).read_text(encoding="utf-8"))
    ours = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("consent_edit")
    }
    assert ours == {"consent_edit.policy.facts", "consent_edit.vocabulary"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal | ast.Import)]
