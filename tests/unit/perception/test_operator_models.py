"""An operator's own models: declared in full, added with OR and AND, never able to make less of anything."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_pack
from fakechecks import ObedientChecks, obedient

from consent_edit.errors import ArgumentRejected, ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception import process
from consent_edit.perception.backends.choice import Backend, Kind
from consent_edit.perception.checks import Checks, build_checks
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    CheckRun,
    ExposureReading,
    FaceObservation,
    PictureExposure,
)
from consent_edit.perception.operator.checks import OperatorChecks, with_operator_models
from consent_edit.perception.operator.models import OperatorModels, read_operator_models
from consent_edit.perception.operator.sight import OperatorSight, part_of, united
from consent_edit.perception.process import Deadlines, PerceptionProcess
from consent_edit.vocabulary import Age, CheckName, CheckOutcome, Exposure, PersonKind, Recognisable

POINTS = np.zeros((5, 2), np.float32)
FACE = FaceObservation(Box(100, 100, 60, 60), PersonKind.FACE, Recognisable.YES, 0.9, ("160",), POINTS)
NOTHING = ExposureReading(Exposure.NONE, {"whole": 0.0})
ADDED = "operator-house-embedding"
GREY = np.full((40, 50, 3), 128, np.uint8)
LOOK = np.array([[340, 340], [380, 340], [360, 360], [345, 385], [375, 385]], np.float32)


def toml(place: Path, hashes: dict[str, str], **changed: str) -> Path:
    """An operator's file of models over a generated pack; ``changed`` replaces lines by their key."""
    lines = {
        "name": 'name = "house"',
        "folder": f'folder = "{place}"',
        "licence": 'licence = "bought 2026-17"',
        "providers": 'providers = ["CPUExecutionProvider"]',
        "detection": f'detection = {{file = "det.onnx", sha256 = "{hashes["det"]}", threshold = 0.5}}',
        "recognition": f'recognition = {{file = "rec.onnx", sha256 = "{hashes["rec"]}", '
        "match = 0.4, enrol = 0.5, keep = 0.3}",
        "age": f'age = {{file = "age.onnx", sha256 = "{hashes["age"]}", adult_from = 28}}',
        "exposure": f'[[exposure]]\nname = "red"\nfile = "{place}/exp.onnx"\nsha256 = "{hashes["exp"]}"\n'
        'licence = "our own"\nside = 32\nmean = [0, 0, 0]\nstd = [255, 255, 255]\ncolours = "rgb"\n'
        'layout = "nchw"\nanswer = "logits"\npositive = [1]\nthreshold = 0.5',
    } | changed
    path = place / "models.toml"
    path.write_text("format = 1\n[[insightface]]\n" + "\n".join(lines.values()), encoding="utf-8")
    return path


@pytest.fixture
def hashes(tmp_path):
    return tiny_pack.written(
        tmp_path,
        det=tiny_pack.scrfd(),
        rec=tiny_pack.arcface(),
        age=tiny_pack.genderage(),
        exp=tiny_pack.classifier(),
    )


@pytest.fixture
def models(tmp_path, hashes) -> OperatorModels:
    return read_operator_models(toml(tmp_path, hashes))


@pytest.fixture
def only_exposure(tmp_path, hashes) -> OperatorModels:
    """What needs no insightface."""
    return read_operator_models(toml(tmp_path, hashes)).model_copy(update={"insightface": ()})


@pytest.fixture
def red(only_exposure, limits) -> OperatorSight:
    """Sees nudity in red pictures."""
    sight = OperatorSight(only_exposure, limits)
    sight.load(CheckName.EXPOSURE)
    return sight


def box(x: float, y: float, side: float, score: float = 0.9):
    """A box of an operator's detector."""
    from consent_edit.perception.backends.insightface import PackFace

    return PackFace(Box(x, y, side, side), score, POINTS)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("folder", 'folder = "models/house"'),
        ("folder", 'folder = "buffalo_l"'),
        ("licence", 'licence = ""'),
        ("licence", ""),
        ("providers", "providers = []"),
        ("providers", 'providers = ["TensorrtExecutionProvider"]'),
        ("detection", 'detection = {file = "det.onnx", threshold = 0.5}'),
        ("detection", f'detection = {{file = "../det.onnx", sha256 = "{"0" * 64}", threshold = 0.5}}'),
        ("detection", f'detection = {{file = "det.onnx", sha256 = "{"0" * 64}"}}'),
        ("recognition", f'recognition = {{file = "rec.onnx", sha256 = "{"0" * 64}"}}'),
        (
            "recognition",
            f'recognition = {{file = "r.onnx", sha256 = "{"0" * 64}", match = 0.4, enrol = 0.3, keep = 0.1}}',
        ),
        ("age", f'age = {{file = "age.onnx", sha256 = "{"0" * 64}", adult_from = 12}}'),
        ("name", 'name = "House"'),
        ("name", 'name = "house"\ninstead_of = "face-detection"'),
    ],
)
def test_a_declaration_that_leaves_anything_open_is_refused(tmp_path, hashes, key, line):
    """No default threshold, relative folder, name to download or unknown key; licence and hash are there."""
    with pytest.raises(ArgumentRejected) as caught:
        read_operator_models(toml(tmp_path, hashes, **{key: line}))
    assert caught.value.code == "input.operator-models"
    assert caught.value.remedy


