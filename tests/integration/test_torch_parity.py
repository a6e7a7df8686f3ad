"""On real photographs the torch backend sees what the CPU path sees: boxes, kinds, embeddings, exposure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is not installed: pip install 'consent-edit[diffusers]'")

from consent_edit.demo.photos import astronaut
from consent_edit.errors import ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.backends.choice import Backend, Kind
from consent_edit.perception.backends.torch import eyes, held
from consent_edit.perception.backends.torch.look import DeviceLook
from consent_edit.perception.backends.torch.model import TorchModel
from consent_edit.perception.checks import build_checks
from consent_edit.perception.exposure import look as exposure
from consent_edit.perception.exposure.look import ExposureCheck
from consent_edit.perception.exposure.views import fixed_views
from consent_edit.perception.faces import look as faces
from consent_edit.perception.faces.detectors.merging import overlap
from consent_edit.perception.faces.embedding import FirstEmbedder, SecondEmbedder
from consent_edit.perception.faces.passes import PASSES, Detector
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.operator.checks import with_operator_models
from consent_edit.perception.operator.models import OperatorModels
from consent_edit.perception.process import Deadlines, PerceptionProcess
from consent_edit.perception.worker import Worker
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import CheckName, CheckOutcome, PersonKind

PORTRAITS = 6
PATIENT = Deadlines(load=300.0, run=300.0)


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


def on_torch(backend="torch-cpu"):
    """The perception process of an operator whose file of models names a backend."""
    return PerceptionProcess(
        build=with_operator_models(OperatorModels(backend=backend)), deadlines=PATIENT, remembered=0
    )


@pytest.fixture(scope="module")
def observe():
    """What the perception process answers of a picture on torch, and on the CPU's runtimes."""
    with on_torch() as torch_process, PerceptionProcess(remembered=0) as cpu_process:
        yield lambda picture: [one.observe_image(picture) for one in (torch_process, cpu_process)]


def assert_alike(mine, other):
    """The same people, of the same kinds, in the same places, with the same values; embeddings nearly so."""
    assert [run.outcome for run in mine.checks] == [CheckOutcome.RAN] * len(mine.checks)
    assert [run.name for run in mine.checks] == [run.name for run in other.checks]
    assert len(mine.faces) == len(other.faces)
    assert len(mine.bodies) == len(other.bodies)
    for face, want in zip(mine.faces, other.faces, strict=True):
        told = [(f.kind, f.support, f.recognisable, f.apparent_age) for f in (face, want)]
        assert told[0] == told[1]
        assert face.box.overlap(want.box) >= 0.98
        assert face.embeddings.keys() == want.embeddings.keys()
        for role, rows in face.embeddings.items():
            assert (rows * want.embeddings[role]).sum(axis=1).min() >= 0.999
    for body, want in zip(mine.bodies, other.bodies, strict=True):
        assert body.signs == want.signs
        assert body.box.overlap(want.box) >= 0.98
    told = [(one.exposure.picture, one.exposure.elsewhere, *one.exposure.persons) for one in (mine, other)]
    for reading, want in zip(*told, strict=True):
        assert reading.value is want.value
        assert reading.scores.keys() == want.scores.keys()
        assert all(abs(score - want.scores[view]) < 1e-3 for view, score in reading.scores.items())


def test_the_perception_process_answers_alike_on_torch(observe):
    """The whole observation of the astronaut is the CPU's, and the record says that torch ran every model."""
    mine, other = observe(astronaut())
    assert mine.faces
    assert_alike(mine, other)
    ran = {use.role: use.runtime for run in mine.checks for use in run.models}
    assert ran.pop("face-landmarks-five").startswith("dlib-")
    assert all(runtime.startswith("torch-") for runtime in ran.values())


def test_the_perception_process_answers_alike_on_portraits(observe, pictures):
    """So is the whole observation of every portrait."""
    for picture in pictures[1:]:
        mine, other = observe(CanonicalImage.of(np.ascontiguousarray(picture)))
        assert mine.faces
        assert_alike(mine, other)


def test_a_device_that_is_not_there_is_no_answer():
    """An operator who names a device that torch does not see gets no observation of another runtime's."""
    with on_torch("cuda:99") as perception:
        seen = perception.observe_image(astronaut())
    assert {run.outcome for run in seen.checks} <= {CheckOutcome.MISSING, CheckOutcome.FAILED}
    assert seen.checks[0].outcome is CheckOutcome.MISSING
    assert not seen.faces


@pytest.fixture(scope="module")
def device_checks(store, limits):
    return build_checks(ModelStore(store.folders, backend=Backend(Kind.TORCH, "cpu")), limits)


def test_a_picture_is_brought_to_the_device_once(device_checks, monkeypatch):
    """Detectors, exposure, mesh and both embedders read one copy there; Pillow cuts none of their views."""
    brought = []

    def counted(pixels, device, bring=held.held):
        brought.append(pixels.shape)
        return bring(pixels, device)

    picture = astronaut()
    worker = Worker(device_checks, lambda name, phase: None)
    worker.observe_image(picture)  # the known pictures of self-tests go through Pillow, once
    monkeypatch.setattr(held, "held", counted)
    monkeypatch.delattr(exposure.Image, "fromarray")
    seen = worker.observe_image(picture)
    assert all(run.outcome is CheckOutcome.RAN for run in seen.checks)
    assert brought == [picture.pixels.shape]


def test_all_faces_of_a_picture_are_embedded_in_one_run(device_checks, monkeypatch):
    """Two faces are one batch of each embedder's, and each face's rows are what it gets alone."""
    pixels = astronaut().pixels
    both = np.ascontiguousarray(np.concatenate([pixels, pixels[:, ::-1]], axis=1))
    for name in (CheckName.FACE_DETECTION, CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND):
        device_checks.load(name)
    faces = [face for face in device_checks.detect(both) if face.kind is PersonKind.FACE]
    assert len(faces) == 2
    alone = [[device_checks.embed(both, face), device_checks.embed_second(both, face)] for face in faces]
    sizes, run = [], TorchModel.run_tensor
    monkeypatch.setattr(
        TorchModel, "run_tensor", lambda self, batch: sizes.append(len(batch)) or run(self, batch)
    )
    first, second = device_checks.embed_faces(both, faces), device_checks.embed_faces_second(both, faces)
    assert sizes == [2 * 3, 2 * 8]
    for rows, want in zip(zip(first, second, strict=True), alone, strict=True):
        for mine, other in zip(rows, want, strict=True):
            assert (mine * other).sum(axis=1).min() > 0.99999
