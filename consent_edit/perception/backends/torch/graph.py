"""A read graph as a torch module: steps over named values, its weights moved with it to a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from consent_edit.errors import ModelUnavailable

Operation: TypeAlias = Callable[..., Tensor]

REMEDY: Final = "use the CPU backend: Backend()"
"""What to do where a graph cannot be read here."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    Attributes:
        run: Takes the inputs in order; an optional one that is left out comes as ``None``.
        inputs: Names of values or weights; empty for one left out.
        output: Name of what it gives.
    """

    run: Operation
    inputs: tuple[str, ...]
    output: str


def unreadable(what: str) -> ModelUnavailable:
    """The error for a graph with something this reader does not know; nothing is guessed."""
    return ModelUnavailable(f"the torch backend does not know {what}", remedy=REMEDY)


class TorchGraph(nn.Module):
    """A graph of one input; values live no longer than their last use.

    Args:
        steps: In an order in which they can run.
        weights: Name -> array; only those a step uses are kept.
        source: Name of the input.
        outputs: Name in the file -> name of the value.
        shape: The input's shape as the file has it, batch first; 0 where it is free.

    Attributes:
        input_shape: As given.
        output_names: Names in the file, in its order.

    Raises:
        ModelUnavailable: a step or an output has no value to work on.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        weights: Mapping[str, NDArray[np.generic]],
        *,
        source: str,
        outputs: Mapping[str, str],
        shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self._source = source
        self._outputs = dict(outputs)
        self.input_shape = shape
        self.output_names: tuple[str, ...] = tuple(outputs)
        self._weights: dict[str, str] = {}
        for name in sorted({name for step in steps for name in step.inputs} & weights.keys()):
            buffer = f"weight{len(self._weights)}"
            array = np.array(weights[name], order="C")  # a copy of its own: the file's bytes are read-only
            self.register_buffer(buffer, torch.from_numpy(array), persistent=False)
            self._weights[name] = buffer
        self._steps = [(step, _dead_after(step, steps[i + 1 :], outputs)) for i, step in enumerate(steps)]
        self._require_values(steps)

    def _require_values(self, steps: Sequence[Step]) -> None:
        known = {self._source, "", *self._weights}
        for step in steps:
            if not known.issuperset(step.inputs):
                raise unreadable("a graph whose nodes are out of order")
            known.add(step.output)
        if not known.issuperset(self._outputs.values()):
            raise unreadable("a graph without its outputs")

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """Run the graph.

        Args:
            batch: float32 in the file's own layout, on the module's device.

        Returns:
            Output name -> float32 tensor, there.
        """
        values: dict[str, Tensor] = {self._source: batch}
        for step, dead in self._steps:
            values[step.output] = step.run(*(self._value(values, name) for name in step.inputs))
            for name in dead:
                values.pop(name, None)
        return {name: values[value] for name, value in self._outputs.items()}

    def _value(self, values: Mapping[str, Tensor], name: str) -> Tensor | None:
        if not name:
            return None
        return values[name] if name in values else self.get_buffer(self._weights[name])


def _dead_after(step: Step, later: Sequence[Step], outputs: Mapping[str, str]) -> tuple[str, ...]:
    """The inputs of a step that nothing needs after it."""
    wanted = {name for other in later for name in other.inputs} | set(outputs.values())
    return tuple(name for name in step.inputs if name not in wanted)
