"""``policy explain``: from a record, from facts, from the log; in both languages."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from consent_edit import operator_folder
from consent_edit.cli.main import app
from consent_edit.errors import InputError
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import decide, meet
from consent_edit.policy.testing import benign, vary

DEFAULT = PolicyBundle.shipped("default")
REVEALING = vary(benign("input"), {"persons.0.intent": "revealing"})


def run(*words: str, stdin: str | None = None):
    done = CliRunner().invoke(app, ["policy", "explain", *map(str, words)], input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_facts_in_words():
    """Which rule, whose, what helps, and the nearest change."""
    said = run("--change", "persons.0.intent=revealing", "--stage", "input")
    assert said.startswith("refused at the input\n")
    assert "The first person: The prompt asks to make a person more revealing." in said
    assert "the operator's: rule `revealing-intent` of policy default (policy.revealing-intent)" in said
    assert (
        "It would be allowed if the prompt asked in plain words for nothing revealing of the first person."
        in said
    )


def test_facts_in_french():
    """The same in French."""
    said = run("--change", "persons.0.exposure=nude", "--language", "fr")
    assert said.startswith("refusé à la sortie\n")
    assert "La première personne :" in said
    assert "ni consentement, ni politique, ni réglage n'y change rien" in said
    assert "Il faut une autre photo ou une autre retouche" in said


def test_a_record_from_a_file_and_from_stdin(tmp_path):
    """Told as recorded; its policy ships, so the nearest change is known."""
    record = json.dumps(decide(REVEALING, DEFAULT).to_record())
    path = tmp_path / "record.json"
    path.write_text(record)
    told = json.loads(run(path, "--json"))
    assert told == json.loads(run("-", "--json", stdin=record))
    assert told["codes"] == ["policy.revealing-intent"]
    assert told["findings"][0]["source"] == "operator"
    assert told["nearest"]["changes"] == [
        {"path": "persons.0.intent", "word": "ordinary", "whose": "requester"}
    ]


def test_a_record_decided_anew(tmp_path):
    """With --policy the recorded facts are decided with that one."""
    path, policy = tmp_path / "record.json", tmp_path / "all.cedar"
    path.write_text(json.dumps(decide(REVEALING, DEFAULT).to_record()))
    policy.write_text('@id("all") @reason("r") permit (principal, action, resource);')
    told = json.loads(run(path, "--policy", policy, "--json"))
    assert told["allowed"] is True and told["findings"] == [] and told["policy"]["name"] == "all"


def test_a_record_under_a_policy_that_is_not_at_hand(tmp_path):
    """No nearest change is claimed."""
    other = PolicyBundle.from_text(
        DEFAULT.text + "\n" + DEFAULT.text.replace('@id("', '@id("x-'), name="default"
    )
    path = tmp_path / "record.json"
    path.write_text(json.dumps(decide(REVEALING, other).to_record()))
    told = json.loads(run(path, "--json"))
    assert told["nearest"] is None and "--policy" in told["advice"][0]


def test_a_meet_is_told_by_its_parts(tmp_path):
    """Each part under a heading of its own."""
    path = tmp_path / "record.json"
    path.write_text(json.dumps(meet(decide(REVEALING, DEFAULT), decide(REVEALING, DEFAULT)).to_record()))
    said = run(path)
    assert "decision 1 of 2, under policy default" in said and "decision 2 of 2" in said
    assert len(json.loads(run(path, "--json"))["met"]) == 2


def test_a_decision_of_the_log(tmp_path, monkeypatch):
    """--operator and --decision read the operator's own store, and close it."""
    closed = []

    class Log:
        def decision(self, name):
            assert name == "d-1"
            return {"decision": decide(REVEALING, DEFAULT).to_record()}

        def close(self):
            closed.append(True)

    monkeypatch.setattr(operator_folder, "open_store", lambda folder: Log())
    assert "revealing-intent" in run("--operator", tmp_path, "--decision", "d-1")
    assert closed == [True]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-", "--change", "checks=incomplete"),
        ("--change", "nonsense"),
        ("--change", "persons.0.consent=nonsense"),
        ("--change", "persons.9.consent=absent"),
        ("--operator", "somewhere"),
        ("--decision", "d-1"),
        ("/no/such/file",),
    ],
)
def test_bad_input(words):
    """Nothing, too much, and words that are none are bad input."""
    with pytest.raises(InputError) as caught:
        run(*words, stdin="{}")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", "null", "[" * 100_000, '{"v": 2}'])
def test_attack_a_record_that_is_none(text):
    """Whatever is read in place of a record is a typed error."""
    with pytest.raises(InputError):
        run("-", stdin=text)


def test_attack_a_tampered_record():
    """A record whose codes its facts belie is refused, not told."""
    record = decide(vary(benign(), {"persons.0.exposure": "nude"}), DEFAULT).to_record()
    record |= {"codes": ["policy.mild"], "public_codes": ["policy.mild"], "findings": []}
    with pytest.raises(InputError) as caught:
        run("-", stdin=json.dumps(record))
    assert caught.value.code == "input.record"


def test_attack_a_record_nested_without_end():
    """A meet of a meet of a meet is bad input, not a crash."""
    inner = decide(REVEALING, DEFAULT).to_record()
    head = json.dumps({key: value for key, value in inner.items() if key != "met"})[:-1] + ', "met": ['
    with pytest.raises(InputError):
        run("-", stdin=head * 2_000 + json.dumps(inner) + "]}" * 2_000)
