"""The key of the vault: what it derives, its file, and how the file follows a change of key."""

from __future__ import annotations

import glob
import hmac
import secrets
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from consent_edit.consent.keys import read_private, write_private
from consent_edit.encoding import b64url_decode, b64url_encode, canonical_json, parse_json
from consent_edit.errors import InputError, StoreUnavailable
from consent_edit.store.sqlite import sync_folder

KEY_BYTES: Final = 32
_DOMAIN: Final = b"consent-edit/vault/v1/"
_MAX_FILE_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class VaultKey:
    """An AES-256 key that wraps every subject's data key; its text forms are made only on purpose.

    Attributes:
        id: Names the key and gives nothing of it away: 32 hex digits derived from it.
        file: The file it was read from. A store that is given the key finds it there again after a change
            of key that was cut short, and the file follows the next change. ``None`` for a key of no file.
    """

    id: str
    _secret: bytes = field(repr=False)
    file: Path | None = field(default=None, compare=False)

    @classmethod
    def generate(cls) -> VaultKey:
        """A fresh key from the system's random source."""
        return cls.of(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def of(cls, secret: bytes) -> VaultKey:
        """The key of 32 secret bytes, as a key service would hand them over.

        Raises:
            InputError: they are not 32 bytes.
        """
        if len(secret) != KEY_BYTES:
            raise InputError("a vault key is 32 bytes", code="input.key")
        return cls(id=_derived(secret, b"id").hex()[:32], _secret=secret)

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner can read (mode 0600).

        Raises:
            InputError: the file is there already; keys are never overwritten.
        """
        write_private(path, self._text(), new=True)

    @classmethod
    def load(cls, path: Path) -> VaultKey:
        """Read a key written by :meth:`save`.

        Raises:
            InputError: no such file, one open to others than its owner, or no vault key.
        """
        data = read_private(path, otherwise="change the vault's key")
        try:
            jwk = parse_json(data, max_bytes=_MAX_FILE_BYTES)
            if not isinstance(jwk, dict) or jwk.get("kty") != "oct" or not isinstance(jwk.get("k"), str):
                raise ValueError("no symmetric key")
            key = replace(cls.of(b64url_decode(str(jwk["k"]))), file=path)
            if key.id != jwk.get("kid"):
                raise ValueError("the key is not the one its file names")
        except ValueError:
            raise InputError(f"{path.name} is no vault key", code="input.key") from None
        return key

    def tag(self, tenant: bytes, subject: str) -> bytes:
        """What a subject is found by: HMAC-SHA256 under a key derived from this one."""
        return hmac.digest(_derived(self._secret, b"tag"), tenant + subject.encode("utf-8"), sha256)

    def wrapping(self) -> bytes:
        """The AES-256 key under which data keys are wrapped."""
        return _derived(self._secret, b"wrap")

    def _text(self) -> bytes:
        """The key as a JWK (RFC 7518, section 6.4)."""
        return canonical_json(
            {"alg": "A256GCM", "k": b64url_encode(self._secret), "kid": self.id, "kty": "oct"}
        )


def _derived(secret: bytes, use: bytes) -> bytes:
    """32 bytes for one use alone (HKDF-Expand, RFC 5869: the secret is uniform already)."""
    return HKDFExpand(algorithm=SHA256(), length=32, info=_DOMAIN + use).derive(secret)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The key file of a store, beside it or where its owner keeps it. Used only under the store's write lock.

    A change of key writes the new key beside the old file, commits, and puts it in the old one's place;
    whoever opens the store after a crash finds the key that the database names, and finishes. The file of a
    key that is to take over bears that key's id, so that of two changes neither puts the other's in place.
    """

    path: Path

    @classmethod
    def beside(cls, database: Path) -> KeyFile:
        """The key file of a SQLite file: its name and ``.vault-key``."""
        return cls(database.with_name(f"{database.name}.vault-key"))

    def _next(self, key_id: str) -> Path:
        return self.path.with_name(f"{self.path.name}.next-{key_id}")

    def create(self) -> VaultKey:
        """The key for a vault that holds nothing yet: a fresh one, unless a crash left one here.

        Raises:
            InputError: the file cannot be written, or cannot be used.
        """
        if not self.path.exists():
            VaultKey.generate().save(self.path)
            sync_folder(self.path.parent)
        return VaultKey.load(self.path)

    def find(self, key_id: str) -> VaultKey:
        """The key the database names, from this file or from a change of key that was cut short.

        Raises:
            StoreUnavailable: ``check.vault-key``: neither file holds it.
        """
        reason = f"{self.path.name} holds another key"
        for path in (self.path, self._next(key_id)):
            try:
                key = VaultKey.load(path)
            except InputError as error:
                reason = error.message if path == self.path else reason
                continue
            if key.id == key_id:
                self.finish(key_id)
                return key
        raise key_unavailable(reason, f"put the store's own key back as {self.path}, mode 0600")

    def prepare(self, key: VaultKey, *, in_force: str) -> None:
        """Write the key that is about to take over beside the one in force; end what never came into force.

        Args:
            in_force: Id of the key in force; its change may not have been finished.

        Raises:
            InputError: it cannot be written.
        """
        self.finish(in_force)
        for left in self.path.parent.glob(f"{glob.escape(self.path.name)}.next-*"):
            left.unlink(missing_ok=True)
        write_private(self._next(key.id), key._text())
        sync_folder(self.path.parent)

    def finish(self, key_id: str) -> None:
        """Put a key that came into force in the old one's place; another process may have done so."""
        try:
            self._next(key_id).replace(self.path)
        except FileNotFoundError:
            return
        sync_folder(self.path.parent)


def key_unavailable(reason: str, remedy: str) -> StoreUnavailable:
    """The error for a vault that cannot be opened for want of its key."""
    return StoreUnavailable(f"the vault cannot be opened: {reason}", code="check.vault-key", remedy=remedy)
