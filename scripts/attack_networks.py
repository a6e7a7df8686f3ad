"""The gate's two embedders in torch, with gradients, from the very weights that the gate runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from consent_edit.perception.backends.onnx import prepared_graph

Network = Callable[[Tensor], Tensor]
DLIB_MEAN = (122.782, 117.001, 104.298)


def onnx_network(data: bytes) -> Network:
    """SFace in torch: the nine operators that its graph has, on (n, 3, 112, 112) RGB of 0 to 255."""
    graph = onnx.load_model_from_string(prepared_graph(data)).graph
    weights = {item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in graph.initializer}

    def run(batch: Tensor) -> Tensor:
        known = {**weights, graph.input[0].name: batch}
        for node in graph.node:
            given = [known[name] for name in node.input]
            options = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            known[node.output[0]] = _apply(node.op_type, given, options)
        return known[graph.output[0].name]

    return run


def _apply(name: str, given: Sequence[Tensor], options: Mapping[str, object]) -> Tensor:  # noqa: PLR0911
    """One ONNX node."""
    match name:
        case "Constant":
            return torch.from_numpy(numpy_helper.to_array(options["value"]).copy())
        case "Sub":
            return given[0] - given[1]
        case "Mul":
            return given[0] * given[1]
        case "Conv":
            pads, bias = options["pads"], given[2] if len(given) > 2 else None
            return functional.conv2d(
                given[0], given[1], bias, options["strides"], pads[:2], groups=options["group"]
            )
        case "BatchNormalization":
            scale, shift, mean, variance = given[1:]
            return functional.batch_norm(given[0], mean, variance, scale, shift, eps=options["epsilon"])
        case "PRelu":
            return functional.prelu(given[0], given[1].reshape(-1))
        case "Flatten":
            return given[0].flatten(1)
        case "Gemm":
            return functional.linear(given[0], given[1], given[2])
        case "Dropout":
            return given[0]
        case _:
            raise ValueError(f"no rule for the operator {name}")


def dlib_weights(data: bytes) -> list[Tensor]:
    """Parameters of every convolution, affine and fully connected layer in dlib's file, input side first."""

    def whole(at: int) -> tuple[int, int]:
        size = data[at] & 0x0F  # a length byte, then so many little-endian bytes
        return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size

    found: list[Tensor] = []
    for mark in re.finditer(rb"\x01[\x05\x07\x04](con_4|affine_|fc_2)(?=\x01)", data):
        at, dims = mark.end(), []
        for _ in range(2 if mark.group(1) == b"fc_2" else 0):  # outputs and inputs come first
            _, at = whole(at)
        for _ in range(5):  # the tensor's version, then samples, channels, rows, columns
            value, at = whole(at)
            dims.append(value)
        count = int(np.prod(dims[1:]))
        found.append(torch.from_numpy(np.frombuffer(data, "<f4", count, at).copy()).reshape(dims[1:]))
    return found


def dlib_network(data: bytes) -> Network:
    """dlib's 29-layer ResNet in torch (dnn_face_recognition_ex.cpp), on (n, 3, 150, 150) RGB of 0 to 255."""
    layers = dlib_weights(data)
    if len(layers) != 59:
        raise ValueError("this is not dlib's 29-layer face network")
    filters, affines, last = layers[0:58:2], layers[1:58:2], layers[58]

    def run(batch: Tensor) -> Tensor:
        counter = iter(range(len(filters)))

        def layer(x: Tensor, outputs: int, side: int, stride: int) -> Tensor:
            number = next(counter)
            weight, (scale, shift) = filters[number].flatten(), affines[number].flatten().chunk(2)
            kernel, bias = weight[:-outputs], weight[-outputs:]
            kernel = kernel.reshape(outputs, x.shape[1], side, side)
            x = functional.conv2d(x, kernel, bias, stride, 0 if stride > 1 else side // 2)
            return x * scale[:, None, None] + shift[:, None, None]

        def residual(x: Tensor, outputs: int, stride: int) -> Tensor:
            inner = layer(layer(x, outputs, 3, stride).relu(), outputs, 3, 1)
            skip = functional.avg_pool2d(x, 2, 2) if stride > 1 else x
            size = [max(a, b) for a, b in zip(inner.shape[1:], skip.shape[1:], strict=True)]
            return (_grown(inner, size) + _grown(skip, size)).relu()

        x = (batch - torch.tensor(DLIB_MEAN)[:, None, None]) / 256
        x = functional.max_pool2d(layer(x, 32, 7, 2).relu(), 3, 2)
        for outputs, repeats, first in ((32, 3, 1), (64, 4, 2), (128, 3, 2), (256, 3, 2), (256, 1, 2)):
            for repeat in range(repeats):
                x = residual(x, outputs, first if repeat == 0 else 1)
        return x.mean(dim=(2, 3)) @ last.reshape(-1, 128)

    return run


def _grown(x: Tensor, size: Sequence[int]) -> Tensor:
    """Zeros added after the last channel, row and column, as dlib's ``add_prev`` adds unequal tensors."""
    channels, rows, columns = (want - have for want, have in zip(size, x.shape[1:], strict=True))
    return functional.pad(x, (0, columns, 0, rows, 0, channels))
