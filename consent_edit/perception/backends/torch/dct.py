"""libjpeg's 8-point cosine transforms in whole numbers (jfdctint.c, jidctint.c), on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

_BITS: Final = 13
_PASS_BITS: Final = 2


def _fixed(value: float) -> int:
    return round(value * (1 << _BITS))


_A, _B, _C = _fixed(0.541196100), _fixed(-1.847759065), _fixed(0.765366865)
_Z = tuple(_fixed(value) for value in (1.175875602, -0.899976223, -2.562915447, -1.961570560, -0.390180644))
_T = tuple(_fixed(value) for value in (0.298631336, 2.053119869, 3.072711026, 1.501321110))


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Divided by a power of two, halves up."""
    return (values + (1 << (bits - 1))) >> bits


def _odd(first: Tensor, second: Tensor, third: Tensor, fourth: Tensor) -> tuple[Tensor, ...]:
    """The rotations that both directions share (Loeffler, Ligtenberg, Moschytz)."""
    z1, z2 = (first + fourth) * _Z[1], (second + third) * _Z[2]
    z3, z4 = first + third, second + fourth
    z5 = (z3 + z4) * _Z[0]
    z3, z4 = z3 * _Z[3] + z5, z4 * _Z[4] + z5
    return (
        first * _T[0] + z1 + z3,
        second * _T[1] + z2 + z4,
        third * _T[2] + z2 + z3,
        fourth * _T[3] + z1 + z4,
    )


def _forward_line(x: Sequence[Tensor], *, last: bool) -> list[Tensor]:
    """One direction of the forward transform over eight tensors."""
    total = [x[i] + x[7 - i] for i in range(4)]
    apart = [x[i] - x[7 - i] for i in range(4)]
    t10, t13 = total[0] + total[3], total[0] - total[3]
    t11, t12 = total[1] + total[2], total[1] - total[2]
    bits = _BITS + _PASS_BITS if last else _BITS - _PASS_BITS
    z1 = (t12 + t13) * _A
    out = [t10] * 8
    if last:
        out[0], out[4] = _shifted(t10 + t11, _PASS_BITS), _shifted(t10 - t11, _PASS_BITS)
    else:
        out[0], out[4] = (t10 + t11) << _PASS_BITS, (t10 - t11) << _PASS_BITS
    out[2], out[6] = _shifted(z1 + t13 * _C, bits), _shifted(z1 + t12 * _B, bits)
    odd = _odd(apart[3], apart[2], apart[1], apart[0])
    for place, value in zip((7, 5, 3, 1), odd, strict=True):
        out[place] = _shifted(value, bits)
    return out


def _inverse_line(x: Sequence[Tensor], *, last: bool) -> list[Tensor]:
    """One direction of the inverse transform over eight tensors."""
    z1 = (x[2] + x[6]) * _A
    t2, t3 = z1 + x[6] * _B, z1 + x[2] * _C
    t0, t1 = (x[0] + x[4]) << _BITS, (x[0] - x[4]) << _BITS
    even = (t0 + t3, t1 + t2, t1 - t2, t0 - t3)
    odd = _odd(x[7], x[5], x[3], x[1])[::-1]
    bits = _BITS + _PASS_BITS + 3 if last else _BITS - _PASS_BITS
    upper = [_shifted(a + b, bits) for a, b in zip(even, odd, strict=True)]
    lower = [_shifted(a - b, bits) for a, b in zip(even, odd, strict=True)]
    return upper + lower[::-1]


def forward(blocks: Tensor) -> Tensor:
    """Coefficients, eight times too large, of int32 (..., 8, 8) blocks around nothing."""
    across = torch.stack(_forward_line(blocks.unbind(-1), last=False), dim=-1)
    return torch.stack(_forward_line(across.unbind(-2), last=True), dim=-2)


def inverse(coefficients: Tensor) -> Tensor:
    """Samples around nothing of int32 (..., 8, 8) coefficients."""
    down = torch.stack(_inverse_line(coefficients.unbind(-2), last=False), dim=-2)
    return torch.stack(_inverse_line(down.unbind(-1), last=True), dim=-1)
