"""Chains of edits, each handed in as the next one's input: harmless ones, and repaints in small steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from consent_edit.bench.change import Pixels, Scene, lent, seen_in, subject_of
from consent_edit.bench.edits import BENIGN, Subject, all_clothes_recoloured, mixed, skin_fill
from consent_edit.bench.face_edits import FACE_REPAINTS
from consent_edit.bench.intervals import by_person
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.look import ChangeMeter
from consent_edit.perception.observation import Origin, Sketch

STEPS: Final = 6
"""Edits of a chain."""

HARMLESS: Final = ("JPEG 90", "warmer", "half a pixel", "curve", "JPEG 75", "darker")

REPAINTS: Final[Mapping[str, Callable[[Subject], Pixels]]] = {
    "another face, half": FACE_REPAINTS["another face, half"],
    "face swapped": FACE_REPAINTS["face swapped"],
    "skin over clothes": skin_fill,
    "clothes recoloured": all_clothes_recoloured,
}
"""What a chain comes to; every step goes a sixth of the way."""


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One kind of chain.

    Attributes:
        kind: ``harmless`` or ``repaint``.
        pictures: Pictures whose chain counts: of a repaint those in which no step is seen by itself.
        touched: Of them, those in which the chain reads as a touch at any step.
        low: 2.5 % quantile of the share touched, bootstrapped by picture.
        high: 97.5 % quantile.
    """

    kind: str
    edit: str
    pictures: int
    touched: int
    low: float
    high: float


def measure_chains(
    scenes: Sequence[Scene],
    meter: ChangeMeter,
    *,
    autoencoder: Callable[[Pixels], Pixels] | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> tuple[ChainRow, ...]:
    """Make every chain of every scene, and ask at each step what was touched.

    Args:
        autoencoder: Its round trip, three times over, is a harmless chain as well.

    Raises:
        CheckFailed: the person-region model gave no number.
    """
    answers: dict[tuple[str, str], list[bool]] = {}
    for number, scene in enumerate(scenes):
        told(f"chains {number + 1}/{len(scenes)}")
        for edit, pictures in _harmless(scene, autoencoder):
            answers.setdefault(("harmless", edit), []).append(_touched(meter, scene, pictures))
        for edit, pictures in _repaints(scene, lent(scenes, number), meter, number):
            if not any(_touched(meter, scene, pair) for pair in pairwise(pictures)):
                answers.setdefault(("repaint", edit), []).append(_touched(meter, scene, pictures))
    return tuple(_row(kind, edit, np.array(found)) for (kind, edit), found in answers.items())


def _harmless(
    scene: Scene, autoencoder: Callable[[Pixels], Pixels] | None
) -> Iterator[tuple[str, list[Pixels]]]:
    """Chains that touch nobody: name and pictures, the scene's own first."""
    chains: dict[str, Sequence[Callable[[Pixels], Pixels]]] = {
        "six harmless edits": [BENIGN[name] for name in HARMLESS],
        "saved six times": [BENIGN["JPEG 75"]] * STEPS,
    }
    if autoencoder is not None:
        chains["autoencoder, three times"] = [autoencoder] * 3
    for name, edits in chains.items():
        pictures = [scene.pixels]
        for edit in edits:
            pictures.append(edit(pictures[-1]))
        yield name, pictures


def _repaints(
    scene: Scene, other: Scene, meter: ChangeMeter, number: int
) -> Iterator[tuple[str, list[Pixels]]]:
    """Chains that come to a repaint of the largest person: name and pictures."""
    subject = subject_of(scene, other, meter, number)
    for name, repaint in REPAINTS.items():
        if not subject.body.any() and repaint not in FACE_REPAINTS.values():
            continue
        whole = repaint(replace(subject, random=np.random.default_rng(number)))
        step = partial(mixed, scene.pixels, whole)
        yield (
            f"{name}, in {STEPS} steps",
            [step(np.full((1, 1, 1), share / STEPS)) for share in range(STEPS + 1)],
        )


def _touched(meter: ChangeMeter, scene: Scene, pictures: Sequence[Pixels]) -> bool:
    """Whether anybody reads as touched at any step; every output is the next input."""
    first = seen_in(scene.pixels, scene.faces)
    origin = Origin.of(first)
    for before, after in pairwise(pictures):
        change = meter.observe(
            CanonicalImage.of(before), CanonicalImage.of(np.ascontiguousarray(after)), first, first, origin
        )
        if any(change.touched):
            return True
        origin = replace(origin, sketch=Sketch(change.sketch))
    return False


def _row(kind: str, edit: str, found: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> ChainRow:
    """One kind of chain, counted."""
    low, high = by_person(found)
    return ChainRow(kind, edit, len(found), int(found.sum()), low, high)
