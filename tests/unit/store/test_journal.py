"""Every admitted edit has one closing record in the end, whatever became of the process that admitted it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from store_world import KEY, NOW, ROOT, Place

from consent_edit.errors import StoreUnavailable
from consent_edit.store import journal as journal_module
from consent_edit.store import migration
from consent_edit.store.journal import CLOSED
from consent_edit.store.schema import SCHEMA_VERSION

LOST = "check.edit-lost"
KILLS = 6


def admit(store, name: str, now: int = NOW) -> None:
    """Admit an edit, with what is written if it is lost."""
    store.journal.admit(
        {"decision_id": name, "stage": "input", "broke_off": LOST},
        {"v": 1, "decision": name, "time": NOW},
        now,
    )


def close(store, name: str, **more):
    """Release an admitted edit."""
    return store.commit_release(
        grants=(("grant", None),),
        record={"decision_id": name, "stage": "output"},
        leaf={"v": 1, "decision": name, "event": "release"},
        now=NOW,
        closes=True,
        **more,
    )


def ends(store) -> list[tuple[str, str]]:
    """What stands in the log: each decision, and how it broke off."""
    return [(one.decision_id, str(one.record.get("broke_off", ""))) for one in store.decisions()]


def admitted_by_the_dead(place: Place, *names: str) -> None:
    """Let another process admit edits and be killed."""
    code = DYING.format(key="k", names=names)
    done = subprocess.run(
        [sys.executable, "-c", code, str(place.where)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


DYING = textwrap.dedent(
    """
    import os, signal, sys
    from consent_edit.store.store import Store
    from consent_edit.store.vault_key import VaultKey
    store = Store.open(sys.argv[1], vault_key=VaultKey.of(b"{key}" * 32))
    for name in {names!r}:
        store.journal.admit(
            {{"decision_id": name, "stage": "input", "broke_off": "check.edit-lost"}},
            {{"v": 1, "decision": name, "time": 1_800_000_000}},
            1_800_000_000,
        )
    os.kill(os.getpid(), signal.SIGKILL)
    """
)


@pytest.fixture
def place(place) -> Place:
    """The same place, always under the key given."""
    return Place(place.where, KEY)


def test_release_closes_its_admission(store):
    """A release takes its admission out, bears its name, and nothing is left to be lost."""
    admit(store, "a")
    assert store.journal.open() == 1
    close(store, "a")
    assert (store.journal.open(), store.journal.close_lost(NOW)) == (0, 0)
    assert ends(store) == [("a", "")]


@pytest.mark.parametrize("first", ["release", "lost"])
def test_second_closing_writes_nothing(store, first):
    """What is closed, by a release or as lost, is not closed again: no record, leaf, use or nonce."""
    admit(store, "a")
    if first == "lost":
        store.journal.give_up("a")
        store.journal.close_lost(NOW)
    else:
        close(store, "a")
    before = (ends(store), store.log_state(), store.uses("grant"))
    with pytest.raises(StoreUnavailable) as refused:
        close(store, "a", nonces=[("nonce", NOW + 60)])
    assert refused.value.code == CLOSED
    assert (ends(store), store.log_state(), store.uses("grant")) == before
    assert not store.nonce_spent("nonce")


def test_closing_what_was_never_admitted(store):
    """Nothing is released under a name that no admission gave."""
    with pytest.raises(StoreUnavailable) as refused:
        close(store, "a")
    assert refused.value.code == CLOSED and store.log_state().size == 0


def test_admission_that_cannot_be_written(store):
    """A name admitted twice, or a record that is none, is no admission."""
    admit(store, "a")
    with pytest.raises(StoreUnavailable):
        admit(store, "a")
    with pytest.raises(StoreUnavailable):
        store.journal.admit({"stage": "input"}, {}, NOW)
    assert store.journal.open() == 1


def test_what_could_not_be_written_is_with_the_next_admission(store):
    """An edit given up while the store was unavailable is closed with the next admission, once."""
    admit(store, "a")
    store.journal.give_up("a")
    store.journal.give_up("never admitted")
    admit(store, "b", NOW + 7)
    assert ends(store) == [("a", LOST)]
    assert b'"time":1800000007' in store.leaf(0)
    admit(store, "c", NOW + 7)
    assert ends(store) == [("a", LOST)] and store.journal.open() == 2


def test_edits_of_a_process_that_was_killed(place):
    """The next start closes what a killed process left open, each once; starting again finds nothing."""
    place.open().close()
    admitted_by_the_dead(place, "a", "b")
    store = place.open()
    assert store.journal.open() == 2 and ends(store) == []
    assert store.journal.close_lost(NOW + 5) == 2
    assert sorted(ends(store)) == [("a", LOST), ("b", LOST)]
    assert b'"time":1800000005' in store.leaf(0)
    again = place.open()
    assert (again.journal.close_lost(NOW + 6), again.journal.open(), len(ends(again))) == (0, 0, 2)
    again.close()
    store.close()


def test_edits_of_a_process_that_lives(place):
    """No other store takes a living process's edits for lost, however often it looks; they end as they do."""
    living, other = place.open(), place.open()
    admit(living, "a")
    assert other.journal.close_lost(NOW) == 0
    admit(other, "b")
    assert living.journal.close_lost(NOW) == 0
    close(living, "a")
    living.close()
    close(other, "b")
    other.close()
    last = place.open()
    assert sorted(ends(last)) == [("a", ""), ("b", "")]
    last.close()


