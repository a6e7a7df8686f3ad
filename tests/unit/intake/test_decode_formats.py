"""Every kind of picture that intake takes comes out as the upright sRGB pixels a person would see."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from consent_edit.errors import ImageRejected
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode, decoder_id, from_pil
from consent_edit.intake.digests import byte_digest, is_digest

SIZE = 24


def gradient() -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    return np.stack([x * 10, y * 10, 255 - x * 5], axis=2).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of(bits: int, colour: int, rows: bytes, extra: bytes = b"", side: int = SIZE) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, bits, colour, 0, 0, 0)
    transparent = chunk(b"tRNS", extra) if extra else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + transparent
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_png_pixels_are_kept_exactly_and_cannot_be_written():
    """A lossless file decodes to its own pixels, which nobody can change afterwards."""
    data = encode(Image.fromarray(gradient()), "PNG")
    decoded = decode(data)
    assert decoded.format == "png"
    assert decoded.byte_digest == byte_digest(data)
    assert is_digest(decoded.image.digest)
    assert np.array_equal(decoded.image.pixels, gradient())
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        decoded.image.pixels.setflags(write=True)


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"quality": 95})]
)
def test_lossy_formats_are_told_by_content(kind, options):
    """JPEG and WebP are recognised by their bytes and decode close to what was encoded."""
    decoded = decode(encode(Image.fromarray(gradient()), kind, **options))
    assert decoded.format == kind.lower()
    assert np.abs(decoded.image.pixels.astype(int) - gradient()).mean() < 4


def test_grey_and_one_bit_pictures_become_rgb():
    """A grey level stands in all three channels."""
    grey = Image.fromarray(gradient()[..., 0])
    assert np.array_equal(decode(encode(grey, "PNG")).image.pixels, np.asarray(grey.convert("RGB")))
    bilevel = grey.convert("1")
    assert np.array_equal(decode(encode(bilevel, "PNG")).image.pixels, np.asarray(bilevel.convert("RGB")))


def test_sixteen_bit_grey_is_scaled_not_clipped():
    """Level 0x8000 of 16-bit grey is mid grey, not white."""
    deep = np.full((SIZE, SIZE), 0x8000, dtype=np.uint16)
    data = encode(Image.fromarray(deep), "PNG")
    assert set(decode(data).image.pixels.ravel().tolist()) == {0x80}


def test_sixteen_bit_rgb_is_scaled():
    """The high byte of 16-bit RGB is what counts."""
    rows = b"".join(b"\0" + struct.pack(">HHH", 0xFF00, 0x8000, 0x0100) * SIZE for _ in range(SIZE))
    assert decode(png_of(16, 2, rows)).image.pixels[3, 4].tolist() == [0xFF, 0x80, 0x01]


def test_transparency_is_laid_on_white():
    """A fully transparent red pixel is white and a half transparent black one is grey."""
    rgba = np.zeros((SIZE, SIZE, 4), dtype=np.uint8)
    rgba[:12] = (255, 0, 0, 0)
    rgba[12:] = (0, 0, 0, 128)
    for image in (Image.fromarray(rgba), Image.fromarray(rgba).convert("LA")):
        pixels = decode(encode(image, "PNG")).image.pixels
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels[20, 0].tolist() == [127, 127, 127]


def test_palette_with_transparent_entry():
    """A palette entry declared transparent is white, the others keep their colour."""
    image = Image.fromarray(np.repeat(np.arange(SIZE) % 2, SIZE).reshape(SIZE, SIZE).astype(np.uint8), "P")
    image.putpalette([200, 10, 10, 10, 10, 200])
    pixels = decode(encode(image, "PNG", transparency=0)).image.pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 0].tolist() == [10, 10, 200]
    assert decode(encode(image, "PNG")).image.pixels[0, 0].tolist() == [200, 10, 10]


@pytest.mark.parametrize(
    ("bits", "key", "row"), [(1, 0, b"\x55" * 3), (2, 1, b"\x11" * 6), (16, 0x1234, b"\x12\x34\x12\x35" * 12)]
)
def test_transparent_grey_level_is_compared_at_the_depth_of_the_file(bits, key, row):
    """A transparent level of 1, 2 or 16 bits makes that level white and no other."""
    data = png_of(bits, 0, (b"\0" + row) * SIZE, extra=struct.pack(">H", key))
    pixels = decode(data).image.pixels
    transparent, other = (1, 0) if bits == 2 else (0, 1)
    assert pixels[0, transparent].tolist() == [255, 255, 255]
    assert pixels[0, other, 0] == {1: 255, 2: 0, 16: 0x12}[bits]


def test_transparent_grey_level_leaves_others_alone():
    """In 1-bit grey with white declared transparent, black stays black."""
    data = png_of(1, 0, (b"\0" + b"\x55" * 3) * SIZE, extra=struct.pack(">H", 1))
    pixels = decode(data).image.pixels
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 1].tolist() == [255, 255, 255]


def test_rgb_with_a_transparent_colour():
    """The one colour an RGB PNG declares transparent becomes white."""
    rgb = gradient()
    rgb[5, 5] = (1, 2, 3)
    pixels = decode(encode(Image.fromarray(rgb), "PNG", transparency=(1, 2, 3))).image.pixels
    assert pixels[5, 5].tolist() == [255, 255, 255]
    assert np.array_equal(pixels[6:], rgb[6:])


def test_cmyk_jpeg_becomes_rgb():
    """A CMYK JPEG of white paper is white."""
    paper = Image.new("CMYK", (SIZE, SIZE), (0, 0, 0, 0))
    assert decode(encode(paper, "JPEG")).image.pixels.min() > 250


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turn_is_applied(kind, turn):
    """Whatever way the camera was held, the picture stands upright."""
    stored = np.zeros((32, 48, 3), dtype=np.uint8)
    stored[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    pixels = decode(encode(Image.fromarray(stored), kind, exif=exif)).image.pixels
    bright = np.argwhere(pixels[..., 0] > 128).mean(axis=0) / pixels.shape[:2]
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[turn]
    assert tuple((bright > 0.5).astype(int)) == corner
    assert pixels.shape[:2] == ((32, 48) if turn < 5 else (48, 32))


def test_unreadable_exif_is_refused():
    """Metadata that may say which way up the picture goes, and cannot be read, refuses it."""
    with pytest.raises(ImageRejected) as caught:
        decode(encode(Image.fromarray(gradient()), "PNG", exif=b"Exif\0\0XX*\0damaged"))
    assert caught.value.code == "input.exif"


def test_icc_profile_is_applied():
    """A picture in a colour space other than sRGB is converted, and one in sRGB stays as it is."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(gradient())
    kept = decode(encode(image, "PNG", icc_profile=srgb)).image.pixels
    assert np.abs(kept.astype(int) - gradient()).max() <= 1
    swapped = srgb.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    turned = decode(encode(image, "PNG", icc_profile=swapped)).image.pixels
    assert np.abs(turned.astype(int) - gradient()[..., ::-1]).max() <= 2
    with pytest.raises(ImageRejected) as caught:
        decode(encode(image, "PNG", icc_profile=lab))
    assert caught.value.code == "input.icc"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_profile_is_refused(kind):
    """A profile that cannot be read refuses the picture, never a guess at its colours."""
    with pytest.raises(ImageRejected) as caught:
        decode(encode(Image.fromarray(gradient()), kind, icc_profile=b"not a profile" * 20))
    assert caught.value.code == "input.icc"


