"""Enrolment at the issuer's signing half: one person, one face, one's own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from consent_world import PHOTO, ConsentWorld
from enrolment_world import (
    ADULT,
    CHILD,
    DAY,
    LIMITS,
    MODELS,
    NOW,
    SEEN,
    Town,
    face,
    guardian,
    holder,
    photo,
    unit,
)

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import (
    LIVENESS_CAPS,
    Evidence,
    FaceBinding,
    grown_up,
    majority,
)
from consent_edit.consent.disclosure import reveal
from consent_edit.consent.issuing.admission import MAX_BATCH
from consent_edit.consent.issuing.capture import Capture, CaptureSource, enrolment_templates, pair_scores
from consent_edit.consent.issuing.issue import Enrolment, Issuer, RetiredKey
from consent_edit.consent.jose import unverified
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.templates import FaceTemplate
from consent_edit.consent.webauthn import Passkey
from consent_edit.errors import CheckFailed, ConsentInvalid, EnrolmentRefused
from consent_edit.vocabulary import Age, Assurance, Environment

HER, VICTIM = face(1), face(2)


def issuer(environment: Environment = Environment.PRODUCTION) -> Issuer:
    """A fresh issuer."""
    return Town.make(environment=environment).issuer


def enrol(by: Issuer, captures: list[Capture], **changes: object) -> Enrolment:
    """Enrol with liveness and no birthdate."""
    asked: dict[str, object] = {
        "holder": holder(SigningKey.generate()),
        "models": MODELS,
        "thresholds": LIMITS,
        "evidence": SEEN,
        "now": NOW,
        **changes,
    }
    return by.enrol(captures, **asked)  # type: ignore[arg-type]


def plain_of(enrolment: Enrolment) -> dict[str, object]:
    """The claims of a credential that are no disclosures."""
    return dict(unverified(sd_jwt.parse(enrolment.credential).jwt)[1])


def binding_of(enrolment: Enrolment) -> FaceBinding:
    """The whole credential, read through the closed schema."""
    parsed = sd_jwt.parse(enrolment.credential)
    return FaceBinding.model_validate_json(json.dumps(reveal(unverified(parsed.jwt)[1], parsed.disclosures)))


def test_several_photos_of_one_person_make_one_template() -> None:
    """The template lies nearer to her than any single photo does."""
    photos = [photo(HER, 0.97, seed=s) for s in range(5)]
    for role, template in enrolment_templates(photos, LIMITS).items():
        assert float(template @ HER[role]) > 0.99
        assert np.linalg.norm(template) == pytest.approx(1, abs=1e-5)
    assert all(0.9 < score < 0.99 for score in pair_scores(photos, LIMITS).values())


def test_own_and_victims_photo_averaged() -> None:
    """Averaging two people would enrol both; the pair is refused, in any order and number, and says which."""
    own, victim = photo(HER), photo(VICTIM)
    for photos in ([own, victim], [victim, own], [own, own, victim], [own, own, victim, victim]):
        with pytest.raises(
            EnrolmentRefused, match=r"photos \d and \d do not clearly show the same"
        ) as refused:
            enrolment_templates(photos, LIMITS)
        assert refused.value.code == "input.enrolment-pair"
    assert min(pair_scores([own, victim], LIMITS).values()) < 0.3


def test_victims_photo_doctored_for_one_embedder() -> None:
    """A photo that one embedder takes for the attacker and the other for the victim is refused."""
    first, second = HER
    for doctored in (
        {first: HER[first], second: VICTIM[second]},
        {first: VICTIM[first], second: HER[second]},
    ):
        with pytest.raises(EnrolmentRefused, match="same person"):
            enrolment_templates([photo(HER), photo(doctored)], LIMITS)


def test_pair_that_matches_one_way_only() -> None:
    """Each photo is matched against the other's mean: one whose views scatter passes neither way alone."""
    role = "face-embedding"
    noisy, clean = photo(HER, 0.965, seed=1), photo(HER, 0.999)
    limits = replace(LIMITS, enrol_face_embedding=0.97, enrol_face_embedding_second=0.5)
    assert float(noisy.embeddings[role].min()) < 1
    for photos in ([noisy, clean], [clean, noisy]):
        with pytest.raises(EnrolmentRefused):
            enrolment_templates(photos, limits)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"faces": 0}, "exactly one face"),
        ({"faces": 2}, "exactly one face"),
        ({"face_width": 20.0}, "too small"),
        ({"face_width": float("nan")}, "too small"),
        ({"detection": 0.3}, "no clear face"),
        ({"detection": float("nan")}, "no clear face"),
        ({"sharpness": 5.0}, "blurred"),
        ({"sharpness": float("nan")}, "blurred"),
        ({"yaw": 40.0}, "turned to a side"),
        ({"yaw": -40.0}, "turned to a side"),
        ({"yaw": float("nan")}, "turned to a side"),
        ({"pitch": -40.0}, "turned up or down"),
        ({"pitch": 40.0}, "turned up or down"),
        ({"roll": 179.0}, "tilted"),
        ({"roll": -90.0}, "tilted"),
        ({"brightness": 10.0}, "too dark"),
        ({"brightness": float("nan")}, "too dark"),
        ({"brightness": 250.0}, "too bright"),
        ({"clipped": 0.5}, "cut off"),
        ({"clipped": float("nan")}, "cut off"),
        ({"embeddings": {}}, "was not read by face-embedding"),
        ({"embeddings": dict(HER)}, "was not read by face-embedding"),
        ({"embeddings": {r: np.zeros((2, 128), np.float32) for r in HER}}, "cancel out"),
        ({"embeddings": {r: np.stack([v, unit(9)]) for r, v in HER.items()}}, "read like one person"),
    ],
)
def test_photo_below_the_quality_gate(bad: dict[str, object], says: str) -> None:
    """A photo that fails one measure is refused, alone or beside a good one; the message says which photo."""
    for photos in ([photo(HER, **bad)], [photo(HER), photo(HER, **bad)]):
        with pytest.raises(EnrolmentRefused, match=says) as refused:
            enrolment_templates(photos, LIMITS)
        assert refused.value.code == "input.enrolment-quality"
        if "cancel" not in says:
            assert refused.value.message.startswith(f"photo {len(photos)} ")
            assert refused.value.remedy


