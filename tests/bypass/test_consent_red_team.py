"""Attacks on what was built around consent: a stolen wallet, a sly guardian, a courier, a morph."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from consent_world import AUDIENCE, MINOR_BIRTHDATE, MODELS, NOW, ConsentWorld, face, taken, unit
from enrolment_world import CHILD, ROLES, Town, guardian, holder, photo
from fake_perception import seen_face

from consent_edit import gate
from consent_edit.cli.issuer_photos import read_card
from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import Evidence
from consent_edit.consent.grant import GRANT_TYP
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.issuing.capture import CaptureSource
from consent_edit.consent.issuing.folder import create_issuer, open_issuer, trust_list
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.presentation import (
    Presentation,
)
from consent_edit.consent.proof import sign_proof, verify_proof
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.lists import StatusLists, StatusValue, folder_source, put_status_list
from consent_edit.consent.trust import TrustList
from consent_edit.encoding import b64url_decode, b64url_encode
from consent_edit.errors import ConsentEditError, ConsentInvalid, EditRefused, EnrolmentRefused, InputError
from consent_edit.subject import Purpose as Asked
from consent_edit.subject import SubjectDesk
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment, Operation, Purpose

_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TONE = {Operation.TONE}


def bound(person, nonce, *, shown=True):
    """A person's credential over a nonce, with or without her template."""
    text = person.enrolment.credential
    text = text if shown else sd_jwt.join(sd_jwt.parse(text).jwt, ())
    return sd_jwt.bind_key(text, person.key, audience=AUDIENCE, nonce=nonce, now=person.world.clock())


def consenting(scene):
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    return person, person.grant(operations=TONE)


@pytest.mark.parametrize("asked", ["export", "erase", "lift_objection"])
def test_stolen_key_of_a_revoked_credential(scene, asked):
    """Once the issuer revoked a stolen credential, its thief reads, erases and lifts nothing with it."""
    desk, person = SubjectDesk(scene.operator, MODELS), scene.person(1)
    desk.object_to_edits(bound(person, nonce := desk.challenge(Asked.OBJECT)), nonce)
    scene.world.issuer.revoke(person.enrolment.entry.idx)
    purposes = {"export": Asked.EXPORT, "erase": Asked.ERASE, "lift_objection": Asked.LIFT}
    nonce = desk.challenge(purposes[asked])
    with pytest.raises(ConsentInvalid) as refused:
        getattr(desk, asked)(bound(person, nonce, shown=False), nonce)
    assert refused.value.status is ConsentStatus.REVOKED


def test_objection_in_the_name_of_somebody_elses_face(scene):
    """Photos that a stranger handed in (self-asserted) do not stop the person they show from consenting."""
    _, grant = consenting(scene)
    key = SigningKey.generate()
    stolen = taken({role: np.stack([row]) for role, row in face(1).items()}, source=CaptureSource.SUPPLIED)
    own = scene.world.issuer.enrol(
        [stolen],
        holder=Signatory(key.public),
        models=scene.perception.observe_image(scene.before).models,
        thresholds=scene.operator.thresholds,
        evidence=Evidence(loa=Assurance.HIGH, method="none", liveness="supervised_session"),
        now=NOW,
    )
    desk = SubjectDesk(scene.operator, MODELS)
    nonce = desk.challenge(Asked.OBJECT)
    with pytest.raises(ConsentEditError):
        desk.object_to_edits(
            sd_jwt.bind_key(own.credential, key, audience=AUDIENCE, nonce=nonce, now=NOW), nonce
        )
    scene.edit(presentations=(grant.presentation(),))


def test_objection_lodged_while_an_edit_runs(scene):
    """Told "never from now on", she is in no picture released later by the same service."""
    person, grant = consenting(scene)
    desk = SubjectDesk(scene.operator, MODELS)
    scene.perception.before_change = lambda: desk.object_to_edits(
        bound(person, nonce := desk.challenge(Asked.OBJECT)), nonce
    )
    with pytest.raises(EditRefused):
        scene.edit(presentations=(grant.presentation(),))
    assert scene.uses(grant) == 0


def test_withdrawn_after_the_last_reading(scene, monkeypatch):
    """A withdrawal that comes while the finished file is decoded once more still stops its release."""
    person, grant = consenting(scene)
    genuine = gate.decode
    monkeypatch.setattr(gate, "decode", lambda *a, **k: person.withdraw(grant) or genuine(*a, **k))
    with pytest.raises(EditRefused):
        scene.edit(presentations=(grant.presentation(),))


