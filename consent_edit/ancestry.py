"""Ancestry: the first picture of a chain of edits is known again, whatever file comes back."""

from __future__ import annotations

from dataclasses import replace

from consent_edit.evidence.finish import Candidate
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import Lie, lies, pdq
from consent_edit.perception.change.past import joined, recalled
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
    return _known(store, image, seen, Origin.of(seen), perception, limits)


def first_of_part(
    store: Store,
    whole: Origin,
    image: CanonicalImage,
    seen: ImageObservation,
    perception: Perception,
    limits: Thresholds,
) -> Origin:
    """The first picture of a chain that goes on with a part: that of the whole, and of the part where known.

    A released picture laid beside somebody who is then cut off again is the picture that was released.

    Args:
        whole: Of the picture that it is a part of, cut alike.
        image: The part.
        seen: What it shows.

    Raises:
        StoreUnavailable: as :func:`first_picture`.
        CheckFailed: as :func:`first_picture`.
    """
    itself = Origin.of(seen)
    own = _known(store, image, seen, itself, perception, limits)
    return whole if own is itself else joined(whole, own, itself)


def _known(
    store: Store,
    image: CanonicalImage,
    seen: ImageObservation,
    itself: Origin,
    perception: Perception,
    limits: Thresholds,
) -> Origin:
    """Where a picture came from; the very ``itself`` where nothing is known of it."""
    kept = store.origin(image.digest, itself)
    if kept is not itself:  # 1
        return kept
    if pdq(image).quality < limits.lineage_quality:  # 3
        return itself
    ways = lies(image)
    alike = store.alike([bits for _, bits in ways], limits.lineage_distance)
    if not alike:
        return itself
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