def test_edits_open_in_a_store_that_is_closed(place):
    """A store that is closed answers for its edits no more."""
    first = place.open()
    admit(first, "a")
    first.close()
    second = place.open()
    assert second.journal.close_lost(NOW) == 1 and ends(second) == [("a", LOST)]
    second.close()


def test_admissions_look_for_the_lost_now_and_then(place, monkeypatch):
    """Who admits edits closes those of the dead as well, without being started again."""
    store = place.open()
    admit(store, "a")
    admitted_by_the_dead(place, "dead")
    admit(store, "b")
    assert ends(store) == []
    monkeypatch.setattr(journal_module, "LOOKED_S", -1.0)
    admit(store, "c")
    assert ends(store) == [("dead", LOST)]
    store.close()


def test_eight_starts_at_once(place):
    """Of eight that start together after a crash one closes each lost edit."""
    place.open().close()
    names = [f"e{number}" for number in range(6)]
    admitted_by_the_dead(place, *names)
    stores = [place.open(busy_timeout_ms=60_000) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda store: store.journal.close_lost(NOW), stores))
    assert sum(counts) == len(names)
    assert sorted(ends(stores[0])) == [(name, LOST) for name in names]
    for store in stores:
        store.close()


def test_closing_races_with_being_taken_for_lost(place):
    """However a release races with somebody who takes its process for gone, one of them writes."""
    for number in range(6):
        releasing, closing = place.open(busy_timeout_ms=60_000), place.open(busy_timeout_ms=60_000)
        name = f"r{number}"
        admit(releasing, name)
        releasing.journal._presence.end()  # the lock is gone, the process is not

        def release(store=releasing, name=name) -> str:
            try:
                close(store, name)
            except StoreUnavailable as error:
                return error.code
            return ""

        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(release), pool.submit(closing.journal.close_lost, NOW)]
            said, lost = runs[0].result(), runs[1].result()
        assert (said, lost) in {("", 0), (CLOSED, 1)}
        assert ends(closing).count((name, LOST if lost else "")) == 1
        assert len(ends(closing)) == number + 1
        for store in (releasing, closing):
            store.close()


def test_lock_lost_is_taken_again(place):
    """With the next admission a process answers again for all of its edits."""
    store, other = place.open(), place.open()
    admit(store, "a")
    store.journal._presence.end()
    admit(store, "b")
    assert other.journal.close_lost(NOW) == 0
    for one in (store, other):
        one.close()


def test_file_of_the_lock_removed_by_hand(tmp_path):
    """A lock whose file somebody removed is laid anew with the next admission."""
    place = Place(tmp_path / "s.db", None)
    store, other = place.open(), place.open()
    admit(store, "a")
    (mark,) = tmp_path.glob("s.db.alive-*")
    assert mark.stat().st_mode & 0o777 == 0o600
    mark.unlink()
    admit(store, "b")
    assert other.journal.close_lost(NOW) == 0
    store.close()
    assert list(tmp_path.glob("s.db.alive-*")) == []