@pytest.mark.parametrize("text", [b"not toml [", b"\xff", b"x" * 70_000])
def test_a_file_that_is_no_declaration_is_refused(tmp_path, text):
    """Neither a traceback nor an empty set of models."""
    (tmp_path / "models.toml").write_bytes(text)
    with pytest.raises(ArgumentRejected):
        read_operator_models(tmp_path / "models.toml")


def test_added_embedders_must_agree_and_change_the_digest(models, limits):
    """Matching and enrolment ask the operator's embedder besides both families; a record tells them apart."""
    wider = models.added_to(limits)
    assert wider.matching == {**limits.matching, ADDED: 0.4}
    assert wider.enrolment == {**limits.enrolment, ADDED: 0.5}
    assert wider.digest != limits.digest
    assert OperatorModels().added_to(limits) == limits


def test_licences_are_told_with_insightfaces_own_condition(models):
    """Every added model's licence is named, and that published packs are not for commercial use."""
    notices = models.notices()
    assert "bought 2026-17" in notices["insightface house"]
    assert "non-commercial" in notices["insightface house"]
    assert notices["exposure red"] == "our own"


def test_a_file_swapped_after_it_was_declared_is_unavailable(tmp_path, only_exposure, limits):
    """The bytes that run are the bytes declared."""
    (tmp_path / "exp.onnx").write_bytes(tiny_pack.classifier(nan=True))
    with pytest.raises(ModelUnavailable, match="not the file declared"):
        OperatorSight(only_exposure, limits).load(CheckName.EXPOSURE)
    (tmp_path / "exp.onnx").unlink()
    with pytest.raises(ModelUnavailable):
        OperatorSight(only_exposure, limits).load(CheckName.EXPOSURE)


def test_a_model_that_says_nobody_is_there_changes_nothing(limits):
    """A detector that lies by silence leaves every face as it was."""
    assert united((FACE,), (), "operator:house", limits) == (FACE,)


def test_a_face_only_the_operators_detector_sees_is_a_face(limits):
    """OR: a box away from every other is a person more, named for who found her."""
    faces = united((FACE,), (box(300, 300, 40),), "operator:house", limits)
    assert faces[0] is FACE
    assert (faces[1].kind, faces[1].recognisable) == (PersonKind.FACE, Recognisable.YES)
    assert faces[1].passes == ("operator:house",)


def test_a_possible_face_that_the_operators_detector_sees_is_a_face(limits):
    """OR: its box lifts a doubt, and is recorded; it never makes a face a doubt."""
    doubt = replace(FACE, kind=PersonKind.POSSIBLE_FACE, recognisable=Recognisable.NO)
    (face,) = united((doubt,), (box(102, 98, 60), box(101, 99, 61)), "operator:house", limits)
    assert (face.kind, face.recognisable) == (PersonKind.FACE, Recognisable.YES)
    assert face.passes == ("160", "operator:house")
    assert face.box == doubt.box
    (kept,) = united((FACE,), (box(102, 98, 60, score=0.1),), "operator:house", limits)
    assert (kept.kind, kept.score) == (FACE.kind, FACE.score)


def test_a_small_face_inside_a_large_one_is_not_swallowed(limits):
    """A victim inside a consenting face stays a person of her own, whoever's detector found whom."""
    large = replace(FACE, box=Box(0, 0, 200, 200))
    assert len(united((large,), (box(60, 60, 80),), "operator:house", limits)) == 2
    tall = replace(box(100, 100, 60), box=Box(100, 100, 60, 120))
    assert len(united((FACE,), (tall,), "operator:house", limits)) == 2


def test_an_operators_classifier_adds_nudity_and_never_takes_it(red):
    """OR: red reads nude whatever the must-run check says; black leaves nude nude and undetermined so."""
    seen = PictureExposure(NOTHING, (NOTHING,), NOTHING)
    scarlet = np.zeros((200, 200, 3), np.uint8)
    scarlet[..., 0] = 255
    worse = red.exposure(scarlet, (FACE,), seen)
    assert worse.picture.value is Exposure.NUDE
    assert worse.persons[0].value is Exposure.NUDE
    assert worse.picture.scores["operator:red"] > 0.9
    black = np.zeros((200, 200, 3), np.uint8)
    for value in (Exposure.NUDE, Exposure.EXPLICIT, Exposure.UNDETERMINED):
        reading = ExposureReading(value, {"whole": 0.9})
        same = red.exposure(black, (FACE,), PictureExposure(reading, (reading,), reading))
        assert (same.picture.value, same.persons[0].value) == (value, value)
    worst = ExposureReading(Exposure.EXPLICIT, {"whole": 0.9})
    assert red.exposure(scarlet, (), PictureExposure(worst, (), worst)).picture.value is Exposure.EXPLICIT


