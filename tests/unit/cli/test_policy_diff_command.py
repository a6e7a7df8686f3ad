"""``policy diff``: what a person and a script read of it."""

from __future__ import annotations

import json
import shlex
import sys

import pytest
from typer.testing import CliRunner

from consent_edit.cli import policy_diff, terminal
from consent_edit.cli.main import app
from consent_edit.errors import PolicyInvalid
from consent_edit.policy.bundle import PolicyBundle

DEFAULT = PolicyBundle.shipped("default").text
OPEN = '@id("open") @reason("r") permit (principal, action, resource);\n'
ADULTS = (
    'unless { context.exposure_change == ExposureChange::"none" || ('
    'context.assurance == Assurance::"high" && context.granted.contains(Operation::"swimwear")) };'
)


def run(*words: str):
    done = CliRunner().invoke(app, ["policy", "diff", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.output


@pytest.fixture
def variant(tmp_path):
    """The default policy, with more allowed where identity is surest and the grant names swimwear."""
    text = DEFAULT.replace('unless { context.exposure_change == ExposureChange::"none" };', ADULTS)
    assert text != DEFAULT
    path = tmp_path / "variant.cedar"
    path.write_text(text)
    return path


def test_a_difference_in_words(variant):
    """The heading, the condition, the rule that gave way, an example, both digests."""
    said = run("default", variant)
    assert "newly allowed for one cause" in said
    assert "assurance is high and exposure_change is not none and the grant names swimwear" in said
    assert "policy.exposure-increase -> allowed" in said
    assert "changed   policy.exposure-increase" in said
    assert said.count("sha256:") == 2
    assert "NOT EXACT" not in said
    assert "facts that neither reads: checks" in said
    assert "points" not in said


def test_a_difference_as_json(variant):
    """All of it, with the same words for people."""
    told = json.loads(run("default", variant, "--json"))
    assert (told["equal"], told["exact"], told["doubts"]) == (False, True, [])
    assert {change["kind"] for change in told["changes"]} <= {"newly_allowed", "other_reasons"}
    change = told["changes"][0]
    assert change["old"] == ["policy.exposure-increase"] and change["new"] == []
    assert {one["text"] for one in change["conditions"]} >= {"assurance is high", "the grant names swimwear"}
    assert " and ".join(one["text"] for one in change["conditions"]) == change["when"]
    assert change["points"] > 0
    assert change["example"]["change"]["persons.0.exposure_change"] == "increased"
    assert told["rules"] == {
        "added": [],
        "removed": [],
        "changed": ["policy.exposure-increase"],
        "reworded": [],
    }
    assert told["points"]["compared"] > told["points"]["impossible"] == 0


def test_the_same_rules_and_the_same_decisions(tmp_path):
    """Comments are nothing; other words that come to the same are said to."""
    commented, worded = tmp_path / "commented.cedar", tmp_path / "worded.cedar"
    commented.write_text("// nothing\n" + DEFAULT)
    worded.write_text(
        DEFAULT.replace('context.intent == Intent::"revealing"', '!(context.intent != Intent::"revealing")')
    )
    assert "the same rules" in run("default", commented)
    assert "same decisions, though the text differs" in run("default", worded)
    assert json.loads(run("default", worded, "--json"))["equal"] is True


def test_over_budget_says_so(variant):
    """With too few points allowed the answer says that it is a sample."""
    said = run("default", variant, "--points", "10")
    assert "NOT EXACT: there are more than 10 regions" in said


@pytest.mark.parametrize("name", ["nobody", "no/such.cedar", "No Name"])
def test_an_unreadable_policy_is_bad_input(name):
    """Exit 2, with the next step."""
    with pytest.raises(PolicyInvalid) as caught:
        run("default", name)
    assert caught.value.exit_code == 2 and caught.value.remedy


def test_a_file_that_is_no_policy_is_bad_input(tmp_path):
    """Text that does not parse is the same."""
    path = tmp_path / "broken.cedar"
    path.write_text("permit (")
    with pytest.raises(PolicyInvalid):
        run(path, "default")


def explained(command: str) -> dict:
    """What an example's own command says."""
    program, *words = shlex.split(command)
    assert program == "consent-edit"
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_examples_are_commands_that_show_them(variant):
    """Every example runs as printed, and the decision it shows is the new one's."""
    told = json.loads(run("default", variant, "--json"))
    for change in told["changes"]:
        assert change["example"]["whole"]
        shown = explained(change["example"]["command"])
        assert shown["allowed"] is (change["kind"] == "newly_allowed")
        assert set(change["new"]) <= set(shown["codes"])
    for line in run("default", variant).splitlines():
        if "for example: " in line:
            assert explained(line.partition("for example: ")[2])["policy"]["name"] == "variant"


def test_a_jurisdiction_lies_over_both():
    """What the law refuses anyway is no difference; examples name the law, and so reproduce."""
    words = ("default", "newsroom", "--jurisdiction", "uk")
    told = json.loads(run(*words, "--json"))
    assert (told["old"]["name"], told["new"]["name"]) == ("default+uk", "newsroom+uk")
    command = told["changes"][0]["example"]["command"]
    assert "--jurisdiction uk" in command
    assert explained(command)["policy"]["name"] == "newsroom+uk"


def test_a_benign_edit_is_an_example_too(tmp_path):
    """Where everything is refused nothing needs to differ, and the command is one all the same."""
    path = tmp_path / "a b.cedar"
    path.write_text('@id("no") @reason("r") forbid (principal, action, resource);')
    (change, *_) = json.loads(run("default", path, "--json"))["changes"]
    assert change["when"] == "in every case"
    assert explained(change["example"]["command"])["codes"] == ["policy.no"]


def test_counts_are_examples_with_so_many_persons(tmp_path):
    """``picture.persons`` is no fact to set; persons are, as long as they can be listed."""
    for most, runs in ((3, True), (30, False)):
        path = tmp_path / f"at-most-{most}.cedar"
        when = f"context.picture.persons > {most}"
        few = f'@id("few") @reason("r") forbid (principal, action, resource) when {{ {when} }};'
        path.write_text(DEFAULT + few)
        (change, *_) = json.loads(run("default", path, "--json"))["changes"]
        assert bool(change["example"]["command"]) is runs
        if runs:
            assert "policy.few" in explained(change["example"]["command"])["codes"]
        assert ("a picture of 31 persons" in run("default", path)) is not runs


def test_the_three_largest_causes_unless_all_are_asked_for():
    """Nobody reads hundreds of lines; ``--all`` has them."""
    short, long = run("default", "strict"), run("default", "strict", "--all")
    assert "causes more; --all tells them" in short and "--all" not in long
    assert short.count("for example: ") == 6 and long.count("for example: ") > 20
    assert set(short.splitlines()) - set(long.splitlines()) <= {
        line for line in short.splitlines() if "--all" in line
    }


def test_what_no_whole_picture_shows_comes_last(tmp_path):
    """A swap takes two faces, so under a rule of one person something else refuses it anyway."""
    rule = '@id("{}") @reason("r") forbid (principal, action, resource) when {{ {} }};\n'
    few = rule.format("few", "context.picture.persons > 1")
    swap = rule.format("swap", 'context.operations.contains(Operation::"face_swap")')
    named = rule.format(
        "named",
        'context.named_person == NamedPerson::"covered" && context.assurance == Assurance::"low" && '
        'context.stage == Stage::"input"',
    )
    old, new = tmp_path / "old.cedar", tmp_path / "new.cedar"
    old.write_text(OPEN + few)
    new.write_text(OPEN + few + swap + named)
    refused = run(old, new).partition("newly refused, of what")[2].partition("\n\n")[0]
    assert refused.index("policy.named") < refused.index("policy.swap")
    assert refused.endswith("(there something else refuses as well)")


def test_a_sample_does_not_say_that_all_was_compared(variant):
    """The last lines promise no more than was done."""
    assert "compared wherever the floor" in run("default", variant)
    assert "compared wherever the floor" not in run("default", variant, "--points", "10")


@pytest.mark.parametrize("watched", [True, False], ids=["terminal", "file"])
def test_progress_is_for_terminals(monkeypatch, capsys, variant, watched):
    """Regions are counted on stderr where somebody looks, to a last line of their own."""
    monkeypatch.setattr(terminal, "_STEP", 2)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    policy_diff.diff(old="default", new=str(variant), points=None, every=False, as_json=False)
    told = capsys.readouterr()
    assert told.out.startswith("old ") and (told.err.endswith(" regions\n") if watched else told.err == "")
