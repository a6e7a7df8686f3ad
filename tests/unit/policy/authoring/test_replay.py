"""Replay says what another policy would have made of recorded decisions, on their own facts."""

from __future__ import annotations

import json

import pytest

from consent_edit.policy.authoring.records import replay
from consent_edit.policy.authoring.records.replay import Change, replay_all
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import decide, meet
from consent_edit.policy.digests import floor_digest
from consent_edit.policy.restriction import Restriction
from consent_edit.policy.testing import benign, vary

OPEN = '@id("open") @reason("Everything else.") permit (principal, action == Action::"edit", resource);\n'


def forbidding(name, when):
    text = f'{OPEN}@id("{name}") @reason("Not so.") forbid (principal, action == Action::"edit", resource)'
    return PolicyBundle.from_text(f"{text} when {{ {when} }};", name=name)


LIVE = PolicyBundle.from_text(OPEN, name="live")
NO_TONE = forbidding("no-tone", 'context.operations.contains(Operation::"tone")')
NO_HAIR = forbidding("no-hair", 'context.operations.contains(Operation::"hair")')
NOT_AT_INPUT = forbidding("not-in", 'context.stage == Stage::"input"')
REVOKED = vary(benign(), {"persons.0.consent": "revoked"})


def line(*decisions, **more):
    """A record as `assess --json` prints it."""
    (decision,) = decisions
    return json.dumps(decision.to_record() | more).encode()


def entry(decision, admitted=None, name="d-1"):
    """A record as an operator's log keeps it."""
    kept = {"event": "release", "decision_id": name, "stage": "output", "decision": decision.to_record()}
    if admitted is not None:
        kept["admitted"] = admitted.to_record()
    return json.dumps(kept | {"salts": {}, "shadows": []}).encode()


def run(bundle, *records):
    return replay_all(((f"line {number}", data) for number, data in enumerate(records, 1)), bundle)


def counts(report):
    return {change: count for change, count in report.counts.items() if count}


def test_same_decision_under_the_same_policy():
    """Under the recorded policy every decision comes out as it was, allowed or refused (G9)."""
    records = [line(decide(benign(), LIVE)), line(decide(REVOKED, LIVE)), line(decide(benign(), NO_TONE))]
    assert counts(run(LIVE, *records[:2])) == {Change.SAME: 2}
    assert counts(run(NO_TONE, records[2])) == {Change.SAME: 1}


def test_what_a_stricter_policy_refuses_now():
    """Allowed then and refused now: counted, with the new codes and the first of them as example."""
    report = run(NO_TONE, *(line(decide(benign(), LIVE)) for _ in range(3)))
    assert counts(report) == {Change.NOW_REFUSED: 3}
    (group,) = report.groups
    assert (group.old, group.new, group.count, group.example) == ((), ("policy.no-tone",), 3, "line 1")


def test_what_a_wider_policy_allows_now():
    """Refused by a rule that is gone: allowed now."""
    report = run(LIVE, line(decide(benign(), NO_TONE)))
    assert counts(report) == {Change.NOW_ALLOWED: 1}
    assert report.groups[0].old == ("policy.no-tone",) and report.groups[0].new == ()


def test_what_is_refused_for_other_reasons():
    """Refused either way, under other codes; the floor's stay."""
    report = run(NO_TONE, line(decide(REVOKED, LIVE)))
    assert counts(report) == {Change.OTHER_REASONS: 1}
    assert set(report.groups[0].new) - set(report.groups[0].old) == {"policy.no-tone"}


def test_no_policy_allows_what_the_floor_refused():
    """Under a policy that permits everything the floor still refuses."""
    assert counts(run(LIVE, line(decide(REVOKED, NO_TONE)))) == {Change.OTHER_REASONS: 1}


def test_release_counts_with_its_admission():
    """An edit whose input the new policy refuses would never have been released."""
    released = entry(decide(benign(), LIVE), admitted=decide(benign("input"), LIVE))
    report = run(NOT_AT_INPUT, released)
    assert counts(report) == {Change.NOW_REFUSED: 1} and report.groups[0].example == "d-1"
    assert counts(run(NOT_AT_INPUT, entry(decide(benign(), LIVE)))) == {Change.SAME: 1}