def test_thing_whose_views_are_read_unlike() -> None:
    """What only looks like a face is read differently from view to view, though no view fails alone."""
    views = photo(HER, 0.9).embeddings
    assert float((views["face-embedding"] @ HER["face-embedding"]).min()) > 0.85
    for steady, refused in ((photo(HER, 0.98), False), (photo(HER, 0.9), True)):
        if refused:
            with pytest.raises(EnrolmentRefused, match="read like one person"):
                enrolment_templates([steady], LIMITS)
        else:
            enrolment_templates([steady], LIMITS)


def test_too_few_or_many_photos_and_single_embedders() -> None:
    """One to five photos and at least two embedders, each with its weight file named."""
    for count in (0, 6):
        with pytest.raises(EnrolmentRefused, match="1 to 5 photos"):
            enrolment_templates([photo(HER)] * count, LIMITS)
    for models in ({}, {"face-detection": "a" * 64, "face-embedding": "b" * 64}):
        with pytest.raises(EnrolmentRefused, match="weight file"):
            enrol(issuer(), [photo(HER)], models=models)
    assert pair_scores([photo(HER)], LIMITS) == {}


def test_one_embedder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One embedder is no boundary: nobody is enrolled by it."""
    monkeypatch.setattr(type(LIMITS), "enrolment", property(lambda _: {"face-embedding": 0.5}))
    with pytest.raises(CheckFailed):
        enrolment_templates([photo(HER)], LIMITS)


@pytest.mark.parametrize(
    ("evidence", "environment", "loa"),
    [
        (SEEN, Environment.PRODUCTION, "substantial"),
        (SEEN.model_copy(update={"loa": Assurance.LOW}), Environment.PRODUCTION, "low"),
        (SEEN.model_copy(update={"liveness": "passive"}), Environment.PRODUCTION, "low"),
        (Evidence(loa=Assurance.HIGH, method="m"), Environment.PRODUCTION, "self_asserted"),
        (SEEN, Environment.DEMO, "simulated"),
    ],
)
def test_nobody_is_issued_more_than_was_shown(evidence: Evidence, environment: Environment, loa: str) -> None:
    """The level issued is capped by the liveness method, the issuer's own reach, and the demo."""
    issued = enrol(issuer(environment), [photo(HER)], evidence=evidence)
    assert plain_of(issued)["evidence"]["loa"] == loa == issued.loa  # type: ignore[index]


