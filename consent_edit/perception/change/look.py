"""What an edit changed: whose pixels, in which regions, and how exposure moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.bodies.regions import silhouette_of
from consent_edit.perception.bodies.silhouette import ROLE, Silhouette
from consent_edit.perception.change.chain import Step, renewed, since_first, worst
from consent_edit.perception.change.difference import difference, working
from consent_edit.perception.change.sketch import opened, shrunk, sketched
from consent_edit.perception.change.touched import Comparison, Laid, judged, raised
from consent_edit.perception.exposure.change import exposure_changes
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import (
    ChangeObservation,
    CheckRun,
    ImageObservation,
    ModelUse,
    Origin,
    PersonObservation,
)
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure


class ChangeMeter:
    """Compares the output picture of an edit with its input.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        self._limits = limits
        self._silhouette = Silhouette(store)
        self.known_answers = dict(self._silhouette.known_answers)
        self.uses = (ModelUse(ROLE, self._silhouette.sha256, threshold=limits.body_region, self_test=True),)

    def observe(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
        origin: Origin,
    ) -> ChangeObservation:
        """What differs between input and output, and from the first picture of the chain.

        Args:
            before: The input picture.
            after: The output picture.
            before_seen: What was observed in the input; ``touched`` follows its people.
            after_seen: What was observed in the output; ``output_touched`` follows its people.
            origin: The first picture of the chain of edits that the input came from.

        Raises:
            CheckFailed: the person-region model gave no number, or what is kept of the first picture cannot
                be read.
        """
        found, sketch = self._chained(self._step(before, after, before_seen, after_seen), before, origin)
        changes, change = exposure_changes(
            [origin, *origin.further, Origin.of(before_seen)], after_seen, self._limits
        )
        return ChangeObservation(
            touched=found.people,
            output_touched=found.output_people,
            unseen_touched=found.unseen,
            tone=found.tone,
            background=found.background,
            exposure_changes=changes,
            exposure_change=change,
            sketch=sketch,
            checks=(CheckRun(CheckName.CHANGE, CheckOutcome.RAN, models=self.uses),),
        )

    def lay(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
    ) -> Laid:
        """Lay the output over the input, and say where everybody is there.

        Raises:
            CheckFailed: the person-region model gave no number.
        """
        return self._step(before, after, before_seen, after_seen).laid

    def _chained(self, step: Step, before: CanonicalImage, origin: Origin) -> tuple[Comparison, bytes]:
        """What the step repainted, or the chain with it; and what the next one is to be compared with."""
        told, kept = judged(step.laid, self._limits), origin.sketch
        first = opened(kept.picture) if kept.picture else shrunk(before.pixels)
        repaints = any((*told.people, *told.output_people, told.unseen)) or told.background
        if not kept.picture and not repaints:
            return told, sketched(first.pixels)
        laid = since_first(first, kept.rows, step, self._limits)
        if kept.picture:
            told = worst(told, judged(laid, raised(self._limits, self._limits.change_chain)), laid)
        anew = renewed(first, kept.rows, step, laid, told, self._limits)
        return told, kept.picture if anew is first.pixels and kept.picture else sketched(anew)

    def _step(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
    ) -> Step:
        """One edit, laid over its input."""
        how = working(before, _smallest(before, before_seen, after, after_seen))
        found = difference(before, after, how)
        least = self._limits.body_region
        likely = self.silhouette(before.pixels, before_seen.people, how.size)
        after_likely = self.silhouette(after.pixels, after_seen.people, how.size)
        own, other = likely >= least, found.alignment.warp(after_likely) >= least
        laid = Laid.of(
            found,
            (own, other),
            (before_seen.people, _scaled(before, how.size)),
            (after_seen.people, found.alignment.back(_scaled(after, how.size))),
            exposed=any(
                seen.exposure.elsewhere.value is not Exposure.NONE for seen in (before_seen, after_seen)
            ),
        )
        size = before.width, before.height
        return Step(size, before_seen.people, after, after_seen.people, likely, after_likely, laid)

    def silhouette(
        self, pixels: NDArray[np.uint8], people: Sequence[PersonObservation], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """How likely each pixel shows a person, float32 (height, width) of ``size`` (width, height).

        Raises:
            CheckFailed: the person-region model gave no number.
        """
        return silhouette_of(self._silhouette, pixels, people, size)


def _smallest(
    before: CanonicalImage, before_seen: ImageObservation, after: CanonicalImage, after_seen: ImageObservation
) -> float:
    """Width of the smallest face of both pictures, in pixels of the input."""
    scale = before.width / after.width
    widths = [face.box.width for face in before_seen.faces]
    return min([*widths, *(face.box.width * scale for face in after_seen.faces)], default=np.inf)


def _scaled(image: CanonicalImage, size: tuple[int, int]) -> NDArray[np.float64]:
    """The affine map from a picture's pixels to the working size, (2, 3)."""
    return np.array([[size[0] / image.width, 0, 0], [0, size[1] / image.height, 0]], dtype=np.float64)
