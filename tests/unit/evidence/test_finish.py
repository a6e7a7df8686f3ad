"""The candidate is the file that would leave: banded in a demo, free of metadata, read from its bytes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from consent_edit.errors import CheckFailed, ImageRejected, Unavailable
from consent_edit.evidence import finish as finish_module
from consent_edit.evidence.finish import OUTPUT_LIMITS, finish
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode
from consent_edit.vocabulary import Environment

DEMO, PRODUCTION = Environment.DEMO, Environment.PRODUCTION


def plain(width: int, height: int) -> CanonicalImage:
    return CanonicalImage.of(np.full((height, width, 3), 90, dtype=np.uint8))


@pytest.mark.parametrize("environment", [DEMO, PRODUCTION])
@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_candidate_is_decoded_from_its_own_bytes(picture, environment, file_format):
    """What the checks read is what the bytes decode to, for a lossy format too."""
    candidate = finish(picture, environment=environment, file_format=file_format)
    again = decode(candidate.data, limits=OUTPUT_LIMITS)
    assert (again.image.digest, again.byte_digest) == (candidate.image.digest, candidate.byte_digest)
    assert candidate.format == again.format == file_format
    assert (candidate.image.digest == picture.digest) == ((environment, file_format) == (PRODUCTION, "png"))


def test_band_is_below_and_hides_nothing(picture):
    """In a demo rows are added under the picture, whose own pixels stay as they are."""
    candidate = finish(picture, environment=DEMO)
    assert candidate.picture_rows == picture.height < candidate.image.height
    assert np.array_equal(candidate.image.pixels[: picture.height], picture.pixels)
    band = candidate.image.pixels[picture.height :]
    ink = (band > 160).all(axis=2)
    assert 0.02 < ink.mean() < 0.5
    assert ink.any(axis=0).mean() > 0.5


def test_production_has_no_band(picture):
    """Outside a demo the file holds the picture and nothing else."""
    candidate = finish(picture, environment=PRODUCTION)
    assert candidate.picture_rows == candidate.image.height == picture.height


@pytest.mark.parametrize(
    ("width", "height"), [(512, 512), (128, 128), (100, 100), (90, 2000), (2000, 100), (3000, 2000)]
)
def test_band_says_all_its_words(monkeypatch, width, height):
    """Whatever the shape of the picture, the whole sentence is written, inside the band's borders."""
    written = []
    original = finish_module.ImageDraw.ImageDraw.text

    def text(self, xy, line, *args, **options):
        left, top, right, bottom = self.textbbox(xy, line, font=options["font"])
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= self.im.size[1]
        assert bottom - top >= 8
        written.append(line)
        return original(self, xy, line, *args, **options)

    monkeypatch.setattr(finish_module.ImageDraw.ImageDraw, "text", text)
    finish(plain(width, height), environment=DEMO)
    assert " ".join(written) == "SIMULATED CONSENT - this person gave no consent"


def test_picture_too_small_for_the_band():
    """A demo picture that cannot say it is one does not leave."""
    with pytest.raises(ImageRejected) as caught:
        finish(plain(60, 60), environment=DEMO)
    assert caught.value.code == "input.output-size"
    assert finish(plain(60, 60), environment=PRODUCTION)


def test_no_font_no_demo_picture(monkeypatch):
    """Without a font that scales the band cannot be written, so nothing is finished."""
    monkeypatch.setattr(
        finish_module.ImageFont, "load_default", lambda size: finish_module.ImageFont.load_default_imagefont()
    )
    with pytest.raises(Unavailable):
        finish(plain(200, 200), environment=DEMO)


def test_png_holds_no_metadata(picture):
    """A PNG that leaves has header, picture and end, and no other chunk."""
    data, position, names = finish(picture, environment=DEMO).data, 8, []
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        names.append(name)
        position += 12 + length
    assert set(names) == {b"IHDR", b"IDAT", b"IEND"}


def test_lossy_files_hold_no_metadata(picture):
    """A JPEG that leaves has JFIF's header alone, a WebP its picture chunk alone."""
    jpeg = finish(picture, environment=DEMO, file_format="jpeg").data
    head = jpeg[: jpeg.index(b"\xff\xda")]
    assert head[2:4] == b"\xff\xe0"
    assert not any(bytes([0xFF, marker]) in head for marker in (*range(0xE1, 0xF0), 0xFE))
    webp = finish(picture, environment=DEMO, file_format="webp").data
    assert webp[12:16] == b"VP8 "
    assert 20 + int.from_bytes(webp[16:20], "little") in {len(webp), len(webp) - 1}


@pytest.mark.parametrize("file_format", ["gif", "PNG", "", "tiff"])
def test_unknown_format(picture, file_format):
    """Only the three formats are written."""
    with pytest.raises(ImageRejected) as caught:
        finish(picture, environment=PRODUCTION, file_format=file_format)
    assert caught.value.code == "input.output-format"


def test_side_beyond_the_format():
    """A picture larger than WebP can hold is refused, not cropped."""
    with pytest.raises(ImageRejected) as caught:
        finish(plain(16_500, 220), environment=PRODUCTION, file_format="webp")
    assert caught.value.code == "input.output-size"


def test_encoder_that_changes_the_picture(monkeypatch, picture):
    """An encoder that writes another picture than it was given is found out."""
    original = Image.fromarray
    monkeypatch.setattr(finish_module.Image, "fromarray", lambda content: original(255 - content))
    with pytest.raises(CheckFailed) as caught:
        finish(picture, environment=PRODUCTION)
    assert caught.value.code == "check.finish"


def test_encoder_that_writes_no_picture(monkeypatch, picture):
    """A file that cannot be decoded again does not become a candidate."""
    monkeypatch.setattr(
        finish_module.Image.Image, "save", lambda self, buffer, *_, **__: buffer.write(b"broken")
    )
    with pytest.raises(CheckFailed):
        finish(picture, environment=PRODUCTION)


def test_noise_of_the_largest_intake_would_fit():
    """The limits on what we made hold a losslessly stored picture of the largest intake, band included."""
    assert OUTPUT_LIMITS.max_bytes > 40_000_000 * 3 * 1.1
    assert OUTPUT_LIMITS.max_pixels > 40_000_000 * 1.1
