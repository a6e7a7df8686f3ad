"""Lints: what in a valid policy deserves a second look."""

from __future__ import annotations

import pytest

from consent_edit.policy.authoring.writing.lint import lint
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.floor import judge
from consent_edit.policy.testing import benign, vary

SAYS = '@id("%s") @reason("r") @reason_fr("r") @remedy("r") @remedy_fr("r") '
SCOPE = '(principal, action == Action::"edit", resource)'
ALL = SAYS % "all" + f"permit {SCOPE};\n"


def forbid(condition: str, *, name: str = "it", clause: str = "when") -> str:
    return SAYS % name + f"forbid {SCOPE} {clause} {{ {condition} }};\n"


def permit(condition: str, *, name: str = "it", clause: str = "when") -> str:
    return forbid(condition, name=name, clause=clause).replace("forbid (", "permit (")


def lints(text: str, *, tested: bool = True, narrowing: bool = False) -> list[tuple[str, str]]:
    found = lint(PolicyBundle.from_text(text), tested=tested, narrowing=narrowing)
    assert all(warning.remedy for warning in found)
    return [(warning.rule, warning.message) for warning in found]


def test_a_policy_in_order_has_none() -> None:
    """A permit and a forbid that names what may pass, both with all their words."""
    assert lints(ALL + forbid('context.age == Age::"adult"', clause="unless")) == []


def test_words_that_are_missing() -> None:
    """French is missing, of the reason or of the remedy; and a refusal without a next step."""
    bare = '@id("it") @reason("r") forbid (principal, action, resource) when { context.picture.exposed };'
    assert lints(ALL + bare) == [
        ("it", "it does not say everything in French"),
        ("it", "it refuses without a next step"),
    ]
    assert lints(ALL + bare.replace('@reason("r")', '@reason("r") @reason_fr("r") @remedy("r")')) == [
        ("it", "it does not say everything in French")
    ]
    assert lints('@id("all") @reason("r") @reason_fr("r") permit (principal, action, resource);') == []


def test_a_policy_without_a_permit() -> None:
    """It refuses everything; a jurisdiction is meant to have none."""
    text = forbid("context.picture.exposed")
    assert lints(text) == [("", "no rule permits anything, so every edit is refused")]
    assert lints(text, narrowing=True) == []


def test_a_policy_without_a_test_file() -> None:
    """It says so."""
    assert lints(ALL, tested=False) == [("", "there is no test file beside it")]


FLOORED = [
    "Exposure::nude",
    "Exposure::explicit",
    "Exposure::undetermined",
    "Intent::sexual",
    "Checks::incomplete",
]
FACT = {
    "Exposure": "exposure",
    "Intent": "intent",
    "Checks": "checks",
    "ExposureChange": "exposure_change",
    "Age": "age",
}


def spelt(word: str) -> tuple[str, str]:
    kind, _, name = word.partition("::")
    return f"context.{FACT[kind]}", f'{kind}::"{name}"'


@pytest.mark.parametrize("word", FLOORED)
def test_a_permit_of_what_the_floor_refuses(word: str) -> None:
    """However it is written; and not where the value is named to be kept out."""
    fact, value = spelt(word)
    told = [("it", f"it permits {value}; the floor refuses this whatever a policy says")]
    assert lints(permit(f"{fact} == {value}")) == told
    assert lints(permit(f"{value} == {fact}")) == told
    assert lints(permit(f"[{value}].contains({fact})")) == told
    assert lints(permit(f"{fact} != {value}", clause="unless")) == told
    assert (
        lints(permit(f"context.picture.exposed || ({fact} == {value} && context.picture.faces > 1)")) == told
    )
    assert lints(permit(f"if context.picture.exposed then {fact} == {value} else true")) == told
    assert lints(permit(f"{fact} == {value}", clause="unless")) == []
    assert lints(permit(f"{fact} != {value}")) == []
    assert lints(ALL + forbid(f"{fact} == {value}")) == []


@pytest.mark.parametrize("word", FLOORED)
def test_the_floor_does_refuse_it(word: str) -> None:
    """What the lint says of the floor is so, at every stage and of whoever it is."""
    kind, _, name = word.partition("::")
    path = "checks" if kind == "Checks" else f"persons.{{}}.{FACT[kind]}"
    for stage in ("request", "input", "preview", "output"):
        for person in ("0", "unseen"):
            assert judge(vary(benign(stage, persons=1), {path.format(person): name}))


