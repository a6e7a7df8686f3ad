"""Each family of detectors reads its network's answer right, and a broken network is never "no faces"."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.faces.detectors import blazeface, centerface, human, yunet
from consent_edit.perception.faces.detectors.blazeface import BlazeFace
from consent_edit.perception.faces.detectors.centerface import CenterFace
from consent_edit.perception.faces.detectors.found import Planes
from consent_edit.perception.faces.detectors.human import FaceMesh
from consent_edit.perception.faces.detectors.merging import overlap
from consent_edit.perception.faces.detectors.yunet import YuNet
from consent_edit.perception.faces.look import FaceDetector
from consent_edit.perception.models.lock import ModelLock
from consent_edit.perception.models.store import ModelStore

FACE = np.array([[179, 60], [270, 176]], np.float32)
POINTS = np.array([[203, 102], [248, 106], [223, 126], [202, 144], [240, 146]], np.float32)
FAMILIES = (YuNet, BlazeFace, CenterFace)
MODELS = (*FAMILIES, FaceMesh)
ROLES = (yunet.ROLE, blazeface.ROLE, centerface.ROLE, human.ROLE)


def best(family, picture, threshold=0.5):
    """Corners, points and score of the surest box."""
    found = family.look(np.ascontiguousarray(picture), threshold)
    assert len(found)
    index = int(found.scores.argmax())
    return found.corners[index], found.points[index], float(found.scores[index])


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_finds_the_face_and_its_five_points(image_store, astronaut, family):
    """The box lies on the face, and eyes, nose and mouth corners lie where they are, in ArcFace's order."""
    corners, points, score = best(family(image_store), astronaut)
    assert overlap(corners, FACE) > 0.6
    assert np.linalg.norm(points - POINTS, axis=1).max() < 9
    assert 0.6 < score <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_gives_places_in_the_pixels_of_an_oblong_view(image_store, astronaut, family):
    """In a wide view whose sides are no multiples of a stride the box and the points lie as before."""
    part = astronaut[20:260, 100:340]
    wide = cv2.copyMakeBorder(part, 7, 30, 51, 62, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    corners, points, _ = best(family(image_store), wide)
    shift = np.array([51 - 100, 7 - 20])
    assert overlap(corners, FACE + shift) > 0.6
    assert np.linalg.norm(points - POINTS - shift, axis=1).max() < 9


def test_a_face_on_the_seam_of_two_tiles_is_found(image_store, astronaut, monkeypatch):
    """A view cut into tiles loses no face where they meet: they overlap."""
    monkeypatch.setattr(yunet, "_TILE", 256)
    monkeypatch.setattr(yunet, "_TILE_OVERLAP", 128)
    corners, _, _ = best(YuNet(image_store), astronaut)
    assert overlap(corners, FACE) > 0.6


def test_views_are_fed_in_the_channel_order_asked_for_and_black_beyond_their_end():
    """The first channel comes last where a network wants blue first; padding is black, not what was there."""
    view = np.full((3, 5, 3), (10, 20, 30), np.uint8)
    batch = Planes().of(view, height=32, width=64, bgr=True)
    assert batch.shape == (1, 3, 32, 64)
    assert [batch[0, channel, 2, 4] for channel in range(3)] == [30, 20, 10]
    assert batch[0, :, 3:].max() == batch[0, :, :, 5:].max() == 0


def test_memory_that_is_kept_shows_no_earlier_view_and_is_no_other_threads():
    """A smaller view after a larger one is black beyond its end; no thread writes into another's."""
    kept = Planes()
    first = kept.of(np.full((200, 64, 3), 255, np.uint8), height=224, width=64)
    with ThreadPoolExecutor(1) as others:
        theirs = others.submit(kept.of, np.zeros((200, 64, 3), np.uint8), height=224, width=64).result()
    assert theirs.max() == 0
    assert first[0, :, :200].min() == 255
    second = kept.of(np.full((3, 5, 3), 9, np.uint8), height=32, width=32)
    assert np.shares_memory(first, second)
    assert second.sum() == 3 * 5 * 3 * 9


def test_levels_are_read_as_the_numbers_they_are(image_store):
    """Given bytes, a network answers to the last bit as it does given the same values in float32."""
    data = image_store.load("face-detection").data
    levels = np.random.default_rng(2).integers(0, 256, (1, 3, 64, 96), np.uint8)
    bytes_in = OnnxModel(data, free_axes=(0, 2, 3), levels=True).run(levels)
    floats_in = OnnxModel(data, free_axes=(0, 2, 3)).run(levels.astype(np.float32))
    assert bytes_in.keys() == floats_in.keys()
    assert all(np.array_equal(bytes_in[name], floats_in[name]) for name in bytes_in)


class _Nonsense:
    """A network whose every answer is one value."""

    def __init__(self, model, value):
        self._model, self._value = model, value
        self.output_names = model.output_names

    def run(self, batch):
        return {name: np.full_like(answer, self._value) for name, answer in self._model.run(batch).items()}


class _Broken:
    """A network that cannot run."""

    def run(self, batch):
        raise RuntimeError("out of memory")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_answers_no_numbers_is_a_failed_check(image_store, astronaut, family, value):
    """NaN is above no threshold: taken as it comes, it would read as nobody there."""
    one = family(image_store)
    one._model = _Nonsense(one._model, value)
    with pytest.raises(CheckFailed):
        one.look(astronaut, 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_mesh_that_answers_no_numbers_is_a_failed_check(image_store, astronaut, value):
    """It decides who counts as a person."""
    mesh = FaceMesh(image_store)
    mesh._model = _Nonsense(mesh._model, value)
    with pytest.raises(CheckFailed):
        mesh.presence(astronaut, POINTS)


@pytest.mark.parametrize("letter", ["Y", "B", "C"])
def test_a_network_that_raises_is_a_failed_check_never_an_empty_picture(
    image_store, limits, astronaut, letter
):
    """Whatever a runtime raises reaches the caller as CheckFailed, though the others found the face."""
    detector = FaceDetector(image_store, limits)
    (family,) = (one for key, one in detector._families.items() if key.value == letter)
    family._model = _Broken()
    with pytest.raises(CheckFailed, match="RuntimeError"):
        detector.detect(astronaut)


@pytest.mark.parametrize("role", ROLES)
def test_weights_with_another_hash_are_refused(image_store, limits, tmp_path, role):
    """A file of the right name whose bytes are not the pinned ones never runs."""
    file = image_store.find(role)
    (tmp_path / file.name).write_bytes(file.read_bytes() + b"\0")
    store = ModelStore((tmp_path, *image_store.folders), lock=image_store.lock)
    with pytest.raises(ModelUnavailable, match="altered"):
        FaceDetector(store, limits)


@pytest.mark.parametrize(("model", "role"), list(zip(MODELS, ROLES, strict=True)))
def test_weights_that_give_another_answer_to_the_known_picture_are_refused(image_store, model, role):
    """A runtime that computes something else is told by the self-test."""
    entries = tuple(
        entry.model_copy(
            update={
                "self_test": entry.self_test.model_copy(
                    update={"reference": tuple(value + 1000 for value in entry.self_test.reference)}
                )
            }
        )
        if entry.role == role
        else entry
        for entry in image_store.lock.model
    )
    store = ModelStore(image_store.folders, lock=ModelLock(format=1, model=entries))
    with pytest.raises(ModelUnavailable, match=role):
        model(store)


def test_every_model_that_looks_is_named_with_its_hash(image_store, detector):
    """What ran can be recorded: the three families and the mesh, each self-tested."""
    assert [use.role for use in detector.uses] == list(ROLES)
    assert all(use.sha256 == image_store.lock.entry(use.role).sha256 for use in detector.uses)
    assert all(use.self_test for use in detector.uses)
    assert set(detector.known_answers) == set(ROLES)
