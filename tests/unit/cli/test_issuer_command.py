"""``consent-edit issuer``: each command against a folder, with photos whose content is known."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from enrolment_world import MODELS, NAME, STATUS_URI, face, observed, photo
from PIL import Image
from typer.testing import CliRunner

from consent_edit.cli import issuer as issuer_command
from consent_edit.cli import issuer_photos, issuer_review
from consent_edit.cli.issuer_photos import Liveness, Seen
from consent_edit.consent.binding import LIVENESS_CAPS
from consent_edit.consent.issuing.capture import CaptureSource
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.presentation import CredentialPackage, HolderCard
from consent_edit.consent.sd_jwt import bind_key
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.webauthn import Passkey
from consent_edit.enrolment.office import open_desk
from consent_edit.enrolment.review import ShownPhoto
from consent_edit.errors import ConsentInvalid, EnrolmentRefused, InputError, Unavailable
from consent_edit.intake.canonical import CanonicalImage

Run = Callable[..., dict[str, Any]]
PEOPLE = {"her": 1, "her-again": 1, "her-later": 1, "victim": 2, "passport": 1}


def seen(paths: list[Path], source: CaptureSource) -> Seen:
    """Photos named after who is on them, each its own picture."""
    shown = []
    for path in paths:
        number = list(PEOPLE).index(path.stem)
        image = CanonicalImage.of(np.full((16, 16, 3), 10 * number, np.uint8))
        capture = photo(face(PEOPLE[path.stem]), 0.99, seed=number, source=source)
        shown.append(ShownPhoto(image, replace(capture, digest=image.digest)))
    return Seen(tuple(shown), MODELS)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder that has an issuer; its answer as JSON, or its error."""
    monkeypatch.chdir(tmp_path)
    for module in (issuer_command, issuer_review):
        monkeypatch.setattr(module, "observe", seen)

    def call(*arguments: object) -> dict[str, Any]:
        done = CliRunner().invoke(issuer_command.app, [*map(str, arguments), "--json"])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        answer: dict[str, Any] = json.loads(done.output)
        return answer

    call("init", "issuer", "--name", NAME, "--status-uri", STATUS_URI)
    return call


def person(place: Path, name: str) -> SimpleNamespace:
    """Somebody with keys, and a card in a file."""
    key, opening = SigningKey.generate(), OpeningKey.generate()
    card = HolderCard.made(key, opening.public)
    path = place / f"{name}.card.json"
    path.write_text(card.model_dump_json(exclude_none=True))
    return SimpleNamespace(key=key, opening=opening, card=path)


def package(path: Path, of: SimpleNamespace) -> CredentialPackage:
    """What was sealed to somebody."""
    return CredentialPackage.opened(path.read_text("ascii"), of.opening)


ENROL = ("--method", "passport", "--loa", "substantial", "--liveness", "supervised_session")


def test_enrolment_is_sealed_to_its_holder(run: Run, tmp_path: Path) -> None:
    """The package opens with the holder's key and nobody else's; its file is the issuer's alone."""
    her, thief = person(tmp_path, "her"), person(tmp_path, "thief")
    said = run("enrol", "issuer", "her.jpg", "her-again.jpg", "--holder", her.card, "--out", "p.jwe", *ENROL)
    assert said["subject"] == her.key.public.thumbprint and said["loa"] == "substantial"
    out = tmp_path / "p.jwe"
    assert out.stat().st_mode & 0o077 == 0 and len(package(out, her).stock) == 32
    with pytest.raises(ConsentInvalid):
        package(out, thief)
    assert said["entry"] == said["entries"][0]


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b"\xff", b'{"jwk":{"kty":"EC"},"seal":{}}'])
def test_holder_file_that_is_no_card(run: Run, tmp_path: Path, content: bytes) -> None:
    """A file that is no card is bad input that says so (exit 2), before anything is looked at."""
    (tmp_path / "bad.json").write_bytes(content)
    for holder in ("bad.json", "absent.json"):
        with pytest.raises(InputError) as error:
            run("enrol", "issuer", "her.jpg", "--holder", holder, "--out", "p.jwe", *ENROL)
        assert error.value.code == "input.holder" and error.value.exit_code == 2
    assert not (tmp_path / "p.jwe").exists()


