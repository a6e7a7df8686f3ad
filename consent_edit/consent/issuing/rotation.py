"""An issuer changes its keys without a gap: the one that signs credentials, and the one that signs status."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from consent_edit.consent.binding import MAX_LIFETIME
from consent_edit.consent.issuing.folder import (
    ISSUER_KEY,
    MAX_RETIRED,
    RETIRED_KEYS,
    STATUS_KEY,
    Retired,
    RetiredKeys,
    open_issuer,
    open_status,
)
from consent_edit.consent.issuing.issue import Issuer, RetiredKey
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey, write_private
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError

NEXT_STATUS_KEY: Final = "status.next.key.json"


def rotate_key(folder: Path, *, now: int, algorithm: Algorithm = Algorithm.ES256) -> Issuer:
    """Sign with a fresh key from now on; the old one stays in the trust entry until its credentials end.

    Credentials under the new key count where a trust list names it: have a new one signed first thing.

    Args:
        now: Unix seconds.

    Raises:
        InputError: no issuer there, it cannot be written, or seven retired keys still have credentials.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: the status database cannot be opened.
    """
    issuer = open_issuer(folder)
    old = RetiredKey(issuer.key.public, now + MAX_LIFETIME + CLOCK_SKEW)
    kept = [
        one
        for one in issuer.retired
        if one.until > now and one.key.thumbprint != old.key.thumbprint  # a rotation cut short left it here
    ]
    if len(kept) >= MAX_RETIRED:
        raise InputError(
            "too many retired keys still have credentials",
            code="input.issuer",
            remedy="wait until the oldest key's credentials have ended",
        )
    keys = RetiredKeys(keys=tuple(Retired(jwk=one.key.export(), until=one.until) for one in (*kept, old)))
    # First the old public key is kept, then the new one takes over: at no time is a signing key unnamed.
    write_private(folder / RETIRED_KEYS, keys.model_dump_json().encode("utf-8"))
    fresh = SigningKey.generate(algorithm)
    write_private(folder / ISSUER_KEY, canonical_json(fresh.export_private()))
    return open_issuer(folder)


def announce_status_key(folder: Path, *, algorithm: Algorithm = Algorithm.ES256) -> PublicJwk:
    """Make the key that will sign the status list next; new trust lists name it beside the old one.

    Asked again, the key that was announced before.

    Raises:
        InputError: no issuer there, or it cannot be written.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: the status database cannot be written.
    """
    issuer, waiting = open_issuer(folder), folder / NEXT_STATUS_KEY
    if waiting.exists() and SigningKey.load(waiting).public.thumbprint == issuer.status.public.thumbprint:
        waiting.unlink()  # a change cut short left it here: it is in use already
    if not waiting.exists():
        SigningKey.generate(algorithm).save(waiting)
    key = SigningKey.load(waiting).public
    issuer.status.announce(key)
    issuer.status.close()
    return key


def rotate_status_key(folder: Path, *, now: int) -> PublicJwk:
    """Sign the status list with the announced key from now on; cut short, it is finished by doing it again.

    Lists count where a trust list names the new key: every operator should have one before this.

    Args:
        now: Unix seconds.

    Raises:
        InputError: no key was announced, the folder cannot be written, or the lists of too many other keys
            still count; then the old key signs on.
        ConsentInvalid: a file in it is malformed.
        StoreUnavailable: the status database cannot be written.
    """
    waiting = folder / NEXT_STATUS_KEY
    if not waiting.exists():
        raise InputError(
            "no status key was announced",
            code="input.issuer",
            remedy="issuer rotate --status first, then sign new trust lists, then --status --now",
        )
    fresh = SigningKey.load(waiting)
    used = SigningKey.load(folder / STATUS_KEY)
    if used.public.thumbprint != fresh.public.thumbprint:
        _retire(folder, used, fresh, now)
        write_private(folder / STATUS_KEY, canonical_json(fresh.export_private()))
    waiting.unlink()
    return fresh.public


def _retire(folder: Path, used: SigningKey, fresh: SigningKey, now: int) -> None:
    """First the database, which can refuse: from then on nothing is signed until the key file follows."""
    old = open_status(folder, used)
    try:
        if not old.retired():  # a change cut short has done it
            old.rotate(fresh, now)
    finally:
        old.close()
