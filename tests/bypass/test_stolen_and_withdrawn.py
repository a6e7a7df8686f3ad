"""A thief carries what was somebody's, and a person who changed her mind while an edit waits or runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from consent_world import AUDIENCE
from fake_perception import seen_face

from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.proof import sign_proof
from consent_edit.errors import EditRefused, InputError, StoreUnavailable, Unavailable, VerificationFailed
from consent_edit.vocabulary import Operation


def self_grant(scene):
    """Somebody who grants to her own key, and the request as she makes it."""
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    grant = person.grant(grantee=person.wallet.subject, operations={Operation.TONE})
    return person, grant, scene.request(grantee="", presentations=(grant.presentation(),))


def proven(scene, request, key, **changes):
    asked = {"audience": AUDIENCE, "request": request.digest(), "now": scene.world.clock(), **changes}
    return replace(request, proof=sign_proof(key, **asked))


def codes(scene, request):
    with pytest.raises(EditRefused) as refused:
        scene.editor.edit(request)
    return scene.exact(refused.value)


def test_she_edits_herself_with_her_own_key(scene):
    """A self-grant and a fresh proof by the same key release the edit."""
    person, grant, request = self_grant(scene)
    scene.editor.edit(proven(scene, request, person.key))
    assert scene.uses(grant) == 1


def test_stolen_self_grant(scene):
    """Whoever holds the files but not the key gets nothing, whatever name is given."""
    person, grant, request = self_grant(scene)
    assert "consent.wrong_grantee" in codes(scene, replace(request, grantee=person.wallet.subject))
    assert "consent.wrong_grantee" in codes(scene, proven(scene, request, SigningKey.generate()))
    assert scene.uses(grant) == 0


def test_proof_sent_a_second_time(scene):
    """A proof that went into a release is refused afterwards, as replayed; a fresh one is not."""
    person, _, request = self_grant(scene)
    signed = proven(scene, request, person.key)
    scene.editor.edit(signed)
    assert "consent.replayed" in codes(scene, signed)
    scene.editor.edit(proven(scene, request, person.key))


def test_proof_raced_to_the_release(scene):
    """Two edits admitted under one proof: one leaves."""
    person, grant, request = self_grant(scene)
    signed = proven(scene, request, person.key)
    scene.perception.before_change = lambda: racing.pop()(signed)
    racing = [lambda _: None, scene.editor.edit]
    assert "consent.replayed" in codes(scene, signed)
    assert scene.uses(grant) == 1


def test_refused_edit_spends_no_proof(scene):
    """A proof whose edit was refused is still good for the same edit."""
    person, _, request = self_grant(scene)
    signed = proven(scene, request, person.key)
    scene.shows([seen_face(1)], [seen_face(7)])
    codes(scene, signed)
    scene.shows([seen_face(1)], [seen_face(1)])
    scene.editor.edit(signed)


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "make it colder"},
        {"operations": frozenset({Operation.BACKGROUND})},
        {"settings": {"num_inference_steps": 2}},
    ],
)
def test_proof_carried_to_another_edit(scene, changes):
    """A proof is over one picture, one prompt, one set of operations and settings."""
    person, _, request = self_grant(scene)
    signed = proven(scene, request, person.key)
    with pytest.raises(InputError) as error:
        scene.editor.edit(replace(signed, **changes))
    assert error.value.code == "input.proof"


@pytest.mark.parametrize("moved", [{"now": -3600}, {"now": 3600}, {"audience": "https://elsewhere.example"}])
def test_proof_of_another_hour_or_service(scene, moved):
    """An old proof, one of the future and one for another service are bad input, not consent."""
    person, _, request = self_grant(scene)
    if "now" in moved:
        moved = {"now": scene.world.clock() + moved["now"]}
    with pytest.raises(InputError) as error:
        scene.editor.edit(proven(scene, request, person.key, **moved))
    assert error.value.code == "input.proof"


def test_sealed_presentation_is_opened_by_this_service_alone(scene):
    """What is sealed to this service releases an edit; what is sealed to another is bad input."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE})
    own, other = OpeningKey.generate(), OpeningKey.generate()
    sealed = grant.presentation().seal(own.public)
    with pytest.raises(InputError) as error:
        scene.edit(presentations=(sealed,))
    assert error.value.code == "input.presentation"
    scene.operator.opening_keys = (other, own)
    scene.edit(presentations=(sealed,))
    with pytest.raises(InputError):
        scene.edit(presentations=(grant.presentation().seal(OpeningKey.generate().public),))