@pytest.mark.parametrize(
    "borrowed",
    [
        "Supervised_Session",
        "supervised session",
        "iso30107-3-level-3",
        "ISO 30107-3",
        "iso30107-3-level-2 ",
        "none",
    ],
)
def test_borrowed_liveness_name(borrowed: str) -> None:
    """A name that only sounds like a method of the table is worth nothing above ``self_asserted``."""
    assert borrowed not in LIVENESS_CAPS
    issued = enrol(issuer(), [photo(HER)], evidence=SEEN.model_copy(update={"liveness": borrowed}))
    assert issued.loa is Assurance.SELF_ASSERTED


def test_wallet_supplied_picture() -> None:
    """One photo that the issuer did not take drags the level down, whatever liveness the others had."""
    supplied = photo(HER, seed=4, source=CaptureSource.SUPPLIED)
    for photos in ([supplied], [photo(HER), supplied]):
        issued = enrol(issuer(), photos)
        assert issued.loa is Assurance.SELF_ASSERTED
        assert binding_of(issued).evidence.assurance(Assurance.HIGH) is Assurance.SELF_ASSERTED
    assert enrol(issuer(Environment.DEMO), [supplied]).loa is Assurance.SIMULATED


def test_wallet_supplied_template() -> None:
    """A template has no way in but a photo: a capture names its source, and a bare row is no views."""
    with pytest.raises(TypeError):
        Capture(**{name: getattr(photo(HER), name) for name in Capture.__slots__ if name != "source"})
    with pytest.raises(EnrolmentRefused, match="was not read"):
        enrol(issuer(), [photo(HER, embeddings=dict(VICTIM))])


def test_carried_templates_never_stand_in_for_new_ones() -> None:
    """Templates of other weight files go along; one of a weight file in use is made anew."""
    old = FaceTemplate.of(HER["face-embedding"], model="face-embedding", sha256="e" * 64)
    swapped = FaceTemplate.of(VICTIM["face-embedding"], model="face-embedding", sha256="a" * 64)
    found = binding_of(enrol(issuer(), [photo(HER)], carried=[old, swapped])).face_template
    assert {(one.model, one.sha256) for one in found} == {*MODELS.items(), ("face-embedding", "e" * 64)}
    (current,) = (one for one in found if one.sha256 == "a" * 64)
    assert float(current.vector() @ HER["face-embedding"]) > 0.97


def test_more_templates_than_a_credential_holds() -> None:
    """What no verifier could read is not signed."""
    many = [FaceTemplate.of(unit(n), model=f"m{n}", sha256="e" * 64) for n in range(7)]
    with pytest.raises(EnrolmentRefused, match="templates"):
        enrol(issuer(), [photo(HER)], carried=many)


def test_face_and_birthdate_are_disclosures_and_a_minors_age_is_plain() -> None:
    """Biometrics and birthdates never stand in the signed part; that somebody is a minor always does."""
    by = issuer()
    adult = plain_of(enrol(by, [photo(HER)], birthdate=ADULT))
    parent = guardian(SigningKey.generate())
    child = plain_of(enrol(by, [photo(HER)], birthdate=CHILD, guardians=(parent,)))
    assert not {"face_template", "birthdate", "age_over_18", "guardian"} & adult.keys()
    assert not {"face_template", "birthdate"} & child.keys()
    assert child["age_over_18"] is False
    assert child["guardian"] == [json.loads(parent.model_dump_json(exclude_none=True))]


def test_minor_without_guardian() -> None:
    """A minor is not enrolled unless somebody signs for her."""
    for born in (CHILD, date(2009, 1, 20)):
        with pytest.raises(EnrolmentRefused, match="guardian"):
            enrol(issuer(), [photo(HER)], birthdate=born)