def test_holders_bare_key_is_no_card(run: Run, tmp_path: Path) -> None:
    """A key for signing alone cannot have a package sealed to it."""
    her = person(tmp_path, "her")
    (tmp_path / "key.json").write_text(json.dumps(her.key.public.export()))
    with pytest.raises(InputError) as error:
        run("enrol", "issuer", "her.jpg", "--holder", "key.json", "--out", "p.jwe", *ENROL)
    assert "wallet init" in error.value.remedy


def test_supplied_photo_and_borrowed_liveness(run: Run, tmp_path: Path) -> None:
    """Photos handed in are worth little, and a liveness of one's own wording is no option."""
    her = person(tmp_path, "her")
    said = run("enrol", "issuer", "her.jpg", "--holder", her.card, "--out", "p.jwe", "--supplied", *ENROL)
    assert said["loa"] == "self_asserted"
    assert {one.method for one in Liveness} == {"", *LIVENESS_CAPS}
    done = CliRunner().invoke(
        issuer_command.app,
        [
            *("enrol", "issuer", "her.jpg", "--holder", str(her.card), "--out", "q", "--method", "m"),
            *("--liveness", "ISO 30107-3"),
        ],
    )
    assert done.exit_code == 2


def test_out_file_that_is_there(run: Run, tmp_path: Path) -> None:
    """Nobody is enrolled whose credential could not be written."""
    her = person(tmp_path, "her")
    (tmp_path / "p.jwe").write_text("kept")
    for out in ("p.jwe", "no folder/p.jwe"):
        with pytest.raises(InputError) as error:
            run("enrol", "issuer", "her.jpg", "--holder", her.card, "--out", out, *ENROL)
        assert error.value.code == "input.file"
    assert (tmp_path / "p.jwe").read_text() == "kept"
    assert not list(open_desk(tmp_path / "issuer", clock=lambda: 0).register.entries())


def test_batch_has_a_file_for_each_card(run: Run, tmp_path: Path) -> None:
    """One numbered package a card, each sealed to its own."""
    people = [person(tmp_path, f"card{number}") for number in range(3)]
    cards = [word for one in people for word in ("--holder", one.card)]
    said = run("enrol", "issuer", "her.jpg", *cards, "--out", "p.jwe", *ENROL)
    assert said["credentials"] == ["p-1.jwe", "p-2.jwe", "p-3.jwe"]
    for number, one in enumerate(people, start=1):
        assert package(tmp_path / f"p-{number}.jwe", one).credential


def test_minor_with_guardians(run: Run, tmp_path: Path) -> None:
    """A minor needs a guardian, each with card, relation and proof."""
    her, mother, father = (person(tmp_path, name) for name in ("her", "mother", "father"))
    child = (
        "enrol",
        "issuer",
        "her.jpg",
        "--holder",
        her.card,
        "--out",
        "p.jwe",
        "--birthdate",
        "2019-02-03",
    )
    with pytest.raises(EnrolmentRefused, match="guardian"):
        run(*child, *ENROL)
    one = ("--guardian", mother.card, "--relation", "parent", "--proof", "birth certificate")
    two = ("--guardian", father.card, "--relation", "legal_guardian", "--proof", "court file")
    for bad in (one[:4], one[:2], one[2:], (*one[:3], "uncle", *one[4:])):
        with pytest.raises(InputError) as error:
            run(*child, *ENROL, *bad)
        assert error.value.code == "input.guardian"
    with pytest.raises(InputError) as error:
        run(*child[:-1], "3 February", *ENROL, *one)
    assert error.value.code == "input.birthdate"
    run(*child, *ENROL, *one, *two)
    (entry,) = open_desk(tmp_path / "issuer", clock=lambda: 0).register.entries()
    assert [guardian.relation for guardian in entry.guardian] == ["parent", "legal_guardian"]


