"""A store of version 1 is brought up in one transaction, or stays as it was."""

from __future__ import annotations

import sqlite3

import pytest
from store_world import NOW, release

from consent_edit.errors import StoreUnavailable
from consent_edit.store import merkle, vault_rows
from consent_edit.store.ledger import grant_hash
from consent_edit.store.schema import APPLICATION_ID, SCHEMA_VERSION
from consent_edit.store.store import Store

VERSION_1 = """
CREATE TABLE log_leaves (
    leaf_index INTEGER NOT NULL, time INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (leaf_index)
);
CREATE INDEX log_leaves_time ON log_leaves (time);
CREATE TRIGGER log_leaves_no_update BEFORE UPDATE ON log_leaves
    BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
CREATE TRIGGER log_leaves_no_delete BEFORE DELETE ON log_leaves
    BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
CREATE TABLE merkle_nodes (
    level INTEGER NOT NULL, node_index INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, node_index)
);
CREATE TRIGGER merkle_nodes_no_update BEFORE UPDATE ON merkle_nodes
    BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
CREATE TRIGGER merkle_nodes_no_delete BEFORE DELETE ON merkle_nodes
    BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
CREATE TABLE decisions (
    decision_id VARCHAR NOT NULL, time INTEGER NOT NULL, stage VARCHAR NOT NULL, leaf_index INTEGER NOT NULL,
    record BLOB NOT NULL, PRIMARY KEY (decision_id)
);
CREATE TABLE uses (grant_hash BLOB NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (grant_hash));
"""
"""What version 1 laid out, statement by statement."""

LEAVES = [b'{"v":1}', b'{"v":2}', b'{"v":3}']


@pytest.fixture
def path(tmp_path):
    """A store as version 1 left it: three leaves, three decisions, two uses of a grant."""
    path = tmp_path / "log.sqlite"
    path.touch(mode=0o600)
    with sqlite3.connect(path) as old:
        old.execute("PRAGMA journal_mode=WAL")
        old.executescript(VERSION_1)
        nodes = {}
        for index, leaf in enumerate(LEAVES):
            for node in merkle.appended(index, merkle.leaf_hash(leaf), lambda level, at: nodes[level, at]):
                nodes[node.level, node.index] = node.hash
            old.execute("INSERT INTO log_leaves VALUES (?, ?, ?)", (index, NOW, leaf))
            record = f'{{"decision_id":"d-{index}","stage":"output"}}'.encode()
            old.execute(
                "INSERT INTO decisions VALUES (?, ?, 'output', ?, ?)", (f"d-{index}", NOW, index, record)
            )
        old.executemany("INSERT INTO merkle_nodes VALUES (?, ?, ?)", [(*at, h) for at, h in nodes.items()])
        old.execute("INSERT INTO uses VALUES (?, 2)", (grant_hash("grant-1"),))
        old.execute("PRAGMA user_version=1")
        old.execute(f"PRAGMA application_id={APPLICATION_ID}")
    old.close()
    return path


def version(path):
    with sqlite3.connect(path) as by_hand:
        tables = by_hand.execute("SELECT count(*) FROM sqlite_master WHERE type='table'").fetchone()[0]
        return by_hand.execute("PRAGMA user_version").fetchone()[0], tables


def test_store_of_version_1_goes_on(path):
    """What version 1 wrote is all there, the log goes on from it, and the vault works."""
    assert version(path) == (1, 4)
    root = merkle.node_hash(
        merkle.node_hash(merkle.leaf_hash(LEAVES[0]), merkle.leaf_hash(LEAVES[1])),
        merkle.leaf_hash(LEAVES[2]),
    )
    store = Store.open(path)
    assert version(path) == (SCHEMA_VERSION, 12)
    assert (store.log_state().size, store.log_state().root) == (3, root.hex())
    assert store.uses("grant-1") == 2
    assert store.decision("d-1") == {"decision_id": "d-1", "stage": "output"}
    assert release(store, "d-3", grants=(("grant-1", 3),), nonces=[("n", NOW)]).index == 3
    assert store.uses("grant-1") == 3
    store.vault.put("ada", "template", b"one")
    store.close()
    again = Store.open(path)
    assert again.vault.get("ada", "template") == b"one"
    assert again.log_state().size == 4


def test_migration_cut_short(path, monkeypatch):
    """A migration that breaks half way leaves a whole store of version 1, and can be done again."""
    with monkeypatch.context() as patch:
        patch.setattr(vault_rows, "lay", lambda *_: (_ for _ in ()).throw(OSError("the power went")))
        with pytest.raises(StoreUnavailable):
            Store.open(path)
    assert version(path) == (1, 4)
    assert Store.open(path).log_state().size == 3


def test_log_of_version_1_still_only_grows(path):
    """The triggers of the old log are in force after the migration."""
    Store.open(path).close()
    with sqlite3.connect(path) as by_hand, pytest.raises(sqlite3.IntegrityError, match="only grows"):
        by_hand.execute("DELETE FROM log_leaves")


@pytest.mark.parametrize(
    "statement",
    [f"PRAGMA user_version={SCHEMA_VERSION + 1}", "PRAGMA user_version=0", "PRAGMA application_id=1"],
)
def test_store_of_no_known_version(path, statement):
    """A newer store, or one whose marks are gone, is refused with what to do, and left as it was."""
    with sqlite3.connect(path) as by_hand:
        by_hand.execute(statement)
    before = version(path)
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(path)
    assert caught.value.code == "check.store-version"
    assert "newer release" in caught.value.remedy
    assert version(path) == before
