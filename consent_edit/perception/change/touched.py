"""Who was repainted: from what differs at each place, and where everybody is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.bodies.regions import PersonRegions, framed, person_regions, within_reach
from consent_edit.perception.change.difference import Difference
from consent_edit.perception.observation import PersonObservation
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Region

Mask = NDArray[np.bool_]
Place = NDArray[np.float64]
Touched = tuple[frozenset[Region], ...]

_DOUBT: Final = frozenset({Region.UNDETERMINED})
_IN_SIGHT: Final = 0.65  # share of a person that the output must still show to tell anything of her
_KEPT: Final = 0.5  # share of the picture's shading below which the output may be another picture
_TEXTURED: Final = 0.05  # share of a region that must have shading to show that it is kept


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """Two pictures of one edit laid over one another, and where everybody is.

    Attributes:
        found: What differs.
        here: Regions of the input's people.
        there: Regions of the output's people, over the input.
        likely: Where the silhouette of either picture shows a person.
        exposed: Whether parts of either picture that hold nobody found read as exposed, or could not be read.
    """

    found: Difference
    here: tuple[PersonRegions, ...]
    there: tuple[PersonRegions, ...]
    likely: Mask
    exposed: bool

    @classmethod
    def of(
        cls,
        found: Difference,
        silhouettes: tuple[Mask, Mask],
        here: tuple[Sequence[PersonObservation], Place],
        there: tuple[Sequence[PersonObservation], Place],
        *,
        exposed: bool,
    ) -> Laid:
        """Put everybody in their place.

        Args:
            silhouettes: Where each picture shows a person, both over the input.
            here: The input's people, and the affine map (2, 3) from their pixels to the working size.
            there: The same of the output.
        """
        own, other = silhouettes
        before, after = framed(*here), framed(*there)
        return cls(
            found=found,
            here=tuple(person_regions(before, within_reach(own, other, before))),
            there=tuple(person_regions(after, within_reach(other, own, after))),
            likely=np.asarray(own | other, dtype=np.bool_),
            exposed=exposed,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was repainted, and whose it is.

    Attributes:
        people: Per person of the input: the repainted regions.
        output_people: The same per person of the output, at their place.
        unseen: What was repainted that may be a person whom nobody found.
        tone: Whether the whole picture's tone moved.
        background: Whether anything off everybody's regions was repainted.
    """

    people: Touched
    output_people: Touched
    unseen: frozenset[Region]
    tone: bool
    background: bool


def judged(laid: Laid, limits: Thresholds) -> Comparison:
    """Whose pixels neither tone nor noise nor a small shift explains.

    An output from whose contrast nothing can be told leaves everybody in doubt. What changed off everybody's
    regions falls on the unseen where the silhouette of either picture shows a person, and everywhere once the
    parts that hold nobody found read as exposed.
    """
    found = laid.found
    if not found.measurable:
        doubt = (_DOUBT,) * len(laid.here), (_DOUBT,) * len(laid.there), _DOUBT
        return Comparison(*doubt, tone=True, background=True)
    seen, closely = repainted(found, limits)
    lost = found.look.textured.any() and seen[found.look.textured].mean() > 1 - _KEPT

    def touched(people: tuple[PersonRegions, ...]) -> Touched:
        return tuple(
            _touched(seen, closely if person.small else seen, person, found, limits, lost=bool(lost))
            for person in people
        )

    elsewhere = seen.copy()
    for person in (*laid.here, *laid.there):
        elsewhere &= ~person.everything()
    counted = elsewhere if laid.exposed else elsewhere & laid.likely
    unseen = frozenset({Region.BODY}) if counted.mean() > limits.change_share_unseen else frozenset[Region]()
    return Comparison(
        touched(laid.here),
        touched(laid.there),
        unseen,
        tone=found.tone > limits.change_tone,
        background=bool(elsewhere.mean() > limits.change_share_unseen),
    )


def raised(limits: Thresholds, factor: float) -> Thresholds:
    """The thresholds of a pixel's difference, multiplied."""
    return replace(
        limits,
        change_residual=limits.change_residual * factor,
        change_residual_close=limits.change_residual_close * factor,
        change_shading=limits.change_shading * factor,
        change_shading_close=limits.change_shading_close * factor,
    )


def repainted(found: Difference, limits: Thresholds) -> tuple[Mask, Mask]:
    """Pixels that neither tone nor noise nor a small shift explains: as seen, and as seen closely.

    Where a picture has detail, and lost detail everywhere, more counts as noise than elsewhere, up to a
    bound.
    """
    noise = 1 + np.float32(limits.change_encoded) * found.lost
    seen = (found.look.colour > limits.change_residual * noise) | (
        found.look.shading > limits.change_shading * noise
    )
    close = (found.close.colour > limits.change_residual_close * noise) | (
        found.close.shading > limits.change_shading_close * noise
    )
    return np.asarray(seen, dtype=np.bool_), np.asarray(seen | close, dtype=np.bool_)


def _touched(
    changed: Mask, on_face: Mask, regions: PersonRegions, found: Difference, limits: Thresholds, *, lost: bool
) -> frozenset[Region]:
    """Which of a person's regions are repainted beyond the share that noise explains.

    Args:
        changed: Repainted pixels.
        on_face: The same for the face, looked at more closely where it is small.
    """
    everything = regions.everything()
    if not everything.any() or found.shown[everything].mean() < _IN_SIGHT:
        return _DOUBT
    parts = (
        (Region.FACE, regions.face & found.shown, on_face),
        (Region.HAIR, regions.hair & found.shown, changed),
        (Region.BODY, regions.body & found.shown, changed),
    )
    return frozenset(
        region
        for region, where, mask in parts
        if where.any() and _is_touched(mask, where, found, limits, lost=lost)
    )


def _is_touched(changed: Mask, seen: Mask, found: Difference, limits: Thresholds, *, lost: bool) -> bool:
    """Whether what the output still shows of a region is repainted.

    Args:
        lost: Most of the picture's shading is another: a region then counts as kept only if it has shading of
            its own that agrees; plain cloth agrees with any plain cloth.
    """
    if lost and found.look.textured[seen].mean() < _TEXTURED:
        return True
    return bool(changed[seen].mean() > limits.change_share_person)
