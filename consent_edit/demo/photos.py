"""Photographs that packages ship for such uses. Nobody in them consented; every demo output says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.errors import Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode

_REMEDY = "install the demo's pictures: pip install 'consent-edit[demo]'"


def astronaut() -> CanonicalImage:
    """scikit-image's portrait of an astronaut (NASA, public domain), 512 x 512.

    Raises:
        Unavailable: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise Unavailable("scikit-image is not installed", code="check.demo", remedy=_REMEDY) from error
    return CanonicalImage.of(np.asarray(data.astronaut(), dtype=np.uint8))


def bystander() -> CanonicalImage:
    """matplotlib's sample portrait (US Navy, public domain), 512 x 600.

    Raises:
        Unavailable: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise Unavailable("matplotlib is not installed", code="check.demo", remedy=_REMEDY) from error
    sample = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return decode(sample.read_bytes()).image


def side_by_side(first: CanonicalImage, second: CanonicalImage) -> CanonicalImage:
    """Both pictures beside each other, or one above the other where the first is a wide one."""
    wide = first.width > first.height
    scale = first.width / second.width if wide else first.height / second.height
    size = (max(1, round(second.width * scale)), max(1, round(second.height * scale)))
    scaled = np.asarray(Image.fromarray(second.pixels).resize(size, Image.Resampling.LANCZOS), dtype=np.uint8)
    joined: NDArray[np.uint8] = np.concatenate([first.pixels, scaled], axis=0 if wide else 1)
    return CanonicalImage.of(joined)
