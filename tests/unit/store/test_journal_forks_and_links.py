"""An admitted edit is not taken for lost while its process lives: forked, linked, or elsewhere."""

from __future__ import annotations

import os

from store_world import KEY, NOW, Place, release


def admit(store, name):
    store.journal.admit(
        {"decision_id": name, "stage": "input", "broke_off": "check.edit-lost"},
        {"v": 1, "decision": name, "time": NOW},
        NOW,
    )


def in_a_fork(what) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            what()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_fork_that_closes_the_store(place, monkeypatch):
    """A worker that ends in good order leaves its parent's lock and connections alone."""
    store, other = place.open(), place.open()
    admit(store, "a")
    with monkeypatch.context() as patch:
        patch.setattr(type(store._database.engine), "dispose", lambda engine: os._exit(9))
        assert in_a_fork(store.close) == 0
    assert other.journal.close_lost(NOW) == 0
    release(store, "a", closes=True)
    for one in (store, other):
        one.close()


def test_fork_does_not_ask_over_the_parents_session(place, monkeypatch):
    """An admission in a fork ends before the lock is looked at."""
    store = place.open()
    admit(store, "a")
    looked = []
    monkeypatch.setattr(store.journal._presence, "hold", lambda: looked.append(True) or os._exit(9))
    assert in_a_fork(lambda: admit(store, "b")) == 1
    store.close()


def test_store_opened_by_a_link(tmp_path):
    """Two names of one log are one log: who opens it by another name does not miss the lock."""
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "s.db", tmp_path / "link.db"
    store = Place(real, KEY).open()
    link.symlink_to(real)
    other = Place(link, KEY).open()
    admit(store, "a")
    admit(other, "b")
    assert (other.journal.close_lost(NOW), store.journal.close_lost(NOW)) == (0, 0)
    for one in (store, other):
        one.close()


def test_process_that_goes_to_another_folder(tmp_path, monkeypatch):
    """A store opened by a relative name keeps its lock where the store is."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    store, other = Place("s.db", None).open(), Place(tmp_path / "here" / "s.db", None).open()
    admit(store, "a")
    monkeypatch.chdir(tmp_path / "there")
    admit(store, "b")
    assert other.journal.close_lost(NOW) == 0
    for one in (store, other):
        one.close()
