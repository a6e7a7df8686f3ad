"""Lints and places: what in a valid policy deserves a second look, and where the fault of another is."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.authoring.writing.lint import lint
from consent_edit.policy.authoring.writing.source_places import (
    comments_of,
    faults_of,
    folder_of,
    read_source,
    rules_of,
)
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.floor import judge
from consent_edit.policy.limits import MAX_FILE_BYTES
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


BROKEN = {
    "a word that is none": (
        f'permit {SCOPE}\nwhen {{ context.stage == Stage::"end" }};',
        2,
        25,
        "not declared",
    ),
    "a fact that is none": (f"permit {SCOPE}\nwhen {{\n  context.mood }};", 3, 11, "mood"),
    "one equals sign": (f'permit {SCOPE}\nwhen {{ context.stage = Stage::"input" }};', 2, 22, "'='"),
    "a comma that is missing": ('permit (principal, action == Action::"edit" resource);', 1, 45, "resource"),
    "a word that is none, twice": (
        f'permit {SCOPE}\nwhen {{ context.stage == Stage::"end" || context.stage == Stage::"end" }};',
        1,
        1,
        "not declared",
    ),
    "a type that does not fit": (f"permit {SCOPE}\nwhen {{ context.stage == 3 }};", 1, 1, "not compatible"),
    "no semicolon": (f"permit {SCOPE}", 1, 1, "semicolon"),
    "a quote never closed": (f'permit {SCOPE}\nwhen {{ context.stage == Stage::"input }};', 1, 1, "quote"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_fault_has_a_place(what: str) -> None:
    """Line and column in the whole text, the line itself, and the engine's words without its own names."""
    rule, line, column, said = BROKEN[what]
    text = f'// above "; it\n{ALL}\n@id("broken")\n@reason("r")\n{rule}'
    (fault,) = faults_of(text)
    above = 5
    place = (fault.line, fault.column)
    assert place == ((above + line, column) if (line, column) != (1, 1) else (4, 1))
    assert fault.source == text.split("\n")[fault.line - 1].strip()
    assert said in fault.message
    assert "policy0" not in fault.message


def test_every_fault_is_told() -> None:
    """One a rule, up to ten; a good rule between them has none."""
    bad = '@id("x") @reason("r") permit (principal, action, resource) when { context.no };\n'
    assert [fault.line for fault in faults_of(bad + ALL + bad)] == [1, 3]
    assert len(faults_of(bad * 12)) == 10
    assert faults_of(ALL) == ()


def test_an_id_taken_twice_has_a_place() -> None:
    """The later rule, with the line of the earlier one."""
    (fault,) = faults_of(ALL + "// between\n" + ALL)
    assert (fault.line, fault.message) == (3, "the @id `all` is taken by the rule on line 1")


def test_rules_and_comments_are_told_apart() -> None:
    """A semicolon or two slashes in a string are neither an end nor a comment."""
    text = '// one; two\n@id("a") @reason("x; // y") permit (principal, action, resource); // last\n;'
    assert [(rule.line, rule.text[:3]) for rule in rules_of(text)] == [(2, "@id"), (3, ";")]
    assert comments_of(text) == ("// one; two", "// last")


def test_a_source_is_a_file_a_folder_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that ships is what ships, whatever lies here; a jurisdiction that ships is known as one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "policy.cedar").write_text(ALL)
    (tmp_path / "other.cedar").write_text(ALL)
    assert read_source("own").name == read_source("own/policy.cedar").name == "own"
    assert read_source("other.cedar").name == "other"
    assert read_source("eu").jurisdiction
    assert not read_source("strict").jurisdiction
    (tmp_path / "strict").mkdir()
    (tmp_path / "strict" / "policy.cedar").write_text(ALL)
    assert read_source("strict").text != ALL
    assert read_source("./strict").text == ALL


@pytest.mark.parametrize("place", ["none", "../policies/default", "jurisdictions", "De fault", ""])
def test_a_source_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Neither here nor among those that ship; no name climbs out of their folder."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyInvalid, match="not a readable"):
        read_source(place)
    assert folder_of(place) is None


def test_a_source_has_bounds(tmp_path: Path) -> None:
    """Over 64 KiB, or not UTF-8."""
    file = tmp_path / "policy.cedar"
    file.write_bytes(b"/" * (MAX_FILE_BYTES + 1))
    with pytest.raises(PolicyInvalid, match="over"):
        read_source(str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(PolicyInvalid, match="UTF-8"):
        read_source(str(file))


def test_conditions_without_a_word_say_nothing() -> None:
    """A double negation is none, and a rule about numbers alone names no value."""
    assert lints(
        ALL + forbid("!(!context.picture.exposed)", name="a") + forbid("context.picture.exposed", name="b")
    ) == [("b", "it changes no decision: 'a' forbids whatever it forbids")]
    assert lints(ALL + forbid("context.picture.faces > 1 && true")) == []
