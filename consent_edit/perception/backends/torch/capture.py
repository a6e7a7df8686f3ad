"""A computation of fixed shape, recorded once as a CUDA graph and replayed; plain where there is no CUDA."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias

import torch
from torch import Tensor

Computation: TypeAlias = Callable[[Tensor], dict[str, Tensor]]

_WARM_UPS: Final = 3
_SHAPES: Final = 16


class Mode(StrEnum):
    """How a shape is computed."""

    RECORDED = "recorded"
    """Replayed from a CUDA graph."""

    PLAIN = "plain"
    """Kernel by kernel: there is no CUDA, or more shapes came than are kept."""

    UNRECORDABLE = "unrecordable"
    """Kernel by kernel: recording this shape failed, which is kept and told."""


def record(compute: Computation, example: Tensor) -> Computation:
    """A computation recorded as a CUDA graph.

    Args:
        compute: The same kernels for every input of the example's shape; no value of it decides any.
        example: An input on a CUDA device.

    Returns:
        Takes an input of that shape; what it gives is overwritten by its next call.

    Raises:
        RuntimeError: CUDA cannot record it.
    """
    held = example.clone()
    side = torch.cuda.Stream(device=example.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(example.device))
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            compute(held)
    torch.cuda.current_stream(example.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answers = compute(held)

    def replay(batch: Tensor) -> dict[str, Tensor]:
        held.copy_(batch)
        graph.replay()
        return answers

    return replay


class Recorded:
    """A computation that is recorded for each shape it meets.

    Args:
        compute: The computation.
        recorder: Records it; a test's own where there is no CUDA.
        most: Shapes that stay recorded; each holds the memory of its values.

    Attributes:
        modes: Shape -> how it is computed.
    """

    def __init__(
        self,
        compute: Computation,
        recorder: Callable[[Computation, Tensor], Computation] = record,
        *,
        most: int = _SHAPES,
    ) -> None:
        self._compute = compute
        self._most = most
        self._recorder = recorder
        self._kept: OrderedDict[tuple[int, ...], Computation] = OrderedDict()
        self.modes: dict[tuple[int, ...], Mode] = {}

    def __call__(self, batch: Tensor) -> dict[str, Tensor]:
        """Compute; the answers hold until the next call with this shape."""
        if batch.device.type != "cuda" and self._recorder is record:
            self.modes[tuple(batch.shape)] = Mode.PLAIN
            return self._compute(batch)
        return self._of(batch)(batch)

    def _of(self, batch: Tensor) -> Computation:
        shape = tuple(batch.shape)
        if shape in self._kept:
            self._kept.move_to_end(shape)
            return self._kept[shape]
        if self.modes.get(shape) is Mode.UNRECORDABLE:
            return self._compute
        try:
            recorded = self._recorder(self._compute, batch)
        except RuntimeError:  # the very same kernels, one by one: slower, never another answer
            self.modes[shape] = Mode.UNRECORDABLE
            return self._compute
        self._kept[shape] = recorded
        self.modes[shape] = Mode.RECORDED
        if len(self._kept) > self._most:
            old, _ = self._kept.popitem(last=False)
            del self.modes[old]
        return recorded