def test_credential_outliving_the_eighteenth_birthday() -> None:
    """It ends with 180 days, or on the birthday if that is earlier; for leap-day children on 1 March."""
    by, parents = issuer(), (guardian(SigningKey.generate()),)
    today = datetime.fromtimestamp(NOW, UTC).date()
    soon = date(today.year - 18, today.month + 1, 3)
    short = enrol(by, [photo(HER)], birthdate=soon, guardians=parents)
    assert (
        plain_of(short)["exp"]
        == short.exp
        == datetime(today.year, today.month + 1, 3, tzinfo=UTC).timestamp()
    )
    assert enrol(by, [photo(HER)], birthdate=CHILD, guardians=parents).exp == NOW + 180 * DAY
    assert enrol(by, [photo(HER)]).exp == enrol(by, [photo(HER)], birthdate=ADULT).exp == NOW + 180 * DAY
    eve = int(datetime(2026, 2, 27, 18, tzinfo=UTC).timestamp())
    leap = enrol(by, [photo(HER)], birthdate=date(2008, 2, 29), now=eve, guardians=parents)
    assert leap.exp == datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def test_birthday_that_has_not_come_everywhere() -> None:
    """On the birthday itself nobody is enrolled as a minor whose credential would have ended."""
    born = date(2008, 6, 1)
    dawn, noon = majority(born), majority(born) + 12 * 3600
    parents = (guardian(SigningKey.generate()),)
    with pytest.raises(EnrolmentRefused, match="time zone"):
        enrol(issuer(), [photo(HER)], birthdate=born, now=dawn, guardians=parents)
    assert enrol(issuer(), [photo(HER)], birthdate=born, now=dawn - 1, guardians=parents).exp == dawn
    assert enrol(issuer(), [photo(HER)], birthdate=born, now=noon).exp == noon + 180 * DAY


def test_adult_only_once_the_birthday_has_come_everywhere() -> None:
    """On the birthday itself somebody counts as adult only after it began in the last time zone."""
    birthday = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
    assert not grown_up(date(2008, 6, 1), birthday + 12 * 3600 - 1)
    assert grown_up(date(2008, 6, 1), birthday + 12 * 3600)
    assert not grown_up(date(2008, 2, 29), int(datetime(2026, 2, 28, 23, tzinfo=UTC).timestamp()))


@pytest.mark.parametrize("born", [date(2030, 1, 1), date(9999, 12, 31)])
def test_birthdate_in_the_future(born: date) -> None:
    """Nobody who is yet to be born is enrolled."""
    with pytest.raises(EnrolmentRefused, match="future"):
        enrol(issuer(), [photo(HER)], birthdate=born)


def test_guardian_who_is_the_person_or_stands_twice() -> None:
    """Each guardian has a key of its own, and none of them is the person's."""
    key, parent = SigningKey.generate(), SigningKey.generate()
    for guardians in ([guardian(key)], [guardian(parent), guardian(parent, relation="legal_guardian")]):
        with pytest.raises(EnrolmentRefused, match="twice"):
            enrol(issuer(), [photo(HER)], holder=holder(key), birthdate=CHILD, guardians=guardians)
    nine = [guardian(SigningKey.generate()) for _ in range(9)]
    with pytest.raises(EnrolmentRefused, match="guardians"):
        enrol(issuer(), [photo(HER)], guardians=nine)


def test_passkeys_of_holder_and_guardian() -> None:
    """A passkey's site travels beside its key, for the person and for who signs for her."""
    key, parent = (SigningKey.generate(Algorithm.ES256) for _ in range(2))
    site = Passkey(rp_id="wallet.example", origins=("https://wallet.example",))
    also = guardian(parent, webauthn=site.model_dump())
    binding = binding_of(
        enrol(issuer(), [photo(HER)], holder=Signatory(key.public, site), birthdate=CHILD, guardians=(also,))
    )
    assert binding.holder() == Signatory(key.public, site)
    assert binding.signatories(binding.holder()) == (Signatory(parent.public, site),)


def test_stock_exchanged_on_the_way() -> None:
    """The credential says which status entries were handed out for grants, so no others can be slipped in."""
    issued = enrol(issuer(), [photo(HER)])
    assert binding_of(issued).grant_entries.refs() == issued.stock


def test_guardian_may_flip_the_childs_entries() -> None:
    """Credential and grant entries belong to the child and to each guardian."""
    by, key, parent = issuer(), SigningKey.generate(), SigningKey.generate()
    owners: list[tuple[str, ...]] = []
    allot = by.status.allot
    by.status.allot = lambda who, count: (  # type: ignore[method-assign]
        owners.append(tuple(one.thumbprint for one in who)) or allot(who, count)
    )
    enrol(by, [photo(HER)], holder=holder(key), birthdate=CHILD, guardians=(guardian(parent),))
    assert owners == [(key.public.thumbprint, parent.public.thumbprint)]


def test_each_enrolment_has_entries_of_its_own() -> None:
    """Credential and grants of two people never share a status entry."""
    by = issuer()
    seen = [enrol(by, [photo(HER)]) for _ in range(3)]
    entries = [ref.idx for one in seen for ref in (one.entry, *one.stock)]
    assert len(entries) == len(set(entries)) == 99


