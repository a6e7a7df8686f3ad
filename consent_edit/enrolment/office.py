"""An issuer's folder with its register: made in one step, and opened as a desk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from consent_edit.consent.issuing.folder import REGISTER_DB, create_issuer, open_issuer, reviewers
from consent_edit.consent.issuing.issue import Issuer
from consent_edit.enrolment.desk import EnrolmentDesk, Listed, nobody_listed
from consent_edit.errors import StoreUnavailable
from consent_edit.store.store import Store
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance


def create_office(
    folder: Path, *, name: str, status_uri: str, highest: Assurance = Assurance.SUBSTANTIAL
) -> Issuer:
    """Make a new issuer's folder with an empty register and log.

    Raises:
        InputError: as :func:`~consent_edit.consent.issuing.folder.create_issuer`.
        StoreUnavailable: a database cannot be made.
    """
    return create_issuer(folder, name=name, status_uri=status_uri, highest=highest, furnish=_lay_register)


def open_desk(folder: Path, *, clock: Callable[[], int], listed: Listed = nobody_listed) -> EnrolmentDesk:
    """Open an issuer's folder for enrolment.

    Args:
        clock: Unix seconds.
        listed: A "never edit me" list.

    Raises:
        InputError: there is no issuer, or others could have listed a reviewer.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: its register is missing or cannot be opened: an empty one in its place would let
            everybody enrol once more.
        Unavailable: the thresholds cannot be read.
    """
    issuer = open_issuer(folder)
    if not (folder / REGISTER_DB).exists():
        raise StoreUnavailable(
            f"{folder.name} has no register of whom it enrolled",
            code="check.register",
            remedy="restore the folder from a copy that has it",
        )
    return EnrolmentDesk(
        issuer=issuer,
        store=Store.open(folder / REGISTER_DB),
        thresholds=load_thresholds(),
        clock=clock,
        reviewers=reviewers(folder),
        listed=listed,
    )


def _lay_register(place: Path) -> None:
    Store.open(place / REGISTER_DB).close()
