"""What a service owes the person depicted: she alone can ask, and what she asks is done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from consent_world import AUDIENCE, MODELS, ConsentWorld, face, views
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_edit.consent import sd_jwt
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.match import Probe, accepted_by_all
from consent_edit.consent.presentation import seal_holder
from consent_edit.consent.status.lists import StatusLists
from consent_edit.errors import CheckFailed, ConsentInvalid, InputError
from consent_edit.objections import Objections
from consent_edit.operator import Operator
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.store.store import Store
from consent_edit.store.vault import SubjectEntry
from consent_edit.subject import Purpose, SubjectDesk, shipped_models
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
    desk, person, other = SubjectDesk(operator, MODELS), world.person(), world.person(face(2))
    decided(operator, person.wallet.subject, other.wallet.subject)
    decided(operator, other.wallet.subject)
    decided(operator, person.wallet.subject)
    nonce = desk.challenge(Purpose.EXPORT)
    held = desk.export(bound(person, nonce), nonce)
    assert held["subject"] == person.wallet.subject
    assert [entry["decision_id"] for entry in held["decisions"]] == ["d-0", "d-2"]
    assert other.wallet.subject not in str(held)


def test_sealed_to_the_service(world, operator):
    """What she sends may be sealed, so that nobody on the way reads her template."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    nonce = desk.challenge(Purpose.EXPORT)
    sealed = seal_holder(bound(person, nonce), operator.opening_keys[0].public)
    assert desk.export(sealed, nonce)["decisions"] == []


def test_erased_and_the_log_still_verifies(world, operator):
    """After erasure nothing of her can be read, the others' is, and the log's root is the same."""
    desk, person, other = SubjectDesk(operator, MODELS), world.person(), world.person(face(2))
    decided(operator, person.wallet.subject, other.wallet.subject)
    before = operator.store.log_state()
    nonce = desk.challenge(Purpose.ERASE)
    assert desk.erase(bound(person, nonce), nonce) == 1
    assert operator.store.log_state() == before
    assert operator.store.inclusion_proof(0, 1) == ()
    assert operator.store.subject_entries(person.wallet.subject) == ()
    assert len(operator.store.subject_entries(other.wallet.subject)) == 1


def test_nonce_answered_twice(world, operator):
    """An intercepted answer is no answer: each nonce is good once."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    nonce = desk.challenge(Purpose.EXPORT)
    answer = bound(person, nonce)
    desk.export(answer, nonce)
    with pytest.raises(ConsentInvalid) as error:
        desk.export(answer, nonce)
    assert error.value.status is ConsentStatus.REPLAYED


ASKS = {
    Purpose.EXPORT: SubjectDesk.export,
    Purpose.ERASE: SubjectDesk.erase,
    Purpose.OBJECT: SubjectDesk.object_to_edits,
    Purpose.LIFT: SubjectDesk.lift_objection,
}


@pytest.mark.parametrize("given", list(Purpose))
@pytest.mark.parametrize("asked", list(Purpose))
def test_answer_carried_to_another_request(world, operator, given, asked):
    """What she answered for one purpose serves no other, and the nonce is still hers to use."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    nonce = desk.challenge(given)
    answer = bound(person, nonce)
    if given is not asked:
        with pytest.raises(ConsentInvalid) as error:
            ASKS[asked](desk, answer, nonce)
        assert error.value.status is ConsentStatus.REPLAYED
        with pytest.raises(ConsentInvalid):
            ASKS[asked](desk, answer, f"{asked}.{nonce.partition('.')[2]}")
    ASKS[given](desk, answer, nonce)


def test_nonce_nobody_gave_out(world, operator):
    """A nonce of the asker's own choice, or one that has ended, opens nothing."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    for own in ("my-own", "export.my-own"):
        with pytest.raises(ConsentInvalid) as error:
            desk.export(bound(person, own), own)
        assert error.value.status is ConsentStatus.REPLAYED
    nonce = desk.challenge(Purpose.EXPORT)
    world.clock.now += 901
    with pytest.raises(ConsentInvalid):
        desk.export(bound(person, nonce), nonce)


def test_thief_of_the_credential_asks(world, operator):
    """Her credential without her key opens, erases and lists nothing, and spends no nonce of hers."""
    desk, person, thief = SubjectDesk(operator, MODELS), world.person(), world.person(face(2))
    decided(operator, person.wallet.subject)
    for purpose, ask in ASKS.items():
        nonce = desk.challenge(purpose)
        for forged in (
            bound(person, nonce, key=thief.key),
            bound(person, nonce, audience="https://elsewhere.example"),
            bound(person, "another"),
            person.present().credential,
        ):
            with pytest.raises(ConsentInvalid):
                ask(desk, forged, nonce)
    assert len(operator.store.subject_entries(person.wallet.subject)) == 1
    nonce = desk.challenge(Purpose.ERASE)
    assert desk.erase(bound(person, nonce), nonce) == 1


def test_status_that_nobody_can_read(world, operator):
    """Where no list says that the credential stands, nobody is answered."""
    operator.statuses = StatusLists()
    desk, person = SubjectDesk(operator, MODELS), world.person()
    nonce = desk.challenge(Purpose.EXPORT)
    with pytest.raises(ConsentInvalid) as error:
        desk.export(bound(person, nonce), nonce)
    assert error.value.status is ConsentStatus.STATUS_UNAVAILABLE


def test_rights_outlive_the_credential(world, operator):
    """With a credential that has ended she still reads and erases, but objects and lifts with a new one."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    decided(operator, person.wallet.subject)
    credential = person.present().credential
    world.clock.now += 181 * 86_400
    for purpose, ask in ASKS.items():
        nonce = desk.challenge(purpose)
        said = {"audience": AUDIENCE, "nonce": nonce, "now": world.clock()}
        answer = sd_jwt.bind_key(credential, person.key, **said)
        if purpose in (Purpose.EXPORT, Purpose.ERASE):
            ask(desk, answer, nonce)
        else:
            with pytest.raises(ConsentInvalid) as error:
                ask(desk, answer, nonce)
            assert error.value.status is ConsentStatus.EXPIRED


