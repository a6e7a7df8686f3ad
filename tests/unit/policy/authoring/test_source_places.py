"""Places in policy text: which text is meant, where its rules are, and where the fault of one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.authoring.writing.source_places import comments_of, faults_of, read_source, rules_of
from consent_edit.policy.limits import MAX_FILE_BYTES

SCOPE = '(principal, action == Action::"edit", resource)'
ALL = f'@id("all") @reason("r") permit {SCOPE};\n'


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
    "a word without its type": (
        f'permit {SCOPE}\nwhen {{ context.age == "minor" }};',
        2,
        23,
        "String and Age",
    ),
    "a bracket never closed": (
        f'permit {SCOPE}\nwhen {{ [Operation::"hair".contains(context.operations) }};',
        2,
        8,
        "ends inside a bracket",
    ),
    "a bracket too many": (f"permit {SCOPE}\nwhen {{ context.picture.exposed) }};", 2, 31, "never opened"),
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


REMEDIES = {
    'context.age == "minor"': 'write Age::"minor"',
    '"minor" == context.age': 'write Age::"minor"',
    '["minor", "adult"].contains(context.age)': 'write Age::"minor", Age::"adult"',
    'context.stage == Stage::"input" && context.operations.contains("hair")': 'write Operation::"hair"',
    '["hair"].containsAll(context.operations)': 'write Operation::"hair"',
    'context.age in ["minor"]': 'write each word with its type before it, as in Age::"adult"',
    '[Operation::"hair".contains(context.operations)': "close the bracket [ with ]",
    "(context.picture.exposed": "close the bracket ( with )",
    "context.picture.exposed)": "take the bracket ) out, or open one for it",
    'context.age == Age::"minor': "close the quote",
    '(context.age == Age::"minor': "close the quote",
}


@pytest.mark.parametrize("condition", REMEDIES)
def test_a_fault_has_a_next_step(condition: str) -> None:
    """A word is shown with its type; a bracket or a quote is to be closed."""
    (fault,) = faults_of(f'@id("x") @reason("\\"r\\" ) of it") permit {SCOPE} when {{ {condition} }};')
    assert fault.remedy == REMEDIES[condition]


def test_a_rule_without_its_annotations_is_told_which_to_add() -> None:
    """Who it is, and why it is there."""
    nameless, silent = faults_of(f'@reason("r") permit {SCOPE};\n@id("x") permit {SCOPE};')
    assert (nameless.line, silent.line) == (1, 2)
    assert nameless.remedy.startswith('add @id("…")')
    assert silent.remedy.startswith('add @reason("…")')


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
    with pytest.raises(PolicyInvalid, match="there is no policy") as caught:
        read_source(place)
    assert "one of: default, newsroom, strict, try-on" in caught.value.remedy


def test_a_source_has_bounds(tmp_path: Path) -> None:
    """Over 64 KiB, or not UTF-8."""
    file = tmp_path / "policy.cedar"
    file.write_bytes(b"/" * (MAX_FILE_BYTES + 1))
    with pytest.raises(PolicyInvalid, match="over"):
        read_source(str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(PolicyInvalid, match="UTF-8"):
        read_source(str(file))
