"""The files that ``consent-edit wallet`` reads and writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from consent_edit.cli.terminal import read_file
from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.holder.record import Controller
from consent_edit.consent.presentation import AudienceCard
from consent_edit.consent.wire import read_wire
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.intake.decode import decode

ASKED: Final[Mapping[Asked, str]] = {
    Asked.EXPORT: "By this you ask to be told all that is held of you.",
    Asked.ERASE: "By this you ask that all that is held of you be ERASED.",
    Asked.OBJECT: "By this you ask that no picture of you be edited there any more.",
    Asked.LIFT: "By this you take back your word that no picture of you be edited there.",
    Asked.RENEW: "By this you ask for a new credential in place of this one.",
    Asked.UNKNOWN: "What you ask for by this is UNKNOWN: the number does not say. Ask whoever gave you it.",
}
"""What a person asks for who binds her credential to a nonce."""


def read_card(path: Path) -> AudienceCard:
    """A service's card, with a key that can be sealed to.

    Raises:
        InputError: it is none.
    """
    with from_files("this is no service's card (audience.json)"):
        card = read_wire(AudienceCard, read_file(path))
        card.sealing_key()
    return card


def audience_name(audience: str) -> str:
    """A service's name: as it stands, or out of its card.

    Raises:
        InputError: a file of that name is no card.
    """
    return read_card(Path(audience)).audience if Path(audience).is_file() else audience


def read_controllers(paths: list[Path] | None) -> list[Controller]:
    """What is known of services.

    Raises:
        InputError: a file says nothing of the kind.
    """
    with from_files("this does not say what is known of a service"):
        return [read_wire(Controller, read_file(path)) for path in paths or []]


def photo_digests(photos: list[Path] | None) -> list[str]:
    """Canonical pixel digests of photos.

    Raises:
        InputError: a file is no picture.
    """
    return [decode(read_file(path)).image.digest for path in photos or []]


def read_text(path: Path) -> str:
    """A token's file.

    Raises:
        InputError: it cannot be read.
    """
    return read_file(path).decode("utf-8", "replace").strip()


def check_place(out: Path) -> None:
    """Asked before signing: a grant is not signed to be lost.

    Raises:
        InputError: there is no folder to write to.
    """
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent}", code="input.file")


@contextmanager
def from_files(otherwise: str) -> Iterator[None]:
    """What was read from a file and does not fit is bad input.

    Raises:
        InputError: so.
    """
    try:
        yield
    except ConsentInvalid as error:
        raise InputError(f"{otherwise} ({error.message})", code="input.file") from error
