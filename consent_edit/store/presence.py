"""Presence: whether the process that answers for an admitted edit is still there, as the kernel says.

Each open store has a number of its own and holds a lock under it, which ends with its process, however that
ends: no clock, no process id that comes round again, nothing that a container or a node could see otherwise.
A SQLite file has a small file beside it for each (``<name>.alive-<number>``), locked with ``flock``, by
whatever links it was opened and wherever the process goes; on
PostgreSQL it is an advisory lock of a session of its own. A store in memory ends with its process anyway.

A lock that was lost (its file removed by hand, the session cut) is taken again at the next admission. Until
then another process may take the edits under it for lost and close them. They are not released then: what is
closed cannot be closed again (``store.journal``).
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from consent_edit.store.database import Database

_MIDDLE: Final = ".alive-"
_TAKE: Final = text("SELECT pg_advisory_lock(:owner)")
_FREE: Final = text("SELECT pg_try_advisory_xact_lock(:owner)")


class Presence(Protocol):
    """The lock of one open store.

    Attributes:
        owner: Its number: random, 62 bits, never used again.
    """

    owner: int

    def hold(self) -> None:
        """Hold the lock from now on; before the first admission, and again before each.

        Raises:
            OSError: it cannot be had.
            SQLAlchemyError: as well.
        """

    def gone(self, owner: int, connection: Connection) -> bool:
        """Whether nobody holds the lock of that number, inside the caller's writing transaction."""

    def tidy(self) -> None:
        """Remove what those that are gone left beside the store."""

    def end(self) -> None:
        """Let the lock go."""


def presence_in(database: Database) -> Presence:
    """The lock that goes with a database."""
    if database.is_postgres:
        return _ServerPresence(database.engine)
    return _NoPresence() if database.path is None else _FilePresence(database.path.resolve())


def _number() -> int:
    return secrets.randbits(62)


class _NoPresence:
    """In memory nobody else opens the store, and nothing outlives the process."""

    def __init__(self) -> None:
        self.owner = _number()

    def hold(self) -> None:
        """Nothing to hold."""

    def gone(self, owner: int, connection: Connection) -> bool:
        """There is nobody else."""
        return owner != self.owner

    def tidy(self) -> None:
        """Nothing is left."""

    def end(self) -> None:
        """Nothing to let go."""


class _FilePresence:
    """A locked file beside the store."""

    def __init__(self, store: Path) -> None:
        self.owner = _number()
        self._store = store
        self._handle = -1

    def hold(self) -> None:
        """Lock the own file; once more where it was removed meanwhile."""
        path = self._file(self.owner)
        while self._handle < 0 or not _same(self._handle, path):
            self.end()
            handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)  # whoever has it is about to remove the file
            except BaseException:
                os.close(handle)
                raise
            self._handle = handle

    def gone(self, owner: int, connection: Connection) -> bool:
        """Whether the file of that number is free or not there; it is removed."""
        return _removed(self._file(owner))

    def tidy(self) -> None:
        """Remove the files that nobody locks."""
        for path in self._store.parent.glob(f"{self._store.name}{_MIDDLE}*"):
            if path != self._file(self.owner):
                _removed(path)

    def end(self) -> None:
        """Remove the own file and let it go."""
        if self._handle >= 0:
            path = self._file(self.owner)
            with suppress(OSError):
                if _same(self._handle, path):
                    path.unlink()
            os.close(self._handle)
            self._handle = -1

    def _file(self, owner: int) -> Path:
        return self._store.with_name(f"{self._store.name}{_MIDDLE}{owner:016x}")


def _same(handle: int, path: Path) -> bool:
    """Whether the path still leads to the open file."""
    try:
        there, held = path.stat(), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def _removed(path: Path) -> bool:
    """Remove a file that nobody locks; whether nobody does."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _same(handle, path):  # else another removed it, and this one is nobody's
            path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


class _ServerPresence:
    """An advisory lock of a session of its own."""

    def __init__(self, engine: Engine) -> None:
        self.owner = _number()
        self._engine = engine
        self._session: Connection | None = None

    def hold(self) -> None:
        """Take the lock; once more where the session was cut meanwhile."""
        if self._session is not None:
            try:
                self._session.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self.end()
            else:
                return
        session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            session.execute(_TAKE, {"owner": self.owner})  # a session that was cut may be ending still
        except BaseException:
            session.close()
            raise
        self._session = session

    def gone(self, owner: int, connection: Connection) -> bool:
        """Whether the lock is free; it is taken until the transaction ends."""
        return connection.scalar(_FREE, {"owner": owner}) is True

    def tidy(self) -> None:
        """The server forgets a lock with its session."""

    def end(self) -> None:
        """End the session, and the lock with it."""
        if self._session is not None:
            with suppress(SQLAlchemyError):
                self._session.invalidate()  # back in the pool it would go on holding the lock
            with suppress(SQLAlchemyError):
                self._session.close()
            self._session = None
