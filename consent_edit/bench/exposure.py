"""What the exposure check says of ordinary pictures: false hits by kind, and false rises under mere edits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.edits import BENIGN
from consent_edit.bench.labelled import read_picture
from consent_edit.errors import ArgumentRejected
from consent_edit.perception.exposure.change import exposure_changes
from consent_edit.perception.exposure.views import SECOND, SUGGESTIVE, WHOLE
from consent_edit.perception.observation import (
    BodyObservation,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    ModelUse,
    Origin,
    PersonObservation,
    PictureExposure,
)
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Exposure, ExposureChange

FIGURES: Final = (
    "whole alone",
    "crops alone",
    "people alone",
    "any alone",
    "picture",
    "people",
    "any",
    "suggestive",
)
"""OpenNSFW alone at its points, by view; then both families: the picture, the people, either of them nude,
and either of them suggestive or worse."""

AFTER: Final = "given"
"""The edit of pictures that were edited elsewhere."""

_ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_ORDER: Final = 0
_Z: Final = 1.96


class Looker(Protocol):
    """What a picture is looked at with."""

    uses: tuple[ModelUse, ...]

    def people(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[tuple[FaceObservation, ...], tuple[BodyObservation, ...]]:
        """Everybody found: faces, and bodies without one."""

    def read(self, pixels: NDArray[np.uint8], people: Sequence[PersonObservation]) -> PictureExposure:
        """Their exposure."""


@dataclass(frozen=True, slots=True)
class Share:
    """Hits among pictures, with the 95 % interval after Wilson, which holds for few and for none."""

    hits: int
    of: int

    @property
    def rate(self) -> float:
        """The share; 0 where there is nothing to count."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        if not self.of:
            return 0.0, 1.0
        share, of = self.rate, self.of
        middle = share + _Z**2 / (2 * of)
        spread = _Z * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2))
        scale = 1 + _Z**2 / of
        return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)


@dataclass(slots=True)
class KindFigures:
    """The pictures of one kind.

    Attributes:
        pictures: How many.
        with_people: In how many somebody was found, be it a doubtful box.
        hits: Figure of :data:`FIGURES` -> pictures it fired on.
        worst: Per picture: OpenNSFW's highest score over all views.
    """

    pictures: int = 0
    with_people: int = 0
    hits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIGURES, 0))
    worst: list[float] = field(default_factory=list)

    def add(self, exposure: PictureExposure, limits: Thresholds) -> None:
        """Count one picture."""
        self.pictures += 1
        self.with_people += bool(exposure.persons)
        for name, hit in fired(exposure, limits).items():
            self.hits[name] += hit
        self.worst.append(max(_all_views(exposure)))


@dataclass(slots=True)
class ExposureFigures:
    """All that was measured.

    Attributes:
        rises: Edit -> pictures in which somebody's exposure, or the picture's, was said to have risen.
        views: Views that the models looked at.
        seconds: Processor time of those.
    """

    kinds: dict[str, KindFigures] = field(default_factory=dict)
    rises: dict[str, Share] = field(default_factory=dict)
    views: int = 0
    seconds: float = 0.0

    @property
    def risen(self) -> Share:
        """Over all edits."""
        return Share(sum(s.hits for s in self.rises.values()), sum(s.of for s in self.rises.values()))


def fired(exposure: PictureExposure, limits: Thresholds) -> Mapping[str, bool]:
    """Which figures a picture counts in."""
    own = list(_first_family(exposure.picture))
    whole = any(score >= limits.exposure_nude_whole for view, score in own if view == WHOLE)
    crops = any(score >= limits.exposure_nude_crop for view, score in own if view != WHOLE)
    around = [score for reading in exposure.persons for _, score in _first_family(reading)]
    people = any(score >= limits.exposure_nude_crop for score in around)
    values = (exposure.picture.value, *(reading.value for reading in exposure.persons))
    told = (
        whole,
        crops,
        people,
        whole or crops or people,
        values[0] is Exposure.NUDE,
        Exposure.NUDE in values[1:],
        Exposure.NUDE in values,
        any(value is not Exposure.NONE for value in values),
    )
    return dict(zip(FIGURES, told, strict=True))


