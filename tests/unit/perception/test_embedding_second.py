"""The second embedder: dlib's own answers from another runtime, in views that no one alignment decides."""

from __future__ import annotations

import numpy as np
import pytest

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.backends.dlib_graph import SIDE, dlib_onnx
from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.faces import embedding
from consent_edit.perception.models.selftest import known_picture

LANDMARKS = np.array([[208, 110], [241, 108], [228, 131], [212, 148], [241, 147]], np.float32)


@pytest.fixture(scope="module")
def network(image_store):
    return image_store.load(embedding.SECOND)


@pytest.fixture(scope="module")
def second(image_store, limits):
    return embedding.SecondEmbedder(image_store, limits)


def test_the_graph_answers_as_dlib_itself(network, astronaut):
    """The converted network gives dlib's own descriptors, so that templates made by either compare."""
    dlib = pytest.importorskip("dlib")
    chips = [known_picture(SIDE, SIDE), np.ascontiguousarray(astronaut[40:190, 150:300])]
    own = dlib.face_recognition_model_v1(str(network.path))
    theirs = np.stack([np.asarray(own.compute_face_descriptor(chip)) for chip in chips])
    batch = np.stack(chips).transpose(0, 3, 1, 2).astype(np.float32)
    ours = OnnxModel(dlib_onnx(network.data)).run(batch)["descriptors"]
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("spoilt", [b"", b"\x01\x05con_4\x01", "cut"])
def test_bytes_that_are_no_such_network_are_unavailable(network, spoilt):
    """A truncated or foreign file is no model, never one with fewer layers."""
    data = network.data[: len(network.data) // 2] if spoilt == "cut" else spoilt
    with pytest.raises(ModelUnavailable):
        dlib_onnx(data)


def test_views_are_distinct_and_of_one_face(second, astronaut):
    """Eight views of unit norm, no two the same, every two of them near."""
    views = second.embed(astronaut, LANDMARKS)
    cosines = views @ views.T
    assert views.shape == (8, 128)
    assert np.allclose(np.diag(cosines), 1, atol=1e-5)
    assert cosines.min() > 0.9
    assert cosines[~np.eye(8, dtype=bool)].max() < 0.9999


def test_bent_points_of_dlib_do_not_bend_every_view(second, astronaut, monkeypatch):
    """Two of the views rest on the detector's landmarks alone: dlib's points cannot steer them."""
    before = second.embed(astronaut, LANDMARKS)
    points = second._landmarks.points
    monkeypatch.setattr(second._landmarks, "points", lambda upright, box: points(upright, box) + 25)
    after = second.embed(astronaut, LANDMARKS)
    assert np.allclose(before[6:], after[6:], atol=1e-6)
    assert (np.sum(before[:6] * after[:6], axis=1) < 0.97).all()
