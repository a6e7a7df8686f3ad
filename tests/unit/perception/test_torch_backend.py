"""The torch backend answers as the CPU runtimes do, refuses what it does not know, and says what ran."""

from __future__ import annotations

import io
import pickle
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'consent-edit[diffusers]'")

import cv2  # noqa: E402

from consent_edit.errors import CheckFailed, ModelUnavailable  # noqa: E402
from consent_edit.perception.backends.choice import Backend, Kind  # noqa: E402
from consent_edit.perception.backends.dlib_graph import dlib_onnx  # noqa: E402
from consent_edit.perception.backends.litert import LiteRtModel  # noqa: E402
from consent_edit.perception.backends.onnx import OnnxModel  # noqa: E402
from consent_edit.perception.backends.torch import (  # noqa: E402
    chips,
    detections,
    exposure,
    eyes,
    litert_graph,
    look,
    resampling,
    views,
)
from consent_edit.perception.backends.torch.capture import Mode, Recorded  # noqa: E402
from consent_edit.perception.backends.torch.jpeg import JpegLoss  # noqa: E402
from consent_edit.perception.backends.torch.known import require_known  # noqa: E402
from consent_edit.perception.backends.torch.litert_graph import read_litert  # noqa: E402
from consent_edit.perception.backends.torch.onnx_graph import read_onnx  # noqa: E402
from consent_edit.perception.backends.torch.precision import exact  # noqa: E402
from consent_edit.perception.backends.torch.resampling import Resampler, planes_of  # noqa: E402
from consent_edit.perception.exposure.look import prepared  # noqa: E402
from consent_edit.perception.exposure.views import fixed_views  # noqa: E402
from consent_edit.perception.faces import alignment  # noqa: E402
from consent_edit.perception.faces.detectors import yunet  # noqa: E402
from consent_edit.perception.faces.detectors.blazeface import BlazeFace  # noqa: E402
from consent_edit.perception.faces.detectors.centerface import CenterFace  # noqa: E402
from consent_edit.perception.faces.detectors.found import Planes  # noqa: E402
from consent_edit.perception.faces.look import looks  # noqa: E402
from consent_edit.perception.faces.passes import PASSES, Detector, ViewSpec, must_run  # noqa: E402
from consent_edit.perception.models.lock import SELF_TEST_CODE, SelfTest  # noqa: E402
from consent_edit.perception.models.store import ModelStore  # noqa: E402

CPU = torch.device("cpu")
TORCH = Backend(Kind.TORCH, "cpu")
RELATIVE = 1e-4

# Role, axes that are free, shape of one input, largest value of it.
ONNX_MODELS = (
    ("face-detection", (0, 2, 3), (3, 64, 96), 255),
    ("face-detection-centre", (0, 2, 3), (3, 96, 64), 255),
    ("face-embedding", (0,), (3, 112, 112), 255),
    ("face-embedding-second", (0,), (3, 150, 150), 255),
    ("exposure", (0,), (224, 224, 3), 255),
    ("apparent-age", (0,), (3, 64, 64), 1),
)
LITERT_MODELS = ("face-detection-short", "face-mesh", "person-pose", "person-region")


@pytest.fixture(scope="module")
def bytes_of():
    store = ModelStore()

    def load(role):
        try:
            data = store.load(role).data
        except ModelUnavailable as error:
            pytest.skip(f"{error.message}; run: consent-edit models pull")
        return dlib_onnx(data) if role == "face-embedding-second" else data

    return load


@pytest.fixture
def pixels():
    """A picture with edges, flat parts and noise, taller than wide, of odd sides."""
    rng = np.random.default_rng(3)
    picture = np.zeros((301, 187, 3), np.uint8)
    picture[40:260, 30:150] = (200, 120, 60)
    cv2.circle(picture, (90, 140), 55, (30, 220, 160), -1)
    return np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)


def as_pixels(planes):
    return planes.numpy().transpose(1, 2, 0)


def worst(got, want):
    """The largest difference of any output, as a share of its largest value (1 where all are less)."""
    assert got.keys() == want.keys()
    assert all(got[name].shape == want[name].shape for name in want)
    return max(np.abs(got[n] - want[n]).max() / max(np.abs(want[n]).max(), 1.0) for n in want)


def one_by_one(model, batch):
    parts = [model.run(batch[i : i + 1]) for i in range(len(batch))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("role", "free", "shape", "most"), ONNX_MODELS, ids=lambda value: str(value))