def test_nudity_at_nobody_found_falls_on_the_unseen(red):
    """Where the whole picture alerts and no person's part does, somebody unseen is exposed."""
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[:, 200:, 0] = 255
    far = replace(FACE, box=Box(0, 0, 40, 40))
    worse = red.exposure(picture, (far,), PictureExposure(NOTHING, (NOTHING,), NOTHING))
    assert worse.persons[0].value is Exposure.NONE
    assert worse.elsewhere.value is Exposure.NUDE


def test_a_classifier_that_gives_no_number_fails_at_load(tmp_path, hashes, limits):
    """An answer that is not a number is no answer."""
    data = tiny_pack.classifier(nan=True)
    (tmp_path / "exp.onnx").write_bytes(data)
    declared = read_operator_models(toml(tmp_path, hashes | {"exp": tiny_pack.sha256(data)}))
    with pytest.raises(ModelUnavailable, match="as declared"):
        OperatorSight(declared, limits).load(CheckName.EXPOSURE)


def test_the_youngest_age_counts(models, limits):
    """OR: any age model that reads a minor makes it one; none makes an adult of a minor."""

    class Reader:
        years_seen = 50.0

        def years(self, pixels, box):
            return self.years_seen

    sight, reader = OperatorSight(models, limits), Reader()
    sight._ages["house"] = (reader, 28.0)
    assert sight.age(np.zeros((9, 9, 3), np.uint8), FACE, Age.MINOR) is Age.MINOR
    assert sight.age(np.zeros((9, 9, 3), np.uint8), FACE, Age.UNDETERMINED) is Age.UNDETERMINED
    reader.years_seen = 27.0
    assert sight.age(np.zeros((9, 9, 3), np.uint8), FACE, Age.UNDETERMINED) is Age.MINOR


def test_a_persons_part_is_within_the_picture():
    """At every border, for faces and bodies, at least one pixel."""
    picture = np.zeros((50, 80, 3), np.uint8)
    for place in (Box(-30, -30, 20, 20), Box(75, 45, 40, 40), Box(10, 10, 5, 5), Box(500, 500, 5, 5)):
        for person in (replace(FACE, box=place), BodyObservation(place, 0.9, ("pose",))):
            assert part_of(picture, person).size > 0


def test_every_question_reaches_the_must_run_checks(models, limits):
    """No check is left to a default because operator's models are there."""
    asked = {name for name, _ in inspect.getmembers(Checks, inspect.isfunction) if not name.startswith("_")}
    assert asked - {"embed_added"} <= vars(OperatorChecks).keys()


def test_declared_models_travel_to_the_child(models):
    """They are plain values that a child process can be given."""
    build = with_operator_models(models, own=obedient)
    assert pickle.loads(pickle.dumps(build)).models == models


def test_a_backend_is_named_beside_the_models_and_judges_by_the_same_thresholds(models):
    """Naming a device changes where models run, and neither the digest nor the thresholds."""
    there = models.model_copy(update={"backend": "cuda:1"})
    assert with_operator_models(there).backend == Backend(Kind.TORCH, "cuda:1")
    assert with_operator_models(OperatorModels(backend="torch-cpu")).backend == Backend(Kind.TORCH, "cpu")
    assert with_operator_models(models).backend is None
    assert there.digest == models.digest


@pytest.mark.parametrize("name", ["", "gpu", "cuda:0; rm", "CUDA:0", "torch", "cuda:1234"])
def test_no_other_backend_can_be_named(tmp_path, name):
    """A misspelt device is an error of the file, not a silent choice of another."""
    file = tmp_path / "models.toml"
    file.write_text(f'format = 1\nbackend = "{name}"\n')
    with pytest.raises(ArgumentRejected, match="backend"):
        read_operator_models(file)


def test_the_named_backend_runs_the_must_run_models(limits):
    """What builds the must-run checks is given the store on that backend, and its files."""
    given = []

    def noted(store, limits):
        given.append(store)
        return Checks(store, limits)

    store = ModelStore([Path("somewhere")])
    built = with_operator_models(OperatorModels(backend="torch-cpu"), own=noted)(store, limits)
    assert built.store.backend == Backend(Kind.TORCH, "cpu")
    assert (given[0].folders, given[0].lock) == (store.folders, store.lock)
    with_operator_models(OperatorModels(), own=noted)(store, limits)
    assert given[1] is store


