"""On real photographs the torch backend sees what the CPU path sees: boxes, kinds, embeddings, exposure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is not installed: pip install 'consent-edit[diffusers]'")

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.backends.torch import eyes
from consent_edit.perception.backends.torch.look import DeviceLook
from consent_edit.perception.exposure.look import ExposureCheck
from consent_edit.perception.exposure.views import fixed_views
from consent_edit.perception.faces import look as faces
from consent_edit.perception.faces.detectors.merging import overlap
from consent_edit.perception.faces.embedding import FirstEmbedder, SecondEmbedder
from consent_edit.perception.faces.passes import PASSES, Detector
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import load_thresholds

PORTRAITS = 6


@dataclass(frozen=True)
class Seen:
    """One picture, and what both paths say of it."""

    pixels: np.ndarray
    cpu: tuple[faces.DetectedFace, ...]
    device: tuple[faces.DetectedFace, ...]


class Teller:
    """A family that says what was found elsewhere."""

    def look(self, told, threshold):
        return told


@pytest.fixture(scope="module")
def limits():
    return load_thresholds()


@pytest.fixture(scope="module")
def store():
    return ModelStore()


@pytest.fixture(scope="module")
def look(store):
    try:
        return DeviceLook(store, "cpu")
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


@pytest.fixture(scope="module")
def pictures(eval_folder):
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the astronaut photograph")
    files = sorted((eval_folder / "faces").rglob("*_0001.jpg"))
    chosen = files[:: len(files) // PORTRAITS][:PORTRAITS]
    assert len(chosen) == PORTRAITS
    return [data.astronaut(), *(np.asarray(Image.open(file).convert("RGB")) for file in chosen)]


@pytest.fixture(scope="module")
def seen(look, store, limits, pictures):
    """The detector's own merging and judging, on the boxes of either path."""
    detector = faces.FaceDetector(store, limits)
    by_family = detector._families
    told = []
    for picture in pictures:
        pixels = np.ascontiguousarray(picture)
        cpu = detector.detect(pixels)
        with pytest.MonkeyPatch.context() as patch:
            found = [(one, replace(view, pixels=boxes)) for one, view, boxes in look.found(look.held(pixels))]
            assert sum(len(view.pixels) for _, view in found)
            patch.setattr(faces, "looks", lambda _, found=found: iter(found))
            patch.setattr(detector, "_families", dict.fromkeys(Detector, Teller()))
            device = detector.detect(pixels)
        assert detector._families is by_family
        told.append(Seen(pixels, cpu, device))
    return told


def test_both_paths_find_the_same_faces(seen):
    """As many, of the same kind and for the same reason, and each box on the other's."""
    for one in seen:
        assert len(one.cpu) == len(one.device) > 0
        for mine, other in zip(one.device, one.cpu, strict=True):
            assert (mine.kind, mine.support, mine.recognisable) == (
                other.kind,
                other.support,
                other.recognisable,
            )
            assert overlap(mine.members[0].corners, other.members[0].corners) >= 0.98
            assert np.abs(mine.landmarks - other.landmarks).max() < 0.02 * max(
                other.box.width, other.box.height
            )


@pytest.mark.parametrize("which", ["first", "second"])
def test_both_paths_give_the_same_embeddings(seen, look, store, limits, which):
    """Every view's cosine is at least .999, each path from the landmarks it found itself.

    dlib's points jump where a regression tree turns: what holds here is that the pixels are the same before.
    """
    embedder = FirstEmbedder(store, limits) if which == "first" else SecondEmbedder(store, limits)
    ask = look.embedded if which == "first" else look.embedded_second
    for one in seen:
        rows = ask(look.held(one.pixels), [face.landmarks for face in one.device])
        for mine, face in zip(rows, one.cpu, strict=True):
            want = embedder.embed(one.pixels, face.landmarks)
            assert mine.shape == want.shape
            assert (mine * want).sum(axis=1).min() >= 0.999


def test_both_paths_give_the_same_exposure_scores(seen, look, store, limits):
    """Of every fixed view: the network is shown the same numbers, so only its own rounding is left."""
    check = ExposureCheck(store, limits)
    for one in seen:
        told = check.read(one.pixels, ()).picture.scores
        views = fixed_views(one.pixels.shape[1], one.pixels.shape[0])
        mine = look.exposed(look.held(one.pixels), views)
        for view, score in zip(views, mine.tolist(), strict=True):
            assert abs(score - told[view.name]) < 1e-4


def test_the_same_picture_twice_gives_the_same_answer_to_the_last_bit(look, pictures, monkeypatch):
    """Same facts, same decision: nothing on the device depends on what was looked at before."""
    short = [one for one in PASSES if one.view.long_side <= 160]
    monkeypatch.setattr(eyes, "must_run", lambda side: short)
    held = look.held(np.ascontiguousarray(pictures[1]))
    first = [boxes for _, _, boxes in look.found(held)]
    list(look.found(look.held(np.ascontiguousarray(pictures[2]))))
    again = [boxes for _, _, boxes in look.found(held)]
    assert sum(map(len, first))
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.scores, b.scores)
        assert np.array_equal(a.corners, b.corners)
