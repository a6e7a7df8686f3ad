"""``consent-edit wallet``: each command, what it writes and says, and nothing biometric in either."""

from __future__ import annotations

import json
import stat
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from consent_world import (
    AUDIENCE,
    LIVENESS,
    MODELS,
    ConsentWorld,
    capture,
    face,
    guardian,
)
from PIL import Image
from typer.testing import CliRunner

from consent_edit.cli import wallet as wallet_cli
from consent_edit.consent import sd_jwt
from consent_edit.consent.holder.held import read_credential
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.presentation import (
    AudienceCard,
    CredentialPackage,
    HolderCard,
    Presentation,
    open_holder,
)
from consent_edit.consent.proof import verify_proof
from consent_edit.consent.wire import read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError
from consent_edit.intake.decode import decode
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import ConsentStatus, Operation

REQUEST = "sha256:" + "7" * 64


@dataclass
class Town:
    """A folder with a service's card, a photo, and an issuer who enrols whoever brings a card."""

    place: Path
    world: ConsentWorld
    opening: OpeningKey
    now: int
    said: list[str]

    @classmethod
    def make(cls, place: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
        """The service, the issuer and their clock."""
        world, opening = ConsentWorld.make(), OpeningKey.generate()
        card = AudienceCard(audience=AUDIENCE, key=opening.public.export())
        (place / "audience.json").write_bytes(canonical_json(card.model_dump()))
        Image.new("RGB", (32, 32), (10, 20, 30)).save(place / "photo.png")
        monkeypatch.setattr(wallet_cli, "_now", lambda: world.clock())
        return cls(place, world, opening, world.clock(), [])

    def run(self, *words: object, code: int = 0) -> dict[str, object]:
        """One command with --json; an error comes out as itself."""
        told = [*map(str, words), "--json"]
        done = CliRunner().invoke(wallet_cli.app, told, catch_exceptions=False)
        assert done.exit_code == code, done.output
        self.said.append(done.output)
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def enrol(
        self, name: str, *cards: str, born: date = date(1990, 5, 17), guardians: tuple[Wallet, ...] = ()
    ) -> None:
        """The issuer seals a package to the holder card, as ``<name>.jwe``."""
        holders = [read_wire(HolderCard, (self.place / card).read_bytes()) for card in cards]
        named = [
            guardian(SigningKey.generate()).model_copy(update={"jwk": one.public.export()})
            for one in guardians
        ]
        batch = self.world.issuer.enrol_batch(
            [capture(face(1))],
            holders=[holder.signatory() for holder in holders],
            models=MODELS,
            thresholds=load_thresholds(),
            evidence=LIVENESS,
            now=self.now,
            birthdate=born,
            guardians=named,
        )
        packages = [
            CredentialPackage(credential=one.credential, stock=one.stock).sealed(holder.sealing_key())
            for one, holder in zip(batch, holders, strict=True)
        ]
        (self.place / f"{name}.jwe").write_text("\n".join(packages))

    def status(self, name: str, **query: object) -> ConsentStatus:
        """What the service says of a sealed presentation."""
        presentation = Presentation.opened((self.place / name).read_text(), [self.opening])
        return self.world.verify(presentation, **query).status

    def leaks(self) -> list[str]:
        """Files, and outputs, in which anybody's template, bare or encoded, can be read."""
        pieces: list[bytes] = []
        for role in ("face-embedding", "face-embedding-second"):
            vector = face(1)[role]
            for raw in (vector.astype("<f2").tobytes(), vector.astype("<f4").tobytes()):
                for text in (
                    raw,
                    *(f(bytes(n) + raw)[4:] for n in range(3) for f in (b64encode, urlsafe_b64encode)),
                ):
                    pieces += [text[cut : cut + 24] for cut in (0, 64, 128)]
        for wallet in self.place.glob("*/wallet.sealed"):
            for held in Wallet.open(wallet.parent).grants:
                texts = [text.encode() for text in held.credential.split("~")[1:] if len(text) > 100]
                pieces += [text[cut : cut + 24] for text in texts for cut in (0, 64, 128)]
                entries = read_credential(held.credential).face_template if held.credential else ()
                pieces += [entry.data.encode()[8:40] for entry in entries]
        files = {str(path): path.read_bytes() for path in self.place.rglob("*") if path.is_file()}
        files |= {f"output {number}": text.encode() for number, text in enumerate(self.said)}
        return [name for name, data in files.items() if any(piece in data for piece in pieces)]


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A fresh town."""
    return Town.make(tmp_path, monkeypatch)


@pytest.fixture
def hers(town: Town) -> Town:
    """A town with a wallet ``w`` that received a credential."""
    town.run("init", town.place / "w")
    town.enrol("p", "w/holder.json")
    assert town.run("receive", town.place / "w", town.place / "p.jwe")["grants_left"] == 32
    return town


def test_from_a_card_to_a_withdrawal(hers: Town) -> None:
    """Init, receive, grant, present, show and withdraw lead to consent that verifies, and to its end."""
    place = hers.place
    granted = hers.run(
        "grant", place / "w", "--audience", place / "audience.json", "--operation", "hair", "--photo",
        place / "photo.png", "--grantee", "client-1", "--max-uses", "3", "--lang", "fr",
        "--out", place / "p.jwt",
    )  # fmt: skip
    assert "changer les cheveux" in str(granted["notice"])
    photo = decode((place / "photo.png").read_bytes()).image.digest
    asked = {"operations": frozenset({Operation.HAIR}), "photos": frozenset({photo})}
    assert hers.status("p.jwt", **asked) is ConsentStatus.VERIFIED
    hers.run(
        "present",
        place / "w",
        granted["grant"],
        "--audience",
        place / "audience.json",
        "--out",
        place / "q.jwt",
    )
    assert hers.status("q.jwt", **asked) is ConsentStatus.VERIFIED
    shown = hers.run(
        "show", place / "w", "--page", place / "p.html", "--record", place / "r.jsonld", "--lang", "fr"
    )
    (fact,) = shown["grants"]  # type: ignore[misc]
    assert (fact["state"], fact["photos"], fact["operations"]) == ("given", [photo], ["hair"])  # type: ignore[index,call-overload]
    assert '<html lang="fr"' in (place / "p.html").read_text()
    assert json.loads((place / "r.jsonld").read_text())["@type"] == "dpv:ConsentReceipt"
    hers.run("withdraw", place / "w", granted["grant"], "--out", place / "w.jwt")
    hers.world.issuer.status.withdraw((place / "w.jwt").read_text())
    assert hers.status("p.jwt", **asked) is ConsentStatus.REVOKED
    assert hers.run("show", place / "w")["grants"][0]["state"] == "withdrawn"  # type: ignore[index]
    for path in place.rglob("*.jwt"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert hers.leaks() == []


def test_a_self_edit_and_its_proof(hers: Town) -> None:
    """``self`` and ``prove`` are the two commands a person needs to edit her own photo."""
    place = hers.place
    hers.run(
        "self",
        place / "w",
        "--audience",
        place / "audience.json",
        "--operation",
        "tone",
        "--out",
        place / "p.jwt",
    )
    for named in (place / "audience.json", AUDIENCE):
        said = hers.run(
            "prove", place / "w", "--audience", named, "--request", REQUEST, "--out", place / "proof.jwt"
        )
        proven = verify_proof(
            (place / "proof.jwt").read_text(), audience=AUDIENCE, request=REQUEST, now=hers.now
        )
        assert proven.thumbprint == said["key"]
        assert hers.status("p.jwt", proven=proven.thumbprint, nonce=proven.nonce) is ConsentStatus.VERIFIED
    assert hers.leaks() == []


def test_binding_for_a_subject_request(hers: Town) -> None:
    """``bind`` writes what the service verifies under its nonce, with no template in it."""
    place = hers.place
    hers.run("bind", place / "w", "--audience", AUDIENCE, "--nonce", "n" * 22, "--out", place / "b.jwt")
    hers.run(
        *("bind", place / "w", "--audience", place / "audience.json", "--nonce", "n" * 22),
        *("--out", place / "sealed.jwe"),
    )
    opened = open_holder((place / "sealed.jwe").read_text(), [hers.opening])
    text = (place / "b.jwt").read_text()
    assert opened.split("~")[0] == text.split("~")[0]
    bound = sd_jwt.verify_presentation(
        text, hers.world.trust, audience=AUDIENCE, nonce="n" * 22, now=hers.now
    )
    assert "face_template" not in bound.claims
    assert hers.leaks() == []


@pytest.mark.parametrize(
    ("nonce", "purpose", "meaning"),
    [
        ("export.n1", "export", "told all that is held"),
        ("erase.n1", "erase", "be ERASED"),
        ("object.n1", "object", "no picture of you be edited"),
        ("lift.n1", "lift", "take back your word"),
        ("renew.n1", "renew", "a new credential"),
        ("n" * 22, "unknown", "UNKNOWN"),
        ("delete.n1", "unknown", "UNKNOWN"),
    ],
)
def test_erasure_passed_off_as_something_else(hers: Town, nonce: str, purpose: str, meaning: str) -> None:
    """``bind`` says what she asks for by the nonce, before she hands it over; or that nobody knows."""
    words = ("bind", hers.place / "w", "--audience", AUDIENCE, "--nonce", nonce, "--out", hers.place / "b")
    said = hers.run(*words)
    assert said["purpose"] == purpose
    assert meaning in str(said["meaning"])
    plain = CliRunner().invoke(wallet_cli.app, list(map(str, words)), catch_exceptions=False)
    assert meaning in plain.stdout


def test_a_credential_of_another_issuer_needs_her_word(hers: Town) -> None:
    """``receive`` keeps what is there, until she says ``--replace``."""
    place = hers.place
    hers.world = ConsentWorld.make(name="https://elsewhere.example")
    hers.enrol("q", "w/holder.json")
    with pytest.raises(InputError, match="another issuer"):
        hers.run("receive", place / "w", place / "q.jwe")
    (held,) = Wallet.open(place / "w")._keeper.read().credentials
    assert read_credential(held.credential).iss == "https://issuer.example"
    assert hers.run("receive", place / "w", place / "q.jwe", "--replace")["grants_left"] == 32
    (held,) = Wallet.open(place / "w")._keeper.read().credentials
    assert read_credential(held.credential).iss == "https://elsewhere.example"


def test_cards_on_the_disk_are_known_by_their_proof_and_thumbprint(town: Town) -> None:
    """``init`` writes signed cards and says the thumbprint that a holder reads out to her issuer."""
    said = town.run("init", town.place / "w", "--credentials", 2)
    cards = [read_wire(HolderCard, Path(path).read_bytes()) for path in said["holders"]]  # type: ignore[union-attr]
    assert [card.verified().thumbprint for card in cards] == said["thumbprints"]
    plain = CliRunner().invoke(wallet_cli.app, ["init", str(town.place / "v")], catch_exceptions=False)
    card = read_wire(HolderCard, (town.place / "v" / "holder.json").read_bytes())
    assert card.thumbprint in plain.stdout


def test_a_batch_of_credentials(town: Town) -> None:
    """``init --credentials`` writes a card each; all packages are received, from one file or several."""
    place = town.place
    said = town.run("init", place / "w", "--credentials", 3)
    assert [Path(path).name for path in said["holders"]] == ["holder.json", "holder-2.json", "holder-3.json"]  # type: ignore[union-attr]
    town.enrol("p", "w/holder.json", "w/holder-2.json", "w/holder-3.json")
    assert town.run("receive", place / "w", place / "p.jwe")["grants_left"] == 3 * 32
    for number, token in enumerate((place / "p.jwe").read_text().split()):
        (place / f"p{number}.jwe").write_text(token)
    again = town.run("receive", place / "w", *(place / f"p{number}.jwe" for number in range(3)))
    assert again["grants_left"] == 3 * 32
    town.run("erase", place / "w", "--yes")
    assert not (place / "w").exists()


def test_two_guardians_on_the_command_line(town: Town) -> None:
    """The child's wallet asks, each guardian reads then signs, the child's presents; a guardian withdraws."""
    place = town.place
    for name in ("child", "one", "two"):
        town.run("init", place / name)
    wallets = tuple(Wallet.open(place / name) for name in ("one", "two"))
    born = datetime.fromtimestamp(town.now, UTC).date().replace(year=2018)
    town.enrol("p", "child/holder.json", born=born, guardians=wallets)
    town.run("receive", place / "child", place / "p.jwe")
    card = ("--audience", place / "audience.json")
    asked = town.run(
        "grant",
        place / "child",
        *card,
        "--grantee",
        "client-1",
        "--operation",
        "tone",
        "--out",
        place / "ask.json",
    )
    assert asked["guardians"] == [wallet.subject for wallet in wallets]
    assert town.run("show", place / "child")["pending"] == [asked["grant"]]
    for name in ("one", "two"):
        words = ("cosign", place / name, place / "ask.json", "--out", place / f"{name}.jwt")
        read = town.run(*words)
        assert (read["signed"], read["notice"]) == (False, asked["notice"])
        assert not (place / f"{name}.jwt").exists()
        with pytest.raises(InputError, match="not the notice"):
            town.run(*words, "--notice", "sha256:" + "0" * 64)
        assert town.run(*words, "--notice", read["digest"])["signed"] is True
    present = ("present", place / "child", asked["grant"], *card, "--out", place / "p.jwt")
    with pytest.raises(InputError, match="not each guardian"):
        town.run(*present, "--signature", place / "one.jwt")
    town.run(*present, "--signature", place / "one.jwt", "--signature", place / "two.jwt")
    assert town.status("p.jwt") is ConsentStatus.VERIFIED
    assert town.leaks() == []
    town.run("withdraw", place / "two", asked["grant"], "--out", place / "w.jwt")
    town.world.issuer.status.withdraw((place / "w.jwt").read_text())
    assert town.status("p.jwt") is ConsentStatus.REVOKED


def test_the_search_for_leaks_finds_one(hers: Town) -> None:
    """A presentation written in the clear would be found, and a template said aloud."""
    place = hers.place
    hers.run(
        "self",
        place / "w",
        "--audience",
        place / "audience.json",
        "--operation",
        "tone",
        "--out",
        place / "p.jwt",
    )
    (held,) = Wallet.open(place / "w").grants
    (place / "clear.json").write_text(held.presentation().to_json())
    hers.said.append(json.dumps({"said": read_credential(held.credential).face_template[0].data}))
    assert hers.leaks() == [str(place / "clear.json"), f"output {len(hers.said) - 1}"]


def test_the_key_lies_elsewhere(town: Town) -> None:
    """``--key-file`` is taken by every command, and named in the page's own command."""
    place = town.place
    key = ("--key-file", place / "k.key")
    town.run("init", place / "w", *key)
    town.enrol("p", "w/holder.json")
    town.run("receive", place / "w", place / "p.jwe", *key)
    card = ("--audience", place / "audience.json", "--operation", "tone", "--out", place / "p.jwt")
    town.run("self", place / "w", *card, *key)
    town.run("show", place / "w", "--page", place / "p.html", *key)
    assert f"--key-file {place / 'k.key'}" in (place / "p.html").read_text()
    with pytest.raises(InputError):
        town.run("show", place / "w")
    assert town.run("erase", place / "w", "--yes", *key)["key_destroyed"] is True
    assert list(place.glob("k.key")) == []


def test_what_a_service_is_goes_into_the_receipt(hers: Town) -> None:
    """``show --controller`` adds what she knows of a service."""
    place = hers.place
    card = ("--audience", place / "audience.json", "--operation", "tone", "--out", place / "p.jwt")
    hers.run("grant", place / "w", *card, "--anyone")
    (place / "c.json").write_text(
        json.dumps({"audience": AUDIENCE, "name": "Editor Ltd", "jurisdiction": "FR"})
    )
    hers.run("show", place / "w", "--record", place / "r.jsonld", "--controller", place / "c.json")
    text = (place / "r.jsonld").read_text()
    assert "Editor Ltd" in text
    assert "loc:FR" in text


def test_files_that_will_not_do(hers: Town) -> None:
    """Every bad file, option or place is bad input (exit 2); nothing is signed, written or spent."""
    place = hers.place
    w, out = place / "w", place / "never"
    (place / "bad.json").write_text("{}")
    (place / "bin").write_bytes(b"\xff\xfe\x00")
    sealing = AudienceCard(audience=AUDIENCE, key=SigningKey.generate().public.export())
    (place / "signing.json").write_bytes(canonical_json(sealing.model_dump()))
    (place / "else.jwe").write_text("a.b.c.d.e")
    card, tone = ("--audience", place / "audience.json"), ("--operation", "tone")
    grant = ("grant", w, *tone, "--out", out)
    for words in (
        ("init", w),
        ("receive", w, place / "absent"),
        ("receive", w, place / "bad.json"),
        ("receive", w, place / "bin"),
        ("receive", w, place / "else.jwe"),
        (*grant, "--audience", place / "absent"),
        (*grant, "--audience", place / "bad.json"),
        (*grant, "--audience", place / "signing.json"),
        (*grant, *card, "--anyone", "--grantee", "x"),
        (*grant, *card, "--photo", place / "absent.png"),
        (*grant, *card, "--photo", place / "bad.json"),
        ("grant", w, *tone, *card, "--out", place / "no" / "where"),
        ("self", w, *tone, *card, "--out", place / "no" / "where"),
        ("self", place / "none", *tone, *card, "--out", out),
        ("present", w, "nothing", *card, "--out", out),
        ("present", w, "nothing", *card, "--signature", place / "bad.json", "--out", out),
        ("cosign", w, place / "bad.json", "--out", out),
        ("cosign", w, place / "bin", "--out", out),
        ("withdraw", w, "nothing", "--out", out),
        ("prove", w, "--audience", AUDIENCE, "--request", "x", "--out", out),
        ("prove", w, "--audience", place / "bad.json", "--request", REQUEST, "--out", out),
        ("bind", w, "--audience", AUDIENCE, "--nonce", "", "--out", out),
        ("show", w, "--record", out, "--controller", place / "bad.json"),
        ("erase", w),
        ("erase", place / "none", "--yes"),
    ):
        with pytest.raises(InputError) as refused:
            hers.run(*words)
        assert refused.value.exit_code == 2
        assert refused.value.diagnostics()
    assert not out.exists()
    wallet = Wallet.open(w)
    assert (wallet.grants, wallet.pending, wallet.grants_left) == ((), (), 32)


def test_a_grant_is_sealed_to_its_own_service_only(hers: Town) -> None:
    """A grant for one service is not sealed to another's key."""
    place = hers.place
    card = ("--audience", place / "audience.json")
    granted = hers.run("grant", place / "w", *card, "--operation", "tone", "--out", place / "p.jwt")
    other = AudienceCard(audience="https://other.example", key=OpeningKey.generate().public.export())
    (place / "other.json").write_bytes(canonical_json(other.model_dump()))
    with pytest.raises(InputError, match="another service"):
        hers.run(
            "present", place / "w", granted["grant"], "--audience", place / "other.json", "--out", place / "q"
        )
    assert not (place / "q").exists()


def test_without_json_the_commands_speak_plainly(hers: Town) -> None:
    """The notice and the next step are said in sentences, the grant's state in a line."""
    place = hers.place

    def said(*words: object) -> str:
        done = CliRunner().invoke(wallet_cli.app, list(map(str, words)), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    card = ("--audience", place / "audience.json", "--operation", "tone", "--out", place / "p.jwt")
    assert "You may withdraw this at any time" in said(
        "grant", place / "w", *card, "--photo", place / "photo.png"
    )
    assert "given" in said("show", place / "w")
    hers.world.clock.now += 40 * 86_400
    assert "expired" in said("show", place / "w")
    assert "is erased" in said("erase", place / "w", "--yes")
