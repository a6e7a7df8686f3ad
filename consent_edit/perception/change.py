"""What an edit changed: whose pixels, in which regions, and how exposure moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.difference import Difference, difference, working_size
from consent_edit.perception.exposure_change import exposure_changes
from consent_edit.perception.models import ModelStore
from consent_edit.perception.observation import (
    ChangeObservation,
    CheckRun,
    ImageObservation,
    ModelUse,
    Origin,
)
from consent_edit.perception.regions import (
    LIKELY,
    PersonRegions,
    framed,
    person_regions,
    silhouette_of,
    within_reach,
)
from consent_edit.perception.silhouette import ROLE, Silhouette
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure, Region

Mask = NDArray[np.bool_]
Touched = tuple[frozenset[Region], ...]

_DOUBT: Final = frozenset({Region.UNDETERMINED})
_OUT_OF_SIGHT: Final = 0.1  # share of a region that may lie where the output no longer shows the input
_KEPT: Final = 0.5  # share of the picture's shading below which the output may be another picture
_TEXTURED: Final = 0.05  # share of a region that must have shading to show that it is kept


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was repainted, and whose it is.

    Attributes:
        people: Per person of the input: the repainted regions.
        output_people: The same per person of the output, at their place.
        unseen: What was repainted that may be a person whom nobody found.
        tone: Whether the whole picture's tone moved.
    """

    people: Touched
    output_people: Touched
    unseen: frozenset[Region]
    tone: bool


class ChangeMeter:
    """Compares the output picture of an edit with its input.

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        self._limits = limits
        self._silhouette = Silhouette(store)
        self.known_answers = dict(self._silhouette.known_answers)
        self.uses = (ModelUse(ROLE, self._silhouette.sha256, threshold=LIKELY, self_test=True),)

    def observe(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
        origin: Origin,
    ) -> ChangeObservation:
        """What differs between input and output, and in exposure from the first picture of the chain."""
        found = self.compare(before, after, before_seen, after_seen)
        changes, change = exposure_changes([origin, Origin.of(before_seen)], after_seen, self._limits)
        return ChangeObservation(
            touched=found.people,
            output_touched=found.output_people,
            unseen_touched=found.unseen,
            tone=found.tone,
            exposure_changes=changes,
            exposure_change=change,
            checks=(CheckRun(CheckName.CHANGE, CheckOutcome.RAN, models=self.uses),),
        )

    def compare(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
    ) -> Comparison:
        """What was repainted between two pictures of one edit, and whose it is.

        Args:
            before: The input picture.
            after: The output picture; another size is laid over the input's.
            before_seen: What was observed in the input; ``people`` follows its people.
            after_seen: What was observed in the output; ``output_people`` follows its people.
        """
        size = working_size(before, _smallest(before, before_seen, after, after_seen))
        found = difference(before, after, size)
        if not found.measurable:
            return Comparison(
                people=(_DOUBT,) * len(before_seen.people),
                output_people=(_DOUBT,) * len(after_seen.people),
                unseen=_DOUBT,
                tone=True,
            )
        here, there, likely = self._regions(before, after, before_seen, after_seen, found)
        changed = repainted(found, self._limits)
        elsewhere = changed.copy()
        for regions in (*here, *there):
            elsewhere &= ~regions.everything()
        return Comparison(
            people=tuple(self._touched(changed, regions, found) for regions in here),
            output_people=tuple(self._touched(changed, regions, found) for regions in there),
            unseen=self._unseen(elsewhere, likely, before_seen, after_seen),
            tone=found.tone > self._limits.change_tone,
        )

    def _regions(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        before_seen: ImageObservation,
        after_seen: ImageObservation,
        found: Difference,
    ) -> tuple[list[PersonRegions], list[PersonRegions], Mask]:
        """Regions of the input's and of the output's people over the input, and where anybody may be."""
        size = (found.shown.shape[1], found.shown.shape[0])
        own = silhouette_of(self._silhouette, before.pixels, before_seen.people, size)
        other = silhouette_of(self._silhouette, after.pixels, after_seen.people, size)
        other = found.alignment.warp(other)
        here = framed(before_seen.people, _scaled(before, size))
        there = framed(after_seen.people, found.alignment.back(_scaled(after, size)))
        return (
            person_regions(here, within_reach(own, other, here)),
            person_regions(there, within_reach(other, own, there)),
            (own > LIKELY) | (other > LIKELY),
        )

    def _touched(self, changed: Mask, regions: PersonRegions, found: Difference) -> frozenset[Region]:
        """Which of a person's regions are repainted beyond the share that noise explains."""
        everything = regions.everything()
        if not everything.any() or not (everything & found.shown).any():
            return _DOUBT
        kept = _kept(changed, found)
        parts = ((Region.FACE, regions.face), (Region.HAIR, regions.hair), (Region.BODY, regions.body))
        return frozenset(
            region
            for region, where in parts
            if where.any() and self._is_touched(changed, where, found, lost=kept < _KEPT)
        )

    def _is_touched(self, changed: Mask, where: Mask, found: Difference, *, lost: bool) -> bool:
        """Whether a region is repainted.

        Args:
            lost: Most of the picture's shading is another: a region then counts as kept only if it has shading
                of its own that agrees; plain cloth agrees with any plain cloth.
        """
        seen = where & found.shown
        if 1 - seen.sum() / where.sum() > _OUT_OF_SIGHT:
            return True
        if lost and found.textured[seen].mean() < _TEXTURED:
            return True
        return bool(changed[seen].mean() > self._limits.change_share_person)

    def _unseen(
        self, elsewhere: Mask, likely: Mask, before_seen: ImageObservation, after_seen: ImageObservation
    ) -> frozenset[Region]:
        """Whether somebody whom nobody found may have been repainted.

        Repainted pixels count where the silhouette of either picture shows a person, and everywhere once the
        parts of a picture that hold nobody found read as exposed, or could not be read.
        """
        exposed = any(
            seen.exposure.elsewhere.value is not Exposure.NONE for seen in (before_seen, after_seen)
        )
        counted = elsewhere if exposed else elsewhere & likely
        return frozenset({Region.BODY}) if counted.mean() > self._limits.change_share_unseen else frozenset()


def repainted(found: Difference, limits: Thresholds) -> Mask:
    """Pixels that neither tone nor noise nor a small shift explains."""
    return np.asarray(
        (found.colour > limits.change_residual) | (found.shading > limits.change_shading), dtype=np.bool_
    )


def _kept(changed: Mask, found: Difference) -> float:
    """Share of the input's shading that the output still has."""
    return 1 - float(changed[found.textured].mean()) if found.textured.any() else 1.0


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
