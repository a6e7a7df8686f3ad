"""JSON and base64url with one spelling and one meaning each: what is hashed and signed reads back the same.

The errors are plain ``ValueError`` whose sentence holds no part of the input; each room turns them into its
own.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, TypeAlias

import rfc8785

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""A JSON value to write; ``Mapping`` and ``Sequence`` so that callers may hand in frozen ones."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A JSON value that was read."""

MAX_DEPTH: Final = 32
"""Nesting read or written; ours need 8. It keeps every recursion small, in any thread."""

_MARKS: Final = bytes.maketrans(b'{[}]"', b"\1\1\xff\xff\0")
_NO_MARKS: Final = bytes(set(range(256)) - set(b'{[}]"'))
"""Brackets become +1 and -1, quotes 0, and all else goes."""

_STRIDE: Final = 1 << 20

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*\Z")
_LAST: Final = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
"""Last characters without stray bits, by how many stand in the last group."""


def canonical_json(value: JsonValue) -> bytes:
    """The one byte string of a JSON value under RFC 8785.

    Raises:
        ValueError: the value has no canonical form (an integer beyond 2**53, a lone surrogate, NaN), is none
            of JSON, or nests beyond :data:`MAX_DEPTH`.
    """
    return rfc8785.dumps(_plain(value, 0))


def parse_json(data: bytes, *, max_bytes: int) -> Json:
    """Read JSON, refusing what ``json.loads`` lets through.

    Refused: doubled names, NaN and infinities, numbers that overflow, lone surrogates, a byte order mark,
    nesting beyond :data:`MAX_DEPTH`.

    Raises:
        ValueError: one of these, not UTF-8, not JSON, or longer than ``max_bytes``.
    """
    if len(data) > max_bytes:
        raise ValueError("the JSON text is too long")
    if _too_deep(data):
        raise ValueError("the JSON text is nested too deeply")
    try:
        value: Json = _STRICT.decode(data.decode("utf-8"))
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
        return value
    except (UnicodeError, json.JSONDecodeError):
        pass  # these errors hold the whole text; raised in here, ours would hold them, even `from None`
    raise ValueError("the text is not JSON in UTF-8")


def b64url_encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """The bytes of canonical base64url.

    Raises:
        ValueError: padding, foreign characters or stray bits in the last character: not what
            :func:`b64url_encode` would have written.
    """
    rest = len(text) % 4
    if not _ALPHABET.match(text) or rest == 1:
        raise ValueError("not base64url")
    if rest and text[-1] not in _LAST[rest]:
        raise ValueError("base64url is not canonical")
    return binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _plain(value: JsonValue, depth: int) -> Json:
    """The same value in the containers that rfc8785 takes."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth == MAX_DEPTH:
        raise ValueError("the value is nested too deeply")
    if isinstance(value, Mapping):
        return {key: _plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, bytes | bytearray) or not isinstance(value, Sequence):
        raise ValueError("the value is no JSON value")
    return [_plain(member, depth + 1) for member in value]


def _no_doubles(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object's members, refused when a name comes twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a JSON object names a member twice")
    return members


def _not_finite(_: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a JSON number is out of range")
    return number


_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_no_doubles, parse_constant=_not_finite, parse_float=_finite
)
"""Made once: a decoder costs more to make than a token to read."""


def _too_deep(data: bytes) -> bool:
    """Whether brackets outside strings nest beyond the bound; measured before any recursive parser runs.

    Quotes and brackets alone are looked at, in arrays: there may be tens of megabytes. A backslash outside a
    string ends the parser there, so what this makes of the rest does not matter.
    """
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return False
    import numpy as np  # few texts get here

    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = np.frombuffer(unescaped.translate(_MARKS, _NO_MARKS), dtype=np.int8)
    quoted, depth = np.uint8(0), 0
    for start in range(0, len(marks), _STRIDE):
        part = marks[start : start + _STRIDE]
        inside = np.bitwise_xor.accumulate((part == 0).astype(np.uint8)) ^ quoted
        depths = np.cumsum(np.where(inside, 0, part), dtype=np.int64) + depth
        if depths.max() > MAX_DEPTH:
            return True
        quoted, depth = inside[-1], int(depths[-1])
    return False
