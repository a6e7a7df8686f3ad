"""On PostgreSQL the log is one sequence, nothing waits for ever, and what is acknowledged is on disk."""

from __future__ import annotations

import sys

import pytest
from postgres_server import postgres_server
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError
from store_world import KEY, NOW, release

from consent_edit.errors import ConsentInvalid, StoreUnavailable
from consent_edit.store.postgres import SEQUENCER
from consent_edit.store.store import Store
from consent_edit.store.vault_key import VaultKey


@pytest.fixture
def engine(postgres_url):
    """Connections of another program to the test's database."""
    opened = create_engine(postgres_url)
    yield opened
    opened.dispose()


def execute(engine, statement: str):
    with engine.begin() as connection:
        return connection.exec_driver_sql(statement)


def refused(where, code: str, **more) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(where, **{"vault_key": KEY, **more})
    assert caught.value.code == code
    return caught.value


def test_key_must_be_given(postgres_url, engine):
    """A store on PostgreSQL is not opened without a key, and nothing is laid out."""
    error = refused(postgres_url, "check.vault-key", vault_key=None)
    assert "vault_key" in error.remedy
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('log_leaves')").scalar() is None


def test_wrong_key(postgres_url):
    """Another key does not open the store."""
    Store.open(postgres_url, vault_key=KEY).close()
    refused(postgres_url, "check.vault-key", vault_key=VaultKey.generate())


@pytest.mark.parametrize(
    "where",
    [
        "postgresql://h/d",
        "postgresql+psycopg2://h/d",
        "mysql://secret@h/d",
        "http://h/d",
        "://",
        "postgresql+psycopg://h:port/d",
    ],
)
def test_address_of_no_known_kind(where, tmp_path, monkeypatch):
    """Another database's address is refused with the right one, and no file of that name is made."""
    monkeypatch.chdir(tmp_path)
    error = refused(where, "check.store-address")
    assert "postgresql+psycopg://" in error.remedy
    assert "secret" not in error.diagnostics()
    assert list(tmp_path.iterdir()) == []


def test_server_that_is_not_there(tmp_path):
    """A server that cannot be reached refuses, and the address's password is not in the message."""
    error = refused(f"postgresql+psycopg://ada:secret@/d?host={tmp_path}", "check.store-unavailable")
    assert "secret" not in error.diagnostics()


