"""A plot of verification: true acceptance over the false match rate, each embedder and both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.face_readings import ROLES
from consent_edit.bench.plots import save_figure
from consent_edit.bench.verification import BOTH, distance
from consent_edit.bench.verification_figures import Verification


def plot_verification(found: Verification, path: Path) -> None:
    """Write the curves as a PNG.

    Raises:
        Unavailable: matplotlib is not installed.
    """
