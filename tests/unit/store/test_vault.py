"""What is kept of a person opens only with the vault key, as what it was kept as, and not once erased."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from postgres_server import postgres_server
from sqlalchemy import text
from store_world import KEY, NOW, Place, release

from consent_edit.errors import InputError, StoreUnavailable
from consent_edit.evidence.proofs import check_consistency, check_inclusion
from consent_edit.store import vault_rows
from consent_edit.store.merkle import leaf_hash
from consent_edit.store.sealing import EntryName, SubjectKey
from consent_edit.store.store import Store
from consent_edit.store.vault import MAX_DATA_BYTES, SubjectEntry
from consent_edit.store.vault_key import VaultKey

TEMPLATE = b"\x01\x02template-in-clear\x03\x04" * 20
SUBJECT = "urn:subject:ada-lovelace"


def by_hand(store: Store, statement: str, **values) -> None:
    """Change the database as somebody would who may write it but lacks the vault key."""
    with store._database.writing() as connection:
        connection.execute(text(statement), values)


def rows(store: Store, statement: str):
    with store._database.reading() as connection:
        return connection.execute(text(statement)).all()


def damaged(act) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        act()
    assert caught.value.code == "check.store-damaged"


def test_put_and_get(store):
    """An entry reads back; a second takes its place; kinds and subjects keep apart."""
    store.vault.put("ada", "template", b"one")
    store.vault.put("ada", "template", b"two")
    store.vault.put("ada", "evidence", b"three")
    store.vault.put("ben", "template", b"")
    assert store.vault.get("ada", "template") == b"two"
    assert store.vault.get("ada", "evidence") == b"three"
    assert dict(store.vault.all("template")) == {"ada": b"two", "ben": b""}
    assert list(store.vault.all("other")) == []


@pytest.mark.parametrize(("subject", "kind"), [("ada", "other"), ("cid", "template")])
def test_entry_that_is_not_there(store, subject, kind):
    """To find nothing is an error with its own code, not an empty template."""
    store.vault.put("ada", "template", b"one")
    with pytest.raises(StoreUnavailable) as caught:
        store.vault.get(subject, kind)
    assert caught.value.code == "check.no-entry"


@pytest.mark.parametrize(
    ("subject", "kind", "data"),
    [
        ("", "k", b""),
        ("x" * 513, "k", b""),
        ("\ud800", "k", b""),
        ("ada", "", b""),
        ("ada", "a\0b", b""),
        ("ada", "decision", b""),
        ("ada", "k", bytes(MAX_DATA_BYTES + 1)),
    ],
)
def test_what_the_vault_does_not_keep(store, subject, kind, data):
    """Names no database keeps, the decisions' own kind and what is too large are refused."""
    with pytest.raises(InputError) as caught:
        store.vault.put(subject, kind, data)
    assert caught.value.code == "input.vault"
    assert list(store.vault.all("k")) == []


def test_template_in_the_files_of_sqlite(tmp_path):
    """Neither the database, nor its write-ahead log, nor a file beside it shows template or name."""
    store = Store.open(tmp_path / "s.db")
    for number in range(3):
        store.vault.put(SUBJECT, "template", TEMPLATE + bytes([number]))
        release(store, f"d-{number}", subjects=[SubjectEntry(SUBJECT, {"salt": "salt-in-clear"})])

    def scan() -> set[str]:
        for path in tmp_path.iterdir():
            content = path.read_bytes()
            for secret in (b"template-in-clear", b"ada-lovelace", b"salt-in-clear"):
                assert secret not in content, path.name
        return {path.name for path in tmp_path.iterdir()}

    assert {"s.db", "s.db-wal", "s.db.vault-key"} <= scan()
    store.close()
    assert scan() == {"s.db", "s.db.vault-key"}
    assert Store.open(tmp_path / "s.db").vault.get(SUBJECT, "template") == TEMPLATE + b"\x02"


