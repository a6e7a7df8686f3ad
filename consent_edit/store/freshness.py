"""What keeps the old from being played again: nonces that count once, and marks that never fall."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from consent_edit.errors import ConsentInvalid, InputError, VerificationFailed
from consent_edit.store.database import insert_into
from consent_edit.store.schema import MARKS, NONCES
from consent_edit.vocabulary import ConsentStatus

KEPT_AFTER_S: Final = 24 * 3600
"""Seconds for which a nonce is remembered after its end."""

LONGEST_LIFETIME_S: Final = 24 * 3600
"""Longest lifetime of an issued nonce, seconds."""

_NONCE_BYTES: Final = 32
_LARGEST: Final = 2**53 - 1
"""The largest number that JSON carries exactly."""


def issue(connection: Connection, now: int, lifetime: int) -> str:
    """Make a nonce of 256 random bits that may be spent once, until ``now + lifetime``."""
    if not 0 < lifetime <= LONGEST_LIFETIME_S:
        raise InputError("a nonce lives for a second to a day", code="input.nonce")
    prune(connection, now)
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    connection.execute(insert(NONCES).values(nonce_hash=nonce_hash(nonce), until=now + lifetime, spent=False))
    return nonce


def spend_issued(connection: Connection, nonce: str, now: int) -> None:
    """Spend a nonce of :func:`issue` in one atomic statement."""
    spent = connection.scalar(
        update(NONCES)
        .where(NONCES.c.nonce_hash == nonce_hash(nonce), NONCES.c.spent.is_(False), NONCES.c.until >= now)
        .values(spent=True)
        .returning(NONCES.c.until)
    )
    if spent is None:
        raise _replayed()


def spend(connection: Connection, nonces: Sequence[tuple[str, int]], now: int) -> None:
    """Spend nonces that others made, and ones issued here, a statement each.

    Args:
        nonces: (nonce, Unix seconds until which what bears it could be played again).
    """
    for nonce, until in nonces:
        if not 0 <= until <= _LARGEST:
            raise _replayed()
        statement = insert_into(connection, NONCES).values(
            nonce_hash=nonce_hash(nonce), until=max(until, now), spent=True
        )
        spent = connection.scalar(
            statement.on_conflict_do_update(
                index_elements=[NONCES.c.nonce_hash],
                set_={"spent": True, "until": statement.excluded.until},
                where=NONCES.c.spent.is_(False) & (NONCES.c.until >= now),
            ).returning(NONCES.c.until)
        )
        if spent is None:
            raise _replayed()
    prune(connection, now)


def is_spent(connection: Connection, nonce: str) -> bool:
    """Whether a nonce was spent and is still remembered."""
    statement = select(NONCES.c.spent).where(NONCES.c.nonce_hash == nonce_hash(nonce))
    return connection.scalar(statement) is True


def prune(connection: Connection, now: int) -> None:
    """Forget nonces that ended long enough ago."""
    connection.execute(delete(NONCES).where(NONCES.c.until < now - KEPT_AFTER_S))


def raise_mark(connection: Connection, name: str, value: int) -> None:
    """Raise a mark in one atomic statement, or find that it stands higher."""
    if isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise VerificationFailed("a mark is a whole number from 0 to 2**53 - 1", code="verification.mark")
    statement = insert_into(connection, MARKS).values(name=_name(name), value=value)
    stands = connection.scalar(
        statement.on_conflict_do_update(
            index_elements=[MARKS.c.name],
            set_={"value": statement.excluded.value},
            where=MARKS.c.value <= statement.excluded.value,
        ).returning(MARKS.c.value)
    )
    if stands is None:
        raise VerificationFailed(
            f"{name} is older than what was seen here before",
            code="verification.rollback",
            remedy="get the newest one from whoever publishes it",
        )


def nonce_hash(nonce: str) -> bytes:
    """How a nonce is named in the table."""
    return hashlib.sha256(b"consent-edit/nonce/v1\0" + nonce.encode("utf-8", "surrogatepass")).digest()


def _name(name: str) -> str:
    """A mark's name that either database can keep."""
    if not 0 < len(name) <= 512 or not name.isprintable():
        raise VerificationFailed("a mark's name is 1 to 512 printable characters", code="verification.mark")
    return name


def _replayed() -> ConsentInvalid:
    return ConsentInvalid(ConsentStatus.REPLAYED, "the nonce was used before, ended, or was never issued")