def test_credentials_of_a_batch_share_no_identifier() -> None:
    """Key, salts and status entries differ, the time of issue says nothing; the templates are the same."""
    keys = [holder(SigningKey.generate()) for _ in range(3)]
    asked = {"models": MODELS, "thresholds": LIMITS, "evidence": SEEN, "now": NOW + 12_345}
    batch = issuer().enrol_batch([photo(HER)], holders=keys, birthdate=ADULT, **asked)  # type: ignore[arg-type]
    assert [one.subject for one in batch] == [key.thumbprint for key in keys]
    plain = [plain_of(one) for one in batch]
    for name in ("cnf", "status", "grant_entries", "_sd"):
        assert len({json.dumps(claims[name]) for claims in plain}) == 3, name
    assert {claims["iat"] for claims in plain} == {(NOW + 12_345) // DAY * DAY}
    entries = [ref.idx for one in batch for ref in (one.entry, *one.stock)]
    assert len(entries) == len(set(entries)) == 99
    assert len({binding_of(one).face_template for one in batch}) == 1


def test_batch_without_keys_too_large_or_with_one_key_twice() -> None:
    """A batch is for one to sixteen different keys."""
    asked = {"models": MODELS, "thresholds": LIMITS, "evidence": SEEN, "now": NOW}
    one = holder(SigningKey.generate())
    many = [holder(SigningKey.generate()) for _ in range(MAX_BATCH + 1)]
    for holders in ([], many, [one, one]):
        with pytest.raises(EnrolmentRefused) as refused:
            issuer().enrol_batch([photo(HER)], holders=holders, **asked)  # type: ignore[arg-type]
        assert refused.value.code == "input.enrolment-key"


def test_no_age_claim_is_no_age() -> None:
    """Without a birthdate a credential says nothing of age, unless it holds ``age_over_18``."""
    world = ConsentWorld.make()
    person = world.person(birthdate=date.min)
    good = person.present(images=[PHOTO])
    assert world.verify(good).age is Age.UNDETERMINED
    assert world.verify(person.recredential(good, age_over_18=True)).age is Age.ADULT


def test_templates_travel_in_half_precision_without_moving() -> None:
    """Encoding and decoding leaves a template where it was; a vector not of unit norm is not encoded."""
    encoded = FaceTemplate.of(HER["face-embedding"], model="face-embedding", sha256="a" * 64)
    assert float(encoded.vector() @ HER["face-embedding"]) > 0.99999
    with pytest.raises(ValueError, match="read-only"):
        encoded.vector()[0] = 1
    for bad in (2 * HER["face-embedding"], np.stack([HER["face-embedding"]])):
        with pytest.raises(ConsentInvalid):
            FaceTemplate.of(bad, model="face-embedding", sha256="a" * 64)


def test_the_credential_fits_the_published_shape() -> None:
    """What is issued reads back through the closed schema, and says what the enrolment says."""
    issued = enrol(issuer(), [photo(HER)], birthdate=ADULT)
    binding = binding_of(issued)
    assert binding.face_template == issued.face_template
    assert binding.status.status_list == issued.entry and binding.exp == issued.exp
    assert binding.birthdate == ADULT and binding.age_over_18


def test_retired_key_beyond_its_credentials() -> None:
    """A trust entry names the key in use, and old ones only while credentials of theirs are in force."""
    by, old = issuer(), SigningKey.generate()
    retired = (RetiredKey(old.public, NOW + 10), RetiredKey(by.key.public, NOW + 10))
    rotated = replace(by, retired=retired)
    named = [jwk["kid"] for jwk in rotated.trust_entries(now=NOW, lifetime=DAY)[0].jwks]
    assert named == [by.key.public.kid, old.public.kid]
    later = rotated.trust_entries(now=NOW + 10, lifetime=DAY)[0].jwks
    assert [jwk["kid"] for jwk in later] == [by.key.public.kid]


def test_revoking_flips_the_credentials_entry() -> None:
    """What the issuer revokes reads revoked for whoever trusts its list."""
    world = ConsentWorld.make()
    person = world.person()
    good = person.present(images=[PHOTO])
    world.issuer.revoke(person.enrolment.entry.idx)
    assert world.verify(good).status.value == "revoked"
