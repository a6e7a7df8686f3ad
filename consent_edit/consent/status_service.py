"""The issuer's side of status: entries allotted, flipped and signed as a list.

An entry belongs to the key it was allotted to. The credential has one, and the issuer hands the holder a
stock of further ones for her grants, so that she can sign grants offline. A withdrawal is a request signed
by that key; the service flips the entry when the signature holds under the key it has on record, never
under one the request brings. Entries are flipped one way only: nothing can be un-withdrawn.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from consent_edit.consent.grant import verify_withdrawal
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.status import MAX_TTL, STATUS_LIST_TYP, StatusSource
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.encoding import JsonValue, b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable
from consent_edit.vocabulary import ConsentStatus

LIST_SIZE: Final = 1 << 17
"""Entries of a list, all there from the start, so that its size tells nobody how many are enrolled."""

_RENEW: Final = MAX_TTL // 3
"""Seconds after which an unchanged list is signed anew."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS owner (jkt TEXT PRIMARY KEY, jwk TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS entry (
    idx INTEGER PRIMARY KEY, jkt TEXT NOT NULL REFERENCES owner, value INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 0), changes INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO meta VALUES (0, 0);
"""


class IssuerStatus:
    """A status service of one list, in one SQLite file; safe between threads and processes.

    Args:
        uri: Address of the list; must be one the trust list gives this service.
        key: Signs the list.
        path: The SQLite file, or ``:memory:``.
        size: Entries of the list, a multiple of 8.

    Raises:
        StoreUnavailable: the file cannot be used.
    """

    def __init__(
        self, uri: str, key: SigningKey, path: Path | str = ":memory:", size: int = LIST_SIZE
    ) -> None:
        self.uri = uri
        self._key = key
        self._size = size
        self._lock = threading.Lock()
        self._signed: tuple[int, int, str] = (-1, -1, "")
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreUnavailable("the status service's file cannot be opened") from error

    @property
    def public(self) -> PublicJwk:
        """The key that verifies its lists."""
        return self._key.public

    def allot(self, owner: PublicJwk, count: int = 1) -> tuple[int, ...]:
        """Give ``count`` unused entries, chosen at random, to a key.

        Raises:
            InputError: the list is full.
            StoreUnavailable: the file cannot be written.
        """
        with self._transaction() as db:
            used = {row[0] for row in db.execute("SELECT idx FROM entry")}
            if len(used) + count > self._size // 2:  # half full: random choice stays quick and unlinkable
                raise InputError("the status list is full; start another", code="input.status-list-full")
            chosen: set[int] = set()
            while len(chosen) < count:
                idx = secrets.randbelow(self._size)
                if idx not in used:
                    chosen.add(idx)
            jwk = canonical_json(owner.export()).decode("utf-8")
            db.execute("INSERT OR IGNORE INTO owner VALUES (?, ?)", (owner.thumbprint, jwk))
            drawn = tuple(secrets.SystemRandom().sample(sorted(chosen), count))
            db.executemany(
                "INSERT INTO entry (idx, jkt) VALUES (?, ?)", [(i, owner.thumbprint) for i in drawn]
            )
        return drawn

    def revoke(self, idx: int) -> None:
        """Flip an entry for good, by the issuer's own decision.

        Raises:
            InputError: that entry was never allotted.
            StoreUnavailable: the file cannot be written.
        """
        if not 0 <= idx < self._size:
            raise _never_allotted()
        with self._transaction() as db:
            _flip(db, idx)

    def withdraw(self, request: str) -> int:
        """Flip the entry that a signed withdrawal names; doing it twice is no error.

        Args:
            request: Compact JWS, ``typ: consent-withdrawal+jwt``, signed by the key the entry was allotted
                to.

        Returns:
            The entry flipped.

        Raises:
            ConsentInvalid: the request is malformed, for another list, or not signed by that key.
            StoreUnavailable: the file cannot be written.
        """
        _, claims = unverified(request)
        match claims.get("status_list"):
            case {"uri": self.uri, "idx": int(idx)} if 0 <= idx < self._size:
                pass
            case _:
                raise ConsentInvalid(ConsentStatus.MALFORMED, "the withdrawal is not for this status list")
        with self._transaction() as db:
            query = "SELECT jwk FROM owner JOIN entry USING (jkt) WHERE idx = ?"
            row = db.execute(query, (idx,)).fetchone()
            if row is None:
                raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "no key is on record for that entry")
            key = PublicJwk.read(row[0].encode("utf-8"))
            _flip(db, verify_withdrawal(request, key).status_list.idx)
        return idx

    def token(self, now: int) -> str:
        """The whole list, signed at ``now``; the last one again while nothing changed and it is young.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        with self._lock:
            try:
                (changes,) = self._db.execute("SELECT changes FROM meta").fetchone()
                signed_changes, signed_at, token = self._signed
                if changes == signed_changes and 0 <= now - signed_at < _RENEW:
                    return token
                flipped = [row[0] for row in self._db.execute("SELECT idx FROM entry WHERE value != 0")]
            except sqlite3.Error as error:
                raise StoreUnavailable("the status service's file cannot be read") from error
            token = sign_status_list(self.uri, self._key, flipped, now=now, size=self._size)
            self._signed = (changes, now, token)
            return token

    def source(self, clock: Callable[[], int]) -> StatusSource:
        """A source for :class:`~consent_edit.consent.status.StatusLists` that signs at the clock's time."""
        return lambda _uri: self.token(clock())

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise StoreUnavailable("the status service's file cannot be written") from error


def sign_status_list(
    uri: str, key: SigningKey, flipped: list[int], *, now: int, size: int = LIST_SIZE
) -> str:
    """A status list token of 1-bit entries (Token Status List sections 4 and 5).

    Args:
        flipped: Indices of the entries that are no longer valid.
        now: ``iat``, unix seconds; the list expires :data:`MAX_TTL` later, the skew allowed for.
        size: Entries, a multiple of 8.
    """
    entries = bytearray(size // 8)
    for idx in flipped:
        entries[idx // 8] |= 1 << (idx % 8)
    claims: dict[str, JsonValue] = {
        "sub": uri,
        "iat": now,
        "exp": now + MAX_TTL + CLOCK_SKEW,
        "ttl": MAX_TTL,
        "status_list": {"bits": 1, "lst": b64url_encode(zlib.compress(bytes(entries), 9))},
    }
    return sign_compact(claims, key, typ=STATUS_LIST_TYP, kid=key.public.kid)


def _flip(db: sqlite3.Connection, idx: int) -> None:
    if db.execute("UPDATE entry SET value = 1 WHERE idx = ?", (idx,)).rowcount != 1:
        raise _never_allotted()
    db.execute("UPDATE meta SET changes = changes + 1")


def _never_allotted() -> InputError:
    return InputError("that status entry was never allotted", code="input.status-entry")
