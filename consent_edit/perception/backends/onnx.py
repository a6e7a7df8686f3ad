"""ONNX Runtime on the CPU: one thread, from the very bytes that were hashed, quantised weights folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.backends.choice import Batch

_FOLDABLE = frozenset({"DequantizeLinear", "Reshape"})


def _dequantize(node: NodeProto, inputs: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """ONNX DequantizeLinear (opset 21: per tensor, per axis or blocked) on constants."""
    options = {attribute.name: attribute.i for attribute in node.attribute}
    quantised, scale = inputs[0], inputs[1]
    zero = inputs[2] if len(inputs) > 2 else np.zeros_like(scale, dtype=quantised.dtype)
    axis = options.get("axis", 1)
    block = options.get("block_size", 0)
    if block:
        length = quantised.shape[axis]
        scale = np.repeat(scale, block, axis=axis).take(range(length), axis=axis)
        zero = np.repeat(zero, block, axis=axis).take(range(length), axis=axis)
    elif scale.ndim == 1 and quantised.ndim > 1:
        shape = [1] * quantised.ndim
        shape[axis] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    centred = quantised.astype(np.int32) - zero.astype(np.int32)
    return np.asarray(centred * scale.astype(np.float32), dtype=np.float32)


def _reshape(inputs: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """ONNX Reshape on constants; a zero copies the dimension."""
    shape = [inputs[0].shape[i] if int(n) == 0 else int(n) for i, n in enumerate(inputs[1])]
    return inputs[0].reshape(shape)


def _fold(model: ModelProto) -> None:
    """Turn quantised weights into float32 initialisers: they run 2.6 times slower as they stand."""
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    kept: list[NodeProto] = []
    for node in graph.node:
        names = [name for name in node.input if name]
        if node.op_type in _FOLDABLE and all(name in constants for name in names):
            inputs = [constants[name] for name in names]
            folded = _dequantize(node, inputs) if node.op_type == "DequantizeLinear" else _reshape(inputs)
            constants[node.output[0]] = folded
        else:
            kept.append(node)
    used = {name for node in kept for name in node.input} | {item.name for item in graph.output}
    del graph.node[:]
    graph.node.extend(kept)
    del graph.initializer[:]
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        for name, value in constants.items()
        if name in used
    )


def _free_axes(model: ModelProto, axes: Sequence[int]) -> None:
    """Name the given axes of every true input, and forget the fixed output shapes that followed from them."""
    weights = {item.name for item in model.graph.initializer}
    used = {name for node in model.graph.node for name in node.input}
    inputs = [item for item in model.graph.input if item.name in used - weights]
    del model.graph.input[:]  # a weight listed as an input could be fed from outside, and is not optimised
    model.graph.input.extend(inputs)
    if not axes:
        return
    for item in model.graph.input:
        for axis in axes:
            item.type.tensor_type.shape.dim[axis].dim_param = f"axis{axis}"
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]


def _take_levels(model: ModelProto) -> None:
    """Let the one input be levels of 0 to 255, a byte each: they are made numbers where they are read."""
    (item,) = model.graph.input
    wanted, item.name = item.name, f"{item.name}_levels"
    item.type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(0, helper.make_node("Cast", [item.name], [wanted], to=TensorProto.FLOAT))


def prepared_graph(data: bytes, *, free_axes: Sequence[int] = (), levels: bool = False) -> bytes:
    """The graph with folded weights, its true inputs only, and the named input axes made free.

    Args:
        data: An ONNX file.
        free_axes: Axes of the input whose size may vary from call to call.
        levels: Whether it shall take uint8.
    """
    model = onnx.load_model_from_string(data)
    _fold(model)
    _free_axes(model, free_axes)
    if levels:
        _take_levels(model)
    return cast(bytes, model.SerializeToString())


class OnnxModel:
    """One ONNX graph on one CPU thread.

    Args:
        data: The bytes of an ONNX file; those very bytes are what was hashed.
        free_axes: Axes of the input whose size may vary from call to call.
        levels: Whether it is given uint8, a quarter of the memory.

    Raises:
        ModelUnavailable: the runtime does not take the graph.
    """

    def __init__(self, data: bytes, *, free_axes: Sequence[int] = (), levels: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.enable_mem_pattern = False  # it takes memory anew for each run where shapes vary
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            graph = prepared_graph(data, free_axes=free_axes, levels=levels)
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelUnavailable(
                f"the runtime does not take this graph ({type(error).__name__})",
                remedy="consent-edit models pull",
            ) from error
        self._input = self._session.get_inputs()[0].name
        self.output_names: tuple[str, ...] = tuple(item.name for item in self._session.get_outputs())

    def run(self, batch: Batch) -> dict[str, NDArray[np.float32]]:
        """Run the graph.

        Args:
            batch: float32, or levels, in the graph's own layout.

        Returns:
            Output name -> float32 array.
        """
        values = self._session.run(None, {self._input: np.ascontiguousarray(batch)})
        return {
            name: np.asarray(value, dtype=np.float32)
            for name, value in zip(self.output_names, values, strict=True)
        }
