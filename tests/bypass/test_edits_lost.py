"""An admitted edit cannot vanish: on every way out one record bears its name, and nothing runs unrecorded."""

from __future__ import annotations

import pytest
from fake_perception import seen_face

from consent_edit.editor import ConsentEditor
from consent_edit.errors import CheckFailed, ConsentEditError, EditRefused, StoreUnavailable
from consent_edit.gate import Gate
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import Decision
from consent_edit.vocabulary import Operation

TONE = {Operation.TONE}
NO = '@id("no") @reason("Not today.") forbid (principal, action, resource);'


@pytest.fixture
def admitted(scene, monkeypatch):
    """The names under which edits were admitted, as they are."""
    names = []
    genuine = Gate.admit

    def admit(gate, *arguments):
        clearance = genuine(gate, *arguments)
        names.append(clearance.decision_id)
        return clearance

    monkeypatch.setattr(Gate, "admit", admit)
    scene.shows([seen_face(1)], [seen_face(1)])
    return names


def consented(scene, **changes):
    return {"presentations": (scene.person(1).present(operations=TONE, **changes),)}


def ended_once(scene, admitted):
    """Each admitted edit has a record, and none is open."""
    names = [one.decision_id for one in scene.operator.store.decisions()]
    assert scene.operator.store.journal.open() == 0
    assert all(names.count(name) == 1 for name in admitted)
    return scene.operator.store.decision(admitted[-1])


def test_release(scene, admitted):
    """A release bears the name of its admission."""
    result = scene.edit(**consented(scene))
    assert result.decision_id == admitted[0]
    assert ended_once(scene, admitted)["event"] == "release"


def test_refused_at_the_input(scene, admitted):
    """What is not admitted opens nothing."""
    with pytest.raises(EditRefused):
        scene.edit()
    assert admitted == [] and scene.operator.store.journal.open() == 0 and scene.entries == 1


def refused_output(scene):
    scene.shows([seen_face(1)], [seen_face(1), seen_face(7)])


def policy_swapped(scene):
    policy = PolicyBundle.from_text(NO)
    scene.perception.before_change = lambda: scene.operator.replace(policy=policy)


def withdrawn_while_it_runs(scene):
    (grant,) = scene.grants
    scene.perception.before_change = lambda: scene.world.issuer.status.withdraw(
        scene.someone.wallet.withdraw(grant.jti, scene.world.clock())
    )


def perception_raises(scene):
    scene.perception.observe_change = lambda *_: 1 / 0


def pipeline_raises(scene):
    scene.returned[0] = object()


def key_lost(scene):
    scene.operator.receipt_key = object()


def clock_set_back(scene):
    clock = scene.world.clock
    scene.perception.before_change = lambda: setattr(clock, "now", clock.now - 3)


def interrupted(scene):
    def interrupt():
        raise KeyboardInterrupt

    scene.perception.before_change = interrupt


def use_taken(scene):
    genuine = scene.operator.store.commit_release

    def last_one_gone(**asked):
        grants = [(name, 0) for name, _ in asked.get("grants", ())]
        return genuine(**{**asked, "grants": grants})

    scene.operator.store.commit_release = last_one_gone


