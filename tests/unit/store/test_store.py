"""Use counts, decision records and the log are written together, or not at all."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest
from store_world import NOW, ROOT, release

from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable
from consent_edit.store import merkle
from consent_edit.store.ledger import CLOCK_SLACK_S
from consent_edit.store.merkle import EMPTY_ROOT, leaf_hash
from consent_edit.store.schema import SCHEMA_VERSION
from consent_edit.store.store import Store
from consent_edit.store.vault import SubjectEntry
from consent_edit.vocabulary import ConsentStatus


def test_release_is_kept_whole(store):
    """A release leaves a use, a record that reads back and a leaf under the root."""
    assert store.log_state().root == EMPTY_ROOT.hex()
    entry = release(store, "d-1", grants=(("grant-1", 20), ("grant-2", None)))
    assert (entry.index, entry.size) == (0, 1)
    assert entry.root == leaf_hash(b'{"decision":"d-1","v":1}').hex() == store.log_state().root
    assert store.uses("grant-1") == store.uses("grant-2") == 1
    assert store.uses("grant-3") == 0
    assert store.decision("d-1")["codes"] == ["consent.revoked"]
    assert store.leaf(0) == entry.leaf


def test_refusal_uses_nothing(store):
    """A refused edit is logged and burns no use."""
    store.commit_refusal(record={"decision_id": "r", "stage": "input"}, leaf={"v": 1}, now=NOW)
    assert store.log_state().size == 1
    assert store.uses("grant-1") == 0


def test_exhausted_grant_writes_nothing(store):
    """When one of two grants has no use left, neither is counted and nothing is logged."""
    release(store, "d-1", grants=(("grant-2", 1),))
    before = store.log_state()
    with pytest.raises(ConsentInvalid) as caught:
        release(store, "d-2", grants=(("grant-1", 5), ("grant-2", 1)))
    assert caught.value.status is ConsentStatus.EXHAUSTED
    assert store.log_state() == before
    assert (store.uses("grant-1"), store.uses("grant-2")) == (0, 1)
    with pytest.raises(StoreUnavailable):
        store.decision("d-2")


@pytest.mark.parametrize("cap", [0, -1])
def test_cap_below_one_allows_no_use(store, cap):
    """A grant for no uses is exhausted at once."""
    with pytest.raises(ConsentInvalid):
        release(store, "d", grants=(("grant-1", cap),))
    assert store.uses("grant-1") == 0


def test_same_grant_twice_is_one_use_under_the_smaller_cap(store):
    """A grant that covers two faces of one picture is used once, and no larger cap loosens it."""
    release(store, "d-1", grants=(("grant-1", None), ("grant-1", 1), ("grant-1", 9)))
    assert store.uses("grant-1") == 1
    with pytest.raises(ConsentInvalid):
        release(store, "d-2", grants=(("grant-1", 9), ("grant-1", 1), ("grant-1", None)))


def test_two_processes_racing_share_the_cap(tmp_path):
    """Two stores on one file, as two processes hold them, count one common cap."""
    first, second = Store.open(tmp_path / "s.db"), Store.open(tmp_path / "s.db")
    results = []

    def race(store: Store, name: str) -> None:
        for attempt in range(12):
            try:
                results.append(release(store, f"{name}-{attempt}", grants=(("g", 15),)).index)
            except ConsentInvalid:
                results.append(-1)

    threads = [
        threading.Thread(target=race, args=(store, name)) for store, name in ((first, "a"), (second, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(index for index in results if index >= 0) == list(range(15))
    assert results.count(-1) == 9


def test_two_processes_logging_refusals_wait_for_each_other(tmp_path):
    """Two stores on one file that log at the same time both succeed: each takes the write lock at once."""
    stores, failures = [Store.open(tmp_path / "s.db") for _ in range(2)], []

    def write(store: Store, name: str) -> None:
        for number in range(30):
            record = {"decision_id": f"{name}-{number}", "stage": "input"}
            try:
                store.commit_refusal(record=record, leaf={"v": 1}, now=NOW)
            except StoreUnavailable as error:
                failures.append(error.message)

    threads = [threading.Thread(target=write, args=(store, f"s{n}")) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stores[0].log_state() == stores[1].log_state()
    assert stores[0].log_state().size == 60


def test_doubled_decision_id_undoes_everything(store):
    """A record that cannot be kept undoes the use and the leaf beside it."""
    release(store, "d-1")
    before = store.log_state()
    with pytest.raises(StoreUnavailable):
        release(store, "d-1")
    assert store.log_state() == before
    assert store.uses("grant-1") == 1


@pytest.mark.parametrize("step", ["inclusion_path", "root"])
def test_failure_after_counting_burns_nothing(store, monkeypatch, step):
    """When the leaf cannot be appended, the use, nonce, entry and record written before it are undone."""
    before = store.log_state()

    def broken(*_):
        raise OSError("the disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(merkle, step, broken)
        with pytest.raises(StoreUnavailable):
            release(store, "d-1", nonces=[("n", NOW)], subjects=[SubjectEntry("ada", {"salt": "s"})])
    assert store.log_state() == before
    assert (store.uses("grant-1"), store.nonce_spent("n"), store.subject_entries("ada")) == (0, False, ())
    assert release(store, "d-1", nonces=[("n", NOW)]).index == 0


@pytest.mark.parametrize(
    "record", [{"stage": "output"}, {"decision_id": "d"}, {"decision_id": "", "stage": "x"}]
)
def test_nameless_record_is_not_kept(store, record):
    """A record without id or stage could not be found again, so nothing is released on it."""
    with pytest.raises(StoreUnavailable) as caught:
        store.commit_release(grants=(("grant-1", 2),), record=record, leaf={"v": 1}, now=NOW)
    assert caught.value.code == "check.record"
    assert store.uses("grant-1") == 0


@pytest.mark.parametrize("value", [float("nan"), 2**60, object(), {1: 2}, "\ud800", "x" * 2**21])
def test_record_without_canonical_json_is_not_kept(store, value):
    """What cannot be hashed the same by everybody is not logged."""
    with pytest.raises(StoreUnavailable):
        store.commit_refusal(record={"decision_id": "d", "stage": "input"}, leaf={"value": value}, now=NOW)
    assert store.log_state().size == 0


def test_clock_behind_the_log_is_refused(store):
    """A clock set back, even in small steps, is refused against the newest entry ever made."""
    release(store, "d-1")
    release(store, "d-2", now=NOW - CLOCK_SLACK_S)
    for late in (NOW - CLOCK_SLACK_S - 1, NOW - 2 * CLOCK_SLACK_S):
        with pytest.raises(StoreUnavailable) as caught:
            release(store, f"d{late}", now=late)
        assert caught.value.code == "check.clock-behind"
        with pytest.raises(StoreUnavailable):
            store.check_clock(late)
    store.check_clock(NOW)
    assert store.log_state().size == 2


def test_locked_store_refuses(tmp_path):
    """While another program holds the store, releases are refused and none is half written."""
    path = tmp_path / "s.db"
    store = Store.open(path, busy_timeout_ms=50)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as caught:
        release(store, "d-1")
    assert "locked" in caught.value.message
    holder.execute("ROLLBACK")
    assert release(store, "d-1").index == 0


def test_full_disk_refuses(tmp_path):
    """A store that runs out of room refuses, keeps what it acknowledged and works again with room."""
    path = tmp_path / "s.db"
    store = Store.open(path)
    release(store, "d-0")
    with store._database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1").scalar()
    with pytest.raises(StoreUnavailable):
        for number in range(1, 400):
            before = store.log_state()
            store.commit_release(
                grants=(("grant-1", None),),
                record={"decision_id": f"d-{number}", "stage": "output", "pad": "x" * 4000},
                leaf={"v": number},
                now=NOW,
            )
    assert store.log_state() == before
    assert store.uses("grant-1") == before.size
    store.close()
    assert release(Store.open(path), "after").index == before.size


@pytest.mark.parametrize("content", [b"not a database" * 200, b"SQLite format 3\0" + b"\xff" * 4096])
def test_file_that_is_no_store(tmp_path, content):
    """A damaged file is refused, and left as it was."""
    path = tmp_path / "s.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable):
        Store.open(path)
    assert path.read_bytes() == content


def test_somebody_elses_database(tmp_path):
    """A SQLite file of another program, or of another version, is not written to."""
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE things (a)")
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(path)
    assert caught.value.code == "check.store-version"
    Store.open(tmp_path / "t.db").close()
    with sqlite3.connect(tmp_path / "t.db") as newer:
        newer.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnavailable):
        Store.open(tmp_path / "t.db")


@pytest.mark.parametrize("path", ["absent/s.db", "."])
def test_path_that_cannot_be_a_store(tmp_path, path):
    """A folder, or a file in a folder that is not there, is refused as unavailable."""
    with pytest.raises(StoreUnavailable):
        Store.open(tmp_path / path)


def test_read_only_store_refuses():
    """A process that may read the store but not write it cannot open it, so cannot release."""
    script = """
        import os, sys
        from consent_edit.errors import StoreUnavailable
        from consent_edit.store.store import Store
        Store.open(":memory:").close()
        if os.getuid() == 0:
            os.setgid(65534); os.setuid(65534)
        open(sys.argv[1], "rb").read(16)
        try:
            Store.open(sys.argv[1])
        except StoreUnavailable as error:
            sys.stdout.write(error.code)
    """
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "s.db"
        Store.open(path).close()
        path.chmod(0o444)
        folder.chmod(0o555)
        command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
        folder.chmod(0o755)
    assert done.stdout == "check.store-unavailable", done.stderr


def test_store_is_private_and_durable(tmp_path):
    """The file is its owner's alone, in write-ahead mode, with every commit synced."""
    path = tmp_path / "s.db"
    store = Store.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with store._database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@pytest.mark.parametrize(
    "statement", ["UPDATE log_leaves SET time=0", "DELETE FROM log_leaves", "DELETE FROM merkle_nodes"]
)
def test_log_only_grows(tmp_path, statement):
    """Even by hand, no leaf and no node is changed or taken out."""
    release(Store.open(tmp_path / "s.db"), "d-1")
    with (
        sqlite3.connect(tmp_path / "s.db") as by_hand,
        pytest.raises(sqlite3.IntegrityError, match="only grows"),
    ):
        by_hand.execute(statement)


