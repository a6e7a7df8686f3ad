"""PostgreSQL connections: durable, bounded in time, and one sequencer for everything that is written."""

from __future__ import annotations

from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from consent_edit.errors import StoreUnavailable

DRIVER: Final = "postgresql+psycopg"

SEQUENCER: Final = 0x63656474_6C6F67
"""Key of the advisory lock that a writing transaction holds from its first statement to its end."""

STATEMENT_S: Final = 10
"""Longest run of one statement beyond the wait for a lock."""

IDLE_S: Final = 15
"""A transaction whose client says nothing for so long is undone, and its locks are let go."""

_CONNECTING: Final = {
    "application_name": "consent-edit",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "target_session_attrs": "read-write",
}
"""A server that fell silent, or one that only reads, is given up; the address may say otherwise."""

_SETTINGS: Final = (
    "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false), "
    "set_config('idle_in_transaction_session_timeout', %s, false), "
    "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
    "ELSE current_setting('synchronous_commit') END, false)"
)


def open_postgres(url: URL, wait_ms: int, writing: str) -> Engine:
    """An engine whose statements end in time and whose commits are on disk when they return.

    Args:
        url: Address with the driver :data:`DRIVER`.
        wait_ms: How long to wait for another writer.
        writing: Execution option of the connections that take the sequencer.

    Raises:
        StoreUnavailable: the driver is not installed.
    """
    asked = {name: value for name, value in _CONNECTING.items() if name not in url.query}
    try:
        engine = create_engine(
            url, connect_args=asked, pool_pre_ping=True, pool_timeout=5, hide_parameters=True
        )
    except ImportError as error:
        raise StoreUnavailable(
            "a store on PostgreSQL needs the driver psycopg", remedy="pip install 'consent-edit[postgres]'"
        ) from error
    wait = max(1, int(wait_ms))  # 0 would be for ever

    def connected(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = dbapi.cursor()
        cursor.execute(_SETTINGS, (str(wait), str(wait + STATEMENT_S * 1000), str(IDLE_S * 1000)))
        cursor.close()
        dbapi.commit()

    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get(writing, False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SEQUENCER})")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
