"""Reads the outer structure of JPEG, PNG and WebP files, before any decoder sees a byte of them.

A decoder stops where its picture ends and says nothing of what follows, and it allocates what a header
declares. So the container is walked first, and must hold one picture, whole, from the first byte to the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consent_edit.errors import ImageRejected

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_MAX_PARTS: Final = 100_000
"""Chunks or segments of one file; a real photograph has far fewer."""

_MAX_SCANS: Final = 128
"""Scans of a progressive JPEG; encoders write about ten, and each costs a pass over the whole picture."""

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_JPEG_OTHER_FRAMES: Final = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_PNG_ANIMATION: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})


class PictureFormat(StrEnum):
    """The three formats taken in and given out."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


@dataclass(frozen=True, slots=True)
class Container:
    """What the structure of a file declares.

    Attributes:
        width: Declared width, pixels.
        height: Declared height, pixels.
        has_icc: Whether the file carries a colour profile.
        grey_bits: Bits a sample of a grey PNG (1, 2, 4, 8 or 16); 8 for anything else.
    """

    format: PictureFormat
    width: int
    height: int
    has_icc: bool
    grey_bits: int = 8


def inspect(data: bytes) -> Container:
    """Walk a file's structure from the first byte to the last.

    Raises:
        ImageRejected: ``input.format`` (none of the three, or a variety of one that nobody decodes alike),
            ``input.truncated``, ``input.polyglot`` (bytes beyond the picture), ``input.frames`` (more than
            one picture) or ``input.unreadable`` (the structure makes no sense).
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _inspect_jpeg(data)
    if data.startswith(PNG_SIGNATURE):
        return _inspect_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _inspect_webp(data)
    if len(data) < 12 and any(magic.startswith(data) for magic in (b"\xff\xd8\xff", PNG_SIGNATURE, b"RIFF")):
        raise _truncated()
    raise ImageRejected(
        "the bytes are no JPEG, PNG or WebP picture",
        code="input.format",
        remedy="save the picture as JPEG, PNG or WebP",
    )


def _inspect_jpeg(data: bytes) -> Container:
    """Read what the segments of ITU-T T.81, Annex B, declare."""
    size, scans, has_icc = (0, 0), 0, False
    for marker, body in _jpeg_segments(data):
        if marker in _JPEG_FRAMES | _JPEG_OTHER_FRAMES:
            if size != (0, 0):
                raise _unreadable("a JPEG with two frame headers")
            size = _jpeg_size(marker, body)
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            raise _frames()
        elif marker == 0xE2:
            has_icc = has_icc or body.startswith(b"ICC_PROFILE\0")
        elif marker == 0xDA:
            scans += 1
            if size == (0, 0) or scans > _MAX_SCANS:
                raise _unreadable("a JPEG with scans that make no sense")
    if not scans:
        raise _unreadable("a JPEG without a picture in it")
    return Container(PictureFormat.JPEG, *size, has_icc=has_icc)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers with their bodies up to the end of the picture, which must be the end of the file."""
    position = 2
    for _ in range(_MAX_PARTS):
        marker, position = _next_marker(data, position)
        if marker == 0xD9:
            _expect_end(data, position)
            return
        if marker in _JPEG_BARE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if position + max(length, 2) > len(data):
            raise _truncated()
        if length < 2 or marker == 0xD8:
            raise _unreadable("a JPEG segment that makes no sense")
        yield marker, data[position + 2 : position + length]
        position += length
        if marker == 0xDA:
            found = _JPEG_MARKER.search(data, position)
            if found is None:
                raise _truncated()
            position = found.start()
    raise _unreadable("a JPEG of too many segments")


def _next_marker(data: bytes, position: int) -> tuple[int, int]:
    """The marker at a position, past fill bytes, and the position after it."""
    if position < len(data) and data[position] != 0xFF:
        raise _unreadable("bytes between two segments of a JPEG")
    while position < len(data) and data[position] == 0xFF:
        position += 1
    if position >= len(data):
        raise _truncated()
    return data[position], position + 1


