"""What a measurement of verification comes to: shares with their intervals, the curve, the list of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.encoding import JsonValue

_DRAWS: Final = 2000

Scores = NDArray[np.float32]
Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval, bootstrapped by person."""

    value: float
    low: float
    high: float
    hits: int
    tries: int
    people: int


@dataclass(frozen=True, slots=True)
class FalseMatches:
    """Non-mated comparisons accepted, and the rate's 95 % interval by Wilson (pairs taken as independent)."""

    rate: float
    low: float
    high: float
    hits: int
    tries: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """True acceptance where so many non-mated comparisons are accepted.

    Attributes:
        thresholds: Role -> cosine; for both embedders moved together from the shipped ones.
    """

    embedder: str
    enrolled: int
    fmr: float
    thresholds: Mapping[str, float]
    tar: Share


@dataclass(frozen=True, slots=True)
class Operating:
    """The gate's rule at the thresholds in force."""

    enrolled: int
    tar: Share
    false: FalseMatches


@dataclass(frozen=True, slots=True)
class ListedPairs:
    """The list of pairs, one photograph against one.

    Attributes:
        accuracy: Embedder -> share judged right, each fold at the threshold that is best on the other folds.
        mated_accepted: At the thresholds in force, the better direction of a pair.
        non_mated_accepted: The same of two people's pairs: each is somebody taken for another.
    """

    accuracy: Mapping[str, float]
    mated: int
    mated_accepted: int
    non_mated: int
    non_mated_accepted: int


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Scores of one way of enrolling.

    Attributes:
        mated: float32 (n, 2), and whose in ``who``.
        others: float32 (m, 2).
    """

    mated: Scores
    who: tuple[str, ...]
    others: Scores


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What was measured. ``trials`` is for plots and is no part of the JSON."""

    photographs: int
    people: int
    thresholds: Mapping[str, float]
    curve: tuple[CurvePoint, ...]
    operating: tuple[Operating, ...]
    pairs: ListedPairs
    trials: Mapping[int, Trials]

    def as_json(self) -> dict[str, JsonValue]:
        """Plain values."""
        return {
            "photographs": self.photographs,
            "people": self.people,
            "thresholds": dict(self.thresholds),
            "curve": [asdict(point) for point in self.curve],
            "operating": [asdict(point) for point in self.operating],
            "pairs": asdict(self.pairs),
        }


def clustered(hits: Hits, who: Sequence[str]) -> Share:
    """A share with its interval, bootstrapped by person: photographs of one person are not independent."""
    names, index = np.unique(np.array(who), return_inverse=True)
    right, every = np.bincount(index, hits, len(names)), np.bincount(index, minlength=len(names))
    draws = np.random.default_rng(0).integers(0, len(names), (_DRAWS, len(names)))
    low, high = np.quantile(right[draws].sum(axis=1) / every[draws].sum(axis=1), (0.025, 0.975))
    return Share(float(hits.mean()), float(low), float(high), int(hits.sum()), len(hits), len(names))


def false_matches(hits: Hits) -> FalseMatches:
    """A rate with Wilson's interval."""
    tries, count, z = len(hits), int(hits.sum()), 1.96
    share = count / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z / (1 + z * z / tries) * float(np.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries)))
    return FalseMatches(share, max(0.0, middle - half), min(1.0, middle + half), count, tries)


def told(found: Verification) -> tuple[str, ...]:
    """The figures as lines for a terminal."""
    curve = [
        f"{point.embedder}, {point.enrolled} enrolled, FMR {point.fmr:.0e}: TAR {_told(point.tar)} at "
        + " and ".join(f"{value:.3f}" for value in point.thresholds.values())
        for point in found.curve
    ]
    operating = [
        f"at the thresholds in force, {row.enrolled} enrolled: TAR {_told(row.tar)}, "
        f"FMR {row.false.rate:.1e} [{row.false.low:.1e}, {row.false.high:.1e}] "
        f"({row.false.hits} of {row.false.tries})"
        for row in found.operating
    ]
    pairs = found.pairs
    listed = (
        f"listed pairs: {pairs.non_mated_accepted} of {pairs.non_mated} non-mated accepted, "
        f"{pairs.mated_accepted} of {pairs.mated} mated; accuracy "
        + ", ".join(f"{name} {share:.4f}" for name, share in pairs.accuracy.items())
    )
    return (f"{found.photographs} photographs of {found.people} people", *curve, *operating, listed)


def _told(share: Share) -> str:
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}] ({share.hits} of {share.tries})"