def _first_family(reading: ExposureReading) -> Iterator[tuple[str, float]]:
    """View and OpenNSFW score, of every view."""
    for view, score in reading.scores.items():
        if not view.endswith((SECOND, SUGGESTIVE)):
            yield view, score


def _all_views(exposure: PictureExposure) -> list[float]:
    """OpenNSFW's score of every view of a picture; a crop that people share counts for each of them."""
    readings = (exposure.picture, *exposure.persons)
    return [score for reading in readings for _, score in _first_family(reading)]


def pictures(folder: Path, limit: int) -> tuple[tuple[str, Path], ...]:
    """Kind and path: one folder a kind, with pictures anywhere below; the first of a fixed shuffle of each.

    Raises:
        ArgumentRejected: there are none.
    """
    kinds = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found: list[tuple[str, Path]] = []
    for kind in kinds:
        files = sorted(path for path in kind.rglob("*") if path.suffix.lower() in _ENDINGS)
        order = np.random.default_rng(_ORDER).permutation(len(files))
        found += [(kind.name, files[i]) for i in order[: limit or None]]
    if not found:
        raise ArgumentRejected(
            f"{folder.name} holds no pictures", remedy="give a folder with one folder of pictures a kind"
        )
    return tuple(found)


def measure(
    chosen: Sequence[tuple[str, Path]],
    looker: Looker,
    limits: Thresholds,
    *,
    edited: int = 0,
    after: tuple[Path, Path] | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> ExposureFigures:
    """Look at every picture once, and at some of them again after edits that expose nobody.

    Args:
        chosen: Kind and path of each picture.
        looker: What looks.
        edited: Of each kind, so many pictures are also looked at after every edit of :data:`BENIGN`.
        after: The folder the pictures are in, and one with the same pictures, by name without its ending,
            as edited elsewhere; each pair is compared.
        told: Is told of progress.

    Raises:
        ArgumentRejected: a picture cannot be read.
        CheckFailed: a check broke.
    """
    figures = ExposureFigures()
    for number, (kind, path) in enumerate(chosen):
        told(f"{number + 1}/{len(chosen)} {kind}")
        counted = figures.kinds.setdefault(kind, KindFigures())
        pixels = read_picture(path)
        seen = _observe(pixels, looker, figures)
        counted.add(seen.exposure, limits)
        edits = BENIGN.items() if counted.pictures <= edited else ()
        made = [(name, edit(pixels)) for name, edit in edits if name != "as it is"]
        made += [(AFTER, read_picture(file)) for file in _counterparts(path, after)]
        for name, changed in made:
            moved = exposure_changes([Origin.of(seen)], _observe(changed, looker, figures), limits)
            risen = any(one is not ExposureChange.NONE for one in (*moved[0], moved[1]))
            so_far = figures.rises.get(name, Share(0, 0))
            figures.rises[name] = Share(so_far.hits + risen, so_far.of + 1)
    return figures


def _counterparts(path: Path, after: tuple[Path, Path] | None) -> list[Path]:
    """The same picture as edited elsewhere; none if there is none."""
    if after is None:
        return []
    place = after[1] / path.relative_to(after[0]).parent
    return sorted(file for file in place.glob("*") if file.stem == path.stem)[:1]


def _observe(pixels: NDArray[np.uint8], looker: Looker, figures: ExposureFigures) -> ImageObservation:
    faces, bodies = looker.people(pixels)
    started = time.process_time()
    exposure = looker.read(pixels, (*faces, *bodies))
    figures.seconds += time.process_time() - started
    figures.views += len(_all_views(exposure))
    height, width = pixels.shape[:2]
    return ImageObservation("", width, height, faces, bodies, exposure, ())
