"""An issuer on disk: its keys, settings, status database and reviewers' public keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from consent_edit.consent.issuing.issue import Issuer, RetiredKey
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey, write_private
from consent_edit.consent.new_folder import new_folder
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.consent.trust import IssuerEntry, StatusServiceEntry, TrustListClaims
from consent_edit.consent.wire import Seconds, Text, Wire, read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError
from consent_edit.vocabulary import Assurance, Environment

SETTINGS: Final = "issuer.json"
ISSUER_KEY: Final = "issuer.key.json"
RETIRED_KEYS: Final = "issuer.retired.json"
STATUS_KEY: Final = "status.key.json"
STATUS_DB: Final = "status.sqlite"
REGISTER_DB: Final = "register.sqlite"
REVIEWERS: Final = "reviewers"

MAX_RETIRED: Final = 7
"""Retired keys whose credentials have not ended, at most: a trust list names eight keys of an issuer."""


class IssuerSettings(Wire):
    """What an issuer's folder says of it."""

    name: Text
    status_uri: Text
    environment: Environment
    highest: Assurance


class Retired(Wire):
    """A retired key as the folder keeps it."""

    jwk: dict[str, str]
    until: Seconds


class RetiredKeys(Wire):
    """All retired keys of a folder."""

    keys: Annotated[tuple[Retired, ...], Field(max_length=MAX_RETIRED)] = ()


def _nothing_more(_: Path) -> None:
    """A folder of keys and status alone."""


def create_issuer(
    folder: Path,
    *,
    name: str,
    status_uri: str,
    highest: Assurance = Assurance.SUBSTANTIAL,
    algorithm: Algorithm = Algorithm.ES256,
    furnish: Callable[[Path], None] = _nothing_more,
) -> Issuer:
    """Make a new issuer's folder (mode 0700), keys and status list, in one step: whole, or not at all.

    Args:
        folder: Absent, or empty.
        furnish: Puts more into the folder before it takes its place.

    Raises:
        InputError: the folder holds something already, cannot be written, or ``simulated`` was asked for.
        StoreUnavailable: a database cannot be made.
    """
    if highest is Assurance.SIMULATED:
        raise InputError("a simulated issuer is made by the demo alone", code="input.issuer")
    settings = IssuerSettings(
        name=name, status_uri=status_uri, environment=Environment.PRODUCTION, highest=highest
    )
    with new_folder(folder, code="input.issuer") as place:
        _fill(place, settings, algorithm)
        furnish(place)
    return open_issuer(folder)


def open_issuer(folder: Path, *, environment: Environment = Environment.PRODUCTION) -> Issuer:
    """Open an issuer's folder.

    Args:
        environment: What it must be; a simulated issuer opens only where ``DEMO`` is asked for.

    Raises:
        InputError: there is none, or one of the other environment.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: the status database cannot be opened.
    """
    settings = read_wire(IssuerSettings, _read(folder / SETTINGS))
    if settings.environment is not environment:
        raise InputError(f"this is a {settings.environment} issuer", code="input.issuer")
    if not (folder / STATUS_DB).exists():
        raise InputError(
            f"{folder.name} has no status database: nobody can tell what was revoked",
            code="input.issuer",
            remedy="restore the folder from a copy that has it",
        )
    return Issuer(
        name=settings.name,
        key=SigningKey.load(folder / ISSUER_KEY),
        status=open_status(folder, SigningKey.load(folder / STATUS_KEY)),
        environment=settings.environment,
        highest=settings.highest,
        retired=_retired(folder),
    )


def open_status(folder: Path, key: SigningKey) -> IssuerStatus:
    """The status service of an issuer's folder, signing with this key.

    Raises:
        InputError: no issuer there, or its settings are malformed.
        StoreUnavailable: the status database cannot be opened.
    """
    settings = read_wire(IssuerSettings, _read(folder / SETTINGS))
    return IssuerStatus(settings.status_uri, key, folder / STATUS_DB, new=False)


def reviewers(folder: Path) -> tuple[PublicJwk, ...]:
    """Who may decide enrolments by review: the public keys in ``reviewers/``, one JWK a file.

    Raises:
        InputError: a file cannot be read, or others than its owner could have put one there.
        ConsentInvalid: a file holds no public key.
    """
    place = folder / REVIEWERS
    if not place.is_dir():
        return ()
    keys = []
    for path in (place, *sorted(place.glob("*.json"))):
        if path.stat().st_mode & 0o022:
            raise InputError(
                f"{path.name} can be written by others than its owner",
                code="input.issuer",
                remedy=f"see that every reviewer is one of yours, then: chmod go-w {path}",
            )
        if path != place:
            keys.append(PublicJwk.read(_read(path)))
    return tuple(keys)


def list_reviewer(folder: Path, key: PublicJwk) -> None:
    """Let somebody decide by review; taking the file out of ``reviewers/`` ends it.

    Raises:
        InputError: no issuer there, or it cannot be written.
    """
    _read(folder / SETTINGS)
    place = folder / REVIEWERS
    try:
        place.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder.name}", code="input.issuer") from error
    write_private(place / f"{key.thumbprint}.jwk.json", canonical_json(key.export()))


def trust_list(
    issuers: list[tuple[IssuerEntry, StatusServiceEntry]],
    *,
    environment: Environment,
    now: int,
    lifetime: int,
) -> TrustListClaims:
    """The claims of a trust list naming these issuers and their status services, for the anchor to sign.

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


def _fill(place: Path, settings: IssuerSettings, algorithm: Algorithm) -> None:
    (place / REVIEWERS).mkdir(mode=0o700)
    SigningKey.generate(algorithm).save(place / ISSUER_KEY)
    status_key = SigningKey.generate(algorithm)
    status_key.save(place / STATUS_KEY)
    write_private(place / STATUS_DB, b"")  # made with mode 0600 before SQLite writes to it
    IssuerStatus(settings.status_uri, status_key, place / STATUS_DB).close()
    write_private(place / SETTINGS, canonical_json(settings.model_dump(mode="json")), new=True)


def _retired(folder: Path) -> tuple[RetiredKey, ...]:
    path = folder / RETIRED_KEYS
    if not path.exists():
        return ()
    kept = read_wire(RetiredKeys, _read(path))
    return tuple(RetiredKey(PublicJwk.parse(one.jwk), one.until) for one in kept.keys)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"no issuer in {path.parent.name}", code="input.issuer") from error
