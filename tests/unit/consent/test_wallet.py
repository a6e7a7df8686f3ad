"""Wallets, issuer folders and the commands around them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pytest
from consent_world import (
    AUDIENCE,
    GRANTEE,
    LIVENESS,
    MODELS,
    NOW,
    OTHER_PHOTO,
    PHOTO,
    STATUS_URI,
    STRICT,
    ConsentWorld,
    capture,
    face,
)
from PIL import Image
from typer.testing import CliRunner

from consent_edit.cli import issuer as issuer_cli
from consent_edit.cli import wallet as wallet_cli
from consent_edit.consent import sd_jwt
from consent_edit.consent.issuer_folder import create_issuer, create_simulated_issuer, open_issuer
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.presentation import CredentialPackage, Presentation
from consent_edit.consent.query import ConsentQuery
from consent_edit.consent.status import StatusLists, folder_source
from consent_edit.consent.trust import TrustList
from consent_edit.consent.verify import verify_presentation
from consent_edit.consent.wallet import Wallet
from consent_edit.consent.wire import StatusRef
from consent_edit.errors import ConsentEditError, ConsentInvalid, EnrolmentRefused, InputError, Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import (
    Box,
    CheckRun,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    ModelUse,
)
from consent_edit.vocabulary import (
    Assurance,
    CheckName,
    CheckOutcome,
    ConsentStatus,
    Environment,
    Exposure,
    Operation,
    PersonKind,
    Purpose,
    Recognisable,
)

DAY = 86_400


def test_a_self_edit_is_one_call() -> None:
    """She grants herself an edit of her photo in one call, and it verifies for her alone."""
    world = ConsentWorld.make()
    person = world.person()
    held = person.wallet.grant_self(audience=AUDIENCE, operations={Operation.HAIR}, now=NOW, images=[PHOTO])
    asked = {"operations": frozenset({Operation.HAIR})}
    mine = world.verify(held.presentation(), grantee=person.wallet.subject, **asked)
    assert mine.status is ConsentStatus.VERIFIED, mine.detail
    assert world.verify(held.presentation(), **asked).status is ConsentStatus.WRONG_GRANTEE


def test_a_grant_name_never_looks_like_an_option() -> None:
    """A grant's name is 128 random bits that can be typed as an argument: no leading dash, ever."""
    person = ConsentWorld.make().person()
    names = [person.grant().jti for _ in range(8)]
    assert len(set(names)) == 8
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


def test_a_grant_lasts_thirty_days_and_never_outlasts_the_credential() -> None:
    """By default a grant ends after 30 days; asked for longer, it ends with the credential."""
    person = ConsentWorld.make().person()
    assert unverified(person.grant().token)[1]["exp"] == NOW + 30 * DAY
    assert unverified(person.grant(days=400).token)[1]["exp"] == NOW + 180 * DAY


def test_the_grant_holds_the_hash_of_what_was_read_before_signing() -> None:
    """The notice names who, what, where and how long, and its hash is in the grant."""
    import hashlib

    held = ConsentWorld.make().person().grant(max_uses=2, images=[PHOTO])
    claims = unverified(held.token)[1]
    for words in (GRANTEE, AUDIENCE, "background, tone", "personal", "2 time(s)", "30 day(s)", PHOTO):
        assert words in held.notice
    assert claims["notice"]["hash"] == "sha256:" + hashlib.sha256(held.notice.encode()).hexdigest()


@pytest.mark.parametrize(
    "asked",
    [
        {"grantee": "any"},
        {"anyone": True},
        {"operations": ()},
        {"operations": {Operation.HAIR}},
        {"max_uses": -1},
        {"days": 0},
    ],
    ids=["any-by-accident", "anyone-but-named", "nothing", "hair-unbound", "negative", "no-time"],
)
def test_grants_that_make_no_sense_are_not_signed(asked: dict[str, object]) -> None:
    """A grant to anybody by accident, of nothing, of hair without a photo, or for no time is not signed."""
    person = ConsentWorld.make().person()
    with pytest.raises(InputError):
        person.grant(**asked)
    assert person.wallet.grants == ()