def test_every_onnx_model_answers_as_on_the_cpu(bytes_of, role, free, shape, most, count):
    """Each output of each model agrees to 1e-4, for one picture and for three at once."""
    data = bytes_of(role)
    batch = np.random.default_rng(count).random((count, *shape), dtype=np.float32) * most
    want = one_by_one(OnnxModel(data, free_axes=free), batch)
    assert worst(TORCH.onnx(data, free_axes=free).run(batch), want) < RELATIVE


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("role", LITERT_MODELS)
def test_every_litert_model_answers_as_on_the_cpu(bytes_of, role, count):
    """The same of the LiteRT graphs, sparse and half weights and all; they name their input's shape."""
    data = bytes_of(role)
    cpu, model = LiteRtModel(data), TORCH.litert(data)
    assert model.input_shape == cpu.input_shape
    assert model.output_names == cpu.output_names
    batch = np.random.default_rng(count).random((count, *cpu.input_shape[1:]), dtype=np.float32)
    assert worst(model.run(batch), one_by_one(cpu, batch)) < RELATIVE


def graph_of(kind, shape, *constants, **options):
    """An ONNX file of one operation."""
    names = [f"c{i}" if value is not None else "" for i, value in enumerate(constants)]
    held = [numpy_helper.from_array(v, n) for n, v in zip(names, constants, strict=True) if v is not None]
    node = helper.make_node(kind, ["x", *names], ["y"], **options)
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    told = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "one", given, told, held)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    ).SerializeToString()


def weights(*shape):
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


