"""What a service owes the person depicted: she alone can ask, and what she asks is done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from consent_world import AUDIENCE, MODELS, ConsentWorld, face, views
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_edit.consent import sd_jwt
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.match import Probe
from consent_edit.consent.presentation import seal_holder
from consent_edit.errors import CheckFailed, ConsentInvalid
from consent_edit.objections import Objections
from consent_edit.operator import Operator
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.store.store import Store
from consent_edit.store.vault import SubjectEntry
from consent_edit.subject import SubjectDesk
from consent_edit.vocabulary import ConsentStatus


@pytest.fixture
def world():
    return ConsentWorld.make()


@pytest.fixture
def operator(world):
    return Operator(
        audience=AUDIENCE,
        trust=world.trust,
        policy=PolicyBundle.shipped("default"),
        statuses=world.statuses,
        store=Store.open(":memory:"),
        receipt_key=Ed25519PrivateKey.generate(),
        opening_keys=(OpeningKey.generate(),),
        clock=world.clock,
    )


def bound(person, nonce, *, audience=AUDIENCE, key=None):
    """Her credential with a key-binding JWT over the nonce."""
    credential = person.present().credential
    now = person.world.clock()
    return sd_jwt.bind_key(credential, key or person.key, audience=audience, nonce=nonce, now=now)


def decided(operator, *subjects):
    """A release that rests on these people's consent."""
    operator.store.commit_release(
        grants=[],
        record={"decision_id": f"d-{operator.store.log_state().size}", "stage": "output"},
        leaf={"v": 1},
        now=operator.clock(),
        subjects=[SubjectEntry(subject, {"grant": f"of {subject}"}) for subject in subjects],
    )


def test_she_reads_everything_of_hers_and_nothing_of_others(world, operator):
    """An export holds the decisions her consent went into, in order, and no one else's."""
    desk, person, other = SubjectDesk(operator), world.person(), world.person(face(2))
    decided(operator, person.wallet.subject, other.wallet.subject)
    decided(operator, other.wallet.subject)
    decided(operator, person.wallet.subject)
    nonce = desk.challenge()
    held = desk.export(bound(person, nonce), nonce)
    assert held["subject"] == person.wallet.subject
    assert [entry["decision_id"] for entry in held["decisions"]] == ["d-0", "d-2"]
    assert other.wallet.subject not in str(held)


def test_sealed_to_the_service(world, operator):
    """What she sends may be sealed, so that nobody on the way reads her template."""
    desk, person = SubjectDesk(operator), world.person()
    nonce = desk.challenge()
    sealed = seal_holder(bound(person, nonce), operator.opening_keys[0].public)
    assert desk.export(sealed, nonce)["decisions"] == []


def test_erased_and_the_log_still_verifies(world, operator):
    """After erasure nothing of her can be read, the others' is, and the log's root is the same."""
    desk, person, other = SubjectDesk(operator), world.person(), world.person(face(2))
    decided(operator, person.wallet.subject, other.wallet.subject)
    before = operator.store.log_state()
    nonce = desk.challenge()
    assert desk.erase(bound(person, nonce), nonce) == 1
    assert operator.store.log_state() == before
    assert operator.store.inclusion_proof(0, 1) == ()
    assert operator.store.subject_entries(person.wallet.subject) == ()
    assert len(operator.store.subject_entries(other.wallet.subject)) == 1


def test_nonce_answered_twice(world, operator):
    """An intercepted answer is no answer: each nonce is good once."""
    desk, person = SubjectDesk(operator), world.person()
    nonce = desk.challenge()
    answer = bound(person, nonce)
    desk.export(answer, nonce)
    with pytest.raises(ConsentInvalid) as error:
        desk.erase(answer, nonce)
    assert error.value.status is ConsentStatus.REPLAYED


def test_nonce_nobody_gave_out(world, operator):
    """A nonce of the asker's own choice, or one that has ended, opens nothing."""
    desk, person = SubjectDesk(operator), world.person()
    with pytest.raises(ConsentInvalid) as error:
        desk.export(bound(person, "my-own"), "my-own")
    assert error.value.status is ConsentStatus.REPLAYED
    nonce = desk.challenge()
    world.clock.now += 901
    with pytest.raises(ConsentInvalid):
        desk.export(bound(person, nonce), nonce)


def test_thief_of_the_credential_asks(world, operator):
    """Her credential without her key opens, erases and lists nothing, and spends no nonce of hers."""
    desk, person, thief = SubjectDesk(operator), world.person(), world.person(face(2))
    decided(operator, person.wallet.subject)
    nonce = desk.challenge()
    for forged in (
        bound(person, nonce, key=thief.key),
        bound(person, nonce, audience="https://elsewhere.example"),
        bound(person, "another"),
        person.present().credential,
    ):
        for ask in (desk.export, desk.erase, desk.object_to_edits, desk.lift_objection):
            with pytest.raises(ConsentInvalid):
                ask(forged, nonce)
    assert len(operator.store.subject_entries(person.wallet.subject)) == 1
    desk.erase(bound(person, nonce), nonce)


def probe(who, cosine=1.0):
    return Probe({role: views(vector, cosine) for role, vector in face(who).items()})


def test_objection_lists_her_until_she_lifts_it(world, operator):
    """On the list after objecting, also in another process's eyes; off it after lifting; erasure keeps it."""
    desk, person = SubjectDesk(operator), world.person()
    objections = Objections(operator.store, operator.thresholds)
    assert not objections.listed(probe(1), MODELS)
    nonce = desk.challenge()
    desk.object_to_edits(bound(person, nonce), nonce)
    assert objections.listed(probe(1), MODELS)
    assert not objections.listed(probe(2), MODELS)
    nonce = desk.challenge()
    desk.erase(bound(person, nonce), nonce)
    assert Objections(operator.store, operator.thresholds).listed(probe(1), MODELS)
    nonce = desk.challenge()
    desk.lift_objection(bound(person, nonce), nonce)
    assert not Objections(operator.store, operator.thresholds).listed(probe(1), MODELS)


def test_objection_under_another_weight_file_compares_with_nothing(world, operator):
    """Templates of another file say nothing of a face, and are no hit."""
    objections = Objections(operator.store, operator.thresholds)
    desk, person, nonce = SubjectDesk(operator), world.person(), ""
    nonce = desk.challenge()
    desk.object_to_edits(bound(person, nonce), nonce)
    other = {**MODELS, "face-embedding": "c" * 64}
    assert not Objections(operator.store, operator.thresholds).listed(probe(1), other)
    assert objections.listed(probe(1), MODELS)


def test_damaged_objection_stops_the_edit(world, operator):
    """An entry that cannot be read is an error: nobody can say that a face is not listed."""
    operator.store.vault.put("objection:x", "objection", b"{}")
    with pytest.raises(CheckFailed):
        Objections(operator.store, operator.thresholds).listed(probe(1), MODELS)


def test_no_template_of_an_objection_in_the_database(world, operator, tmp_path):
    """The list lies sealed: neither template nor thumbprint can be found in the file."""
    on_disk = replace(operator, store=Store.open(tmp_path / "log.sqlite"))
    desk, person = SubjectDesk(on_disk), world.person()
    nonce = desk.challenge()
    desk.object_to_edits(bound(person, nonce), nonce)
    raw = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for vector in face(1).values():
        assert vector.astype("<f2").tobytes()[:32] not in raw
    assert person.wallet.subject.encode() not in raw
