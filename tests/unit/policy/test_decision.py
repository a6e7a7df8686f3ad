"""Decisions: codes, meet, records and replay."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
import rfc8785

from consent_edit import vocabulary
from consent_edit.errors import ConsentEditError, InputError
from consent_edit.policy import decision as decision_module
from consent_edit.policy import digests, floor
from consent_edit.policy import facts as facts_module
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import check_code, ordered
from consent_edit.policy.decision import Decision, Finding, decide, meet, public_view, replay
from consent_edit.policy.digests import floor_digest, mirror_digest
from consent_edit.policy.outcome import MAX_PARTS, MAX_RESTRICTIONS
from consent_edit.policy.restriction import Restriction
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import CheckName, CheckOutcome, Stage

DEFAULT = PolicyBundle.shipped("default")
PERMIT = PolicyBundle.from_text('@id("all") @reason("r") permit (principal, action, resource);')
CHECKS = ({"name": "exposure", "models": [{"sha256": "00", "threshold": 0.8, "self_test": True}]},)
REVOKED = vary(benign(), {"persons.0.consent": "revoked"})


def test_an_allowing_decision_has_no_codes_and_names_what_it_rests_on() -> None:
    """It carries facts, both digests and the checks, and tells the requester nothing."""
    decision = decide(benign(), DEFAULT, effective_checks=CHECKS)
    assert decision.allowed
    assert (decision.codes, decision.findings, decision.public_codes, decision.remedies) == ((), (), (), ())
    assert decision.stage is Stage.OUTPUT
    assert decision.policy_digest == DEFAULT.digest
    assert decision.floor_digest == floor_digest()
    assert decision.mirror_digest == mirror_digest()
    assert decision.policy == "default"
    assert decision.effective_checks == (
        {"name": "exposure", "models": ({"sha256": "00", "threshold": 0.8, "self_test": True},)},
    )


def test_the_floor_digest_is_that_of_the_files() -> None:
    """Anybody can compute it from three files, each after its length (8 bytes, big-endian)."""
    digest = hashlib.sha256()
    for module in (floor, facts_module, vocabulary):
        source = Path(module.__file__).read_bytes()
        digest.update(len(source).to_bytes(8, "big") + source)
    assert floor_digest() == f"sha256:{digest.hexdigest()}"


@pytest.mark.parametrize("which", ["_FLOOR", "_MIRROR"])
def test_an_altered_floor_decides_nothing(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A floor or a mirror other than the pinned one refuses every edit."""
    monkeypatch.setattr(digests, which, "sha256:" + "0" * 64)
    refused = decide(benign(), DEFAULT)
    assert refused.codes == ("floor.checks-incomplete", "check.policy-engine-failed")
    assert refused.fault == "CheckFailed"


def test_codes_come_floor_first_and_once() -> None:
    """Floor, consent, check, policy: each code once, whomever it fell on."""
    facts = vary(
        benign(),
        {"persons.0.consent": "expired", "persons.0.exposure_change": "increased", "checks": "incomplete"},
    )
    failed = check_code(CheckName.EXPOSURE, CheckOutcome.TIMED_OUT)
    decision = decide(facts, DEFAULT, failed_checks=(failed,))
    assert decision.codes == (
        "floor.checks-incomplete",
        "floor.consent-required",
        "floor.sexualised-minor",
        "floor.foreign-identity",
        "consent.expired",
        "check.exposure-timed_out",
        "policy.exposure-increase",
    )
    assert Finding("policy.exposure-increase", 0) in decision.findings
    assert len(decision.reasons) == len(decision.codes)
    assert "Ask for an edit that leaves people as dressed as they are." in decision.remedies


def test_a_failed_check_refuses_even_where_the_facts_call_the_checks_complete() -> None:
    """Two parts that disagree about a check are settled by refusing."""
    decision = decide(benign(), DEFAULT, failed_checks=("check.exposure-failed",))
    assert decision.codes == ("floor.checks-incomplete", "check.exposure-failed")


