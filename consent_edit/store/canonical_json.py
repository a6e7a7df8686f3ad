"""JSON as it is hashed and signed (RFC 8785), and JSON as it is read: no doubled keys, nothing non-finite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias, cast

import rfc8785

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""A JSON value; ``Mapping`` and ``Sequence`` so that callers may hand in frozen ones."""

_Plain: TypeAlias = "bool | int | float | str | list[_Plain] | dict[str, _Plain] | None"


def canonical_json(value: JsonValue) -> bytes:
    """The one byte string of a JSON value under RFC 8785.

    Raises:
        ValueError: the value has no canonical form (an integer beyond 2**53, a lone surrogate, NaN).
    """
    try:
        return rfc8785.dumps(_plain(value))
    except (RecursionError, TypeError) as error:
        raise ValueError("the value is no JSON value, or nested too deeply") from error


def parse_json(data: bytes, *, max_bytes: int) -> JsonValue:
    """Read JSON strictly.

    Raises:
        ValueError: too long, not UTF-8, not JSON, a doubled key, or a number that is not finite.
    """
    if len(data) > max_bytes:
        raise ValueError("the JSON text is too long")
    try:
        text = data.decode("utf-8")
        parsed = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_not_finite)
    except RecursionError as error:
        raise ValueError("the JSON text is nested too deeply") from error
    return cast(JsonValue, parsed)


def _plain(value: JsonValue) -> _Plain:
    """The same value in the containers that rfc8785 takes."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(member) for member in value]


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object's members, refused when a name comes twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a JSON object names a member twice")
    return members


def _not_finite(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
