"""Makes the candidate file: the very bytes that are checked and, if they pass, leave (G5).

In the demo environment a band is added *below* the picture, as extra rows: it hides nothing, boxes and
landmarks keep their places, and being pixels it is checked and bound by the receipt like the rest.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from consent_edit.errors import CheckFailed, ImageRejected, Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.containers import PictureFormat
from consent_edit.intake.decode import IntakeLimits, decode
from consent_edit.vocabulary import Environment

DEMO_BAND: Final = "SIMULATED CONSENT - this person gave no consent"
"""What every picture that leaves the demo says."""

OUTPUT_LIMITS: Final = IntakeLimits(
    max_bytes=256 * 1024 * 1024, max_pixels=48_000_000, max_side_ratio=80.0, min_side=16
)
"""Limits on files we made: an intake of the largest size, stored losslessly, with the band below it."""

_INK: Final = (255, 255, 255)
_GROUND: Final = (150, 0, 0)
_BAND_SHARE: Final = 28
"""Font size is the picture's shorter side over this, so that the band reads at the picture's own scale."""

_USUAL_FONT: Final = 14
_MIN_FONT: Final = 11
_ENCODER_OPTIONS: Final[dict[PictureFormat, dict[str, int | bool]]] = {
    PictureFormat.PNG: {"compress_level": 4},
    PictureFormat.JPEG: {"quality": 95, "subsampling": 0},
    PictureFormat.WEBP: {"quality": 95, "method": 4},
}


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A finished file that nobody has passed yet.

    Attributes:
        data: The bytes that would leave.
        image: Canonical pixels decoded from ``data``, band included: what the checks read.
        byte_digest: ``sha256:<hex>`` of ``data``.
        format: Format of ``data``.
        picture_rows: Rows of ``image`` that are the edited picture; rows from here down are the band.
    """

    data: bytes
    image: CanonicalImage
    byte_digest: str
    format: PictureFormat
    picture_rows: int


def finish(pixels: CanonicalImage, *, environment: Environment, file_format: str = "png") -> Candidate:
    """Band (demo only), encode without metadata, and decode again.

    Args:
        pixels: The edited picture.
        environment: ``DEMO`` adds the band; nothing takes it off.
        file_format: ``png`` (lossless), ``jpeg`` or ``webp``; what a lossy one decodes to is what is checked.

    Raises:
        ImageRejected: ``input.output-format`` (not one of the three), ``input.output-size`` (too narrow for
            the band, or too large for the format).
        CheckFailed: the file does not decode to what was encoded.
        Unavailable: ``check.installation``: Pillow was built without FreeType, so the band cannot be written.
    """
    try:
        chosen = PictureFormat(file_format)
    except ValueError as error:
        raise ImageRejected(
            f"{file_format!r} is not a format that is written",
            code="input.output-format",
            remedy="ask for png, jpeg or webp",
        ) from error
    content = pixels.pixels
    if environment is not Environment.PRODUCTION:
        content = np.vstack([content, _band(pixels.width, pixels.height)])
    data = _encode(content, chosen)
    try:
        decoded = decode(data, limits=OUTPUT_LIMITS)
    except ImageRejected as error:
        raise CheckFailed(
            f"the finished file does not decode: {error.message}", code="check.finish"
        ) from error
    expected = CanonicalImage.of(content)
    if decoded.image.pixels.shape != content.shape or (
        chosen is PictureFormat.PNG and decoded.image.digest != expected.digest
    ):
        raise CheckFailed("the finished file decodes to another picture", code="check.finish")
    return Candidate(
        data=data,
        image=decoded.image,
        byte_digest=decoded.byte_digest,
        format=chosen,
        picture_rows=pixels.height,
    )


def _encode(content: NDArray[np.uint8], chosen: PictureFormat) -> bytes:
    """The file's bytes; a picture made from an array carries no metadata to write."""
    buffer = io.BytesIO()
    try:
        Image.fromarray(content).save(buffer, chosen.value.upper(), **_ENCODER_OPTIONS[chosen])
    except (OSError, ValueError, MemoryError) as error:
        raise ImageRejected(
            f"a picture of {content.shape[1]} x {content.shape[0]} cannot be written as {chosen.value}",
            code="input.output-size",
            remedy="ask for png, or hand in a smaller picture",
        ) from error
    return buffer.getvalue()


def _band(width: int, height: int) -> NDArray[np.uint8]:
    """The band, (rows, width, 3) uint8: white on dark red, wrapped to the width of the picture."""
    size = max(_USUAL_FONT, min(width, height) // _BAND_SHARE)
    for candidate in range(size, _MIN_FONT - 1, -1):
        font = _font(candidate)
        lines = _wrapped(DEMO_BAND, font, width - candidate)
        if lines is not None and len(lines) * candidate * 4 <= max(height, width) * 2:
            break
    else:
        raise ImageRejected(
            "the picture is too small to say on it that consent is simulated",
            code="input.output-size",
            remedy="hand in a larger picture",
        )
    pitch = round(candidate * 1.35)
    image = Image.new("RGB", (width, pitch * len(lines) + candidate // 2), _GROUND)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        left = (width - font.getlength(line)) / 2
        draw.text((left, candidate // 4 + number * pitch), line, font=font, fill=_INK)
    return np.asarray(image, dtype=np.uint8)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's built-in scalable font."""
    try:
        font = ImageFont.load_default(size)
    except (ImportError, OSError) as error:
        raise _no_font() from error
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise _no_font()
    return font


def _no_font() -> Unavailable:
    return Unavailable(
        "Pillow was built without FreeType, so the demo's band cannot be written",
        code="check.installation",
        remedy="install Pillow from its wheel",
    )


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str] | None:
    """Words in lines no wider than ``width`` pixels; None when a word alone is wider."""
    lines: list[str] = []
    for word in text.split():
        if font.getlength(word) > width:
            return None
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