@pytest.mark.parametrize("person", ["0", "1", "unseen"])
def test_the_meet_is_over_every_person(person: str) -> None:
    """One person's refusal refuses the picture, unseen included."""
    facts = vary(benign("output", 2), {f"persons.{person}.exposure_change": "increased"})
    decision = decide(facts, DEFAULT)
    index = 2 if person == "unseen" else int(person)
    assert not decision.allowed
    assert [f.person for f in decision.findings if f.code == "policy.exposure-increase"] == [index]


def test_assurance_too_low_has_a_code_of_its_own() -> None:
    """Consent that holds but is worth too little is not called absent."""
    decision = decide(vary(benign(), {"persons.0.assurance": "self_asserted"}), DEFAULT)
    assert decision.codes == ("floor.consent-required", "consent.assurance_insufficient")


def test_codes_of_no_family_refuse() -> None:
    """A failed check under a made-up code is not dropped but refuses as a failed decision."""
    decision = decide(benign(), DEFAULT, failed_checks=("safe.to-release",))
    assert decision.codes == ("floor.checks-incomplete", "check.policy-engine-failed")
    with pytest.raises(ConsentEditError):
        ordered(["policy."])


@pytest.mark.parametrize("checks", [({"score": float("nan")},), ("exposure",), ({1: 2},), (object(),), None])
def test_checks_that_are_no_json_refuse(checks: object) -> None:
    """What cannot be recorded cannot be relied on."""
    decision = decide(benign(), DEFAULT, effective_checks=checks)
    assert decision.codes == ("floor.checks-incomplete", "check.policy-engine-failed")
    assert decision.fault == ("TypeError" if checks is None else "InputError")


@pytest.mark.parametrize(
    ("facts", "bundle"), [(None, DEFAULT), (benign(), None), ("facts", "bundle"), (object(), DEFAULT)]
)
def test_nonsense_refuses_and_never_raises(facts: object, bundle: object) -> None:
    """Not even arguments of the wrong type make decide raise or allow."""
    decision = decide(facts, bundle)
    assert not decision.allowed
    assert {"floor.checks-incomplete", "check.policy-engine-failed"} <= set(decision.codes)


