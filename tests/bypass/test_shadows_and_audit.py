"""Seeing before switching on: shadows decide nothing and are shown to nobody; an audit releases nothing."""

from __future__ import annotations

import json

import pytest
from consent_world import AUDIENCE
from fake_perception import seen_face

from consent_edit.consent.keys import SigningKey
from consent_edit.consent.proof import sign_proof
from consent_edit.errors import CheckFailed, EditRefused, InputError, PolicyInvalid, StoreUnavailable
from consent_edit.policy import shadow as shadows
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.restriction import Restriction
from consent_edit.vocabulary import Operation

OPEN = '@id("open") @reason("Everything else.") permit (principal, action == Action::"edit", resource);\n'


def forbidding(name, when):
    text = f'{OPEN}@id("{name}") @reason("Not so.") forbid (principal, action == Action::"edit", resource)'
    return PolicyBundle.from_text(f"{text} when {{ {when} }};", name=f"{name}-shadow")


NO_TONE = forbidding("no-tone", 'context.operations.contains(Operation::"tone")')
NOT_AT_INPUT = forbidding("not-in", 'context.stage == Stage::"input"')
NOT_AT_OUTPUT = forbidding("not-out", 'context.stage == Stage::"output"')
LENIENT = PolicyBundle.from_text(OPEN, name="lenient-shadow")


@pytest.fixture
def consented(scene):
    """Presentations of the one person shown."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE})
    return {"presentations": (grant.presentation(),)}


def said(scene, decision_id):
    """What the record says the shadows said: name -> allowed and codes."""
    notes = scene.operator.store.decision(decision_id)["shadows"]
    return {note["policy"]: (note["allowed"], note["codes"]) for note in notes}


def entries_of_her(scene, consented):
    """What the person who consents can read."""
    (consent,) = scene.editor._before(scene.request(**consented))[2].consents
    return scene.operator.store.subject_entries(consent.subject)


def refusal(scene, **asked):
    with pytest.raises(EditRefused) as caught:
        scene.edit(**asked)
    return caught.value


def test_shadows_of_a_release(scene, consented):
    """Each is asked at the input and at the output, and allows the edit when it allows both."""
    scene.operator.shadows = (LENIENT, NO_TONE, NOT_AT_INPUT, NOT_AT_OUTPUT)
    result = scene.edit(**consented)
    assert said(scene, result.decision_id) == {
        "lenient-shadow": (True, []),
        "no-tone-shadow": (False, ["policy.no-tone"]),
        "not-in-shadow": (False, ["policy.not-in"]),
        "not-out-shadow": (False, ["policy.not-out"]),
    }
    notes = scene.operator.store.decision(result.decision_id)["shadows"]
    assert notes[1]["digest"] == NO_TONE.digest
    assert scene.operator.decision(result.decision_id).allowed


def test_shadows_of_a_refusal(scene, consented):
    """A refusal says what a more lenient policy would have done, and stays a refusal."""
    scene.operator.policy = NO_TONE
    scene.operator.shadows = (LENIENT, NOT_AT_OUTPUT)
    told = refusal(scene, **consented)
    expected = {"lenient-shadow": (True, []), "not-out-shadow": (True, [])}
    assert said(scene, told.decision_id) == expected
    assert scene.exact(told) == {"policy.no-tone"}


def test_shadow_of_a_refused_output(scene, consented):
    """What a shadow would have refused at the input stands in the record of an output refused."""
    scene.operator.policy = NOT_AT_OUTPUT
    scene.operator.shadows = (NOT_AT_INPUT,)
    assert said(scene, refusal(scene, **consented).decision_id) == {
        "not-in-shadow": (False, ["policy.not-in"])
    }


def test_shadow_never_allows_what_the_floor_refuses(scene):
    """Nobody consents: the most lenient shadow refuses as well."""
    scene.shows([seen_face(1)], [seen_face(1)])
    scene.operator.shadows = (LENIENT,)
    ((allowed, codes),) = said(scene, refusal(scene).decision_id).values()
    assert not allowed and "floor.consent-required" in codes


def test_shadow_of_an_edit_that_broke_off(scene, consented):
    """The record of an admitted edit that broke off has the shadows' word on its admission."""
    scene.operator.shadows = (NOT_AT_INPUT,)
    scene.perception.before_change = lambda: 1 / 0
    with pytest.raises(CheckFailed):
        scene.edit(**consented)
    name = json.loads(scene.newest())["decision"]
    assert said(scene, name) == {"not-in-shadow": (False, ["policy.not-in"])}
    assert scene.operator.store.decision(name)["broke_off"] == "check.edit-failed"


def test_shadow_is_narrowed_as_the_live_policy_is(scene, consented):
    """Under a jurisdiction a shadow is what it would be there."""
    scene.operator.shadows = (LENIENT,)
    result = scene.edit(**consented, jurisdictions=("uk",))
    assert list(said(scene, result.decision_id)) == ["lenient-shadow+uk"]


def test_shadow_hears_what_restrictions_said(scene, consented):
    """A plug-in's refusal stands under every policy, so the most lenient shadow refuses with it."""
    late = Restriction(name="late", refuses=lambda facts: [0], reason="Not here.")
    scene.operator.restrictions, scene.operator.shadows = (late,), (LENIENT,)
    told = refusal(scene, **consented)
    assert said(scene, told.decision_id) == {"lenient-shadow": (False, ["policy.restriction-late"])}


def test_slow_shadows_hold_nothing_up_for_ever(scene, consented, monkeypatch):
    """Once their time is over no further one is asked, and the edit leaves."""
    monkeypatch.setattr(shadows, "BUDGET_S", -1.0)
    scene.operator.shadows = (LENIENT,)
    kept = scene.operator.store.decision(scene.edit(**consented).decision_id)
    assert kept["shadows"] == [{"policy": "lenient-shadow", "fault": "TimeoutError"}]