def test_template_in_the_files_of_postgres(postgres_url):
    """No file of the server, its write-ahead log included, holds template or subject in clear."""
    store = Store.open(postgres_url, vault_key=KEY)
    store.vault.put(SUBJECT, "template", TEMPLATE)
    release(store, "d-1", subjects=[SubjectEntry(SUBJECT, {"salt": "salt-in-clear"})])
    marker = bytes(rows(store, "SELECT tag FROM vault_subjects")[0][0])
    server = postgres_server()
    server.execute("CHECKPOINT")
    marked = 0
    for path in (server.home / "data").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            marked += marker in content
            for secret in (b"template-in-clear", b"ada-lovelace", b"salt-in-clear"):
                assert secret not in content, path.name
    assert marked >= 2  # the table and the log: the scan looked where things lie


def test_entry_moved_to_another_subject(store):
    """An entry put into another person's row does not open as that person's."""
    store.vault.put("ada", "template", b"one")
    store.vault.put("ben", "other", b"two")
    ben = rows(store, "SELECT subject_id FROM vault_entries WHERE kind='other'")[0][0]
    by_hand(store, "UPDATE vault_entries SET subject_id=:row WHERE kind='template'", row=ben)
    damaged(lambda: store.vault.get("ben", "template"))
    damaged(lambda: list(store.vault.all("template")))


def test_entry_moved_to_another_kind(store):
    """An entry called by another kind's name does not open."""
    store.vault.put("ada", "template", b"one")
    by_hand(store, "UPDATE vault_entries SET kind='other'")
    damaged(lambda: store.vault.get("ada", "other"))
    damaged(lambda: list(store.vault.all("other")))


def test_entry_moved_to_another_version(store):
    """An older entry put back under the newest version's number does not open."""
    store.vault.put("ada", "template", b"old")
    old = rows(store, "SELECT sealed FROM vault_entries")[0][0]
    store.vault.put("ada", "template", b"new")
    by_hand(store, "UPDATE vault_entries SET sealed=:old", old=old)
    damaged(lambda: store.vault.get("ada", "template"))


def test_subject_key_moved_to_another_subject(store):
    """A wrapped key put into another person's row does not open, so nobody can pass as somebody else."""
    store.vault.put("ada", "template", b"one")
    store.vault.put("ben", "template", b"two")
    (first, wrapped), (second, _) = rows(store, "SELECT subject_id, wrapped FROM vault_subjects")
    by_hand(store, "UPDATE vault_subjects SET wrapped=:key WHERE subject_id=:row", key=wrapped, row=second)
    damaged(lambda: list(store.vault.all("template")))
    by_hand(store, "DELETE FROM vault_entries WHERE subject_id=:row", row=second)
    by_hand(store, "DELETE FROM vault_subjects WHERE subject_id=:row", row=second)
    by_hand(store, "UPDATE vault_subjects SET tag=:tag", tag=b"t" * 32)
    damaged(lambda: list(store.vault.all("template")))
    assert first != second


def test_rows_moved_to_another_store():
    """A person's rows copied into another store under the same vault key do not open there."""
    first, second = (Store.open(":memory:", vault_key=KEY) for _ in range(2))
    first.vault.put("ada", "template", b"one")
    for table in ("vault_subjects", "vault_entries"):
        for row in rows(first, f"SELECT * FROM {table}"):
            names = ", ".join(f":{name}" for name in row._fields)
            by_hand(second, f"INSERT INTO {table} VALUES ({names})", **row._mapping)
    assert dict(first.vault.all("template")) == {"ada": b"one"}
    damaged(lambda: list(second.vault.all("template")))


@pytest.mark.parametrize("field", ["tenant", "subject", "kind", "version"])
def test_each_part_of_the_name_is_bound(field):
    """Under one data key, an entry opens as of its own tenant, subject, kind and version alone."""
    key, parts = SubjectKey.generate("ada"), {"tenant": b"t", "subject": "ada", "kind": "k", "version": 1}
    sealed = key.seal(EntryName(**parts), b"data")
    assert key.open(EntryName(**parts), sealed) == b"data"
    other = {"tenant": b"u", "subject": "ben", "kind": "l", "version": 2}
    damaged(lambda: key.open(EntryName(**{**parts, field: other[field]}), sealed))