def test_a_raising_floor_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the floor itself cannot judge, nothing leaves."""

    def raises(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(decision_module, "judge", raises)
    decision = decide(benign(), PERMIT)
    assert decision.codes == ("floor.checks-incomplete", "check.policy-engine-failed")
    assert decision.fault == "RuntimeError"


def test_a_decision_cannot_be_built_against_its_reasons() -> None:
    """No codes for banned facts, no finding without its code, none lost in a meet, no exact code shown."""
    allowed, refused = decide(benign(), DEFAULT), decide(REVOKED, DEFAULT)
    for wrong in (
        lambda: dataclasses.replace(refused, codes=(), findings=(), public_codes=()),
        lambda: dataclasses.replace(allowed, facts=REVOKED),
        lambda: dataclasses.replace(refused, codes=("consent.revoked",)),
        lambda: dataclasses.replace(refused, codes=tuple(reversed(refused.codes))),
        lambda: dataclasses.replace(refused, public_codes=()),
        lambda: dataclasses.replace(refused, public_codes=("consent.revoked",)),
        lambda: dataclasses.replace(allowed, public_codes=("consent.required",)),
        lambda: dataclasses.replace(allowed, met=(refused,)),
    ):
        with pytest.raises(ValueError, match=r"decision|meet|public"):
            wrong()
    with pytest.raises(dataclasses.FrozenInstanceError):
        refused.codes = ()
    with pytest.raises(TypeError):
        decide(benign(), DEFAULT, effective_checks=CHECKS).effective_checks[0]["name"] = "x"


def test_meet_allows_only_what_both_allow() -> None:
    """The policy at admission and the one at release must both permit; codes are joined."""
    facts = vary(benign(), {"persons.0.exposure_change": "increased"})
    old, new = decide(facts, PERMIT, effective_checks=CHECKS), decide(facts, DEFAULT)
    for both in (meet(old, new), meet(new, old)):
        assert both.codes == ("policy.exposure-increase",)
        assert {part.policy_digest for part in both.met} == {PERMIT.digest, DEFAULT.digest}
        assert len(both.effective_checks) == 1
    assert meet(old, new).policy_digest == DEFAULT.digest
    assert meet(old, old).allowed
    assert len(meet(meet(old, new), old).met) == 3


def test_meet_joins_two_readings_of_one_picture() -> None:
    """Consent withdrawn between two readings of the status refuses, with her box."""
    both = meet(decide(benign(), DEFAULT), decide(REVOKED, DEFAULT))
    assert "consent.revoked" in both.codes
    assert both.public_persons == (0,)


@pytest.mark.parametrize("other", [benign("input"), benign("output", 2)])
def test_meet_of_two_pictures_is_refused(other: object) -> None:
    """A meet mixes no stages and no persons."""
    with pytest.raises(ValueError, match="one picture"):
        meet(decide(benign(), DEFAULT), decide(other, DEFAULT))


def decisions() -> list[Decision]:
    refused = decide(REVOKED, DEFAULT, failed_checks=("check.exposure-failed",), effective_checks=CHECKS)
    return [decide(benign(), DEFAULT), refused, meet(decide(REVOKED, PERMIT), refused)]


@pytest.mark.parametrize("decision", decisions())
def test_records_round_trip_and_replay(decision: Decision) -> None:
    """A record survives canonical JSON and gives the very decision back, read or decided again."""
    record = json.loads(rfc8785.dumps(decision.to_record()))
    assert Decision.from_record(record) == decision
    if not decision.met:
        assert replay(record, DEFAULT) == decision
    assert replay(record, DEFAULT).codes == decision.codes


def test_replay_shows_what_another_policy_would_have_done() -> None:
    """Before a roll-out recorded facts are decided again under the new rules."""
    record = decide(vary(benign(), {"persons.0.exposure_change": "increased"}), DEFAULT).to_record()
    assert replay(record, PERMIT).allowed


def test_a_failed_decision_replays_as_what_it_would_have_been() -> None:
    """The engine's failure is not a fact, so replay does not repeat it."""
    assert replay(decide(benign(), DEFAULT, effective_checks=(object(),)).to_record(), DEFAULT).allowed


@pytest.mark.parametrize(
    "tamper",
    [
        {"v": 1, "extra": 1},
        {"v": 3},
        {"v": True},
        {"v": 2.0},
        {"v": None},
        {"allowed": True},
        {"stage": "input"},
        {"extra": 1},
        {"codes": []},
        {"codes": "consent.absent"},
        {"codes": ["consent.absent"]},
        {"codes": [1]},
        {"codes": ["verdict.fine"]},
        {"findings": [{"code": "consent.revoked"}]},
        {"findings": [{"code": "consent.revoked", "person": True}]},
        {"findings": [{"code": "consent.revoked", "person": "0"}]},
        {"facts": None},
        {"texts": [{"code": "policy.x"}]},
        {"effective_checks": ["exposure"]},
        {"public_codes": ["consent.revoked"]},
        {"met": [{}]},
    ],
)
def test_a_tampered_record_is_not_read(tamper: dict[str, object]) -> None:
    """A record that is malformed or belies itself raises the package's own error."""
    record = decide(REVOKED, DEFAULT).to_record()
    with pytest.raises(ConsentEditError):
        Decision.from_record({**record, **tamper})


def test_a_refusal_cannot_be_rewritten_into_an_allow() -> None:
    """Emptying every code of a recorded floor refusal makes it unreadable, since the floor is re-run."""
    record = decide(REVOKED, DEFAULT).to_record()
    record |= {"allowed": True, "codes": [], "findings": [], "public_codes": [], "public_persons": []}
    with pytest.raises(InputError, match="floor"):
        Decision.from_record(record)


