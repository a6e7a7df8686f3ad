"""From a LiteRT graph to torch: exactly the operations our files use; channels stay last."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from consent_edit.perception.backends.torch.flatbuffer import LiteRtFile, LiteRtNode, Table, read_file
from consent_edit.perception.backends.torch.graph import Operation, Step, TorchGraph, unreadable
from consent_edit.perception.backends.torch.windows import padded, same_pads

Constants: TypeAlias = Sequence[NDArray[np.generic] | None]

_DEQUANTIZE, _DENSIFY, _CUSTOM = 6, 124, 32
_TRANSPOSED_WITH_BIAS: Final = "Convolution2DTransposeBias"
_ACTIVATIONS: Final[dict[int, Operation]] = {
    0: lambda x: x,
    1: torch.relu,
    3: lambda x: x.clamp(0, 6),
}


def read_litert(data: bytes) -> TorchGraph:
    """The graph of a ``.tflite`` file; its input and outputs are float32 (n, rows, columns, channels).

    Raises:
        ModelUnavailable: it has an operation, or an option of one, that is not known here.
    """
    file = read_file(data)
    if len(file.inputs) != 1:
        raise unreadable("a graph with more than one input")
    weights: dict[str, NDArray[np.generic]] = {}
    for place, tensor in enumerate(file.tensors):
        if tensor.constant is not None:
            weights[_name(place)] = tensor.constant
    steps: list[Step] = []
    for node in file.nodes:
        if node.code in (_DEQUANTIZE, _DENSIFY):
            weights[_name(node.outputs[0])] = _widened(node, weights)
        else:
            steps.append(_step(node, weights))
    floats = {
        name: value.astype(np.float32) if value.dtype.kind == "f" else value
        for name, value in weights.items()
    }
    source = file.tensors[file.inputs[0]]
    return TorchGraph(
        steps,
        floats,
        source=_name(file.inputs[0]),
        outputs={file.tensors[place].name: _name(place) for place in file.outputs},
        shape=_shape(file, source.shape),
    )


def _shape(file: LiteRtFile, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 4 or any(len(node.outputs) != 1 for node in file.nodes):
        raise unreadable("a graph of this form")
    return shape


def _name(place: int) -> str:
    return "" if place < 0 else f"t{place}"


def _widened(node: LiteRtNode, weights: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """A stored weight as it is used: half floats widened; a sparse one was written out as it was read."""
    held = weights.get(_name(node.inputs[0]))
    if held is None or held.dtype.kind != "f":
        raise unreadable("whole-number weights")
    return held.astype(np.float32)


def _step(node: LiteRtNode, weights: dict[str, NDArray[np.generic]]) -> Step:
    reader = _READERS.get(node.code)
    if node.code == _CUSTOM and node.name == _TRANSPOSED_WITH_BIAS:
        reader = _transposed_with_bias
    if reader is None:
        raise unreadable(f"the operation {node.name or node.code}")
    constants = [weights.get(_name(place)) for place in node.inputs]
    try:
        taken, operation = reader(node, constants)
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise unreadable(f"this form of the operation {node.name or node.code}") from error
    return Step(operation, tuple(_name(place) for place in node.inputs)[:taken], _name(node.outputs[0]))


_Read: TypeAlias = tuple[int, Operation]


def _option(node: LiteRtNode, field: int, form: str = "<b", default: int = 0) -> int:
    return node.options.number(field, form, default) if isinstance(node.options, Table) else default


def _activation(node: LiteRtNode, field: int) -> Operation:
    return _ACTIVATIONS[_option(node, field)]


def _planes(x: Tensor) -> Tensor:
    """Channels first, as torch's windows want them; a view, no copy."""
    return x.permute(0, 3, 1, 2)


def _rows(x: Tensor) -> Tensor:
    """Channels last again."""
    return x.permute(0, 2, 3, 1)


def _pads(
    node: LiteRtNode, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int] = (1, 1)
) -> Callable[[Tensor], list[int]]:
    match _option(node, 0):
        case 0:
            return lambda x: same_pads(x.shape[2:], kernel, strides, dilations)
        case 1:
            return lambda x: [0, 0, 0, 0]
        case _:
            raise ValueError("padding")


def _shape_of(constants: Constants, place: int) -> tuple[int, ...]:
    found = constants[place]
    if found is None:
        raise ValueError("a weight that is no constant")
    return found.shape


def _convolution(node: LiteRtNode, constants: Constants) -> _Read:
    kernel = _shape_of(constants, 1)[1:3]
    strides = (_option(node, 2, "<i"), _option(node, 1, "<i"))
    dilations = (_option(node, 5, "<i", 1), _option(node, 4, "<i", 1))
    pads, after = _pads(node, kernel, strides, dilations), _activation(node, 3)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        planes = _planes(x)
        planes, rest = padded(planes, pads(planes), 0.0)
        kernels = weight.permute(0, 3, 1, 2)
        return _rows(after(functional.conv2d(planes, kernels, bias, strides, rest, dilations)))

    return 3, run


