"""How exposure moved: person by person at the same place, against the input and the first of a chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from consent_edit.perception import places
from consent_edit.perception.exposure.views import SECOND, SUGGESTIVE
from consent_edit.perception.observation import (
    Box,
    ExposureReading,
    ImageObservation,
    Origin,
    worst_change,
    worst_exposure,
)
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Exposure, ExposureChange

_SAME_PLACE: Final = 0.2
_INSIDE: Final = 0.6


def exposure_changes(
    origins: Sequence[Origin], after: ImageObservation, limits: Thresholds
) -> tuple[tuple[ExposureChange, ...], ExposureChange]:
    """Compare a picture with those that it came from.

    Somebody of the output is compared, view by view, with whoever stood at the same place; somebody new with
    the whole of the earlier picture. One who exchanged places with another is compared with that other: who
    it is, is the embedders' business.

    Args:
        origins: The input picture, and the first picture of the chain of edits it came from.
        after: The output picture.

    Returns:
        Per person of ``after`` (faces, then bodies), and for the picture as a whole: the worst over the
        origins, ``UNDETERMINED`` being the worst; without any origin all is undetermined.
    """
    people = len(after.people)
    if not origins or len(after.exposure.persons) != people:
        return (ExposureChange.UNDETERMINED,) * people, ExposureChange.UNDETERMINED
    against = [_against(origin, after, limits) for origin in origins]
    persons = tuple(worst_change(*(persons[i] for persons, _ in against)) for i in range(people))
    return persons, worst_change(*(picture for _, picture in against))


def change_between(before: ExposureReading, after: ExposureReading, limits: Thresholds) -> ExposureChange:
    """How one reading moved: a worse value, or any score of any view risen by its family's limit or more.

    A view that the earlier reading lacks is compared with that reading's highest; no views are no answer. A
    family that did not look at the earlier picture tells of no rise.
    """
    if Exposure.UNDETERMINED in (before.value, after.value) or not before.scores or not after.scores:
        return ExposureChange.UNDETERMINED
    if worst_exposure(before.value, after.value) is not before.value:
        return ExposureChange.INCREASED
    if all(_rise(before, after, ending) < limit for ending, limit in _limits(limits).items()):
        return ExposureChange.NONE
    return ExposureChange.INCREASED


def _limits(limits: Thresholds) -> Mapping[str, float]:
    """Ending of a score's name -> rise from which it counts."""
    return {
        "": limits.exposure_rise,
        SECOND: limits.exposure_rise_second,
        SUGGESTIVE: limits.exposure_rise_suggestive,
    }


def _rise(before: ExposureReading, after: ExposureReading, ending: str) -> float:
    """The largest rise of one family's scores."""
    old, new = _of_family(before, ending), _of_family(after, ending)
    if not old or not new:
        return 0.0
    highest = max(old.values())
    return max(score - old.get(view, highest) for view, score in new.items())


def _of_family(reading: ExposureReading, ending: str) -> Mapping[str, float]:
    """The scores of one family by the name of their view; OpenNSFW's have no ending."""
    if not ending:
        return {name: score for name, score in reading.scores.items() if "." not in name}
    return {
        name.removesuffix(ending): score for name, score in reading.scores.items() if name.endswith(ending)
    }


def _against(
    origin: Origin, after: ImageObservation, limits: Thresholds
) -> tuple[list[ExposureChange], ExposureChange]:
    """Everybody and the whole, against one earlier picture."""
    past = origin.exposure
    if len(past.persons) != len(origin.boxes):
        return [ExposureChange.UNDETERMINED] * len(after.people), ExposureChange.UNDETERMINED
    shares = (1 / max(after.width, 1), 1 / max(after.height, 1))
    pairs = paired([person.box.scaled(*shares) for person in after.people], origin.boxes)
    persons = [
        change_between(past.persons[pairs[i]] if i in pairs else past.picture, reading, limits)
        for i, reading in enumerate(after.exposure.persons)
    ]
    return persons, change_between(past.picture, after.exposure.picture, limits)


def paired(now: Sequence[Box], then: Sequence[Box]) -> Mapping[int, int]:
    """Who of ``now`` stands where who of ``then`` stood; boxes as shares of their pictures.

    The best overlaps are paired first, each box once. Who is left over but lies within, or around, a box of
    then (a face before, a whole body after) has that one's past too.
    """
    pairs = places.paired(now, then, _SAME_PLACE)
    for i, box in enumerate(now):
        if i not in pairs:
            shares = places.inside(box, then)
            if shares and max(shares) >= _INSIDE:
                pairs[i] = shares.index(max(shares))
    return pairs