def test_credential_of_tomorrow_is_nobody_s_yet(world, operator):
    """That a credential may have ended does not make one count that has not begun."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    later = person.recredential(person.present(), nbf=world.clock() + 3600).credential
    nonce = desk.challenge(Purpose.EXPORT)
    said = {"audience": AUDIENCE, "nonce": nonce, "now": world.clock()}
    with pytest.raises(ConsentInvalid) as error:
        desk.export(sd_jwt.bind_key(later, person.key, **said), nonce)
    assert error.value.status is ConsentStatus.NOT_YET_VALID


def probe(who, cosine=1.0):
    return Probe({role: views(vector, cosine) for role, vector in face(who).items()})


def test_objection_lists_her_until_she_lifts_it(world, operator):
    """On the list after objecting, also in another process's eyes; off it after lifting; erasure keeps it."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    objections = Objections(operator.store, operator.thresholds)
    assert not objections.listed(probe(1), MODELS)
    nonce = desk.challenge(Purpose.OBJECT)
    desk.object_to_edits(bound(person, nonce), nonce)
    assert objections.listed(probe(1), MODELS)
    assert not objections.listed(probe(2), MODELS)
    nonce = desk.challenge(Purpose.ERASE)
    desk.erase(bound(person, nonce), nonce)
    assert Objections(operator.store, operator.thresholds).listed(probe(1), MODELS)
    nonce = desk.challenge(Purpose.LIFT)
    desk.lift_objection(bound(person, nonce), nonce)
    assert not Objections(operator.store, operator.thresholds).listed(probe(1), MODELS)


def test_objection_with_templates_of_another_weight_file(world, operator):
    """What could never be compared is refused aloud, with the way to mend it."""
    desk = SubjectDesk(operator, {**MODELS, "face-embedding": "c" * 64})
    person, nonce = world.person(), desk.challenge(Purpose.OBJECT)
    with pytest.raises(InputError, match="other weight files") as error:
        desk.object_to_edits(bound(person, nonce), nonce)
    assert "renew" in error.value.remedy


def test_objections_that_a_new_weight_file_made_stale_are_counted(world, operator):
    """After a change of weight files those who would no longer be found can be told."""
    desk, person = SubjectDesk(operator, MODELS), world.person()
    nonce = desk.challenge(Purpose.OBJECT)
    desk.object_to_edits(bound(person, nonce), nonce)
    assert desk.stale_objections() == 0
    assert replace(desk, models={**MODELS, "face-embedding": "c" * 64}).stale_objections() == 1


def test_the_list_has_thresholds_of_its_own(world, operator):
    """A face like hers enough to be matched is not enough to be found on the list; one liker still is."""
    matching, never = operator.thresholds.matching, operator.thresholds.never
    first = "face-embedding"
    assert matching[first] < 0.56 < never[first]
    desk, person = SubjectDesk(operator, MODELS), world.person()
    nonce = desk.challenge(Purpose.OBJECT)
    desk.object_to_edits(bound(person, nonce), nonce)
    objections = Objections(operator.store, operator.thresholds)
    for cosine, found in ((0.56, False), (0.9, True)):
        near = {role: views(row, cosine if role == first else 0.99) for role, row in face(1).items()}
        assert accepted_by_all(Probe(near), face(1), matching)
        assert objections.listed(Probe(near), MODELS) is found


def test_another_process_objects(world, operator):
    """What another desk on the same store put on the list or took off it counts at the next look."""
    seen = Objections(operator.store, operator.thresholds)
    assert not seen.listed(probe(1), MODELS)
    other = Objections(operator.store, operator.thresholds)
    templates = world.person().enrolment.face_template
    other.add("a", templates)
    assert seen.listed(probe(1), MODELS)
    other.remove("a")
    other.add("b", templates)
    assert seen.listed(probe(1), MODELS)
    other.remove("b")
    assert not seen.listed(probe(1), MODELS)


def test_the_shipped_weight_files_are_the_default(operator):
    """Without being told otherwise the desk asks for templates of the files this version matches with."""
    assert SubjectDesk(operator).models == shipped_models()
    assert set(shipped_models()) == set(operator.thresholds.never)


def test_damaged_objection_stops_the_edit(world, operator):
    """An entry that cannot be read is an error: nobody can say that a face is not listed."""
    operator.store.vault.put("objection:x", "objection", b"{}")
    with pytest.raises(CheckFailed):
        Objections(operator.store, operator.thresholds).listed(probe(1), MODELS)


def test_no_template_of_an_objection_in_the_database(world, operator, tmp_path):
    """The list lies sealed: neither template nor thumbprint can be found in the file."""
    on_disk = replace(operator, store=Store.open(tmp_path / "log.sqlite"))
    desk, person = SubjectDesk(on_disk, MODELS), world.person()
    nonce = desk.challenge(Purpose.OBJECT)
    desk.object_to_edits(bound(person, nonce), nonce)
    raw = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for vector in face(1).values():
        assert vector.astype("<f2").tobytes()[:32] not in raw
    assert person.wallet.subject.encode() not in raw
