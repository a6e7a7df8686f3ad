"""Attacks on wallets, enrolment, status and key files, each named for what the attacker does."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from consent_world import (
    LIVENESS,
    MODELS,
    NOW,
    STATUS_URI,
    ConsentWorld,
    capture,
    face,
)

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import CREDENTIAL_TYP
from consent_edit.consent.disclosure import disclosure_digest
from consent_edit.consent.grant import WITHDRAWAL_TYP
from consent_edit.consent.issuing.capture import CaptureSource
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.keys import SigningKey, write_private
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.lists import (
    MAX_STATUS_TOKEN,
    MAX_WAITING,
    StatusLists,
    StatusValue,
    folder_source,
    status_file_name,
)
from consent_edit.consent.status.service import IssuerStatus, sign_status_list
from consent_edit.consent.wire import StatusRef
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.enrolment import capture_of
from consent_edit.errors import ConsentInvalid, EnrolmentRefused, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import (
    Box,
    CheckRun,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    ModelUse,
    PictureExposure,
)
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import (
    CheckName,
    CheckOutcome,
    ConsentStatus,
    Exposure,
    PersonKind,
    Recognisable,
)

DAY = 86_400


def test_withdrawal_hidden_behind_an_older_list_pushed_later() -> None:
    """A mirror that pushes yesterday's list right after the new one does not hide the withdrawal."""
    world = ConsentWorld.make()
    key = world.issuer.status._key
    for pushed in ((NOW, [7]), (NOW - 1, [])):
        token = sign_status_list(STATUS_URI, key, pushed[1], now=pushed[0], size=64)
        world.statuses = world.statuses if pushed[0] < NOW else StatusLists()
        world.statuses.push(token, NOW)
    assert world.statuses.read(STATUS_URI, 7, NOW, world.trust) is StatusValue.REVOKED


def test_withdrawal_hidden_behind_a_forged_list() -> None:
    """A list nobody signed, pushed after the one with the withdrawal, leaves the withdrawal in force."""
    world = ConsentWorld.make()
    statuses = StatusLists()
    statuses.push(sign_status_list(STATUS_URI, world.issuer.status._key, [], now=NOW - 9, size=64), NOW)
    assert statuses.read(STATUS_URI, 7, NOW, world.trust) is StatusValue.VALID
    statuses.push(sign_status_list(STATUS_URI, world.issuer.status._key, [7], now=NOW, size=64), NOW)
    statuses.push(sign_status_list(STATUS_URI, SigningKey.generate(), [], now=NOW + 60, size=64), NOW)
    assert statuses.read(STATUS_URI, 7, NOW, world.trust) is StatusValue.REVOKED


def test_memory_flooded_with_lists_nobody_signed() -> None:
    """Forged lists for made-up addresses are refused aloud once enough wait, and are forgotten in time."""
    world, statuses, stranger = ConsentWorld.make(), StatusLists(), SigningKey.generate()
    forged = [sign_status_list(f"https://x/{n}", stranger, [], now=NOW, size=8) for n in range(MAX_WAITING)]
    for token in forged:
        statuses.push(token, NOW)
    statuses.push(forged[0], NOW)  # again is no further one
    real = sign_status_list(STATUS_URI, world.issuer.status._key, [], now=NOW, size=8)
    with pytest.raises(ConsentInvalid, match="too many"):
        statuses.push(real, NOW)
    later = sign_status_list(STATUS_URI, world.issuer.status._key, [], now=NOW + 200, size=8)
    statuses.push(later, NOW + 200)
    assert statuses.read(STATUS_URI, 0, NOW + 200, world.trust) is StatusValue.VALID


def test_endless_file_in_a_status_folder(tmp_path: Path) -> None:
    """A mirror that leaves a file of any length is read no further than a list may be long."""
    (tmp_path / status_file_name(STATUS_URI)).write_bytes(b"a" * (MAX_STATUS_TOKEN + 4096))
    assert len(folder_source(tmp_path)(STATUS_URI)) <= MAX_STATUS_TOKEN + 2


