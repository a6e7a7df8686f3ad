"""Attacks on the policy engine: texts that read two ways, records that lie, files and threads that hurt."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from fake_perception import seen_face
from typer.testing import CliRunner

from consent_edit.cli.main import app
from consent_edit.errors import CheckFailed, InputError, PolicyInvalid, ReceiptInvalid
from consent_edit.evidence.receipt import Receipt, sign_receipt
from consent_edit.evidence.verify import examine_receipt
from consent_edit.policy import digests, policy_file
from consent_edit.policy.authoring.cases.case_files import read
from consent_edit.policy.authoring.comparing.difference import compare
from consent_edit.policy.authoring.explaining.account import account
from consent_edit.policy.authoring.records.audit_counts import tally
from consent_edit.policy.authoring.records.replay import replay_all
from consent_edit.policy.authoring.writing.source_places import faults_of, read_source
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.codes import RuleText
from consent_edit.policy.context import FACT_NAMES, contexts
from consent_edit.policy.decision import Decision, decide, replay
from consent_edit.policy.engine import authorise, compile_text
from consent_edit.policy.policy_file import PolicyFile
from consent_edit.policy.restriction import Restriction
from consent_edit.policy.testing import benign, vary
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Operation

SCOPE = "(principal, action, resource)"
OPEN = f'@id("open") @reason("r") permit {SCOPE};\n'
SHUT = f'@id("shut") @reason("r") forbid {SCOPE};\n'
DEFAULT = PolicyBundle.shipped("default")
REVOKED = vary(benign(), {"persons.0.consent": "revoked"})


def when(condition, effect="permit", name="a"):
    return f'@id("{name}") @reason("r") {effect} {SCOPE} when {{ {condition} }};\n'


@pytest.mark.parametrize(
    "text",
    [
        f'@id @reason("r") permit {SCOPE};',
        f'@id("a") @reason permit {SCOPE};',
        f'@id("a") @id("b") @reason("r") permit {SCOPE};',
        f"\ufeff{OPEN}",
        f"{OPEN}\0",
        f"\x1c{OPEN}",
        when('context.stage == NS::Stage::"input"'),
        when('context.`stage` == Stage::"input"'),
        when("principal.banned"),
        when("!!!!!true"),
    ],
)
def test_text_that_is_no_policy_is_an_error_of_ours(text):
    """What Cedar or the house refuses is PolicyInvalid here, and never an exception of somebody else's."""
    with pytest.raises(PolicyInvalid):
        PolicyBundle.from_text(text)


