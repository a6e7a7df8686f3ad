"""The gate's two embedders in torch, with gradients, from the very weights that the gate runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from consent_edit.perception.backends.onnx import prepared_graph

Network = Callable[[Tensor], Tensor]


def onnx_network(data: bytes) -> Network:
    """A graph in torch, of the few operators that the embedders' graphs have; RGB of 0 to 255 goes in."""
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


def _apply(name: str, given: Sequence[Tensor], options: Mapping[str, object]) -> Tensor:  # noqa: PLR0911, PLR0912
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
                given[0], given[1], bias, options["strides"], pads[:2], groups=options.get("group", 1)
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
        case "Relu":
            return given[0].relu()
        case "Add":
            return given[0] + given[1]
        case "MatMul":
            return given[0] @ given[1]
        case "MaxPool":
            return functional.max_pool2d(given[0], options["kernel_shape"], options["strides"])
        case "AveragePool":
            return functional.avg_pool2d(given[0], options["kernel_shape"], options["strides"])
        case "GlobalAveragePool":
            return given[0].mean(dim=(2, 3), keepdim=True)
        case "Pad":
            channels, rows, columns = given[1].tolist()[5:]  # zeros at the far ends only
            return functional.pad(given[0], (0, columns, 0, rows, 0, channels))
        case "Dropout":
            return given[0]
        case _:
            raise ValueError(f"no rule for the operator {name}")
