"""What the measuring scripts share: labelled photographs read with the shipped thresholds, shares as text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.face_readings import (
    ROLES,
    Pixels,
    Reading,
    Rows,
    Template,
    by_person,
    kept_readings,
    pair_scores,
    reach,
    readings_of,
    save_readings,
    scores_of,
    template_of,
    unit,
)
from consent_edit.bench.face_readings import Eyes as GateEyes
from consent_edit.bench.labelled import read_picture as read
from consent_edit.bench.verification_figures import clustered as share_of
from consent_edit.bench.verification_figures import false_matches
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import load_thresholds

__all__ = [
    "LIMITS",
    "ROLES",
    "Eyes",
    "Pixels",
    "Reading",
    "Rows",
    "Template",
    "all_readings",
    "by_person",
    "clustered",
    "pair_scores",
    "reach",
    "read",
    "say",
    "scores_of",
    "template_of",
    "unit",
    "wilson",
]


LIMITS = load_thresholds()


def say(line: str) -> None:
    """A line of figures."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Eyes(GateEyes):
    """The gate's embedders with the shipped weights and thresholds."""

    def __init__(self) -> None:
        super().__init__(ModelStore(), LIMITS)


def all_readings(folder: Path, keep: Path | None) -> list[Reading]:
    """Every photograph's central face, read now or by an earlier run."""
    if keep is not None and keep.exists():
        return kept_readings(keep)
    found = readings_of(folder, Eyes())
    say(f"{len(found)} photographs with a central face")
    if keep is not None:
        save_readings(keep, found)
    return found


def wilson(hits: int, tries: int) -> str:
    """A share with its 95 % Wilson interval."""
    row = np.zeros(tries, dtype=bool)
    row[:hits] = True
    found = false_matches(row)
    return f"{found.rate:.3f} [{found.low:.3f}, {found.high:.3f}] ({hits} of {tries})"


def clustered(hits: NDArray[np.bool_], who: Sequence[str]) -> str:
    """A share with its 95 % interval, bootstrapped by person."""
    found = share_of(hits, who)
    return (
        f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}] "
        f"({found.hits} of {found.tries}, {found.people} people)"
    )
