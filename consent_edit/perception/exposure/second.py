"""The second exposure family, where it is installed: a MobileNet v2 that tells five kinds of picture apart.

Its files are the published ones: a TensorFlow.js graph as a script, and its weights, one byte each, as text
in two more. They are read as data, never run, and built into an ONNX graph from the bytes that were hashed.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from consent_edit.encoding import JsonValue
from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.exposure.fusion import Answer
from consent_edit.perception.exposure.views import View
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import ModelUse
from consent_edit.perception.shown import Shown
from consent_edit.thresholds import Thresholds

ROLES: Final = ("exposure-second", "exposure-second-weights", "exposure-second-weights-rest")
"""The graph, and the two parts of its weights."""

_SIDE: Final = 224
_CLASSES: Final = "classes"
_REMEDY: Final = "consent-edit models pull"
_Node: TypeAlias = Mapping[str, JsonValue]


class SecondFamily:
    """The network of nsfwjs ``mobilenet_v2_mid``.

    Raises:
        ModelUnavailable: a file is missing, altered, or the network fails its self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        files = [store.load(role) for role in ROLES]
        self._model = store.backend.onnx(built(files[0].data, [file.data for file in files[1:]]))
        self._device = store.backend.squares(self._model)
        known = [Image.fromarray(known_picture(_SIDE, _SIDE) // share) for share in (1, 2, 4)]
        answer = self._run(known)
        require_known_answer(store, ROLES[0], answer)
        self.known_answers = {ROLES[0]: fingerprint(answer)}
        self.uses = tuple(
            ModelUse(file.role, file.sha256, threshold=limits.exposure_second_whole, self_test=True)
            for file in files
        )

    def read(self, crops: Sequence[Image.Image]) -> list[Answer]:
        """Read views.

        Args:
            crops: RGB each, of any size.

        Raises:
            CheckFailed: an answer is no number.
        """
        return _told(self._run(crops))

    def look(self, picture: Shown, views: Sequence[View]) -> list[Answer]:
        """Read views of a picture; on a device they are cut out there.

        Raises:
            CheckFailed: as :meth:`read`.
        """
        if self._device is not None:
            return _told(self._device.answers(picture, views, _SIDE, _CLASSES))
        whole = Image.fromarray(picture.pixels)
        return self.read([view.cut(whole) for view in views])

    def _run(self, crops: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Per crop: drawing, drawn nudity, neutral, nudity, suggestive; float32 (n, 5)."""
        batch = np.empty((len(crops), _SIDE, _SIDE, 3), np.float32)
        for row, crop in zip(batch, crops, strict=True):
            small = crop.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
            np.divide(np.asarray(small), np.float32(255), out=row)
        return self._model.run(batch)[_CLASSES]


def _told(classes: NDArray[np.float32]) -> list[Answer]:
    """What the classes of each view say.

    Raises:
        CheckFailed: one is no number.
    """
    if not np.isfinite(classes).all():
        raise CheckFailed("the second exposure model gave no number")
    return [Answer(min(float(row[1] + row[3]), 1.0), float(row[4])) for row in classes]


def installed(store: ModelStore) -> bool:
    """Whether any of its files is here; an altered one counts, so that it is told and not passed over."""
    for role in ROLES:
        try:
            store.find(role)
        except ModelUnavailable:
            continue
        return True
    return False


def built(script: bytes, weights: Sequence[bytes]) -> bytes:
    """The ONNX graph, float32 (n, 224, 224, 3) in [0, 1] -> ``classes`` float32 (n, 5).

    Args:
        script: The script that holds the graph.
        weights: The scripts that hold the weights, in order.

    Raises:
        ModelUnavailable: they are not of the published form.
    """
    try:
        graph = _literal(script.decode("utf-8"))
        values = _weights(graph, b"".join(_embedded(part.decode("utf-8")) for part in weights))
        return _Builder(values).graph(cast(Sequence[_Node], _of(graph, "modelTopology")["node"]))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"the second exposure model is not of the known form ({type(error).__name__})", remedy=_REMEDY
        ) from error


def _literal(script: str) -> _Node:
    """The object that the script exports, read as data."""
    text = script[script.index('{format:"graph-model"') :]
    text = re.sub(r"([{,])([A-Za-z_]\w*):", r'\1"\2":', text)
    text = re.sub(r"(?<=[:,\[])(-?)\.(\d)", r"\g<1>0.\2", text)
    text = text.replace(":!0", ":true").replace(":!1", ":false")
    found, _ = json.JSONDecoder().raw_decode(text)
    return cast(_Node, found)


def _embedded(script: str) -> bytes:
    """The bytes that the script exports as text."""
    longest = max(re.findall(r'"([A-Za-z0-9+/]{64,}={0,2})"', script), key=len)
    try:
        return base64.b64decode(longest, validate=True)
    except binascii.Error as error:
        raise ValueError("no weights") from error


def _weights(graph: _Node, data: bytes) -> dict[str, NDArray[np.float32]]:
    """Name -> float32 array, out of one byte each."""
    manifest = cast(Sequence[_Node], graph["weightsManifest"])
    values: dict[str, NDArray[np.float32]] = {}
    start = 0
    for entry in cast(Sequence[_Node], manifest[0]["weights"]):
        shape = cast(list[int], entry["shape"])
        count = math.prod(shape)
        scale = _of(entry, "quantization")
        step, least = np.float32(cast(float, scale["scale"])), np.float32(cast(float, scale["min"]))
        quantised = np.frombuffer(data, np.uint8, count, start).astype(np.float32)
        values[str(entry["name"])] = np.asarray(quantised * step + least, dtype=np.float32).reshape(shape)
        start += count
    if start != len(data):
        raise ValueError("more weights than are named")
    return values


def _of(value: _Node, key: str) -> _Node:
    return cast(_Node, value[key])


class _Builder:
    """Gathers ONNX nodes; ``names`` says under which name each of the old graph's values goes."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = weights
        self._constants: dict[str, NDArray[np.float32]] = {
            "zero": np.array(0, np.float32),
            "six": np.array(6, np.float32),
        }
        self._nodes = [helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2])]
        self._names = {"input": "planes"}

    def graph(self, nodes: Sequence[_Node]) -> bytes:
        """All of it; the last node is the answer."""
        last = ""
        for number, node in enumerate(nodes):
            if node["op"] not in ("Const", "Placeholder"):
                last = self._names[str(node["name"])] = f"value{number}"
                self._add(node, last)
        self._nodes.append(helper.make_node("Identity", [last], ["classes"]))
        graph = helper.make_graph(
            self._nodes,
            "exposure-second",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", _SIDE, _SIDE, 3])],
            [helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 5])],
            [numpy_helper.from_array(value, name) for name, value in self._constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        return cast(bytes, model.SerializeToString())

    def _add(self, node: _Node, out: str) -> None:
        """One node in ONNX's words.

        Raises:
            ValueError: it is of a kind that the published graph does not have.
        """
        inputs = cast(list[str], node["input"])
        simple = {"Mul": "Mul", "Sub": "Sub", "AddV2": "Add", "Identity": "Identity", "_FusedMatMul": "Gemm"}
        match str(node["op"]):
            case "_FusedConv2D" | "FusedDepthwiseConv2dNative":
                self._convolve(node, inputs, out)
            case "AvgPool":
                self._nodes.append(helper.make_node("GlobalAveragePool", [self._value(inputs[0])], [out]))
            case "Squeeze":
                self._nodes.append(helper.make_node("Flatten", [self._value(inputs[0])], [out]))
            case "Softmax":
                self._nodes.append(helper.make_node("Softmax", [self._value(inputs[0])], [out], axis=1))
            case kind:
                if kind not in simple:
                    raise ValueError(f"a node of kind {kind}")
                self._nodes.append(helper.make_node(simple[kind], [self._value(i) for i in inputs], [out]))

    def _convolve(self, node: _Node, inputs: Sequence[str], out: str) -> None:
        """A convolution with its bias, and its clipping to [0, 6] where it has one."""
        options = _of(node, "attr")
        steps = [int(step) for step in cast(list[str], _of(_of(options, "strides"), "list")["i"])][1:3]
        fused = cast(list[str], _of(_of(options, "fused_ops"), "list")["s"])
        after = [base64.b64decode(name).decode("ascii") for name in fused]
        if after not in (["BiasAdd"], ["BiasAdd", "Relu6"]):
            raise ValueError("an unknown fused operation")
        depthwise = node["op"] != "_FusedConv2D"
        kernel = self._weights[inputs[1]].transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        self._constants[f"{out}.kernel"] = np.ascontiguousarray(kernel)
        same = base64.b64decode(str(_of(options, "padding")["s"])) == b"SAME"
        clipped = len(after) == 2
        self._nodes.append(
            helper.make_node(
                "Conv",
                [self._value(inputs[0]), f"{out}.kernel", self._value(inputs[2])],
                [f"{out}.raw" if clipped else out],
                auto_pad="SAME_UPPER" if same else "VALID",
                strides=steps,
                group=kernel.shape[0] if depthwise else 1,
                kernel_shape=list(kernel.shape[2:]),
            )
        )
        if clipped:
            self._nodes.append(helper.make_node("Clip", [f"{out}.raw", "zero", "six"], [out]))

    def _value(self, name: str) -> str:
        """What a value of the old graph is called here; a weight becomes a constant."""
        if name in self._names:
            return self._names[name]
        self._constants[name] = self._weights[name]
        return name
