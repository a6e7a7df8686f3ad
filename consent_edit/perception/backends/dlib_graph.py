"""dlib's 29-layer face network as an ONNX graph: the same weights, run a dozen times as fast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from consent_edit.errors import ModelUnavailable

SIDE: Final = 150
"""Side in pixels of the chip the network takes."""

DIM: Final = 128
"""Components of its answer."""

_MEAN: Final = (122.782, 117.001, 104.298)
_STAGES: Final = ((32, 3, 1), (64, 4, 2), (128, 3, 2), (256, 3, 2), (256, 1, 2))
"""Channels, residual blocks, and stride of the first, input side first (dnn_face_recognition_ex.cpp)."""

_LAYERS: Final = 59
_LAYER: Final = re.compile(rb"\x01[\x05\x07\x04](con_4|affine_|fc_2)(?=\x01)")


def dlib_onnx(data: bytes) -> bytes:
    """dlib's ``dlib_face_recognition_resnet_model_v1.dat`` as an ONNX file.

    Its input is ``chips``, float32 (n, 3, 150, 150), RGB of 0 to 255; its output ``descriptors``, float32
    (n, 128), not of unit norm. The two runtimes' answers differ by less than 1e-5 a component.

    Raises:
        ModelUnavailable: the bytes are not that network.
    """
    try:
        layers = list(_parameters(data))
        if len(layers) != _LAYERS:
            raise ValueError("not so many layers")
        return _Graph(layers).build()
    except (ValueError, IndexError) as error:
        raise ModelUnavailable(
            "the second embedder's file is not dlib's 29-layer face network",
            remedy="consent-edit models pull",
        ) from error


def _parameters(data: bytes) -> Iterator[NDArray[np.float32]]:
    """Parameters of every convolution, affine and fully connected layer, flat, input side first."""

    def whole(at: int) -> tuple[int, int]:
        size = data[at] & 0x0F  # a length byte, then so many little-endian bytes
        return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size

    for mark in _LAYER.finditer(data):
        at = mark.end()
        for _ in range(2 if mark.group(1) == b"fc_2" else 0):  # outputs and inputs come first
            _, at = whole(at)
        sides = []
        for _ in range(5):  # the tensor's version, then samples, channels, rows, columns
            value, at = whole(at)
            sides.append(value)
        count = sides[1] * sides[2] * sides[3] * sides[4]
        yield np.frombuffer(data, "<f4", count, at).astype(np.float32)


class _Graph:
    """The graph while it is built; shapes are tracked because dlib adds unequal tensors padded with zeros."""

    def __init__(self, layers: list[NDArray[np.float32]]) -> None:
        self._convolutions = iter(zip(layers[0:58:2], layers[1:58:2], strict=True))
        self._last = layers[58].reshape(-1, DIM)
        self._nodes: list[object] = []
        self._weights: list[object] = []
        self._shape = (3, SIDE, SIDE)

    def build(self) -> bytes:
        x = self._node("Sub", "chips", self._weight(np.array(_MEAN, np.float32).reshape(1, 3, 1, 1)))
        x = self._node("Mul", x, self._weight(np.full((1, 1, 1, 1), 1 / 256, np.float32)))
        x = self._node("Relu", self._layer(x, 32, 7, 2))
        x = self._node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        rows, columns = ((side - 3) // 2 + 1 for side in self._shape[1:])
        self._shape = (32, rows, columns)
        for outputs, repeats, stride in _STAGES:
            for repeat in range(repeats):
                x = self._residual(x, outputs, stride if repeat == 0 else 1)
        x = self._node("Flatten", self._node("GlobalAveragePool", x))
        self._node("MatMul", x, self._weight(self._last), name="descriptors")
        graph = helper.make_graph(
            self._nodes,
            "dlib-face",
            [helper.make_tensor_value_info("chips", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("descriptors", TensorProto.FLOAT, ["n", DIM])],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        return cast(bytes, model.SerializeToString())

    def _layer(self, x: str, outputs: int, side: int, stride: int) -> str:
        """A convolution with the affine layer after it folded in."""
        flat, affine = next(self._convolutions)
        scale, shift = affine[:outputs], affine[outputs:]
        kernel = flat[:-outputs].reshape(outputs, self._shape[0], side, side) * scale.reshape(-1, 1, 1, 1)
        bias = flat[-outputs:] * scale + shift
        pad = 0 if stride > 1 else side // 2
        rows, columns = ((length + 2 * pad - side) // stride + 1 for length in self._shape[1:])
        self._shape = (outputs, rows, columns)
        return self._node(
            "Conv",
            x,
            self._weight(kernel),
            self._weight(bias),
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=[pad] * 4,
        )

    def _residual(self, x: str, outputs: int, stride: int) -> str:
        before = self._shape
        inner = self._node("Relu", self._layer(x, outputs, 3, stride))
        inner, inner_shape = self._layer(inner, outputs, 3, 1), self._shape
        skip, skip_shape = x, before
        if stride > 1:
            skip = self._node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            skip_shape = (before[0], before[1] // 2, before[2] // 2)
        wide = tuple(max(a, b) for a, b in zip(inner_shape, skip_shape, strict=True))
        self._shape = (wide[0], wide[1], wide[2])
        total = self._node("Add", self._grown(inner, inner_shape), self._grown(skip, skip_shape))
        return self._node("Relu", total)

    def _grown(self, x: str, shape: tuple[int, ...]) -> str:
        """Zeros added after the last channel, row and column, as dlib's ``add_prev`` does."""
        missing = [want - have for want, have in zip(self._shape, shape, strict=True)]
        if not any(missing):
            return x
        return self._node("Pad", x, self._weight(np.array([0, 0, 0, 0, 0, *missing], np.int64)))

    def _weight(self, value: NDArray[np.generic]) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(self, kind: str, *inputs: str, name: str = "", **options: object) -> str:
        output = name or f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **options))
        return output
