"""The InsightFace adapter on a generated pack: roles are checked, nothing is fetched, no type leaves."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_pack

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.backends import insightface as adapter
from consent_edit.perception.models.lock import ModelFile
from consent_edit.perception.observation import Box

pytest.importorskip("insightface", reason="the pack's library; pip install --no-deps insightface")

CPU = ("CPUExecutionProvider",)


def model(data: bytes, role: str = "operator-house-detection") -> ModelFile:
    """Bytes as if read and hashed."""
    return ModelFile(role=role, path=Path("/nowhere/model.onnx"), sha256=tiny_pack.sha256(data), data=data)


def white_block(height: int, width: int, left: int, top: int, side: int) -> np.ndarray:
    """A black picture with a white square: a face, to the tiny detector."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[top : top + side, left : left + side] = 255
    return picture


@pytest.fixture(scope="module")
def detector():
    return adapter.PackDetector(model(tiny_pack.scrfd()), CPU, 0.5)


@pytest.fixture(scope="module")
def embedder():
    return adapter.PackEmbedder(model(tiny_pack.arcface()), CPU)


def test_boxes_and_points_come_back_in_pixels_of_the_picture(detector):
    """A face is found where it is, in a picture that had to be scaled, by plain arrays and our own box."""
    faces = detector.detect(white_block(640, 1280, 800, 200, 160))
    assert faces
    for face in faces:
        middle = (face.box.x + face.box.width / 2, face.box.y + face.box.height / 2)
        assert 790 <= middle[0] <= 970
        assert 190 <= middle[1] <= 370
        assert type(face.box) is Box
        assert type(face.landmarks) is np.ndarray
        assert face.landmarks.shape == (5, 2)
        assert np.abs(face.landmarks[2] - middle).max() < 1


def test_a_portrait_larger_than_the_detector_can_see_is_seen_in_a_frame(detector, monkeypatch):
    """A detector blind to what fills more than 40 % of its view finds a face that fills the picture."""
    shown = []

    def only_small(img, input_size):
        across = (img.max(axis=2) > 0).any(axis=0).sum() / img.shape[1]
        shown.append(across)
        box = [img.shape[1] / 3, img.shape[0] / 3, img.shape[1] * 2 / 3, img.shape[0] * 2 / 3, 0.9]
        small = np.array([box] if across < 0.4 else [], np.float32).reshape(-1, 5)
        return small, np.tile(np.array(box[:2], np.float32), (len(small), 5, 1))

    monkeypatch.setattr(detector, "_model", type("Blind", (), {"detect": staticmethod(only_small)}))
    faces = detector.detect(np.full((480, 480, 3), 255, np.uint8))
    assert max(shown) > 0.4
    assert [(round(f.box.x), round(f.box.y), round(f.box.width)) for f in faces] == [(0, 0, 480)]


def test_a_picture_of_thousands_of_pixels_is_framed_small(detector):
    """The frame goes round the shrunk picture: the memory is bounded whatever the picture's size."""
    views = list(detector._views(np.zeros((4000, 3000, 3), np.uint8)))
    assert views[-1][0].nbytes < 640 * 640 * 9 * 3 + 1
    assert views[-1][1] == pytest.approx(640 / 4000)


def test_embeddings_are_unit_rows_of_three_views(embedder):
    """Of one face the same each time, of another face another."""
    points = np.array([[40, 50], [80, 50], [60, 72], [44, 92], [76, 92]], np.float32)
    picture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    rows = embedder.embed(picture, points)
    assert rows.shape == (3, 32)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.array_equal(rows, embedder.embed(picture, points))
    assert not np.allclose(rows, embedder.embed(255 - picture, points))


def test_the_age_is_read_and_nothing_else():
    """White is old, black is young."""
    reader = adapter.PackAgeReader(model(tiny_pack.genderage()), CPU)
    box = Box(32, 32, 64, 64)
    assert reader.years(np.full((128, 128, 3), 255, np.uint8), box) == pytest.approx(100, abs=2)
    assert reader.years(np.zeros((128, 128, 3), np.uint8), box) == pytest.approx(0, abs=2)


def yunet(image_store) -> bytes:
    """The must-run detector's file."""
    return image_store.load("face-detection").data