WAYS = (
    refused_output, policy_swapped, withdrawn_while_it_runs, perception_raises, pipeline_raises, key_lost,
    clock_set_back, interrupted, use_taken,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_out(scene, admitted, way):
    """Refused, withdrawn, broken off, interrupted: one record bears the admission's name, none is open."""
    person = scene.person(1)
    grant = person.grant(operations=TONE)
    scene.grants, scene.someone = [grant], person
    way(scene)
    with pytest.raises((ConsentEditError, KeyboardInterrupt)) as ended:
        scene.edit(presentations=(grant.presentation(),))
    record = ended_once(scene, admitted)
    assert record["event"] == "refusal" and scene.uses(grant) == 0
    if isinstance(ended.value, EditRefused):
        assert ended.value.decision_id == admitted[0]
    else:
        assert record["broke_off"]


def test_admission_that_cannot_be_written(scene, admitted, monkeypatch):
    """Where an admission cannot be written down nothing runs."""

    def full(**_):
        raise StoreUnavailable("the disk is full")

    steps = []
    monkeypatch.setattr(scene.operator.store.journal, "admit", full)
    with pytest.raises(StoreUnavailable):
        scene.editor.edit(scene.request(**consented(scene)), progress=lambda *step: steps.append(step))
    assert (admitted, scene.entries, steps) == ([], 0, [])


def test_store_away_when_the_edit_ends(scene, admitted, monkeypatch):
    """What cannot be written at the end of an edit is written with the next one's admission."""

    def full(**_):
        raise StoreUnavailable("the disk is full")

    store = scene.operator.store
    with monkeypatch.context() as patch:
        patch.setattr(store, "commit_release", full)
        with pytest.raises(StoreUnavailable):
            scene.edit(**consented(scene))
    assert (store.journal.open(), scene.entries) == (1, 0)
    scene.edit(**consented(scene))
    ended_once(scene, admitted)
    assert store.decision(admitted[0])["broke_off"] == "check.edit-lost"


def test_edit_that_was_taken_for_lost(scene, admitted):
    """An edit that somebody closed as lost does not leave, burns no use, and is not written twice."""
    person = scene.person(1)
    grant = person.grant(operations=TONE)

    def lost():
        scene.operator.store.journal.give_up(admitted[-1])
        scene.operator.store.journal.close_lost(scene.world.clock())

    scene.perception.before_change = lost
    with pytest.raises(StoreUnavailable) as refused:
        scene.edit(presentations=(grant.presentation(),))
    assert refused.value.code == "check.edit-closed"
    assert ended_once(scene, admitted)["broke_off"] == "check.edit-lost"
    assert scene.uses(grant) == 0 and scene.entries == 1


def test_break_after_the_release_was_written(scene, admitted, monkeypatch):
    """A release that stands in the log gets no second record, whatever breaks after it."""
    genuine, calls = Gate._receipt, []

    def receipt(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return genuine(*arguments)

    monkeypatch.setattr(Gate, "_receipt", receipt)
    with pytest.raises(CheckFailed):
        scene.edit(**consented(scene))
    assert ended_once(scene, admitted)["event"] == "release" and scene.entries == 1


def test_refusal_forged_inside_the_gate(scene, admitted):
    """A refusal that bears another name than the edit's own is a break, and closes it."""

    class Forging:
        def __getattr__(self, name):
            raise EditRefused("no", codes=("consent.revoked",), decision_id="0" * 32)

    scene.operator.receipt_key = Forging()
    with pytest.raises(CheckFailed):
        scene.edit(**consented(scene))
    assert ended_once(scene, admitted)["broke_off"] == "check.edit-failed"


def test_next_editor_closes_what_is_lost(scene, admitted):
    """An editor that is made closes what those before it left open, and its record can be read."""
    store = scene.operator.store
    snapshot = scene.operator.snapshot()
    received = scene.editor._before(scene.request(**consented(scene)))[2]
    name = scene.editor._gate.admit(received, snapshot, "sha256:00").decision_id
    store.journal._presence.owner += 1  # as if another process had admitted it
    assert store.journal.open() == 1
    ConsentEditor(scene.editor.pipeline, scene.operator, perception=scene.perception)
    assert ended_once(scene, [name])["broke_off"] == "check.edit-lost"
    decision = scene.operator.decision(name)
    assert isinstance(decision, Decision) and decision.allowed
    assert "check.edit-lost" in scene.newest()


def test_admission_tells_nothing_of_people(scene, admitted):
    """The journal holds facts and hashes of models: no grant, key, picture, prompt or template."""
    kept = []
    genuine = scene.operator.store.journal.admit

    def admit(record, leaf, now):
        kept.append(f"{record}{leaf}")
        return genuine(record, leaf, now)

    scene.operator.store.journal.admit = admit
    grant = scene.person(1).grant(operations=TONE)
    shown = grant.presentation()
    scene.edit(presentations=(shown,), prompt="make it warmer")
    (told,) = kept
    secrets = (grant.jti, shown.grant, shown.credential[:40], scene.before.digest[7:], "make it warmer")
    assert not [secret for secret in secrets if secret in told]


def test_clearance_without_an_admission(scene):
    """A clearance whose admission nobody wrote down releases nothing."""
    genuine = scene.operator.store.journal.admit
    scene.operator.store.journal.admit = lambda **_: None
    scene.shows([seen_face(1)], [seen_face(1)])
    with pytest.raises(StoreUnavailable) as refused:
        scene.edit(**consented(scene))
    scene.operator.store.journal.admit = genuine
    assert refused.value.code == "check.edit-closed" and scene.entries == 0
