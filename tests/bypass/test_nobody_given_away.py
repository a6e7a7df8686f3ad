"""What a requester, a log reader or a debugger learns: nothing of who is enrolled or withdrew."""

from __future__ import annotations

import json

import pytest
from consent_world import LIVENESS, MINOR_BIRTHDATE, ConsentWorld, face
from fake_perception import RIGHT, picture, seen_face

from consent_edit.errors import ConsentEditError, EditRefused
from consent_edit.vocabulary import ConsentStatus, Operation, Purpose

TONE = {Operation.TONE}


def absent(scene):
    return (), ConsentStatus.ABSENT


def revoked(scene):
    person = scene.person(1)
    grant = person.grant(operations=TONE)
    person.withdraw(grant)
    return (grant.presentation(),), ConsentStatus.REVOKED


def wrong_grantee(scene):
    return (scene.person(1).present(operations=TONE, grantee="somebody"),), ConsentStatus.WRONG_GRANTEE


def wrong_audience(scene):
    return (
        scene.person(1).present(operations=TONE, audience="https://x.example"),
    ), ConsentStatus.WRONG_AUDIENCE


def wrong_operation(scene):
    return (scene.person(1).present(operations={Operation.BACKGROUND}),), ConsentStatus.OUT_OF_SCOPE


def wrong_purpose(scene):
    return (scene.person(1).present(operations=TONE, purpose=Purpose.NEWS),), ConsentStatus.WRONG_PURPOSE


def wrong_photo(scene):
    return (scene.person(1).present(operations=TONE, images=(picture(9).digest,)),), ConsentStatus.WRONG_IMAGE


def minor_withdrew(scene):
    person = scene.world.person(face(1), birthdate=MINOR_BIRTHDATE)
    grant = person.grant(operations=TONE)
    person.withdraw(grant)
    return (grant.presentation(),), ConsentStatus.REVOKED


def untrusted(scene):
    stranger = ConsentWorld.make(name="https://nobody.example").person(face(1), evidence=LIVENESS)
    return (stranger.present(operations=TONE),), ConsentStatus.ISSUER_UNTRUSTED


def exhausted(scene):
    person = scene.person(1)
    grant = person.grant(operations=TONE, max_uses=1)
    subject = scene.world.verify(grant.presentation()).use_id
    scene.operator.store.commit_release(
        grants=[(subject, 1)],
        record={"decision_id": "1", "stage": "output"},
        leaf={"v": 1},
        now=scene.world.clock(),
    )
    return (grant.presentation(),), ConsentStatus.EXHAUSTED


def tampered(scene):
    good = scene.person(1).present(operations=TONE)
    head, body, seal = good.grant.split(".")
    forged = ("A" if seal[0] != "A" else "B") + seal[1:]
    return (type(good)(good.credential, f"{head}.{body}.{forged}"),), ConsentStatus.SIGNATURE_INVALID


def unreadable(scene):
    good = scene.person(1).present(operations=TONE)
    return (type(good)("no credential~", good.grant),), ConsentStatus.MALFORMED


SITUATIONS = (
    absent, revoked, wrong_grantee, wrong_audience, wrong_operation, wrong_purpose, wrong_photo,
    minor_withdrew, untrusted, exhausted, tampered, unreadable,
)  # fmt: skip


def outcome(scene, **changes):
    """All that a requester can see of a refusal, but for the random name of its record."""
    with pytest.raises(ConsentEditError) as refused:
        scene.edit(**changes)
    error = refused.value
    visible = {name: value for name, value in vars(error).items() if name != "decision_id"}
    chain = (type(error.__cause__), type(error.__context__))
    return error, (
        type(error),
        error.args,
        sorted(visible.items()),
        chain,
        error.exit_code,
        len(error.decision_id),
    )


@pytest.fixture
def as_a_stranger(scene):
    scene.shows([seen_face(1)], [])
    return outcome(scene)[1]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_refusals_look_like_a_strangers(scene, as_a_stranger, situation):
    """Whatever is wrong with her consent, the requester and the log read what they read of a stranger."""
    public = json.loads(scene.newest())["codes"]
    presentations, status = situation(scene)
    error, seen = outcome(scene, presentations=presentations)
    assert f"consent.{status.value}" in scene.exact(error)
    assert seen == as_a_stranger
    assert json.loads(scene.newest())["codes"] == public


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_refusals_beside_a_consenting_person_look_alike(scene, situation):
    """Beside somebody who consents, the other one's box is all that is told, whatever her case."""
    scene.shows([seen_face(1), seen_face(2, RIGHT)], [])
    other = scene.person(2).present(operations=TONE)
    expected = outcome(scene, presentations=(other,))[1]
    presentations, _ = situation(scene)
    _, seen = outcome(scene, presentations=(other, *presentations))
    assert seen == expected


def test_withdrawal_while_running_looks_like_any_late_refusal(scene):
    """At the output, who withdrew and whose issuer was dropped read alike."""
    told = []
    for move in ("withdraw", "distrust"):
        scene.shows([seen_face(1)], [seen_face(1)])
        person = scene.person(1)
        grant = person.grant(operations=TONE)
        trust = scene.operator.trust
        other = ConsentWorld.make(name="https://other.example").trust
        scene.perception.before_change = (
            (lambda p=person, g=grant: p.withdraw(g))
            if move == "withdraw"
            else (lambda o=other: scene.operator.replace(trust=o))
        )
        told.append(outcome(scene, presentations=(grant.presentation(),))[1])
        scene.operator.replace(trust=trust)
    assert told[0] == told[1]


def test_log_and_records_hold_nothing_of_a_person(scene):
    """Neither leaves nor records hold names, prompts, grants, keys, digests of pictures, or templates."""
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    grant = person.grant(operations=TONE, grantee="jane@example.org")
    result = scene.edit(
        presentations=(grant.presentation(),), prompt="warmer for Jane", grantee="jane@example.org"
    )
    person.withdraw(grant)
    with pytest.raises(EditRefused) as refused:
        scene.edit(
            presentations=(grant.presentation(),), prompt="warmer for Jane", grantee="jane@example.org"
        )
    checked = scene.world.verify(grant.presentation())
    texts = [scene.operator.store.leaf(i).decode() for i in range(scene.entries)]
    texts += [result.receipt]
    texts += [
        json.dumps(scene.operator.store.decision(each))
        for each in (result.decision_id, refused.value.decision_id)
    ]
    for text in texts:
        for secret in ("jane", "Jane", grant.jti, checked.subject, scene.before.digest, 'embedding": ['):
            assert secret not in text


def test_request_and_result_do_not_print_what_they_hold(scene):
    """A debugger's or a logger's print of a request or result shows no picture, prompt or consent."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations=TONE)
    request = scene.request(prompt="warmer for Jane", presentations=(grant.presentation(),))
    result = scene.editor.edit(request)
    taken = scene.editor._before(request)[0]
    for printed in (repr(request), repr(result), repr(taken)):
        assert "Jane" not in printed and "array(" not in printed and "eyJ" not in printed
        assert repr(result.released[:8])[2:-1] not in printed


def test_observed_face_does_not_print_its_template():
    """A print of an observation shows no biometric template."""
    assert "array(" not in repr(seen_face(1))
