"""Verification: how often a person's further photographs are accepted, and how often anybody else's are."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.face_readings import (
    ROLES,
    Eyes,
    Progress,
    Reading,
    by_person,
    kept_readings,
    pair_scores,
    readings_of,
    save_readings,
    template_of,
)
from consent_edit.bench.verification_figures import (
    CurvePoint,
    Hits,
    ListedPairs,
    Operating,
    Trials,
    Verification,
    clustered,
    false_matches,
)
from consent_edit.errors import ArgumentRejected
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import Thresholds

BOTH: Final = "both"
"""Both embedders must accept: the gate's rule."""

TARGETS: Final = (1e-3, 1e-4, 1e-5)
"""False match rates at which true acceptance is told."""

ENROLLED: Final = (1, 2, 3)
"""Enrolment photographs averaged; with 3, people who have only three give two and keep one as a probe."""


_Float = TypeVar("_Float", bound=np.floating)


def verify(
    folder: Path,
    limits: Thresholds,
    store: ModelStore,
    *,
    limit: int = 0,
    readings: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Verification:
    """Measure verification on labelled photographs ``lfw/<person>/<photo>.jpg`` and ``lfw_pairs.csv``.

    Args:
        folder: Where they are.
        limits: The operating thresholds.
        store: Where the weights are.
        limit: Only so many people with several photographs and as many with one; 0: everybody.
        readings: File in which embeddings are kept between runs; they are templates of people, so erase it.
        progress: Told how many photographs are done, and of how many.

    Raises:
        ArgumentRejected: the folder is not laid out so, or holds nobody twice.
        ModelUnavailable: weights are missing, altered or fail their self-test.
    """
    if readings is not None and readings.exists():
        found = kept_readings(readings)
    else:
        found = readings_of(folder, Eyes(store, limits), limit=limit, progress=progress)
        if readings is not None:
            save_readings(readings, found)
    return measured(found, listed_pairs(folder), limits.matching)


def measured(
    readings: Sequence[Reading], pairs: Sequence[tuple[int, str, str, bool]], thresholds: Mapping[str, float]
) -> Verification:
    """The figures of readings already taken.

    Args:
        pairs: Fold, two files and whether they show one person.
        thresholds: Role -> cosine from which it accepts, of the two families.

    Raises:
        ArgumentRejected: nobody is shown twice.
    """
    wanted = np.array([thresholds[role] for role in ROLES])
    trials = {1: _one_against_one(readings)} | {most: _averaged(readings, most) for most in ENROLLED[1:]}
    if not all(len(one.mated) and len(one.others) for one in trials.values()):
        raise ArgumentRejected(
            "there are too few photographs of one person", remedy="give people with three photographs or more"
        )
    return Verification(
        photographs=len(readings),
        people=len(by_person(readings)),
        thresholds={role: thresholds[role] for role in ROLES},
        curve=tuple(point for most, one in trials.items() for point in _curve(most, one, wanted)),
        operating=tuple(
            Operating(
                most,
                clustered(_accepted(one.mated, wanted), one.who),
                false_matches(_accepted(one.others, wanted)),
            )
            for most, one in trials.items()
        ),
        pairs=_listed(readings, pairs, wanted),
        trials=trials,
    )


def _one_against_one(readings: Sequence[Reading]) -> Trials:
    """Every photograph against every other, in both directions."""
    scores = pair_scores(readings, [template_of([one]) for one in readings])
    who = np.array([one.person for one in readings])
    same = who[:, None] == who[None]
    mated = same & ~np.eye(len(who), dtype=bool)
    return Trials(
        scores[mated], tuple(np.broadcast_to(who[:, None], same.shape)[mated].tolist()), scores[~same]
    )


def _averaged(readings: Sequence[Reading], most: int) -> Trials:
    """Each person's first photographs averaged, two at least, against her others and everybody else's."""
    templates, owners, rest = [], [], []
    for name, taken in by_person(readings).items():
        known = taken[: min(most, len(taken) - 1)]
        if len(known) > 1:
            templates.append(template_of(known))
            owners.append(name)
            rest.append({one.file for one in taken[len(known) :]})
    if not templates:
        return Trials(np.empty((0, 2), np.float32), (), np.empty((0, 2), np.float32))
    scores = pair_scores(readings, templates)
    who = np.array([one.person for one in readings])
    mated = np.array([[one.file in left for left in rest] for one in readings])
    other = who[:, None] != np.array(owners)[None]
    return Trials(scores[mated], tuple(np.array(owners)[np.nonzero(mated)[1]].tolist()), scores[other])


def distance(scores: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far from both embedders' agreement, the worse of the two; 1 is where the thresholds accept.

    Per embedder (1 - score) / (1 - threshold), so that one number moves both thresholds together.
    """
    return np.asarray(((1.0 - scores) / (1.0 - wanted)).max(axis=-1), dtype=np.float64)


def _accepted(scores: NDArray[np.floating], wanted: NDArray[np.floating]) -> Hits:
    """Which rows both embedders accept, over the last axis."""
    return np.asarray((scores >= wanted).all(axis=-1), dtype=bool)


def joint_thresholds(far: float, wanted: NDArray[np.floating]) -> dict[str, float]:
    """The two cosines that a distance stands for."""
    return {role: round(float(1 - far * (1 - one)), 4) for role, one in zip(ROLES, wanted, strict=True)}


def _curve(most: int, one: Trials, wanted: NDArray[np.floating]) -> Iterator[CurvePoint]:
    """True acceptance at each false match rate, of each embedder alone and of both."""
    for fmr in TARGETS:
        allowed = int(fmr * len(one.others))
        for number, role in enumerate(ROLES):
            least = float(np.nextafter(-_nth(-one.others[:, number], allowed), np.float32(2)))
            yield CurvePoint(
                role, most, fmr, {role: least}, clustered(one.mated[:, number] >= least, one.who)
            )
        far = float(_nth(distance(one.others, wanted), allowed))
        passed = distance(one.mated, wanted) < far
        yield CurvePoint(BOTH, most, fmr, joint_thresholds(far, wanted), clustered(passed, one.who))


def _nth(values: NDArray[_Float], number: int) -> _Float:
    """The value that so many others lie below; beyond it one more would be accepted."""
    found: _Float = np.partition(values, number)[number]
    return found


def listed_pairs(folder: Path) -> tuple[tuple[int, str, str, bool], ...]:
    """``lfw_pairs.csv``: fold, two files and whether they show one person.

    Raises:
        ArgumentRejected: it is missing or not of that form.
    """
    try:
        with (folder / "lfw_pairs.csv").open(encoding="utf-8", newline="") as file:
            return tuple(
                (int(row["fold"]), row["file_a"], row["file_b"], row["same"] == "1")
                for row in csv.DictReader(file)
            )
    except (OSError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise ArgumentRejected(
            f"{folder.name} holds no list of pairs ({type(error).__name__})",
            remedy="give a folder with lfw_pairs.csv (fold,file_a,file_b,same)",
        ) from error


def _listed(
    readings: Sequence[Reading], pairs: Sequence[tuple[int, str, str, bool]], wanted: NDArray[np.floating]
) -> ListedPairs:
    """The list's pairs, by the better of their two directions."""
    place = {one.file: one for one in readings}
    known = [(fold, place[a], place[b], same) for fold, a, b, same in pairs if a in place and b in place]
    if not known:
        raise ArgumentRejected(
            "no listed pair was read", remedy="measure the photographs that the list names"
        )
    same = np.array([one.person == other.person for _, one, other, _ in known])  # label errors put right
    scores = np.stack([_either_way(one, other) for _, one, other, _ in known])
    passed = np.asarray(_accepted(scores, wanted).any(axis=-1), dtype=bool)
    folds = np.array([fold for fold, *_ in known])
    values = {role: scores[..., number].max(axis=-1) for number, role in enumerate(ROLES)}
    values[BOTH] = -distance(scores, wanted).min(axis=-1)
    return ListedPairs(
        accuracy={name: _accuracy(value, same, folds) for name, value in values.items()},
        mated=int(same.sum()),
        mated_accepted=int(passed[same].sum()),
        non_mated=int((~same).sum()),
        non_mated_accepted=int(passed[~same].sum()),
    )


def _either_way(one: Reading, other: Reading) -> NDArray[np.float64]:
    """(2, 2): each photograph against the other as template."""
    return np.stack(
        [
            pair_scores([a], [template_of([b])])[0, 0].astype(np.float64)
            for a, b in ((one, other), (other, one))
        ]
    )


def _accuracy(values: NDArray[np.floating], same: Hits, folds: NDArray[np.integer]) -> float:
    """Share of pairs judged right, each fold at the threshold that is best on the others."""
    right = []
    for fold in np.unique(folds):
        mine = folds == fold
        rest = ~mine if (~mine).any() else mine
        known = np.unique(values[rest])
        steps = np.append((known[1:] + known[:-1]) / 2, known[-1])
        scored = [((values[rest] >= step) == same[rest]).mean() for step in steps]
        best = steps[int(np.argmax(scored))]
        right.append((values[mine] >= best) == same[mine])
    return float(np.concatenate(right).mean())
