"""AES-256-GCM of the vault: each sealed thing opens only as what it was sealed as.

A sealed thing is 12 random bytes of nonce, the ciphertext and the 16-byte tag (NIST SP 800-38D). The
associated data is canonical JSON, so no two descriptions share their bytes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consent_edit.encoding import canonical_json
from consent_edit.errors import StoreUnavailable
from consent_edit.store.vault_key import KEY_BYTES, VaultKey

_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class EntryName:
    """What one entry of the vault is; all of it is associated data.

    Attributes:
        tenant: 16 random bytes that name the store.
        subject: Whom it is about.
        kind: What it is.
        version: 1 for the first of its kind, and rising.
    """

    tenant: bytes
    subject: str
    kind: str
    version: int

    def bound(self) -> bytes:
        """The associated data."""
        return canonical_json(
            ["consent-edit/vault-entry/v1", self.tenant.hex(), self.subject, self.kind, self.version]
        )


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A subject's name and data key; both end when the row that holds them, wrapped, is deleted."""

    subject: str
    _data_key: bytes = field(repr=False)

    @classmethod
    def generate(cls, subject: str) -> SubjectKey:
        """A fresh data key."""
        return cls(subject, secrets.token_bytes(KEY_BYTES))

    def wrap(self, key: VaultKey, tenant: bytes, row: bytes) -> bytes:
        """Key and name sealed under the vault key, for one row of one store."""
        bound = _row_bound(key, tenant, row, key.tag(tenant, self.subject))
        return _seal(key.wrapping(), self._data_key + self.subject.encode("utf-8"), bound)

    @classmethod
    def unwrap(cls, key: VaultKey, tenant: bytes, row: bytes, tag: bytes, wrapped: bytes) -> SubjectKey:
        """Open a row.

        Raises:
            StoreUnavailable: ``check.store-damaged``: it is another subject's, row's, store's or key's.
        """
        data = _open(key.wrapping(), wrapped, _row_bound(key, tenant, row, tag))
        return cls(data[KEY_BYTES:].decode("utf-8"), data[:KEY_BYTES])

    def seal(self, name: EntryName, data: bytes) -> bytes:
        """Seal an entry as what it is."""
        return _seal(self._data_key, data, name.bound())

    def open(self, name: EntryName, sealed: bytes) -> bytes:
        """Open an entry.

        Raises:
            StoreUnavailable: ``check.store-damaged``: it was not sealed as this.
        """
        return _open(self._data_key, sealed, name.bound())


def _row_bound(key: VaultKey, tenant: bytes, row: bytes, tag: bytes) -> bytes:
    return canonical_json(["consent-edit/vault-subject/v1", tenant.hex(), key.id, row.hex(), tag.hex()])


def _seal(key: bytes, data: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, bound)


def _open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise StoreUnavailable(
            "an entry of the vault is damaged, or is not the one it stands for", code="check.store-damaged"
        ) from None