def test_the_stock_of_entries_runs_out_and_is_refilled() -> None:
    """Each grant takes a fresh entry; when none is left she is told to enrol again."""
    world = ConsentWorld.make()
    person = world.person()
    entries = {person.grant().entry.idx for _ in range(32)}
    assert len(entries) == 32
    with pytest.raises(InputError, match="no status entry left"):
        person.grant()
    (idx,) = world.issuer.status.allot(person.key.public)
    more = (StatusRef(idx=idx, uri=STATUS_URI),)
    person.wallet.receive(person.enrolment.credential, more)
    assert person.grant().entry in more


def test_a_credential_for_another_key_is_not_stored() -> None:
    """A wallet takes only a credential bound to its own key, and only one that can be read."""
    world = ConsentWorld.make()
    one, two = world.person(), world.person()
    with pytest.raises(InputError):
        one.wallet.accept(two.enrolment)
    for text in ("x", sd_jwt.join(sign_compact({"cnf": 1}, one.key, typ="dc+sd-jwt"), [])):
        with pytest.raises(ConsentEditError):
            one.wallet.receive(text, ())
    bare = sd_jwt.join(sign_compact({"cnf": {"jwk": one.key.public.export()}}, one.key, typ="dc+sd-jwt"), [])
    one.wallet.receive(bare, one.enrolment.stock)
    with pytest.raises(ConsentInvalid):
        one.grant()


def test_withdrawing_what_was_never_granted_is_an_error() -> None:
    """A wallet withdraws its own grants only."""
    with pytest.raises(InputError):
        ConsentWorld.make().person().wallet.withdraw("nothing", NOW)


def test_a_wallet_survives_its_folder(tmp_path: Path) -> None:
    """A wallet reopened from its folder holds the same key, credential and grants, for its owner alone."""
    world = ConsentWorld.make()
    wallet = Wallet.create(tmp_path / "w")
    enrolment = world.issuer.enrol(
        [capture(face(1))], holder=wallet.public, models=MODELS, thresholds=STRICT, evidence=LIVENESS, now=NOW
    )
    wallet.accept(enrolment)
    held = wallet.grant_self(audience=AUDIENCE, operations={Operation.TONE}, now=NOW)
    again = Wallet.open(tmp_path / "w")
    assert (again.subject, again.grants) == (wallet.subject, (held,))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "w").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o700
    with pytest.raises(InputError):
        Wallet.create(tmp_path / "w")
    (tmp_path / "w" / "wallet.json").write_text('{"credential":"","credential":""}')
    with pytest.raises(ConsentInvalid):
        Wallet.open(tmp_path / "w")
    (tmp_path / "w" / "wallet.json").unlink()
    for folder in (tmp_path / "w", tmp_path / "none"):
        with pytest.raises(InputError):
            Wallet.open(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        Wallet.create(tmp_path / "file" / "w")


def test_presentations_survive_their_file(tmp_path: Path) -> None:
    """A presentation reads back from JSON; anything else is refused."""
    presentation = ConsentWorld.make().person().present()
    path = tmp_path / "p.json"
    path.write_text(presentation.to_json())
    assert Presentation.read(path) == presentation
    for bad in ("[]", "{}", '{"credential":"a","grant":"b","more":1}', '{"grant":"a","grant":"b"}', "\ud800"):
        with pytest.raises(ConsentInvalid):
            Presentation.from_json(bad)
    with pytest.raises(InputError):
        Presentation.read(tmp_path / "absent")


def test_simulated_issuers_open_only_where_asked_for(tmp_path: Path) -> None:
    """The demo's issuer opens under no other command, and no other command makes one."""
    create_simulated_issuer(tmp_path / "demo", name="demo:issuer", status_uri=STATUS_URI)
    assert open_issuer(tmp_path / "demo", environment=Environment.DEMO).level is Assurance.SIMULATED
    with pytest.raises(InputError):
        open_issuer(tmp_path / "demo")
    with pytest.raises(InputError):
        create_issuer(tmp_path / "x", name="x", status_uri=STATUS_URI, highest=Assurance.SIMULATED)
    with pytest.raises(InputError):
        open_issuer(tmp_path / "none")
    create_issuer(tmp_path / "real", name="https://i.example", status_uri=STATUS_URI)
    with pytest.raises(InputError):
        create_issuer(tmp_path / "real", name="https://i.example", status_uri=STATUS_URI)
    with pytest.raises(InputError):
        open_issuer(tmp_path / "real", environment=Environment.DEMO)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        create_issuer(tmp_path / "file" / "i", name="x", status_uri=STATUS_URI)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "real").iterdir()} == {0o600}


