"""A wallet's folder: made whole or not at all, opened, and destroyed.

Destroying the key file that its content is sealed under is what erases a wallet; the rest goes with it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consent_edit.consent.encoding import malformed
from consent_edit.consent.holder.held import HeldCredential, HeldGrant, Token, WalletState, read_credential
from consent_edit.consent.holder.keeper import (
    LOCK,
    SEALED,
    FolderKeeper,
    load_key,
    locked,
    no_wallet,
    read_key,
    save_key,
)
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import SigningKey, write_private
from consent_edit.consent.presentation import HolderCard
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.wire import StatusRef, Wire, read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import ConsentInvalid, InputError

HOLDER_KEY: Final = "holder.key.json"
OPENING_KEY: Final = "opening.key.json"
HOLDER_CARD: Final = "holder.json"
WALLET_KEY: Final = "wallet.key"
CLEAR: Final = "wallet.json"
"""Where earlier versions kept the content in the clear."""

_OURS: Final = (HOLDER_KEY, OPENING_KEY, SEALED, CLEAR, HOLDER_CARD)


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """What a wallet's folder gives.

    Attributes:
        signs: Her private key, or who signs where a passkey does.
        opening: Opens what is sealed to her.
    """

    signs: SigningKey | Signatory
    opening: OpeningKey
    keeper: FolderKeeper


def signatory_of(signs: SigningKey | Signatory) -> Signatory:
    """Whose signature it makes."""
    return signs if isinstance(signs, Signatory) else Signatory(signs.public)


def create_folder(folder: Path, signs: SigningKey | Signatory, key_file: Path) -> None:
    """Make a wallet's folder, of mode 0700: all of it, or nothing.

    Args:
        signs: Her private key, kept in the folder; or who signs where a passkey does, kept elsewhere.
        key_file: Where the key goes that the content is sealed under; in the folder, or elsewhere.

    Raises:
        InputError: something is there already, or it cannot be written.
    """
    folder, key_file = folder.absolute(), key_file.absolute()
    inside = key_file.parent == folder
    building = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    try:
        building.mkdir(mode=0o700, parents=True)
        key = _fill(building, signs)
        save_key(building / key_file.name if inside else key_file, key)
        try:
            _sync(building)
            building.rename(folder)  # onto an empty folder, or nothing
        except BaseException:
            if not inside:
                key_file.unlink()
            raise
        _sync(folder.parent)
    except OSError as error:
        raise InputError(
            f"cannot make a wallet in {folder.name}: something is there already, or it cannot be written",
            code="input.wallet",
            remedy="name a new folder",
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def open_folder(folder: Path, key_file: Path) -> OpenFolder:
    """Open a wallet's folder; one of an earlier version, in the clear, is sealed on the way.

    Raises:
        InputError: there is no wallet, its key is gone, a key file is open to others, or a file in it was
            altered or is another wallet's.
    """
    try:
        signs = _signs(folder)
        keeper = FolderKeeper(folder, key_file, signatory_of(signs))
        if (folder / CLEAR).exists():
            with locked(folder):
                _seal_old(keeper, signs)
        keeper.read()
        return OpenFolder(signs, OpeningKey.load(folder / OPENING_KEY), keeper)
    except ConsentInvalid as error:
        raise InputError(
            f"a file of the wallet in {folder.name} is not as it was written", code="input.wallet"
        ) from error
    except OSError as error:
        raise InputError(
            f"a file of the wallet in {folder.name} cannot be read or written", code="input.wallet"
        ) from error


def erase_folder(folder: Path, key_file: Path) -> bool:
    """Destroy a wallet: first the key its content is sealed under, then her keys, then the rest.

    A wallet that cannot be opened any more, or was half erased, is erased all the same. Files that no wallet
    put there are left, and the folder with them.

    Returns:
        Whether the key was there to be destroyed; if not, it may lie elsewhere.

    Raises:
        InputError: there is no wallet, ``key_file`` is no wallet's key, or a file cannot be destroyed.
    """
    if not any((folder / name).exists() for name in _OURS):
        raise no_wallet(folder)
    with locked(folder):
        found = key_file.exists()
        if found and key_file.absolute().parent != folder.absolute():
            read_key(key_file)  # a file named by mistake is not destroyed
        scratch = [path for name in _OURS for path in folder.glob(f".{name}.*")]
        cards = folder.glob("holder*.json")
        try:
            for path in (key_file.resolve(), *(folder / name for name in _OURS), *scratch, *cards):
                _destroy(path)
            for path in (key_file, folder / LOCK):
                path.unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()
        except OSError as error:
            raise InputError(
                f"cannot erase all of the wallet in {folder.name}", code="input.wallet", remedy="run it again"
            ) from error
    return found


class _ClearWallet(Wire):
    """The content as earlier versions wrote it."""

    credential: Token = ""
    stock: tuple[StatusRef, ...] = ()
    grants: tuple[HeldGrant, ...] = ()


def _signs(folder: Path) -> SigningKey | Signatory:
    """Her key; without one, the passkey that the holder card names."""
    if (folder / HOLDER_KEY).exists():
        return SigningKey.load(folder / HOLDER_KEY)
    try:
        card = read_wire(HolderCard, (folder / HOLDER_CARD).read_bytes())
    except OSError as error:
        raise no_wallet(folder) from error
    if card.webauthn is None:
        raise InputError(f"the wallet's key is not in {folder.name}", code="input.wallet")
    return card.signatory()


def _fill(building: Path, signs: SigningKey | Signatory) -> bytes:
    """All of a new wallet but the key its content is sealed under, which is returned."""
    opening, key = OpeningKey.generate(), AESGCM.generate_key(256)
    if isinstance(signs, SigningKey):
        signs.save(building / HOLDER_KEY)
    opening.save(building / OPENING_KEY)
    holder = signatory_of(signs)
    _write_card(building, signs, opening)
    FolderKeeper(building, building / WALLET_KEY, holder).write(WalletState(), key)
    return key


def _seal_old(keeper: FolderKeeper, signs: SigningKey | Signatory) -> None:
    """Put a sealed content in place of the clear one; a step that was broken off is taken up again."""
    folder, clear = keeper.folder, keeper.folder / CLEAR
    if not (folder / SEALED).exists():
        old = read_wire(_ClearWallet, clear.read_bytes())
        if old.credential and read_credential(old.credential).holder().thumbprint != keeper.holder.thumbprint:
            raise malformed("the credential is bound to another key")
        if not keeper.key_file.exists():
            save_key(keeper.key_file, AESGCM.generate_key(256))
        if not (folder / OPENING_KEY).exists():
            OpeningKey.generate().save(folder / OPENING_KEY)
        _write_card(folder, signs, OpeningKey.load(folder / OPENING_KEY))
        held = (HeldCredential(credential=old.credential, stock=old.stock),) if old.credential else ()
        keeper.write(WalletState(credentials=held, grants=old.grants), load_key(keeper.key_file))
    keeper.read()
    _destroy(clear)


def _write_card(folder: Path, signs: SigningKey | Signatory, opening: OpeningKey) -> None:
    card = HolderCard.made(signs, opening.public).model_dump(mode="json", exclude_none=True)
    write_private(folder / HOLDER_CARD, canonical_json(card))


def _destroy(path: Path) -> None:
    """Overwrite a file and take it away; nothing happens where there is none."""
    if path.exists() and not path.is_symlink():
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the folder's entries on the disk before what follows."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
