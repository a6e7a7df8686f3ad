"""SQLite connections that are durable, transactions that begin as told, and one error for all that fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from consent_edit.errors import StoreUnavailable
from consent_edit.store.schema import APPLICATION_ID, METADATA, SCHEMA_VERSION

WRITING: Final = "consent_edit_writing"
"""Execution option of a connection whose transactions take the write lock at once."""

_REMEDY: Final = "check that the store's disk is writable, not full and not held by another program"


def open_engine(path: str, busy_timeout_ms: int, in_memory: bool) -> Engine:
    """An engine whose connections are durable and whose transactions begin as they are told to."""
    url = URL.create("sqlite", database=path)
    if in_memory:
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url)

    def connected(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        dbapi.isolation_level = None  # the driver begins nothing by itself
        cursor = dbapi.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(busy_timeout_ms)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        mode = cursor.fetchone()
        if not in_memory and (mode is None or mode[0] != "wal"):
            raise sqlite3.OperationalError("this file system does not allow write-ahead logging")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.close()

    def begun(connection: Connection) -> None:
        writing = connection.get_execution_options().get(WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


@contextmanager
def translated(*more: type[Exception]) -> Iterator[None]:
    """Turns what SQLAlchemy, SQLite and the file system raise into one error of ours."""
    kinds: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError, *more)
    try:
        yield
    except kinds as error:
        reason = getattr(error, "orig", None) or error
        raise StoreUnavailable(
            f"the store could not be used ({type(reason).__name__}: {str(reason)[:120]})", remedy=_REMEDY
        ) from error


def create_or_check(connection: Connection) -> None:
    """Lay the tables in an empty file; refuse a file that is something else."""
    version = connection.exec_driver_sql("PRAGMA user_version").scalar()
    application = connection.exec_driver_sql("PRAGMA application_id").scalar()
    tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
    if tables == 0 and version == 0 and application == 0:
        METADATA.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    elif (version, application) != (SCHEMA_VERSION, APPLICATION_ID):
        raise StoreUnavailable("the file is not a store of this version", code="check.store-version")
