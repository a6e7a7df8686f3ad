"""Padding around windows, to the pixel: uneven sides, and SAME as TensorFlow and ONNX reckon it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def padded(x: Tensor, pads: Sequence[int], value: float) -> tuple[Tensor, tuple[int, int]]:
    """Padding of a (n, c, h, w) tensor by top, left, bottom, right; what is even is left to the operation.

    Returns:
        The tensor, and the rows and columns that the operation still has to add on both sides.
    """
    top, left, bottom, right = pads
    if top == bottom and left == right:
        return x, (top, left)
    return functional.pad(x, (left, right, top, bottom), value=value), (0, 0)


def same_pads(
    size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """Top, left, bottom, right of SAME padding, the odd one below and right (TensorFlow; SAME_UPPER)."""
    before, after = [], []
    for length, side, step, spread in zip(size, kernel, strides, dilations, strict=True):
        total = max((math.ceil(length / step) - 1) * step + (side - 1) * spread + 1 - length, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before + after
