"""A plot of verification: true acceptance over the false match rate, each embedder alone and both."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.face_readings import ROLES
from consent_edit.bench.plots import drawn
from consent_edit.bench.verification import BOTH, distance
from consent_edit.bench.verification_figures import Trials, Verification

_COLOURS: Final = {ROLES[0]: "#4477aa", ROLES[1]: "#ccbb44", BOTH: "#228833"}
_LINES: Final = {1: ":", 2: "-", 3: "--"}
_STEPS: Final = 60


def plot_verification(found: Verification, file: Path) -> None:
    """Write the curves as a PNG; a dot is the gate's own operating point.

    Args:
        found: What was measured.
        file: Where the PNG is written.

    Raises:
        Unavailable: matplotlib is not installed.
        ArgumentRejected: the file cannot be written.
    """
    with drawn((7.0, 5.0), file) as axes:
        wanted = np.array([found.thresholds[role] for role in ROLES])
        for enrolled, trials in found.trials.items():
            for name, (rates, accepted) in curves(trials, wanted).items():
                label = f"{name}, {enrolled} enrolled"
                axes.plot(rates, accepted, _LINES[enrolled], color=_COLOURS[name], linewidth=1, label=label)
        for point in found.operating:
            least = max(point.false.rate, 1 / point.false.tries)
            axes.plot([least], [point.tar.value], "o", color=_COLOURS[BOTH], markersize=4)
        axes.set_xscale("log")
        axes.set_xlabel("false match rate")
        axes.set_ylabel("true acceptance rate")
        axes.set_ylim(0.5, 1.0)
        axes.grid(linewidth=0.3)
        axes.legend(fontsize=6)


def curves(
    trials: Trials, wanted: NDArray[np.floating]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Embedder -> false match rates, rising, and the true acceptance at each.

    Args:
        trials: Scores of one way of enrolling.
        wanted: The two thresholds that both are moved from together.
    """
    values = {
        role: (-trials.mated[:, number].astype(np.float64), -trials.others[:, number].astype(np.float64))
        for number, role in enumerate(ROLES)
    }
    values[BOTH] = (distance(trials.mated, wanted), distance(trials.others, wanted))
    found = {}
    for name, (mated, others) in values.items():
        counts = np.unique(np.geomspace(1, max(2, len(others) // 100), _STEPS).astype(int))
        ordered, own = np.sort(others), np.sort(mated)
        edges = ordered[np.minimum(counts, len(ordered) - 1)]
        rates = np.searchsorted(ordered, edges, "left") / len(ordered)
        found[name] = (rates, np.searchsorted(own, edges, "left") / len(own))
    return found
