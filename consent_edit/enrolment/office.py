"""An issuer's folder with its register: made in one step, and opened as a desk or for its status list.

Both databases of a folder keep count of what was revoked or withdrawn. The register's is a mark that only
rises: a status database from before it, a backup put back, signs nothing, for that would bring withdrawn
consent back. When both were put back together the folder knows nothing; what verifiers and mirrors have read
is then all that is left, so copy the two at the same time and put back the newest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from consent_edit.consent.issuing.folder import REGISTER_DB, create_issuer, open_issuer, reviewers
from consent_edit.consent.issuing.issue import Issuer
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.enrolment.desk import EnrolmentDesk
from consent_edit.errors import StoreUnavailable, VerificationFailed
from consent_edit.objections import Objections
from consent_edit.store.store import Store
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance

STATUS_MARK: Final = "status-changes"
"""The register's mark of how many status entries were flipped."""


def create_office(
    folder: Path, *, name: str, status_uri: str, highest: Assurance = Assurance.SUBSTANTIAL
) -> Issuer:
    """Make a new issuer's folder with an empty register and log.

    Raises:
        InputError: as :func:`~consent_edit.consent.issuing.folder.create_issuer`.
        StoreUnavailable: a database cannot be made.
    """
    return create_issuer(folder, name=name, status_uri=status_uri, highest=highest, furnish=_lay_register)


def open_desk(folder: Path, *, clock: Callable[[], int]) -> EnrolmentDesk:
    """Open an issuer's folder for enrolment; whoever is on its never-edit list is not enrolled.

    Args:
        clock: Unix seconds.

    Raises:
        InputError: there is no issuer, or others could have listed a reviewer.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: its register is missing or cannot be opened: an empty one in its place would let
            everybody enrol once more; or its status database is older than the register.
        Unavailable: the thresholds cannot be read.
    """
    issuer, store = _opened(folder)
    thresholds = load_thresholds()
    return EnrolmentDesk(
        issuer=issuer,
        store=store,
        thresholds=thresholds,
        clock=clock,
        reviewers=reviewers(folder),
        listed=Objections(store, thresholds).listed,
    )


def open_status_office(folder: Path) -> IssuerStatus:
    """Open an issuer's folder for its status list: every flip raises the mark, every signing checks it.

    Raises:
        InputError: there is no issuer.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: as :func:`open_desk`.
    """
    return _opened(folder)[0].status


def keep_mark(store: Store, changes: int) -> None:
    """Raise the mark to this many flips.

    Raises:
        StoreUnavailable: more were seen before (``check.status-rollback``), or it cannot be written down.
    """
    try:
        store.raise_mark(STATUS_MARK, changes)
    except VerificationFailed as error:
        raise StoreUnavailable(
            "the status database is older than the register: it lacks withdrawals that were taken in",
            code="check.status-rollback",
            remedy="put back the newest copy of it; if that is lost, make a new issuer and enrol anew",
        ) from error


def _opened(folder: Path) -> tuple[Issuer, Store]:
    issuer = open_issuer(folder)
    try:
        if not (folder / REGISTER_DB).exists():
            raise StoreUnavailable(
                f"{folder.name} has no register of whom it enrolled",
                code="check.register",
                remedy="restore the folder from a copy that has it",
            )
        store = Store.open(folder / REGISTER_DB)
        issuer.status.keep_count(lambda changes: keep_mark(store, changes))
    except BaseException:
        issuer.status.close()
        raise
    return issuer, store


def _lay_register(place: Path) -> None:
    Store.open(place / REGISTER_DB).close()