def test_shadows_beyond_number_and_length(scene, consented):
    """However many there are, and however much they say, the record can be written and the edit leaves."""
    long = "".join(
        f'@id("{"a" * 50}-{number}") @reason("r") forbid (principal, action, resource);'
        for number in range(200)
    )
    wordy = PolicyBundle.from_text(OPEN + long, name="wordy\ud800" * 99)
    scene.operator.shadows = (wordy, *(LENIENT for _ in range(500)))
    notes = scene.operator.store.decision(scene.edit(**consented).decision_id)["shadows"]
    assert len(notes) == shadows.MAX_SHADOWS + 1
    assert notes[0]["fault"] and len(notes[0]["policy"]) <= 200 and notes[-1]["fault"]


def test_shadow_is_shown_to_nobody(scene, consented):
    """Requester, receipt, log and the person depicted learn of no shadow (G7); the operator's record does."""
    scene.operator.shadows = (NO_TONE,)
    result = scene.edit(**consented)
    scene.operator.policy = NOT_AT_INPUT
    told = refusal(scene, **consented)
    hers = entries_of_her(scene, consented)
    assert len(hers) == 2
    shown = [
        result.receipt,
        result.released.decode("latin-1"),
        repr(result),
        repr(vars(told)),
        str(told),
        told.diagnostics(),
        *(scene.operator.store.leaf(index).decode() for index in range(scene.entries)),
        str(hers),
    ]
    for text in shown:
        assert "no-tone" not in text and "shadow" not in text and NO_TONE.digest not in text
    assert "no-tone" in str(scene.operator.store.decision(result.decision_id))


@pytest.fixture
def nothing_runs(scene, monkeypatch):
    """A pipeline that must not be called."""

    def called(*_, **__):
        raise AssertionError("the pipeline ran")

    monkeypatch.setattr("consent_edit.pipelines.runner.run", called)


def test_audited_request_that_would_be_admitted(scene, consented, nothing_runs):
    """It is written down as an assessment with its shadows, and nothing runs, leaves or is counted."""
    grant = scene.person(2).grant(operations={Operation.TONE}, max_uses=1)
    scene.shows([seen_face(2)], [seen_face(2)])
    scene.operator.shadows = (NO_TONE,)
    for _ in range(3):
        name = scene.editor.audit(scene.request(presentations=(grant.presentation(),)))
    assert scene.operator.decision(name).allowed and scene.uses(grant) == 0
    assert said(scene, name) == {"no-tone-shadow": (False, ["policy.no-tone"])}
    assert scene.operator.store.decision(name)["event"] == "assessment"
    leaf = json.loads(scene.newest())
    assert (leaf["event"], leaf["decision"], leaf["codes"], leaf["commitments"]) == (
        "assessment",
        name,
        [],
        {},
    )


def test_audited_request_that_would_be_refused(scene, nothing_runs):
    """The same decision as an edit would meet, exact codes for the operator, public ones in the log."""
    person = scene.person(1)
    grant = person.grant(operations={Operation.TONE})
    person.withdraw(grant)
    scene.shows([seen_face(1)], [])
    scene.operator.policy = forbidding("withdrew", 'context.consent == ConsentStatus::"revoked"')
    asked = scene.request(presentations=(grant.presentation(),))
    name = scene.editor.audit(asked)
    decision = scene.operator.decision(name)
    assert {"consent.revoked", "policy.withdrew"} <= set(decision.codes)
    assert decision.codes == scene.editor.assess(asked).codes
    assert not any(word in scene.newest() for word in ("revoked", "withdrew"))
    assert "consent.required" in scene.newest()


def test_audited_request_spends_no_proof(scene):
    """The nonce of a proof still serves for the edit itself."""
    key = SigningKey.generate()
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE}, grantee=key.public.thumbprint)
    request = scene.request(presentations=(grant.presentation(),), grantee="")
    proof = sign_proof(key, audience=AUDIENCE, request=request.digest(), now=scene.world.clock())
    request = scene.request(presentations=(grant.presentation(),), grantee="", proof=proof)
    assert scene.operator.decision(scene.editor.audit(request)).allowed
    assert scene.editor.edit(request).released
    with pytest.raises(EditRefused):
        scene.editor.edit(request)


def test_person_depicted_reads_of_an_audit(scene, consented, nothing_runs):
    """Whose consent was looked at finds it among her decisions, as after a refusal."""
    scene.editor.audit(scene.request(**consented))
    (entry,) = entries_of_her(scene, consented)
    assert entry["data"]["event"] == "assessment"


def test_audited_request_that_is_bad_input(scene, consented):
    """Bad input is an error of ours, and nothing is written."""
    with pytest.raises(PolicyInvalid):
        scene.editor.audit(scene.request(**consented, jurisdictions=("atlantis",)))
    with pytest.raises(InputError):
        scene.editor.audit(scene.request(image=b"no picture"))
    assert scene.entries == 0


def test_audit_that_cannot_be_written(scene, consented, monkeypatch):
    """What could not be written down is not said to be."""

    def full(**_):
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(scene.operator.store, "commit_refusal", full)
    with pytest.raises(StoreUnavailable):
        scene.editor.audit(scene.request(**consented))


def test_decision_of_an_audit_releases_nothing(scene, consented):
    """An audit leaves no clearance behind: what it wrote names no output, and no receipt is made of it."""
    name = scene.editor.audit(scene.request(**consented))
    kept = scene.operator.store.decision(name)
    assert kept["salts"] == {} and "admitted" not in kept and kept["stage"] == "input"
