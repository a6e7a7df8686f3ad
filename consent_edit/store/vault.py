"""The vault: what is kept of a person, sealed under a key of that person's own, until it is erased (G8)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from consent_edit.encoding import JsonValue
from consent_edit.errors import InputError, StoreUnavailable
from consent_edit.store import vault_rows
from consent_edit.store.database import Database, translated
from consent_edit.store.ledger import bounded_json, parse_record
from consent_edit.store.schema import VAULT_ENTRIES, VAULT_SUBJECTS
from consent_edit.store.sealing import EntryName, SubjectKey
from consent_edit.store.vault_key import KEY_BYTES, KeyFile, VaultKey, key_unavailable
from consent_edit.store.vault_rows import Keys, checked_name

DECISION_KIND: Final = "decision"
"""Kind of the entries that :meth:`Vault.record` keeps; :meth:`Vault.put` does not take it."""

_KEY_KIND: Final = "key"

MAX_DATA_BYTES: Final = 1024 * 1024
"""Bound on what one entry holds."""


@dataclass(frozen=True, slots=True)
class SubjectEntry:
    """What a decision leaves in the vault of one person depicted; erased with that person's key.

    Attributes:
        subject: Whom it is about, as the caller names people; never stored in clear.
        data: What opens the log's commitments to that person's grants, and the like.
    """

    subject: str
    data: Mapping[str, JsonValue]


class Vault:
    """The sealed part of a store. Safe to share between threads.

    Whoever holds the database without the vault key learns how many subjects there are, how many entries of
    which kind each has and how long they are; not who, and not what.
    """

    def __init__(self, database: Database, key: VaultKey, key_file: KeyFile | None) -> None:
        self._database = database
        self._known = {key.id: key}
        self._key_file = key_file

    def put(self, subject: str, kind: str, data: bytes) -> None:
        """Keep an entry, in place of an older one of that subject and kind.

        Raises:
            InputError: ``input.vault``: subject or kind is empty or too long, or the data too large.
            StoreUnavailable: not kept; ``check.vault-key`` when the vault was given another key meanwhile.
        """
        if kind in {DECISION_KIND, _KEY_KIND} or len(data) > MAX_DATA_BYTES:
            raise InputError("the vault keeps up to 1 MiB, of a kind of your own", code="input.vault")
        with self._database.writing() as connection:
            vault_rows.keep(connection, self._in_force(connection), subject, kind, data, replace=True)

    def get(self, subject: str, kind: str) -> bytes:
        """The entry of a subject and kind.

        Raises:
            InputError: as :meth:`put`.
            StoreUnavailable: ``check.no-entry``: there is none, or it was erased; ``check.store-damaged``: it
                was tampered with; ``check.vault-key``; or the store cannot be read.
        """
        found = self._entries(subject, kind)
        if not found:
            raise StoreUnavailable("the vault holds no such entry", code="check.no-entry")
        return found[-1]

    def all(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """Every subject's entry of a kind, from one snapshot, opened one by one as they are asked for.

        Raises:
            InputError: as :meth:`put`.
            StoreUnavailable: as :meth:`get`; one damaged entry ends the iteration.
        """
        rows = select(VAULT_SUBJECTS, VAULT_ENTRIES.c.version, VAULT_ENTRIES.c.sealed).join(VAULT_ENTRIES)
        rows = rows.where(VAULT_ENTRIES.c.kind == checked_name(kind)).order_by(VAULT_SUBJECTS.c.tag)
        with self._database.reading() as connection:
            keys, found = self._in_force(connection), connection.execute(rows).all()

        def opened() -> Iterator[tuple[str, bytes]]:
            for row, tag, wrapped, version, sealed in found:
                owner = SubjectKey.unwrap(keys.key, keys.tenant, row, tag, wrapped)
                yield owner.subject, owner.open(EntryName(keys.tenant, owner.subject, kind, version), sealed)

        return opened()

    def stamp(self, kind: str) -> tuple[tuple[bytes, int], ...]:
        """Which entries of a kind there are, by name and version; another stamp, other entries.

        Raises:
            InputError: as :meth:`put`.
            StoreUnavailable: the store cannot be read.
        """
        rows = select(VAULT_SUBJECTS.c.tag, VAULT_ENTRIES.c.version).join(VAULT_ENTRIES)
        rows = rows.where(VAULT_ENTRIES.c.kind == checked_name(kind)).order_by(VAULT_SUBJECTS.c.tag)
        with self._database.reading() as connection:
            return tuple((bytes(tag), int(version)) for tag, version in connection.execute(rows))

    def erase(self, subject: str) -> int:
        """Destroy a subject's data key, and with it the means to open anything sealed under it.

        On SQLite the wrapped key is overwritten in the file and gone from its write-ahead log. Backups, and
        PostgreSQL's dead rows and log, may keep it, still wrapped, until :meth:`rekey` and the end of the old
        vault key.

        Returns:
            How many entries were erased; 0 for a subject the vault does not know.

        Raises:
            InputError: as :meth:`put`.
            StoreUnavailable: not erased; or ``check.erase-pending``: erased, but call it again.
        """
        with self._database.writing() as connection:
            erased = vault_rows.erase(connection, self._in_force(connection), subject)
        self._database.forget_deleted()  # also where nothing was found: an erasure may have been cut short
        return erased

    def rekey(self, new: VaultKey) -> None:
        """Wrap every data key anew, in one transaction: all under the new key, or all under the old.

        The file that the key in force was read from follows, whether it lies beside the store or was loaded
        by the caller: the new key is in a file before it is in force. A key of no file is the caller's: keep
        the new one before this, end the old one after. Other programs that hold the store must open it again.

        Raises:
            InputError: the new key could not be written beside the old; nothing changed.
            StoreUnavailable: nothing changed; or ``check.erase-pending``: the new key is in force, but the
                write-ahead log still holds keys wrapped by the old one.
        """
        with self._database.writing() as connection:
            old = self._in_force(connection)
            self._known[new.id] = new  # before the commit, so that no reader is left without the key in force
            if self._key_file is not None:
                self._key_file.prepare(new, in_force=old.key.id)
            vault_rows.wrap_anew(connection, old, Keys(new, old.tenant))
        if self._key_file is not None:
            with translated():
                self._key_file.finish(new.id)
        self._database.forget_deleted()

    def record(self, connection: Connection, entry: SubjectEntry, decision_id: str) -> None:
        """Keep what a decision leaves of a person, inside the caller's writing transaction.

        Raises:
            InputError: ``input.vault``: the subject is empty or too long.
            StoreUnavailable: not kept.
        """
        data = bounded_json({"data": entry.data, "decision_id": decision_id})
        keys = self._in_force(connection)
        vault_rows.keep(connection, keys, entry.subject, DECISION_KIND, data, replace=False)

    def shared_key(self, connection: Connection, name: str, *, make: bool) -> bytes:
        """A random key of 32 bytes that is the store's own and nobody's, sealed like an entry.

        Args:
            make: Whether to make it when there is none yet, inside the caller's writing transaction.

        Raises:
            StoreUnavailable: ``check.store-damaged``: it was made once and is not there; or as :meth:`get`.
        """
        keys = self._in_force(connection)
        found = vault_rows.entries(connection, keys, name, _KEY_KIND)
        if not found and make:
            found = [secrets.token_bytes(KEY_BYTES)]
            vault_rows.keep(connection, keys, name, _KEY_KIND, found[0], replace=True)
        if not found:
            raise StoreUnavailable("a key of the store is not there", code="check.store-damaged")
        return found[0]

    def recorded(self, subject: str) -> tuple[Mapping[str, JsonValue], ...]:
        """What :meth:`record` kept of a subject, oldest first: ``decision_id`` and ``data`` each.

        Raises:
            InputError: as :meth:`put`.
            StoreUnavailable: as :meth:`get`, except that to find nothing is an empty answer.
        """
        return tuple(parse_record(data) for data in self._entries(subject, DECISION_KIND))

    def _entries(self, subject: str, kind: str) -> list[bytes]:
        """A subject's entries of a kind, opened, oldest first."""
        with self._database.reading() as connection:
            return vault_rows.entries(connection, self._in_force(connection), subject, kind)

    def _in_force(self, connection: Connection) -> Keys:
        """The key that the store names now, if it is one we hold."""
        key = self._known.get(vault_rows.key_id(connection))
        if key is None:
            raise key_unavailable(
                "another program changed its key", "open the store again, with the key now in force"
            )
        return Keys(key, vault_rows.tenant(connection))
