"""``operator audit``: counts what the records say, tells of shadows, and survives damaged records."""

from __future__ import annotations

import json

import pytest
from operator_records import DAY, DEFAULT, NO_TONE, NOW, OPEN, REVOKED, kept, made, released, write
from sqlalchemy import update
from typer.testing import CliRunner

from consent_edit import operator_folder
from consent_edit.cli.main import app
from consent_edit.errors import InputError
from consent_edit.evidence.log import Event
from consent_edit.policy.bundle import Narrowing
from consent_edit.policy.decision import decide
from consent_edit.policy.testing import benign
from consent_edit.store.schema import DECISIONS


@pytest.fixture
def folder(tmp_path):
    """Two assessments, a refusal, a release, one edit that broke off."""
    place = made(tmp_path)
    write(
        place,
        kept(Event.ASSESSMENT, benign("input")),
        kept(Event.ASSESSMENT, REVOKED),
        kept(Event.REFUSAL, benign("input"), live=NO_TONE, shadows=(DEFAULT,)),
        released(),
        kept(Event.REFUSAL, benign("input")) | {"broke_off": "check.edit-failed"},
    )
    return place


def run(*arguments):
    done = CliRunner().invoke(app, ["operator", "audit", *map(str, arguments)])
    if done.exception is not None:
        raise done.exception
    return done


def facts(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


def test_what_was_decided_by_stage(folder):
    """Assessments, refusals, releases and what broke off are counted per stage, none of them as another."""
    said = facts(folder)
    assert said["decisions"] == 5
    assert said["by_stage"] == {
        "would_admit": {"input": 1},
        "would_refuse": {"input": 1},
        "refused": {"input": 1},
        "released": {"output": 1},
        "broke_off": {"input": 1},
    }


def test_reasons_with_their_sentences(folder):
    """Every code that refused stands there with its count and words, the most frequent first."""
    write(folder, kept(Event.REFUSAL, REVOKED), start=5)
    reasons = facts(folder)["reasons"]
    assert [item["count"] for item in reasons] == sorted((item["count"] for item in reasons), reverse=True)
    told = {item["code"]: item for item in reasons}
    assert told["consent.revoked"]["count"] == 2 and told["check.edit-failed"]["count"] == 1
    assert "withdrawn" in told["consent.revoked"]["sentence"]
    assert told["policy.no-tone"]["sentence"].startswith("No tone")
    assert (told["consent.revoked"]["example"], told["policy.no-tone"]["example"]) == ("d-1", "d-2")


def test_what_shadows_would_have_done(folder):
    """Each is counted where it would have refused what was allowed, and the other way round."""
    by_name = {shadow["policy"]: shadow for shadow in facts(folder)["shadows"]}
    strict, lenient = by_name["next"], by_name["default"]
    assert strict["would_refuse"] == {"count": 3, "codes": {"policy.no-tone": 3}}
    assert strict["would_allow"] == {"count": 0, "codes": {}} and strict["asked"] == 4
    assert lenient["would_allow"] == {"count": 1, "codes": {"policy.no-tone": 1}}
    assert lenient["would_refuse"]["count"] == 0


def test_shadow_that_gave_no_answer(folder):
    """A fault is counted as one, and as no decision."""
    write(folder, kept(Event.ASSESSMENT, benign("input"), shadows=(None,)), start=5)
    (shadow,) = [shadow for shadow in facts(folder)["shadows"] if not shadow["digest"]]
    assert shadow["faults"] == {"AttributeError": 1} and shadow["asked"] == 0
    assert "gave no answer 1" in run(folder).stdout


def test_decisions_under_another_policy_than_now(folder):
    """Those are told; what a request narrowed by a law of its own is not among them."""
    assert facts(folder)["under_another_policy"] == 1
    uk = DEFAULT.narrowed([Narrowing.jurisdiction("uk")])
    write(folder, kept(Event.REFUSAL, REVOKED, live=uk), start=5)
    assert facts(folder)["under_another_policy"] == 1
    forged = kept(Event.REFUSAL, REVOKED, live=uk)
    forged["decision"]["policy_digest"] = f"sha256:{'0' * 64}"
    write(folder, forged, start=6)
    assert facts(folder)["under_another_policy"] == 2


def test_only_what_is_recent(folder):
    """``--since`` leaves out what is older, by day or by second."""
    assert facts(folder, "--since", NOW - DAY + 150)["decisions"] == 2
    assert facts(folder, "--since", "2001-02-03")["decisions"] == 5
    assert facts(folder, "--since", "2999-12-31")["decisions"] == 0


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "-1", "1e9", "²"])
def test_since_no_moment(folder, since):
    """What is no moment is bad input."""
    with pytest.raises(InputError) as caught:
        run(folder, f"--since={since}")
    assert caught.value.exit_code == 2


