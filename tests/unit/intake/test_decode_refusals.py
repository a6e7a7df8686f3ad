"""What is not one whole ordinary picture is refused with a stable code, and nothing else escapes."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from consent_edit.errors import ImageRejected, Unavailable
from consent_edit.intake.decode import DecodedImage, IntakeLimits, decode, from_pil


def picture(side: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 255, (side, side, 3), dtype=np.uint8))


def encode(kind: str, image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **options)
    return buffer.getvalue()


KINDS = ("JPEG", "PNG", "WEBP")
SAMPLES = {
    "jpeg": encode("JPEG"),
    "progressive": encode("JPEG", progressive=True),
    "cmyk": encode("JPEG", picture().convert("CMYK")),
    "png": encode("PNG"),
    "palette": encode("PNG", picture().convert("P"), transparency=3),
    "exif": encode("PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    "webp": encode("WEBP"),
    "webp-lossless": encode("WEBP", lossless=True),
    "webp-alpha": encode("WEBP", picture().convert("RGBA"), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
}


def code_of(data, **options) -> str:
    with pytest.raises(ImageRejected) as caught:
        decode(data, **options)
    assert caught.value.exit_code == 2
    return caught.value.code


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_decode(name):
    """The files the attacks below start from are taken as they are."""
    assert isinstance(decode(SAMPLES[name]), DecodedImage)


@pytest.mark.parametrize("data", [None, "text", bytearray(SAMPLES["png"]), 7, io.BytesIO(SAMPLES["png"])])
def test_not_bytes(data):
    """Only bytes, which cannot change under the check, are taken."""
    assert code_of(data) == "input.type"


def test_empty():
    """No bytes are no picture."""
    assert code_of(b"") == "input.empty"


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO", "JPEG2000", "PDF"])
def test_other_formats(kind):
    """A format outside the three is refused even where Pillow would open it."""
    assert code_of(encode(kind)) == "input.format"


def test_arithmetic_coded_jpeg():
    """A kind of JPEG that decoders read differently, or not at all, is refused."""
    assert code_of(SAMPLES["jpeg"].replace(b"\xff\xc0", b"\xff\xc9", 1)) == "input.format"


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_anywhere(name):
    """A file cut short at any place is refused, and at nearly all places as truncated."""
    data = SAMPLES[name]
    codes = [code_of(data[:cut]) for cut in range(1, len(data), 97)]
    assert codes.count("input.truncated") >= len(codes) - 2
    assert code_of(data[:-1]) == "input.truncated"


def html() -> bytes:
    return b"<html><script>alert(1)</script></html>"


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("a.txt", "a")
    return buffer.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    "tail",
    [html(), archive(), b"%PDF-1.7\n%%EOF", SAMPLES["jpeg"], SAMPLES["png"], SAMPLES["webp"], b"\0"],
    ids=["html-tail", "zip-tail", "pdf-tail", "second-jpeg", "second-png", "second-webp", "zero-tail"],
)
def test_polyglot_with_a_tail(name, tail):
    """Another file behind the picture is refused, whatever it is."""
    assert code_of(SAMPLES[name] + tail) == "input.polyglot"


def test_picture_not_at_the_start():
    """A picture behind another file's head is not looked for."""
    assert code_of(html() + SAMPLES["png"]) == "input.format"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animation(kind):
    """An animated PNG or WebP is refused, so that no frame goes unchecked."""
    data = encode(kind, save_all=True, append_images=[picture().rotate(90)], duration=100)
    assert code_of(data) == "input.frames"


def test_multi_picture_jpeg():
    """A multi-picture JPEG (stereo, burst, HDR gain map) is refused."""
    assert code_of(encode("MPO", save_all=True, append_images=[picture().rotate(90)])) == "input.frames"


def test_two_frames_behind_a_pil_picture():
    """A Pillow picture with a second frame is refused."""
    data = encode("GIF", save_all=True, append_images=[picture().rotate(90)])
    with pytest.raises(ImageRejected) as caught:
        from_pil(Image.open(io.BytesIO(data)))
    assert caught.value.code == "input.frames"


def test_webp_with_a_second_picture_chunk():
    """A WebP holding two picture chunks is refused, whichever a decoder would show."""
    body = SAMPLES["webp"][12:] + SAMPLES["webp-lossless"][12:]
    assert code_of(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body) == "input.frames"


def png_declaring(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_decompression_bomb_is_refused_by_what_it_declares(monkeypatch):
    """A header declaring a gigapixel is refused before any decoder is called."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("the decoder was called"))
    assert code_of(png_declaring(40_000, 40_000)) == "input.pixel-limit"
    assert code_of(png_declaring(40_000, 20)) == "input.side-ratio"
    assert code_of(png_declaring(3, 20)) == "input.too-small"
    assert code_of(png_declaring(0, 20)) == "input.too-small"


def test_pillow_bomb_error_is_mapped(monkeypatch):
    """Pillow's own limit, where a host set it lower than ours, refuses under our code."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert code_of(SAMPLES["png"]) == "input.pixel-limit"


def test_jpeg_of_endless_scans():
    """A progressive JPEG that repeats its scan to burn time is refused."""
    data = SAMPLES["jpeg"]
    scan = data[data.index(b"\xff\xda") : -2]
    assert code_of(data[:-2] + scan * 200 + b"\xff\xd9") == "input.unreadable"


def test_limits_on_bytes_and_pixels():
    """Each limit refuses just beyond its value and not at it."""
    data = SAMPLES["png"]
    assert decode(data, limits=IntakeLimits(max_bytes=len(data), max_pixels=1600, min_side=40))
    assert code_of(data, limits=IntakeLimits(max_bytes=len(data) - 1)) == "input.bytes-limit"
    assert code_of(data, limits=IntakeLimits(max_pixels=1599)) == "input.pixel-limit"
    assert code_of(data, limits=IntakeLimits(min_side=41)) == "input.too-small"


def test_pillow_told_to_make_up_missing_parts(monkeypatch):
    """Where the host lets Pillow fill in truncated files, nothing is decoded at all."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(Unavailable) as caught:
        decode(SAMPLES["png"])
    assert caught.value.code == "check.installation"
    with pytest.raises(Unavailable):
        from_pil(picture())


def test_importing_the_package_leaves_pillow_strict():
    """No module of the package relaxes Pillow for everybody."""
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def only_rejected(data: bytes) -> None:
    try:
        decoded = decode(data)
    except ImageRejected as error:
        assert error.code.startswith("input.")
        assert error.message
    else:
        assert decoded.image.pixels.shape[2] == 3


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_files_give_a_picture_or_a_refusal(data):
    """Flipped, cut, doubled and overwritten bytes never let any other exception out."""
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    content = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        match data.draw(st.sampled_from(["flip", "cut", "double", "fill"])):
            case "flip" if content:
                content[at] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del content[at : at + data.draw(st.integers(0, 40))]
            case "double":
                content[at:at] = content[at : at + data.draw(st.integers(0, 60))]
            case "fill":
                content[at : at + 4] = data.draw(st.binary(min_size=0, max_size=8))
    only_rejected(bytes(content))


def test_mutated_headers_give_a_picture_or_a_refusal():
    """A thousand files with bytes of the first hundred replaced never let any other exception out."""
    chance = random.Random(11)
    for _ in range(1000):
        content = bytearray(chance.choice(sorted(SAMPLES.values())))
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(min(100, len(content)))] = chance.randrange(256)
        only_rejected(bytes(content))


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBP"]),
)
def test_noise_behind_any_magic_is_refused(noise, magic):
    """Bytes that only begin like a picture are refused."""
    only_rejected(magic + noise)
