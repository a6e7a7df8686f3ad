"""A pack of tiny graphs with the shapes of InsightFace's: a white block is a face, brightness is its age."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
SIGNS = ((-0.4, -0.4), (0.4, -0.4), (0.0, 0.0), (-0.3, 0.4), (0.3, 0.4))
"""A tiny detector's five points, in strides from the middle of a cell."""


def _model(nodes, inputs, outputs, weights) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def scrfd(*, blind: bool = False, wrong: bool = False, side: int | str = "side") -> bytes:
    """A detector with SCRFD's nine outputs; ``blind`` finds nobody, ``wrong`` gives boxes of three numbers.

    A cell of stride 32 that is white throughout is a face three cells wide.
    """
    nodes, outputs, weights = [], [], {}
    for kind, width in (("score", 1), ("box", 3 if wrong else 4), ("points", 10)):
        for stride in STRIDES:
            name = f"{kind}{stride}"
            kernel, bias = np.zeros((2 * width, 3, 1, 1), np.float32), np.zeros(2 * width, np.float32)
            if kind == "score":
                kernel[0], bias[:] = 20.0, (-55.0, -60.0)  # white is .996 in each colour: 59.8 - 55
                if stride != 32 or blind:
                    kernel[0], bias[:] = 0.0, -60.0
            elif kind == "box":
                bias[:] = 1.5
            else:
                bias[:] = np.array(SIGNS, np.float32).reshape(-1).tolist() * 2
            weights |= {f"k{name}": kernel, f"b{name}": bias, f"s{name}": np.array([-1, width], np.int64)}
            nodes += [
                helper.make_node(
                    "AveragePool", ["x"], [f"p{name}"], kernel_shape=[stride] * 2, strides=[stride] * 2
                ),
                helper.make_node("Conv", [f"p{name}", f"k{name}", f"b{name}"], [f"c{name}"]),
                helper.make_node("Transpose", [f"c{name}"], [f"t{name}"], perm=[0, 2, 3, 1]),
                helper.make_node(
                    "Reshape", [f"t{name}", f"s{name}"], [f"r{name}" if kind == "score" else name]
                ),
            ]
            if kind == "score":
                nodes.append(helper.make_node("Sigmoid", [f"r{name}"], [name]))
            outputs.append((name, ["n", width]))
    across = side if isinstance(side, int) else "across"
    return _model(nodes, [("x", [1, 3, side, across])], outputs, weights)


def arcface(*, constant: bool = False, side: int = 112) -> bytes:
    """An embedder of 32 numbers from a 7 x 7 thumbnail; ``constant`` takes everybody for one person."""
    random = np.random.default_rng(3)
    matrix = random.normal(size=(3 * (side // 16) ** 2, 32)).astype(np.float32)
    weights = {"m": 0 * matrix if constant else matrix, "b": random.normal(size=32).astype(np.float32)}
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "b"], ["y"]),
    ]
    return _model(nodes, [("x", ["n", 3, side, side])], [("y", ["n", 32])], weights)


def genderage(*, columns: int = 3) -> bytes:
    """An age of 50 for grey, 100 for white, 0 for black."""
    matrix = np.zeros((3, columns), np.float32)
    matrix[:, -1] = 0.5 / 3
    weights = {"m": matrix, "b": np.array([0.0] * (columns - 1) + [0.5], np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "b"], ["y"]),
    ]
    return _model(nodes, [("x", ["n", 3, 96, 96])], [("y", ["n", columns])], weights)


def classifier(*, nan: bool = False, black_breaks: bool = False, never_ends: bool = False) -> bytes:
    """Two classes; the second is likely where the picture is red.

    Args:
        nan: Answers what is no number.
        black_breaks: So for a black picture only.
        never_ends: Counts to 2**40 first.
    """
    matrix = np.array([[0, 12], [0, -12], [0, -12]], np.float32)
    weights = {"m": matrix, "b": np.array([0, np.nan if nan else -3], np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "b"], ["sure"]),
    ]
    if black_breaks:
        weights["none"] = np.zeros((3, 2), np.float32)
        nodes += [
            helper.make_node("Log", ["f"], ["l"]),
            helper.make_node("MatMul", ["l", "none"], ["doubt"]),
            helper.make_node("Add", ["sure", "doubt"], ["y"]),
        ]
    elif never_ends:
        weights |= {"trips": np.array(2**40, np.int64), "go": np.array(True)}
        value = helper.make_tensor_value_info
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["on"], ["still"]),
                helper.make_node("Identity", ["v"], ["w"]),
            ],
            "round",
            [
                value("i", TensorProto.INT64, []),
                value("on", TensorProto.BOOL, []),
                value("v", TensorProto.FLOAT, [1, 2]),
            ],
            [value("still", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, [1, 2])],
        )
        nodes.append(helper.make_node("Loop", ["trips", "go", "sure"], ["y"], body=body))
    else:
        nodes.append(helper.make_node("Identity", ["sure"], ["y"]))
    return _model(nodes, [("x", [1, 3, 32, 32])], [("y", [1, 2])], weights)


def sha256(data: bytes) -> str:
    """Of a file's bytes, hex."""
    return hashlib.sha256(data).hexdigest()


def written(folder: Path, **models: bytes) -> dict[str, str]:
    """Writes ``<name>.onnx`` each; name -> hash."""
    for name, data in models.items():
        (folder / f"{name}.onnx").write_bytes(data)
    return {name: sha256(data) for name, data in models.items()}
