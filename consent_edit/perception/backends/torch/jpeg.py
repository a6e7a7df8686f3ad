"""What a JPEG of quality 75 leaves of a picture, on the device: the exposure network was trained behind one."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from consent_edit.perception.backends.torch.resampling import rounded

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

_TO_CODE: Final = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_FROM_CODE: Final = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def _cosines() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """The 8-point cosine transform, orthonormal."""
    k, n = np.mgrid[0:8, 0:8]
    table = np.cos((2 * n + 1) * k * np.pi / 16) / 2
    table[0] /= np.sqrt(2)
    return np.asarray(table)


class JpegLoss:
    """The loss of one encoding and decoding: quality 75, colour at half size, as Pillow writes by default.

    Args:
        device: Where the pictures are.
    """

    def __init__(self, device: torch.device) -> None:
        def held(values: object) -> Tensor:
            return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(device)

        self._cosines = held(_cosines())
        self._luma = held((np.array(_LUMA) * 50 + 50) // 100)
        self._chroma = held((np.array(_CHROMA) * 50 + 50) // 100)
        self._to, self._from = held(_TO_CODE), held(_FROM_CODE)
        self._bias = held([1, 2])  # libjpeg's, in turn, in place of rounding
        self._middle = held([0, 128, 128]).reshape(3, 1, 1)

    def __call__(self, batch: Tensor) -> Tensor:
        """Encode and decode.

        Args:
            batch: float32 (n, 3, h, w) RGB, whole levels, sides that are multiples of 16.

        Returns:
            The same shape, whole levels.
        """
        n, _, height, width = batch.shape
        code = rounded(torch.einsum("kc,nchw->nkhw", self._to, batch) + self._middle)
        fours = functional.avg_pool2d(code[:, 1:], 2) * 4
        small = ((fours + self._bias.repeat(width // 4)) / 4).floor()
        colours = rounded(self._quantised(small, self._chroma))
        wide = functional.interpolate(colours, (height, width), mode="bilinear", align_corners=False)
        shade = rounded(self._quantised(code[:, :1], self._luma))
        decoded = torch.cat([shade, rounded(wide)], dim=1) - self._middle
        return rounded(torch.einsum("kc,nchw->nkhw", self._from, decoded)).reshape(n, 3, height, width)

    def _quantised(self, planes: Tensor, table: Tensor) -> Tensor:
        """Planes (n, c, h, w) through the quantised cosine transform of their 8 by 8 blocks."""
        n, c, height, width = planes.shape
        blocks = (planes - 128).reshape(n, c, height // 8, 8, width // 8, 8).transpose(3, 4)
        waves = self._cosines @ blocks @ self._cosines.T
        kept = waves.sign() * (waves.abs() / table + 0.5).floor() * table  # halves away from nothing
        back = self._cosines.T @ kept @ self._cosines
        return back.transpose(3, 4).reshape(n, c, height, width) + 128