def test_no_record_is_no_object() -> None:
    """Only an object can be a record."""
    for nothing in (None, [], "record"):
        with pytest.raises(InputError):
            Decision.from_record(nothing)


NO_HAIR = PolicyBundle.from_text(
    PERMIT.text
    + '@id("no-hair") @reason("No hair.") @remedy("Leave it.") forbid (principal, action, resource) '
    'when { context.operations.contains(Operation::"hair") };',
    name="no-hair",
)
HAIR = vary(benign("input"), {"operations": ["hair"]})


def test_a_meet_names_what_was_in_force_last_and_keeps_what_either_said() -> None:
    """Policy and digests are the second's; restrictions, texts and the fault are of both."""
    one = Restriction(name="one", reason="r", refuses=lambda facts: ())
    two = Restriction(name="two", reason="r", refuses=lambda facts: (0,))
    first, second = decide(HAIR, NO_HAIR, restrictions=[one]), decide(HAIR, PERMIT, restrictions=[one, two])
    both = meet(first, second)
    assert (both.policy, both.policy_digest) == (PERMIT.name, PERMIT.digest)
    assert (both.floor_digest, both.mirror_digest) == (floor_digest(), mirror_digest())
    assert both.restrictions == ("one", "two")
    assert {said.code for said in both.texts} == {"policy.no-hair", "policy.restriction-two"}
    assert (first.fault, both.fault) == ("", "")


@pytest.mark.parametrize("turned", [False, True])
def test_a_meet_keeps_the_fault_of_either(turned: bool) -> None:
    """Whichever of the two could not be taken, the record says why."""
    sound, broken = decide(benign(), PERMIT), decide(benign(), PERMIT, effective_checks=(object(),))
    assert broken.fault
    parts = (broken, sound) if turned else (sound, broken)
    assert meet(*parts).fault == broken.fault


def test_a_decision_that_could_not_be_taken_says_all_that_is_known() -> None:
    """The policy it was to be taken under, what the floor finds all the same, and whom to ask."""
    refused = decide(REVOKED, DEFAULT, effective_checks=(object(),))
    assert (refused.policy, refused.policy_digest) == ("default", DEFAULT.digest)
    assert "floor.consent-required" in refused.codes
    assert Finding("consent.revoked", 0) in refused.findings
    assert "consent.required" in refused.public_codes
    assert refused.public_persons == (0,)
    unknown = decide(benign(), None, effective_checks=())
    assert (unknown.policy, unknown.policy_digest) == ("", "")


def test_what_a_restriction_said_is_said_again_in_its_words() -> None:
    """A replay has no code to run, and repeats code, persons and sentences of the record."""
    said = Restriction(
        name="hours", reason="Shut.", reason_fr="Fermé.", remedy="Later.", remedy_fr="Plus tard.",
        refuses=lambda facts: (1,),
    )  # fmt: skip
    then = decide(benign("input"), PERMIT, restrictions=[said])
    again = replay(then.to_record(), NO_HAIR)
    assert again.findings == then.findings == (Finding("policy.restriction-hours", 1),)
    assert again.texts == then.texts == (said.text,)
    silent = decide(
        HAIR, PERMIT, restrictions=[Restriction(name="mute", reason="r", refuses=lambda facts: ())]
    )
    assert replay(silent.to_record(), NO_HAIR).codes == ("policy.no-hair",)


def test_a_record_of_version_1_reads_as_one_of_today() -> None:
    """It lacked three names, which are empty then; nothing else of it changes."""
    today = decide(REVOKED, DEFAULT)
    old = today.to_record() | {"v": 1}
    for name in ("policy", "mirror_digest", "restrictions"):
        del old[name]
    assert Decision.from_record(old) == dataclasses.replace(today, policy="", mirror_digest="")


