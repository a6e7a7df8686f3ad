"""Whatever processes do, die of and race for, each admitted edit has at most one end, and one in the end."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from consent_edit.errors import StoreUnavailable
from consent_edit.store.journal import CLOSED
from consent_edit.store.store import Store

NOW = 1_800_000_000
STORES = 3
EDITS = 4

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "release", "break", "give up", "look", "die", "forget the lock"]),
        st.integers(0, STORES - 1),
        st.integers(0, EDITS - 1),
    ),
    max_size=25,
)


class Nodes:
    """A few processes on one store, and what each was told of its edits."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder, "s.db")
        self.stores = [Store.open(self.path) for _ in range(STORES)]
        self.admitted: set[str] = set()
        self.released: set[str] = set()
        self.number = 0

    def take(self, what: str, at: int, edit: int) -> None:
        """One step of one of them; ``CLOSED`` is the one thing that may be wrong with it."""
        store, name = self.stores[at], f"{at}-{edit}"
        record = {"decision_id": name, "stage": "input"}
        try:
            match what:
                case "admit":
                    if name not in self.admitted:
                        store.journal.admit({**record, "broke_off": "lost"}, {"v": 1, "decision": name}, NOW)
                        self.admitted.add(name)
                case "release":
                    store.commit_release(
                        grants=[("g", None)], record=record, leaf={"event": "release"}, now=NOW, closes=True
                    )
                    self.released.add(name)
                case "break":
                    store.commit_refusal(record=record, leaf={"event": "refusal"}, now=NOW, closes=True)
                case "give up":
                    store.journal.give_up(name)
                case "look":
                    store.journal.close_lost(NOW)
                case "die":
                    store.close()
                    self.stores[at] = Store.open(self.path)
                case "forget the lock":
                    store.journal._presence.end()
        except StoreUnavailable as error:
            assert error.code == CLOSED


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_each_edit_ends_once(steps):
    """At every moment an edit has one end at most; once all are gone, each has one, and uses are releases."""
    with tempfile.TemporaryDirectory() as folder:
        nodes = Nodes(folder)
        for step in steps:
            nodes.take(*step)
        for store in nodes.stores:
            store.close()
        last = Store.open(nodes.path)
        last.journal.close_lost(NOW)
        ends = Counter(one.decision_id for one in last.decisions())
        assert set(ends) == nodes.admitted and set(ends.values()) <= {1}
        lost = {one.decision_id for one in last.decisions() if one.record.get("broke_off")}
        assert not lost & nodes.released
        assert last.uses("g") == len(nodes.released) and last.journal.open() == 0
        last.close()
