"""Reading status: Token Status Lists (typ ``statuslist+jwt``), signed, fresh, bounded, failing closed.

Lists are kept whole in memory and come from local sources only (an in-process issuer, a folder that a
mirror fills, or :meth:`StatusLists.push`); nothing is fetched over a network for an edit. Freshness counts
from the *signed* ``iat``, not from arrival, so that a mirror cannot prolong an old list: nothing older than
:data:`MAX_TTL` says anything. An older list never replaces a newer one; of two with the same ``iat`` the
worse entry counts.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from consent_edit.consent.encoding import b64url_decode, malformed
from consent_edit.consent.jose import unverified, verify_compact
from consent_edit.consent.trust import CLOCK_SKEW, TrustList
from consent_edit.consent.wire import Seconds, Text, Wire, read_wire
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

STATUS_LIST_TYP: Final = "statuslist+jwt"
MAX_TTL: Final = 60
"""Seconds after its signing for which a list counts, whatever ``ttl`` it claims."""

MAX_STATUS_TOKEN: Final = 4 * 1024 * 1024
MAX_INFLATED: Final = 8 * 1024 * 1024
"""Bytes a list may inflate to: 8 million entries of 8 bits. (194 KB can be made to inflate to 200 MB.)"""

MAX_WAITING: Final = 32
"""Pushed lists that wait for their first reading, of all uris together."""

StatusSource: TypeAlias = Callable[[str], str]
"""Gives the newest signed list it has for a uri, at once, or raises."""


class StatusValue(StrEnum):
    """What a list says of one entry."""

    VALID = "valid"
    REVOKED = "revoked"
    UNAVAILABLE = "unavailable"


class StatusBits(Wire):
    """The ``status_list`` claim (Token Status List section 4.2)."""

    bits: Literal[1, 2, 4, 8]
    lst: Annotated[str, Field(max_length=MAX_STATUS_TOKEN)]
    aggregation_uri: Text = "-"


class StatusListClaims(Wire):
    """The claims of a status list token (Token Status List section 5.1)."""

    sub: Text
    iat: Seconds
    status_list: StatusBits
    exp: Seconds = 2**53
    ttl: Annotated[int, Field(ge=1)] = MAX_TTL
    iss: Text = "-"


@dataclass(frozen=True, slots=True)
class _List:
    """A verified list in memory, or two of the same second merged."""

    tokens: tuple[str, ...]
    iat: int
    until: int
    bits: int
    entries: bytes

    def value(self, idx: int) -> StatusValue:
        """The entry at ``idx``, least significant bits first (Token Status List section 4.1)."""
        place = idx * self.bits
        if not 0 <= place < len(self.entries) * 8:
            return StatusValue.UNAVAILABLE
        entry = (self.entries[place // 8] >> (place % 8)) & ((1 << self.bits) - 1)
        if entry == 0:
            return StatusValue.VALID
        return StatusValue.REVOKED if entry in (1, 2) else StatusValue.UNAVAILABLE  # INVALID, SUSPENDED


class StatusLists:
    """The verifier's cache of whole lists; safe to share between threads.

    Args:
        sources: Status uri, or a prefix of uris ending with ``/``, -> local source asked at each read.
    """

    def __init__(self, sources: Mapping[str, StatusSource] | None = None) -> None:
        self._sources = dict(sources or {})
        self._lists: dict[tuple[str, str], _List] = {}
        self._pushed: dict[str, tuple[str, int]] = {}  # token -> uri, iat; nothing of it verified
        self._lock = threading.Lock()

    def push(self, token: str, now: int) -> None:
        """Take in a signed list; it counts once :meth:`read` has verified it under the trust list.

        Until then it pushes out no other: nobody can hide a withdrawal behind an older or a forged list.

        Raises:
            ConsentInvalid: ``MALFORMED`` for something that is no list, ``STATUS_UNAVAILABLE`` for a stale
                one, or while :data:`MAX_WAITING` others wait.
        """
        _, claims = unverified(token, limit=MAX_STATUS_TOKEN)
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

    def read(self, uri: str, idx: int, now: int, trust: TrustList) -> StatusValue:
        """The status of one entry; ``UNAVAILABLE`` whenever a fresh signed list does not say it plainly.

        Args:
            uri: Address of the list, as the token that refers to it gives it.
            idx: Entry in it.
            now: Unix seconds.
            trust: Says whose signature counts for ``uri``.
        """
        if not trust.status_keys(uri, now):
            return StatusValue.UNAVAILABLE
        with self._lock:
            self._forget_old(now)
            for token in self._offers(uri):
                try:
                    self._admit(uri, token, now, trust)
                except ConsentInvalid:
                    continue  # a bad offer never displaces what is there
                self._pushed.pop(token, None)
            held = self._lists.get((uri, trust.digest))
        if held is None or not held.iat - CLOCK_SKEW <= now < held.until:
            return StatusValue.UNAVAILABLE
        return held.value(idx)

    def _offers(self, uri: str) -> list[str]:
        """Lists at hand for a uri: held under any trust list, from the sources, and pushed."""
        offers = [token for (name, _), held in self._lists.items() if name == uri for token in held.tokens]
        for name, source in self._sources.items():
            if name == uri or (name.endswith("/") and uri.startswith(name)):
                try:
                    offers.append(source(uri))
                except Exception:  # noqa: BLE001, S112 - a source is foreign code
                    continue  # it is down: what is held counts until it is stale
        return [*offers, *(token for token, (name, _) in self._pushed.items() if name == uri)]

    def _admit(self, uri: str, token: str, now: int, trust: TrustList) -> None:
        held = self._lists.get((uri, trust.digest))
        if held is not None and token in held.tokens:
            return
        new = _verify(uri, token, now, trust)
        if held is None or new.iat > held.iat:
            self._lists[uri, trust.digest] = new
        elif new.iat == held.iat:
            self._lists[uri, trust.digest] = _worse(held, new)

    def _forget_old(self, now: int) -> None:
        """Drop what is stale beyond doubt. Anything older would be staler still, so nothing can be rolled
        back."""
        for key in [key for key, held in self._lists.items() if held.iat + MAX_TTL + CLOCK_SKEW < now]:
            del self._lists[key]
        for token in [token for token, (_, iat) in self._pushed.items() if iat + MAX_TTL + CLOCK_SKEW < now]:
            del self._pushed[token]


def folder_source(folder: Path) -> StatusSource:
    """A source that reads ``<folder>/<status_file_name(uri)>``, as ``issuer publish`` leaves it."""

    def source(uri: str) -> str:
        try:
            with (folder / status_file_name(uri)).open("rb") as file:
                return file.read(MAX_STATUS_TOKEN + 2).decode("ascii").strip()  # longer ones verify nowhere
        except (OSError, UnicodeError) as error:
            raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "no status list in the folder") from error

    return source


def status_file_name(uri: str) -> str:
    """The file name of a list in a status folder: a hash, so that no uri can name another path."""
    return f"{sha256(uri.encode('utf-8')).hexdigest()}.jwt"


def inflate(lst: str) -> bytes:
    """Decompress a list's entries (zlib, RFC 1950), never beyond :data:`MAX_INFLATED` bytes.

    Raises:
        ConsentInvalid: ``MALFORMED``; also for a truncated stream or anything after its end.
    """
    stream = zlib.decompressobj()
    try:
        entries = stream.decompress(b64url_decode(lst), MAX_INFLATED)
    except zlib.error as error:
        raise malformed("the status list does not inflate") from error
    if not stream.eof or stream.unconsumed_tail or stream.unused_data:
        raise malformed("the status list is truncated, too large or followed by something")
    return entries


def _verify(uri: str, token: str, now: int, trust: TrustList) -> _List:
    """A list whose signature holds under a service trusted for its uri (Token Status List section 8.3)."""
    refusal = ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "no trusted service signs this status list")
    for key in trust.status_keys(uri, now):
        try:
            verified = verify_compact(token, key, typ=STATUS_LIST_TYP, limit=MAX_STATUS_TOKEN)
        except ConsentInvalid as error:
            refusal = error
            continue
        claims = read_wire(StatusListClaims, verified.payload)
        if claims.sub != uri or claims.iat > now + CLOCK_SKEW:
            raise ConsentInvalid(
                ConsentStatus.STATUS_UNAVAILABLE, "a list for another uri, or from the future"
            )
        until = min(claims.iat + min(claims.ttl, MAX_TTL), claims.exp)
        entries = inflate(claims.status_list.lst)
        return _List((token,), claims.iat, until, claims.status_list.bits, entries)
    raise refusal


def _worse(one: _List, other: _List) -> _List:
    """Two lists signed in the same second: of each entry the worse; unlike shapes leave nothing to read."""
    tokens, until = (*one.tokens, *other.tokens), min(one.until, other.until)
    if one.bits != other.bits or len(one.entries) != len(other.entries):
        return _List(tokens, one.iat, until, one.bits, b"")
    merged = int.from_bytes(one.entries, "big") | int.from_bytes(other.entries, "big")
    return _List(tokens, one.iat, until, one.bits, merged.to_bytes(len(one.entries), "big"))
