"""Canonical pixels: the one form in which a picture is checked, sent and bound by consent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ImageRejected

_DOMAIN = b"consent-edit/canonical-pixels/v1\0"


def pixel_digest(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 over the size and the pixels of an (H, W, 3) uint8 RGB array, as ``sha256:<hex>``."""
    height, width, _ = pixels.shape
    digest = hashlib.sha256(_DOMAIN)
    digest.update(width.to_bytes(4, "big") + height.to_bytes(4, "big"))
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return f"sha256:{digest.hexdigest()}"


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalImage:
    """A picture as read-only RGB pixels with their digest.

    Attributes:
        pixels: (height, width, 3) uint8, sRGB, not writeable.
        digest: ``sha256:<hex>`` over size and pixels; what a grant's ``images[]`` names.
    """

    pixels: NDArray[np.uint8]
    digest: str

    @classmethod
    def of(cls, pixels: NDArray[np.uint8]) -> CanonicalImage:
        """Copy pixels into canonical form.

        Args:
            pixels: (height, width, 3) uint8 RGB. Limits are intake.decode's business.

        Raises:
            ImageRejected: not an (H, W, 3) uint8 array with at least one pixel.
        """
        if (
            not isinstance(pixels, np.ndarray)
            or pixels.dtype != np.uint8
            or pixels.ndim != 3
            or pixels.shape[2] != 3
            or 0 in pixels.shape
        ):
            raise ImageRejected("pixels must be an (H, W, 3) uint8 RGB array", code="input.pixels")
        own = np.frombuffer(np.ascontiguousarray(pixels).tobytes(), dtype=np.uint8)
        own = own.reshape(pixels.shape)  # over immutable bytes: cannot be made writeable again
        return cls(pixels=own, digest=pixel_digest(own))

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])