def _jpeg_size(marker: int, body: bytes) -> tuple[int, int]:
    """Width and height of a frame header; refuses the kinds few decoders know."""
    if len(body) < 6:
        raise _unreadable("a JPEG frame header that is too short")
    if marker not in _JPEG_FRAMES or body[0] != 8 or body[5] not in {1, 3, 4}:
        raise ImageRejected(
            "a lossless, arithmetic-coded, hierarchical or 12-bit JPEG",
            code="input.format",
            remedy="save the picture as an ordinary JPEG or as PNG",
        )
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not width or not height:
        raise _unreadable("a JPEG that does not declare its size")
    return width, height


def _inspect_png(data: bytes) -> Container:
    """Walk the chunks of W3C PNG, third edition, section 5."""
    position, seen, header, has_icc = len(PNG_SIGNATURE), set[bytes](), b"", False
    for _ in range(_MAX_PARTS):
        length, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise _truncated()
        if (not seen) != (name == b"IHDR"):
            raise _unreadable("a PNG whose header is not its first chunk and its only one")
        if name == b"IHDR":
            header = data[position + 8 : end - 4]
        elif name in _PNG_ANIMATION:
            raise _frames()
        has_icc = has_icc or name == b"iCCP"
        seen.add(name)
        position = end
        if name == b"IEND":
            break
    else:
        raise _unreadable("a PNG of too many chunks")
    if len(header) != 13 or b"IDAT" not in seen:
        raise _unreadable("a PNG without a header or without a picture in it")
    _expect_end(data, position)
    bits, colour = header[8], header[9]
    if bits == 16 and colour == 2 and b"tRNS" in seen:
        raise ImageRejected(
            "a 16-bit PNG with one colour declared transparent",
            code="input.mode",
            remedy="save the picture with an alpha channel, or as 8-bit",
        )
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    return Container(PictureFormat.PNG, width, height, has_icc, bits if colour == 0 else 8)


def _inspect_webp(data: bytes) -> Container:
    """Walk the chunks of RFC 9649, section 2."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < end:
        raise _truncated()
    _expect_end(data, end)
    position, sizes, names = 12, list[tuple[int, int]](), list[bytes]()
    for _ in range(_MAX_PARTS):
        if position == end:
            break
        name = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        start, position = position + 8, position + 8 + length + length % 2
        if position > end:
            raise _unreadable("a WebP whose chunks do not fit its length")
        names.append(name)
        body = data[start : start + min(length, 10)]
        if name in {b"ANIM", b"ANMF"} or (name == b"VP8X" and body[:1] and body[0] & 0x02):
            raise _frames()
        if name in {b"VP8 ", b"VP8L", b"VP8X"}:
            sizes.append(_webp_size(name, body))
    else:
        raise _unreadable("a WebP of too many chunks")
    pictures = names.count(b"VP8 ") + names.count(b"VP8L")
    if pictures > 1:
        raise _frames()
    if not pictures or names.count(b"VP8X") > 1 or len(set(sizes)) != 1:
        raise _unreadable("a WebP whose parts disagree on its size, or that holds no picture")
    return Container(PictureFormat.WEBP, *sizes[0], has_icc=b"ICCP" in names)


def _webp_size(name: bytes, body: bytes) -> tuple[int, int]:
    """Width and height declared by a chunk that starts with ``body``."""
    if name == b"VP8X" and len(body) == 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if name == b"VP8 " and len(body) == 10 and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if name == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise _unreadable("a WebP whose picture declares no size")


def _expect_end(data: bytes, end: int) -> None:
    """Refuse a file that goes on after its picture."""
    if len(data) > end:
        raise ImageRejected(
            f"{len(data) - end} bytes follow the end of the picture: a second picture or another file",
            code="input.polyglot",
            remedy="open the picture in an editor and save it again as a single JPEG, PNG or WebP",
        )


def _truncated() -> ImageRejected:
    return ImageRejected(
        "the file ends before the picture does",
        code="input.truncated",
        remedy="fetch or copy the file again, whole",
    )


def _frames() -> ImageRejected:
    return ImageRejected(
        "the file holds more than one picture (an animation, a multi-picture JPEG or an HDR gain map)",
        code="input.frames",
        remedy="save the one picture meant as a plain JPEG, PNG or WebP",
    )


def _unreadable(what: str) -> ImageRejected:
    return ImageRejected(
        f"the file is damaged: {what}",
        code="input.unreadable",
        remedy="open the picture in an editor and save it again",
    )