def test_driver_that_is_not_installed(monkeypatch):
    """Without the driver the error says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    error = refused("postgresql+psycopg://h/d", "check.store-unavailable")
    assert "consent-edit[postgres]" in error.remedy


def test_somebody_elses_tables(postgres_url, engine):
    """A database that has a table of our name, but is no store, is not written to."""
    execute(engine, "CREATE TABLE uses (a int)")
    refused(postgres_url, "check.store-version")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('log_leaves')").scalar() is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_edit_store SET value='7' WHERE name='schema'",
        "DELETE FROM consent_edit_store WHERE name='schema'",
    ],
)
def test_store_of_another_version(postgres_url, engine, statement):
    """A store of a newer release, or of none, is refused."""
    Store.open(postgres_url, vault_key=KEY).close()
    execute(engine, statement)
    refused(postgres_url, "check.store-version")


@pytest.mark.parametrize("table", ["log_leaves", "merkle_nodes"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_log_only_grows(postgres_url, engine, table, verb):
    """Even by hand, no leaf and no node is changed or taken out."""
    release(Store.open(postgres_url, vault_key=KEY), "d-1")
    column = "time=0" if table == "log_leaves" else "level=9"
    with pytest.raises(DBAPIError, match="only grows"):
        execute(engine, verb.format(table, column))


def test_sequencer_held_by_another(postgres_url, engine):
    """While another node holds the sequencer a release waits a while and is refused; then it goes on."""
    store = Store.open(postgres_url, vault_key=KEY, busy_timeout_ms=100)
    with engine.begin() as other:
        other.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SEQUENCER})")
        with pytest.raises(StoreUnavailable) as caught:
            release(store, "d-1")
        assert "lock timeout" in caught.value.message
        assert store.log_state().size == 0
    assert release(store, "d-1").index == 0


def test_writer_outside_the_sequencer_cannot_fork_the_log(postgres_url, engine):
    """A row lock held by hand ends in an error in time, with nothing written."""
    store = Store.open(postgres_url, vault_key=KEY, busy_timeout_ms=100)
    release(store, "d-1")
    with engine.begin() as other:
        other.exec_driver_sql("SELECT * FROM uses FOR UPDATE")
        with pytest.raises(StoreUnavailable):
            release(store, "d-2")
    assert (store.uses("grant-1"), store.log_state().size) == (1, 1)


def test_settings_of_a_connection(postgres_url, engine):
    """Statements and waits end, commits are on disk, and a database set otherwise does not change that."""
    database = make_url(postgres_url).database
    execute(engine, f"ALTER DATABASE {database} SET synchronous_commit=off")
    execute(engine, f"ALTER DATABASE {database} SET default_transaction_isolation='serializable'")
    store = Store.open(postgres_url, vault_key=KEY, busy_timeout_ms=0)
    names = ("synchronous_commit", "lock_timeout", "statement_timeout", "transaction_isolation")
    with store._database.writing() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
    assert shown == ["on", "1ms", "10001ms", "read committed"]
    with store._database.reading() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW transaction_{x}").scalar() for x in ("isolation", "read_only")
        ]
    assert shown == ["repeatable read", "on"]


def test_stronger_durability_is_kept(postgres_url, engine):
    """A database that waits for its replicas goes on doing so."""
    database = make_url(postgres_url).database
    execute(engine, f"ALTER DATABASE {database} SET synchronous_commit=remote_apply")
    store = Store.open(postgres_url, vault_key=KEY)
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "remote_apply"


def test_address_may_say_otherwise(postgres_url):
    """What the operator wrote into the address goes before our defaults."""
    store = Store.open(f"{postgres_url}&application_name=newsroom", vault_key=KEY)
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "newsroom"


def test_read_only_server(postgres_url, engine):
    """A standby, or a server set to read only, is refused at once, not at the first release."""
    Store.open(postgres_url, vault_key=KEY).close()
    execute(engine, f"ALTER DATABASE {make_url(postgres_url).database} SET default_transaction_read_only=on")
    refused(postgres_url, "check.store-unavailable")


def test_connections_cut_by_the_server(postgres_url):
    """After the server cut all connections the store goes on, and a transaction that was cut left nothing."""
    store = Store.open(postgres_url, vault_key=KEY)
    release(store, "d-1")
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{make_url(postgres_url).database}'"
    )
    postgres_server().execute(cut)
    assert release(store, "d-2").index == 1
    with pytest.raises(StoreUnavailable), store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE uses SET count = 99")
        postgres_server().execute(cut)
        connection.exec_driver_sql("SELECT 1")
    assert store.uses("grant-1") == 2


def test_two_nodes_write_one_sequence(postgres_url):
    """Two stores in turn continue one log and share one cap."""
    first, second = (Store.open(postgres_url, vault_key=KEY) for _ in range(2))
    indexes = [
        release(store, f"d-{n}", grants=(("g", 4),)).index for n, store in enumerate((first, second) * 2)
    ]
    assert indexes == [0, 1, 2, 3]
    with pytest.raises(ConsentInvalid):
        release(second, "d-5", grants=(("g", 4),))
    assert first.log_state() == second.log_state()


def test_time_beyond_2038(postgres_url):
    """Seconds that need more than 32 bits are kept."""
    store, late = Store.open(postgres_url, vault_key=KEY), 2**40
    release(store, "d-1", now=late, nonces=[("n", late + 600)])
    with pytest.raises(StoreUnavailable):
        store.check_clock(NOW)


@pytest.mark.parametrize("name", ["d\0", "d-1"])
def test_message_quotes_no_row(postgres_url, name):
    """What the database says of a row it refuses does not reach the message."""
    store = Store.open(postgres_url, vault_key=KEY)
    release(store, "d-1")
    with pytest.raises(StoreUnavailable) as caught:
        release(store, name)
    assert name not in caught.value.message
    assert store.uses("grant-1") == 1
