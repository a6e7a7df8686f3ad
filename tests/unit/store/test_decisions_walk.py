"""All decisions are read back in the order of the log, a few at a time, on either database."""

from __future__ import annotations

from itertools import islice

import pytest
from sqlalchemy import update
from store_world import NOW, release

from consent_edit.errors import StoreUnavailable
from consent_edit.store import decisions
from consent_edit.store.schema import DECISIONS
from consent_edit.store.store import Store

NAMES = [f"d{number * 37 % 11:02}" for number in range(11)]


@pytest.fixture
def small_pages(monkeypatch):
    """Pages of three."""
    monkeypatch.setattr(decisions, "PAGE", 3)


def test_decisions_in_the_order_of_the_log(store, small_pages):
    """Every decision comes once, whatever its name, with its time, stage and record."""
    for number, name in enumerate(NAMES):
        release(store, name, now=NOW + number)
    walked = list(store.decisions())
    assert [kept.decision_id for kept in walked] == NAMES
    assert [(kept.index, kept.time) for kept in walked] == [(n, NOW + n) for n in range(len(NAMES))]
    assert {kept.stage for kept in walked} == {"output"}
    assert walked[4].record == store.decision(NAMES[4])


def test_decisions_since_a_moment(store, small_pages):
    """Older ones are left out, wherever pages end."""
    for number, name in enumerate(NAMES):
        release(store, name, now=NOW + number)
    assert [kept.decision_id for kept in store.decisions(since=NOW + 5)] == NAMES[5:]
    assert list(store.decisions(since=NOW + 99)) == []


def test_empty_store_has_no_decisions(store):
    """Where nothing was decided nothing comes."""
    assert list(store.decisions()) == []


def test_decisions_made_during_the_walk_are_left_out(store, small_pages):
    """A walk ends, however fast decisions are added behind it."""
    for name in NAMES:
        release(store, name)
    walk, seen = store.decisions(), []
    for number, kept in enumerate(islice(walk, 99)):
        seen.append(kept.decision_id)
        release(store, f"later-{number}", grants=())
    assert seen == NAMES


def test_walk_holds_no_transaction(store, small_pages):
    """Between pages the database is free: others write, and what is erased can leave the disk."""
    for name in NAMES:
        release(store, name)
    walk = store.decisions()
    next(walk)
    release(store, "another")
    store.vault.put("ada", "template", b"one")
    store.erase_subject("ada")
    assert len(list(walk)) == len(NAMES) - 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a":1,"a":2}', b"\xff"])
def test_damaged_record_is_found_when_it_is_read(store, small_pages, damage):
    """One record that was damaged keeps no other from being read."""
    for name in NAMES:
        release(store, name)
    with store._database.writing() as connection:
        connection.execute(update(DECISIONS).where(DECISIONS.c.decision_id == NAMES[3]).values(record=damage))
    walked = list(store.decisions())
    assert [kept.decision_id for kept in walked] == NAMES
    with pytest.raises(StoreUnavailable) as caught:
        _ = walked[3].record
    assert caught.value.code == "check.store-damaged"
    assert walked[4].record["decision_id"] == NAMES[4]


def test_store_without_the_index_is_given_it(place):
    """A store that an earlier release laid out is read in the same order, by way of the index."""
    store = place.open()
    for name in NAMES:
        release(store, name)
    with store._database.writing() as connection:
        connection.exec_driver_sql("DROP INDEX decisions_leaf")
    store.close()
    again = Store.open(place.where, vault_key=place.key)
    with again._database.writing() as connection:
        connection.exec_driver_sql("DROP INDEX decisions_leaf")  # raises where there is none
    assert [kept.decision_id for kept in again.decisions()] == NAMES
    again.close()