def test_renewal_by_command(run: Run, tmp_path: Path) -> None:
    """Challenge, presentation, renewal: once."""
    her = person(tmp_path, "her")
    run("enrol", "issuer", "her.jpg", "--holder", her.card, "--out", "p.jwe", *ENROL)
    asked = run("challenge", "issuer")
    credential = package(tmp_path / "p.jwe", her).credential
    now = int(time.time())
    bound = bind_key(credential, her.key, audience=asked["audience"], nonce=asked["nonce"], now=now)
    (tmp_path / "bound.txt").write_text(bound + "\n")
    renew = ("renew", "issuer", "her-later.jpg", "--presentation", "bound.txt", "--nonce", asked["nonce"])
    said = run(*renew, "--holder", her.card, "--out", "q.jwe", *ENROL)
    assert said["subject"] == her.key.public.thumbprint
    assert package(tmp_path / "q.jwe", her).credential != credential
    with pytest.raises(ConsentInvalid, match="nonce"):
        run(*renew, "--holder", her.card, "--out", "r.jwe", *ENROL)


def test_renewal_that_asks_for_more(run: Run, tmp_path: Path) -> None:
    """A renewal stays at the level of the credential, and says so."""
    her = person(tmp_path, "her")
    low = ("--method", "m", "--loa", "low", "--liveness", "passive")
    assert run("enrol", "issuer", "her.jpg", "--holder", her.card, "--out", "p.jwe", *low)["capped"] == ""
    asked, credential = run("challenge", "issuer"), package(tmp_path / "p.jwe", her).credential
    bound = bind_key(
        credential, her.key, audience=asked["audience"], nonce=asked["nonce"], now=int(time.time())
    )
    (tmp_path / "bound.txt").write_text(bound)
    renew = ("renew", "issuer", "her-later.jpg", "--presentation", "bound.txt", "--nonce", asked["nonce"])
    said = run(*renew, "--holder", her.card, "--out", "q.jwe", *ENROL)
    assert said["loa"] == "low" and "the credential" in said["capped"]


def test_status_key_changed_by_command(run: Run, tmp_path: Path) -> None:
    """Announced, then used; one step without the other is refused."""
    with pytest.raises(InputError, match="--status"):
        run("rotate", "issuer", "--now")
    with pytest.raises(InputError, match="announced"):
        run("rotate", "issuer", "--status", "--now")
    announced = run("rotate", "issuer", "--status")["key"]
    assert run("rotate", "issuer", "--status", "--now")["key"] == announced


def test_revoke_erase_rotate_and_trust(run: Run, tmp_path: Path) -> None:
    """What the commands say is what the folder then does."""
    her = person(tmp_path, "her")
    said = run("enrol", "issuer", "her.jpg", "--holder", her.card, "--out", "p.jwe", *ENROL)
    assert run("revoke", "issuer", said["entry"])["revoked"] == said["entry"]
    key = run("rotate", "issuer")["key"]
    trust = ("trust", "issuer", "--anchor", "anchor.key.json", "--anchor-public", "anchor.json")
    assert run(*trust, "--out", "trust.jwt")["issuers"] == [NAME]
    assert run(*trust, "--out", "trust.jwt")["issuers"] == [NAME]
    assert key["kid"] == open_desk(tmp_path / "issuer", clock=lambda: 0).issuer.key.public.kid
    with pytest.raises(InputError):
        run(*trust, "--out", "no folder/trust.jwt")
    assert run("erase", "issuer", said["subject"])["revoked"] == 1
    assert not list(open_desk(tmp_path / "issuer", clock=lambda: 0).register.entries())


def test_a_thumbprint_that_begins_with_a_hyphen_is_no_option(run: Run) -> None:
    """One in sixty-four does; it is looked up, and nobody bears it."""
    with pytest.raises(InputError, match=r"nobody|no such|not"):
        run("erase", "issuer", "-Sub7ect_" + "x" * 34)


