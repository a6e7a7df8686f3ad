"""One status list token (typ ``statuslist+jwt``): whose signature counts for it, what it says, for how long.

:func:`verify_status_list` makes these checks, in this order (Token Status List section 8.3):

1. A service that the trust list gives this uri to, now, could have signed it: its key or certificate chain.
2. The signature holds under one of those keys, and ``typ`` is the one of status lists (section 5.1).
3. The claims fit their closed form; ``sub`` is the uri, and ``iat`` is not in the future.
4. The entries inflate, whole and within the bound.

How long it counts is for :meth:`StatusList.fresh`: from the *signed* ``iat``, not from arrival, so that no
mirror can prolong an old list.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from consent_edit.consent.encoding import b64url_decode, malformed
from consent_edit.consent.jose import VerifiedJws, unverified, verify_compact
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
class StatusList:
    """A verified list in memory, or several of the same second in one.

    Attributes:
        uri: Its address.
        tokens: The signed tokens it was read from.
        iat: When it was signed, unix seconds.
        until: When it stops counting: its ``ttl`` and ``exp``, and :data:`MAX_TTL`, whichever comes first.
        bits: Bits of an entry.
        entries: All entries, packed.
    """

    uri: str
    tokens: tuple[str, ...] = field(repr=False)
    iat: int
    until: int
    bits: int
    entries: bytes = field(repr=False)

    def value(self, idx: int) -> StatusValue:
        """The entry at ``idx``, least significant bits first (Token Status List section 4.1)."""
        place = idx * self.bits
        if not 0 <= place < len(self.entries) * 8:
            return StatusValue.UNAVAILABLE
        entry = (self.entries[place // 8] >> (place % 8)) & ((1 << self.bits) - 1)
        if entry == 0:
            return StatusValue.VALID
        return StatusValue.REVOKED if entry in (1, 2) else StatusValue.UNAVAILABLE  # INVALID, SUSPENDED

    def fresh(self, now: int) -> bool:
        """Whether it counts at ``now``."""
        return self.iat - CLOCK_SKEW <= now < self.until

    def merged(self, other: StatusList) -> StatusList:
        """Two lists of the same second: of each entry the worse; unlike shapes leave nothing to read."""
        tokens, until = (*self.tokens, *other.tokens), min(self.until, other.until)
        if self.bits != other.bits or len(self.entries) != len(other.entries):
            return StatusList(self.uri, tokens, self.iat, until, self.bits, b"")
        worse = int.from_bytes(self.entries, "big") | int.from_bytes(other.entries, "big")
        entries = worse.to_bytes(len(self.entries), "big")
        return StatusList(self.uri, tokens, self.iat, until, self.bits, entries)

    def may_replace(self, other: StatusList) -> bool:
        """Whether nothing is lost when this takes the other's place: it is newer, or hides no entry of it."""
        if self.iat != other.iat:
            return self.iat > other.iat
        return self.merged(other).entries == self.entries


def verify_status_list(uri: str, token: str, now: int, trust: TrustList) -> StatusList:
    """A list that a service trusted for its uri signed; see the module's numbered list. It may be stale.

    Args:
        uri: Address of the list, as the token that refers to it gives it.
        token: Compact JWS.
        now: Unix seconds.
        trust: Says whose signature counts for ``uri``.

    Raises:
        ConsentInvalid: one of the checks failed.
    """
    # 1. and 2. A trusted service's key, and its signature.
    verified = _signed(uri, token, now, trust)
    # 3. The claims.
    claims = read_wire(StatusListClaims, verified.payload)
    if claims.sub != uri or claims.iat > now + CLOCK_SKEW:
        raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "a list for another uri, or from the future")
    # 4. The entries.
    entries = inflate(claims.status_list.lst)
    until = min(claims.iat + min(claims.ttl, MAX_TTL), claims.exp)
    return StatusList(uri, (token,), claims.iat, until, claims.status_list.bits, entries)


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


def _signed(uri: str, token: str, now: int, trust: TrustList) -> VerifiedJws:
    header, _ = unverified(token, limit=MAX_STATUS_TOKEN, chain=True)
    refusal = ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "no trusted service signs this status list")
    for key in trust.status_keys(uri, header, now):
        try:
            return verify_compact(token, key, typ=STATUS_LIST_TYP, limit=MAX_STATUS_TOKEN, chain=True)
        except ConsentInvalid as error:
            refusal = error
    raise refusal
