"""The database under the store: which kind it is, its transactions, and one error for all that fails."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, Table, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import SQLAlchemyError

from consent_edit.errors import StoreUnavailable
from consent_edit.store.postgres import DRIVER, open_postgres
from consent_edit.store.sqlite import IN_MEMORY, empty_write_ahead_log, open_sqlite

_WRITING: Final = "consent_edit_writing"
_REMEDY: Final = (
    "check that the store's disk or database server is there, writable, not full "
    "and not held by another program"
)

_SNAPSHOTS: Final[Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]]] = {
    "sqlite": ({}, {}),
    "postgresql": (
        {"isolation_level": "READ COMMITTED"},  # the wait for the sequencer comes before the first snapshot
        {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    ),
}
"""Execution options of a writing and of a reading transaction."""


@contextmanager
def translated(*more: type[Exception]) -> Iterator[None]:
    """Turns what SQLAlchemy, the drivers and the file system raise into one error of ours."""
    kinds: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError, *more)
    try:
        yield
    except kinds as error:
        reason = getattr(error, "orig", None) or error
        said = (str(reason).splitlines() or [""])[0][:120]  # further lines can quote the row
        raise StoreUnavailable(
            f"the store could not be used ({type(reason).__name__}: {said})", remedy=_REMEDY
        ) from error


def insert_into(connection: Connection, table: Table) -> sqlite_dialect.Insert | postgresql.Insert:
    """An INSERT that can say what to do on conflict, in the words of the connection's database."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite_dialect.insert(table)


class Database:
    """One SQLite file, one memory or one PostgreSQL database. Safe to share between threads."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self._engine = engine
        self._path = path
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._writing, self._reading = _SNAPSHOTS[engine.dialect.name]

    @classmethod
    def open(cls, where: str | Path, busy_timeout_ms: int) -> Database:
        """Open a database; nothing is read from it yet.

        Raises:
            StoreUnavailable: the address or file cannot be one of a store.
        """
        with translated():
            if isinstance(where, str) and "://" in where:
                return cls(_open_url(where, busy_timeout_ms), None)
            in_memory = str(where) == IN_MEMORY
            engine = open_sqlite(str(where), busy_timeout_ms, _WRITING)
            return cls(engine, None if in_memory else Path(where))

    @property
    def engine(self) -> Engine:
        """The connections."""
        return self._engine

    @property
    def is_postgres(self) -> bool:
        """Whether it is a PostgreSQL database, not SQLite."""
        return self._engine.dialect.name == "postgresql"

    @property
    def path(self) -> Path | None:
        """The SQLite file; ``None`` in memory and on PostgreSQL."""
        return self._path

    def close(self) -> None:
        """Close the connections; those of another process, which a fork holds too, are left to it."""
        if not self.forked:
            self._engine.dispose()

    @property
    def forked(self) -> bool:
        """Whether this is a fork of the process that opened it."""
        return os.getpid() != self._pid

    def check_process(self) -> None:
        """Connections do not survive a fork.

        Raises:
            StoreUnavailable: ``check.store-process``: this is another process than the one that opened it.
        """
        if self.forked:
            raise StoreUnavailable("the store was opened in another process", code="check.store-process")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that alone writes, from its first statement on; committed at its end, or undone."""
        self.check_process()
        with self._lock, translated(), self._engine.connect() as opened:
            connection = opened.execution_options(**{_WRITING: True}, **self._writing)
            with connection.begin():
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction: one snapshot. In memory there is but one connection, so it is taken in turn."""
        self.check_process()
        in_memory = self._path is None and not self.is_postgres
        lock = self._lock if in_memory else nullcontext()
        with lock, translated(), self._engine.connect() as opened:
            connection = opened.execution_options(**self._reading)
            with connection.begin():
                yield connection

    def forget_deleted(self) -> None:
        """Wipe what was deleted off the disk, as far as the database allows.

        SQLite overwrites deleted rows in the file; here its write-ahead log is cut too. On PostgreSQL dead
        rows, its own log and its backups keep the bytes until they are recycled.

        Raises:
            StoreUnavailable: ``check.erase-pending``: another connection holds the log. Call it again.
        """
        if self._path is None:
            return
        self.check_process()
        with self._lock, translated():
            cut = empty_write_ahead_log(self._engine)
        if not cut:
            raise StoreUnavailable(
                "what was erased opens no more, but the write-ahead log still holds its key, wrapped",
                code="check.erase-pending",
                remedy="end the long reads of other programs, then erase again",
            )


def _open_url(text: str, busy_timeout_ms: int) -> Engine:
    """An engine on the PostgreSQL database of an address."""
    try:
        url = make_url(text)
    except (SQLAlchemyError, ValueError):
        url = None
    if url is None or url.drivername != DRIVER:
        raise StoreUnavailable(
            "the store's address is of no kind we know",
            code="check.store-address",
            remedy=f"write {DRIVER}://USER@HOST/DATABASE, or the path of a file",
        ) from None
    return open_postgres(url, busy_timeout_ms, _WRITING)