WINDOWS = {
    "uneven pads": ("Conv", (weights(4, 3, 3, 3),), {"pads": [0, 1, 2, 0], "strides": [2, 1]}),
    "same upper": ("Conv", (weights(4, 3, 3, 3),), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "dilated": ("Conv", (weights(4, 3, 3, 3), weights(4)), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    "depthwise": ("Conv", (weights(3, 1, 3, 3),), {"group": 3, "pads": [1, 1, 1, 1]}),
    "largest, uneven": ("MaxPool", (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    "largest, ceiling": ("MaxPool", (), {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "mean": ("AveragePool", (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "mean, edge counted": (
        "AveragePool",
        (),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    "transposed": ("ConvTranspose", (weights(3, 2, 2, 2),), {"strides": [2, 2]}),
    "pad": ("Pad", (np.array([0, 1, 0, 0, 0, 0, 2, 3], np.int64),), {}),
    "repeat": (
        "Resize",
        (None, np.array([1, 1, 2, 2], np.float32)),
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "slope": ("PRelu", (weights(3, 1, 1),), {}),
    "normalised": (
        "BatchNormalization",
        (weights(3), weights(3), weights(3), weights(3) ** 2),
        {"epsilon": 0.01},
    ),
    "clipped": ("Clip", (np.float32(-0.5), np.float32(0.25)), {}),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_each_operation_keeps_to_onnx_at_the_border(name):
    """Odd sides, uneven padding, ceilings and fills agree with the CPU runtime to the last pixel."""
    kind, constants, options = WINDOWS[name]
    data = graph_of(kind, [2, 3, 11, 8], *constants, **options)
    batch = np.random.default_rng(2).normal(size=(2, 3, 11, 8)).astype(np.float32)
    assert worst(TORCH.onnx(data).run(batch), OnnxModel(data).run(batch)) < 1e-5


UNKNOWN = {
    "an operation": ("Erf", (), {}),
    "a linear resize": ("Resize", (None, np.array([1, 1, 2, 2], np.float32)), {"mode": "linear"}),
    "half a pixel": (
        "Resize",
        (None, np.array([1, 1, 2, 2], np.float32)),
        {"mode": "nearest", "coordinate_transformation_mode": "half_pixel"},
    ),
    "a mirrored pad": ("Pad", (np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),), {"mode": "reflect"}),
    "padding below first": ("Conv", (weights(4, 3, 3, 3),), {"auto_pad": "SAME_LOWER"}),
    "a mean with a ceiling": (
        "AveragePool",
        (),
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    ),
    "another axis": ("Softmax", (), {"axis": 3}),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_the_reader_does_not_know_is_refused(name):
    """An operation, or a form of one, never compared with the CPU is an error that names a way out."""
    kind, constants, options = UNKNOWN[name]
    with pytest.raises(ModelUnavailable) as caught:
        read_onnx(graph_of(kind, [1, 3, 8, 8], *constants, **options))
    assert "Backend()" in caught.value.remedy


def test_an_unknown_litert_operation_or_a_broken_file_is_refused(bytes_of, monkeypatch):
    """A missing reader, a cut file and a file of another kind are typed errors."""
    data = bytes_of("face-detection-short")
    for broken in (data[: len(data) // 2], b"", data[:4] + b"ABCD" + data[8:]):
        with pytest.raises(ModelUnavailable):
            read_litert(broken)
    with pytest.raises(ModelUnavailable):
        read_onnx(data)
    monkeypatch.delitem(litert_graph._READERS, 4)
    with pytest.raises(ModelUnavailable, match="the operation 4"):
        read_litert(data)


def test_a_tensor_handed_out_is_the_callers_own(monkeypatch):
    """The answer to one input is still there after the next was asked: no recorded buffer leaks."""
    model = TORCH.onnx(graph_of("Relu", [1, 3, 4, 4]))
    assert model.run_tensor(torch.ones(1, 3, 4, 4))["y"].sum() == 48
    assert model.modes == {(1, 3, 4, 4): Mode.PLAIN}
    buffer = torch.zeros(1, 3, 4, 4)
    replayed = Recorded(
        lambda batch: {"y": batch}, lambda compute, _: lambda batch: {"y": buffer.copy_(batch)}
    )
    monkeypatch.setattr(model, "_recorded", replayed)
    first = model.run_tensor(torch.ones(1, 3, 4, 4))["y"]
    model.run_tensor(torch.full((1, 3, 4, 4), 7.0))
    assert torch.equal(first, torch.ones(1, 3, 4, 4))


def test_a_device_that_breaks_is_a_failed_check():
    """A kernel that raises is told as a check that failed, never as a foreign error or an empty answer."""
    model = TORCH.onnx(graph_of("Conv", [1, 3, 4, 4], weights(4, 3, 3, 3)))
    with pytest.raises(CheckFailed):
        model.run(np.zeros((1, 2, 4, 4), np.float32))


def doubled(batch):
    return {"y": batch * 2}


def test_a_shape_is_recorded_once_and_replayed():
    """The second picture of a shape is replayed; only so many shapes stay."""
    recorded = []

    def recorder(compute, example):
        recorded.append(tuple(example.shape))
        return compute

    computation = Recorded(doubled, recorder, most=2)
    for size in (1, 1, 2, 3, 3, 1):
        assert computation(torch.ones(size))["y"].tolist() == [2.0] * size
    assert recorded == [(1,), (2,), (3,), (1,)]
    assert computation.modes == {(3,): Mode.RECORDED, (1,): Mode.RECORDED}


def test_a_shape_that_cannot_be_recorded_is_computed_all_the_same_and_told():
    """A failing capture costs time only, is not tried again, and stands in what is told."""
    tried = []

    def recorder(compute, example):
        tried.append(example.shape)
        raise RuntimeError("no")

    computation = Recorded(doubled, recorder)
    assert [computation(torch.ones(1))["y"].item() for _ in range(2)] == [2.0, 2.0]
    assert len(tried) == 1
    assert computation.modes == {(1,): Mode.UNRECORDABLE}


def test_all_of_float32_is_kept_inside_and_the_hosts_settings_come_back():
    """No TF32 and no racing kernels inside the block; after it, or an error in it, all is as before."""
    flags = torch.backends.cudnn
    before = (flags.allow_tf32, flags.benchmark, flags.deterministic, torch.backends.cuda.matmul.allow_tf32)
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with pytest.raises(ValueError, match="inside"), exact():
            assert not torch.backends.cuda.matmul.allow_tf32
            assert (flags.allow_tf32, flags.benchmark, flags.deterministic) == (False, False, True)
            raise ValueError("inside")
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before[3]
    assert (flags.allow_tf32, flags.benchmark, flags.deterministic) == before[:3]


def test_the_choice_travels_and_says_what_ran():
    """It pickles, the default is the CPU runtimes, and each names its runtime and version."""
    assert pickle.loads(pickle.dumps(TORCH)) == TORCH
    data = graph_of("Relu", [1, 3, 4, 4])
    assert isinstance(Backend().onnx(data), OnnxModel)
    told = {Backend().runtime("a.onnx"), Backend().runtime("a.tflite"), TORCH.runtime("a.onnx")}
    assert sorted(name.split("-")[0] for name in told) == ["ai", "onnxruntime", "torch"]
    assert TORCH.runtime("a.onnx") == f"torch-{torch.__version__.split('+')[0]}-cpu"


def test_without_torch_or_its_device_the_backend_is_unavailable(monkeypatch):
    """No silent fall back to another runtime: a typed error with the next step."""
    data = graph_of("Relu", [1, 3, 4, 4])
    with pytest.raises(ModelUnavailable, match="no device"):
        Backend(Kind.TORCH, "cuda:99").onnx(data)
    monkeypatch.setitem(sys.modules, "torch", None)
    for ask in (lambda: TORCH.onnx(data), lambda: TORCH.litert(b""), lambda: TORCH.runtime("a.onnx")):
        with pytest.raises(ModelUnavailable, match="torch"):
            ask()


def test_every_view_of_the_pass_list_is_the_cpus(pixels):
    """Each view, of a picture and of a strip that has every pass, differs by a level here and there.

    In a view of a few rows one pixel may move a percentile, and with it every level by one.
    """
    strip = np.ascontiguousarray(np.tile(pixels[:60, :150], (1, 14, 1)))
    assert len(must_run(strip.shape[1])) == len(PASSES)
    larger = np.ascontiguousarray(np.tile(pixels, (2, 2, 1))[:400, :210])
    for picture, most, share in ((pixels, 0.05, 0.01), (larger, 0.05, 0.01), (strip, 0.5, 0.05)):
        shown = views.DeviceViews(planes_of(torch.from_numpy(picture)), Resampler(CPU))
        for one, view in looks(picture):
            got = as_pixels(shown.show(one.view))
            assert got.shape == view.pixels.shape, one.name
            off = np.abs(got - view.pixels.astype(np.float32))
            assert (off > 2).mean() < share, one.name
            assert off.mean() < most, one.name
            assert np.allclose(views.way_back(one.view, *picture.shape[:2]), view.back), one.name


@pytest.mark.parametrize("field", sorted(views._FILTERS))
def test_each_filter_of_the_device_is_the_cpus(pixels, field):
    """Every filter a view may have, by itself."""
    spec = replace(
        ViewSpec(320), **{field: {"blur": 2.5, "median": 5, "opening": 9, "closing": 5}.get(field, True)}
    )
    from consent_edit.perception.views import Views

    got = as_pixels(views.DeviceViews(planes_of(torch.from_numpy(pixels)), Resampler(CPU)).show(spec))
    off = np.abs(got - Views(pixels).show(spec).pixels.astype(np.float32))
    plain = np.abs(got - Views(pixels).show(ViewSpec(320)).pixels.astype(np.float32))
    assert off.mean() < 0.02 < plain.mean()


def test_a_filter_the_device_does_not_have_is_refused(monkeypatch):
    """A new filter in the pass list cannot be left out silently on the device."""
    views.require_known_filters()
    monkeypatch.setattr(views, "_FILTERS", views._FILTERS - {"median"})
    with pytest.raises(ModelUnavailable, match="median"):
        views.require_known_filters()


def boxes(found):
    order = np.argsort(-found.scores, kind="stable")
    return [np.asarray(part[order], np.float64) for part in (found.scores, found.corners, found.points)]


@pytest.mark.parametrize("detector", list(Detector))
def test_boxes_are_read_from_raw_answers_as_on_the_cpu(image_store, astronaut, detector):
    """The same raw answers give the same boxes, points and scores, and as many; NaN is told as NaN."""
    view = np.ascontiguousarray(cv2.resize(astronaut[:300, 80:380], (128, 128), interpolation=cv2.INTER_AREA))
    least = 0.2
    match detector:
        case Detector.YUNET:
            family = yunet.YuNet(image_store)
            raw, read = family._raw(view), lambda raw, t: detections.yunet_rows(raw, 128, t, 4000)
        case Detector.CENTERFACE:
            family = CenterFace(image_store)
            raw, read = family._raw(view), lambda raw, t: detections.centerface_rows(raw, t, 4000)
        case Detector.BLAZEFACE:
            family = BlazeFace(image_store)
            raw = family._model.run(view[None].astype(np.float32) / 127.5 - 1)
            read = lambda raw, t: detections.blazeface_rows(raw, t, 4000)  # noqa: E731
    tensors = {name: torch.from_numpy(value) for name, value in raw.items()}
    rows, told = read(tensors, torch.tensor([least]))
    want = boxes(family.look(view, least))
    count = int(told[0])
    assert 0 < count == len(want[0])
    got = rows[0, :count].numpy()
    for mine, theirs in zip((got[:, 0], got[:, 1:5], got[:, 5:]), want, strict=True):
        assert np.allclose(mine, theirs.reshape(mine.shape), rtol=1e-4, atol=1e-3)
    spoilt = {name: value * torch.nan for name, value in tensors.items()}
    assert read(spoilt, torch.tensor([least]))[1].isnan().all()


def test_the_tiles_of_large_views_are_the_cpus():
    """A view over 2048 px is cut where the CPU cuts it, and every pass is looked at."""
    for length in (1, 255, 2047, 2048, 2049, 4096, 5000):
        assert eyes.starts(length) == yunet._starts(length)
    found = eyes.looks_at(4000, 3000)
    assert {each.index for each in found} == set(range(len(must_run(4000))))
    assert sum(each.one.view.long_side == 4096 for each in found) == 6


def test_a_picture_with_more_boxes_than_are_kept_loses_none(image_store, pixels, monkeypatch):
    """Attack: a crowd of decoys must not push a face out of what comes back from the device."""
    short = [one for one in PASSES if one.view.long_side == 128]
    monkeypatch.setattr(eyes, "must_run", lambda side: [replace(one, threshold=0.001) for one in short])
    seeing = eyes.DeviceEyes(image_store, CPU)
    held = torch.from_numpy(pixels)
    whole = [(one.name, found) for one, _, found in seeing.found(held)]
    monkeypatch.setattr(eyes, "MOST", 2)
    few = [(one.name, found) for one, _, found in seeing.found(held)]
    assert max(len(found) for _, found in whole) > 2
    for (name, a), (other, b) in zip(whole, few, strict=True):
        assert name == other
        assert np.array_equal(a.scores, b.scores)
        assert np.array_equal(a.corners, b.corners)


def test_a_detector_that_gives_no_number_on_the_device_fails_its_check(image_store, pixels, monkeypatch):
    """Attack: poisoned memory that turns scores into NaN must not read as an empty picture."""
    short = [one for one in PASSES if one.view.long_side == 128]
    monkeypatch.setattr(eyes, "must_run", lambda side: short)
    seeing = eyes.DeviceEyes(image_store, CPU)
    for buffer in seeing._graphs[Detector.BLAZEFACE].buffers():
        buffer.fill_(torch.nan)
    with pytest.raises(CheckFailed, match="no usable answer"):
        list(seeing.found(torch.from_numpy(pixels)))


def test_the_loss_of_a_jpeg_is_pillows_to_the_last_bit(pixels):
    """Attack: a score on the edge must not fall differently on the device. Nothing differs."""
    picture = np.ascontiguousarray(cv2.resize(pixels, (224, 224)))
    with io.BytesIO() as memory:
        Image.fromarray(picture).save(memory, format="JPEG")
        memory.seek(0)
        want = np.asarray(Image.open(memory))
    got = as_pixels(JpegLoss(CPU)(planes_of(torch.from_numpy(picture))[None])[0])
    assert np.array_equal(got, want)
    assert np.abs(picture - want.astype(np.float32)).mean() > 3


@pytest.mark.parametrize("shape", [(301, 187), (602, 561), (481, 321), (300, 700), (700, 300), (90, 120)])
def test_the_exposure_network_is_shown_the_very_numbers_the_cpu_shows_it(pixels, shape):
    """The whole, a corner, and one turned upright, of wide and tall pictures that shrink or grow."""
    ready = exposure.ExposureViews(CPU, Resampler(CPU))
    picture = np.ascontiguousarray(np.tile(pixels, (3, 4, 1))[: shape[0], : shape[1]])
    crops = fixed_views(picture.shape[1], picture.shape[0])[:2]
    crops = (*crops, replace(crops[1], turns=1))
    want = prepared([crop.cut(Image.fromarray(picture)) for crop in crops])
    got = ready.prepared(planes_of(torch.from_numpy(picture)), crops).numpy()
    assert np.array_equal(got, want)


@pytest.mark.parametrize("size", [20.0, 60.0, 240.0])
def test_a_face_is_brought_upright_as_on_the_cpu(pixels, size):
    """Small and large faces, and one partly outside: the chip is the CPU's to a level."""
    points = (alignment.ARCFACE_POINTS / 112 - 0.5) * size @ np.array([[0.9, 0.3], [-0.3, 0.9]]) + (80, 120)
    points = points.astype(np.float32)
    want = alignment.aligned(pixels, points).astype(np.float32)
    got = as_pixels(chips.aligned(planes_of(torch.from_numpy(pixels)), points, Resampler(CPU)))
    off = np.abs(got - want)
    assert off.mean() < 0.05
    assert off.max() <= 3


def test_padding_a_picture_to_whole_strides_shows_the_networks_the_same(pixels):
    """What the device pads and reorders is what the CPU path hands its networks."""
    want = Planes().of(pixels, height=320, width=192, bgr=True)
    held = planes_of(torch.from_numpy(pixels))
    got = torch.nn.functional.pad(held, (0, 192 - 187, 0, 320 - 301))[None].flip(1)
    assert np.array_equal(got.numpy(), want)


def test_a_file_of_a_later_onnx_is_refused():
    """Rules may change between versions of ONNX: only those that were compared are read."""
    model = onnx.load_model_from_string(graph_of("Relu", [1, 3, 4, 4]))
    model.opset_import[0].version = 40
    with pytest.raises(ModelUnavailable, match="version"):
        read_onnx(model.SerializeToString())


@pytest.mark.parametrize("role", ["face-detection", "exposure", "face-embedding", "face-embedding-second"])
def test_a_model_that_is_wrong_on_the_device_may_not_look(image_store, bytes_of, role):
    """Attack: right bytes, wrong arithmetic. The self-test runs on the device too, on the known input."""
    model = TORCH.onnx(bytes_of(role), free_axes=(0, 2, 3) if role == "face-detection" else (0,))
    require_known(image_store, role, model)
    for buffer in model.graph.buffers():
        if buffer.is_floating_point():
            buffer.mul_(1.2)
    with pytest.raises(ModelUnavailable) as caught:
        require_known(image_store, role, model)
    assert caught.value.code == SELF_TEST_CODE


@pytest.mark.parametrize(
    ("build", "role"),
    [
        (eyes.DeviceEyes, "face-detection"),
        (eyes.DeviceEyes, "face-detection-centre"),
        (eyes.DeviceEyes, "face-detection-short"),
        (exposure.DeviceExposure, "exposure"),
        (look.DeviceLook, "face-embedding"),
        (look.DeviceLook, "face-embedding-second"),
    ],
)
def test_nothing_is_built_on_the_device_without_its_self_test(image_store, build, role):
    """With another reference in the lock, that role's model is refused before it sees a picture."""
    lock = image_store.lock
    held = lock.entry(role).self_test
    test = SelfTest(reference=tuple(value + 9 for value in held.reference), tolerance=held.tolerance)
    entries = [e.model_copy(update={"self_test": test}) if e.role == role else e for e in lock.model]
    store = ModelStore(image_store.folders, lock=lock.model_copy(update={"model": tuple(entries)}))
    with pytest.raises(ModelUnavailable, match=role) as caught:
        build(store, "cpu" if build is look.DeviceLook else CPU)
    assert caught.value.code == SELF_TEST_CODE


def test_what_a_recording_reads_is_never_dropped_before_it(image_store, pixels, monkeypatch):
    """Attack: many picture sizes in turn. Each recording keeps its own weights, and both go together."""
    monkeypatch.setattr(eyes, "must_run", lambda side: [one for one in PASSES if one.view.long_side == 128])
    seeing = eyes.DeviceEyes(image_store, CPU)
    kept = []
    for rows in range(200, 206):
        list(seeing.found(pixels[:rows]))
        kept.append(seeing._sizes[(rows, 187, 3)].resampler)
    assert list(seeing.modes) == [(rows, 187, 3) for rows in range(202, 206)]
    assert len({id(each) for each in kept}) == 6


def test_no_picture_needs_more_weights_than_a_resampler_keeps(pixels):
    """All views of one picture need far fewer sizes than are kept: none is dropped while it is read."""
    weights = Resampler(CPU)
    strip = np.ascontiguousarray(np.tile(pixels[:40, :150], (1, 14, 1)))
    shown = views.DeviceViews(planes_of(torch.from_numpy(strip)), weights)
    for one in PASSES:
        shown.show(one.view)
    assert 0 < len(weights._weights) < resampling._MOST_KEPT / 4