DAMAGES = [
    b"{",
    b"[]",
    b'{"decision_id": "d-1", "decision": {}}',
    b'{"decision_id": "d-1", "decision": 7}',
    json.dumps({**kept(Event.REFUSAL, REVOKED), "shadows": [7]}).encode(),
    json.dumps({**kept(Event.REFUSAL, REVOKED), "event": "party"}).encode(),
    json.dumps({"decision": decide(REVOKED, DEFAULT).to_record() | {"allowed": True}}).encode(),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_record_is_named_and_not_fatal(folder, damage):
    """One record that cannot be read is counted and named; all others are counted as ever."""
    store = operator_folder.open_store(folder)
    with store._database.writing() as connection:
        connection.execute(update(DECISIONS).where(DECISIONS.c.decision_id == "d-1").values(record=damage))
    store.close()
    said = facts(folder)
    assert said["damaged"] == {"count": 1, "ids": ["d-1"]} and said["decisions"] == 4
    done = run(folder)
    assert done.exit_code == 0 and "d-1" in done.stdout


def test_entries_that_are_no_decisions(folder):
    """What else stands in the log is neither a decision nor damaged."""
    write(folder, {"stage": "erasure"}, start=5)
    said = facts(folder)
    assert said["other_entries"] == 1 and said["decisions"] == 5 and said["damaged"]["count"] == 0


def test_records_of_earlier_releases(folder):
    """Records without event, shadows or the policy's name are counted by what they hold."""
    old = {key: value for key, value in released().items() if key not in ("event", "shadows")}
    del old["decision"]["policy"]
    write(folder, old, {"stage": "input", "decision": decide(REVOKED, DEFAULT).to_record()}, start=5)
    said = facts(folder)
    assert said["by_stage"]["released"] == {"output": 2} and said["by_stage"]["refused"] == {"input": 2}


def test_people_read_it_on_a_terminal(folder):
    """Plain aligned lines, without a control character that a rule's author put into his words."""
    text = run(folder).stdout
    assert "assessed: would be admitted         1" in text and "assessed: would be refused          1" in text
    assert "would have refused 3" in text and "under another policy" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_nothing_decided_yet(tmp_path):
    """An empty log is told as one."""
    folder = made(tmp_path)
    assert facts(folder)["decisions"] == 0 and "0 decision(s)" in run(folder).stdout


def test_policy_in_force_that_cannot_be_read(tmp_path):
    """A broken policy file keeps nobody from the audit; stderr says what is wrong."""
    policy = tmp_path / "mine.cedar"
    policy.write_text(OPEN)
    folder = made(tmp_path, policy=policy)
    write(folder, kept(Event.REFUSAL, REVOKED))
    (folder / "policy.cedar").write_text("permit (")
    done = run(folder, "--json")
    assert json.loads(done.stdout)["under_another_policy"] is None and "input.policy" in done.stderr


def test_folder_of_nobody(tmp_path):
    """A folder that is no operator's is bad input."""
    with pytest.raises(InputError):
        run(tmp_path)
