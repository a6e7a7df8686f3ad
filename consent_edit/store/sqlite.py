"""SQLite connections: durable, overwriting what is deleted, with transactions that begin as told."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

IN_MEMORY: Final = ":memory:"
"""Names a database that ends with its last connection."""

_PAUSE_S: Final = 0.005


def open_sqlite(path: str, wait_ms: int, writing: str) -> Engine:
    """An engine on a file, made readable by its owner alone when absent, or on :data:`IN_MEMORY`.

    Args:
        wait_ms: How long to wait for another process's transaction.
        writing: Execution option of the connections whose transactions take the write lock at once.
    """
    url, in_memory = URL.create("sqlite", database=path), path == IN_MEMORY
    if in_memory:
        engine = create_engine(
            url, poolclass=StaticPool, connect_args={"check_same_thread": False}, hide_parameters=True
        )
    else:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        engine = create_engine(url, hide_parameters=True)

    def connected(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        dbapi.isolation_level = None  # the driver begins nothing by itself
        cursor = dbapi.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(wait_ms)}")
        mode = _ahead(cursor, wait_ms)
        if not in_memory and (mode is None or mode[0] != "wal"):
            raise sqlite3.OperationalError("this file system does not allow write-ahead logging")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.close()

    def begun(connection: Connection) -> None:
        wanted = connection.get_execution_options().get(writing, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if wanted else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _ahead(cursor: DBAPICursor, wait_ms: int) -> Sequence[object] | None:
    """Switch to write-ahead logging. While others make the same new file SQLite does not wait: we do."""
    until = time.monotonic() + wait_ms / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return cursor.fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)


def empty_write_ahead_log(engine: Engine) -> bool:
    """Move what was committed into the file and cut the write-ahead log to nothing.

    Returns:
        Whether it was cut; not while another connection reads or writes.
    """
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        row = cursor.fetchone()
        cursor.close()
        return row is not None and row[0] == 0
    finally:
        raw.close()


def sync_folder(path: Path) -> None:
    """Make a new or renamed file of a folder survive the power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