@pytest.mark.parametrize("word", ["ExposureChange::increased", "Age::minor"])
def test_a_forbid_of_a_bad_value_lets_the_unread_one_slip_through(word: str) -> None:
    """However it is written; and not where a rule names the good value, or the unread one too."""
    fact, value = spelt(word)
    kind = word.partition("::")[0]
    told = [("it", f'it names a bad value, so {kind}::"undetermined" slips through')]
    unread = f'{kind}::"undetermined"'
    assert lints(ALL + forbid(f"{fact} == {value}")) == told
    assert lints(ALL + forbid(f"[{value}].contains({fact})")) == told
    assert lints(ALL + forbid(f"{fact} != {value}", clause="unless")) == told
    assert lints(ALL + forbid(f"{fact} == {value} || {fact} == {unread}")) == []
    assert lints(ALL + forbid(f"{fact} == {value}") + forbid(f"{fact} == {unread}", name="other")) == []
    assert lints(ALL + forbid(f"{fact} != {value}")) == []
    assert lints(ALL + permit(f"{fact} == {value}"))[0][1].startswith("it changes no decision")


def test_a_forbid_of_a_region_lets_the_unmeasured_one_slip_through() -> None:
    """Pixels that changed nobody knows where may be those of the face."""
    text = ALL + forbid('context.touched.contains(Region::"face")')
    assert lints(text) == [("it", 'it names a bad value, so Region::"undetermined" slips through')]


def test_the_floor_keeps_the_other_unread_values() -> None:
    """Of facts that are not flagged, the floor refuses the unread value wherever a person may be touched."""
    clothing = {"operations": ["clothing"]}
    for stage in ("input", "output"):
        for fact in ("exposure", "intent"):
            assert judge(vary(benign(stage), {**clothing, f"persons.0.{fact}": "undetermined"}))
    assert judge(vary(benign(), {**clothing, "persons.0.identity_kept": "undetermined"}))
    for fact in ("exposure_change", "age"):
        assert not judge(vary(benign(), {**clothing, f"persons.0.{fact}": "undetermined"}))
    assert not judge(vary(benign(), {**clothing, "persons.0.touched": ["undetermined"]}))


@pytest.mark.parametrize(
    "condition",
    [
        "false",
        "!true",
        'context.stage == Stage::"input" && context.stage == Stage::"output"',
        'context.stage == Stage::"input" && (context.picture.exposed && Stage::"output" == context.stage)',
        "context.picture.exposed && !context.picture.exposed",
        "!(context.picture.exposed || context.picture.revealing) && context.picture.revealing",
    ],
)
def test_a_rule_that_can_never_apply(condition: str) -> None:
    """Only what is certain is told."""
    told = ("it", "it can never apply")
    assert told in lints(ALL + forbid(condition))


def test_a_rule_that_may_apply() -> None:
    """Two facts with two values, or one fact under an or, contradict nothing."""
    kept = 'context.stage == Stage::"input" && context.checks == Checks::"complete"'
    either = 'context.stage == Stage::"input" || context.stage == Stage::"output"'
    assert lints(ALL + forbid(kept) + forbid(either, name="other")) == []


def test_a_rule_in_the_shadow_of_another() -> None:
    """Same effect, fewer conditions; of two that are equal the later one."""
    wide, narrow = "context.picture.exposed", "context.picture.exposed && context.picture.faces > 1"
    told = [("b", "it changes no decision: 'a' forbids whatever it forbids")]
    assert lints(ALL + forbid(wide, name="a") + forbid(narrow, name="b")) == told
    assert lints(ALL + forbid(narrow, name="b") + forbid(wide, name="a")) == told
    assert lints(ALL + forbid(wide, name="a") + forbid(wide, name="b")) == told
    assert lints(ALL + permit(wide, name="b")) == [
        ("b", "it changes no decision: 'all' permits whatever it permits")
    ]
    assert lints(permit(wide, name="a") + forbid(wide, name="b")) == []
    assert lints(ALL + forbid(wide, name="a") + forbid("context.picture.faces > 1", name="b")) == []


def test_conditions_without_a_word_say_nothing() -> None:
    """A double negation is none, and a rule about numbers alone names no value."""
    assert lints(
        ALL + forbid("!(!context.picture.exposed)", name="a") + forbid("context.picture.exposed", name="b")
    ) == [("b", "it changes no decision: 'a' forbids whatever it forbids")]
    assert lints(ALL + forbid("context.picture.faces > 1 && true")) == []
