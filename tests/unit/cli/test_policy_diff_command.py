"""``policy diff``: what a person and a script read of it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from consent_edit.cli.main import app
from consent_edit.errors import PolicyInvalid
from consent_edit.policy.bundle import PolicyBundle

DEFAULT = PolicyBundle.shipped("default").text
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
    assert "newly allowed in one way" in said or "newly allowed in 2 ways" in said
    assert "assurance is high and exposure_change is not none and the grant names swimwear" in said
    assert "policy.exposure-increase -> allowed" in said
    assert "changed   policy.exposure-increase" in said
    assert said.count("sha256:") == 2
    assert "NOT EXACT" not in said
    assert "facts that neither reads: checks" in said


def test_a_difference_as_json(variant):
    """All of it, with the same words for people."""
    told = json.loads(run("default", variant, "--json"))
    assert (told["equal"], told["exact"], told["doubts"]) == (False, True, [])
    assert {change["kind"] for change in told["changes"]} <= {"newly_allowed", "other_reasons"}
    change = told["changes"][0]
    assert change["old"] == ["policy.exposure-increase"] and change["new"] == []
    assert {one["text"] for one in change["conditions"]} >= {"assurance is high", "the grant names swimwear"}
    assert " and ".join(one["text"] for one in change["conditions"]) == change["when"]
    assert change["points"] > 0 and change["example"]["persons.0.exposure_change"] == "increased"
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
