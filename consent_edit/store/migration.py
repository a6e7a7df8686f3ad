"""What a store is opened on: an empty database is laid out, an older store brought up, all else refused."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect, select, update

from consent_edit.errors import StoreUnavailable
from consent_edit.store.database import insert_into
from consent_edit.store.schema import (
    APPLICATION_ID,
    DECISIONS_BY_LEAF,
    METADATA,
    SCHEMA_VERSION,
    SINCE_VERSION_2,
    SINCE_VERSION_3,
    SINCE_VERSION_5,
    SINCE_VERSION_6,
    STORE_INFO,
)

_SCHEMA: Final = "schema"

_LACKING: Final = {
    1: SINCE_VERSION_2 + SINCE_VERSION_3 + SINCE_VERSION_5 + SINCE_VERSION_6,
    2: SINCE_VERSION_3 + SINCE_VERSION_5 + SINCE_VERSION_6,
    3: SINCE_VERSION_5 + SINCE_VERSION_6,
    4: SINCE_VERSION_5 + SINCE_VERSION_6,
    5: SINCE_VERSION_6,
}
"""Older version -> the tables it lacks."""


def prepare(connection: Connection) -> bool:
    """Bring the database to this version, inside the caller's writing transaction.

    1. Empty: every table is made.
    2. A store of version 1 (SQLite) to 5: the tables it lacks are made; what it holds stays as it is. Version
       4 has the tables of 3, whose release cannot read what it wrote there.
    3. A store of this version: nothing.
    4. The index over decisions is made where it is not there yet; every release of this version reads such a
       store.

    Returns:
        Whether the vault's tables were made just now, so that it has no name and no key yet.

    Raises:
        StoreUnavailable: ``check.store-version``: it is none of these; nothing was written.
    """
    postgres = connection.dialect.name == "postgresql"
    fresh = _prepare_postgres(connection) if postgres else _prepare_sqlite(connection)
    DECISIONS_BY_LEAF.create(connection, checkfirst=True)  # 4
    return fresh


def _prepare_sqlite(connection: Connection) -> bool:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar()
    application = connection.exec_driver_sql("PRAGMA application_id").scalar()
    tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
    match (application, version):
        case (0, 0) if tables == 0:  # 1
            METADATA.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
        case (number, int(older)) if number == APPLICATION_ID and older in _LACKING:  # 2
            METADATA.create_all(connection, tables=_LACKING[older], checkfirst=False)
            connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
            return older == 1
        case (number, now) if number == APPLICATION_ID and now == SCHEMA_VERSION:  # 3
            return False
        case _:
            raise _foreign("the file")
    connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
    return True


def _prepare_postgres(connection: Connection) -> bool:
    there = set(inspect(connection).get_table_names())
    if STORE_INFO.name in there:
        return _prepare_older_postgres(connection)
    if there & set(METADATA.tables):
        raise _foreign("the database")
    METADATA.create_all(connection)  # 1
    value = str(SCHEMA_VERSION).encode("ascii")
    connection.execute(insert_into(connection, STORE_INFO).values(name=_SCHEMA, value=value))
    return True


def _prepare_older_postgres(connection: Connection) -> bool:
    """A PostgreSQL database that holds a store; never one of version 1."""
    row = STORE_INFO.c.name == _SCHEMA
    now = str(SCHEMA_VERSION).encode("ascii")
    match connection.scalar(select(STORE_INFO.c.value).where(row)):
        case value if value == now:  # 3
            return False
        case b"2" | b"3" | b"4" | b"5" as older:  # 2
            METADATA.create_all(connection, tables=_LACKING[int(older)], checkfirst=False)
            connection.execute(update(STORE_INFO).where(row).values(value=now))
            return False
        case _:
            raise _foreign("the database")


def _foreign(what: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{what} is not a store of this version",
        code="check.store-version",
        remedy="if a newer release wrote it, use that one; if it is no store, name another",
    )
