"""The store on SQLite: one transaction holds the use count, the decision record and the log leaf (G4, G10).

What cannot be written raises and is never half there: every write runs under ``BEGIN IMMEDIATE`` with
``synchronous=FULL`` in WAL mode, so an entry that was acknowledged survives the process and the power.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from consent_edit.encoding import JsonValue
from consent_edit.errors import StoreUnavailable
from consent_edit.store import ledger, merkle
from consent_edit.store.engine import WRITING, create_or_check, open_engine, translated
from consent_edit.store.ledger import LogEntry
from consent_edit.store.schema import DECISIONS, LOG_LEAVES, USES


@dataclass(frozen=True, slots=True)
class LogState:
    """Size and root (hex) of the whole log."""

    size: int
    root: str


class Store:
    """Use counts, decision records and the log, in one SQLite file. Safe to share between threads."""

    def __init__(self, engine: Engine, *, in_memory: bool) -> None:
        self._engine = engine
        self._in_memory = in_memory
        self._pid = os.getpid()
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: str | Path, *, busy_timeout_ms: int = 5000) -> Store:
        """Open a store, creating it (readable by its owner alone) when absent.

        Args:
            path: A file, or ``":memory:"`` for a store that ends with the process.
            busy_timeout_ms: How long to wait for another process's transaction.

        Raises:
            StoreUnavailable: it cannot be opened for writing, or is not a store of this version.
        """
        in_memory = str(path) == ":memory:"
        with translated():
            if not in_memory:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            store = cls(open_engine(str(path), busy_timeout_ms, in_memory), in_memory=in_memory)
        try:
            with store._writing() as connection:
                create_or_check(connection)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the connections; the store cannot be used afterwards unless opened again."""
        self._engine.dispose()

    def commit_release(
        self,
        *,
        grants: Sequence[tuple[str, int | None]],
        record: Mapping[str, JsonValue],
        leaf: Mapping[str, JsonValue],
        now: int,
    ) -> LogEntry:
        """Count one use of each grant, keep the record and append the leaf: all of it, or nothing.

        Args:
            grants: (grant id, its max_uses, or None where the grant sets none). A grant named twice is used
                once, under its smallest cap.
            record: The private decision record; needs the strings ``decision_id`` and ``stage``.
            leaf: The log leaf, free of personal data.
            now: Unix seconds.

        Raises:
            ConsentInvalid: ``EXHAUSTED``: a grant has no use left. Nothing was written.
            StoreUnavailable: not written; ``check.clock-behind`` when ``now`` is before the newest entry.
        """
        caps: dict[str, int | None] = {}
        for grant_id, cap in grants:
            known = caps.get(grant_id)
            caps[grant_id] = cap if known is None else known if cap is None else min(cap, known)
        with self._writing() as connection:
            for grant_id, cap in caps.items():
                ledger.count_use(connection, grant_id, cap)
            return ledger.append(connection, record, leaf, now)

    def commit_refusal(
        self, *, record: Mapping[str, JsonValue], leaf: Mapping[str, JsonValue], now: int
    ) -> LogEntry:
        """Keep the record of a refusal and append its leaf; no grant is used.

        Raises:
            StoreUnavailable: as :meth:`commit_release`.
        """
        return self.commit_release(grants=(), record=record, leaf=leaf, now=now)

    def check_clock(self, now: int) -> None:
        """Refuse a clock that stands before the newest log entry (G6).

        Raises:
            StoreUnavailable: ``check.clock-behind``, or the store cannot be read.
        """
        with self._reading() as connection:
            ledger.check_clock(connection, now)

    def uses(self, grant_id: str) -> int:
        """Releases made so far under a grant; 0 for one never used.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._reading() as connection:
            count = connection.scalar(
                select(USES.c.count).where(USES.c.grant_hash == ledger.grant_hash(grant_id))
            )
            return 0 if count is None else int(count)

    def decision(self, decision_id: str) -> Mapping[str, JsonValue]:
        """The private record of a decision.

        Raises:
            StoreUnavailable: the store cannot be read, or holds no such decision (``check.no-decision``).
        """
        with self._reading() as connection:
            found = connection.scalar(
                select(DECISIONS.c.record).where(DECISIONS.c.decision_id == decision_id)
            )
        if not isinstance(found, bytes):
            raise StoreUnavailable("the store holds no such decision", code="check.no-decision")
        record = ledger.parse_record(found)
        if not isinstance(record, Mapping):
            raise StoreUnavailable("a decision record in the store is damaged", code="check.store-damaged")
        return record

    def log_state(self) -> LogState:
        """Size and root of the log as it stands.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._reading() as connection:
            size = ledger.log_size(connection)
            return LogState(size, merkle.root(size, ledger.node_reader(connection)).hex())

    def leaf(self, index: int) -> bytes:
        """The canonical JSON of one leaf.

        Raises:
            StoreUnavailable: the store cannot be read, or holds no such leaf.
        """
        with self._reading() as connection:
            found = connection.scalar(select(LOG_LEAVES.c.data).where(LOG_LEAVES.c.leaf_index == index))
        if not isinstance(found, bytes):
            raise StoreUnavailable("the log holds no such leaf", code="check.no-leaf")
        return found

    def inclusion_proof(self, index: int, size: int) -> tuple[str, ...]:
        """Inclusion path (hex) of a leaf in the tree of the first ``size`` leaves.

        Raises:
            StoreUnavailable: the store cannot be read, or has no such leaf or size.
        """
        with self._reading() as connection, translated(ValueError):
            return tuple(
                node.hex() for node in merkle.inclusion_path(index, size, ledger.node_reader(connection))
            )

    def consistency_proof(self, old: int, new: int) -> tuple[str, ...]:
        """Consistency path (hex) from the tree of ``old`` leaves to the tree of ``new``.

        Raises:
            StoreUnavailable: the store cannot be read, or unless 0 < old <= new <= size.
        """
        with self._reading() as connection, translated(ValueError):
            return tuple(
                node.hex() for node in merkle.consistency_path(old, new, ledger.node_reader(connection))
            )

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction holding the write lock from its first statement; committed at its end, or undone."""
        self._check_process()
        with self._lock, translated(), self._engine.connect() as opened:
            connection = opened.execution_options(**{WRITING: True})
            with connection.begin():
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A read transaction: one snapshot. In memory there is but one connection, so it is taken in turn."""
        self._check_process()
        lock = self._lock if self._in_memory else nullcontext()
        with lock, translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    def _check_process(self) -> None:
        """SQLite connections do not survive a fork."""
        if os.getpid() != self._pid:
            raise StoreUnavailable("the store was opened in another process", code="check.store-process")