def test_review_by_command(run: Run, tmp_path: Path) -> None:
    """A lost key: refused, prepared, decided, enrolled; the decision is for these photos and this card."""
    old, her, thief = (person(tmp_path, name) for name in ("old", "her", "thief"))
    run("enrol", "issuer", "her.jpg", "--holder", old.card, "--out", "p.jwe", *ENROL)
    again = ("enrol", "issuer", "her-again.jpg", "--out", "q.jwe", *ENROL)
    with pytest.raises(EnrolmentRefused, match="review"):
        run(*again, "--holder", her.card)
    reviewer = run("review", "reviewer", "issuer", "--key", "reviewer.json")["reviewer"]
    assert run("review", "reviewer", "issuer", "--key", "reviewer.json")["reviewer"] == reviewer
    (tmp_path / "pages").mkdir()
    prepared = run(
        *("review", "prepare", "issuer", "passport.jpg", "her-again.jpg", "--holder", her.card),
        *("--out", "case.json", "--page", "pages"),
    )
    assert "DELETE" in prepared["page"] and (tmp_path / prepared["page"]).exists()
    sign = ("review", "decide", "case.json", "accept", "--key", "reviewer.json")
    live = ("--liveness", "supervised_session", "--finding", "same_person")
    with pytest.raises(InputError):
        run(*sign, "--liveness", "none", "--out", "bad.jwt")
    run(*sign, *live, "--out", "decision.jwt", "--note", "passport seen")
    with pytest.raises(EnrolmentRefused, match="other keys"):
        run(*again, "--holder", thief.card, "--review", "decision.jwt")
    said = run(*again, "--holder", her.card, "--review", "decision.jwt")
    assert said["subject"] == her.key.public.thumbprint
    (tmp_path / "case.json").write_text("{}")
    with pytest.raises(InputError) as error:
        run(*sign, *live, "--out", "third.jwt")
    assert error.value.code == "input.review"


def test_objection_by_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once she said never, the folder's desk enrols her face no more, until she has it lifted."""
    her = person(tmp_path, "her")
    run("enrol", "issuer", "her.jpg", "--holder", her.card, "--out", "p.jwe", *ENROL)
    credential = package(tmp_path / "p.jwe", her).credential
    again = ("enrol", "issuer", "her-again.jpg", "--holder", her.card, *ENROL, "--out")

    def ask(request: str, *more: str) -> dict[str, Any]:
        asked = run("challenge", "issuer", "--for", request)
        now = int(time.time())
        bound = bind_key(credential, her.key, audience=asked["audience"], nonce=asked["nonce"], now=now)
        (tmp_path / "bound.txt").write_text(bound)
        return run("object", "issuer", "--presentation", "bound.txt", "--nonce", asked["nonce"], *more)

    assert ask("object") == {"subject": her.key.public.thumbprint, "listed": True}
    with pytest.raises(EnrolmentRefused, match="review"):
        run(*again, "q.jwe")
    with pytest.raises(ConsentInvalid):
        ask("renew")
    assert ask("lift", "--lift")["listed"] is False
    run(*again, "q.jwe")


def test_card_on_which_a_key_was_exchanged(run: Run, tmp_path: Path) -> None:
    """Whose key it is, or whom the package is sealed to, no courier changes on a card; nor a guardian's."""
    her, thief, mother = (person(tmp_path, name) for name in ("her", "thief", "mother"))
    card = json.loads(her.card.read_text())
    for changed in (
        {"seal": thief.opening.public.export()},
        {"jwk": thief.key.public.export()},
        {"proof": ""},
        {"proof": json.loads(thief.card.read_text())["proof"]},
    ):
        (tmp_path / "bad.json").write_text(json.dumps({**card, **changed}))
        for use in (("--holder", "bad.json"), ("--holder", mother.card, "--guardian", "bad.json")):
            with pytest.raises(InputError) as error:
                run("enrol", "issuer", "her.jpg", *use, "--out", "p.jwe", *ENROL)
            assert error.value.code == "input.holder"
    assert not (tmp_path / "p.jwe").exists()


