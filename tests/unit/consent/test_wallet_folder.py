"""A wallet's folder: sealed at rest, whole or not at all, one writer at a time, and gone when erased."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
from consent_world import (
    ADULT_BIRTHDATE,
    AUDIENCE,
    GRANTEE,
    LIVENESS,
    MODELS,
    NOW,
    ConsentWorld,
    capture,
    face,
)
from soft_authenticator import SoftAuthenticator

from consent_edit.consent.holder import folder as wallet_folder
from consent_edit.consent.holder import keeper as wallet_keeper
from consent_edit.consent.holder.held import read_credential
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.issuing.issue import Enrolment
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.presentation import CredentialPackage, HolderCard
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.wire import read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import ConsentStatus, Operation, Purpose

TERMS = {
    "audience": AUDIENCE,
    "grantee": GRANTEE,
    "operations": {Operation.TONE},
    "purpose": Purpose.PERSONAL,
    "now": NOW,
}


def enrol(world: ConsentWorld, holder: Signatory) -> Enrolment:
    """A credential for this key."""
    return world.issuer.enrol(
        [capture(face(1))],
        holder=holder,
        models=MODELS,
        thresholds=load_thresholds(),
        evidence=LIVENESS,
        now=NOW,
        birthdate=ADULT_BIRTHDATE,
    )


def made(folder: Path, **options: object) -> Wallet:
    """A wallet in a folder, with a credential."""
    wallet = Wallet.create(folder, **options)  # type: ignore[arg-type]
    wallet.accept(enrol(ConsentWorld.make(), wallet.holder))
    return wallet


def spellings(credential: str) -> list[bytes]:
    """Every form a template could lie about in: half or single precision, bare, in base64, as disclosed."""
    spelled = [text.encode() for text in credential.split("~")[1:] if len(text) > 100]
    for entry in read_credential(credential).face_template:
        vector = entry.vector()
        spelled.append(entry.data.encode())
        for raw in (vector.astype("<f2").tobytes(), vector.astype("<f4").tobytes()):
            spelled.append(raw)
            spelled += [urlsafe_b64encode(bytes(shift) + raw)[4:] for shift in range(3)]
            spelled += [b64encode(bytes(shift) + raw)[4:] for shift in range(3)]
    return spelled


def holds(folder: Path, credential: str) -> list[str]:
    """Files under a folder in which a template can be read."""
    wanted = [spelled[cut : cut + 24] for spelled in spellings(credential) for cut in (0, 64, 128)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path.name for path in files if any(part in path.read_bytes() for part in wanted)]


def test_a_wallet_survives_its_folder(tmp_path: Path) -> None:
    """A wallet reopened from its folder holds the same key, credential and grants, for its owner alone."""
    folder = tmp_path / "deep" / "w"
    wallet = made(folder)
    held = wallet.grant_self(audience=AUDIENCE, operations={Operation.TONE}, now=NOW)
    again = Wallet.open(folder)
    assert (again.subject, again.grants) == (wallet.subject, (held,))
    assert again.card.verified().thumbprint == wallet.card.thumbprint
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    card = read_wire(HolderCard, (folder / "holder.json").read_bytes())
    assert card.verified().thumbprint == wallet.card.thumbprint
    assert SigningKey.load(folder / "holder.key.json").public.algorithm == "ES256"
    assert [path.name for path in folder.parent.iterdir()] == ["w"]


def test_no_byte_of_the_template_lies_in_the_folder(tmp_path: Path) -> None:
    """After receiving, granting, withdrawing and drafting, no file holds the template in any spelling."""
    wallet = made(tmp_path / "w")
    held = wallet.grant(**TERMS)  # type: ignore[arg-type]
    wallet.begin_grant(**TERMS)  # type: ignore[arg-type]
    wallet.withdraw(held.jti, NOW)
    assert holds(tmp_path, held.credential) == []


def test_the_search_for_templates_finds_them(tmp_path: Path) -> None:
    """The search above is no blank: it finds each spelling that is put there."""
    wallet = made(tmp_path / "w")
    credential = wallet.grant(**TERMS).credential  # type: ignore[arg-type]
    for number, spelled in enumerate(spellings(credential)):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "leak").write_bytes(b"xyz" + spelled + b"end")
        assert holds(place, credential) == ["leak"]


def test_the_key_may_lie_elsewhere(tmp_path: Path) -> None:
    """With its key file on another disk the folder alone opens nothing."""
    key = tmp_path / "usb" / "my.key"
    key.parent.mkdir()
    made(tmp_path / "w", key_file=key)
    assert not (tmp_path / "w" / "wallet.key").exists()
    assert Wallet.open(tmp_path / "w", key_file=key).grants_left == 32
    with pytest.raises(InputError, match=r"wallet\.key is not there"):
        Wallet.open(tmp_path / "w")
    with pytest.raises(InputError):
        Wallet.create(tmp_path / "other", key_file=key)
    assert not (tmp_path / "other").exists()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_passkeys_wallet_has_no_key_to_steal(tmp_path: Path) -> None:
    """A folder made for a passkey opens as that signatory's, and holds no signing key."""
    authenticator = SoftAuthenticator.make()
    holder = Signatory(authenticator.key, authenticator.passkey)
    made(tmp_path / "w", passkey=holder)
    again = Wallet.open(tmp_path / "w")
    assert again.holder == holder
    assert not (tmp_path / "w" / "holder.key.json").exists()
    draft = again.begin_grant(**TERMS)  # type: ignore[arg-type]
    Wallet.open(tmp_path / "w").finish_grant(draft.jti, authenticator.answer(draft.challenge))
    card = json.loads((tmp_path / "w" / "holder.json").read_text())
    card["webauthn"]["origins"] = ["https://evil.wallet.example"]
    (tmp_path / "w" / "holder.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="altered"):
        Wallet.open(tmp_path / "w")


def test_nothing_is_made_where_something_is(tmp_path: Path) -> None:
    """A wallet, or a folder in use, is not made over; a file in the way is said."""
    made(tmp_path / "w")
    before = (tmp_path / "w" / "holder.key.json").read_bytes()
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "w", tmp_path / "file", tmp_path / "file" / "w"):
        with pytest.raises(InputError, match="cannot make a wallet"):
            Wallet.create(place)
    key = tmp_path / "outside.key"
    with pytest.raises(InputError):
        Wallet.create(tmp_path / "w", key_file=key)
    assert not key.exists()
    assert (tmp_path / "w" / "holder.key.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "w"]
    (tmp_path / "empty").mkdir()
    Wallet.create(tmp_path / "empty")


# What somebody else did to the files


def test_wallet_file_swapped_for_another_wallets(tmp_path: Path) -> None:
    """Content of another wallet does not open, even together with that wallet's key."""
    one, two = tmp_path / "one", tmp_path / "two"
    made(one)
    made(two)
    shutil.copy(two / "wallet.sealed", one / "wallet.sealed")
    with pytest.raises(InputError, match="altered, or is another wallet's"):
        Wallet.open(one)
    shutil.copy(two / "wallet.key", one / "wallet.key")
    with pytest.raises(InputError, match="altered, or is another wallet's"):
        Wallet.open(one)


@pytest.mark.parametrize("place", [0, 21, 30, -1])
def test_wallet_file_tampered_with(tmp_path: Path, place: int) -> None:
    """One bit in its name, nonce, text or tag, and it does not open."""
    made(tmp_path / "w")
    sealed = tmp_path / "w" / "wallet.sealed"
    data = bytearray(sealed.read_bytes())
    data[place] ^= 1
    sealed.write_bytes(bytes(data))
    with pytest.raises(InputError, match="altered"):
        Wallet.open(tmp_path / "w")


@pytest.mark.parametrize("content", [b"", b"consent-edit wallet 1\n", b"consent-edit wallet 1\n" + bytes(20)])
def test_wallet_file_cut_short(tmp_path: Path, content: bytes) -> None:
    """What is no whole sealed content is refused as such."""
    made(tmp_path / "w")
    (tmp_path / "w" / "wallet.sealed").write_bytes(content)
    with pytest.raises(InputError, match="altered"):
        Wallet.open(tmp_path / "w")


@pytest.mark.parametrize(
    "name",
    ["holder.key.json", "opening.key.json", "wallet.key", "wallet.sealed", "holder.key.json+holder.json"],
)
def test_a_file_is_missing(tmp_path: Path, name: str) -> None:
    """Without one of its files a wallet says that it cannot be opened."""
    made(tmp_path / "w")
    for one in name.split("+"):
        (tmp_path / "w" / one).unlink()
    with pytest.raises(InputError):
        Wallet.open(tmp_path / "w")


@pytest.mark.parametrize("name", ["holder.key.json", "opening.key.json", "wallet.key"])
@pytest.mark.parametrize("content", ["{}", '{"a":1,"a":1}', '{"alg":"A256GCM","k":"AAAA","kty":"oct"}'])
def test_a_key_file_holds_something_else(tmp_path: Path, name: str, content: str) -> None:
    """A key file that holds no such key is bad input, and the message names none of it."""
    made(tmp_path / "w")
    (tmp_path / "w" / name).write_text(content)
    with pytest.raises(InputError) as refused:
        Wallet.open(tmp_path / "w")
    assert "AAAA" not in refused.value.diagnostics()


@pytest.mark.parametrize("name", ["holder.key.json", "opening.key.json", "wallet.key"])
def test_key_left_open_to_others(tmp_path: Path, name: str) -> None:
    """A key that others could read opens nothing until its owner has seen to it."""
    made(tmp_path / "w")
    (tmp_path / "w" / name).chmod(0o644)
    with pytest.raises(InputError, match="open to others"):
        Wallet.open(tmp_path / "w")


def test_there_is_no_wallet(tmp_path: Path) -> None:
    """Where there is none, that is what is said, and nothing is made."""
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(InputError, match="no wallet"):
            Wallet.open(place)
        with pytest.raises(InputError, match="no wallet"):
            Wallet.erase(place)
    assert list((tmp_path / "empty").iterdir()) == []


# Writers at once, and crashes

_GRANTS = """
import sys
from pathlib import Path
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.vocabulary import Operation, Purpose
wallet = Wallet.open(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
terms = {"audience": "a", "grantee": "g", "operations": {Operation.TONE}, "purpose": Purpose.PERSONAL}
for _ in range(6):
    wallet.grant(**terms, now=int(sys.argv[2]))
"""


def _python(program: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )


def test_two_processes_writing_at_once(tmp_path: Path) -> None:
    """Grants that two processes sign at the same time are all kept, each with an entry of its own."""
    made(tmp_path / "w")
    writers = [_python(_GRANTS, tmp_path / "w", NOW) for _ in range(2)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    failed = [writer.communicate("go\n")[1] for writer in writers]
    assert failed == ["", ""]
    wallet = Wallet.open(tmp_path / "w")
    assert len({held.jti for held in wallet.grants}) == len({held.entry for held in wallet.grants}) == 12
    assert wallet.grants_left == 32 - 12


def test_two_wallets_open_at_once_lose_nothing(tmp_path: Path) -> None:
    """What another object wrote since it was opened is read again before writing."""
    one = made(tmp_path / "w")
    two = Wallet.open(tmp_path / "w")
    grants = [wallet.grant(**TERMS) for wallet in (one, two, one)]  # type: ignore[arg-type]
    assert one.grants == two.grants == tuple(grants)


def test_a_writer_that_hangs_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process keeps the lock the wallet says so; when it lets go, all is as before."""
    wallet = made(tmp_path / "w")
    monkeypatch.setattr(wallet_keeper, "_PATIENCE", 0.05)
    with (tmp_path / "w" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="busy"):
            wallet.grant(**TERMS)  # type: ignore[arg-type]
    wallet.grant(**TERMS)  # type: ignore[arg-type]
    assert len(wallet.grants) == 1


_CRASH = """
import os, sys
from pathlib import Path
from consent_edit.consent.holder import folder as wallet_folder
from consent_edit.consent.holder import wallet
step = sys.argv[2]
owner, name = {"keys": (wallet_folder.OpeningKey, "save"), "content": (wallet_folder, "save_key"),
               "rename": (Path, "rename"), "after": (wallet, "open_folder")}[step]
setattr(owner, name, lambda *_: os._exit(9))
wallet.Wallet.create(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("step", ["keys", "content", "rename", "after"])
def test_power_cut_while_a_wallet_is_made(tmp_path: Path, step: str) -> None:
    """Whenever the process dies, there is no wallet and one can be made, or there is a whole one."""
    folder = tmp_path / "w"
    process = _python(_CRASH, folder, step)
    process.communicate()
    assert process.returncode == 9
    if step == "after":
        assert Wallet.open(folder).grants == ()
    else:
        assert not folder.exists()
        Wallet.create(folder)


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
@pytest.mark.parametrize("outside", [True, False])
def test_making_a_wallet_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, outside: bool
) -> None:
    """A full disk or Ctrl-C leaves nothing behind: no folder, no scratch, no key elsewhere."""
    key = tmp_path / "outside.key"

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises((InputError, KeyboardInterrupt)):
        Wallet.create(tmp_path / "w", key_file=key if outside else None)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new content cannot be written the grant was not made and the old content stands."""
    wallet = made(tmp_path / "w")

    def full(*_: object) -> None:
        raise InputError("cannot write", code="input.file")

    with monkeypatch.context() as patched:
        patched.setattr(wallet_keeper, "write_private", full)
        with pytest.raises(InputError):
            wallet.grant(**TERMS)  # type: ignore[arg-type]
    assert (wallet.grants, wallet.grants_left) == ((), 32)


# A wallet of an earlier version


def clear_wallet(folder: Path, **changes: object) -> tuple[SigningKey, dict[str, object]]:
    """A folder as earlier versions wrote it: a key, its public half, and the content in the clear."""
    world, key = ConsentWorld.make(), SigningKey.generate()
    enrolment = enrol(world, Signatory(key.public))
    memory = Wallet(key)
    memory.accept(enrolment)
    held = memory.grant(**TERMS)  # type: ignore[arg-type]
    old = {
        "credential": enrolment.credential,
        "stock": [entry.model_dump() for entry in enrolment.stock[1:]],
        "grants": [held.model_dump(mode="json", exclude={"cosigned", "withdrawal"})],
        **changes,
    }
    folder.mkdir(mode=0o700)
    key.save(folder / "holder.key.json")
    (folder / "holder.jwk.json").write_bytes(canonical_json(key.public.export()))
    (folder / "wallet.json").write_text(json.dumps(old))
    return key, old


def test_a_clear_wallet_is_sealed_once(tmp_path: Path) -> None:
    """A wallet of an earlier version opens, is sealed, and its clear file is gone; nothing of it is lost."""
    folder = tmp_path / "w"
    key, old = clear_wallet(folder)
    wallet = Wallet.open(folder)
    assert (wallet.subject, wallet.grants_left, len(wallet.grants)) == (key.public.thumbprint, 31, 1)
    assert not (folder / "wallet.json").exists()
    assert holds(folder, str(old["credential"])) == []
    assert wallet.grant(**TERMS).entry != wallet.grants[0].entry  # type: ignore[arg-type]
    wallet.withdraw(wallet.grants[0].jti, NOW)
    assert Wallet.open(folder).card == wallet.card


def test_sealing_a_clear_wallet_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it stops, the next opening takes it up again."""
    for number, step in enumerate(("_destroy", "_write_card", "load_key")):
        folder = tmp_path / str(number)
        clear_wallet(folder)

        def broken(*_: object) -> None:
            raise OSError("power cut")

        with monkeypatch.context() as patched:
            patched.setattr(wallet_folder, step, broken)
            with pytest.raises(InputError):
                Wallet.open(folder)
        assert (folder / "wallet.json").exists()
        assert len(Wallet.open(folder).grants) == 1
        assert not (folder / "wallet.json").exists()


def test_an_empty_clear_wallet_is_sealed(tmp_path: Path) -> None:
    """One that never received a credential holds none afterwards."""
    clear_wallet(tmp_path / "w", credential="", stock=[], grants=[])
    wallet = Wallet.open(tmp_path / "w")
    assert (wallet.grants_left, wallet.grants) == (0, ())


def test_clear_wallet_planted_beside_a_sealed_one(tmp_path: Path) -> None:
    """A clear file beside sealed content is not read: it goes, and the sealed content stands."""
    made(tmp_path / "w").grant(**TERMS)  # type: ignore[arg-type]
    (tmp_path / "w" / "wallet.json").write_text('{"credential":"","grants":[]}')
    wallet = Wallet.open(tmp_path / "w")
    assert (len(wallet.grants), wallet.grants_left) == (1, 31)
    assert not (tmp_path / "w" / "wallet.json").exists()


def test_clear_wallet_of_somebody_else(tmp_path: Path) -> None:
    """A clear content whose credential is bound to another key, or that cannot be read, is not sealed."""
    _, other = clear_wallet(tmp_path / "other")
    clear_wallet(tmp_path / "w", credential=other["credential"])
    clear_wallet(tmp_path / "x", more=1)
    for place in (tmp_path / "w", tmp_path / "x"):
        with pytest.raises(InputError, match="not as it was written"):
            Wallet.open(place)
        assert (place / "wallet.json").exists()
        assert not (place / "wallet.sealed").exists()


# Erasing


def test_erased_is_erased(tmp_path: Path) -> None:
    """The key is overwritten before it goes, then all the rest; copies of the sealed content open nothing."""
    folder, backup = tmp_path / "w", tmp_path / "backup"
    wallet = made(folder)
    wallet.grant(**TERMS)  # type: ignore[arg-type]
    shutil.copytree(folder, backup)
    (folder / ".wallet.sealed.0011").write_bytes(b"left by a crash")
    (folder / "holder-2.json").write_bytes(b"{}")
    kept = (folder / "wallet.key").open("rb")
    before = kept.read()
    assert Wallet.erase(folder) is True
    kept.seek(0)
    overwritten = kept.read()
    kept.close()
    assert len(overwritten) == len(before)
    assert json.loads(before)["k"].encode() not in overwritten
    assert not folder.exists()
    (backup / "wallet.key").unlink()
    with pytest.raises(InputError):
        Wallet.open(backup)
    with pytest.raises(InputError):
        wallet.grant(**TERMS)  # type: ignore[arg-type]
    assert not folder.exists()


def test_erasing_half_done_goes_on(tmp_path: Path) -> None:
    """A wallet whose key is gone already is erased; foreign files stay, and the missing key is said."""
    made(tmp_path / "w")
    (tmp_path / "w" / "wallet.key").unlink()
    (tmp_path / "w" / "letter.txt").write_text("mine")
    assert Wallet.erase(tmp_path / "w") is False
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["letter.txt"]


def test_erasing_destroys_the_key_that_lies_elsewhere(tmp_path: Path) -> None:
    """A key file named goes too, through a link; any other file named by mistake is left alone."""
    key, link, photo = tmp_path / "my.key", tmp_path / "link.key", tmp_path / "photo.jpg"
    made(tmp_path / "w", key_file=key)
    link.symlink_to(key)
    photo.write_bytes(b"a photo")
    with pytest.raises(InputError, match="no wallet's key"):
        Wallet.erase(tmp_path / "w", key_file=photo)
    assert photo.read_bytes() == b"a photo"
    assert Wallet.open(tmp_path / "w", key_file=key).grants_left == 32
    assert Wallet.erase(tmp_path / "w", key_file=link) is True
    assert not key.exists()
    assert not link.is_symlink()


def test_erasing_follows_no_link_out_of_the_folder(tmp_path: Path) -> None:
    """A link planted under a wallet's file name goes; what it points to is not touched."""
    made(tmp_path / "w")
    (tmp_path / "diary").write_text("mine")
    (tmp_path / "w" / "wallet.json").symlink_to(tmp_path / "diary")
    Wallet.erase(tmp_path / "w")
    assert (tmp_path / "diary").read_text() == "mine"


def test_erasing_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be destroyed is not passed over."""
    made(tmp_path / "w")

    def broken(_: Path) -> None:
        raise OSError("busy")

    with monkeypatch.context() as patched:
        patched.setattr(wallet_folder, "_destroy", broken)
        with pytest.raises(InputError, match="cannot erase"):
            Wallet.erase(tmp_path / "w")
    assert Wallet.erase(tmp_path / "w") is True


def test_the_package_key_is_the_folders_own(tmp_path: Path) -> None:
    """What is sealed to the card opens after reopening, with the key in the folder."""
    world, wallet = ConsentWorld.make(), Wallet.create(tmp_path / "w")
    assert OpeningKey.load(tmp_path / "w" / "opening.key.json").public == wallet.card.sealing_key()
    enrolment = enrol(world, wallet.holder)
    sealed = CredentialPackage(credential=enrolment.credential, stock=enrolment.stock).sealed(
        wallet.card.sealing_key()
    )
    again = Wallet.open(tmp_path / "w")
    again.receive_sealed(sealed)
    held = again.grant(**TERMS)  # type: ignore[arg-type]
    assert world.verify(held.presentation()).status is ConsentStatus.VERIFIED
