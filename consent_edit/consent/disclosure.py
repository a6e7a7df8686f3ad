"""Selective disclosure of claims (SD-JWT, RFC 9901): hide them, read one disclosure, put them back.

SHA-256 only. Opening is strict: every digest stands once, every disclosure is referred to, nothing
overwrites a claim, and the claims that decide validity are never disclosures.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from consent_edit.consent.encoding import b64url_decode, malformed, parse_json
from consent_edit.encoding import MAX_DEPTH, Json, JsonValue, b64url_encode, canonical_json

PLAIN_CLAIMS: Final = frozenset(
    {"iss", "iat", "nbf", "exp", "cnf", "vct", "status", "evidence", "guardian", "grant_entries"}
)
"""Claims never taken from a disclosure: all but the last three by SD-JWT VC section 2.2.2.3.

Nor is any part of them: what looks like a digest inside them stays as it is, and the schema refuses it.
"""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One disclosed value.

    Attributes:
        digest: base64url SHA-256 of the text as it travels (RFC 9901 section 4.2.3).
        name: Claim name; empty for an array element.
        element: Whether it is an array element.
    """

    digest: str
    name: str
    value: Json = field(repr=False)
    element: bool


def reveal(payload: Mapping[str, Json], disclosures: Collection[Disclosure]) -> dict[str, Json]:
    """Put the disclosed values in their places (RFC 9901 section 7.1, step 3).

    Raises:
        ConsentInvalid: ``MALFORMED``; a digest stands twice, a disclosure is referred to nowhere, a value
            would overwrite a claim, or a claim that decides validity is disclosed.
    """
    if payload.get("_sd_alg", "sha-256") != "sha-256":
        raise malformed("only sha-256 digests are taken")
    opener = _Opener({entry.digest: entry for entry in disclosures})
    if len(opener.waiting) != len(disclosures):
        raise malformed("a disclosure stands twice")
    claims = opener.object({name: value for name, value in payload.items() if name != "_sd_alg"}, 0)
    if opener.waiting:
        raise malformed("a disclosure that nothing refers to")
    return claims


def conceal(
    claims: Mapping[str, JsonValue], hidden: Collection[str]
) -> tuple[dict[str, JsonValue], list[str]]:
    """Split claims into a payload to sign and the disclosures of the ``hidden`` ones, 128-bit salts each.

    Returns:
        The payload with sorted ``_sd`` digests and ``_sd_alg``, and the encoded disclosures.
    """
    disclosures = [
        b64url_encode(canonical_json([b64url_encode(secrets.token_bytes(16)), name, claims[name]]))
        for name in sorted(hidden)
    ]
    payload = {name: value for name, value in claims.items() if name not in hidden}
    return {**payload, "_sd": sorted(map(disclosure_digest, disclosures)), "_sd_alg": "sha-256"}, disclosures


def disclosure_digest(encoded: str) -> str:
    """base64url SHA-256 of a disclosure as it travels (RFC 9901 section 4.2.3)."""
    return b64url_encode(hashlib.sha256(encoded.encode("ascii")).digest())


def read_disclosure(encoded: str) -> Disclosure:
    """One disclosure as it travels.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    match parse_json(b64url_decode(encoded)):
        case [str(), str(name), value] if name not in ("_sd", "...", "_sd_alg"):
            return Disclosure(disclosure_digest(encoded), name, value, element=False)
        case [str(), value]:
            return Disclosure(disclosure_digest(encoded), "", value, element=True)
        case _:
            raise malformed("not a disclosure")


class _Opener:
    """Walks a payload and puts each waiting disclosure where its digest stands."""

    def __init__(self, waiting: dict[str, Disclosure]) -> None:
        self.waiting = waiting
        self._seen: set[str] = set()

    def object(self, source: Mapping[str, Json], depth: int) -> dict[str, Json]:
        """An object with its ``_sd`` digests opened."""
        digests = source.get("_sd", [])
        if not isinstance(digests, list):
            raise malformed("_sd must be a list")
        result = {
            name: value if depth == 0 and name in PLAIN_CLAIMS else self._value(value, depth + 1)
            for name, value in source.items()
            if name != "_sd"
        }
        for digest in digests:
            for entry in self._take(digest, element=False):
                if entry.name in result or (depth == 0 and entry.name in PLAIN_CLAIMS):
                    raise malformed("a disclosure would overwrite a claim")
                result[entry.name] = self._value(entry.value, depth + 1)
        return result

    def _value(self, value: Json, depth: int) -> Json:
        if depth > MAX_DEPTH:
            raise malformed("disclosures are nested too deeply")
        match value:
            case dict():
                return self.object(value, depth)
            case list():
                return self._array(value, depth)
            case _:
                return value

    def _array(self, source: list[Json], depth: int) -> list[Json]:
        result: list[Json] = []
        for item in source:
            if isinstance(item, dict) and "..." in item:
                if len(item) != 1:
                    raise malformed("an array digest stands alone")
                opened = self._take(item["..."], element=True)
                result.extend(self._value(entry.value, depth + 1) for entry in opened)
            else:
                result.append(self._value(item, depth + 1))
        return result

    def _take(self, digest: Json, *, element: bool) -> tuple[Disclosure, ...]:
        """The disclosure of a digest, or nothing for one withheld (or a decoy)."""
        if not isinstance(digest, str) or digest in self._seen:
            raise malformed("a digest stands twice or is no text")
        self._seen.add(digest)
        if digest not in self.waiting:
            return ()
        entry = self.waiting.pop(digest)
        if entry.element is not element:
            raise malformed("a disclosure of the wrong kind for its place")
        return (entry,)
