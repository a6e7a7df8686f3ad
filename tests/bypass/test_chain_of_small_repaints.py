"""Repainting somebody a little at a time: every step is laid over the first picture of the chain too."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fake_perception import Scene, ScriptedPerception, seen_face
from PIL import Image
from skimage import data

from consent_edit.errors import EditRefused, ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Box, Sketch
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import ExposureChange, Operation

FACE = Box(41, 22, 45, 55)
"""In the astronaut's head and shoulders, 128 px."""

LANDMARKS = np.array([[53, 42], [73, 39], [65, 54], [58, 64], [73, 62]], dtype=np.float32)
STEP = 1.3
"""How far each edit draws the face to another colour: one step is below what counts, six are above."""


@pytest.fixture(scope="module")
def meter():
    from consent_edit.perception.change.look import ChangeMeter

    try:
        return ChangeMeter(ModelStore(), load_thresholds())
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


class Measured(ScriptedPerception):
    """The same person at the same place in every picture; what changed is measured on the pixels."""

    def __init__(self, meter) -> None:
        super().__init__()
        self._meter = meter

    def observe_image(self, image):
        """Her, known again."""
        self.faces[image.digest] = (replace(seen_face(1, FACE), landmarks=LANDMARKS),)
        return super().observe_image(image)

    def observe_change(self, before, after, seen_before, seen_after, origin):
        """As the meter says."""
        self.origins.append(origin)
        told = self._meter.observe(before, after, seen_before, seen_after, origin)
        moved = (ExposureChange.NONE,) * len(seen_after.people)  # nothing here is about exposure
        return replace(told, exposure_changes=moved, exposure_change=ExposureChange.NONE)


class Chain:
    """One consenting adult's picture, edited over and over; each result is handed in as the next input."""

    def __init__(self, tiny, meter) -> None:
        self.scene = Scene.make(tiny, tiny.image_processor, Measured(meter))
        self.grant = self.scene.person(1).grant(operations={Operation.TONE})

    def edits(self, source, shown):
        """One edit whose output is ``shown``; the released file."""
        self.scene.returned[0] = Image.fromarray(shown)
        return self.scene.edit(image=source, presentations=(self.grant.presentation(),)).released


@pytest.fixture
def chain(tiny, meter):
    genuine = tiny.image_processor
    yield Chain(tiny, meter)
    tiny.image_processor = genuine


@pytest.fixture(scope="module")
def steps():
    """The first picture, and her face drawn further and further towards another colour."""
    first = np.asarray(cv2.resize(data.astronaut()[20:276, 96:352], (128, 128), interpolation=cv2.INTER_AREA))
    return [tinted(first, share) if share else first for share in (STEP * k for k in range(7))]


def tinted(picture, share):
    """Her face drawn towards another colour, softly."""
    spot = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(spot, (64, 49), (22, 27), 0, 0, 360, 1.0, -1)
    where = cv2.GaussianBlur(spot, (0, 0), 2.0)[..., None]
    paint = picture * np.array([1 - 0.04 * share, 1 - 0.02 * share, 1 + 0.03 * share])
    return (picture * (1 - where) + paint * where).astype(np.uint8)


def test_repainting_in_small_steps(chain, steps):
    """Of six steps under a consent to tone alone, the one that adds up to a repaint is refused."""
    source = CanonicalImage.of(steps[0])
    for shown in steps[1:4]:
        source = chain.edits(source, shown)
    with pytest.raises(EditRefused) as refused:
        for shown in steps[4:]:
            source = chain.edits(source, shown)
    assert "consent.out_of_scope" in chain.scene.exact(refused.value)
    assert chain.scene.perception.origins[0].sketch == Sketch()
    assert chain.scene.perception.origins[-1].sketch.picture


def test_repainting_in_small_steps_saved_anew(chain, steps):
    """The same sum is refused when the file is saved anew between the steps, and its digest is not known."""
    source = CanonicalImage.of(steps[0])
    for shown in steps[1:4]:
        source = anew(chain.edits(source, shown))
    with pytest.raises(EditRefused) as refused:
        for shown in steps[4:]:
            source = anew(chain.edits(source, shown))
    assert "consent.out_of_scope" in chain.scene.exact(refused.value)


def anew(released):
    """The same picture in another file."""
    with io.BytesIO() as memory:
        Image.fromarray(decode(released).image.pixels).save(memory, "JPEG", quality=92)
        return memory.getvalue()


@pytest.mark.parametrize("last", range(1, 7))
def test_every_small_step_alone_is_none(chain, steps, last):
    """What is refused is the sum: each of the same steps leaves when its picture begins a chain."""
    assert chain.edits(CanonicalImage.of(steps[last - 1]), steps[last])


def test_forgotten_chain_begins_anew(chain, steps):
    """An operator who forgets where a chain's pictures came from forgets its first picture with them."""
    source, released = CanonicalImage.of(steps[0]), []
    for shown in steps[1:4]:
        source = chain.edits(source, shown)
        released.append(decode(source).image.digest)
    assert chain.scene.operator.store.forget_origins(released) == 3
    for shown in steps[4:]:
        source = chain.edits(source, shown)
    assert decode(source).image.pixels.shape == (128, 128, 3)


def test_refused_repaint_is_no_part_of_the_chain(chain, steps):
    """What was refused is not allowed by having been tried: the first picture stays the first."""
    one = chain.edits(CanonicalImage.of(steps[0]), steps[1])
    for _ in range(2):
        with pytest.raises(EditRefused):
            chain.edits(one, steps[6])
    assert chain.edits(one, steps[2])