def test_whoever_nobody_found_stays_as_she_is_to_the_requester() -> None:
    """She is compared with no template: a rule on identity that refuses for her is told, and not made up."""
    bundle = PolicyBundle.from_text(
        PERMIT.text + '@id("kept") @reason("r") forbid (principal, action, resource) '
        'when { context.kind == PersonKind::"unseen" } '
        'unless { context.identity_kept == IdentityKept::"same" };'
    )
    nude = vary(benign(), {"persons.0.exposure": "nude"})
    assert decide(nude, bundle).public_codes == ("floor.nudity-of-real-person",)


@pytest.mark.parametrize("pack", ["default", "try-on", "newsroom", "strict"])
def test_what_the_requester_reads_is_decided_without_a_failure(pack: str) -> None:
    """A stranger is somebody of whom every fact has a word, whatever a policy reads."""
    refused = decide(vary(REVOKED, {"persons.0.age": "minor"}), PolicyBundle.shipped(pack))
    assert "consent.required" in refused.public_codes
    assert not [code for code in refused.public_codes if code.startswith("check.")]


def test_simulated_consent_counts_in_the_demo_to_the_requester_too() -> None:
    """There she is no stranger, so nobody is told to ask her; in production she is one."""
    simulated = {"persons.0.assurance": "simulated", "persons.0.exposure": "nude"}
    demo = decide(vary(benign(), {**simulated, "environment": "demo"}), PERMIT)
    assert (demo.codes, demo.public_persons) == (("floor.nudity-of-real-person",), ())
    assert demo.public_codes == demo.codes
    production = decide(vary(benign(), simulated), PERMIT)
    assert "consent.assurance_insufficient" in production.codes
    assert production.public_persons == (0,)


def test_a_meet_is_replayed_part_by_part() -> None:
    """Each part on its own facts, in its place."""
    both = meet(decide(benign("input"), PERMIT), decide(HAIR, PERMIT))
    again = replay(both.to_record(), NO_HAIR)
    assert [part.codes for part in again.met] == [(), ("policy.no-hair",)]
    assert [part.facts for part in again.met] == [benign("input"), HAIR]


def test_a_broken_decision_reads_back_whole() -> None:
    """Its fault included."""
    broken = decide(REVOKED, DEFAULT, effective_checks=(object(),))
    assert broken.fault
    assert Decision.from_record(broken.to_record()) == broken


def test_records_are_bounded() -> None:
    """So many parts and restrictions as there may be are read, and one more is not."""
    one = decide(HAIR, PERMIT)
    most = dataclasses.replace(one, met=(one,) * MAX_PARTS)
    assert len(Decision.from_record(most.to_record()).met) == MAX_PARTS
    names = tuple(f"r{number}" for number in range(MAX_RESTRICTIONS))
    held = dataclasses.replace(one, restrictions=names)
    assert Decision.from_record(held.to_record()).restrictions == names
    for beyond in (
        dataclasses.replace(one, met=(one,) * (MAX_PARTS + 1)),
        dataclasses.replace(one, met=(most,)),
        dataclasses.replace(one, restrictions=(*names, "more")),
    ):
        with pytest.raises(InputError):
            Decision.from_record(beyond.to_record())


def test_the_view_speaks_one_language_throughout() -> None:
    """Message and remedies in the language asked for, English unless said, with the rule's own words."""
    refused = decide(vary(benign("input"), {"persons.0.intent": "revealing"}), DEFAULT)
    english, french = public_view(refused, ()), public_view(refused, (), "fr")
    assert english == public_view(refused, (), "en")
    assert english.message.startswith("The prompt asks")
    assert english.remedies == ("Ask for an edit that leaves people as dressed as they are.",)
    assert french.remedies == (
        "Demandez une retouche qui laisse les personnes habillées comme elles le sont.",
    )
