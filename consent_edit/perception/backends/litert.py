"""LiteRT on the CPU: one thread, from the very bytes that were hashed; the only import of it."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.backends.choice import Batch


class LiteRtModel:
    """One LiteRT graph on one CPU thread, its input at a fixed shape.

    Args:
        data: The bytes of a ``.tflite`` file; those very bytes are what was hashed.

    Attributes:
        input_shape: Shape of the one input, batch first.
        output_names: Names of the outputs, in the graph's order.

    Raises:
        ModelUnavailable: the runtime does not take the graph, or it has more than one input.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._interpreter = Interpreter(model_content=data, num_threads=1)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except Exception as error:
            raise ModelUnavailable(
                f"the runtime does not take this graph ({type(error).__name__})",
                remedy="consent-edit models pull",
            ) from error
        if len(inputs) != 1:
            raise ModelUnavailable("the graph has more than one input", remedy="consent-edit models pull")
        self._input = int(inputs[0]["index"])
        self._outputs = tuple((str(item["name"]), int(item["index"])) for item in outputs)
        self.input_shape: tuple[int, ...] = tuple(int(n) for n in inputs[0]["shape"])
        self.output_names: tuple[str, ...] = tuple(name for name, _ in self._outputs)

    def run(self, picture: Batch, /) -> dict[str, NDArray[np.float32]]:
        """Run the graph once.

        Args:
            picture: float32 of exactly ``input_shape``.

        Returns:
            Output name -> float32 array, each a copy.
        """
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(picture, dtype=np.float32))
        self._interpreter.invoke()
        return {
            name: np.array(self._interpreter.get_tensor(index), dtype=np.float32)
            for name, index in self._outputs
        }