def test_a_device_is_given_more_memory():
    """The bound on a child's data is wider where its models run on a device, whoever named that."""
    cuda = ModelStore([], backend=Backend(Kind.TORCH, "cuda:0"))
    assert process._bound(build_checks, cuda) == process.DEVICE_MEMORY_BYTES
    named = with_operator_models(OperatorModels(backend="cuda:0"))
    assert process._bound(named, ModelStore([])) == process.DEVICE_MEMORY_BYTES
    for build in (build_checks, with_operator_models(OperatorModels(backend="torch-cpu"))):
        assert process._bound(build, ModelStore([])) == process.MEMORY_BYTES


def looked(
    models: OperatorModels, limits, deadlines: Deadlines, pixels: np.ndarray
) -> dict[CheckName, CheckRun]:
    """The runs of the must-run checks, which all answer, with the operator's models added."""
    build = with_operator_models(models, own=obedient)
    with PerceptionProcess(
        deadlines=deadlines, build=build, limits=lambda: models.added_to(limits)
    ) as perception:
        seen = perception.observe_image(CanonicalImage.of(pixels))
    return {run.name: run for run in seen.checks}


def declared_exposure(tmp_path: Path, hashes: dict[str, str], data: bytes) -> OperatorModels:
    """The file of models with another classifier, and no pack."""
    (tmp_path / "exp.onnx").write_bytes(data)
    models = read_operator_models(toml(tmp_path, hashes | {"exp": tiny_pack.sha256(data)}))
    return models.model_copy(update={"insightface": ()})


def test_a_missing_model_stops_the_check_it_adds_to(tmp_path, models, limits):
    """With the added detector's file gone, face detection has no answer, and says which file."""
    (tmp_path / "det.onnx").unlink()
    run = looked(models, limits, Deadlines(), GREY)[CheckName.FACE_DETECTION]
    assert run.outcome is CheckOutcome.MISSING
    assert "operator-house-detection" in run.detail


def test_an_added_model_that_answers_is_named_with_its_hash(hashes, only_exposure, limits):
    """The record tells which models looked, the operator's among them."""
    run = looked(only_exposure, limits, Deadlines(), GREY)[CheckName.EXPOSURE]
    assert run.outcome is CheckOutcome.RAN
    assert [(use.role, use.sha256) for use in run.models] == [("operator-red-exposure", hashes["exp"])]


def test_an_added_model_that_raises_fails_its_check(tmp_path, hashes, limits):
    """A model that gives no number for this picture leaves the check without an answer."""
    broken = declared_exposure(tmp_path, hashes, tiny_pack.classifier(black_breaks=True))
    run = looked(broken, limits, Deadlines(), np.zeros((40, 50, 3), np.uint8))[CheckName.EXPOSURE]
    assert run.outcome is CheckOutcome.FAILED
    assert looked(broken, limits, Deadlines(), GREY)[CheckName.EXPOSURE].outcome is CheckOutcome.RAN


def test_an_added_model_that_hangs_is_killed_and_its_check_named(tmp_path, hashes, limits):
    """A model that never ends ends with the process, and the check it adds to timed out."""
    endless = declared_exposure(tmp_path, hashes, tiny_pack.classifier(never_ends=True))
    run = looked(endless, limits, Deadlines(load=2.0, run=2.0), GREY)[CheckName.EXPOSURE]
    assert run.outcome is CheckOutcome.TIMED_OUT


def test_a_pack_adds_its_face_its_embedding_and_its_years(models, limits):
    """Detection, recognition and age of a pack, each with the check that it adds to."""
    pytest.importorskip("insightface")
    checks = OperatorChecks(ObedientChecks(None, limits), models)
    roles = [use.role for name in CheckName for use in checks.load(name)]
    assert roles == ["operator-house-detection", ADDED, "operator-house-age", "operator-red-exposure"]
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[320:448, 320:448] = 255
    added = [face for face in checks.detect(picture) if face.passes == ("operator:house",)]
    assert added
    assert checks.embed_added(picture, replace(FACE, landmarks=LOOK))[ADDED].shape == (3, 32)
    assert checks.age(picture, FACE) is Age.MINOR


def test_a_pack_runs_in_the_child_within_its_memory(hashes, models, limits):
    """The library is imported, tried out and run where it can be killed; its models stand in the record."""
    pytest.importorskip("insightface")
    runs = looked(models, limits, Deadlines(), GREY)
    assert {run.outcome for run in runs.values()} == {CheckOutcome.RAN}
    used = {use.role: use.sha256 for run in runs.values() for use in run.models}
    assert used["operator-house-detection"] == hashes["det"]
    assert used[ADDED] == hashes["rec"]