def test_profile_chunk_that_does_not_inflate_is_refused():
    """Pillow drops a PNG profile that does not inflate; intake does not."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = bytearray(encode(Image.fromarray(gradient()), "PNG", icc_profile=srgb))
    at = data.index(b"iCCP")
    length = struct.unpack(">I", data[at - 4 : at])[0]
    data[at + 30] ^= 0xFF
    data[at + 4 + length : at + 8 + length] = struct.pack(">I", zlib.crc32(data[at : at + 4 + length]))
    with pytest.raises(ImageRejected) as caught:
        decode(bytes(data))
    assert caught.value.code == "input.icc"


def test_pil_pictures_are_taken_alike():
    """A Pillow picture gives the very pixels its file gives, turn and transparency included."""
    rgba = np.dstack([gradient(), np.full((SIZE, SIZE), 90, dtype=np.uint8)])
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.fromarray(rgba), "PNG", exif=exif)
    taken = from_pil(Image.open(io.BytesIO(data)))
    assert isinstance(taken, CanonicalImage)
    assert taken.digest == decode(data).image.digest


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I;16"]
)
def test_modes_taken(mode):
    """Each mode a photograph comes in gives RGB pixels of the same size."""
    assert from_pil(Image.new(mode, (20, 30))).pixels.shape == (30, 20, 3)


@pytest.mark.parametrize("mode", ["F", "I", "HSV", "LAB"])
def test_modes_refused(mode):
    """A mode whose conversion would guess is refused by name."""
    with pytest.raises(ImageRejected) as caught:
        from_pil(Image.new(mode, (20, 30)))
    assert caught.value.code == "input.mode"


def test_decoder_is_named():
    """Receipts can name the decoder, with its JPEG library."""
    assert "pillow-" in decoder_id()
    assert "libjpeg_turbo-" in decoder_id()