def _depthwise(node: LiteRtNode, constants: Constants) -> _Read:
    kernel = _shape_of(constants, 1)[1:3]
    strides = (_option(node, 2, "<i"), _option(node, 1, "<i"))
    dilations = (_option(node, 6, "<i", 1), _option(node, 5, "<i", 1))
    pads, after = _pads(node, kernel, strides, dilations), _activation(node, 4)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        planes = _planes(x)
        planes, rest = padded(planes, pads(planes), 0.0)
        kernels = weight.permute(3, 0, 1, 2)
        groups = planes.shape[1]
        return _rows(after(functional.conv2d(planes, kernels, bias, strides, rest, dilations, groups)))

    return 3, run


def _pool(node: LiteRtNode, *, largest: bool) -> _Read:
    strides = (_option(node, 2, "<i"), _option(node, 1, "<i"))
    kernel = (_option(node, 4, "<i"), _option(node, 3, "<i"))
    pads, after = _pads(node, kernel, strides), _activation(node, 5)

    def run(x: Tensor) -> Tensor:
        planes = _planes(x)
        around = pads(planes)
        if largest:
            planes, rest = padded(planes, around, -math.inf)
            return _rows(after(functional.max_pool2d(planes, kernel, strides, rest)))
        total = functional.avg_pool2d(functional.pad(planes, _around(around)), kernel, strides)
        if any(around):  # what was added does not count in the mean
            ones = functional.pad(torch.ones_like(planes[:1, :1]), _around(around))
            total = total / functional.avg_pool2d(ones, kernel, strides)
        return _rows(after(total))

    return 1, run


def _around(pads: Sequence[int]) -> tuple[int, int, int, int]:
    top, left, bottom, right = pads
    return left, right, top, bottom


def _transposed_with_bias(node: LiteRtNode, constants: Constants) -> _Read:
    """Mediapipe's own: a transposed convolution whose windows touch and never overlap, with a bias."""
    kernel = _shape_of(constants, 1)[1:3]
    _, step_across, step_down = struct.unpack_from("<iii", node.custom)
    if tuple(kernel) != (step_down, step_across):
        raise ValueError("overlapping windows")

    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        kernels = weight.permute(3, 0, 1, 2)  # (out, rows, columns, in) in the file
        return _rows(functional.conv_transpose2d(_planes(x), kernels, bias, (step_down, step_across)))

    return 3, run


def _resize(node: LiteRtNode, constants: Constants) -> _Read:
    if _option(node, 2) or not _option(node, 3):
        raise ValueError("other corners than half pixels")
    size = constants[1]
    if size is None:
        raise ValueError("a size that is no constant")
    rows, columns = (int(n) for n in size)
    return 1, lambda x: _rows(
        functional.interpolate(_planes(x), (rows, columns), mode="bilinear", align_corners=False)
    )


def _depth_to_space(node: LiteRtNode, constants: Constants) -> _Read:
    side = _option(node, 0, "<i")

    def run(x: Tensor) -> Tensor:
        n, rows, columns, depth = x.shape
        blocks = x.reshape(n, rows, columns, side, side, depth // side**2)
        return blocks.permute(0, 1, 3, 2, 4, 5).reshape(n, rows * side, columns * side, depth // side**2)

    return 1, run


def _pad(node: LiteRtNode, constants: Constants) -> _Read:
    pads = constants[1]
    if pads is None:
        raise ValueError("pads that are no constant")
    flat = [int(n) for axis in reversed(range(len(pads))) for n in pads[axis]]
    return 1, lambda x: functional.pad(x, flat)


def _reshape(node: LiteRtNode, constants: Constants) -> _Read:
    """Reshape, for any batch: the leading 1 of the file stands for the batch."""
    wanted = constants[1] if len(constants) > 1 else None
    if wanted is None and node.options is not None:
        wanted = node.options.numbers(0)
    if wanted is None or int(wanted[0]) != 1:
        raise ValueError("a batch that is not the first axis")
    rest = [int(n) for n in wanted[1:]]
    return 1, lambda x: x.reshape(x.shape[0], *rest)


def _concatenation(node: LiteRtNode, constants: Constants) -> _Read:
    axis, after = _option(node, 0, "<i"), _activation(node, 1)
    if axis == 0 or any(constant is not None for constant in constants):
        raise ValueError("joined batches or constants")
    return len(constants), lambda *parts: after(torch.cat(parts, dim=axis))


def _add(node: LiteRtNode, constants: Constants) -> _Read:
    after = _activation(node, 0)
    return 2, lambda a, b: after(a + b)


def _multiply(node: LiteRtNode, constants: Constants) -> _Read:
    after = _activation(node, 0)
    return 2, lambda a, b: after(a * b)


def _prelu(node: LiteRtNode, constants: Constants) -> _Read:
    return 2, lambda x, slope: torch.where(x >= 0, x, x * slope)


def _plain(operation: Operation) -> Callable[[LiteRtNode, Constants], _Read]:
    """An operation on one value, without options."""
    return lambda node, constants: (1, operation)


# Built-in operations by their number in the schema.
_READERS: Final[dict[int, Callable[[LiteRtNode, Constants], _Read]]] = {
    0: _add,
    1: lambda node, constants: _pool(node, largest=False),
    2: _concatenation,
    3: _convolution,
    4: _depthwise,
    5: _depth_to_space,
    14: _plain(torch.sigmoid),
    17: lambda node, constants: _pool(node, largest=True),
    18: _multiply,
    19: _plain(torch.relu),
    21: _plain(_ACTIVATIONS[3]),
    22: _reshape,
    23: _resize,
    34: _pad,
    54: _prelu,
    117: _plain(functional.hardswish),
}
