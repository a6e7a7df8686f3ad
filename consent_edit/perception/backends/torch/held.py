"""A picture on the device: brought there once for all that look at it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from consent_edit.perception.backends.torch.resampling import held, planes_of
from consent_edit.perception.shown import Shown


def tensor_of(picture: Shown | Tensor | NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 (H, W, 3) RGB on the device; of a picture that several look at, one for all of them."""
    if isinstance(picture, Shown):
        return picture.once(f"pixels on {device}", Tensor, lambda pixels: held(pixels, device))
    return held(picture, device)


def planes_on(picture: Shown | Tensor | NDArray[np.uint8], device: torch.device) -> Tensor:
    """Its planes, float32 (3, H, W), likewise."""
    if isinstance(picture, Shown):
        return picture.once(
            f"planes on {device}", Tensor, lambda pixels: planes_of(tensor_of(picture, device))
        )
    return planes_of(held(picture, device))