def test_card_of_a_passkey(run: Run, tmp_path: Path) -> None:
    """It proves nothing by itself: it needs the thumbprint its holder read out, and that of no other."""
    opening = OpeningKey.generate()
    passkey = Passkey(rp_id="issuer.example", origins=("https://issuer.example",))
    key = SigningKey.generate(Algorithm.ES256)
    card = HolderCard.made(Signatory(key.public, passkey), opening.public)
    (tmp_path / "card.json").write_text(card.model_dump_json(exclude_none=True))
    enrol = ("enrol", "issuer", "her.jpg", "--holder", "card.json", "--out", "p.jwe", *ENROL)
    other = HolderCard.made(Signatory(key.public, passkey), OpeningKey.generate().public)
    for confirmed in ((), ("--thumbprint", other.thumbprint), ("--thumbprint", key.public.thumbprint)):
        with pytest.raises(InputError) as error:
            run(*enrol, *confirmed)
        assert error.value.code == "input.holder" and "--thumbprint" in error.value.remedy
    with pytest.raises(InputError, match="none of these"):
        run(*enrol, "--thumbprint", card.thumbprint, "--thumbprint", other.thumbprint)
    assert run(*enrol, "--thumbprint", card.thumbprint)["subject"] == key.public.thumbprint


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--supplied", "--liveness", "supervised_session"), "handed in"),
        (("--liveness", "none"), "liveness none"),
        (("--liveness", "passive"), "liveness passive"),
        (("--loa", "high", "--liveness", "supervised_session"), "this issuer"),
        (("--liveness", "supervised_session"), ""),
    ],
)
def test_level_below_the_one_asked_for(run: Run, tmp_path: Path, options: tuple[str, ...], why: str) -> None:
    """Who asked for more is told what the credential is worth, why, and what edits need."""
    her = person(tmp_path, "her")
    enrol = ["enrol", "issuer", "her.jpg", "--holder", str(her.card), "--method", "m", "--loa", "substantial"]
    done = CliRunner().invoke(issuer_command.app, [*enrol, "--out", "p.jwe", *options])
    assert done.exit_code == 0 and why in done.output
    assert ("was asked for" in done.output) == bool(why)
    assert ("edits need low" in done.output) == ("self_asserted" in done.output)


@pytest.mark.parametrize("level", ["simulated", "none"])
def test_level_that_nobody_can_claim(run: Run, tmp_path: Path, level: str) -> None:
    """Levels of no real issuer are no option, of an enrolment or of an issuer."""
    her = person(tmp_path, "her")
    enrol = ["enrol", "issuer", "her.jpg", "--holder", str(her.card), "--out", "p.jwe", "--method", "m"]
    init = ["init", "other", "--name", NAME, "--status-uri", STATUS_URI]
    for command, option in ((enrol, "--loa"), (init, "--highest")):
        assert CliRunner().invoke(issuer_command.app, [*command, option, level]).exit_code == 2


def test_review_of_a_childs_guardians_by_command(run: Run, tmp_path: Path) -> None:
    """The case names the guardians it was prepared with, and only those are let in by it."""
    her, mother, aunt = (person(tmp_path, name) for name in ("her", "mother", "aunt"))
    run("review", "reviewer", "issuer", "--key", "reviewer.json")
    child = ("--holder", her.card, "--birthdate", "2019-02-03", *ENROL)

    def by(guardian: SimpleNamespace) -> tuple[object, ...]:
        return ("--guardian", guardian.card, "--relation", "parent", "--proof", "file")

    run("enrol", "issuer", "her.jpg", *child, *by(mother), "--out", "p.jwe")
    prepare = ("review", "prepare", "issuer", "passport.jpg", "her-again.jpg", "--holder", her.card)
    prepared = run(*prepare, "--guardian", aunt.card, "--out", "case.json", "--page", ".")
    assert aunt.key.public.thumbprint in (tmp_path / prepared["page"]).read_text()
    sign = ("review", "decide", "case.json", "accept", "--key", "reviewer.json", "--out", "decision.jwt")
    run(*sign, "--liveness", "supervised_session")
    with pytest.raises(EnrolmentRefused):
        run("enrol", "issuer", "her-again.jpg", *child, *by(aunt), "--out", "q.jwe")
    decided = ("--review", "decision.jwt")
    run("enrol", "issuer", "her-again.jpg", *child, *by(aunt), *decided, "--out", "q.jwe")


