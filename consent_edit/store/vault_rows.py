"""The statements of the vault, inside the caller's transaction: find, keep, open, erase, wrap anew."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from consent_edit.errors import InputError, StoreUnavailable
from consent_edit.store.schema import STORE_INFO, VAULT_ENTRIES, VAULT_SUBJECTS
from consent_edit.store.sealing import EntryName, SubjectKey
from consent_edit.store.vault_key import VaultKey

MAX_NAME: Final = 512
"""Longest name of a subject or kind, characters."""

_TENANT: Final = "tenant"
_KEY_ID: Final = "vault-key"
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens the rows of one store: the vault key, and the store's own name (16 random bytes)."""

    key: VaultKey
    tenant: bytes

    def tag(self, subject: str) -> bytes:
        """What a subject's row is found by."""
        return self.key.tag(self.tenant, subject)


@dataclass(frozen=True, slots=True)
class Owner:
    """A subject's row and data key."""

    row: bytes
    key: SubjectKey


def lay(connection: Connection, key: VaultKey) -> None:
    """Name a new store, and the key of its vault."""
    for name, value in ((_TENANT, secrets.token_bytes(_ID_BYTES)), (_KEY_ID, key.id.encode("ascii"))):
        connection.execute(insert(STORE_INFO).values(name=name, value=value))


def tenant(connection: Connection) -> bytes:
    """The store's own name."""
    return _info(connection, _TENANT)


def key_id(connection: Connection) -> str:
    """The id of the key that opens the vault."""
    return _info(connection, _KEY_ID).decode("ascii", "replace")


def find(connection: Connection, keys: Keys, subject: str) -> tuple[Owner, ...]:
    """The one row of a subject, opened, or none."""
    tag = keys.tag(checked_name(subject))
    found = connection.execute(select(VAULT_SUBJECTS).where(VAULT_SUBJECTS.c.tag == tag)).all()
    return tuple(
        Owner(row, SubjectKey.unwrap(keys.key, keys.tenant, row, tag, wrapped)) for row, tag, wrapped in found
    )


def keep(connection: Connection, keys: Keys, subject: str, kind: str, data: bytes, *, replace: bool) -> None:
    """Seal an entry as the next version of its kind; a subject's first entry makes the data key."""
    owner = next(iter(find(connection, keys, subject)), None) or _enter(connection, keys, subject)
    named = _named(owner, checked_name(kind))
    newest = connection.scalar(select(func.max(VAULT_ENTRIES.c.version)).where(*named))
    version = 1 if newest is None else int(newest) + 1
    if replace:
        connection.execute(delete(VAULT_ENTRIES).where(*named))
    sealed = owner.key.seal(EntryName(keys.tenant, subject, kind, version), data)
    connection.execute(
        insert(VAULT_ENTRIES).values(subject_id=owner.row, kind=kind, version=version, sealed=sealed)
    )


def entries(connection: Connection, keys: Keys, subject: str, kind: str) -> list[bytes]:
    """A subject's entries of a kind, opened, oldest first."""
    opened: list[bytes] = []
    for owner in find(connection, keys, subject):
        found = connection.execute(
            select(VAULT_ENTRIES.c.version, VAULT_ENTRIES.c.sealed)
            .where(*_named(owner, checked_name(kind)))
            .order_by(VAULT_ENTRIES.c.version)
        )
        for version, sealed in found:
            opened.append(owner.key.open(EntryName(keys.tenant, subject, kind, version), sealed))
    return opened


def erase(connection: Connection, keys: Keys, subject: str) -> int:
    """Delete a subject's data key and entries; a row that no longer opens goes all the same."""
    tag = keys.tag(checked_name(subject))
    rows = select(VAULT_SUBJECTS.c.subject_id).where(VAULT_SUBJECTS.c.tag == tag).scalar_subquery()
    erased = connection.execute(delete(VAULT_ENTRIES).where(VAULT_ENTRIES.c.subject_id == rows)).rowcount
    connection.execute(delete(VAULT_SUBJECTS).where(VAULT_SUBJECTS.c.tag == tag))
    return erased


def wrap_anew(connection: Connection, old: Keys, new: Keys) -> None:
    """Wrap every data key under another vault key, and name that key as the one in force."""
    anew = []
    for row, tag, wrapped in connection.execute(select(VAULT_SUBJECTS)).all():
        owner = SubjectKey.unwrap(old.key, old.tenant, row, tag, wrapped)
        anew.append(
            {"row": row, "tag": new.tag(owner.subject), "wrapped": owner.wrap(new.key, new.tenant, row)}
        )
    statement = update(VAULT_SUBJECTS).where(VAULT_SUBJECTS.c.subject_id == bindparam("row"))
    if anew:
        connection.execute(statement, anew)
    connection.execute(
        update(STORE_INFO).where(STORE_INFO.c.name == _KEY_ID).values(value=new.key.id.encode("ascii"))
    )


def checked_name(name: str) -> str:
    """A name of a subject or kind that either database can keep.

    Raises:
        InputError: ``input.vault``.
    """
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InputError(f"a vault name is 1 to {MAX_NAME} printable characters", code="input.vault")
    return name


def _enter(connection: Connection, keys: Keys, subject: str) -> Owner:
    """Make a subject's row and data key."""
    owner = Owner(secrets.token_bytes(_ID_BYTES), SubjectKey.generate(subject))
    wrapped = owner.key.wrap(keys.key, keys.tenant, owner.row)
    connection.execute(
        insert(VAULT_SUBJECTS).values(subject_id=owner.row, tag=keys.tag(subject), wrapped=wrapped)
    )
    return owner


def _named(owner: Owner, kind: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return VAULT_ENTRIES.c.subject_id == owner.row, VAULT_ENTRIES.c.kind == kind


def _info(connection: Connection, name: str) -> bytes:
    value = connection.scalar(select(STORE_INFO.c.value).where(STORE_INFO.c.name == name))
    if not isinstance(value, bytes):
        raise StoreUnavailable("the store does not know its own name or key", code="check.store-damaged")
    return value
