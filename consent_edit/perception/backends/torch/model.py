"""One model on a device, with the face of the CPU runtimes' models, and a second one that copies nothing."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from consent_edit.errors import CheckFailed
from consent_edit.perception.backends.choice import Batch
from consent_edit.perception.backends.torch.capture import Mode, Recorded
from consent_edit.perception.backends.torch.graph import TorchGraph
from consent_edit.perception.backends.torch.precision import exact, runtime_name


class TorchModel:
    """A graph on a device, recorded once a shape where the device is CUDA.

    Args:
        graph: From :func:`read_onnx` or :func:`read_litert`.
        device: Where it runs.

    Attributes:
        input_shape: Shape of the one input, batch first; 0 where the file leaves it free.
        output_names: Names of the outputs, in the graph's order.
        runtime: What a record says ran.
    """

    def __init__(self, graph: TorchGraph, device: torch.device) -> None:
        self._graph = graph.to(device).eval()
        self._device = device
        self._recorded = Recorded(self._graph)
        self.input_shape = graph.input_shape
        self.output_names: tuple[str, ...] = graph.output_names
        self.runtime = runtime_name(device)

    @property
    def graph(self) -> TorchGraph:
        """The module itself, for a larger computation that is recorded as one."""
        return self._graph

    @property
    def modes(self) -> dict[tuple[int, ...], Mode]:
        """Shape -> how it is computed."""
        return dict(self._recorded.modes)

    def run(self, batch: Batch) -> dict[str, NDArray[np.float32]]:
        """Run the graph.

        Args:
            batch: float32, or levels, in the graph's own layout.

        Returns:
            Output name -> float32 array.

        Raises:
            CheckFailed: the device broke.
        """
        held = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32).copy())
        answers = self.run_tensor(held.to(self._device))
        return {name: np.asarray(value.cpu().numpy(), dtype=np.float32) for name, value in answers.items()}

    def run_tensor(self, batch: Tensor) -> dict[str, Tensor]:
        """Run the graph on what is already on the device, and leave the answers there.

        Args:
            batch: float32 in the graph's own layout, on the model's device.

        Returns:
            Output name -> float32 tensor of the caller's own.

        Raises:
            CheckFailed: the device broke.
        """
        try:
            with exact():
                answers = self._recorded(batch)
                return {name: value.clone() for name, value in answers.items()}
        except RuntimeError as error:
            raise CheckFailed(f"the device broke ({type(error).__name__})") from error