@pytest.mark.parametrize("part", ["key", "tenant", "row", "tag"])
def test_each_part_of_a_wrapped_key_is_bound(part):
    """A wrapped data key opens under its own vault key, store, row and tag alone."""
    wrapped = SubjectKey.generate("ada").wrap(KEY, b"t", b"r")
    parts = {"key": KEY, "tenant": b"t", "row": b"r", "tag": KEY.tag(b"t", "ada")}
    assert SubjectKey.unwrap(**parts, wrapped=wrapped).subject == "ada"
    other = {"key": VaultKey.generate(), "tenant": b"u", "row": b"s", "tag": KEY.tag(b"t", "ben")}
    damaged(lambda: SubjectKey.unwrap(**{**parts, part: other[part]}, wrapped=wrapped))


@pytest.mark.parametrize("change", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b[:11], lambda _: b""])
def test_entry_changed_or_cut_short(store, change):
    """A flipped bit and a cut are damage, said so."""
    store.vault.put("ada", "template", b"one")
    sealed = change(rows(store, "SELECT sealed FROM vault_entries")[0][0])
    by_hand(store, "UPDATE vault_entries SET sealed=:sealed", sealed=sealed)
    damaged(lambda: store.vault.get("ada", "template"))


def test_erased_entries_are_gone(store):
    """After erasure nothing of a person opens, everybody else's does, and the log still verifies."""
    store.vault.put("ada", "template", b"one")
    store.vault.put("ben", "template", b"two")
    first = release(store, "d-1", subjects=[SubjectEntry("ada", {"a": 1}), SubjectEntry("ben", {"b": 1})])
    second = release(store, "d-2", subjects=[SubjectEntry("ada", {"a": 2})])
    assert [entry["data"] for entry in store.subject_entries("ada")] == [{"a": 1}, {"a": 2}]
    before = store.log_state()
    assert store.erase_subject("ada") == 3
    assert store.erase_subject("ada") == 0
    assert store.subject_entries("ada") == ()
    assert dict(store.vault.all("template")) == {"ben": b"two"}
    assert store.subject_entries("ben") == ({"decision_id": "d-1", "data": {"b": 1}},)
    assert store.log_state() == before
    root = bytes.fromhex(before.root)
    path = [bytes.fromhex(node) for node in store.inclusion_proof(0, 2)]
    check_inclusion(leaf_hash(first.leaf), 0, 2, path, root)
    path = [bytes.fromhex(node) for node in store.consistency_proof(1, 2)]
    check_consistency(1, 2, path, bytes.fromhex(first.root), root)
    assert store.leaf(1) == second.leaf


def test_erased_person_enrols_again(store):
    """A person who comes back gets a new data key: rows of the old one, put back, do not open."""
    store.vault.put("ada", "template", b"old")
    old = rows(store, "SELECT sealed FROM vault_entries")[0][0]
    store.vault.erase("ada")
    store.vault.put("ada", "template", b"new")
    assert store.vault.get("ada", "template") == b"new"
    by_hand(store, "UPDATE vault_entries SET sealed=:old", old=old)
    damaged(lambda: store.vault.get("ada", "template"))


def test_erasure_of_damaged_rows(store):
    """A person's rows can be erased even when they no longer open."""
    store.vault.put("ada", "template", b"one")
    by_hand(store, "UPDATE vault_subjects SET wrapped=:junk", junk=b"x" * 80)
    damaged(lambda: store.vault.get("ada", "template"))
    assert store.vault.erase("ada") == 1
    assert rows(store, "SELECT * FROM vault_subjects") == []


def test_erased_key_is_not_left_on_the_disk(tmp_path):
    """After erasure no file of the store holds the wrapped key, not even the write-ahead log."""
    store = Store.open(tmp_path / "s.db")
    for number in range(40):
        store.vault.put(f"subject-{number}", "template", TEMPLATE)
    wrapped = rows(store, "SELECT wrapped FROM vault_subjects")

    def left() -> int:
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        return sum(key in content for (key,) in wrapped)

    assert left() == 40
    for number in range(40):
        store.vault.erase(f"subject-{number}")
    assert left() == 0


