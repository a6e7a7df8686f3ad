"""A status list is signed, and which keys sign it as its database has them: announced, in use, retired."""

from __future__ import annotations

import sqlite3
import zlib
from typing import Final

from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.status.token import MAX_TTL, STATUS_LIST_TYP
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.encoding import JsonValue, b64url_encode, canonical_json
from consent_edit.errors import InputError

LIST_SIZE: Final = 1 << 17
"""Entries of a list, all there from the start, so that its size tells nobody how many are enrolled."""

MAX_ANNOUNCED: Final = 2
"""Keys announced beside the one being announced."""

FOR_GOOD: Final = 2**53
"""``signer.until`` of an announced key; a retired one has the second at which its last list is stale."""


def signer_row(key: PublicJwk, until: int) -> tuple[str, str, int]:
    """A row of the table: thumbprint, public JWK, unix seconds until which its lists count."""
    return key.thumbprint, canonical_json(key.export()).decode("utf-8"), until


def refuse_crowd(db: sqlite3.Connection, key: PublicJwk, now: int, most: int) -> None:
    """A trust list names so many keys of a service and no more.

    Args:
        key: The one that comes in.
        now: Unix seconds.
        most: Others that may still count.

    Raises:
        InputError: there are more.
    """
    query = "SELECT count(*) FROM signer WHERE until > ? AND jkt != ?"
    (others,) = db.execute(query, (now, key.thumbprint)).fetchone()
    if others > most:
        raise InputError(
            "too many keys of this status service still count",
            code="input.status-key",
            remedy="wait until the lists that the retired ones signed have ended: two minutes",
        )


def is_retired(db: sqlite3.Connection, key: PublicJwk) -> bool:
    """Whether a key signed lists before another took over from it."""
    query = "SELECT 1 FROM signer WHERE jkt = ? AND until != ?"
    return db.execute(query, (key.thumbprint, FOR_GOOD)).fetchone() is not None


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
