"""Strict base64url and JSON: one text, one meaning, or a refusal."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A parsed JSON value."""

MAX_DEPTH: Final = 32
"""Nesting that a token may have; ours need 5. It keeps the parser's recursion small in any thread."""

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*\Z")


def malformed(message: str) -> ConsentInvalid:
    """A ``MALFORMED`` refusal; the message holds no part of the input."""
    return ConsentInvalid(ConsentStatus.MALFORMED, message)


def b64url_encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Decode base64url, refusing padding, foreign characters and stray bits in the last character.

    Raises:
        ConsentInvalid: ``MALFORMED``; the text is not what :func:`b64url_encode` would have written.
    """
    if not _ALPHABET.match(text) or len(text) % 4 == 1:
        raise malformed("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:  # pragma: no cover - the pattern leaves nothing to raise on
        raise malformed("not base64url") from error
    if b64url_encode(data) != text:
        raise malformed("base64url is not canonical")
    return data


def parse_object(data: bytes) -> dict[str, Json]:
    """Parse one JSON object, refusing what ``json.loads`` lets through.

    Refused: duplicate names, NaN and infinities, numbers that overflow, lone surrogates, a byte order
    mark, nesting beyond :data:`MAX_DEPTH`, anything that is not an object.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    value = parse_json(data)
    if not isinstance(value, dict):
        raise malformed("not a JSON object")
    return value


def parse_json(data: bytes) -> Json:
    """Parse one JSON value as strictly as :func:`parse_object`.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    if _too_deep(data):
        raise malformed("JSON is nested too deeply")
    try:
        value: Json = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
    except ValueError as error:  # UnicodeError and JSONDecodeError are ValueErrors
        raise malformed("not strict JSON") from error
    return value


def compact_json(value: Mapping[str, object] | list[object]) -> bytes:
    """JSON in its shortest form, names sorted, UTF-8: what this package signs."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def _no_constant(_: str) -> float:
    raise ValueError("NaN and infinities are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _too_deep(data: bytes) -> bool:
    """Whether brackets outside strings nest beyond the bound; measured before any recursive parser runs."""
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return False
    depth, in_string, escaped = 0, False, False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"}]":
            depth -= 1
    return False
