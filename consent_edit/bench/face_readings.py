"""Labelled photographs as the gate's embedders read them: readings, templates, comparison scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.labelled import read_picture
from consent_edit.consent.match import VIEW_SLACK
from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.perception.faces.detectors.yunet import YuNet
from consent_edit.perception.faces.embedding import FIRST, SECOND, FirstEmbedder, SecondEmbedder
from consent_edit.perception.faces.passes import ViewSpec
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.views import Views
from consent_edit.thresholds import Thresholds

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float64]
Template = Mapping[str, NDArray[np.float32]]
Progress = Callable[[int, int], None]

ROLES: Final = (FIRST, SECOND)

SAME_PERSON: Final[Mapping[str, str]] = {
    "Hassan_Wirajuda": "Hasan_Wirayuda",
    "Chyung_Dai-chul": "Dai_Chul_Chyung",
    "Cristina_Fernandez": "Cristina_Kirchner",
    "Martha_Bowen": "Gabrielle_Rose",
}
"""LFW's known label errors: one person under two names."""

_LOOK: Final = 640
_LEAST: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The central face of one photograph.

    Attributes:
        file: Path within the folder.
        person: Whom it is named for.
        width: Width of the box in pixels.
        score: The detector's.
        landmarks: float32 (5, 2), ArcFace order.
        views: Role -> float32 (views, 128), rows of unit norm.
    """

    file: str
    person: str
    width: float
    score: float
    landmarks: NDArray[np.float32]
    views: Mapping[str, NDArray[np.float32]]


class Eyes:
    """The gate's two embedders behind one plain look of its first detector.

    The union of all passes finds the same face in such photographs and takes twenty times as long.

    Raises:
        ModelUnavailable: weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        self._detector = YuNet(store)
        self._first, self._second = FirstEmbedder(store, limits), SecondEmbedder(store, limits)

    def read(self, picture: Pixels, file: str) -> Iterator[Reading]:
        """The face nearest to the middle of a picture, if there is one.

        Args:
            picture: uint8 (H, W, 3) RGB.
            file: ``lfw/<person>/<photo>.jpg``, or whatever names the person by its folder.
        """
        view = Views(picture).show(ViewSpec(_LOOK))
        found = self._detector.look(view.pixels, _LEAST)
        if not len(found):
            return
        corners = view.to_picture(found.corners)
        middle = np.array(picture.shape[1::-1], np.float64) / 2
        at = int(np.linalg.norm(corners.mean(axis=1) - middle, axis=1).argmin())
        landmarks = view.to_picture(found.points)[at].astype(np.float32)
        yield Reading(
            file=file,
            person=person_of(file),
            width=float(corners[at, 1, 0] - corners[at, 0, 0]),
            score=float(found.scores[at]),
            landmarks=landmarks,
            views={
                FIRST: self._first.embed(picture, landmarks),
                SECOND: self._second.embed(picture, landmarks),
            },
        )


def person_of(file: str) -> str:
    """Whom a photograph is named for, the known label errors put right."""
    name = Path(file).parent.name
    return SAME_PERSON.get(name, name)


def readings_of(
    folder: Path, eyes: Eyes, *, limit: int = 0, progress: Progress = lambda done, total: None
) -> list[Reading]:
    """The central face of every photograph ``lfw/<person>/<photo>.jpg``.

    Args:
        limit: Only the first so many people with two photographs or more, and as many others; 0: everybody.
        progress: Told how many photographs are done, and of how many.

    Raises:
        ArgumentRejected: the folder holds no such photographs.
    """
    files = sorted(path.relative_to(folder).as_posix() for path in (folder / "lfw").glob("*/*.jpg"))
    if limit:
        people: dict[str, list[str]] = {}
        for file in files:
            people.setdefault(person_of(file), []).append(file)
        several = [taken for taken in people.values() if len(taken) > 1][:limit]
        single = [taken for taken in people.values() if len(taken) == 1][:limit]
        files = [file for taken in (*several, *single) for file in taken]
    if not files:
        raise ArgumentRejected(
            f"{folder} holds no lfw/<person>/<photo>.jpg", remedy="name a folder of labelled photographs"
        )
    found: list[Reading] = []
    for number, file in enumerate(files):
        progress(number, len(files))
        found += eyes.read(read_picture(folder / file), file)
    progress(len(files), len(files))
    if not found:
        raise CheckFailed("no photograph shows a face", remedy="run: consent-edit models verify")
    return found


def save_readings(file: Path, readings: Sequence[Reading]) -> None:
    """Keep readings between runs. They are templates of the people shown: erase them afterwards."""
    columns: dict[str, NDArray[np.generic]] = {
        "photo": np.array([one.file for one in readings]),
        "width": np.array([one.width for one in readings]),
        "score": np.array([one.score for one in readings]),
        "landmarks": np.stack([one.landmarks for one in readings]),
    }
    columns |= {role: np.stack([one.views[role] for one in readings]) for role in ROLES}
    np.savez(file, allow_pickle=False, **columns)


def kept_readings(file: Path) -> list[Reading]:
    """Readings of an earlier run.

    Raises:
        ArgumentRejected: the file holds none.
    """
    try:
        with np.load(file) as data:
            columns = [data[key] for key in ("photo", "width", "score", "landmarks", FIRST, SECOND)]
    except (OSError, ValueError, KeyError) as error:
        raise ArgumentRejected(
            f"{file.name} holds no readings", remedy="leave it out, or erase it"
        ) from error
    return [
        Reading(
            str(name), person_of(str(name)), float(width), float(score), points, {FIRST: one, SECOND: two}
        )
        for name, width, score, points, one, two in zip(*columns, strict=True)
    ]


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


def reach(cosines: NDArray[np.floating]) -> Rows:
    """The highest threshold at which a face is still accepted, from its views' cosines in the last axis.

    ``consent.match`` accepts at t if the median reaches t and the worst view t - slack * (1 - t).
    """
    worst = (cosines.min(axis=-1) + VIEW_SLACK) / (1 + VIEW_SLACK)
    return np.asarray(np.minimum(np.median(cosines, axis=-1), worst))


def scores_of(probe: Reading, template: Template) -> Rows:
    """(2,): the highest threshold at which each embedder accepts."""
    return np.stack([reach(probe.views[role].astype(np.float64) @ template[role]) for role in ROLES])


def pair_scores(probes: Sequence[Reading], templates: Sequence[Template]) -> NDArray[np.float32]:
    """float32 (probes, templates, 2): :func:`scores_of` of every probe against every template."""
    result = np.empty((len(probes), len(templates), len(ROLES)), np.float32)
    for number, role in enumerate(ROLES):
        known = np.stack([one[role] for one in templates]).T
        for row, probe in enumerate(probes):
            result[row, :, number] = reach((probe.views[role] @ known).T)
    return result
