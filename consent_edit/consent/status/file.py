"""The SQLite file of a status service: its schema, and files of the first schema brought up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from consent_edit.consent.keys import PublicJwk
from consent_edit.consent.signatory import Signatory
from consent_edit.errors import ConsentInvalid, StoreUnavailable

VERSION: Final = 2
"""Of the schema, in ``user_version``; the first one bore 0 there, and knew one owner of an entry."""

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS meta (
        id INTEGER PRIMARY KEY CHECK (id = 0), changes INTEGER NOT NULL
    ) STRICT""",
    "INSERT OR IGNORE INTO meta VALUES (0, 0)",
    "CREATE TABLE owner (id INTEGER PRIMARY KEY, signatory TEXT NOT NULL UNIQUE) STRICT",
    """CREATE TABLE entry (
        idx INTEGER PRIMARY KEY, value INTEGER NOT NULL DEFAULT 0 CHECK (value IN (0, 1))
    ) STRICT""",
    """CREATE TABLE entry_owner (
        idx INTEGER NOT NULL REFERENCES entry,
        owner INTEGER NOT NULL REFERENCES owner,
        PRIMARY KEY (idx, owner)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE signer (jkt TEXT PRIMARY KEY, jwk TEXT NOT NULL, until INTEGER NOT NULL) STRICT",
    """CREATE TRIGGER never_back BEFORE UPDATE ON entry WHEN new.idx != old.idx OR new.value < old.value
    BEGIN SELECT RAISE(ABORT, 'an entry is flipped one way only'); END""",
    """CREATE TRIGGER never_gone BEFORE DELETE ON entry
    BEGIN SELECT RAISE(ABORT, 'an entry is never given back'); END""",
)


def open_status_file(path: Path | str, *, new: bool = True) -> sqlite3.Connection:
    """Open a status service's file; made if it is empty, brought up to date in one transaction if it is old.

    Args:
        path: The file, or ``:memory:``.
        new: Whether an empty one may be made.

    Raises:
        StoreUnavailable: it cannot be used, is of a newer version, or holds what cannot be carried over; then
            it is left as it was.
    """
    try:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        db.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error as error:
        raise _unusable("cannot be opened") from error
    try:
        with written(db):
            _bring_up_to_date(db, new)
    except StoreUnavailable:
        db.close()
        raise
    return db


@contextmanager
def written(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction: committed at the end, undone by any exception.

    Raises:
        StoreUnavailable: the file cannot be written.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise
    except sqlite3.Error as error:
        raise _unusable("cannot be written") from error


def _bring_up_to_date(db: sqlite3.Connection, new: bool) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version != 0:
        raise _unusable("was made by another version of this package")
    old = db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'owner'").fetchone() != (0,)
    if not old and not new:
        raise _unusable("is empty: nobody can tell what was withdrawn")
    if old:
        db.execute("ALTER TABLE owner RENAME TO old_owner")
        db.execute("ALTER TABLE entry RENAME TO old_entry")
    for statement in _TABLES:
        db.execute(statement)
    if old:
        _carry_over(db)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _carry_over(db: sqlite3.Connection) -> None:
    """Every owner was a key that signs JWS; every entry had one."""
    for jkt, jwk in db.execute("SELECT jkt, jwk FROM old_owner").fetchall():
        try:
            owner = Signatory(PublicJwk.read(jwk.encode("utf-8")))
        except ConsentInvalid as error:
            raise _unusable("names an owner that is no key") from error
        if owner.thumbprint != jkt:
            raise _unusable("names an owner that is another key")
        db.execute("INSERT INTO owner (signatory) VALUES (?)", (owner.to_json(),))
        (number,) = db.execute("SELECT last_insert_rowid()").fetchone()
        db.execute("INSERT INTO entry SELECT idx, min(value, 1) FROM old_entry WHERE jkt = ?", (jkt,))
        db.execute("INSERT INTO entry_owner SELECT idx, ? FROM old_entry WHERE jkt = ?", (number, jkt))
    lost = db.execute("SELECT count(*) FROM old_entry WHERE idx NOT IN (SELECT idx FROM entry)").fetchone()
    if lost != (0,):
        raise _unusable("holds an entry that nobody owns")
    db.execute("DROP TABLE old_entry")
    db.execute("DROP TABLE old_owner")


def _unusable(why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"the status service's file {why}", remedy="see that it is whole, its own, and that its disk has room"
    )
