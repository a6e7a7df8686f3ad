"""Undressing somebody a little at a time, with the file saved anew between the steps: no digest is known."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fake_perception import seen_face
from PIL import Image
from skimage import data
from sqlalchemy import text

from consent_edit.errors import EditRefused, StoreUnavailable
from consent_edit.intake.decode import decode
from consent_edit.perception.exposure.change import exposure_changes
from consent_edit.perception.observation import Box, ExposureReading, Origin, PictureExposure
from consent_edit.store.store import Store
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Exposure, Operation

LIMITS = load_thresholds()
STEP = 0.45 * LIMITS.exposure_rise
"""Below the rise that counts; three of them are above it."""

SIDE = 160
FACE = Box(50, 50, 60, 60)
"""In the middle, so that it is there however the picture is turned."""

PHOTO = np.asarray(cv2.resize(data.astronaut()[20:276, 96:352], (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def saved(pixels, quality=75) -> bytes:
    with io.BytesIO() as memory:
        Image.fromarray(np.ascontiguousarray(pixels)).save(memory, "JPEG", quality=quality)
        return memory.getvalue()


def resized(pixels, share):
    return cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)


ANEW = {
    "jpeg 75": saved,
    "jpeg 50": lambda pixels: saved(pixels, 50),
    "nine tenths": lambda pixels: saved(resized(pixels, 0.9), 95),
    "three quarters": lambda pixels: saved(resized(pixels, 0.75), 95),
    "corner cut": lambda pixels: saved(pixels[3:, 3:], 95),
    "cut all round": lambda pixels: saved(pixels[4:-4, 4:-4], 95),
    "mirrored": lambda pixels: saved(pixels[:, ::-1], 95),
    "turned": lambda pixels: saved(pixels.swapaxes(0, 1)[::-1], 95),
    "warmer": lambda pixels: saved((pixels * np.array([1.0, 0.96, 0.88])).astype(np.uint8), 95),
    "all at once": lambda pixels: saved(resized(pixels[3:, 3:][:, ::-1], 0.9), 75),
}
"""What is done to a released file before it is handed in again."""


class Chain:
    """One consenting adult's picture; after each edit the file is saved anew, and handed in so."""

    def __init__(self, scene):
        self.scene = scene
        self.grant = scene.person(1).grant(operations={Operation.TONE})
        self.scores: dict[str, float] = {}
        self.made = 0.0
        look, compare = scene.perception.observe_image, scene.perception.observe_change

        def observe_image(image):
            reading = ExposureReading(Exposure.NONE, {"body": self.scores.get(image.digest, self.made)})
            picture = ExposureReading(Exposure.NONE, {"whole": 0.0})
            return replace(
                look(image),
                faces=(seen_face(1, FACE),),
                exposure=PictureExposure(picture, (reading,), picture),
            )

        def observe_change(before, after, seen_before, seen_after, origin):
            seen = compare(before, after, seen_before, seen_after, origin)
            pasts = [origin, *origin.further, Origin.of(seen_before)]
            moved = exposure_changes(pasts, seen_after, LIMITS)
            return replace(seen, exposure_changes=moved[0], exposure_change=moved[1])

        scene.perception.observe_image = observe_image
        scene.perception.observe_change = observe_change

    def starts(self, score: float, pixels=PHOTO) -> bytes:
        """A picture that nobody has edited yet."""
        return self.shown(saved(pixels, 95), score)

    def shown(self, data: bytes, score: float) -> bytes:
        """A file, and what the models say of it."""
        self.scores[decode(data).image.digest] = score
        return data

    def edits(self, source: bytes, score: float) -> bytes:
        """One edit: a shade darker and so much more exposed; the released file."""
        self.made = score
        picture = Image.fromarray((decode(source).image.pixels * 0.985).astype(np.uint8))
        self.scene.returned[0] = picture.resize((picture.width // 8 * 8, picture.height // 8 * 8))
        return self.scene.edit(image=source, presentations=(self.grant.presentation(),)).released

    def anew(self, released: bytes, way: str, score: float) -> bytes:
        """The released file, saved anew: other bytes and other pixels, as exposed as before."""
        again = ANEW[way](decode(released).image.pixels)
        assert decode(again).image.digest != decode(released).image.digest
        return self.shown(again, score)

    def attack(self, way: str) -> bytes:
        """Three steps, none a rise by itself, each over the file of the last one saved anew."""
        one = self.edits(self.starts(0.0), STEP)
        two = self.edits(self.anew(one, way, STEP), 2 * STEP)
        return self.edits(self.anew(two, way, 2 * STEP), 3 * STEP)


@pytest.fixture
def chain(scene):
    return Chain(scene)


@pytest.mark.parametrize("way", ANEW)
def test_undressing_with_the_file_saved_anew(chain, way):
    """However the file is saved between the steps, the one that crosses the limit is refused."""
    with pytest.raises(EditRefused) as refused:
        chain.attack(way)
    assert any(code.startswith("policy.") for code in chain.scene.exact(refused.value))


@pytest.mark.parametrize("way", ["jpeg 75", "mirrored"])
def test_what_the_look_of_a_picture_is_kept_for(chain, way, monkeypatch):
    """Without it the same attack leaves: to their digests the files are strangers."""
    monkeypatch.setattr(Store, "alike", lambda *_: ())
    assert chain.attack(way)


def test_the_past_goes_on_through_the_very_file(chain):
    """A picture that was found by its look hands its past on to the file released from it, pixel by pixel."""
    one = chain.edits(chain.starts(0.0), STEP)
    two = chain.edits(chain.anew(one, "mirrored", STEP), 2 * STEP)
    with pytest.raises(EditRefused):
        chain.edits(two, 3 * STEP)


def test_a_look_alike_that_showed_more_gives_no_discount(chain):
    """A released picture that looks the same and came from a far more exposed one allows no rise."""
    chain.edits(chain.starts(0.9 * LIMITS.exposure_nude_whole), 0.9 * LIMITS.exposure_nude_whole)
    with pytest.raises(EditRefused):
        chain.edits(chain.shown(saved(PHOTO, 60), 0.0), 3 * STEP)


def test_the_same_photo_edited_twice_is_no_attack(chain):
    """Who begins again with the photo itself is compared with that photo, and may do what he might before."""
    first = chain.starts(0.0)
    assert chain.edits(first, STEP)
    assert chain.edits(first, 1.5 * STEP)


def test_another_picture_has_no_such_past(chain):
    """The same rise over another photo is no step of that chain."""
    chain.edits(chain.starts(0.0), STEP)
    other = cv2.resize(data.chelsea(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert chain.edits(chain.starts(2 * STEP, other), 3 * STEP)


def test_a_heavy_crop_still_begins_anew(chain):
    """The documented limit: with a fifth cut off one corner the picture is another one."""
    one = chain.edits(chain.starts(0.0), STEP)
    two = chain.edits(one, 2 * STEP)
    cut = chain.shown(saved(decode(two).image.pixels[32:, 32:], 95), 2 * STEP)
    assert chain.edits(cut, 3 * STEP)


def test_likenesses_that_cannot_be_read(chain):
    """A store that does not answer stops the edit; a picture saved anew does not pass for a first one."""
    one = chain.edits(chain.starts(0.0), STEP)
    with chain.scene.operator.store._database.writing() as connection:
        connection.execute(text("UPDATE likenesses SET sealed = :row"), {"row": b"damaged"})
    with pytest.raises(StoreUnavailable):
        chain.edits(chain.anew(one, "jpeg 75", STEP), 2 * STEP)


def test_likenesses_that_cannot_be_written(chain, monkeypatch):
    """A release that could not be found again does not leave, and counts no use."""
    uses = chain.scene.uses(chain.grant)

    def full(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("consent_edit.store.likeness.Likenesses.keep", full)
    with pytest.raises(StoreUnavailable):
        chain.edits(chain.starts(0.0), STEP)
    assert chain.scene.uses(chain.grant) == uses
