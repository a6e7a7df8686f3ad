"""An issuer on disk: two keys, one settings file and one status database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from consent_edit.consent.issue import Issuer
from consent_edit.consent.keys import Algorithm, SigningKey, write_private
from consent_edit.consent.status_service import IssuerStatus
from consent_edit.consent.trust import IssuerEntry, StatusServiceEntry, TrustListClaims
from consent_edit.consent.wire import Text, Wire, read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError
from consent_edit.vocabulary import Assurance, Environment

SETTINGS: Final = "issuer.json"
ISSUER_KEY: Final = "issuer.key.json"
STATUS_KEY: Final = "status.key.json"
STATUS_DB: Final = "status.sqlite"


class IssuerSettings(Wire):
    """What an issuer's folder says of it."""

    name: Text
    status_uri: Text
    environment: Environment
    highest: Assurance


def create_issuer(
    folder: Path,
    *,
    name: str,
    status_uri: str,
    highest: Assurance = Assurance.SUBSTANTIAL,
    algorithm: Algorithm = Algorithm.ES256,
) -> Issuer:
    """Make a new issuer's folder (mode 0700), keys and status list.

    Raises:
        InputError: the folder holds an issuer already, cannot be written, or ``simulated`` was asked for.
        StoreUnavailable: the status database cannot be made.
    """
    if highest is Assurance.SIMULATED:
        raise InputError("a simulated issuer is made by the demo alone", code="input.issuer")
    settings = IssuerSettings(
        name=name, status_uri=status_uri, environment=Environment.PRODUCTION, highest=highest
    )
    return _create(folder, settings, algorithm)


def create_simulated_issuer(folder: Path, *, name: str, status_uri: str) -> Issuer:
    """Make the demo's simulated issuer: only a demo trust list can name it.

    Raises:
        InputError: the folder holds an issuer already or cannot be written.
        StoreUnavailable: the status database cannot be made.
    """
    settings = IssuerSettings(
        name=name, status_uri=status_uri, environment=Environment.DEMO, highest=Assurance.SIMULATED
    )
    return _create(folder, settings, Algorithm.ES256)


def open_issuer(folder: Path, *, environment: Environment = Environment.PRODUCTION) -> Issuer:
    """Open an issuer's folder.

    Args:
        environment: What it must be; a simulated issuer opens only where ``DEMO`` is asked for.

    Raises:
        InputError: there is none, or one of the other environment.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: the status database cannot be opened.
    """
    try:
        data = (folder / SETTINGS).read_bytes()
    except OSError as error:
        raise InputError(f"no issuer in {folder.name}", code="input.issuer") from error
    settings = read_wire(IssuerSettings, data)
    if settings.environment is not environment:
        raise InputError(f"this is a {settings.environment} issuer", code="input.issuer")
    return _open(folder, settings)


def trust_list(
    issuers: list[tuple[IssuerEntry, StatusServiceEntry]],
    *,
    environment: Environment,
    now: int,
    lifetime: int,
) -> TrustListClaims:
    """The claims of a trust list naming these issuers and their status services, ready for the anchor to
    sign.

    Args:
        now: Unix seconds.
        lifetime: Seconds for which the list is in force.
    """
    return TrustListClaims(
        environment=environment,
        iat=now,
        exp=now + lifetime,
        issuers=tuple(issuer for issuer, _ in issuers),
        status_services=tuple(service for _, service in issuers),
    )


def _create(folder: Path, settings: IssuerSettings, algorithm: Algorithm) -> Issuer:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder.name}", code="input.issuer") from error
    SigningKey.generate(algorithm).save(folder / ISSUER_KEY)
    SigningKey.generate(algorithm).save(folder / STATUS_KEY)
    write_private(folder / SETTINGS, canonical_json(settings.model_dump(mode="json")), new=True)
    return _open(folder, settings)


def _open(folder: Path, settings: IssuerSettings) -> Issuer:
    database = folder / STATUS_DB
    if not database.exists():
        write_private(database, b"")  # made with mode 0600 before SQLite writes to it
    status = IssuerStatus(settings.status_uri, SigningKey.load(folder / STATUS_KEY), database)
    return Issuer(
        name=settings.name,
        key=SigningKey.load(folder / ISSUER_KEY),
        status=status,
        environment=settings.environment,
        highest=settings.highest,
    )
