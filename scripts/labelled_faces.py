"""Labelled photographs as the gate reads them: readings, templates, scores, shares with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure_perception import LIMITS, SAME_PERSON, Pixels, central, read, say
from numpy.typing import NDArray

from consent_edit.consent.match import VIEW_SLACK
from consent_edit.perception.embedding import FIRST, SECOND, FirstEmbedder, SecondEmbedder
from consent_edit.perception.faces import FaceDetector
from consent_edit.perception.models import ModelStore

Rows = NDArray[np.float64]
Template = Mapping[str, NDArray[np.float32]]
ROLES = (FIRST, SECOND)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The central face of one photograph, as the gate reads it.

    Attributes:
        width: Width of the box in pixels.
        landmarks: float32 (5, 2).
        views: Role -> float32 (views, 128), rows of unit norm.
    """

    file: str
    person: str
    width: float
    score: float
    landmarks: NDArray[np.float32]
    views: Mapping[str, NDArray[np.float32]]


class Eyes:
    """The gate's detector and its two embedders."""

    def __init__(self) -> None:
        store = ModelStore()
        self._detector = FaceDetector(store, LIMITS)
        self._first, self._second = FirstEmbedder(store, LIMITS), SecondEmbedder(store, LIMITS)

    def read(self, picture: Pixels, file: str) -> Iterator[Reading]:
        """The central face of a picture, if the detector supports one."""
        for face in central(self._detector.detect(picture), picture):
            yield Reading(
                file=file,
                person=SAME_PERSON.get(Path(file).parent.name, Path(file).parent.name),
                width=face.box.width,
                score=face.score,
                landmarks=face.landmarks,
                views={
                    FIRST: self._first.embed(picture, face.landmarks),
                    SECOND: self._second.embed(picture, face.landmarks),
                },
            )


def kept_readings(file: Path) -> list[Reading]:
    """Readings of an earlier run."""
    with np.load(file) as data:
        columns = (data[key] for key in ("photo", "person", "width", "score", "landmarks", FIRST, SECOND))
        return [
            Reading(str(name), str(person), float(width), float(score), points, {FIRST: one, SECOND: two})
            for name, person, width, score, points, one, two in zip(*columns, strict=True)
        ]


def all_readings(folder: Path, keep: Path | None) -> list[Reading]:
    """Every photograph's central face, read now or by an earlier run."""
    if keep is not None and keep.exists():
        return kept_readings(keep)
    eyes = Eyes()
    files = sorted(path.relative_to(folder).as_posix() for path in (folder / "lfw").glob("*/*.jpg"))
    found = [reading for file in files for reading in eyes.read(read(folder / file), file)]
    say(f"{len(files)} photographs, {len(found)} with a central face")
    if keep is not None:
        np.savez(
            keep,
            photo=[one.file for one in found],
            person=[one.person for one in found],
            width=[one.width for one in found],
            score=[one.score for one in found],
            landmarks=np.stack([one.landmarks for one in found]),
            **{role: np.stack([one.views[role] for one in found]) for role in (FIRST, SECOND)},
        )
    return found


def by_person(readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Readings of each person."""
    people: dict[str, list[Reading]] = {}
    for one in readings:
        people.setdefault(one.person, []).append(one)
    return people


def unit(rows: NDArray[np.floating]) -> Rows:
    """Rows of unit norm."""
    wide = np.asarray(rows, dtype=np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=-1, keepdims=True))


def template_of(photos: Sequence[Reading]) -> Template:
    """What enrolment makes of photographs: the mean of the photographs' mean views."""
    return {
        role: unit(np.mean([unit(one.views[role].mean(axis=0)) for one in photos], axis=0)).astype(np.float32)
        for role in ROLES
    }


def reach(cosines: Rows) -> Rows:
    """The highest threshold at which a face is still accepted, from its views' cosines in the last axis.

    ``consent.match`` accepts at t if the median reaches t and the worst view t - slack * (1 - t).
    """
    worst = (cosines.min(axis=-1) + VIEW_SLACK) / (1 + VIEW_SLACK)
    return np.asarray(np.minimum(np.median(cosines, axis=-1), worst))


def scores_of(probe: Reading, template: Template) -> Rows:
    """(2,): the highest threshold at which each embedder accepts."""
    return np.stack([reach(probe.views[role].astype(np.float64) @ template[role]) for role in ROLES])


def wilson(hits: int, tries: int) -> str:
    """A share with its 95 % Wilson interval."""
    share, z = hits / tries, 1.96
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z / (1 + z * z / tries) * np.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return f"{share:.3f} [{max(0, middle - half):.3f}, {min(1, middle + half):.3f}] ({hits} of {tries})"


def clustered(hits: NDArray[np.bool_], who: Sequence[str]) -> str:
    """A share with its 95 % interval, bootstrapped by person."""
    names, index = np.unique(np.array(who), return_inverse=True)
    right, all_ = np.bincount(index, hits), np.bincount(index)
    draws = np.random.default_rng(0).integers(0, len(names), (2000, len(names)))
    low, high = np.quantile(right[draws].sum(axis=1) / all_[draws].sum(axis=1), (0.025, 0.975))
    return f"{hits.mean():.3f} [{low:.3f}, {high:.3f}] ({hits.sum()} of {len(hits)}, {len(names)} people)"