def test_objection_that_will_be_compared_with_nothing(scene):
    """An objection with templates of no weight file in use is refused, or stops edits: it is not dropped."""
    _, grant = consenting(scene)
    old = scene.world.person(face(1), models=dict.fromkeys(MODELS, "e" * 64))
    desk = SubjectDesk(scene.operator, MODELS)
    with pytest.raises(ConsentEditError):
        desk.object_to_edits(bound(old, nonce := desk.challenge(Asked.OBJECT)), nonce)
        scene.edit(presentations=(grant.presentation(),))


def test_guardian_made_to_sign_what_he_cannot_withdraw():
    """A draft whose status entry is an accomplice's is cosigned by nobody, or counts nowhere."""
    world = ConsentWorld.make()
    accomplice = world.person(face(2))
    child = world.person(birthdate=MINOR_BIRTHDATE)
    mother, father = (Wallet(key) for key in child.guardians)
    draft = child.wallet.begin_grant(
        audience=AUDIENCE, grantee="client-1", operations=TONE, purpose=Purpose.PERSONAL, now=NOW
    )
    claims = json.loads(draft.payload)
    claims["status"] = {"status_list": accomplice.enrolment.stock[5].model_dump()}
    request = sign_compact(claims, child.key, typ=GRANT_TYP)
    try:
        tokens = [wallet.cosign(request) for wallet in (mother, father)]
    except ConsentEditError:
        return
    shown = Presentation(draft.credential, tokens[0], (tokens[1],))
    if world.verify(shown).status is not ConsentStatus.VERIFIED:
        return
    world.issuer.status.withdraw(mother.withdraw(draft.jti, NOW))
    assert world.verify(shown).status is ConsentStatus.REVOKED


def beside(vector, cosine, seed):
    """A unit vector at that cosine."""
    noise = unit(seed)
    noise -= noise @ vector * vector
    return (cosine * vector + np.sqrt(1 - cosine**2) * noise / np.linalg.norm(noise)).astype(np.float32)


def test_renewal_with_a_morph_of_a_registered_victim():
    """A renewal whose photos pass for another person of the register needs a review, as an enrolment does."""
    town, keys = Town.make(), [SigningKey.generate() for _ in range(2)]
    victim = face(5)
    thief = {role: beside(victim[role], 0.75 if i else 0.1, 77 + i) for i, role in enumerate(ROLES)}
    morph = {role: (row := victim[role] + thief[role]) / np.linalg.norm(row) for role in ROLES}
    town.enrol([photo(victim, 1.0)], keys[0])
    his = town.enrol([photo(thief, 1.0)], keys[1])
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(morph, 1.0)], keys[1])  # the desk knows it at enrolment
    with pytest.raises(EnrolmentRefused) as refused:
        town.renew(his, keys[1], [photo(morph, 1.0)])
    assert refused.value.code == "input.enrolment-review"


@pytest.mark.parametrize("who", ["the child's own second key", "somebody new"])
def test_guardians_exchanged_by_enrolling_a_child_again(who):
    """An enrolled child's guardians are not replaced at the desk without a review."""
    town, (first, second, parent, new) = Town.make(), (SigningKey.generate() for _ in range(4))
    asked = {"birthdate": CHILD, "guardians": [guardian(parent)]}
    town.enrol([photo(face(1))], first, holders=(holder(first), holder(second)), **asked)
    asked["guardians"] = [guardian(new if who == "somebody new" else second)]
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(face(1), seed=1)], first, **asked)


def test_courier_puts_his_own_key_to_seal_to_on_her_card(tmp_path):
    """A holder card whose sealing key was exchanged on the way is no card: the courier reads no template."""
    card = Wallet(SigningKey.generate()).card.model_dump(mode="json", exclude_none=True)
    card["seal"] = OpeningKey.generate().public.export()
    (tmp_path / "holder.json").write_text(json.dumps(card))
    with pytest.raises(InputError):
        read_card(tmp_path / "holder.json")