class _Eyes:
    """Perception that sees one person's face in every photo, or what a test tells it."""

    faces = 1
    outcome = CheckOutcome.RAN

    def observe_image(self, image: CanonicalImage) -> ImageObservation:
        """An observation of ``faces`` faces."""
        seen = capture(face(1))
        one = FaceObservation(
            box=Box(0, 0, 100, 100),
            kind=PersonKind.FACE,
            recognisable=Recognisable.YES,
            score=0.9,
            passes=("p",),
            landmarks=np.zeros((5, 2), np.float32),
            embeddings=seen.embeddings,
        )
        names = (CheckName.FACE_DETECTION, CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND)
        models = [ModelUse(role, sha, 0.5, True) for role, sha in MODELS.items()]
        checks = tuple(CheckRun(name, self.outcome, tuple(models)) for name in names)
        faces = (one,) * self.faces
        return ImageObservation(image.digest, 8, 8, faces, ExposureReading(Exposure.NONE), checks)

    def close(self) -> None:
        """Nothing to stop."""


def run(app: object, *words: object) -> dict[str, object]:
    """One command with --json; its errors come out as themselves."""
    told = [*map(str, words), "--json"]
    result = CliRunner().invoke(app, told, catch_exceptions=False)  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> _Eyes:
    """The commands' perception replaced."""
    made = _Eyes()
    process = pytest.importorskip(
        "consent_edit.perception.process", reason="the perception extra is not installed"
    )
    monkeypatch.setattr(process, "PerceptionProcess", lambda: made)
    return made


