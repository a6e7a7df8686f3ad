"""Enrolment: one person, one face, one's own."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import numpy as np
import pytest
from consent_world import (
    LIVENESS,
    MODELS,
    NOW,
    PHOTO,
    STRICT,
    ConsentWorld,
    capture,
    face,
    unit,
)

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import Evidence, FaceBinding, grown_up
from consent_edit.consent.issue import Capture, Enrolment, enrolment_templates
from consent_edit.consent.jose import unverified
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.templates import FaceTemplate
from consent_edit.errors import CheckFailed, ConsentInvalid, EnrolmentRefused
from consent_edit.vocabulary import Age, Assurance, ConsentStatus, Environment

HER, VICTIM = face(1), face(2)


def enrol(world: ConsentWorld, captures: list[Capture], **changes: object) -> Enrolment:
    """Enrol with liveness, no birthdate, strict thresholds."""
    asked: dict[str, object] = {
        "holder": SigningKey.generate().public,
        "models": MODELS,
        "thresholds": STRICT,
        "evidence": LIVENESS,
        "now": NOW,
        **changes,
    }
    return world.issuer.enrol(captures, **asked)  # type: ignore[arg-type]


def claims_of(enrolment: Enrolment) -> dict[str, object]:
    """The plain claims of a credential."""
    return dict(unverified(sd_jwt.parse(enrolment.credential).jwt)[1])


def test_several_photos_of_one_person_make_one_template() -> None:
    """The template lies nearer to her than any single photo does."""
    templates = enrolment_templates([capture(HER, 0.97, seed=s) for s in range(5)], STRICT)
    for role, template in templates.items():
        assert float(template @ HER[role]) > 0.99
        assert np.linalg.norm(template) == pytest.approx(1, abs=1e-5)


def test_one_own_and_one_victims_photo_are_refused() -> None:
    """Averaging two people would enrol both; the pair is refused, in any order and number."""
    own, victim = capture(HER), capture(VICTIM)
    for photos in ([own, victim], [victim, own], [own, own, victim], [own, own, victim, victim]):
        with pytest.raises(EnrolmentRefused, match="same person"):
            enrolment_templates(photos, STRICT)


def test_a_victims_photo_doctored_for_one_embedder_is_refused() -> None:
    """A photo that one embedder takes for the attacker and the other for the victim is refused."""
    first, second = STRICT
    doctored = capture({first: HER[first], second: VICTIM[second]})
    with pytest.raises(EnrolmentRefused):
        enrolment_templates([capture(HER), doctored], STRICT)


@pytest.mark.parametrize(
    "bad",
    [
        capture(HER, faces=0),
        capture(HER, faces=2),
        capture(HER, face_width=20),
        capture(HER, face_width=float("nan")),
        capture(HER, detection=0.3),
        Capture({}, faces=1, face_width=200, detection=0.9),
        Capture(dict(HER), faces=1, face_width=200, detection=0.9),
        Capture({r: np.zeros((2, 128), np.float32) for r in HER}, faces=1, face_width=200, detection=0.9),
        Capture({r: np.stack([v, unit(9)]) for r, v in HER.items()}, faces=1, face_width=200, detection=0.9),
    ],
    ids=["no-face", "two-faces", "small", "nan", "unclear", "unread", "shape", "zero", "views-disagree"],
)
def test_photos_below_the_quality_gate_are_refused(bad: Capture) -> None:
    """A photo without one large, clear, steadily read face is refused, alone or beside a good one."""
    for photos in ([bad], [capture(HER), bad]):
        with pytest.raises(EnrolmentRefused):
            enrolment_templates(photos, STRICT)


def test_too_few_or_many_photos_and_single_embedders_are_refused() -> None:
    """One to five photos and at least two embedders."""
    for count in (0, 6):
        with pytest.raises(EnrolmentRefused):
            enrolment_templates([capture(HER)] * count, STRICT)
    with pytest.raises(CheckFailed):
        enrolment_templates([capture(HER)], {"face-embedding": 0.5})
    with pytest.raises(EnrolmentRefused):
        enrol(ConsentWorld.make(), [capture(HER)], models={})


@pytest.mark.parametrize(
    ("evidence", "environment", "loa"),
    [
        (LIVENESS, Environment.PRODUCTION, "substantial"),
        (Evidence(loa=Assurance.HIGH, method="m"), Environment.PRODUCTION, "self_asserted"),
        (LIVENESS, Environment.DEMO, "simulated"),
    ],
)
def test_nobody_is_issued_more_than_was_shown(evidence: Evidence, environment: Environment, loa: str) -> None:
    """The level issued is capped by the liveness method, the issuer's own reach, and the demo."""
    claims = claims_of(enrol(ConsentWorld.make(environment=environment), [capture(HER)], evidence=evidence))
    assert claims["evidence"]["loa"] == loa  # type: ignore[index]


def test_face_and_birthdate_are_disclosures_and_a_minors_age_is_plain() -> None:
    """Biometrics and birthdates never stand in the signed part; that somebody is a minor always does."""
    world = ConsentWorld.make()
    adult = claims_of(enrol(world, [capture(HER)], birthdate=date(1990, 1, 1)))
    child = claims_of(enrol(world, [capture(HER)], birthdate=date(2015, 1, 1)))
    assert not {"face_template", "birthdate", "age_over_18"} & adult.keys()
    assert not {"face_template", "birthdate"} & child.keys()
    assert child["age_over_18"] is False


def test_a_minors_credential_ends_on_the_eighteenth_birthday() -> None:
    """It ends with 180 days, or on the birthday if that is earlier; for leap-day children on 1 March."""
    world = ConsentWorld.make()
    today = datetime.fromtimestamp(NOW, UTC).date()
    soon = date(today.year - 18, today.month + 1, 3)
    claims = claims_of(enrol(world, [capture(HER)], birthdate=soon))
    assert claims["exp"] == datetime(today.year, today.month + 1, 3, tzinfo=UTC).timestamp()
    assert claims_of(enrol(world, [capture(HER)]))["exp"] == NOW + 180 * 86_400
    eve = int(datetime(2026, 2, 27, 18, tzinfo=UTC).timestamp())
    leap = claims_of(enrol(world, [capture(HER)], birthdate=date(2008, 2, 29), now=eve))
    assert leap["exp"] == datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def test_adult_only_once_the_birthday_has_come_everywhere() -> None:
    """On the birthday itself somebody counts as adult only after it began in the last time zone."""
    birthday = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
    assert not grown_up(date(2008, 6, 1), birthday + 12 * 3600 - 1)
    assert grown_up(date(2008, 6, 1), birthday + 12 * 3600)
    assert not grown_up(date(2008, 2, 29), int(datetime(2026, 2, 28, 23, tzinfo=UTC).timestamp()))


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


def test_each_enrolment_has_entries_of_its_own() -> None:
    """Credential and grants of two people never share a status entry."""
    world = ConsentWorld.make()
    seen = [enrol(world, [capture(HER)]) for _ in range(3)]
    entries = [ref.idx for one in seen for ref in (one.entry, *one.stock)]
    assert len(entries) == len(set(entries)) == 99


def test_the_credential_fits_the_published_shape() -> None:
    """What is issued reads back through the closed schema with both templates."""
    parsed = sd_jwt.parse(enrol(ConsentWorld.make(), [capture(HER)]).credential)
    revealed = sd_jwt.reveal(unverified(parsed.jwt)[1], parsed.disclosures)
    binding = FaceBinding.model_validate_json(json.dumps(revealed))
    assert {entry.model for entry in binding.face_template} == set(STRICT)
    assert ConsentStatus.VERIFIED == "verified"