def test_status_file_of_yesterday_put_back(tmp_path):
    """What a verifier has once read as withdrawn is not brought back by an issuer's old database."""
    folder, lists, key = tmp_path / "issuer", tmp_path / "lists", SigningKey.generate()
    issuer = create_issuer(folder, name="https://issuer.example", status_uri="https://issuer.example/s/1")
    (idx,) = issuer.status.allot([Signatory(key.public)])
    anchor, entries = SigningKey.generate(), [issuer.trust_entries(now=NOW, lifetime=9999)]
    issuer.status.close()
    shutil.copytree(folder, tmp_path / "backup")
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=NOW, lifetime=9999)
    trust = TrustList.load(claims.sign(anchor), anchor=anchor.public, now=NOW)
    verifier = StatusLists({issuer.status.uri: folder_source(lists, ticks=iter(range(0, 99, 9)).__next__)})
    read = []
    for number, where in enumerate((folder, tmp_path / "backup")):
        status = open_issuer(where).status
        if number == 0:
            status.revoke(idx)
        put_status_list(lists, status.uri, status.token(NOW + number))
        read.append(verifier.read(status.uri, idx, NOW + number, trust))
        status.close()
    assert read == [StatusValue.REVOKED] * 2


def test_sixty_megabytes_of_brackets_for_a_presentation(monkeypatch):
    """A presentation in the clear is bounded like a sealed one, before anything walks over its bytes."""
    walked = []
    monkeypatch.setattr(
        "consent_edit.encoding._too_deep", lambda data: bool(walked.append(len(data))) or True
    )
    with pytest.raises(ConsentInvalid):
        Presentation.opened('{"g":[' + "[]," * 1_000_000 + "1]}", ())
    assert max(walked, default=0) <= 1024 * 1024


def test_ten_thousand_presentations(scene, monkeypatch):
    """More presentations than any picture has faces are refused before each costs an opening."""
    opened = []
    monkeypatch.setattr(Presentation, "opened", classmethod(lambda cls, *_: opened.append(1) or cls("", "")))
    with pytest.raises(InputError):
        scene.edit(presentations=("sealed",) * 10_000)
    assert len(opened) <= 256


def test_what_she_signs_for_one_purpose_serves_no_other():
    """Grant, withdrawal, proof and key binding of one key pass for none of the others."""
    world = ConsentWorld.make()
    person = world.person()
    held = person.grant()
    proof = sign_proof(person.key, audience=AUDIENCE, request="sha256:" + "0" * 64, now=NOW)
    kb = bound(person, "nonce").rpartition("~")[2]
    tokens = {
        "grant": held.token,
        "withdrawal": person.wallet.withdraw(held.jti, NOW),
        "proof": proof,
        "kb": kb,
    }
    for name, token in tokens.items():
        if name != "grant":
            asked = Presentation(held.credential, token)
            assert world.verify(asked).status is not ConsentStatus.VERIFIED
        if name != "withdrawal":
            with pytest.raises(ConsentInvalid):
                world.issuer.status.withdraw(token)
        if name != "proof":
            with pytest.raises(ConsentInvalid):
                verify_proof(token, audience=AUDIENCE, request="sha256:" + "0" * 64, now=NOW)
        if name != "kb":
            with pytest.raises(ConsentInvalid):
                shown = held.credential + token
                sd_jwt.verify_presentation(shown, world.trust, audience=AUDIENCE, nonce="nonce", now=NOW)


def test_second_spelling_of_a_signature_buys_no_use(scene):
    """ES256 signatures have a twin; a grant under it is the same grant, and its one use is spent."""
    person, _ = consenting(scene)
    grant = person.grant(operations=TONE, max_uses=1)
    scene.edit(presentations=(grant.presentation(),))
    head, body, tail = grant.token.split(".")
    raw = b64url_decode(tail)
    twin = raw[:32] + (_P256 - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    other = replace(grant.presentation(), grant=f"{head}.{body}.{b64url_encode(twin)}")
    with pytest.raises(EditRefused) as refused:
        scene.edit(presentations=(other,))
    assert "consent.exhausted" in scene.exact(refused.value)


def test_objection_reads_like_a_strangers_refusal(scene):
    """Who presents a grant of somebody on the list learns what he learns of anybody without consent."""
    seen = []
    for objects in (False, True):
        person, grant = consenting(scene)
        desk = SubjectDesk(scene.operator, MODELS)
        if objects:
            desk.object_to_edits(bound(person, nonce := desk.challenge(Asked.OBJECT)), nonce)
            scene.world.clock.now += 60
        with pytest.raises(EditRefused) as refused:
            scene.edit(presentations=(grant.presentation(),) if objects else ())
        error = refused.value
        seen.append(
            (error.args, error.codes, error.boxes, error.remedies, error.__context__, error.__cause__)
        )
    assert seen[0] == seen[1]
