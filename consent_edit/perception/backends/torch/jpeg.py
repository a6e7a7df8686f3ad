"""What a JPEG of quality 75 leaves of a picture, on the device: OpenNSFW was trained behind one.

The arithmetic is libjpeg-turbo's own, in whole numbers, so that what is left is what Pillow would leave: a
coefficient on the edge between two steps falls on the same side.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from consent_edit.perception.backends.torch import dct

_LUMA: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""ITU-T T.81, annex K; quality 75 halves them."""

_BITS: Final = 16
_HALF: Final = 1 << (_BITS - 1)
_MIDDLE: Final = 128


def _fixed(value: float) -> int:
    return int(value * (1 << _BITS) + 0.5)


class JpegLoss:
    """The loss of one encoding and decoding: quality 75, colour at half size, as Pillow writes by default.

    Args:
        device: Where the pictures are.
    """

    def __init__(self, device: torch.device) -> None:
        luma, chroma = (torch.tensor(table, dtype=torch.int32, device=device) for table in (_LUMA, _CHROMA))
        self._luma, self._chroma = (luma * 50 + 50) // 100, (chroma * 50 + 50) // 100
        self._bias = torch.tensor([1, 2], dtype=torch.int32, device=device)  # in turn, in place of rounding

    def __call__(self, batch: Tensor) -> Tensor:
        """Encode and decode.

        Args:
            batch: float32 (n, 3, h, w) RGB, whole levels, sides that are multiples of 16.

        Returns:
            The same shape, whole levels.
        """
        red, green, blue = batch.to(torch.int32).unbind(1)
        shade = _mixed(red, green, blue, (0.299, 0.587, 0.114), _HALF)
        offset = (_MIDDLE << _BITS) + _HALF - 1
        cold = _mixed(red, green, blue, (-0.16874, -0.33126, 0.5), offset)
        warm = _mixed(red, green, blue, (0.5, -0.41869, -0.08131), offset)
        shade = self._lost(shade, self._luma)
        cold, warm = (_wide(self._lost(self._halved(each), self._chroma)) - _MIDDLE for each in (cold, warm))
        fixed = _fixed(0.71414), _fixed(0.34414)
        return (
            torch.stack(
                [
                    shade + ((warm * _fixed(1.402) + _HALF) >> _BITS),
                    shade + ((-cold * fixed[1] - warm * fixed[0] + _HALF) >> _BITS),
                    shade + ((cold * _fixed(1.772) + _HALF) >> _BITS),
                ],
                dim=1,
            )
            .clamp(0, 255)
            .float()
        )

    def _halved(self, plane: Tensor) -> Tensor:
        """A colour plane at half size: four levels made one."""
        n, height, width = plane.shape
        fours = plane.reshape(n, height // 2, 2, width // 2, 2).sum(dim=(2, 4), dtype=torch.int32)
        return (fours + self._bias.repeat(width // 4)) >> 2

    def _lost(self, plane: Tensor, table: Tensor) -> Tensor:
        """A plane (n, h, w) through the quantised transform of its 8 by 8 blocks."""
        n, height, width = plane.shape
        blocks = (plane - _MIDDLE).reshape(n, height // 8, 8, width // 8, 8).transpose(2, 3)
        waves, step = dct.forward(blocks), table * 8
        kept = waves.sign() * torch.div(waves.abs() + step // 2, step, rounding_mode="floor")
        back = dct.inverse(kept * table)
        return (back.transpose(2, 3).reshape(n, height, width) + _MIDDLE).clamp(0, 255)


def _mixed(
    red: Tensor, green: Tensor, blue: Tensor, shares: tuple[float, float, float], offset: int
) -> Tensor:
    """A plane of the code from the three colours, in 16 bits behind the point."""
    parts = [
        plane * (_fixed(share) if share > 0 else -_fixed(-share))
        for plane, share in zip((red, green, blue), shares, strict=True)
    ]
    return (parts[0] + parts[1] + parts[2] + offset) >> _BITS


def _wide(plane: Tensor) -> Tensor:
    """A colour plane at full size again: three parts of the nearer, one of the farther (h2v2 "fancy")."""
    above = torch.cat([plane[:, :1], plane[:, :-1]], dim=1)
    below = torch.cat([plane[:, 1:], plane[:, -1:]], dim=1)
    rows = torch.stack([plane * 3 + above, plane * 3 + below], dim=2).flatten(1, 2)
    left = torch.cat([rows[..., :1], rows[..., :-1]], dim=2)
    right = torch.cat([rows[..., 1:], rows[..., -1:]], dim=2)
    return torch.stack([(rows * 3 + left + 8) >> 4, (rows * 3 + right + 7) >> 4], dim=3).flatten(2, 3)
