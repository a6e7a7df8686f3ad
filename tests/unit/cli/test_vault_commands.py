"""``rotate-vault-key``: an operator's log and an issuer's register take a new key, come what may."""

from __future__ import annotations

import json
import sqlite3

import pytest
from postgres_server import postgres_url  # noqa: F401 - a fixture
from typer.testing import CliRunner

from consent_edit import operator_folder
from consent_edit.cli import operator_vault
from consent_edit.cli.main import app
from consent_edit.consent.issuing.folder import REGISTER_DB, trust_list
from consent_edit.consent.keys import SigningKey
from consent_edit.enrolment.office import create_office, open_desk
from consent_edit.errors import InputError, StoreUnavailable
from consent_edit.operator import unix_now
from consent_edit.store.store import Store
from consent_edit.store.vault_key import KeyFile, VaultKey
from consent_edit.vocabulary import Environment

ANCHOR = SigningKey.generate()


@pytest.fixture(params=["sqlite", "postgres"])
def operator(request, tmp_path):
    """An operator's folder with one entry in its vault; and where its key lies, and its log."""
    issuer = create_office(tmp_path / "issuer", name="https://i.example", status_uri="https://i.example/s")
    entries = [issuer.trust_entries(now=unix_now(), lifetime=900)]
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=unix_now(), lifetime=9_000)
    store = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    folder = tmp_path / "operator"
    operator_folder.create(
        folder,
        audience="https://service.example",
        trust_list=claims.sign(ANCHOR),
        anchor=json.dumps(ANCHOR.public.export()),
        status_uris=(),
        store=store,
    )
    opened = operator_folder.load(folder).store
    opened.vault.put("ada", "template", b"one")
    opened.close()
    return folder, folder / ("vault.key" if store else "log.sqlite.vault-key"), store or folder / "log.sqlite"


def entry(folder):
    store = operator_folder.load(folder).store
    try:
        return store.vault.get("ada", "template")
    finally:
        store.close()


def secret_of(file) -> VaultKey:
    """The key itself, as a thief would keep it."""
    return VaultKey.of(VaultKey.load(file)._secret)


def test_operator_rotates(operator):
    """After the command the folder opens, its file holds a new key, and a copy of the old opens nothing."""
    folder, file, where = operator
    old = secret_of(file)
    done = CliRunner().invoke(app, ["operator", "rotate-vault-key", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["vault_key"] == VaultKey.load(file).id != old.id
    assert entry(folder) == b"one"
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(where, vault_key=old)
    assert caught.value.code == "check.vault-key"


@pytest.mark.parametrize("when", ["before", "after"])
def test_power_gone_while_an_operator_rotates(operator, monkeypatch, when):
    """Cut short on either side of the commit, the folder opens all the same, and the command works again."""
    folder, file, where = operator
    old, finish, prepare = secret_of(file), KeyFile.finish, KeyFile.prepare

    def gone_before(self, key, *, in_force):
        prepare(self, key, in_force=in_force)
        raise OSError("the power went")

    def gone_after(self, key_id):
        if key_id != old.id:
            raise OSError("the power went")
        finish(self, key_id)

    with monkeypatch.context() as patch:
        if when == "before":
            patch.setattr(KeyFile, "prepare", gone_before)
        else:
            patch.setattr(KeyFile, "finish", gone_after)
        with pytest.raises(StoreUnavailable):
            operator_vault.rotate(folder)
    assert VaultKey.load(file).id == old.id
    if when == "after":
        with pytest.raises(StoreUnavailable):
            Store.open(where, vault_key=old)
    assert entry(folder) == b"one"
    operator_vault.rotate(folder)
    assert entry(folder) == b"one"
    assert VaultKey.load(file).id != old.id
    assert not list(folder.glob("*.next*"))


def test_rotation_while_another_program_reads(operator, monkeypatch):
    """A long read leaves old bytes in SQLite's log: the command says so, and a second run ends them."""
    folder, file, where = operator
    if isinstance(where, str):
        pytest.skip("PostgreSQL keeps no such log of ours")
    old, opened = VaultKey.load(file).id, Store.open
    monkeypatch.setattr(Store, "open", lambda where, **more: opened(where, busy_timeout_ms=50, **more))
    reader = sqlite3.connect(where, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM vault_subjects").fetchall()
    with pytest.raises(StoreUnavailable) as caught:
        operator_vault.rotate(folder)
    assert caught.value.code == "check.erase-pending" and "rotate once more" in caught.value.remedy
    assert VaultKey.load(file).id != old
    reader.close()
    operator_vault.rotate(folder)
    assert entry(folder) == b"one"


def test_register_rotates(tmp_path, capsys):
    """An issuer's register takes a new key; whom it enrolled is found as before."""
    folder = tmp_path / "issuer"
    create_office(folder, name="https://i.example", status_uri="https://i.example/s")
    file = folder / f"{REGISTER_DB}.vault-key"
    desk, old = open_desk(folder, clock=unix_now), secret_of(file)
    desk.store.vault.put("ada", "template", b"one")
    desk.store.close()
    operator_vault.rotate_register(folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["vault_key"] == VaultKey.load(file).id != old.id
    again = open_desk(folder, clock=unix_now).store
    assert again.vault.get("ada", "template") == b"one"
    again.close()
    with pytest.raises(StoreUnavailable):
        Store.open(folder / REGISTER_DB, vault_key=old)


def test_folder_without_register(tmp_path):
    """Where there is no register, or no issuer, none is made for the sake of a new key."""
    with pytest.raises(InputError):
        operator_vault.rotate_register(tmp_path / "nobody")
    create_office(tmp_path / "i", name="https://i.example", status_uri="https://i.example/s")
    (tmp_path / "i" / REGISTER_DB).unlink()
    with pytest.raises(StoreUnavailable):
        operator_vault.rotate_register(tmp_path / "i")
    assert not (tmp_path / "i" / REGISTER_DB).exists()