def test_grant_ids_are_not_stored(tmp_path):
    """The table of uses names a grant by a hash, so the file holds no grant id."""
    store = Store.open(tmp_path / "s.db")
    release(store, "d-1", grants=(("urn:grant:very-private", 3),))
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"very-private" not in content


def test_store_does_not_cross_a_fork(tmp_path):
    """A forked child may not use its parent's connections."""
    store = Store.open(tmp_path / "s.db")
    store._database._pid += 1
    with pytest.raises(StoreUnavailable) as caught:
        store.log_state()
    assert caught.value.code == "check.store-process"


def test_leaf_and_decision_that_are_not_there(store):
    """Asking for what was never logged is an error with its own code."""
    release(store, "d-1")
    for ask, code in (
        (lambda: store.leaf(1), "check.no-leaf"),
        (lambda: store.decision("d-2"), "check.no-decision"),
        (lambda: store.inclusion_proof(1, 1), "check.store-unavailable"),
        (lambda: store.consistency_proof(2, 1), "check.store-unavailable"),
        (lambda: store.inclusion_proof(0, 2), "check.store-damaged"),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            ask()
        assert caught.value.code == code
    assert store.inclusion_proof(0, 1) == ()
    assert store.consistency_proof(1, 1) == ()


@pytest.mark.parametrize("text", [b"{", b"[]"])
def test_damaged_record_is_not_read(tmp_path, text):
    """A record changed by hand into something else raises instead of being believed."""
    store = Store.open(tmp_path / "s.db")
    release(store, "d-1")
    with sqlite3.connect(tmp_path / "s.db") as by_hand:
        by_hand.execute("UPDATE decisions SET record=?", (text,))
    with pytest.raises(StoreUnavailable) as caught:
        store.decision("d-1")
    assert caught.value.code == "check.store-damaged"


def test_file_system_without_write_ahead_log(tmp_path, monkeypatch):
    """Where SQLite cannot keep a write-ahead log, the store is refused instead of being less durable."""
    connect = sqlite3.dbapi2.connect

    def without_shared_memory(path, **more):
        return connect(f"file:{path}?vfs=unix-dotfile", **{**more, "uri": True})

    monkeypatch.setattr(sqlite3.dbapi2, "connect", without_shared_memory)
    with pytest.raises(StoreUnavailable, match="write-ahead"):
        Store.open(tmp_path / "s.db")


def test_refusal_leaves_entries_of_a_person(store):
    """A refusal, too, can leave in the vault what opens its leaf for the person depicted."""
    entry = SubjectEntry("ada", {"salts": {"grant.0": "ab"}})
    store.commit_refusal(
        record={"decision_id": "r", "stage": "input"}, leaf={"v": 1}, now=NOW, subjects=[entry]
    )
    assert store.subject_entries("ada") == ({"decision_id": "r", "data": {"salts": {"grant.0": "ab"}}},)


def test_nameless_subject_undoes_the_release(store):
    """A person without a name could not be found again for erasure, so nothing is released."""
    with pytest.raises(InputError):
        release(store, "d-1", subjects=[SubjectEntry("", {})])
    assert (store.uses("grant-1"), store.log_state().size) == (0, 0)