@pytest.mark.parametrize("idx", [2**80, 2**63, -1])
def test_status_entry_beyond_any_list(idx: int) -> None:
    """An entry number no database can hold is refused in our own words, and flips nothing."""
    status = IssuerStatus("https://s", SigningKey.generate(), size=64)
    key = SigningKey.generate()
    status.allot((Signatory(key.public),))
    claims = {"jti": "a" * 32, "iat": NOW, "status_list": {"uri": "https://s", "idx": idx}}
    raw = canonical_json({**claims, "status_list": {"uri": "https://s", "idx": 0}}).replace(
        b'"idx":0', b'"idx":%d' % idx
    )
    with pytest.raises(ConsentInvalid):
        status.withdraw(sign_compact(raw, key, typ=WITHDRAWAL_TYP))
    with pytest.raises(InputError):
        status.revoke(idx)
    assert status._db.execute("SELECT sum(value) FROM entry").fetchone() == (0,)


def test_template_for_a_model_nobody_runs() -> None:
    """A role this service runs no model for brings no template; nor does any role when no model is named."""
    world = ConsentWorld.make()
    extra = {**face(1), "face-embedding-third": face(2)["face-embedding"]}
    models = {**MODELS, "face-embedding-third": "d" * 64}
    presentation = world.person(extra, models=models).present()
    found = world.verify(presentation)
    assert found.status is ConsentStatus.VERIFIED
    assert set(found.templates) == set(MODELS)
    assert world.verify(presentation, models={}).templates == {}


def test_holder_chooses_her_own_level() -> None:
    """Of two levels concealed inside the evidence she cannot disclose the higher one: nothing there opens."""
    world = ConsentWorld.make()
    person = world.person()
    good = person.present()
    parsed = sd_jwt.parse(good.credential)
    payload = dict(unverified(parsed.jwt)[1])
    choices = [b64url_encode(canonical_json(["s" * 22, "loa", level])) for level in ("low", "high")]
    plain = {name: value for name, value in payload["evidence"].items() if name != "loa"}
    payload["evidence"] = {**plain, "_sd": sorted(map(disclosure_digest, choices))}
    jwt = sign_compact(payload, world.issuer.key, typ=CREDENTIAL_TYP)
    own = good.credential.split("~")[1:-1]
    text = sd_jwt.join(jwt, [*own, choices[1]])
    found = world.verify(person.rebind(Presentation(text, good.grant)))
    assert found.status is ConsentStatus.MALFORMED


@pytest.mark.parametrize("where", ["elsewhere", "credential"])
def test_courier_swaps_the_status_entries(where: str) -> None:
    """Entries of another list, or the credential's own, are not taken: she could not withdraw by them."""
    person = ConsentWorld.make().person()
    own = person.enrolment.entry
    swapped = own if where == "credential" else StatusRef(idx=3, uri="https://courier.example/status")
    with pytest.raises(InputError):
        person.wallet.receive(person.enrolment.credential, (*person.enrolment.stock, swapped))


def test_old_package_received_again() -> None:
    """Entries already taken by a grant are not used twice, so one withdrawal never hangs on another."""
    person = ConsentWorld.make().person()
    first = person.grant()
    person.wallet.accept(person.enrolment)
    assert person.grant().entry != first.entry


@pytest.mark.parametrize("name", ["app\nYou allow nothing.", "app\x1b[2K", "app\u202egnihton", "app\u2028x"])
@pytest.mark.parametrize("field", ["audience", "grantee"])
def test_notice_forged_through_a_name(field: str, name: str) -> None:
    """A name that would break the line, drive the terminal or turn the writing is not put to her."""
    person = ConsentWorld.make().person()
    with pytest.raises(InputError, match="cannot be seen"):
        person.grant(**{field: name})


@pytest.mark.parametrize(
    "asked", [{"now": NOW + 181 * DAY}, {"audience": "x" * 3000}, {"images": ["nonsense"]}]
)
def test_grant_that_no_verifier_would_read(asked: dict[str, object]) -> None:
    """After the credential has ended, or with a value of no form, nothing is signed and nothing spent."""
    person = ConsentWorld.make().person()
    with pytest.raises(InputError):
        person.grant(**asked)
    assert person.wallet.grants_left == 32
    assert person.wallet.grants == ()


