"""What two exposure families say together of a view: the worst counts, with one narrow exception.

The operating point is OpenNSFW's: .2 on the whole picture, where its recall was published, and .3 on crops,
which only add to it. The second family, where it is installed, adds hits of its own, and takes away only one
kind: below .5, in a view in which *nobody* is found, neither a face however doubtful nor a body, and which it
calls neutral by nine to one. A view that shows somebody is never excused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consent_edit.perception.exposure.views import SECOND, SUGGESTIVE, WHOLE, View
from consent_edit.perception.observation import ExposureReading, worst_exposure
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Exposure


@dataclass(frozen=True, slots=True)
class Answer:
    """What the second family says of one view; both 0 to 1.

    Attributes:
        nude: Photographs and drawings of nudity or sex.
        suggestive: Swimwear, underwear and poses.
    """

    nude: float
    suggestive: float


@dataclass(frozen=True, slots=True)
class Look:
    """One view, and what was seen there.

    Attributes:
        score: OpenNSFW's, 0 to 1.
        second: The second family's answer; ``None`` where it is not installed.
        anybody: Whether a face, a possible face or a body that was found stands in it.
    """

    view: View
    score: float
    second: Answer | None
    anybody: bool


def value_of(look: Look, limits: Thresholds) -> Exposure:
    """What one view shows."""
    whole = look.view.name == WHOLE
    if look.second is not None and whole and _second_says_nude(look.score, look.second, limits):
        return Exposure.NUDE
    if _excused(look, limits):
        return Exposure.NONE
    if look.score >= (limits.exposure_nude_whole if whole else limits.exposure_nude_crop):
        return Exposure.NUDE
    if look.score >= (limits.exposure_suggestive_whole if whole else limits.exposure_suggestive_crop):
        return Exposure.SUGGESTIVE
    return Exposure.NONE


def _second_says_nude(score: float, second: Answer, limits: Thresholds) -> bool:
    """Sure of itself, or likely and the first family not clear of it either."""
    if second.nude >= limits.exposure_second_whole:
        return True
    return second.nude >= limits.exposure_second_agrees and score >= limits.exposure_agreed_whole


def _excused(look: Look, limits: Thresholds) -> bool:
    """A score below .5 where nobody is found and the second family sees nothing either."""
    if look.second is None or look.anybody or look.score >= limits.exposure_excused:
        return False
    return look.second.nude + look.second.suggestive < limits.exposure_neutral


def reading_of(looks: Sequence[Look], limits: Thresholds) -> ExposureReading:
    """The worst value over some views, with every score; ``NONE`` without scores where there are none."""
    worst = worst_exposure(Exposure.NONE, *(value_of(look, limits) for look in looks))
    return ExposureReading(worst, _scores(looks))


def _scores(looks: Sequence[Look]) -> Mapping[str, float]:
    """View, and view with the second family's ending -> score; of several views of one name the highest."""
    told: dict[str, float] = {}
    for look in looks:
        scores = {look.view.name: look.score}
        if look.second is not None:
            scores[look.view.name + SECOND] = look.second.nude
            scores[look.view.name + SUGGESTIVE] = look.second.suggestive
        for name, score in scores.items():
            told[name] = max(score, told.get(name, 0.0))
    return told