def test_from_enrolment_to_withdrawal_on_the_command_line(tmp_path: Path, eyes: _Eyes) -> None:
    """Issuer and wallet commands alone lead to consent that verifies, and to its withdrawal."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (32, 32), (10, 20, 30)).save(photo)
    issuer, wallet, out = tmp_path / "issuer", tmp_path / "wallet", tmp_path / "p.json"
    run(issuer_cli.app, "init", issuer, "--name", "https://i.example", "--status-uri", STATUS_URI)
    run(wallet_cli.app, "init", wallet)
    enrolled = run(
        issuer_cli.app, "enrol", issuer, photo, photo, "--holder", wallet / "holder.jwk.json",
        "--out", tmp_path / "c.json", "--method", "passport", "--liveness", "in person", "--loa", "high",
        "--birthdate", "1990-01-01",
    )  # fmt: skip
    assert stat.S_IMODE((tmp_path / "c.json").stat().st_mode) == 0o600
    run(wallet_cli.app, "receive", wallet, tmp_path / "c.json")
    grant = run(
        wallet_cli.app, "grant", wallet, "--audience", AUDIENCE, "--operation", "hair", "--photo", photo,
        "--grantee", GRANTEE, "--max-uses", "3", "--out", out,
    )  # fmt: skip
    run(issuer_cli.app, "publish", issuer, tmp_path / "status")
    run(
        issuer_cli.app, "trust", issuer, "--anchor", tmp_path / "anchor.key", "--out", tmp_path / "t.jwt",
        "--anchor-public", tmp_path / "anchor.jwk",
    )  # fmt: skip

    def status() -> ConsentStatus:
        import time

        now = int(time.time())
        anchor = PublicJwk.parse(json.loads((tmp_path / "anchor.jwk").read_text()))
        return verify_presentation(
            Presentation.read(out),
            trust=TrustList.load((tmp_path / "t.jwt").read_text().strip(), anchor=anchor, now=now),
            statuses=StatusLists({STATUS_URI: folder_source(tmp_path / "status")}),
            query=ConsentQuery(
                audience=AUDIENCE,
                grantee=GRANTEE,
                operations=frozenset({Operation.HAIR}),
                purpose=Purpose.PERSONAL,
                photos=frozenset({CanonicalImage.of(np.asarray(Image.open(photo))).digest}),
                now=now,
            ),
            uses=lambda _: 0,
        ).status

    assert status() is ConsentStatus.VERIFIED
    run(wallet_cli.app, "withdraw", wallet, grant["grant"], "--out", tmp_path / "w.jwt")
    run(issuer_cli.app, "withdrawal", issuer, tmp_path / "w.jwt")
    run(issuer_cli.app, "publish", issuer, tmp_path / "status")
    assert status() is ConsentStatus.REVOKED
    assert run(issuer_cli.app, "revoke", issuer, enrolled["entry"]) == {"revoked": enrolled["entry"]}


def test_enrolment_on_the_command_line_refuses_what_it_must(tmp_path: Path, eyes: _Eyes) -> None:
    """Photos, checks, dates and files that will not do are refused, and nothing is written."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (32, 32)).save(photo)
    run(issuer_cli.app, "init", tmp_path / "i", "--name", "https://i.example", "--status-uri", STATUS_URI)
    run(wallet_cli.app, "init", tmp_path / "w")
    words = ["enrol", tmp_path / "i", photo, "--holder", tmp_path / "w" / "holder.jwk.json",
             "--out", tmp_path / "c.json", "--method", "m"]  # fmt: skip

    def refused(error: type[ConsentEditError], *more: object) -> None:
        with pytest.raises(error):
            run(issuer_cli.app, *words, *more)

    refused(InputError, "--birthdate", "yesterday")
    eyes.faces = 0
    refused(EnrolmentRefused)
    eyes.faces = 2
    refused(EnrolmentRefused)
    eyes.outcome = CheckOutcome.TIMED_OUT
    refused(Unavailable)
    photo.unlink()
    refused(InputError)
    assert not (tmp_path / "c.json").exists()


def test_wallet_commands_report_bad_input(tmp_path: Path) -> None:
    """Contradicting options and unreadable files are errors of ours."""
    run(wallet_cli.app, "init", tmp_path / "w")
    grant = ["grant", tmp_path / "w", "--audience", "a", "--operation", "tone", "--out", tmp_path / "p"]
    for words in (
        [*grant, "--anyone", "--grantee", "x"],
        [*grant, "--photo", tmp_path / "absent.png"],
        grant,
        ["receive", tmp_path / "w", tmp_path / "absent"],
        ["withdraw", tmp_path / "w", "none", "--out", tmp_path / "x"],
    ):
        with pytest.raises(InputError):
            run(wallet_cli.app, *words)
    (tmp_path / "bad").write_text("{}")
    with pytest.raises(ConsentInvalid):
        CredentialPackage.read(tmp_path / "bad")


def test_photos_are_named_once_and_sorted() -> None:
    """A grant names each photo once, whatever order they were given in."""
    held = ConsentWorld.make().person().grant(images=[OTHER_PHOTO, PHOTO, PHOTO])
    assert unverified(held.token)[1]["images"] == [PHOTO, OTHER_PHOTO]


def test_keys_of_wallets_are_es256_by_default(tmp_path: Path) -> None:
    """A wallet's key is loadable and of the algorithm that passkeys use."""
    Wallet.create(tmp_path / "w")
    assert SigningKey.load(tmp_path / "w" / "holder.key.json").public.algorithm == "ES256"
