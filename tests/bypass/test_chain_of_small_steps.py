"""Undressing somebody a little at a time: every step is compared with the first picture of the chain too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_perception import picture, seen_face
from PIL import Image
from sqlalchemy import text

from consent_edit.errors import EditRefused, StoreUnavailable
from consent_edit.perception.exposure.change import exposure_changes
from consent_edit.perception.observation import ExposureReading, Origin, PictureExposure
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Exposure, Operation

LIMITS = load_thresholds()
STEP = 0.45 * LIMITS.exposure_rise
"""Below the rise that counts; three of them are above it."""


class Chain:
    """One consenting adult's picture, edited over and over; each result is handed in as the next input."""

    def __init__(self, scene):
        self.scene = scene
        self.grant = scene.person(1).grant(operations={Operation.TONE})
        self.scores: dict[str, float] = {}
        look, compare = scene.perception.observe_image, scene.perception.observe_change

        def observe_image(image):
            reading = ExposureReading(Exposure.NONE, {"body": self.scores.get(image.digest, 0.0)})
            picture = ExposureReading(Exposure.NONE, {"whole": 0.0})
            exposure = PictureExposure(picture, (reading,), picture)
            return replace(look(image), faces=(seen_face(1),), exposure=exposure)

        def observe_change(before, after, seen_before, seen_after, origin):
            seen = compare(before, after, seen_before, seen_after, origin)
            moved = exposure_changes([origin, Origin.of(seen_before)], seen_after, LIMITS)
            return replace(seen, exposure_changes=moved[0], exposure_change=moved[1])

        scene.perception.observe_image = observe_image
        scene.perception.observe_change = observe_change

    def starts(self, score: float = 0.0):
        """The picture that nobody has edited yet."""
        self.scores[self.scene.before.digest] = score
        return self.scene.before

    def edits(self, source, seed: int, score: float):
        """One edit: what leaves, decoded as it is when it comes back."""
        shown = picture(seed)
        self.scores[shown.digest] = score
        self.scene.returned[0] = Image.fromarray(shown.pixels)
        return self.scene.edit(image=source, presentations=(self.grant.presentation(),))

    def comes_back(self, result):
        """The released file as the next request's picture."""
        return result.released


@pytest.fixture
def chain(scene):
    return Chain(scene)


def test_undressing_in_small_steps(chain):
    """Of three steps, none a rise by itself, the one that crosses the limit against the first is refused."""
    one = chain.edits(chain.starts(), 11, STEP)
    two = chain.edits(chain.comes_back(one), 12, 2 * STEP)
    with pytest.raises(EditRefused) as refused:
        chain.edits(chain.comes_back(two), 13, 3 * STEP)
    assert any(code.startswith("policy.") for code in chain.scene.exact(refused.value))


def test_same_steps_from_fresh_pictures_are_no_chain(chain):
    """What is refused is the sum of the steps, not the last step: alone it leaves."""
    fresh = picture(30)
    chain.scores[fresh.digest] = 2 * STEP
    assert chain.edits(fresh, 31, 3 * STEP).released


def test_undressing_after_a_detour(chain):
    """Going back to less, and up again, does not make the middle of the chain its beginning."""
    one = chain.edits(chain.starts(), 11, 2 * STEP)
    two = chain.edits(chain.comes_back(one), 12, STEP)
    with pytest.raises(EditRefused):
        chain.edits(chain.comes_back(two), 13, 3 * STEP)


def test_refused_step_is_no_part_of_the_chain(chain):
    """A refused output is not remembered; handed in from elsewhere it is a picture of its own."""
    with pytest.raises(EditRefused):
        chain.edits(chain.starts(), 11, 3 * STEP)
    leaked = picture(11)
    assert chain.edits(leaked, 12, 4 * STEP).released
    itself = chain.scene.perception.origins[-1].exposure.persons[0]
    assert itself.scores == {"body": 3 * STEP}


def test_origin_cannot_be_read(chain):
    """A store that does not answer stops the edit; nothing leaves, and nothing passes for a first picture."""
    one = chain.edits(chain.starts(), 11, STEP)
    store = chain.scene.operator.store
    with store._database.writing() as connection:
        connection.execute(text("UPDATE lineage SET origin = 'damaged'"))
    with pytest.raises(StoreUnavailable):
        chain.edits(chain.comes_back(one), 12, STEP)


def test_origin_cannot_be_written(chain, monkeypatch):
    """A release whose origin cannot be kept does not leave, counts no use, and is logged as broken off."""
    entries, uses = chain.scene.entries, chain.scene.uses(chain.grant)

    def full(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("consent_edit.store.lineage.keep", full)
    with pytest.raises(StoreUnavailable):
        chain.edits(chain.starts(), 11, STEP)
    assert (chain.scene.entries, chain.scene.uses(chain.grant)) == (entries + 1, uses)
    assert '"event":"refusal"' in chain.scene.newest()
