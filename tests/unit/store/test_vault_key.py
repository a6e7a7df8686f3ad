"""The vault's key file is made once, kept private, and follows a change of key whenever the power goes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from store_world import KEY, Place

from consent_edit.errors import InputError, StoreUnavailable
from consent_edit.store import vault_key as vault_key_module
from consent_edit.store import vault_rows
from consent_edit.store.store import Store
from consent_edit.store.vault_key import KeyFile, VaultKey


def refused(path, code="check.vault-key", **more) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(path, **more)
    assert caught.value.code == code
    assert caught.value.remedy
    return caught.value


@pytest.fixture
def path(tmp_path):
    """A store with one entry, closed."""
    store = Store.open(tmp_path / "s.db")
    store.vault.put("ada", "template", b"one")
    store.close()
    return tmp_path / "s.db"


def key_file(path):
    return path.with_name("s.db.vault-key")


def test_saved_key_reads_back(tmp_path):
    """A key is written once, for its owner alone, and reads back as the same key."""
    key = VaultKey.generate()
    key.save(tmp_path / "k")
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    loaded = VaultKey.load(tmp_path / "k")
    assert loaded == key
    assert loaded.tag(b"t" * 16, "ada") == key.tag(b"t" * 16, "ada")
    with pytest.raises(InputError):
        VaultKey.generate().save(tmp_path / "k")
    assert VaultKey.load(tmp_path / "k") == key


def test_keys_for_different_uses_differ():
    """Id, tag key and wrapping key of one vault key have nothing in common."""
    assert len({KEY.id, KEY.wrapping().hex()[:32], KEY.tag(b"", "")[:16].hex(), (b"k" * 16).hex()}) == 4
    assert KEY.tag(b"t", "ada") != VaultKey.generate().tag(b"t", "ada")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_key_of_another_length(size):
    """Only 32 bytes are a key."""
    with pytest.raises(InputError):
        VaultKey.of(bytes(size))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda _: b"[]",
        lambda _: b"\xff",
        lambda data: data + b" " * 2000,
        lambda data: data + b" " * 20_000,
        lambda data: data.replace(b'"oct"', b'"EC"'),
        lambda data: json.dumps({**json.loads(data), "k": 5}).encode(),
        lambda data: json.dumps({**json.loads(data), "k": "AA"}).encode(),
        lambda data: json.dumps({**json.loads(data), "k": "A" * 43}).encode(),
        lambda data: json.dumps({**json.loads(data), "kid": "0" * 32}).encode(),
    ],
)
def test_file_that_is_no_key(tmp_path, change):
    """A file that is no vault key, or not the one it names, is refused without quoting it."""
    KEY.save(tmp_path / "k")
    secret = json.loads((tmp_path / "k").read_bytes())["k"]
    (tmp_path / "k").write_bytes(change((tmp_path / "k").read_bytes()))
    with pytest.raises(InputError) as caught:
        VaultKey.load(tmp_path / "k")
    assert caught.value.code == "input.key"
    assert secret not in caught.value.diagnostics()


def test_key_file_open_to_others(path):
    """A key that others can read is not used."""
    key_file(path).chmod(0o640)
    refused(path)
    key_file(path).chmod(0o600)
    assert Store.open(path).vault.get("ada", "template") == b"one"


def test_key_file_taken_away(path):
    """Without its key file a store is not opened, and no new key is made in its place."""
    content = key_file(path).read_bytes()
    key_file(path).unlink()
    refused(path)
    assert not key_file(path).exists()
    key_file(path).write_bytes(content)
    key_file(path).chmod(0o600)
    assert Store.open(path).vault.get("ada", "template") == b"one"


def test_key_file_of_another_store(path, tmp_path):
    """Another store's key does not open this one, and entries are not written under it."""
    Store.open(tmp_path / "other.db").close()
    key_file(path).write_bytes((tmp_path / "other.db.vault-key").read_bytes())
    assert "another key" in refused(path).message


