"""Opening: a database is brought to this version, and the key of its vault found or made."""

from __future__ import annotations

from sqlalchemy import Connection

from consent_edit.errors import InputError
from consent_edit.store import migration, vault_rows
from consent_edit.store.database import Database, translated
from consent_edit.store.vault import Vault
from consent_edit.store.vault_key import KeyFile, VaultKey, key_unavailable


def open_vault(connection: Connection, database: Database, given: VaultKey | None) -> Vault:
    """Bring the database to this version and find its vault's key, inside one writing transaction.

    Raises:
        StoreUnavailable: as :meth:`Store.open`.
    """
    fresh = migration.prepare(connection)
    file = _key_file(database, given)
    if fresh:
        key = _new_key(given, file)
        vault_rows.lay(connection, key)
        return Vault(database, key, file)
    named = vault_rows.key_id(connection)
    if file is not None:
        with translated():
            return Vault(database, file.find(named), file)
    if given is None or given.id != named:
        raise key_unavailable(
            "the key given is not the store's", "give the key that the vault was last given"
        )
    return Vault(database, given, None)


def _key_file(database: Database, given: VaultKey | None) -> KeyFile | None:
    """The file that holds the key and follows its changes, if there is one."""
    if given is not None:
        return None if given.file is None else KeyFile(given.file)
    return None if database.path is None else KeyFile.beside(database.path)


def _new_key(given: VaultKey | None, file: KeyFile | None) -> VaultKey:
    """The key of a vault that holds nothing yet."""
    if given is not None:
        return given
    if file is None:
        return VaultKey.generate()
    try:
        return file.create()
    except InputError as error:
        raise key_unavailable(error.message, f"see to {file.path}, or move it away") from error
