"""What several checks make of one picture is made once, and let go with the look."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.bodies.look import BodyFinder
from consent_edit.perception.checks import Checks
from consent_edit.perception.faces.passes import ViewSpec
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.shown import Shown
from consent_edit.perception.views import Views
from consent_edit.perception.worker import Worker


@pytest.fixture
def large():
    return np.random.default_rng(5).integers(0, 256, (900, 1200, 3), np.uint8)


def test_detectors_and_body_finder_share_the_averaged_picture(large, limits, image_store, monkeypatch):
    """The costly resize of the whole picture to 640 px runs once for both, with cv2's own answer."""
    finder, shown, resize, sizes = BodyFinder(image_store, limits), Shown(large), cv2.resize, []

    def counted(picture, size, **how):
        if picture.shape == large.shape:
            sizes.append(size)
        return resize(picture, size, **how)

    monkeypatch.setattr(cv2, "resize", counted)
    seen = Views(shown).show(ViewSpec(640)).pixels
    finder.find(shown, ())
    assert sizes == [(640, 480)]
    assert np.array_equal(seen, resize(large, (640, 480), interpolation=cv2.INTER_AREA))


def test_something_is_made_once_for_a_name(large):
    """Whoever asks second gets what the first one made."""
    shown, made = Shown(large), []
    for _ in range(2):
        assert (
            shown.once("a sum", int, lambda pixels: made.append(pixels) or int(pixels.sum())) == large.sum()
        )
    assert len(made) == 1


def test_another_picture_shares_nothing(large, limits):
    """The checks hold what belongs to the very pixels asked about, however alike another picture is."""
    checks = Checks(ModelStore([]), limits)
    first = checks._of(large)
    assert checks._of(large) is first
    assert checks._of(large.copy()) is not first


def test_nothing_of_a_picture_is_held_after_the_look(large, limits):
    """Whether the checks answered or failed, the worker lets the picture go (G8)."""
    checks = Checks(ModelStore([]), limits)
    worker = Worker(checks, lambda name, phase: checks._of(large))
    worker.observe_image(CanonicalImage.of(large))
    assert checks._shown is None
