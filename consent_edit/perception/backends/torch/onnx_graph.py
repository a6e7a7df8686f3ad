"""From an ONNX graph to torch: exactly the operations our files use, with ONNX's padding to the pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper
from torch import Tensor
from torch.nn import functional

from consent_edit.perception.backends.onnx import prepared_graph
from consent_edit.perception.backends.torch.graph import Operation, Step, TorchGraph, unreadable
from consent_edit.perception.backends.torch.windows import padded, same_pads

Options: TypeAlias = dict[str, object]
Constant: TypeAlias = NDArray[np.generic] | None

_OPSETS: Final = range(7, 22)


def read_onnx(data: bytes, *, free_axes: Sequence[int] = ()) -> TorchGraph:
    """The graph of an ONNX file, its quantised weights folded as for the CPU.

    Args:
        data: An ONNX file.
        free_axes: Axes of the input whose size may vary; kept for the CPU runtime's sake, all are free here.

    Raises:
        ModelUnavailable: it has an operation, or an option of one, that is not known here.
    """
    try:
        model = onnx.load_model_from_string(prepared_graph(data, free_axes=free_axes))
    except Exception as error:
        raise unreadable(f"this file ({type(error).__name__})") from error
    graph = model.graph
    if any(each.domain not in {"", "ai.onnx"} or each.version not in _OPSETS for each in model.opset_import):
        raise unreadable("this version of ONNX")
    if len(graph.input) != 1:
        raise unreadable("a graph with more than one input")
    weights: dict[str, NDArray[np.generic]] = {
        item.name: numpy_helper.to_array(item) for item in graph.initializer
    }
    steps: list[Step] = []
    for node in graph.node:
        if node.op_type == "Constant":
            weights[node.output[0]] = np.asarray(_options(node)["value"])
            continue
        steps.append(_step(node, weights))
    source = graph.input[0]
    shape = tuple(0 if i in free_axes else int(d.dim_value) for i, d in enumerate(_dims(source)))
    names = [item.name for item in graph.output]
    return TorchGraph(
        steps, weights, source=source.name, outputs=dict(zip(names, names, strict=True)), shape=shape
    )


def _dims(value: onnx.ValueInfoProto) -> Sequence[onnx.TensorShapeProto.Dimension]:
    return cast(Sequence[onnx.TensorShapeProto.Dimension], value.type.tensor_type.shape.dim)


def _options(node: NodeProto) -> Options:
    """The attributes of a node as plain values."""
    told: Options = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = numpy_helper.to_array(value)
        told[attribute.name] = value.decode() if isinstance(value, bytes) else value
    return told


def _step(node: NodeProto, weights: dict[str, NDArray[np.generic]]) -> Step:
    """One node; what must be a constant is read now, so that nothing waits for the device later."""
    options = _options(node)
    constants = [weights.get(name) for name in node.input]
    kind = str(node.op_type)
    if kind not in _READERS:
        raise unreadable(f"the operation {kind}")
    taken, reader = _READERS[kind]
    try:
        operation = reader(options, constants)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise unreadable(f"this form of {kind}") from error
    return Step(operation, tuple(node.input)[:taken], node.output[0])


def _whole(options: Options, name: str, default: Sequence[int]) -> list[int]:
    return [int(n) for n in cast(Sequence[int], options.get(name, default))]


def _number(options: Options, name: str, default: float) -> float:
    return float(cast(float, options.get(name, default)))


def _constant(constants: Sequence[Constant], place: int) -> NDArray[np.generic]:
    """A constant input.

    Raises:
        ValueError: it is none.
    """
    found = constants[place] if place < len(constants) else None
    if found is None:
        raise ValueError("not a constant")
    return found


def _require(options: Options, name: str, *allowed: object) -> None:
    """An option must be absent or one of these.

    Raises:
        ValueError: it is another.
    """
    if name in options and options[name] not in allowed:
        raise ValueError(name)


def _window(options: Options, kernel: Sequence[int]) -> Callable[[Tensor], list[int]]:
    """How a window's padding follows from the input's size."""
    strides, dilations = _whole(options, "strides", (1, 1)), _whole(options, "dilations", (1, 1))
    match options.get("auto_pad", "NOTSET"):
        case "NOTSET":
            pads = _whole(options, "pads", (0, 0, 0, 0))
            if len(pads) != 4:
                raise ValueError("pads")
            return lambda x: pads
        case "VALID":
            return lambda x: [0, 0, 0, 0]
        case "SAME_UPPER":
            return lambda x: same_pads(x.shape[2:], kernel, strides, dilations)
        case _:
            raise ValueError("auto_pad")


def _conv(options: Options, constants: Sequence[Constant]) -> Operation:
    kernel = _constant(constants, 1).shape[2:]
    window = _window(options, kernel)
    strides, dilations = _whole(options, "strides", (1, 1)), _whole(options, "dilations", (1, 1))
    group = int(_number(options, "group", 1))

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        x, rest = padded(x, window(x), 0.0)
        return functional.conv2d(x, weight, bias, strides, rest, dilations, group)

    return run


def _conv_transpose(options: Options, constants: Sequence[Constant]) -> Operation:
    _require(options, "auto_pad", "NOTSET")
    _require(options, "output_padding", [0, 0])
    _require(options, "pads", [0, 0, 0, 0])
    _constant(constants, 1)
    strides, dilations = _whole(options, "strides", (1, 1)), _whole(options, "dilations", (1, 1))
    group = int(_number(options, "group", 1))

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return functional.conv_transpose2d(x, weight, bias, strides, 0, 0, group, dilations)

    return run


def _max_pool(options: Options, constants: Sequence[Constant]) -> Operation:
    kernel, strides = _whole(options, "kernel_shape", ()), _whole(options, "strides", (1, 1))
    _require(options, "storage_order", 0)
    _require(options, "dilations", [1, 1])
    window, ceil = _window(options, kernel), bool(options.get("ceil_mode", 0))

    def run(x: Tensor) -> Tensor:
        x, rest = padded(x, window(x), -math.inf)
        return functional.max_pool2d(x, kernel, strides, rest, 1, ceil)

    return run


def _average_pool(options: Options, constants: Sequence[Constant]) -> Operation:
    kernel, strides = _whole(options, "kernel_shape", ()), _whole(options, "strides", (1, 1))
    _require(options, "ceil_mode", 0)
    _require(options, "auto_pad", "NOTSET", "VALID")
    pads = _whole(options, "pads", (0, 0, 0, 0))
    if pads[:2] != pads[2:]:
        raise ValueError("uneven pads")
    counted = bool(options.get("count_include_pad", 0))
    return lambda x: functional.avg_pool2d(x, kernel, strides, pads[:2], False, counted)


def _reshape(options: Options, constants: Sequence[Constant]) -> Operation:
    """Reshape, for any batch: a leading 1 that the file fixed for one picture stands for the batch."""
    _require(options, "allowzero", 0)
    shape = [int(n) for n in _constant(constants, 1).ravel()]

    def run(x: Tensor) -> Tensor:
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
        if wanted[0] == 1 and -1 in wanted[1:]:
            wanted[0] = x.shape[0]
        return x.reshape(wanted)

    return run


def _resize(options: Options, constants: Sequence[Constant]) -> Operation:
    """Nearest neighbour by a whole factor, where every coordinate rule agrees with repeating pixels."""
    if options.get("mode", "nearest") != "nearest":
        raise ValueError("mode")
    _require(options, "coordinate_transformation_mode", "asymmetric")
    _require(options, "nearest_mode", "floor")
    scales = _constant(constants, 2).astype(np.float64).ravel()
    rows, columns = int(scales[2]), int(scales[3])
    if [1.0, 1.0, float(rows), float(columns)] != scales.tolist() or min(rows, columns) < 1:
        raise ValueError("scales")
    return lambda x: x.repeat_interleave(rows, dim=2).repeat_interleave(columns, dim=3)


def _pad(options: Options, constants: Sequence[Constant]) -> Operation:
    _require(options, "mode", "constant")
    if len(constants) > 3:
        raise ValueError("axes")
    pads = [int(n) for n in _constant(constants, 1).ravel()]
    value = float(_constant(constants, 2).ravel()[0]) if len(constants) > 2 else 0.0
    rank = len(pads) // 2
    flat = [n for axis in reversed(range(rank)) for n in (pads[axis], pads[axis + rank])]
    return lambda x: functional.pad(x, flat, value=value)


def _batch_norm(options: Options, constants: Sequence[Constant]) -> Operation:
    epsilon = _number(options, "epsilon", 1e-5)
    _require(options, "training_mode", 0)

    def run(x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return functional.batch_norm(x, mean, variance, scale, shift, False, 0.0, epsilon)

    return run


def _gemm(options: Options, constants: Sequence[Constant]) -> Operation:
    alpha, beta = _number(options, "alpha", 1.0), _number(options, "beta", 1.0)
    turn_a, turn_b = bool(options.get("transA", 0)), bool(options.get("transB", 0))

    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        product = alpha * ((a.T if turn_a else a) @ (b.T if turn_b else b))
        return product if c is None else product + beta * c

    return run


def _flatten(options: Options, constants: Sequence[Constant]) -> Operation:
    _require(options, "axis", 1)
    return lambda x: x.flatten(1)


def _transpose(options: Options, constants: Sequence[Constant]) -> Operation:
    order = _whole(options, "perm", ())
    return lambda x: x.permute(order)


def _softmax(options: Options, constants: Sequence[Constant]) -> Operation:
    _require(options, "axis", 1)
    return lambda x: torch.softmax(x.flatten(1), dim=1).reshape(x.shape)


def _dropout(options: Options, constants: Sequence[Constant]) -> Operation:
    return lambda x: x


def _clip(options: Options, constants: Sequence[Constant]) -> Operation:
    low, high = (float(_constant(constants, place).ravel()[0]) for place in (1, 2))
    return lambda x: x.clamp(low, high)


def _prelu(options: Options, constants: Sequence[Constant]) -> Operation:
    return lambda x, slope: torch.where(x >= 0, x, x * slope)


def _plain(operation: Operation) -> Callable[[Options, Sequence[Constant]], Operation]:
    """An operation without options."""
    return lambda options, constants: operation


def _mean_of_all(x: Tensor) -> Tensor:
    return x.mean(dim=(2, 3), keepdim=True)


# Kind -> how many inputs go to the operation (the others are constants read beforehand), and its reader.
_READERS: Final[dict[str, tuple[int, Callable[[Options, Sequence[Constant]], Operation]]]] = {
    "Add": (2, _plain(torch.add)),
    "AveragePool": (1, _average_pool),
    "BatchNormalization": (5, _batch_norm),
    "Clip": (1, _clip),
    "Conv": (3, _conv),
    "ConvTranspose": (3, _conv_transpose),
    "Dropout": (1, _dropout),
    "Flatten": (1, _flatten),
    "Gemm": (3, _gemm),
    "GlobalAveragePool": (1, _plain(_mean_of_all)),
    "Identity": (1, _dropout),
    "MatMul": (2, _plain(torch.matmul)),
    "MaxPool": (1, _max_pool),
    "Mul": (2, _plain(torch.mul)),
    "PRelu": (2, _prelu),
    "Pad": (1, _pad),
    "Relu": (1, _plain(torch.relu)),
    "Reshape": (1, _reshape),
    "Resize": (1, _resize),
    "Sigmoid": (1, _plain(torch.sigmoid)),
    "Softmax": (1, _softmax),
    "Sub": (2, _plain(torch.sub)),
    "Transpose": (1, _transpose),
}