def test_parts_of_a_meet_are_replayed():
    """A meet is replayed part by part, each on its own facts."""
    hair = vary(benign(), {"operations": ["hair"], "persons.0.granted": ["hair"], "persons.0.photo": "exact"})
    met = meet(decide(hair, LIVE), decide(benign(), LIVE))
    assert run(NO_HAIR, line(met)).groups[0].new == ("policy.no-hair",)
    assert counts(run(NO_HAIR, line(decide(benign(), LIVE)))) == {Change.SAME: 1}


def test_what_a_restriction_said_it_says_again():
    """A plug-in's refusal is part of the facts: no policy undoes it."""
    late = Restriction(name="late", refuses=lambda facts: [0], reason="Not here.")
    record = line(decide(benign(), NO_TONE, restrictions=(late,)))
    assert run(LIVE, record).groups[0].new == ("policy.restriction-late",)


def test_check_without_an_answer_still_refuses():
    """What failed then failed: no policy makes up for a check that gave no answer."""
    record = line(decide(benign(), LIVE, failed_checks=("check.exposure-timed_out",)))
    assert counts(run(LIVE, record)) == {Change.SAME: 1}


def test_records_of_version_1():
    """Records from before policies were named replay alike."""
    old = decide(benign(), LIVE).to_record()
    for later in ("policy", "mirror_digest", "restrictions"):
        del old[later]
    report = run(NO_TONE, json.dumps(old | {"v": 1}).encode())
    assert counts(report) == {Change.NOW_REFUSED: 1} and not report.skipped


def test_line_with_the_name_of_its_record():
    """What `assess --record --json` prints replays, and is named by its record."""
    report = run(NO_TONE, line(decide(benign(), LIVE), decision_id="d-7"))
    assert report.groups[0].example == "d-7"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"decision": 7, "decision_id": "d"}',
        b'{"event": "erasure", "decision_id": "d", "stage": "x"}',
        json.dumps(decide(benign(), LIVE).to_record() | {"v": 3}).encode(),
        json.dumps(decide(benign(), LIVE).to_record() | {"codes": ["floor.hands-off"]}).encode(),
        json.dumps(
            {"decision_id": "d", "decision": decide(benign(), LIVE).to_record(), "admitted": 1}
        ).encode(),
    ],
)
def test_record_that_cannot_be_replayed_is_skipped(data):
    """It is counted with the reason and named; the others are replayed."""
    report = run(NO_TONE, line(decide(benign(), LIVE)), data)
    assert counts(report) == {Change.NOW_REFUSED: 1}
    assert sum(one.count for one in report.skipped) == 1
    assert report.skipped[0].reason and report.skipped[0].example


def test_floor_that_moved_is_told():
    """Records decided under another floor are counted, whether they can be replayed or not."""
    moved = decide(benign(), LIVE).to_record() | {"floor_digest": f"sha256:{'0' * 64}"}
    worse = decide(REVOKED, LIVE).to_record()
    let_through = worse | {"codes": [], "findings": [], "public_codes": [], "public_persons": []}
    let_through |= {"allowed": True, "texts": [], "floor_digest": f"sha256:{'0' * 64}"}
    report = run(
        LIVE, line(decide(benign(), LIVE)), *(json.dumps(one).encode() for one in (moved, let_through))
    )
    assert report.floor_moved == 2 and report.total == 2
    assert "floor refuses" in report.skipped[0].reason
    assert decide(benign(), LIVE).floor_digest == floor_digest()


def test_new_policy_without_an_answer_is_no_refusal(monkeypatch):
    """Where the new policy breaks nothing is said about what it would do."""
    record = entry(decide(benign(), LIVE))

    def breaks(*_):
        raise RuntimeError

    monkeypatch.setattr(PolicyBundle, "refusals", breaks)
    report = run(NO_TONE, record)
    assert report.total == 0 and "RuntimeError" in report.skipped[0].reason


def test_kinds_of_change_are_bounded(monkeypatch):
    """However many kinds of change there are, memory holds so many; the rest are counted."""
    monkeypatch.setattr(replay, "MAX_GROUPS", 1)
    report = run(NO_TONE, line(decide(benign(), LIVE)), line(decide(REVOKED, LIVE)))
    assert len(report.groups) == 1 and report.untold == 1 and report.total == 2


def test_records_are_taken_one_by_one():
    """However many records there are, one is held at a time."""
    held = []

    def records():
        for number in range(5):
            held.append(number)
            yield "d", line(decide(benign(), LIVE))
            assert held == list(range(number + 1))

    assert replay_all(records(), NO_TONE).total == 5
