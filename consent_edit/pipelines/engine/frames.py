"""Frames: a bounded JSON head and the raw bytes it declares, sent and received against the clock.

A frame is four bytes of magic, the head's length (32 bits, big endian), the head, and then the parts whose
lengths the head declares. What comes is held against bounds before it is read, and memory is taken only for
what has come. Nothing here is ever unpickled.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from consent_edit.encoding import JsonValue, parse_json

MAGIC: Final = b"CEe1"
"""Begins every frame; the version of the form is in it."""

_READING: Final = threading.Lock()
"""One head is parsed at a time: as objects, short text can be thirty times as long."""

_START: Final = struct.Struct("!4sI")
_STRIDE: Final = 1 << 20
_T = TypeVar("_T")


class Unframed(Exception):  # turned into an error of ours before it leaves the room
    """What came is no frame, is over a bound, or did not come in time."""


class HungUp(Unframed):
    """The other end is gone."""


def framed(head: BaseModel) -> bytes:
    """The beginning of a frame: all but its parts.

    Raises:
        ValueError: the head has no JSON form.
    """
    members: dict[str, JsonValue] = head.model_dump(mode="json")
    text = json.dumps(members, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return _START.pack(MAGIC, len(text)) + text


def send(line: socket.socket, beginning: bytes, parts: Sequence[bytes], seconds: float) -> None:
    """Send a frame whole, or give up.

    Raises:
        HungUp: the other end is gone, or did not take it in time.
    """
    until = time.monotonic() + seconds
    try:
        for part in (beginning, *parts):
            line.settimeout(_left(until))
            line.sendall(part)
    except OSError as error:
        raise HungUp from error


def receive_head(line: socket.socket, kind: TypeAdapter[_T], longest: int, until: float) -> _T:
    """The next frame's head.

    Args:
        kind: What it must be.
        longest: Bytes that its text may have.
        until: ``time.monotonic()`` value by which it must be there.

    Raises:
        Unframed: it is none, or too long, or late.
        HungUp: the other end is gone.
    """
    magic, length = _START.unpack(receive(line, _START.size, until))
    if magic != MAGIC or length > longest:
        raise Unframed("no frame, or one with too long a head")
    text = receive(line, length, until)
    try:
        with _READING:
            parse_json(text, max_bytes=longest)  # doubled names, depth, NaN: what pydantic would let through
            return kind.validate_json(text, strict=True)
    except (ValidationError, ValueError):
        pass  # these errors hold what came
    raise Unframed("a head that is none")


def receive(line: socket.socket, length: int, until: float) -> bytes:
    """Exactly so many bytes.

    Raises:
        Unframed: they did not come in time.
        HungUp: the other end is gone.
    """
    parts: list[bytes] = []
    try:
        while length:
            line.settimeout(_left(until))
            part = line.recv(min(length, _STRIDE))
            if not part:
                raise HungUp
            parts.append(part)
            length -= len(part)
    except TimeoutError as error:
        raise Unframed("it did not come in time") from error
    except OSError as error:
        raise HungUp from error
    return b"".join(parts)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