def test_enrolment_with_the_wrong_weight_files_named() -> None:
    """When an embedder's weight file is not named, nobody is enrolled, whatever else is named."""
    world = ConsentWorld.make()
    for models in ({}, {"face-detector": "a" * 64, "face-embedding": "b" * 64, "exposure": "c" * 64}):
        with pytest.raises(EnrolmentRefused, match="not named"):
            _enrol(world, models=models)


@pytest.mark.parametrize("born", [date(2030, 1, 1), date(9999, 12, 31)])
def test_birthdate_in_the_future(born: date) -> None:
    """Nobody who is yet to be born is enrolled."""
    with pytest.raises(EnrolmentRefused, match="future"):
        _enrol(ConsentWorld.make(), birthdate=born)


def test_something_face_like_enrolled() -> None:
    """A box that too few passes support is nobody to enrol, however sure the detector was."""
    for kind in (PersonKind.POSSIBLE_FACE, PersonKind.FACE):
        photo = CanonicalImage.of(np.full((160, 160, 3), 128, dtype=np.uint8))
        seen = _seen(kind, photo.digest)
        if kind is PersonKind.FACE:
            assert capture_of(seen, photo, source=CaptureSource.OWN).faces == 1
        else:
            with pytest.raises(EnrolmentRefused):
                capture_of(seen, photo, source=CaptureSource.OWN)


def test_signing_key_left_open_to_others(tmp_path: Path) -> None:
    """A private key that others could read signs nothing until its owner has seen to it."""
    path = tmp_path / "k.json"
    SigningKey.generate().save(path)
    SigningKey.load(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="open to others"):
        SigningKey.load(path)


def test_two_writers_of_one_private_file(tmp_path: Path) -> None:
    """Threads that write the same file leave one whole content, no error and no scratch file."""
    path, failed = tmp_path / "wallet.json", []

    def write(content: bytes) -> None:
        try:
            for _ in range(20):
                write_private(path, content)
        except InputError as error:
            failed.append(error)

    contents = [bytes([65 + n]) * 50_000 for n in range(4)]
    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert path.read_bytes() in contents
    assert [entry.name for entry in tmp_path.iterdir()] == ["wallet.json"]


def _enrol(world: ConsentWorld, **changes: object) -> object:
    asked: dict[str, object] = {
        "holder": Signatory(SigningKey.generate().public),
        "models": MODELS,
        "thresholds": load_thresholds(),
        "evidence": LIVENESS,
        "now": NOW,
        **changes,
    }
    return world.issuer.enrol([capture(face(1))], **asked)  # type: ignore[arg-type]


def _seen(kind: PersonKind, digest: str) -> ImageObservation:
    """One large, sure box of that kind."""
    box = FaceObservation(
        box=Box(0, 0, 100, 100),
        kind=kind,
        recognisable=Recognisable.YES,
        score=0.9,
        passes=("p",),
        landmarks=np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32),
        embeddings=capture(face(1)).embeddings,
    )
    models = tuple(ModelUse(role, sha, 0.5, True) for role, sha in MODELS.items())
    names = (CheckName.FACE_DETECTION, CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND)
    checks = tuple(CheckRun(name, CheckOutcome.RAN, models) for name in names)
    nothing = ExposureReading(Exposure.NONE)
    shown = PictureExposure(nothing, (nothing,), nothing)
    return ImageObservation(digest, 160, 160, (box,), (), shown, checks)


def test_key_that_is_no_file(tmp_path: Path) -> None:
    """A key file that is not there, is a folder, or is far too long is refused in our own words."""
    (tmp_path / "folder").mkdir(mode=0o700)
    long = tmp_path / "long.json"
    write_private(long, b" " * 20_000)
    for path in (tmp_path / "gone.json", tmp_path / "folder", long):
        with pytest.raises(InputError) as refused:
            SigningKey.load(path)
        assert refused.value.code == "input.key"
