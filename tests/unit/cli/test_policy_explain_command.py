"""``policy explain``: from a record, from facts, from the log; in both languages."""

from __future__ import annotations

import json

import pytest
from operator_records import kept, made, write
from typer.testing import CliRunner

from consent_edit import operator_folder
from consent_edit.cli.main import app
from consent_edit.errors import InputError
from consent_edit.evidence.log import Event
from consent_edit.policy.authoring.records.replay import MAX_RECORD_BYTES
from consent_edit.policy.bundle import Narrowing, PolicyBundle
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
        ("-", "--jurisdiction", "eu"),
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


EU = DEFAULT.narrowed([Narrowing.jurisdiction("eu")])
OWN = '@id("open") @reason("r") permit (principal, action, resource);\n' + (
    '@id("plain") @reason("Plain words only.") forbid (principal, action, resource) '
    'when { context.intent != Intent::"ordinary" };\n'
)
ORDINARY = [{"path": "persons.0.intent", "word": "ordinary", "whose": "requester"}]


def test_a_record_within_a_jurisdiction(tmp_path):
    """Policy and law both ship, so the nearest change is known."""
    path = tmp_path / "record.json"
    path.write_text(json.dumps(decide(REVEALING, EU).to_record()))
    assert json.loads(run(path, "--json"))["nearest"]["changes"] == ORDINARY


def test_a_decision_under_the_folders_own_policy(tmp_path):
    """The folder's text is the one that decided, by its digest, also where a request was under more law."""
    (tmp_path / "own.cedar").write_text(OWN)
    folder = made(tmp_path, policy=tmp_path / "own.cedar", jurisdictions=("eu",))
    live = operator_folder.policy_in_force(folder)
    more = live.narrowed([Narrowing.jurisdiction("uk")])
    write(folder, *(kept(Event.ASSESSMENT, REVEALING, live=one) for one in (live, more)))
    for name in ("d-0", "d-1"):
        told = json.loads(run("--operator", folder, "--decision", name, "--json"))
        assert "policy.plain" in told["codes"] and told["nearest"]["changes"] == ORDINARY


def test_a_policy_that_was_changed_since_is_not_at_hand(tmp_path):
    """Another text by the same name is not what decided, and nothing is claimed."""
    (tmp_path / "own.cedar").write_text(OWN)
    folder = made(tmp_path, policy=tmp_path / "own.cedar")
    live = operator_folder.policy_in_force(folder)
    write(folder, kept(Event.ASSESSMENT, REVEALING, live=live))
    for text in (OWN.replace("!=", "=="), "permit ("):
        (folder / "policy.cedar").write_text(text)
        told = json.loads(run("--operator", folder, "--decision", "d-0", "--json"))
        assert told["nearest"] is None


def test_facts_within_a_jurisdiction():
    """--jurisdiction narrows the policy that is decided with."""
    told = json.loads(run("--change", "persons.0.intent=revealing", "--jurisdiction", "eu", "--json"))
    assert told["policy"] == {"name": "default+eu", "digest": EU.digest}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("persons.0.consent=gone", "persons.0.consent=gone: no such word; one of: verified, absent, "),
        ("operations=hair,gone", "operations=gone: no such word; one of: "),
        ("persons.7.consent=absent", "there is 1 person and unseen; --persons 8"),
        ("persons.last.consent=absent", "there is 1 person and unseen, called persons.unseen"),
        ("persons.0.colour=red", "persons.0.colour: no such fact"),
        ("picture.persons=4", "picture.persons: no such fact"),
        ("persons.0=face", "persons.0: no such fact"),
        ("consent=absent", "consent: no such fact"),
    ],
)
def test_what_is_wrong_with_a_change_is_said(change, said):
    """With the words, facts or persons that there are."""
    with pytest.raises(InputError) as caught:
        run("--change", change)
    assert said in caught.value.message and caught.value.remedy


def test_a_decision_that_the_log_does_not_hold(tmp_path):
    """Bad input, and where names are to be had."""
    folder = made(tmp_path)
    with pytest.raises(InputError) as caught:
        run("--operator", folder, "--decision", "d-9")
    assert caught.value.exit_code == 2 and "operator audit --json" in caught.value.remedy


def test_a_record_is_as_long_as_replay_takes_it():
    """One bound on a decision record, whichever command reads it."""
    record = json.dumps(decide(REVEALING, DEFAULT).to_record())
    assert run("-", stdin=record.ljust(MAX_RECORD_BYTES))
    with pytest.raises(InputError):
        run("-", stdin=record.ljust(MAX_RECORD_BYTES + 1))
