"""The issuer's side of status: entries allotted, flipped and signed as a list.

An entry belongs to those it was allotted to: a person, or a child and each of her guardians. The credential
has one, and the issuer hands the holder a stock of further ones for her grants, so that she can sign grants
offline. A withdrawal is a request signed by any one of the owners; the service flips the entry when the
signature holds under a key it has on record, never under one the request brings. Entries are flipped one way
only: nothing can be un-withdrawn.

The key that signs the lists is changed in three steps: :meth:`IssuerStatus.announce` the new one and have
trust lists name all of :meth:`IssuerStatus.publics`; :meth:`IssuerStatus.rotate` to it; once the lists signed
by the old one are stale, sign trust lists again, without it.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from consent_edit.consent.grant import verify_withdrawal
from consent_edit.consent.jose import unverified
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.file import open_status_file, written
from consent_edit.consent.status.lists import StatusSource
from consent_edit.consent.status.signers import (
    FOR_GOOD,
    LIST_SIZE,
    MAX_ANNOUNCED,
    is_retired,
    refuse_crowd,
    sign_status_list,
    signer_row,
)
from consent_edit.consent.status.token import MAX_TTL
from consent_edit.consent.trust import CLOCK_SKEW, MAX_KEYS
from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable
from consent_edit.vocabulary import ConsentStatus

__all__ = ["LIST_SIZE", "RENEW", "IssuerStatus", "sign_status_list"]

RENEW: Final = MAX_TTL // 3
"""Seconds after which an unchanged list is signed anew."""


class IssuerStatus:
    """A status service of one list, in one SQLite file; safe between threads and processes.

    Args:
        uri: Address of the list; must be one the trust list gives this service.
        key: Signs the list.
        path: The SQLite file, or ``:memory:``.
        size: Entries of the list, a multiple of 8.
        new: Whether an empty file is a new service's. For one that has served, say no: signing from an empty
            file would bring all withdrawn consent back.

    Raises:
        StoreUnavailable: the file cannot be used.
    """

    def __init__(
        self,
        uri: str,
        key: SigningKey,
        path: Path | str = ":memory:",
        size: int = LIST_SIZE,
        *,
        new: bool = True,
    ) -> None:
        self.uri = uri
        self._key = key
        self._size = size
        self._lock = threading.Lock()
        self._signed: tuple[int, int, str] = (-1, -RENEW, "")
        self._kept: Callable[[int], None] = _uncounted
        self._db = open_status_file(path, new=new)

    @property
    def public(self) -> PublicJwk:
        """The key that verifies the lists it signs now."""
        return self._key.public

    def changes(self) -> int:
        """How many entries were flipped so far; it only rises.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        with self._lock:
            return self._changes()

    def keep_count(self, kept: Callable[[int], None]) -> None:
        """Have somebody outside this file keep count of the flips, from now on.

        Args:
            kept: Given :meth:`changes` now, after each flip and before each signing; raises if it was given
                more before. Then nothing is signed: the file is an old copy.

        Raises:
            StoreUnavailable: the file is older than the count, or cannot be read.
        """
        with self._lock:
            self._kept = kept
            self._tell()

    def retired(self) -> bool:
        """Whether another key has taken over from this service's own, here or in another process.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        query = "SELECT count(*) FROM signer WHERE jkt = ? AND until != ?"
        with self._lock:
            ((count,),) = self._rows(query, (self.public.thumbprint, FOR_GOOD))
        return count > 0

    def publics(self, now: int) -> tuple[PublicJwk, ...]:
        """Every key a trust list must name at ``now``: the one in use, any announced, and those just retired.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        query = "SELECT jwk FROM signer WHERE until > ? AND jkt != ? ORDER BY until DESC, jkt"
        with self._lock:
            others = self._rows(query, (now, self.public.thumbprint))
        return (self.public, *(PublicJwk.read(str(jwk).encode("utf-8")) for (jwk,) in others))

    def announce(self, key: PublicJwk) -> None:
        """Make known a key that the service will :meth:`rotate` to, so that trust lists can name it first.

        Raises:
            InputError: the key is in use, or was retired, or enough others are announced.
            StoreUnavailable: the file cannot be written.
        """
        with self._lock, written(self._db) as db:
            self._refuse_known(db, key)
            refuse_crowd(db, key, FOR_GOOD - 1, MAX_ANNOUNCED)
            db.execute("INSERT OR IGNORE INTO signer VALUES (?, ?, ?)", signer_row(key, FOR_GOOD))

    def rotate(self, key: SigningKey, now: int) -> None:
        """Sign with a new key from now on; the old one signs no more, here or in any process on this file.

        Raises:
            InputError: the key is in use, or was retired, or the lists of too many others still count.
            StoreUnavailable: the file cannot be written, or this service's own key was retired by another.
        """
        with self._lock:
            with written(self._db) as db:
                self._refuse_known(db, key.public)
                if is_retired(db, self.public):
                    raise _other_key()
                refuse_crowd(db, key.public, now, MAX_KEYS - 2)
                db.execute("DELETE FROM signer WHERE jkt = ?", (key.public.thumbprint,))
                until = now + MAX_TTL + CLOCK_SKEW
                db.execute("INSERT OR REPLACE INTO signer VALUES (?, ?, ?)", signer_row(self.public, until))
            self._key = key
            self._signed = (self._signed[0], -RENEW, "")

    def allot(self, owners: Sequence[Signatory], count: int = 1) -> tuple[int, ...]:
        """Give ``count`` unused entries, chosen at random, to these owners, each of whom can withdraw alone.

        Args:
            owners: The person; or a child, if she has a key, and every guardian.

        Raises:
            InputError: the list is full, or no owner is named.
            StoreUnavailable: the file cannot be written.
        """
        if not owners:
            raise InputError("a status entry needs an owner who can withdraw", code="input.status-owner")
        drawn: list[int] = []
        with self._lock, written(self._db) as db:
            (used,) = db.execute("SELECT count(*) FROM entry").fetchone()
            if used + count > self._size // 2:  # half full: random choice stays quick and unlinkable
                raise InputError("the status list is full; start another", code="input.status-list-full")
            while len(drawn) < count:
                idx = secrets.randbelow(self._size)
                if db.execute("INSERT OR IGNORE INTO entry (idx) VALUES (?)", (idx,)).rowcount:
                    drawn.append(idx)
            for signatory in {owner.to_json() for owner in owners}:
                db.execute("INSERT OR IGNORE INTO owner (signatory) VALUES (?)", (signatory,))
                belong = "INSERT INTO entry_owner SELECT ?, id FROM owner WHERE signatory = ?"
                db.executemany(belong, [(idx, signatory) for idx in drawn])
        return tuple(drawn)

    def revoke(self, idx: int) -> None:
        """Flip an entry for good, by the issuer's own decision.

        Raises:
            InputError: that entry was never allotted.
            StoreUnavailable: the file cannot be written.
        """
        if not 0 <= idx < self._size:
            raise _never_allotted()
        self._flip(idx)

    def withdraw(self, request: str) -> int:
        """Flip the entry that a signed withdrawal names; doing it twice is no error and changes nothing.

        Args:
            request: Compact JWS or passkey token, ``typ: consent-withdrawal+jwt``, signed by any one of those
                the entry was allotted to.

        Returns:
            The entry flipped.

        Raises:
            ConsentInvalid: the request is malformed or for another list; or no owner signed it, which reads
                the same whether or not the entry was ever allotted.
            StoreUnavailable: the file cannot be written.
        """
        _, claims = unverified(request)
        match claims.get("status_list"):
            case {"uri": self.uri, "idx": int(idx)} if 0 <= idx < self._size:
                pass
            case _:
                raise ConsentInvalid(ConsentStatus.MALFORMED, "the withdrawal is not for this status list")
        query = "SELECT signatory FROM owner JOIN entry_owner ON owner = id WHERE idx = ? ORDER BY id"
        with self._lock:
            rows = self._rows(query, (idx,))  # an entry's owners never change, so no transaction is held open
        try:
            asked = verify_withdrawal(request, [Signatory.from_json(str(text)) for (text,) in rows])
        except ConsentInvalid:
            raise ConsentInvalid(
                ConsentStatus.SIGNATURE_INVALID,
                "nobody whom that entry was allotted to signed the withdrawal",
            ) from None
        self._flip(asked.status_list.idx)
        return asked.status_list.idx

    def token(self, now: int) -> str:
        """The whole list, signed at ``now``; the last one again while nothing changed and it is young.

        Args:
            now: Unix seconds, taken before the call: the list must not claim to be younger than what it says.

        Raises:
            StoreUnavailable: the file cannot be read, this service's key was retired, or the file is older
                than a list that was signed from it, or than the count kept outside it: a backup put back
                would bring withdrawn consent back.
        """
        with self._lock:
            query = "SELECT changes, (SELECT count(*) FROM signer WHERE jkt = ? AND until != ?) FROM meta"
            ((changes, retired),) = self._rows(query, (self.public.thumbprint, FOR_GOOD))
            signed_changes, signed_at, token = self._signed
            if changes < signed_changes:
                raise StoreUnavailable(
                    "the status service's file is older than the lists signed from it",
                    remedy="put back the newest copy of the file; never sign from an older one",
                )
            if retired:
                raise _other_key()
            if changes == signed_changes and 0 <= now - signed_at < RENEW:
                return token
            changes = self._tell()
            flipped = [idx for (idx,) in self._rows("SELECT idx FROM entry WHERE value != 0")]
            token = sign_status_list(self.uri, self._key, flipped, now=now, size=self._size)
            self._signed = (changes, now, token)
            return token

    def source(self, clock: Callable[[], int]) -> StatusSource:
        """A source for ``StatusLists`` that signs at the clock's time."""
        return lambda _uri: self.token(clock())

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _flip(self, idx: int) -> None:
        with self._lock:
            with written(self._db) as db:
                _flip(db, idx)
            self._tell()

    def _tell(self) -> int:
        """Have the count kept, and give it; another process may flip between reading and telling."""
        changes = self._changes()
        while True:
            try:
                self._kept(changes)
            except StoreUnavailable:
                if (later := self._changes()) == changes:
                    raise
                changes = later
            else:
                return changes

    def _changes(self) -> int:
        ((changes,),) = self._rows("SELECT changes FROM meta")
        return changes

    def _rows(self, query: str, values: tuple[int | str, ...] = ()) -> list[tuple[int, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable("the status service's file cannot be read") from error

    def _refuse_known(self, db: sqlite3.Connection, key: PublicJwk) -> None:
        if key.thumbprint == self.public.thumbprint or is_retired(db, key):
            raise InputError("that key signs status lists already, or did", code="input.status-key")


def _uncounted(_: int) -> None:
    """Nobody outside the file keeps count."""


def _flip(db: sqlite3.Connection, idx: int) -> None:
    if db.execute("UPDATE entry SET value = 1 WHERE idx = ? AND value = 0", (idx,)).rowcount:
        db.execute("UPDATE meta SET changes = changes + 1")
    elif db.execute("SELECT 1 FROM entry WHERE idx = ?", (idx,)).fetchone() is None:
        raise _never_allotted()


def _other_key() -> StoreUnavailable:
    return StoreUnavailable(
        "this status service's key was retired",
        remedy="start it again with the key that took over; was the change cut short, make it once more",
    )


def _never_allotted() -> InputError:
    return InputError("that status entry was never allotted", code="input.status-entry")
