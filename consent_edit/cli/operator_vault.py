"""``rotate-…``: new keys for what is kept of people, and for what they seal to a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consent_edit import operator_folder
from consent_edit.cli.terminal import AsJson, say
from consent_edit.enrolment.office import open_desk
from consent_edit.errors import StoreUnavailable
from consent_edit.operator import unix_now
from consent_edit.store.store import Store
from consent_edit.store.vault_key import VaultKey


def rotate(
    folder: Annotated[Path, typer.Argument(help="The operator's folder.")], as_json: AsJson = False
) -> None:
    """Give the log's vault a new key; the old one opens nothing then. Restart what runs on it."""
    _rotate(operator_folder.open_store(folder), folder, as_json)


def rotate_presentation_key(
    folder: Annotated[Path, typer.Argument(help="The operator's folder.")], as_json: AsJson = False
) -> None:
    """Publish a fresh key to seal to; what was sealed to the old one opens until its file is removed."""
    card = operator_folder.rotate_presentation_key(folder)
    say(as_json, {"card": str(card)}, f"publish {card}; restart what runs on {folder}")


def rotate_register(
    folder: Annotated[Path, typer.Argument(help="The issuer's folder.")], as_json: AsJson = False
) -> None:
    """Give the register's vault a new key; the old one opens nothing then. Restart what runs on it."""
    _rotate(open_desk(folder, clock=unix_now).store, folder, as_json)


def _rotate(store: Store, folder: Path, as_json: bool) -> None:
    new = VaultKey.generate()
    try:
        store.vault.rekey(new)
    except StoreUnavailable as error:
        if error.code != "check.erase-pending":
            raise
        raise StoreUnavailable(
            "the new key is in force, but the write-ahead log still holds what the old one opens",
            code=error.code,
            remedy="end what reads from the folder for long, then rotate once more",
        ) from error
    finally:
        store.close()
    sentence = f"the vault in {folder} has a new key: restart what runs on it, keep no copy of the old"
    say(as_json, {"folder": str(folder), "vault_key": new.id}, sentence)