def test_crash_between_key_file_and_database(tmp_path):
    """A key file left by a crash before the store's first commit is used by the next attempt."""
    path = tmp_path / "s.db"
    left = KeyFile.beside(path).create()
    path.touch()
    Store.open(path).vault.put("ada", "template", b"one")
    assert VaultKey.load(key_file(path)) == left


def test_unusable_key_file_beside_a_new_store(tmp_path):
    """A new store beside something that is no key is refused, and stays empty."""
    path = tmp_path / "s.db"
    key_file(path).write_bytes(b"mine")
    key_file(path).chmod(0o600)
    refused(path)
    assert key_file(path).read_bytes() == b"mine"
    key_file(path).unlink()
    Store.open(path).close()


def test_key_file_follows_a_change_of_key(path):
    """After a change of key the file holds the new one, and nothing lies beside it."""
    store, new = Store.open(path), VaultKey.generate()
    store.vault.rekey(new)
    assert VaultKey.load(key_file(path)) == new
    assert key_file(path).stat().st_mode & 0o777 == 0o600
    assert not list(path.parent.glob("*.next*"))
    store.close()
    assert Store.open(path).vault.get("ada", "template") == b"one"


def test_power_gone_between_commit_and_key_file(path, monkeypatch):
    """When the power goes after the commit, whoever opens the store next puts the new key in place."""
    store, new, old = Store.open(path), VaultKey.generate(), VaultKey.load(key_file(path))

    def gone(_, key_id):
        if key_id == new.id:
            raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "finish", gone)
        with pytest.raises(StoreUnavailable):
            store.vault.rekey(new)
    store.close()
    assert VaultKey.load(key_file(path)) == old
    assert Store.open(path).vault.get("ada", "template") == b"one"
    assert VaultKey.load(key_file(path)) == new
    Store.open(path).close()