def test_refusal_by_command_is_logged_at_once(run: Run, tmp_path: Path) -> None:
    """With the issuer's folder at hand, a refusal is in its log when the decision is written, once."""
    her = person(tmp_path, "her")
    run("review", "reviewer", "issuer", "--key", "reviewer.json")
    prepare = ("review", "prepare", "issuer", "passport.jpg", "her.jpg", "--holder", her.card)
    run(*prepare, "--out", "case.json", "--page", ".")
    decide = ("review", "decide", "case.json", "refuse", "--key", "reviewer.json")
    live = ("--liveness", "supervised_session", "--folder", "issuer")
    SigningKey.generate().save(tmp_path / "stranger.json")
    with pytest.raises(ConsentInvalid):
        run(*decide[:-1], "stranger.json", *live, "--out", "d.jwt")
    assert not (tmp_path / "d.jwt").exists()
    assert run(*decide, *live, "--out", "d.jwt")["recorded"] is True
    desk = open_desk(tmp_path / "issuer", clock=lambda: int(time.time()))
    assert json.loads(desk.store.leaf(desk.store.log_state().size - 1))["event"] == "review"
    with pytest.raises(InputError):
        run(*decide, *live, "--out", "d.jwt")
    with pytest.raises(ConsentInvalid):
        run(*decide, *live, "--out", "e.jwt")
    assert run(*decide, *live[:2], "--out", "e.jwt")["recorded"] is False


def test_trust_list_that_cannot_be_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list before stays whole when the new one cannot be written."""
    trust = ("trust", "issuer", "--anchor", "anchor.key.json", "--anchor-public", "anchor.json")
    run(*trust, "--out", "trust.jwt")
    before = (tmp_path / "trust.jwt").read_bytes()

    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(InputError):
        run(*trust, "--out", "trust.jwt")
    assert (tmp_path / "trust.jwt").read_bytes() == before


class TestObserve:
    """Looking at photos: with perception that is running, and without."""

    def test_photos_are_observed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each photo is decoded, observed and made a capture; the process is closed, come what may."""
        pytest.importorskip("cv2", reason="quality is measured with OpenCV")
        from consent_edit.perception import process

        closed = []

        class Fake:
            def observe_image(self, image: CanonicalImage) -> object:
                return observed(image)

            def close(self) -> None:
                closed.append(1)

        monkeypatch.setattr(process, "PerceptionProcess", Fake)
        Image.new("RGB", (200, 200), (90, 90, 90)).save(tmp_path / "a.png")
        found = issuer_photos.observe([tmp_path / "a.png"], CaptureSource.SUPPLIED)
        assert found.models == MODELS and closed == [1]
        assert [capture.source for capture in found.captures] == [CaptureSource.SUPPLIED]

    def test_no_photo(self) -> None:
        """Without a photo nothing is started."""
        with pytest.raises(InputError):
            issuer_photos.observe([], CaptureSource.OWN)

    def test_no_perception(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the extra the error names it."""
        Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
        monkeypatch.setitem(sys.modules, "consent_edit.perception.process", None)
        with pytest.raises(Unavailable, match="perception extra"):
            issuer_photos.observe([tmp_path / "a.png"], CaptureSource.OWN)

    def test_no_card(self, tmp_path: Path) -> None:
        """A package needs somebody to be sealed to."""
        with pytest.raises(InputError):
            issuer_photos.packages_free(tmp_path / "p", 0)