def test_erasure_while_another_program_reads(tmp_path):
    """While a long read holds the write-ahead log, erasure says that it is pending; a second call ends it."""
    store = Store.open(tmp_path / "s.db", busy_timeout_ms=50)
    store.vault.put("ada", "template", b"one")
    reader = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM vault_subjects").fetchall()
    with pytest.raises(StoreUnavailable) as caught:
        store.erase_subject("ada")
    assert caught.value.code == "check.erase-pending"
    assert list(store.vault.all("template")) == []
    reader.close()
    assert store.erase_subject("ada") == 0


def test_rekey_keeps_everything(place):
    """After a change of key everything opens, under the new key alone."""
    store, new = place.open(), VaultKey.generate()
    for number in range(3):
        store.vault.put(f"subject-{number}", "template", bytes([number]))
    release(store, "d-1", subjects=[SubjectEntry("subject-1", {"a": 1})])
    before = rows(store, "SELECT tag, wrapped FROM vault_subjects")
    store.vault.rekey(new)
    store.vault.put("subject-0", "template", b"changed")
    for opened in (store, Store.open(place.where, vault_key=new)):
        assert dict(opened.vault.all("template")) == {
            "subject-0": b"changed",
            "subject-1": b"\x01",
            "subject-2": b"\x02",
        }
        assert len(opened.subject_entries("subject-1")) == 1
    after = rows(store, "SELECT tag, wrapped FROM vault_subjects")
    assert not {value for row in before for value in row} & {value for row in after for value in row}


def test_rekey_of_an_empty_vault(store):
    """A vault that holds nothing changes its key too."""
    store.vault.rekey(VaultKey.generate())
    store.vault.put("ada", "template", b"one")
    assert store.vault.get("ada", "template") == b"one"


def test_rekey_cut_short_changes_nothing(place, monkeypatch):
    """When a change of key breaks half way, the old key opens everything, now and after a restart."""
    store = place.open()
    store.vault.put("ada", "template", b"one")
    whole = vault_rows.wrap_anew

    def broken(connection, old, new):
        whole(connection, old, new)
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(vault_rows, "wrap_anew", broken)
        with pytest.raises(StoreUnavailable):
            store.vault.rekey(VaultKey.generate())
    assert store.vault.get("ada", "template") == b"one"
    store.close()
    assert place.open().vault.get("ada", "template") == b"one"


def test_rekey_by_another_program(place):
    """A program that still holds the old key neither reads nor writes the vault; it still logs refusals."""
    first, second = place.open(), place.open()
    first.vault.put("ada", "template", b"one")
    first.vault.rekey(VaultKey.generate())
    for act in (
        lambda: second.vault.get("ada", "template"),
        lambda: second.vault.put("ada", "template", b"two"),
        lambda: second.vault.erase("ada"),
        lambda: release(second, "d-1", subjects=[SubjectEntry("ada", {})]),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            act()
        assert caught.value.code == "check.vault-key"
    assert second.uses("grant-1") == 0
    second.commit_refusal(record={"decision_id": "r", "stage": "input"}, leaf={"v": 1}, now=NOW)
    assert first.vault.get("ada", "template") == b"one"


def test_store_that_forgot_its_key(store):
    """A store whose row about its own key is gone opens nothing."""
    store.vault.put("ada", "template", b"one")
    by_hand(store, "DELETE FROM consent_edit_store WHERE name='tenant'")
    damaged(lambda: store.vault.get("ada", "template"))


def test_key_and_data_key_do_not_print():
    """Neither key shows itself in a traceback or a log line."""
    secret = re.escape(str(b"k" * 32))
    assert not re.search(secret, repr(KEY) + str(KEY))
    data_key = SubjectKey("ada", b"k" * 32)
    assert not re.search(secret, repr(data_key))


def test_wrong_key_for_the_store(place):
    """A key that is not the store's does not open it, and the store stays as it is."""
    place = Place(place.where, KEY)
    store = place.open()
    store.vault.put("ada", "template", b"one")
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(place.where, vault_key=VaultKey.generate())
    assert caught.value.code == "check.vault-key"
    assert place.open().vault.get("ada", "template") == b"one"
    if isinstance(place.where, Path):
        assert not list(place.where.parent.glob("*.vault-key"))