@pytest.mark.parametrize(
    "condition",
    [
        'context["stage"] == Stage::"input"',
        'context.stage == Stage::"\\u{69}nput"',
        '(if true then context else context).stage == Stage::"input"',
        '{left: context, attr: "stage"}.left.stage == Stage::"input"',
        '{"left": {"Var": "context"}, "attr": "age"} has left && context.stage == Stage::"input"',
        'if context has nosuch then false else context.stage == Stage::"input"',
        '[context].contains(context) && context.stage in [Stage::"input"]',
        'context.stage is Stage && context.stage == Stage::"input"',
        'context.picture == context.picture && !(context.stage != Stage::"input")',
        '"};//{" like "};*" && context.stage == Stage::"input"',
        'ip("127.0.0.1").isIpv4() && decimal("1.0") == decimal("1.00") && context.stage == Stage::"input"',
        'principal is Requester && !resource.hasTag("x") && ----1 == 1 && context.stage == Stage::"input"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("stage", ["request", "input", "output"])
def test_cut_down_context_answers_as_the_whole_one(condition, stage):
    """However a rule gets at the facts, the facts it is shown decide as all of them would."""
    text = when(condition, "forbid") + OPEN
    cut = compile_text(text)
    whole = compile_text(text + when("context == context", name="all"))
    assert set(whole.reads) == set(FACT_NAMES) and "stage" in cut.reads
    for here, there in zip(contexts(benign(stage), cut.reads), contexts(benign(stage)), strict=True):
        expected = authorise(whole, there).allowed
        assert authorise(cut, here).allowed is expected is (stage != "input")


def test_rule_hidden_in_a_string_or_a_comment():
    """What looks like the end of a rule inside a string or a comment hides no rule from either reader."""
    again = SHUT.replace("shut", "b")
    text = f'@id("a") @reason("}};//\\"") permit {SCOPE}; // "\n{SHUT}// {OPEN.strip()}\r{again}'
    bundle = PolicyBundle.from_text(text)
    assert [rule.id for rule in bundle.rules] == ["a", "shut", "b"]
    assert not decide(benign(), bundle).allowed


def test_sentences_that_steer_a_terminal():
    """A rule's words reach nobody with control characters or turned around, whoever prints them."""
    text = OPEN + f'@id("a") @reason("No.\\u{{1b}}[2J\\u{{202e}}\\nallowed\\0") forbid {SCOPE};'
    told = decide(benign(), PolicyBundle.from_text(text))
    assert "No." in told.reasons[0] and all(sign.isprintable() for sign in told.reasons[0])


@pytest.mark.parametrize("code", ["../x", "EU", "", "eu ", "\u00e9u", "eu\0", ".", "eu/../eu"])
def test_jurisdiction_by_a_crooked_name(code):
    """Only the very names of the folders name a law."""
    with pytest.raises(PolicyInvalid):
        Narrowing.jurisdiction(code)


def test_narrowing_made_past_its_door_permits_nothing():
    """A narrowing built by hand is held to forbidding where it is laid over a policy."""
    bundle = PolicyBundle.from_text(when('context.stage == Stage::"input"'))
    with pytest.raises(PolicyInvalid):
        bundle.narrowed([Narrowing("eu", OPEN)])


def test_policy_called_as_if_it_were_narrowed(tmp_path):
    """No file passes in a record for a policy under a law."""
    path = tmp_path / "default+eu.cedar"
    path.write_text(OPEN)
    with pytest.raises(PolicyInvalid):
        PolicyBundle.load(path)


def test_digest_tells_bundles_of_different_meaning_apart():
    """Order, effect, words and values each change the digest; layout and spelling do not."""
    a, b = Narrowing.jurisdiction("eu"), Narrowing.jurisdiction("uk")
    conditions = ["1 == 1", '"1" == "1"', '"*" like "*"', '"*" like "\\*"', "{a: 1} has a", "1 == -1", "true"]
    other = [OPEN, SHUT, OPEN + SHUT, SHUT + OPEN, OPEN.replace('"r"', '"s"'), *map(when, conditions)]
    digests = {PolicyBundle.from_text(text).digest for text in other}
    assert len(digests) == len(other)
    assert DEFAULT.narrowed([a, b]).digest != DEFAULT.narrowed([a]).digest != DEFAULT.narrowed([b]).digest
    spelt, plain = (PolicyBundle.from_text(text) for text in (OPEN.replace("open", "\\u{6f}pen"), OPEN))
    assert spelt.digest == plain.digest


_SMALL = """
import sys, threading
from consent_edit.policy.bundle import Narrowing, PolicyBundle
threading.stack_size(192 * 1024)
given = []
def take():
    bundle = PolicyBundle.foreign(sys.stdin.read(), name="x")
    given.append(bundle.narrowed([Narrowing.jurisdiction("eu")]).digest)
thread = threading.Thread(target=take)
thread.start(); thread.join()
sys.exit(0 if given else 7)
"""


def test_brackets_in_a_thread_with_a_small_stack():
    """A text that passes its rehearsal does not kill a host that takes it up in a thread of 192 KiB."""
    text = when("(" * 60 + "true" + ")" * 60)
    ran = subprocess.run([sys.executable, "-c", _SMALL], input=text, text=True, check=False)
    assert ran.returncode == 0


def test_module_in_the_hosts_folder_does_not_lift_the_childs_limits(tmp_path, monkeypatch):
    """A ``resource.py`` on the host's path is not what the child keeps its limits with."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("resource", "sitecustomize", "consent_edit"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w').close()\n")
    PolicyBundle.foreign(OPEN + when("1 == 1", name="fresh"), name="x")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("take", [PolicyBundle.load, read_source, Narrowing.load, PolicyFile])
@pytest.mark.parametrize("kind", ["pipe", "folder", "no-text", "endless", "nul"])
def test_policy_that_is_no_regular_file(tmp_path, take, kind):
    """Pipes, devices, folders and names that cannot be are refused at once; nothing waits."""
    path = {"endless": Path("/dev/zero"), "nul": Path("a\0b")}.get(kind, tmp_path / "policy.cedar")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "no-text":
        path.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyInvalid):
        take(str(path) if take is read_source else path)


@pytest.mark.parametrize("named", ["a\\0b", "./ring", "pipe", "../../../../../../../dev/zero"])
def test_case_file_that_names_no_policy(tmp_path, named):
    """A test file that comes from somebody else leads to no pipe and no exception of somebody else's."""
    (tmp_path / "ring").symlink_to("ring")
    os.mkfifo(tmp_path / "pipe")
    file = tmp_path / "a.test.yaml"
    file.write_text(f'policy: "{named}"\ncases:\n- {{name: a, allowed: true}}\n')
    with pytest.raises(InputError):
        read(file)


def test_old_policy_renamed_over_the_new_one(tmp_path, monkeypatch):
    """In a folder that others can write, a wider policy of the owner's is not put back in force."""
    monkeypatch.setattr(policy_file, "SETTLE_S", 0.0)
    live, old = tmp_path / "policy.cedar", tmp_path / "old.cedar"
    for path, text in ((live, OPEN + SHUT), (old, OPEN)):
        path.write_text(text)
        path.chmod(0o600)
    followed = PolicyFile(live)
    tmp_path.chmod(0o777)
    old.rename(live)
    assert "shut" in {rule.id for rule in followed.current().rules}
    assert followed.problem


def record(**changed):
    return {**decide(benign(), DEFAULT).to_record(), **changed}


EMPTY = ("codes", "findings", "public_codes", "public_persons", "texts")


def emptied(facts):
    """The record of a refusal from which every reason was taken, so that it says it was allowed."""
    return decide(facts, DEFAULT).to_record() | {"allowed": True} | {key: [] for key in EMPTY}


LIES = {
    "name": record(restrictions=["NO NAME"]),
    "no-words": record(restrictions=["x"], texts=[asdict(RuleText("policy.restriction-x"))]),
    "many-plug-ins": record(restrictions=[f"a{number}" for number in range(5_000)]),
    "two-stages": record(met=[record(), decide(benign("input"), DEFAULT).to_record()]),
    "two-crowds": record(met=[record(), decide(benign("output", 2), DEFAULT).to_record()]),
    "meet-of-meets": record(met=[record(met=[record()])]),
    "many-parts": record(met=[record()] * 200),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_record_that_no_decision_gives_stops_no_replay(lie):
    """It is malformed to whoever replays it, and one of many is skipped while the others are replayed."""
    with pytest.raises(InputError):
        replay(lie, DEFAULT)
    report = replay_all([("lie", json.dumps(lie).encode()), ("good", json.dumps(record()).encode())], DEFAULT)
    assert report.total == 1 and len(report.skipped) == 1


@pytest.mark.parametrize("version", [1, 2])
def test_refusal_tampered_to_read_as_allowed(version):
    """A record without its codes does not read back as allowing what the floor refuses."""
    forged = emptied(REVOKED) | {"v": version}
    if version == 1:
        for key in ("policy", "mirror_digest", "restrictions"):
            del forged[key]
    with pytest.raises(InputError):
        Decision.from_record(forged)


def test_record_of_an_operators_refusal_tampered_is_decided_anew():
    """What the operator's policy refused then, a replay refuses, whatever the record says."""
    forged = emptied(vary(benign(), {"persons.0.exposure_change": "increased"}))
    assert Decision.from_record(forged).allowed and not replay(forged, DEFAULT).allowed


def test_record_of_a_crowd_is_explained():
    """Thousands of persons in a record take no search without end."""
    crowd = benign("output", 3_000)
    refused = decide(replace(crowd, persons=(*REVOKED.persons[:1] * 500, *crowd.persons)), DEFAULT)
    assert not account(refused, lambda _: DEFAULT, "en").nearest.searched


def test_record_with_thousands_of_codes_is_counted():
    """Each code is told in its own words, without looking through all of the others."""
    codes = [f"policy.a{number}" for number in range(8_000)]
    kept = record(allowed=False, codes=codes, texts=[{"code": code, "reason": code} for code in codes])
    counts = tally([("one", json.dumps({"event": "refusal", "decision": kept}).encode())])
    assert [counts.sentence(code) for code in codes] == codes


def test_terminal_that_a_record_steers(tmp_path):
    """Names and words out of a record reach no terminal as they are."""
    bundle = PolicyBundle.from_text(OPEN + SHUT, name="x\x1b]0;y\x07\u202e")
    kept = decide(benign(), bundle).to_record()
    kept["texts"] = [{**said, "reason": "\x1b[2J\nallowed", "remedy": "\x9b2J"} for said in kept["texts"]]
    file = tmp_path / "record.json"
    file.write_text(json.dumps(kept))
    done = CliRunner().invoke(app, ["policy", "explain", str(file)])
    assert done.exit_code == 0 and "policy.shut" not in done.output.splitlines()[0]
    assert all(line.isprintable() for line in done.output.splitlines()) and "\nallowed" not in done.output


def test_record_without_end():
    """No more of a record is read than the longest can hold."""
    done = CliRunner().invoke(app, ["policy", "explain", "/dev/zero"])
    assert isinstance(done.exception, InputError)


def test_comparison_of_texts_that_name_thousands_of_numbers():
    """They are compared at some of them, in no time, and the answer says so."""
    rules = [
        when(f"{[*range(5_000 * k, 5_000 * k + 1_500, 3)]}.contains(context.picture.{fact})", name=f"n{k}")
        for k, fact in enumerate(("persons", "faces", "swap_consents"))
    ]
    told = compare(PolicyBundle.from_text("".join(rules)), PolicyBundle.from_text(OPEN), limit=200)
    assert not told.exact and any("numbers" in doubt for doubt in told.doubts)


def test_text_of_a_thousand_good_rules_and_a_bad_one(monkeypatch):
    """Looking for the fault starts no more processes than anybody waits for."""
    tried = []
    good = PolicyBundle.from_text(OPEN)

    def foreign(text, *, name):
        tried.append(text)
        return replace(good, texts=(RuleText(f"policy.a{len(tried)}"),))

    monkeypatch.setattr(PolicyBundle, "foreign", foreign)
    faults_of("".join(f'@id("a{n}")@reason("r")permit{SCOPE};' for n in range(1_000)))
    assert len(tried) <= 100


@pytest.fixture
def consented(scene):
    """Presentations of the one person shown."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE})
    return {"presentations": (grant.presentation(),)}


def test_thresholds_tightened_after_the_output_was_matched(scene, consented):
    """A release needs the thresholds in force at the release, as it needs policy and trust (G6)."""
    tight = load_thresholds(tightened={"match_face_embedding": 0.999999})

    def tighten(facts):
        if facts.stage == "output":
            scene.operator.thresholds = tight
        return []

    scene.operator.restrictions = (Restriction(name="late", refuses=tighten, reason="r"),)
    with pytest.raises(CheckFailed):
        scene.edit(**consented)


def test_assessment_leaf_makes_no_receipt_that_verifies(scene, consented):
    """A receipt around the leaf of an assessment does not verify."""
    released = scene.edit(**consented)
    envelope = json.loads(released.receipt)
    envelope["receipt"]["log"]["leaf"]["event"] = "assessment"
    forged = Receipt.model_validate_json(json.dumps(envelope["receipt"]))
    key = scene.operator.receipt_key
    assert examine_receipt(released.receipt.encode(), [key.public_key()], released.released)
    with pytest.raises(ReceiptInvalid):
        examine_receipt(sign_receipt(forged, key).encode(), [key.public_key()], released.released)


@pytest.mark.parametrize("pins", [None, b"", b"{}", b"[]", b"null", b"\xff", b'{"floor": "sha256:0"}'])
def test_pins_missing_or_spoilt(pins, monkeypatch):
    """Without the pins of the proven floor nothing loads, or nothing is decided."""
    genuine = Path.read_bytes

    def read(path):
        if path.name != "floor.lock.json":
            return genuine(path)
        if pins is None:
            raise FileNotFoundError
        return pins

    monkeypatch.setattr(Path, "read_bytes", read)
    spec = importlib.util.spec_from_file_location("spoilt", digests.__file__)
    module = importlib.util.module_from_spec(spec)
    with pytest.raises((OSError, ValueError, CheckFailed)):
        spec.loader.exec_module(module)
        module.check_pins()


class _Fickle(str):
    """Reads as one law and compares as another."""

    __slots__ = ()

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("eu")


def test_operators_jurisdiction_is_not_shed_by_a_fickle_one(scene, consented):
    """A request's law that says it is every law puts none of the operator's out of force."""
    scene.operator.jurisdictions = ("uk",)
    for law in ((_Fickle("uk"),), ("uk", "uk"), ("uk", "eu", "uk")):
        request = scene.request(**consented)
        object.__setattr__(request, "jurisdictions", law)
        kept = scene.operator.decision(scene.editor.edit(request).decision_id)
        assert all("uk" in part.policy.split("+") for part in kept.met)