def test_marks_of_the_dead_are_removed(tmp_path):
    """A start leaves the files of those that live, and of nobody else."""
    place = Place(tmp_path / "s.db", None)
    living = place.open()
    admit(living, "a")
    stale = tmp_path / "s.db.alive-00000000000000ff"
    stale.touch()
    other = place.open()
    other.journal.close_lost(NOW)
    assert not stale.exists() and len(list(tmp_path.glob("s.db.alive-*"))) == 1


def test_session_cut_by_the_server(postgres_url):
    """A cut session is made again with the next admission, and its lock with it."""
    place = Place(postgres_url, KEY)
    store, other = place.open(), place.open()
    admit(store, "a")
    with other._database.writing() as connection:
        cut = connection.scalar(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_locks "
                "WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND granted"
            )
        )
    assert cut == 1
    admit(store, "b")
    assert other.journal.close_lost(NOW) == 0
    for one in (store, other):
        one.close()


def test_clock_behind_admits_nothing(store):
    """With the clock before the newest entry nothing is admitted."""
    admit(store, "a")
    close(store, "a")
    with pytest.raises(StoreUnavailable) as refused:
        admit(store, "b", NOW - 3600)
    assert refused.value.code == "check.clock-behind" and store.journal.open() == 0


def test_forked_process_admits_nothing(tmp_path):
    """Connections and locks do not survive a fork."""
    store = Place(tmp_path / "s.db", None).open()
    admit(store, "a")
    child = os.fork()
    if child == 0:
        try:
            admit(store, "b")
        except StoreUnavailable as error:
            os._exit(7 if error.code == "check.store-process" else 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7 and store.journal.open() == 1


KILLED = textwrap.dedent(
    """
    import sys
    from consent_edit.errors import StoreUnavailable
    from consent_edit.store.store import Store
    store, run = Store.open(sys.argv[1]), sys.argv[2]
    store.journal.close_lost(1_800_000_000)
    number = 0
    while True:
        name = f"{run}-{number}"
        store.journal.admit(
            {"decision_id": name, "stage": "input", "broke_off": "check.edit-lost"},
            {"v": 1, "decision": name, "time": 1_800_000_000},
            1_800_000_000,
        )
        sys.stdout.write(f"admitted {name}\\n")
        sys.stdout.flush()
        store.commit_release(
            grants=(("grant", None),), record={"decision_id": name, "stage": "output"},
            leaf={"v": 1, "decision": name, "event": "release"}, now=1_800_000_000, closes=True,
        )
        sys.stdout.write(f"released {name}\\n")
        sys.stdout.flush()
        number += 1
    """
)


def test_kill_nine_between_admission_and_release(tmp_path):
    """However often it is killed, each admitted edit ends once; what was acknowledged as released was."""
    path, chance = tmp_path / "s.db", random.Random(6)
    admitted: set[str] = set()
    released: set[str] = set()
    for run in range(KILLS):
        command = [sys.executable, "-c", KILLED, str(path), f"run{run}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
            lines = [writer.stdout.readline()]
            time.sleep(chance.uniform(0, 0.06))
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.read().split("\n")[:-1]
        told = [line.split() for line in lines]
        admitted |= {name for what, name in told if what == "admitted"}
        released |= {name for what, name in told if what == "released"}
    store = Place(path, None).open()
    lost = store.journal.close_lost(NOW)
    assert store.journal.open() == 0 and store.journal.close_lost(NOW) == 0
    ended = dict(ends(store))
    assert len(ends(store)) == len(ended) and admitted <= set(ended)
    assert all(ended[name] == "" for name in released)
    assert store.uses("grant") == sum(not broke for broke in ended.values())
    assert lost <= 1 and released and len(admitted) >= KILLS


@pytest.mark.parametrize("older", range(2, SCHEMA_VERSION))
def test_older_store_is_given_the_table(tmp_path, older):
    """A store that was laid out before the journal is brought up, keeps what it holds, and admits."""
    path = tmp_path / "s.db"
    store = Place(path, None).open()
    store.commit_refusal(record={"decision_id": "r", "stage": "input"}, leaf={"v": 1}, now=NOW)
    with store._database.writing() as connection:
        for table in migration._LACKING[older]:
            connection.execute(text(f"DROP TABLE {table.name}"))
        connection.execute(text(f"PRAGMA user_version={older}"))
    store.close()
    again = Place(path, None).open()
    admit(again, "a")
    assert (again.log_state().size, again.journal.open()) == (1, 1)