def withdrawing_at_step(scene, person, grant, step):
    """Withdraw when the pipeline takes its step; the scene's pipeline takes as many as it is told."""
    scheduler, genuine = scene.editor.pipeline.scheduler, type(scene.editor.pipeline.scheduler).step
    taken = []

    def stepping(self, *arguments, **keywords):
        taken.append(1)
        if len(taken) == step:
            person.withdraw(grant)
        return genuine(self, *arguments, **keywords)

    return scheduler, stepping, taken


def test_withdrawn_while_the_pipeline_runs(scene, monkeypatch):
    """A withdrawal during the run ends it at the next step, as a refusal that says no more than any."""
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    grant = person.grant(operations={Operation.TONE})
    scheduler, stepping, taken = withdrawing_at_step(scene, person, grant, 2)
    monkeypatch.setattr(type(scheduler), "step", stepping)
    request = scene.request(presentations=(grant.presentation(),), settings={"num_inference_steps": 9})
    with pytest.raises(EditRefused) as refused:
        scene.editor.edit(request)
    assert refused.value.codes == ("floor.consent-required", "consent.required")
    assert "consent.revoked" in scene.exact(refused.value)
    assert refused.value.__context__ is None
    assert len(taken) == 2
    assert scene.uses(grant) == 0


def test_withdrawn_while_the_edit_waits(scene, monkeypatch):
    """An edit whose consent was withdrawn between admission and run never starts its pipeline."""
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    grant = person.grant(operations={Operation.TONE})
    called = []
    monkeypatch.setattr("consent_edit.pipelines.attended.runner.run", lambda *_, **__: called.append(1))
    admitting, gate = scene.editor._gate.admit, type(scene.editor._gate)

    def admit(self, *arguments):
        clearance = admitting(*arguments)
        person.withdraw(grant)
        return clearance

    monkeypatch.setattr(gate, "admit", admit)
    with pytest.raises(EditRefused) as refused:
        scene.edit(presentations=(grant.presentation(),))
    assert "consent.revoked" in scene.exact(refused.value)
    assert called == []


def test_host_s_own_cancellation_is_no_withdrawal(scene):
    """An edit that the host cancelled broke off; it was not refused."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE})
    with pytest.raises(Exception, match="cancelled") as broke:
        scene.editor.edit(scene.request(presentations=(grant.presentation(),)), cancelled=lambda: True)
    assert broke.value.code == "check.pipeline-cancelled"


def test_older_trust_list_brought_back(scene):
    """A trust list signed before the one in force is not put in its place."""
    older = replace(scene.operator.trust, iat=scene.operator.trust.iat - 1)
    with pytest.raises(VerificationFailed) as error:
        scene.operator.replace(trust=older)
    assert error.value.code == "verification.rollback"


@pytest.mark.parametrize("broken", ["damaged", "unreadable", "hung up"])
def test_list_of_objections_that_cannot_be_read(scene, monkeypatch, broken):
    """Where nobody can say that a face is not on the list, nothing leaves and no use is counted."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE})
    vault = scene.operator.store.vault
    if broken == "damaged":
        vault.put("objection:x", "objection", b"{}")
    else:
        away = StoreUnavailable("gone") if broken == "unreadable" else TimeoutError()

        def failing(kind):
            raise away

        monkeypatch.setattr(vault, "stamp", failing)
    with pytest.raises(Unavailable) as refused:
        scene.edit(presentations=(grant.presentation(),))
    assert refused.value.code.startswith("check.")
    assert scene.uses(grant) == 0
