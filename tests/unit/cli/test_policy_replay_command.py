"""``policy replay``: what another policy would have made of an operator's log, or of a file of records."""

from __future__ import annotations

import json
import sys

import pytest
from operator_records import DEFAULT, NO_TONE, REVOKED, kept, made, released, write
from typer.testing import CliRunner

from consent_edit.cli import policy_replay, terminal
from consent_edit.cli.main import app
from consent_edit.errors import InputError, PolicyInvalid
from consent_edit.evidence.log import Event
from consent_edit.policy.authoring.records.replay import MAX_RECORD_BYTES
from consent_edit.policy.bundle import Narrowing
from consent_edit.policy.decision import decide
from consent_edit.policy.testing import benign


def run(*arguments):
    done = CliRunner().invoke(app, ["policy", "replay", *map(str, arguments)])
    if done.exception is not None:
        raise done.exception
    assert done.exit_code == 0
    return done.stdout


def facts(*arguments):
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def strict(tmp_path):
    """A policy file that refuses tone."""
    path = tmp_path / "next.cedar"
    path.write_text(NO_TONE.text)
    return path


@pytest.fixture
def records(tmp_path):
    """What ``assess --json`` printed, and a few lines that are none of its."""
    path = tmp_path / "records.jsonl"
    good = [
        json.dumps(decide(facts, DEFAULT).to_record()).encode() for facts in (benign(), benign(), REVOKED)
    ]
    path.write_bytes(b"\n".join([*good, b"", b"no json", b"x" * (3 * MAX_RECORD_BYTES), good[0]]))
    return path


def test_log_of_an_operator(tmp_path, strict):
    """Every decision of the log is taken again; the new policy's codes and an example are told."""
    folder = made(tmp_path)
    write(folder, kept(Event.ASSESSMENT, benign("input")), kept(Event.REFUSAL, REVOKED), released())
    said = facts(folder, strict)
    assert said["policy"] == "next" and said["replayed"] == 3 and said["floor_moved"] == 0
    assert said["counts"] == {"same": 0, "now_refused": 2, "now_allowed": 0, "other_reasons": 1}
    assert said["groups"][0] == {
        "change": "now_refused",
        "old": [],
        "new": ["policy.no-tone"],
        "count": 2,
        "example": "d-0",
    }


def test_file_of_records(records, strict):
    """One JSON a line; lines that are none are skipped, counted and named, however long they are."""
    said = facts(records, strict)
    assert said["counts"]["now_refused"] == 3 and said["replayed"] == 4
    assert said["skipped"] == [{"reason": "it is no JSON", "count": 2, "example": "line 5"}]


def test_people_read_it(records, strict):
    """Counts first, then each kind of change with an example, then what was skipped."""
    text = run(records, strict)
    assert "now refused" in text and "such as line 1" in text and "now  policy.no-tone" in text
    assert "skipped 2" in text and "line 5" in text


def test_shipped_policy_and_jurisdiction(records):
    """A shipped policy is named by its name, and narrowed by the laws that are named."""
    said = facts(records, "default", "--jurisdiction", "uk")
    assert said["policy"] == "default+uk"
    assert said["digest"] == DEFAULT.narrowed([Narrowing.jurisdiction("uk")]).digest
    assert facts(records, "default")["counts"]["same"] == 4


def test_floor_that_moved_is_said(tmp_path):
    """Records of another floor are told in a sentence of their own."""
    record = decide(benign(), DEFAULT).to_record() | {"floor_digest": f"sha256:{'0' * 64}"}
    (tmp_path / "old.jsonl").write_text(json.dumps(record))
    assert "the floor moved too: 1" in run(tmp_path / "old.jsonl", "default")


@pytest.mark.parametrize("new", ["no-such-policy", "./missing.cedar"])
def test_policy_that_is_not_there(records, new):
    """A policy that cannot be read is bad input."""
    with pytest.raises(PolicyInvalid):
        run(records, new)


def test_jurisdiction_that_is_not_there(records):
    """An unknown law is bad input, and the known ones are named."""
    with pytest.raises(PolicyInvalid) as caught:
        run(records, "default", "--jurisdiction", "atlantis")
    assert "uk" in caught.value.remedy


def test_log_that_is_not_there(tmp_path):
    """A file that cannot be read is bad input, and so is a folder that is no operator's."""
    for log in (tmp_path / "missing.jsonl", tmp_path):
        with pytest.raises(InputError):
            run(log, "default")


def test_nothing_to_replay(tmp_path):
    """An empty file has no decisions in it."""
    (tmp_path / "empty").write_bytes(b"")
    assert facts(tmp_path / "empty", "default")["replayed"] == 0


@pytest.mark.parametrize("watched", [True, False], ids=["terminal", "file"])
def test_progress_is_for_terminals(monkeypatch, capsys, watched):
    """How far it got stands on stderr where somebody looks, and nowhere else; nothing is lost either way."""
    monkeypatch.setattr(terminal, "_STEP", 2)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    assert list(terminal.counted(range(5), "decisions")) == [0, 1, 2, 3, 4]
    told = capsys.readouterr()
    assert told.out == "" and (told.err.endswith("5 decisions\n") if watched else told.err == "")


def test_line_is_never_read_whole_when_it_is_too_long(records, monkeypatch):
    """A line beyond the bound is passed over piece by piece; the next ones keep their numbers."""
    monkeypatch.setattr(policy_replay, "MAX_RECORD_BYTES", 64)
    with pytest.raises(InputError) as caught:
        run(records, "default")
    assert "none of 6 record(s)" in caught.value.message


def test_nothing_that_could_be_replayed_is_bad_input(tmp_path):
    """Records that are none must not look like a policy that changes nothing."""
    (tmp_path / "wrong.jsonl").write_text("no json\n{}\n")
    with pytest.raises(InputError) as caught:
        run(tmp_path / "wrong.jsonl", "default")
    assert caught.value.exit_code == 2 and "line 1" in caught.value.message and caught.value.remedy


def test_jurisdictions_of_the_folder_stay_in_force(tmp_path, strict):
    """What always narrows the operator's policy narrows the new one too, and the name says so."""
    folder = made(tmp_path, jurisdictions=("eu",))
    write(folder, kept(Event.ASSESSMENT, benign("input")))
    said = facts(folder, strict, "--jurisdiction", "uk", "--jurisdiction", "eu")
    assert said["policy"] == "next+eu+uk"
    assert "under next+eu (" in run(folder, strict)
