"""PDQ gives the publishers' hashes, knows a picture however it lies, and does not move for a small region."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import HASH_BYTES, Lie, Turn, distance, lies, pdq, pdq_turned

ASTRONAUT = data.astronaut()

REFERENCE = [
    (lambda: ASTRONAUT, "2d6b1af3a956c529e79ca3d2526fa834d4196c81cedd04de0a26b855fc99b724", 100),
    (
        lambda: np.ascontiguousarray(ASTRONAUT[:300, 40:240]),
        "666a8b891352e1696c9236dbe337fccddfe4d7922cfd036f03162afd092d8400",
        100,
    ),
    (
        lambda: np.ascontiguousarray(ASTRONAUT[::4, ::4]),
        "6d2f1af3a876c529c79ca3d2566f2834d4196c8186fd04de0a26f855fc99b724",
        100,
    ),
    (
        lambda: np.ascontiguousarray(ASTRONAUT[:64, :64]),
        "1799170013d86f649066ed66b2039d9bdb01dd93ff64f4124af2a9134cafe656",
        100,
    ),
    (lambda: data.chelsea(), "5feb5321f01da156898e2bf629a5d3438412cdbd23f48942464526315db33ffd", 100),
]
"""Picture, hash and quality by the publishers' C++ code (pdqhash 0.2.8, BSD), bit by bit."""


def image(pixels) -> CanonicalImage:
    return CanonicalImage.of(np.ascontiguousarray(pixels, dtype=np.uint8))


def jpeg(pixels, quality):
    with io.BytesIO() as memory:
        Image.fromarray(pixels).save(memory, "JPEG", quality=quality)
        return np.asarray(Image.open(memory))


def nearest(pixels, own) -> tuple[int, Lie]:
    """How near a picture comes to a hash, and how it lies there."""
    return min(((distance(bits, own), lie) for lie, bits in lies(image(pixels))), key=lambda one: one[0])


@pytest.mark.parametrize(("picture", "bits", "quality"), REFERENCE)
def test_hashes_of_the_reference(picture, bits, quality):
    """The publishers' own code gives the same bits and the same quality."""
    found = pdq(image(picture()))
    assert distance(found.bits, bytes.fromhex(bits)) == 0
    assert found.quality == quality


@pytest.mark.parametrize("turn", list(Turn))
def test_a_turned_picture_has_the_turned_hash(turn):
    """Each of the eight hashes is the one of the picture so turned, and the turn can be undone."""
    cut = ASTRONAUT[30:430, 60:360]
    assert pdq_turned(image(cut))[turn].bits == pdq(image(turn.of(cut))).bits
    assert np.array_equal(turn.undone.of(turn.of(cut)), cut)
    assert nearest(turn.of(cut), pdq(image(cut)).bits) == (0, Lie(turn.undone))


@pytest.mark.parametrize(
    "edit",
    [
        lambda pixels: jpeg(pixels, 75),
        lambda pixels: jpeg(pixels, 50),
        lambda pixels: cv2.resize(pixels, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA),
        lambda pixels: cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda pixels: (pixels * np.array([1.0, 0.95, 0.85])).astype(np.uint8),
        lambda pixels: pixels[10:, 10:],
        lambda pixels: pixels[5:-5, 5:-5],
        lambda pixels: pixels[:, :-25],
        lambda pixels: jpeg(np.ascontiguousarray(pixels[:-10, 10:, :][:, ::-1]), 60),
    ],
    ids=["jpeg 75", "jpeg 50", "3/4", "1/2", "warmer", "corner", "all round", "side", "mirrored, cut, jpeg"],
)
def test_a_picture_saved_anew_is_near(edit):
    """Saved, resized, toned, mirrored or with thin borders cut off, a picture is within 31 bits of itself."""
    assert nearest(edit(ASTRONAUT), pdq(image(ASTRONAUT)).bits)[0] <= 31


def test_a_cut_border_is_found_where_it_was():
    """What lies in the whole picture is told to lie there: a twentieth off on the left, nothing below."""
    cut, own = ASTRONAUT[:, 24:], pdq(image(ASTRONAUT)).bits
    assert nearest(cut, own)[1] == Lie(left=0.05)
    assert nearest(cut[:, ::-1], own)[1] == Lie(Turn.MIRRORED, right=0.05)


def test_another_picture_is_far():
    """Two pictures are as far apart as chance has it, in every way the one may lie."""
    assert nearest(data.chelsea(), pdq(image(ASTRONAUT)).bits)[0] > 80


def test_a_small_changed_region_barely_moves_the_hash():
    """The limit: repainting a face-sized spot leaves the picture itself, to PDQ."""
    repainted = ASTRONAUT.copy()
    repainted[90:150, 200:250] = (40, 160, 60)
    assert distance(pdq(image(repainted)).bits, pdq(image(ASTRONAUT)).bits) <= 31


def test_a_heavy_crop_is_lost():
    """The other limit: with a tenth off one corner a picture is another one."""
    assert nearest(ASTRONAUT[51:, 51:], pdq(image(ASTRONAUT)).bits)[0] > 31


@pytest.mark.parametrize(("pixels", "most"), [(np.full((80, 90, 3), 120), 0), (np.zeros((4, 400, 3)), 0)])
def test_a_plain_picture_is_of_no_quality(pixels, most):
    """A picture with nothing in it, or too narrow to be hashed, says so."""
    found = pdq(image(pixels))
    assert found.quality == most and len(found.bits) == HASH_BYTES


def test_a_narrow_picture_lies_nowhere():
    """Where the reference gives no hash there is none to look up."""
    assert lies(image(np.zeros((4, 400, 3)))) == ()
