"""Reading status: whole signed lists held in memory, fresh, bounded, failing closed.

Lists come from local sources only (an in-process issuer, a folder that a mirror or
:mod:`~consent_edit.consent.status.fetch` fills, or :meth:`StatusLists.push`); nothing is fetched over a
network for an edit. An older list never replaces a newer one; of two with the same ``iat`` the worse entry
counts. An entry once read as INVALID stays so while lists follow one another: only SUSPENDED is for a time
(Token Status List section 7.1), so a newer list that says otherwise was signed from an old database. When
every list has gone stale in between, or the trust list changed, that is forgotten.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from consent_edit.consent.encoding import malformed
from consent_edit.consent.jose import unverified
from consent_edit.consent.status.token import (
    MAX_INFLATED,
    MAX_STATUS_TOKEN,
    MAX_TTL,
    STATUS_LIST_TYP,
    StatusList,
    StatusValue,
    inflate,
    verify_status_list,
)
from consent_edit.consent.trust import CLOCK_SKEW, TrustList
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.vocabulary import ConsentStatus

__all__ = [
    "MAX_INFLATED",
    "MAX_STATUS_TOKEN",
    "MAX_TTL",
    "MAX_WAITING",
    "STATUS_LIST_TYP",
    "StatusLists",
    "StatusSource",
    "StatusValue",
    "folder_source",
    "inflate",
    "put_status_list",
    "status_file_name",
]

MAX_WAITING: Final = 32
"""Pushed lists that wait for their first reading, of all uris together."""

StatusSource: TypeAlias = Callable[[str], str]
"""Gives the newest signed list it has for a uri, at once, or raises."""

_SETTLED_SECONDS: Final = 10
"""Seconds for which an offer that was judged is not judged again under the same trust list."""

_SETTLED_OFFERS: Final = 256
_REREAD: Final = 1.0
"""Seconds after which a file is read again though it looks unchanged: sizes and times can be made to."""


class StatusLists:
    """The verifier's cache of whole lists; safe to share between threads.

    A list is verified and inflated once; reading an entry of it afterwards costs the same wherever it stands.

    Args:
        sources: Status uri, or a prefix of uris ending with ``/``, -> local source asked at each read.
    """

    def __init__(self, sources: Mapping[str, StatusSource] | None = None) -> None:
        self._sources = dict(sources or {})
        self._lists: dict[tuple[str, str], StatusList] = {}
        self._pushed: dict[str, tuple[str, int]] = {}  # token -> uri, iat; nothing of it verified
        self._settled: dict[bytes, int] = {}  # offers that change nothing -> when that was found
        self._lock = threading.Lock()

    @property
    def uris(self) -> tuple[str, ...]:
        """Status uris and prefixes that have a source."""
        return tuple(self._sources)

    def push(self, token: str, now: int) -> None:
        """Take in a signed list; it counts once :meth:`read` has verified it under the trust list.

        Until then it pushes out no other: nobody can hide a withdrawal behind an older or a forged list.

        Raises:
            ConsentInvalid: ``MALFORMED`` for something that is no list, ``STATUS_UNAVAILABLE`` for a stale
                one, or while :data:`MAX_WAITING` others wait.
        """
        _, claims = unverified(token, limit=MAX_STATUS_TOKEN, chain=True)
        uri, iat = claims.get("sub"), claims.get("iat")
        if not isinstance(uri, str) or not isinstance(iat, int):
            raise malformed("not a status list")
        if not now - MAX_TTL <= iat <= now + CLOCK_SKEW:
            raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "the status list is stale")
        with self._lock:
            self._forget_old(now)
            if token not in self._pushed and len(self._pushed) >= MAX_WAITING:
                raise ConsentInvalid(
                    ConsentStatus.STATUS_UNAVAILABLE, "too many status lists wait to be read"
                )
            self._pushed[token] = (uri, iat)

    def take(self, verified: StatusList, trust: TrustList) -> None:
        """Take in a list that was verified under this very trust list."""
        with self._lock:
            self._hold(verified, trust)

    def read(self, uri: str, idx: int, now: int, trust: TrustList) -> StatusValue:
        """The status of one entry; ``UNAVAILABLE`` whenever a fresh signed list does not say it plainly.

        Args:
            uri: Address of the list, as the token that refers to it gives it.
            idx: Entry in it.
            now: Unix seconds.
            trust: Says whose signature counts for ``uri``.
        """
        if not trust.has_status_service(uri, now):
            return StatusValue.UNAVAILABLE
        offers = self._from_sources(uri)
        with self._lock:
            self._forget_old(now)
            for token in [*offers, *self._at_hand(uri, trust)]:
                self._admit(uri, token, now, trust)
            held = self._lists.get((uri, trust.digest))
        if held is None or not held.fresh(now):
            return StatusValue.UNAVAILABLE
        return held.value(idx)

    def _from_sources(self, uri: str) -> list[str]:
        """What the sources have; asked without the lock, for they are foreign code."""
        offers = []
        for name, source in self._sources.items():
            if name == uri or (name.endswith("/") and uri.startswith(name)):
                try:
                    offers.append(str.strip(source(uri)))
                except Exception:  # noqa: BLE001, S112 - a source is foreign code
                    continue  # it is down: what is held counts until it is stale
        return offers

    def _at_hand(self, uri: str, trust: TrustList) -> list[str]:
        """Lists of a uri that were pushed, or are held under another trust list."""
        offers = [
            token
            for (name, digest), held in self._lists.items()
            if name == uri and digest != trust.digest
            for token in held.tokens
        ]
        return [*offers, *(token for token, (name, _) in self._pushed.items() if name == uri)]

    def _admit(self, uri: str, token: str, now: int, trust: TrustList) -> None:
        """Judge an offer, once: a bad or an older one never displaces what is there."""
        held = self._lists.get((uri, trust.digest))
        if held is not None and token in held.tokens:
            self._pushed.pop(token, None)
            return
        name = sha256("\0".join((trust.digest, uri, token)).encode("utf-8", "surrogatepass")).digest()
        if name in self._settled:
            return
        try:
            self._hold(verify_status_list(uri, token, now, trust), trust)
            self._pushed.pop(token, None)
        except ConsentInvalid:
            pass
        if len(self._settled) >= _SETTLED_OFFERS:
            self._settled.clear()
        self._settled[name] = now

    def _hold(self, new: StatusList, trust: TrustList) -> None:
        held = self._lists.get((new.uri, trust.digest))
        if held is None:
            self._lists[new.uri, trust.digest] = new
        elif new.iat > held.iat:
            self._lists[new.uri, trust.digest] = keeping_invalid(held, new)
        elif new.iat == held.iat and new.tokens[0] not in held.tokens:
            self._lists[new.uri, trust.digest] = held.merged(new)

    def _forget_old(self, now: int) -> None:
        """Drop what is stale beyond doubt. Anything older would be staler still, so nothing can be rolled
        back."""
        for key in [key for key, held in self._lists.items() if held.iat + MAX_TTL + CLOCK_SKEW < now]:
            del self._lists[key]
        for token in [token for token, (_, iat) in self._pushed.items() if iat + MAX_TTL + CLOCK_SKEW < now]:
            del self._pushed[token]
        for name in [name for name, at in self._settled.items() if not at <= now < at + _SETTLED_SECONDS]:
            del self._settled[name]


def keeping_invalid(held: StatusList, new: StatusList) -> StatusList:
    """The newer list, with every entry INVALID that the held one of the same shape has so."""
    if held.bits != new.bits or len(held.entries) != len(new.entries):
        return new
    size, whole = len(held.entries), (1 << held.bits) - 1
    each = int.from_bytes(bytes([255 // whole]) * size, "little")  # the lowest bit of each entry
    was, packed = (int.from_bytes(one.entries, "little") for one in (held, new))
    others = 0
    for bit in range(1, held.bits):
        others |= was >> bit
    invalid = was & each & ~others
    packed = packed & ~(invalid * whole) | invalid
    return replace(new, entries=packed.to_bytes(size, "little"))


class _Folder:
    """Reads lists from a folder; a file that looks unchanged is read again only after :data:`_REREAD`."""

    def __init__(self, folder: Path, ticks: Callable[[], float]) -> None:
        self._folder = folder
        self._ticks = ticks
        self._read: dict[str, tuple[tuple[int, ...], float, str]] = {}

    def __call__(self, uri: str) -> str:
        path, ticks = self._folder / status_file_name(uri), self._ticks()
        try:
            stamp, since, token = self._read.get(uri, ((), 0.0, ""))
            if stamp == _stamp(path.stat()) and ticks < since + _REREAD:
                return token
            stamp, token = _read_regular(path)
        except (OSError, UnicodeError) as error:
            raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "no status list in the folder") from error
        self._read[uri] = (stamp, ticks, token)
        return token


def folder_source(folder: Path, *, ticks: Callable[[], float] = time.monotonic) -> StatusSource:
    """A source that reads ``<folder>/<status_file_name(uri)>``, as ``issuer publish`` leaves it.

    Args:
        folder: Its files may be symbolic links, for what counts is the signature; anything but a regular file
            behind them is refused without waiting for it.
        ticks: Seconds that only go forward.
    """
    return _Folder(folder, ticks)


def status_file_name(uri: str) -> str:
    """The file name of a list in a status folder: a hash, so that no uri can name another path."""
    return f"{sha256(uri.encode('utf-8', 'surrogatepass')).hexdigest()}.jwt"


def put_status_list(folder: Path, uri: str, token: str) -> Path:
    """Put a signed list into a status folder, made if need be, in one step: the whole new list or the old.

    Returns:
        The file, readable by everybody: a list is public.

    Raises:
        InputError: it cannot be written; nothing is left behind.
    """
    target = folder / status_file_name(uri)
    scratch = folder / f".{secrets.token_hex(16)}"  # a name nobody can have planted a link at
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(token.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write to {folder.name}", code="input.file") from error
    return target


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read_regular(path: Path) -> tuple[tuple[int, ...], str]:
    """A regular file's stamp and text, no further than a list may be long; longer ones verify nowhere."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return _stamp(found), file.read(MAX_STATUS_TOKEN + 2).decode("ascii").strip()
    finally:
        os.close(handle)