def test_power_gone_before_the_commit(path, monkeypatch):
    """A new key that never came into force does not open the store in the old one's place, nor take it."""
    store, old = Store.open(path), VaultKey.load(key_file(path))
    with monkeypatch.context() as patch:
        patch.setattr(vault_key_module, "sync_folder", lambda _: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(StoreUnavailable):
            store.vault.rekey(VaultKey.generate())
    store.close()
    assert len(list(path.parent.glob("s.db.vault-key.next-*"))) == 1
    assert Store.open(path).vault.get("ada", "template") == b"one"
    assert VaultKey.load(key_file(path)) == old
    last = VaultKey.generate()
    Store.open(path).vault.rekey(last)
    assert VaultKey.load(key_file(path)) == last
    assert not list(path.parent.glob("*.next*"))


def test_another_process_finished_the_change(path, monkeypatch):
    """When another process opened the store first and put the key in place, the change of key succeeds."""
    store, new, finish = Store.open(path), VaultKey.generate(), KeyFile.finish

    def twice(file, key_id):
        finish(file, key_id)
        finish(file, key_id)

    monkeypatch.setattr(KeyFile, "finish", twice)
    store.vault.rekey(new)
    assert VaultKey.load(key_file(path)) == new


def test_key_that_cannot_be_written(path, monkeypatch):
    """Where the new key cannot be written beside the old, nothing changes."""
    store, old = Store.open(path), VaultKey.load(key_file(path))

    def full(*_, **__):
        raise InputError("cannot write", code="input.file")

    monkeypatch.setattr(vault_key_module, "write_private", full)
    with pytest.raises(InputError):
        store.vault.rekey(VaultKey.generate())
    assert VaultKey.load(key_file(path)) == old
    assert store.vault.get("ada", "template") == b"one"


def test_given_key_makes_no_file(tmp_path):
    """A store whose key is given has no key file, and without the key it is not opened."""
    store = Store.open(tmp_path / "s.db", vault_key=KEY)
    store.vault.put("ada", "template", b"one")
    store.vault.rekey(VaultKey.generate())
    store.close()
    assert {file.name for file in tmp_path.iterdir()} == {"s.db"}
    refused(tmp_path / "s.db")
    refused(tmp_path / "s.db", vault_key=KEY)


def test_stores_in_memory_have_keys_of_their_own():
    """A store that ends with the process needs no key, and leaves none."""
    stores = [Store.open(":memory:") for _ in range(2)]
    for store in stores:
        store.vault.put("ada", "template", b"one")
    assert len({key for store in stores for key in store.vault._known}) == 2


@pytest.fixture
def kept(place, tmp_path):
    """Where a store lies whose key is in a file of its owner's, and that file; it holds one entry."""
    file = tmp_path / "kept" / "vault.key"
    file.parent.mkdir()
    VaultKey.generate().save(file)
    place = Place(place.where, VaultKey.load(file))
    store = place.open()
    store.vault.put("ada", "template", b"one")
    store.close()
    return place, file


def test_file_of_a_given_key_follows(kept):
    """A key that was loaded from a file changes in that file, and the old one opens nothing any more."""
    (place, file), new = kept, VaultKey.generate()
    place.open().vault.rekey(new)
    assert VaultKey.load(file) == new
    assert [path.name for path in file.parent.iterdir()] == ["vault.key"]
    assert Store.open(place.where, vault_key=VaultKey.load(file)).vault.get("ada", "template") == b"one"
    refused(place.where, vault_key=replace(place.key, file=None))


@pytest.mark.parametrize("when", ["before", "after"])
def test_power_gone_on_either_side_of_the_commit_with_a_given_key(kept, monkeypatch, when):
    """Whenever the power goes, the next start opens everything with what the owner's file leads to."""
    (place, file), new = kept, VaultKey.generate()
    where = (vault_rows, "wrap_anew") if when == "before" else (KeyFile, "finish")
    whole, in_force = getattr(*where), place.key.id

    def gone(*arguments):
        if when == "after" and arguments[1] == in_force:
            return  # the finishing of an earlier change, before this one
        if when == "before":
            whole(*arguments)
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        store = place.open()
        patch.setattr(*where, gone)
        with pytest.raises(StoreUnavailable):
            store.vault.rekey(new)
        store.close()
    assert VaultKey.load(file) == place.key  # the old one, in either case
    again = Store.open(place.where, vault_key=VaultKey.load(file))
    assert again.vault.get("ada", "template") == b"one"
    assert VaultKey.load(file) == (place.key if when == "before" else new)
    last = VaultKey.generate()
    again.vault.rekey(last)
    again.close()
    assert VaultKey.load(file) == last
    assert [path.name for path in file.parent.iterdir()] == ["vault.key"]


def test_two_changes_of_key_at_once(kept, monkeypatch):
    """Whoever finishes late puts in place only the key it made, not one of a change still on its way."""
    (place, file), first, second = kept, VaultKey.generate(), VaultKey.generate()
    finish, wrap = KeyFile.finish, vault_rows.wrap_anew

    def late(this, key_id):
        finish(this, key_id)
        if key_id != first.id:
            return
        monkeypatch.setattr(KeyFile, "finish", finish)
        monkeypatch.setattr(vault_rows, "wrap_anew", broken)
        other = Store.open(place.where, vault_key=VaultKey.load(file))
        with pytest.raises(StoreUnavailable):
            other.vault.rekey(second)
        other.close()
        finish(this, key_id)

    def broken(connection, old, new):
        wrap(connection, old, new)
        raise OSError("the power went")

    monkeypatch.setattr(KeyFile, "finish", late)
    place.open().vault.rekey(first)
    assert Store.open(place.where, vault_key=VaultKey.load(file)).vault.get("ada", "template") == b"one"


def test_a_change_on_top_of_one_not_finished(path):
    """A second change of key by the same program first finishes what a crash left of the one before."""
    store, first, second = Store.open(path), VaultKey.generate(), VaultKey.generate()
    old = key_file(path).read_bytes()
    store.vault.rekey(first)
    key_file(path).rename(path.parent / f"s.db.vault-key.next-{first.id}")
    key_file(path).write_bytes(old)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault_rows, "wrap_anew", lambda *_: (_ for _ in ()).throw(OSError("the power went")))
        with pytest.raises(StoreUnavailable):
            store.vault.rekey(second)
    store.close()
    assert Store.open(path).vault.get("ada", "template") == b"one"
