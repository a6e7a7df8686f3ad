"""How often an edit that touches nobody is said to touch somebody, and how often a repaint is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.edits import BENIGN, BODY_REPAINTS, Subject
from consent_edit.bench.face_edits import FACE_REPAINTS
from consent_edit.bench.intervals import by_person
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.bodies.regions import framed, person_regions
from consent_edit.perception.change.look import ChangeMeter
from consent_edit.perception.change.touched import Laid, judged, raised
from consent_edit.perception.observation import (
    ExposureReading,
    FaceObservation,
    ImageObservation,
    PictureExposure,
)
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Exposure, Region

FACTORS: Final = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Multiples of the thresholds at which every edit is judged for the curve; 1 is the operating point."""

_VISIBLE: Final = 5.0  # grey levels, root mean square over what changed: below it a repaint shows nothing new
_LEAST_SHARE: Final = 0.1  # of the body region that a body repaint must change to be counted
_LEAST_BODY: Final = 150  # pixels of body that a picture must show
_CHANGED: Final = 2
_LIKELY: Final = 0.5  # of the person-region model, for the body that an edit repaints

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One picture and the people found in it.

    Attributes:
        name: For the bootstrap: pictures of one name are not independent.
        saved: What a round trip through an autoencoder made of the picture, by its name.
    """

    name: str
    pixels: Pixels
    faces: tuple[FaceObservation, ...]
    saved: Mapping[str, Pixels] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EditRow:
    """One kind of edit.

    Attributes:
        kind: ``benign``, ``body`` or ``face``.
        pictures: Pictures that count: for a repaint those in which it shows.
        touched: Of them, those in which anybody (benign) or the repainted region (else) reads as touched.
        low: 2.5 % quantile of the share touched, bootstrapped by picture.
        high: 97.5 % quantile.
        curve: Touched at each of :data:`FACTORS` of the thresholds.
    """

    kind: str
    edit: str
    pictures: int
    touched: int
    low: float
    high: float
    curve: tuple[int, ...]


def measure(
    scenes: Sequence[Scene],
    meter: ChangeMeter,
    limits: Thresholds,
    *,
    after_repaint: Mapping[str, Callable[[Pixels], Pixels]] | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> tuple[EditRow, ...]:
    """Make every edit of every scene, and judge it.

    Args:
        after_repaint: What is done after a repaint besides nothing: name -> edit of the whole picture.
        told: Is told of progress.

    Raises:
        CheckFailed: the person-region model gave no number.
    """
    hits: dict[tuple[str, str], list[tuple[bool, ...]]] = {}
    for number, scene in enumerate(scenes):
        told(f"{number + 1}/{len(scenes)}")
        other = lent(scenes, number)
        for kind, edit, after, region, person in _edited(scene, other, meter, number, after_repaint or {}):
            laid = _laid(meter, scene, after)
            answer = tuple(_hit(laid, raised(limits, factor), region, person) for factor in FACTORS)
            hits.setdefault((kind, edit), []).append(answer)
    return tuple(_row(kind, edit, np.array(answers)) for (kind, edit), answers in hits.items())


def lent(scenes: Sequence[Scene], number: int) -> Scene:
    """The next scene of another name, to take from; itself where there is none."""
    behind = (scenes[(number + step) % len(scenes)] for step in range(1, len(scenes)))
    return next((one for one in behind if one.name != scenes[number].name), scenes[number])


def subject_of(scene: Scene, other: Scene, meter: ChangeMeter, number: int) -> Subject:
    """The largest person of a scene, and the largest face of another to take from.

    Args:
        number: Of the scene; where and how is drawn from it.

    Raises:
        CheckFailed: the person-region model gave no number.
    """
    largest = _largest(scene)
    return _subject(scene, other, largest, _body(meter, scene, largest), number)


def _largest(scene: Scene) -> int:
    """Index of the largest face."""
    return max(range(len(scene.faces)), key=lambda index: scene.faces[index].box.width)


def _edited(
    scene: Scene,
    other: Scene,
    meter: ChangeMeter,
    number: int,
    after_repaint: Mapping[str, Callable[[Pixels], Pixels]],
) -> Iterator[tuple[str, str, Pixels, Region | None, int]]:
    """Kind, name, picture, region repainted (none for benign ones) and whose, of every edit of a scene."""
    for name, edit in BENIGN.items():
        yield "benign", name, edit(scene.pixels), None, 0
    for name, after in scene.saved.items():
        yield "benign", name, after, None, 0
    largest = _largest(scene)
    subject = subject_of(scene, other, meter, number)
    body = subject.body
    repaints = [("face", Region.FACE, FACE_REPAINTS)]
    if body.sum() >= _LEAST_BODY:
        repaints.append(("body", Region.BODY, BODY_REPAINTS))
    for kind, region, edits in repaints:
        for name, repaint in edits.items():
            after = repaint(replace(subject, random=np.random.default_rng(number)))
            if not _shows(scene.pixels, after, body if kind == "body" else None):
                continue
            yield kind, name, after, region, largest
            for then, edit in after_repaint.items():
                yield kind, f"{name}, then {then}", edit(after), region, largest


def _shows(before: Pixels, after: Pixels, body: NDArray[np.bool_] | None) -> bool:
    """Whether a repaint changes what is seen, and a body repaint enough of the body."""
    apart = np.abs(before.astype(np.int16) - after.astype(np.int16)).max(axis=2)
    changed = apart > _CHANGED
    if not changed.any():
        return False
    visible = float(np.sqrt(np.mean(apart[changed].astype(np.float64) ** 2))) >= _VISIBLE
    return visible and (body is None or float((changed & body).sum() / body.sum()) >= _LEAST_SHARE)


def _body(meter: ChangeMeter, scene: Scene, index: int) -> NDArray[np.bool_]:
    """A person's body region in the picture's own pixels."""
    height, width = scene.pixels.shape[:2]
    likely = meter.silhouette(scene.pixels, scene.faces, (width, height))
    regions = person_regions(framed(scene.faces, np.eye(2, 3)), likely >= _LIKELY)
    return regions[index].body


def _subject(scene: Scene, other: Scene, index: int, body: NDArray[np.bool_], number: int) -> Subject:
    """The person to repaint, and the largest face of another scene to take from."""
    face = scene.faces[index]
    lender = max(other.faces, key=lambda one: one.box.width)
    return Subject(
        pixels=scene.pixels,
        body=body,
        box=(face.box.x, face.box.y, face.box.width, face.box.height),
        landmarks=face.landmarks,
        other=other.pixels,
        other_landmarks=lender.landmarks,
        random=np.random.default_rng(number),
    )


def _laid(meter: ChangeMeter, scene: Scene, after: Pixels) -> Laid:
    """The output over the input; the same people are taken to stand in both, scaled to its size."""
    x, y = after.shape[1] / scene.pixels.shape[1], after.shape[0] / scene.pixels.shape[0]
    moved = tuple(
        replace(
            face, box=face.box.scaled(x, y), landmarks=face.landmarks * np.array([x, y], dtype=np.float32)
        )
        for face in scene.faces
    )
    return meter.lay(
        CanonicalImage.of(scene.pixels),
        CanonicalImage.of(np.ascontiguousarray(after)),
        seen_in(scene.pixels, scene.faces),
        seen_in(after, moved),
    )


def seen_in(pixels: Pixels, faces: tuple[FaceObservation, ...]) -> ImageObservation:
    """A picture in which nothing reads as exposed."""
    nothing = ExposureReading(Exposure.NONE)
    height, width = pixels.shape[:2]
    return ImageObservation(
        digest="",
        width=width,
        height=height,
        faces=faces,
        bodies=(),
        exposure=PictureExposure(nothing, (nothing,) * len(faces), nothing),
        checks=(),
    )


def _hit(laid: Laid, limits: Thresholds, region: Region | None, person: int) -> bool:
    """Whether anybody is touched, or that region of that person."""
    people = judged(laid, limits).people
    if region is None:
        return any(people)
    return bool(people[person] & {region, Region.UNDETERMINED})


def _row(kind: str, edit: str, answers: NDArray[np.bool_]) -> EditRow:
    """One kind of edit, counted; (pictures, factors)."""
    touched = answers[:, FACTORS.index(1.0)]
    low, high = by_person(touched)
    return EditRow(
        kind=kind,
        edit=edit,
        pictures=len(answers),
        touched=int(touched.sum()),
        low=low,
        high=high,
        curve=tuple(int(count) for count in answers.sum(axis=0)),
    )


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """A picture no larger than ``side``, its sides whole multiples of 8, as autoencoders take them."""
    height, width = pixels.shape[:2]
    factor = min(1.0, side / max(height, width))
    size = (max(8, round(width * factor / 8) * 8), max(8, round(height * factor / 8) * 8))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
