"""Ancestry: the first picture of a chain of edits is known again, whatever file comes back."""

from __future__ import annotations

from dataclasses import replace

from consent_edit.evidence.finish import Candidate
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import Lie, lies, pdq
from consent_edit.perception.change.past import recalled
from consent_edit.perception.observation import ImageObservation, Origin, Perception
from consent_edit.store.likeness import Alike
from consent_edit.store.store import Store
from consent_edit.thresholds import Thresholds


def first_picture(
    store: Store, image: CanonicalImage, seen: ImageObservation, perception: Perception, limits: Thresholds
) -> Origin:
    """The first picture of the chain that a picture is the newest of: itself, where none is known.

    1. The very pixels were released: what was kept with them.
    2. Else the released pictures that it looks like, mirrored, turned or with thin borders cut off: all of
       them beside itself. A mistake among them can refuse an edit, and allow none.
    3. A picture too plain to be told by what it looks like is known by its pixels alone.

    Raises:
        StoreUnavailable: the store cannot be read.
        CheckFailed: what is kept of a first picture cannot be read.
    """
    itself = Origin.of(seen)
    kept = store.origin(image.digest, itself)
    if kept is not itself:  # 1
        return kept
    if pdq(image).quality < limits.lineage_quality:  # 3
        return itself
    ways = lies(image)
    alike = store.alike([bits for _, bits in ways], limits.lineage_distance)
    return recalled([_lying(one, ways[one.which][0]) for one in alike], image, seen, perception)  # 2


def likenesses(candidate: Candidate, limits: Thresholds) -> tuple[bytes, ...]:
    """What a finished file is found by: the picture in it, and that without the band below."""
    whole = pdq(candidate.image)
    if whole.quality < limits.lineage_quality:
        return ()
    if candidate.picture_rows >= candidate.image.height:
        return (whole.bits,)
    return whole.bits, pdq(CanonicalImage.of(candidate.image.pixels[: candidate.picture_rows])).bits


def _lying(alike: Alike, lie: Lie) -> tuple[Origin, Lie]:
    """Where a picture came from, and how this one lies in it; whose band is gone shows all of the copy."""
    if not alike.part:
        return alike.origin, lie
    return replace(alike.origin, sketch=replace(alike.origin.sketch, rows=1.0)), lie
