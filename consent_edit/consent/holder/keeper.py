"""Keeps a wallet's content: in memory, or in its folder, sealed at rest and one writer at a time.

The content holds a face template, so it stands encrypted (AES-256-GCM) under a key of its own file, which may
lie on another disk. The associated data name the holder and the format's version, so that no other wallet's
content passes for it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consent_edit.consent.encoding import b64url_decode, malformed
from consent_edit.consent.holder.held import Token, WalletState
from consent_edit.consent.keys import write_private
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.wire import Wire, read_wire
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid, InputError

SEALED: Final = "wallet.sealed"
LOCK: Final = ".lock"
_MAGIC: Final = b"consent-edit wallet 1\n"
_NONCE: Final = 12
_PATIENCE: Final = 10.0
"""Seconds to wait for another process that writes the same wallet."""

_Answer = TypeVar("_Answer")


class Keeper(Protocol):
    """Keeps a wallet's content; two updates never lose each other."""

    def read(self) -> WalletState:
        """The content as it stands."""

    def update(self, change: Callable[[WalletState], tuple[WalletState, _Answer]]) -> _Answer:
        """Change the content; what ``change`` raises leaves it as it was."""


@dataclass(slots=True)
class MemoryKeeper:
    """A wallet's content in memory, for tests and demos."""

    _state: WalletState = field(default_factory=WalletState)

    def read(self) -> WalletState:
        """The content as it stands."""
        return self._state

    def update(self, change: Callable[[WalletState], tuple[WalletState, _Answer]]) -> _Answer:
        """Change the content; what ``change`` raises leaves it as it was."""
        self._state, answer = change(self._state)
        return answer


@dataclass(frozen=True, slots=True)
class FolderKeeper:
    """A wallet's content in its folder, sealed.

    Attributes:
        key_file: Where the key is that it is sealed under.
        holder: Whose it is; the content is bound to her key.
    """

    folder: Path
    key_file: Path
    holder: Signatory

    def read(self) -> WalletState:
        """The content as it stands.

        Raises:
            InputError: there is none, its key is gone, or it was altered or is another wallet's.
        """
        key = load_key(self.key_file)
        try:
            data = (self.folder / SEALED).read_bytes()
        except OSError as error:
            raise no_wallet(self.folder) from error
        try:
            if not data.startswith(_MAGIC):
                raise malformed("not a sealed wallet")
            nonce, sealed = data[len(_MAGIC) :][:_NONCE], data[len(_MAGIC) + _NONCE :]
            return read_wire(WalletState, AESGCM(key).decrypt(nonce, sealed, self._bound_to()))
        except (InvalidTag, ValueError, ConsentInvalid) as error:
            raise InputError(
                f"the content of the wallet in {self.folder.name} was altered, or is another wallet's",
                code="input.wallet",
                remedy="put the folder back from your own copy, with the key file that belongs to it",
            ) from error

    def update(self, change: Callable[[WalletState], tuple[WalletState, _Answer]]) -> _Answer:
        """Read again under the lock, change, and write in one step.

        Raises:
            InputError: as :meth:`read`, or it cannot be written; the old content then stands.
        """
        with locked(self.folder):
            state, answer = change(self.read())
            self.write(state, load_key(self.key_file))
        return answer

    def write(self, state: WalletState, key: bytes) -> None:
        """Seal the content and put it in place of the old.

        Raises:
            InputError: it cannot be written.
        """
        nonce = secrets.token_bytes(_NONCE)
        data = state.model_dump_json().encode("utf-8")
        sealed = AESGCM(key).encrypt(nonce, data, self._bound_to())
        write_private(self.folder / SEALED, _MAGIC + nonce + sealed)

    def _bound_to(self) -> bytes:
        return canonical_json({"holder": self.holder.claim(), "version": 1})


def save_key(path: Path, key: bytes) -> None:
    """Write the key that a wallet's content is sealed under, to a new file of mode 0600.

    Raises:
        InputError: the file is there already, or it cannot be written.
    """
    jwk = {"alg": "A256GCM", "k": b64url_encode(key), "kty": "oct"}
    write_private(path, canonical_json(jwk), new=True)


def load_key(path: Path) -> bytes:
    """Read a key written by :func:`save_key`; 32 bytes.

    Raises:
        InputError: as :func:`read_key`, or the file is open to others than its owner.
    """
    key = read_key(path)
    if path.stat().st_mode & 0o077:
        raise InputError(
            f"the key file {path.name} is open to others than its owner",
            code="input.key",
            remedy=f"chmod 600 {path}; if others could have read it, make a new wallet",
        )
    return key


def read_key(path: Path) -> bytes:
    """Read a key, whoever else may read it; 32 bytes.

    Raises:
        InputError: there is none, or the file holds something else.
    """
    try:
        key = b64url_decode(read_wire(_SealKey, path.read_bytes()).k)
    except OSError as error:
        raise InputError(
            f"the wallet's key file {path.name} is not there: without it the wallet cannot be opened",
            code="input.wallet",
            remedy="name the key file if it lies elsewhere; if it was destroyed, the wallet is erased",
        ) from error
    except ConsentInvalid:
        key = b""
    if len(key) != 32:
        raise InputError(f"{path.name} is no wallet's key", code="input.key")
    return key


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else writes the wallet meanwhile; the lock goes with the process that held it.

    Raises:
        InputError: there is no such folder, or another process keeps it busy.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise no_wallet(folder) from error
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _taken(handle):
            if time.monotonic() >= deadline:
                raise InputError("another process keeps the wallet busy", code="input.wallet")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def no_wallet(folder: Path) -> InputError:
    """Says so, and how to make one."""
    return InputError(
        f"no wallet in {folder.name}", code="input.wallet", remedy="make one with: consent-edit wallet init"
    )


class _SealKey(Wire):
    """The key file: a symmetric JWK (RFC 7518 section 6.4)."""

    kty: Literal["oct"]
    alg: Literal["A256GCM"]
    k: Token


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
