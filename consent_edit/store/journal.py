"""The journal of admitted edits: each has one closing record in the end, whatever became of its process.

An admission is written before the pipeline runs, with what is to be written should nothing else ever be. The
release, refusal or break that ends the edit bears the admission's name and takes it out in its own
transaction; where it is no longer there, nothing is written. So no edit is closed twice, and none is released
that was given up as lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Row, delete, func, insert, or_, select

from consent_edit.encoding import JsonValue
from consent_edit.errors import StoreUnavailable
from consent_edit.store import ledger
from consent_edit.store.database import Database, translated
from consent_edit.store.presence import presence_in
from consent_edit.store.schema import ADMISSIONS

CLOSED: Final = "check.edit-closed"
"""Code of the error that answers a second closing."""

LOOKED_S: Final = 60.0
"""Seconds after which an admission looks again for edits that others left open."""

_Row = Row[tuple[str, int, bytes, bytes]]


class Journal:
    """Admissions of one open store. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._presence = presence_in(database)
        self._lock = threading.Lock()
        self._given_up: set[str] = set()
        self._looked = float("-inf")

    def admit(self, record: Mapping[str, JsonValue], leaf: Mapping[str, JsonValue], now: int) -> None:
        """Write down that an edit is admitted, before anything runs; what ends it must close it.

        Edits whose end could not be written before are closed with it, and now and then those of others.

        Args:
            record: The decision record, with the name that the closing one must have, and
            leaf: the log leaf that are written if nothing else ever is.
            now: Unix seconds; the leaf's own ``time`` when it is written.

        Raises:
            StoreUnavailable: nothing was written, so nothing may run.
        """
        name, _ = ledger.names_of(record)
        kept, said = ledger.bounded_json(record), ledger.bounded_json(leaf)
        self._database.check_process()  # a fork has the lock, and the session, of its parent
        with self._lock, translated():
            self._presence.hold()
            given_up = frozenset(self._given_up)
        look = time.monotonic() - self._looked > LOOKED_S
        with self._database.writing() as connection:
            ledger.check_clock(connection, now)
            self._close(connection, now, given_up, look)
            connection.execute(
                insert(ADMISSIONS).values(
                    decision_id=name, owner=self._presence.owner, time=now, record=kept, leaf=said
                )
            )
        self._closed(given_up, look)

    def give_up(self, name: str) -> None:
        """An edit of this process ended and could not be closed: it will be, with the next admission."""
        with self._lock:
            self._given_up.add(name)

    def close_lost(self, now: int) -> int:
        """Close the admitted edits of processes that are gone, each once, whoever else tries.

        Returns:
            How many were closed.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        with self._lock:
            given_up = frozenset(self._given_up)
        with self._database.reading() as connection:  # mostly there is nothing, and no need to write
            others = ADMISSIONS.c.owner != self._presence.owner
            left = connection.scalar(select(func.count()).select_from(ADMISSIONS).where(others))
        count = 0
        if left or given_up:
            with self._database.writing() as connection:
                count = self._close(connection, now, given_up, look=True)
        self._closed(given_up, look=True)
        with translated():
            self._presence.tidy()
        return count

    def open(self) -> int:
        """How many edits were admitted, here or elsewhere, and not closed yet.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(ADMISSIONS)) or 0)

    def end(self) -> None:
        """Answer for no edit any more: what is open is lost. A fork takes nothing away."""
        if self._database.forked:
            return
        with self._lock:
            self._presence.end()

    def _closed(self, given_up: frozenset[str], look: bool) -> None:
        """What was committed need not be done again."""
        with self._lock:
            self._given_up -= given_up
        if look:
            self._looked = time.monotonic()

    def _close(self, connection: Connection, now: int, given_up: frozenset[str], look: bool) -> int:
        """Write the closing records of edits given up here, and of those whose process is gone."""
        columns = ADMISSIONS.c
        everything = select(columns.decision_id, columns.owner, columns.record, columns.leaf)
        own = self._presence.owner
        given, foreign = columns.decision_id.in_(sorted(given_up)), columns.owner != own
        wanted = or_(given, foreign) if look else given
        rows: list[_Row] = list(connection.execute(everything.where(wanted).order_by(columns.time)))
        others = {row.owner for row in rows} - {own}
        gone = {owner for owner in others if self._presence.gone(owner, connection)}
        lost = [row for row in rows if row.owner in gone or row.decision_id in given_up]
        for row in lost:
            take_out(connection, row.decision_id)
            leaf = {**ledger.parse_record(row.leaf), "time": now}
            ledger.append(connection, ledger.parse_record(row.record), leaf, now)
        return len(lost)


def take_out(connection: Connection, name: str) -> None:
    """Take an admission out, in the transaction that closes it.

    Raises:
        StoreUnavailable: ``check.edit-closed``: it is not open (any more).
    """
    out = connection.execute(delete(ADMISSIONS).where(ADMISSIONS.c.decision_id == name))
    if out.rowcount != 1:
        raise StoreUnavailable(
            "the edit was closed before; nothing more is written of it",
            code=CLOSED,
            remedy="ask again; its record says how it ended",
        )
