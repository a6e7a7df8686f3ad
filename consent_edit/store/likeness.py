"""Likeness: released pictures found again by what they look like, whatever file they come back in.

Kept of each is its PDQ hash, which tells a picture's layout and nobody's face, and its pixel digest, which
opens where it came from (``store.lineage``): both sealed under one random key of the store's, which lies in
the vault. No bit of a hash stands in clear, and no two rows can be told to be alike, without the vault key;
nearness cannot be looked up in sealed rows, so a store that is asked holds the hashes in its memory. It is
in no log and no receipt, comes with the release or not at all, and ends with the lineage.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, select

from consent_edit.errors import StoreUnavailable
from consent_edit.intake.digests import is_digest
from consent_edit.intake.pdq import BITS, HASH_BYTES
from consent_edit.perception.observation import Origin
from consent_edit.store import ledger, lineage
from consent_edit.store.database import insert_into
from consent_edit.store.schema import LIKENESSES
from consent_edit.store.vault import Vault

MOST_ALIKE: Final = 64
"""Released pictures looked into for one that comes in; each bears the past of those near it already."""

_KEY_NAME: Final = "consent-edit/likeness"
_NONCE_BYTES: Final = 12
_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Alike:
    """A released picture that another one looks like.

    Attributes:
        distance: Bits between them, 0 to 256.
        which: Index of the hash that it was nearest to.
        part: 0 for the released picture, 1 for it without the band below.
        origin: Where it came from.
    """

    distance: int
    which: int
    part: int
    origin: Origin


class Likenesses:
    """What released pictures look like. Safe to share between threads."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._lock = threading.Lock()
        self._last = -1
        self._pictures: list[tuple[str, int]] = []
        self._hashes = bytearray()

    def keep(self, connection: Connection, picture: str, hashes: Sequence[bytes], now: int) -> None:
        """Remember what a released picture looks like, inside the caller's transaction; forget what is old.

        Args:
            picture: Its pixel digest.
            hashes: Of it, and of it without the band below; none for a picture too plain to be told.

        Raises:
            StoreUnavailable: ``check.record``: these are no digest and no hashes.
        """
        connection.execute(delete(LIKENESSES).where(LIKENESSES.c.until < now))
        if not hashes:
            return
        if not is_digest(picture) or any(len(one) != HASH_BYTES for one in hashes):
            raise StoreUnavailable("a picture's likeness cannot be written", code="check.record")
        key = self._vault.shared_key(connection, _KEY_NAME, make=True)
        name = lineage.named(picture)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        data = bytes.fromhex(picture.removeprefix("sha256:")) + b"".join(hashes)
        row = insert_into(connection, LIKENESSES).values(
            picture_hash=name,
            until=now + lineage.KEPT_S,
            since=ledger.log_size(connection),
            sealed=nonce + AESGCM(key).encrypt(nonce, data, name),
        )
        connection.execute(
            row.on_conflict_do_update(
                index_elements=[LIKENESSES.c.picture_hash], set_={"until": row.excluded.until}
            )
        )

    def forget(self, connection: Connection, pictures: Sequence[str]) -> None:
        """Forget what released pictures look like."""
        names = [lineage.named(picture) for picture in pictures]
        connection.execute(delete(LIKENESSES).where(LIKENESSES.c.picture_hash.in_(names)))

    def find(self, connection: Connection, hashes: Sequence[bytes], most: float) -> tuple[Alike, ...]:
        """The released pictures that any of the hashes is near to, the nearest first.

        Args:
            hashes: What the picture looks like, in every way it may lie.
            most: Bits that may differ.

        Raises:
            StoreUnavailable: ``check.store-damaged``: a row cannot be opened.
        """
        if not hashes:
            return ()
        with self._lock:
            self._learn(connection)
            pictures, known = list(self._pictures), bytes(self._hashes)
        near: dict[str, tuple[int, int, int]] = {}
        for distance, which, at in sorted(_near(hashes, known, most)):
            picture, part = pictures[at]
            near.setdefault(picture, (distance, which, part))
        found: list[Alike] = []
        for picture, where in near.items():
            if len(found) == MOST_ALIKE:
                break
            found += [Alike(*where, one) for one in lineage.known(connection, picture)]
        return tuple(found)

    def _learn(self, connection: Connection) -> None:
        """Take in the rows that came since the last time; one that was deleted since leads nowhere."""
        columns = LIKENESSES.c
        rows = connection.execute(
            select(columns.since, columns.picture_hash, columns.sealed)
            .where(columns.since > self._last)
            .order_by(columns.since)
        ).all()
        if not rows:
            return
        opener = AESGCM(self._vault.shared_key(connection, _KEY_NAME, make=False))
        opened = [_opened(opener, bytes(name), bytes(sealed)) for _, name, sealed in rows]
        for picture, hashes in opened:
            self._pictures += [(picture, part) for part in range(len(hashes) // HASH_BYTES)]
            self._hashes += hashes
        self._last = int(rows[-1][0])


def _opened(opener: AESGCM, name: bytes, sealed: bytes) -> tuple[str, bytes]:
    """Pixel digest and hashes of a row."""
    try:
        data = opener.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name)
    except (InvalidTag, ValueError):
        data = b""
    picture = f"sha256:{data[:HASH_BYTES].hex()}"
    if len(data) < 2 * HASH_BYTES or len(data) % HASH_BYTES or lineage.named(picture) != name:
        raise StoreUnavailable("a picture's likeness in the store is damaged", code="check.store-damaged")
    return picture, data[HASH_BYTES:]


def _near(hashes: Sequence[bytes], known: bytes, most: float) -> list[tuple[int, int, int]]:
    """(distance, index of the hash, index of the known one) of those within so many bits of one another."""
    asked = _signs(b"".join(hashes))
    found: list[tuple[int, int, int]] = []
    for start in range(0, len(known) // HASH_BYTES, _AT_ONCE):
        part = known[start * HASH_BYTES : (start + _AT_ONCE) * HASH_BYTES]
        apart = (BITS - asked @ _signs(part).T) / 2  # whole numbers, exact in float32
        best = apart.argmin(axis=0)
        for at in np.nonzero(apart.min(axis=0) <= most)[0]:
            found.append((round(float(apart[best[at], at])), int(best[at]), start + int(at)))
    return found


def _signs(hashes: bytes) -> NDArray[np.float32]:
    """Bits as -1 and 1, float32 (hashes, 256): the product of two rows tells how many agree."""
    bits = np.unpackbits(np.frombuffer(hashes, dtype=np.uint8)).reshape(-1, BITS)
    return bits.astype(np.float32) * 2 - 1