@pytest.mark.parametrize(
    ("build", "data"),
    [
        (lambda file: adapter.PackDetector(file, CPU, 0.5), tiny_pack.arcface()),
        (lambda file: adapter.PackDetector(file, CPU, 0.5), tiny_pack.scrfd(wrong=True)),
        (lambda file: adapter.PackEmbedder(file, CPU), tiny_pack.scrfd()),
        (lambda file: adapter.PackEmbedder(file, CPU), tiny_pack.genderage()),
        (lambda file: adapter.PackEmbedder(file, CPU), tiny_pack.arcface(side=128)),
        (lambda file: adapter.PackEmbedder(file, CPU), tiny_pack.arcface(constant=True)),
        (lambda file: adapter.PackAgeReader(file, CPU), tiny_pack.genderage(columns=2)),
        (lambda file: adapter.PackAgeReader(file, CPU), tiny_pack.arcface()),
        (lambda file: adapter.PackDetector(file, CPU, 0.5), b"no graph"),
    ],
    ids=[
        "embedder-as-detector",
        "boxes-of-three",
        "detector-as-embedder",
        "age-as-embedder",
        "another-size",
        "one-answer-for-all",
        "another-attribute",
        "embedder-as-age",
        "no-graph",
    ],
)
def test_a_model_in_a_role_that_is_not_its_own_is_refused(build, data):
    """What a model is for is what the operator says, and what it is then tried out for."""
    with pytest.raises(ModelUnavailable):
        build(model(data))


def test_yunet_taken_for_scrfd(image_store):
    """The library would take YuNet for SCRFD and read its outputs as boxes; here it is no SCRFD."""
    with pytest.raises(ModelUnavailable, match="SCRFD"):
        adapter.PackDetector(model(yunet(image_store)), CPU, 0.5)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_a_detector_that_answers_what_is_no_box(detector, monkeypatch, spoilt):
    """A box that is not finite is a failed check, not an empty picture."""
    rows = np.array([[1, 1, 9, spoilt, 0.9]], np.float32)
    answer = staticmethod(lambda img, input_size: (rows, np.zeros((1, 5, 2), np.float32)))
    monkeypatch.setattr(detector, "_model", type("Broken", (), {"detect": answer}))
    with pytest.raises(CheckFailed):
        detector.detect(np.zeros((64, 64, 3), np.uint8))


def test_a_detector_that_floods_us_with_boxes(detector, monkeypatch):
    """More boxes than can be faces is a failed check: nobody has to look at them all."""
    rows = np.tile(np.array([[1, 1, 9, 9, 0.9]], np.float32), (501, 1))
    answer = staticmethod(lambda img, input_size: (rows, np.zeros((501, 5, 2), np.float32)))
    monkeypatch.setattr(detector, "_model", type("Flood", (), {"detect": answer}))
    with pytest.raises(CheckFailed):
        detector.detect(np.zeros((64, 64, 3), np.uint8))


def test_a_library_that_breaks_raises_our_own_error(detector, embedder, monkeypatch):
    """No exception of the library's crosses the adapter."""

    def broken(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(detector, "_model", type("Broken", (), {"detect": staticmethod(broken)}))
    monkeypatch.setattr(embedder, "_model", type("Broken", (), {"get_feat": staticmethod(broken)}))
    with pytest.raises(CheckFailed):
        detector.detect(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(CheckFailed):
        embedder.embed(np.zeros((128, 128, 3), np.uint8), np.eye(5, 2, dtype=np.float32) * 50)


def test_a_provider_that_is_not_there_never_becomes_another_silently():
    """CUDA asked for and not there is an error, not a slower CPU."""
    with pytest.raises(ModelUnavailable, match="CUDAExecutionProvider"):
        adapter.PackEmbedder(model(tiny_pack.arcface()), ("CUDAExecutionProvider", *CPU))


def test_nothing_is_downloaded(monkeypatch):
    """Loading and running a pack opens no connection."""

    def refused(*arguments, **options):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    adapter.PackDetector(model(tiny_pack.scrfd()), CPU, 0.5).detect(np.zeros((64, 64, 3), np.uint8))


def test_without_the_library_the_extra_is_named(monkeypatch):
    """A pack declared where insightface is not installed says what to install."""
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)
    with pytest.raises(ModelUnavailable) as caught:
        adapter.PackEmbedder(model(tiny_pack.arcface()), CPU)
    assert "consent-edit[insightface]" in caught.value.remedy
