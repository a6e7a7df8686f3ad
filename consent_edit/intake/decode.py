"""Bytes or a Pillow picture become canonical pixels, or an ``input.*`` error says why not (G1, G4)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import PIL
from PIL import Image, ImageFile, features

from consent_edit.errors import ImageRejected, Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.colour import to_upright_srgb
from consent_edit.intake.containers import Container, PictureFormat, inspect
from consent_edit.intake.digests import byte_digest

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """What a picture may be at most (and at least); checked on what the file declares, before decoding.

    Attributes:
        max_bytes: Length of the file.
        max_pixels: Width times height.
        max_side_ratio: Longer side over shorter side. The checks look at views of a given long side, in
            which whoever stands in a long strip is too small to be found
            (tests/bypass/test_padded_into_a_strip.py).
        min_side: Shorter side, pixels.
    """

    max_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 40_000_000
    max_side_ratio: float = 2.5
    min_side: int = 16


DEFAULT_LIMITS: Final = IntakeLimits()
"""Room for a 40-megapixel photograph; a bound on memory (about 0.5 GB at most), not a measured threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """A file and the pixels it decodes to.

    Attributes:
        image: The canonical pixels.
        byte_digest: ``sha256:<hex>`` of the file's bytes.
        format: ``jpeg``, ``png`` or ``webp``, by content.
    """

    image: CanonicalImage
    byte_digest: str
    format: PictureFormat


def decoder_id() -> str:
    """Names the decoders that pixels come from; two ids may round a lossy file's pixels differently."""
    parts = [f"pillow-{PIL.__version__}"]
    names = ("libjpeg_turbo", "jpg", "webp", "littlecms2")
    parts += [f"{name}-{features.version(name) or 'none'}" for name in names]
    return "consent-edit-1/" + "/".join(parts)


def decode(data: bytes, *, limits: IntakeLimits = DEFAULT_LIMITS) -> DecodedImage:
    """Decode a JPEG, PNG or WebP file of one picture, told by its content and never by its name.

    The structure of the file is walked first (one whole picture, nothing after it), the declared size held
    against the limits, and only then is the decoder of that one format let at it. Transparency is laid on
    white, the EXIF turn applied, a colour profile applied; all metadata is dropped.

    Args:
        data: The file's bytes.
        limits: What it may be at most.

    Raises:
        ImageRejected: ``input.type``, ``input.empty``, ``input.bytes-limit``, ``input.format``,
            ``input.truncated``, ``input.polyglot``, ``input.frames``, ``input.pixel-limit``,
            ``input.side-ratio``, ``input.too-small``, ``input.mode``, ``input.icc``, ``input.exif`` or
            ``input.unreadable``.
        Unavailable: ``check.installation``: Pillow is set to make up the missing part of truncated files.
    """
    if not isinstance(data, bytes):
        raise ImageRejected("a picture must be given as bytes", code="input.type")
    if not data:
        raise ImageRejected("the file is empty", code="input.empty", remedy="hand in a picture")
    if len(data) > limits.max_bytes:
        raise ImageRejected(
            f"the file has {len(data)} bytes; at most {limits.max_bytes} are taken",
            code="input.bytes-limit",
            remedy="make the picture smaller or compress it more",
        )
    container = inspect(data)
    _check_size(container.width, container.height, limits)
    _refuse_lenient_pillow()
    pixels = _guarded(lambda: _decode_one(data, container))
    return DecodedImage(image=pixels, byte_digest=byte_digest(data), format=container.format)


def from_pil(image: Image.Image, *, limits: IntakeLimits = DEFAULT_LIMITS) -> CanonicalImage:
    """Canonical pixels of a Pillow picture, turned and flattened exactly as :func:`decode` does.

    Raises:
        ImageRejected: as :func:`decode`, for what applies to a picture without a file.
        Unavailable: as :func:`decode`.
    """
    if not isinstance(image, Image.Image):
        raise ImageRejected("not a Pillow picture", code="input.type")
    _refuse_lenient_pillow()

    def convert() -> CanonicalImage:
        _check_size(*image.size, limits)
        if getattr(image, "n_frames", 1) != 1:
            raise ImageRejected(
                "the Pillow picture has more than one frame",
                code="input.frames",
                remedy="hand in a copy of the one frame meant",
            )
        image.load()
        return CanonicalImage.of(to_upright_srgb(image))

    return _guarded(convert)


def _decode_one(data: bytes, container: Container) -> CanonicalImage:
    """Let Pillow's decoder of the format found, and no other, at the bytes."""
    with Image.open(io.BytesIO(data), formats=[container.format.value.upper()]) as image:
        if getattr(image, "n_frames", 1) != 1:
            raise ImageRejected("the file holds more than one picture", code="input.frames")
        if image.size != (container.width, container.height):
            raise ImageRejected("the decoder reads another size than the file declares")
        image.load()
        if container.has_icc and not image.info.get("icc_profile"):
            raise ImageRejected(
                "the file's colour profile cannot be read",
                code="input.icc",
                remedy="convert the picture to sRGB, or save it without its profile",
            )
        return CanonicalImage.of(to_upright_srgb(image, grey_bits=container.grey_bits))


def _check_size(width: int, height: int, limits: IntakeLimits) -> None:
    """Hold a size against the limits, before anything is allocated for it."""
    if min(width, height) < limits.min_side:
        raise ImageRejected(
            f"the picture is {width} x {height}; each side must be {limits.min_side} at least",
            code="input.too-small",
            remedy="hand in a larger picture",
        )
    if width * height > limits.max_pixels:
        raise ImageRejected(
            f"the picture declares {width} x {height} pixels; at most {limits.max_pixels} are taken",
            code="input.pixel-limit",
            remedy="scale the picture down",
        )
    if max(width, height) > limits.max_side_ratio * min(width, height):
        raise ImageRejected(
            f"the picture is {width} x {height}: too long for its width",
            code="input.side-ratio",
            remedy=f"crop it, or edit it in parts: at most {limits.max_side_ratio:g} times as long as wide",
        )


def _refuse_lenient_pillow() -> None:
    """Refuse to decode while the process lets Pillow fill in what a truncated file lacks."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise Unavailable(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set, so damaged pictures would pass for whole ones",
            code="check.installation",
            remedy="leave PIL.ImageFile.LOAD_TRUNCATED_IMAGES at False in this process",
        )


def _guarded(work: Callable[[], _Result]) -> _Result:
    """Run Pillow; whatever it raises becomes an ``input.*`` error."""
    try:
        return work()
    except ImageRejected:
        raise
    except Image.DecompressionBombError as error:
        raise ImageRejected(
            "the picture unpacks to more pixels than Pillow allows", code="input.pixel-limit"
        ) from error
    except Exception as error:  # Pillow's decoders raise of every kind; the file is at fault
        truncated = "truncated" in str(error).lower() or isinstance(error, EOFError)
        raise ImageRejected(
            "the file ends before the picture does" if truncated else "the picture data cannot be decoded",
            code="input.truncated" if truncated else "input.unreadable",
            remedy="open the picture in an editor and save it again",
        ) from error
