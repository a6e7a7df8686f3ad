"""Strict base64url and JSON whose refusal is that of a token: ``MALFORMED``."""

from __future__ import annotations

from typing import Final

from consent_edit import encoding
from consent_edit.encoding import Json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

MAX_JSON: Final = 64 * 1024 * 1024
"""Bytes of the longest JSON text read, a wallet of years; tokens are bounded before they get here."""


def malformed(message: str) -> ConsentInvalid:
    """A ``MALFORMED`` refusal; the message holds no part of the input."""
    return ConsentInvalid(ConsentStatus.MALFORMED, message)


def b64url_decode(text: str) -> bytes:
    """Decode base64url as strictly as :func:`consent_edit.encoding.b64url_decode`.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    try:
        return encoding.b64url_decode(text)
    except ValueError as error:
        raise malformed(str(error)) from error


def parse_json(data: bytes) -> Json:
    """Read one JSON value as strictly as :func:`consent_edit.encoding.parse_json`.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    try:
        return encoding.parse_json(data, max_bytes=MAX_JSON)
    except ValueError as error:
        raise malformed(str(error)) from error


def parse_object(data: bytes) -> dict[str, Json]:
    """Read one JSON object as strictly as :func:`parse_json`.

    Raises:
        ConsentInvalid: ``MALFORMED``; also for a value that is no object.
    """
    value = parse_json(data)
    if not isinstance(value, dict):
        raise malformed("not a JSON object")
    return value
