"""The past of a picture that looks like released ones: where those came from, led into its own frame.

Whatever it looks like can only refuse more: exposure is compared with the picture itself, and also with the
least that any first picture showed; what was repainted is laid over the nearest one's small copy as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.pdq import Lie, Turn
from consent_edit.perception.change.sketch import opened, sketched
from consent_edit.perception.exposure.change import paired
from consent_edit.perception.observation import (
    Box,
    ExposureReading,
    ImageObservation,
    Origin,
    Perception,
    PictureExposure,
    Sketch,
    worst_exposure,
)
from consent_edit.vocabulary import Exposure

_APART: Final = 0.05
"""Share of the picture by which somebody may stand off: as far as a border that was cut is guessed."""

_SIZE: Final = 2.0
_LEFT, _RIGHT, _TOP, _BOTTOM = "left", "right", "top", "bottom"
_OPPOSITE: Final = {_LEFT: _RIGHT, _RIGHT: _LEFT, _TOP: _BOTTOM, _BOTTOM: _TOP}
_SWAPPED: Final = {_LEFT: _TOP, _TOP: _LEFT, _RIGHT: _BOTTOM, _BOTTOM: _RIGHT}

Numbers = NDArray[np.float64]


def recalled(
    found: Sequence[tuple[Origin, Lie]],
    image: CanonicalImage,
    seen: ImageObservation,
    perception: Perception,
) -> Origin:
    """The first picture of the chain that a picture goes on with: itself, and what it looks like.

    The nearest one's small copy is kept where the picture shows the same; where it shows something else
    already, before the edit, it is the picture's own past that counts, and no longer the copy's. A picture
    that cannot be laid over the copy is so compared with itself.

    Args:
        found: Where the released pictures that it looks like came from, and how it lies in each; the nearest
            first.
        image: The picture.
        seen: What was observed in it.
        perception: Lays the copy over it.

    Raises:
        CheckFailed: what is kept of a first picture cannot be read.
    """
    itself = Origin.of(seen)
    if not found:
        return itself
    pasts = [_led(past, lie, itself) for origin, lie in found for past in (origin, *origin.further)]
    begun = replace(itself, further=(_least(pasts),))
    nearest, lie = found[0]
    kept = _cut(nearest.sketch, lie)
    if not kept.picture:
        return begun
    laid = perception.observe_change(image, image, seen, seen, replace(itself, sketch=kept))
    return replace(begun, sketch=replace(kept, picture=laid.sketch or kept.picture))


def joined(first: Origin, other: Origin, itself: Origin) -> Origin:
    """A first picture of a chain, with another that the chain may have come from: the least of both counts.

    Args:
        first: Whose small copy is kept, where it has one.
        other: In the same frame.
        itself: The picture that goes on with both.
    """
    pasts = [_led(past, Lie(), itself) for past in (other, *other.further, *first.further)]
    sketch = first.sketch if first.sketch.picture else other.sketch
    return replace(first, sketch=sketch, further=(_least(pasts),))


def _led(past: Origin, lie: Lie, itself: Origin) -> Origin:
    """A first picture whose people stand where they stand in the picture; who is not in it is left out.

    Somebody of the picture who has no counterpart there has no past but in the picture as a whole.
    """
    exposure = past.exposure
    if len(exposure.persons) != len(past.boxes) or len(itself.exposure.persons) != len(itself.boxes):
        return replace(past, further=())  # no answer, as anywhere
    pairs = _same(itself.boxes, [_brought(box, lie) for box in past.boxes])
    persons = [
        exposure.persons[pairs[i]] if i in pairs else own for i, own in enumerate(itself.exposure.persons)
    ]
    whole, elsewhere = (_turned(one, lie.turn.undone) for one in (exposure.picture, exposure.elsewhere))
    return Origin(itself.boxes, PictureExposure(whole, tuple(persons), elsewhere))


def _brought(box: Box, lie: Lie) -> Box:
    """A box of the first picture in the one that lies in it so; both as shares."""
    turn = lie.turn.undone
    x = 1 - box.x - box.width if turn.across else box.x
    y = 1 - box.y - box.height if turn.along else box.y
    width, height = box.width, box.height
    if turn.swaps:
        x, y, width, height = y, x, height, width
    across, along = 1 + lie.left + lie.right, 1 + lie.top + lie.bottom
    return Box(x * across - lie.left, y * along - lie.top, width * across, height * along)


def _same(now: Sequence[Box], then: Sequence[Box]) -> Mapping[int, int]:
    """Who of ``now`` is who of ``then``: those at the same place, then the nearest of about their size."""
    pairs = dict(paired(now, then))
    taken = set(pairs.values())
    places = np.array([(box.x, box.y, box.width, box.height) for box in then], dtype=np.float64).reshape(
        -1, 4
    )
    near: list[tuple[float, int, int]] = []
    for i, box in enumerate(now):
        if i not in pairs:
            apart = _apart(box, places)
            close = (apart <= _APART) & _alike(box.width, places[:, 2]) & _alike(box.height, places[:, 3])
            near += [(float(apart[j]), i, int(j)) for j in np.flatnonzero(close)]
    for _, i, j in sorted(near):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs


def _apart(one: Box, others: Numbers) -> Numbers:
    """How far centres are from a box's, along the axis on which it is more; ``others`` float64 (n, 4)."""
    across = np.abs(one.x + one.width / 2 - others[:, 0] - others[:, 2] / 2)
    along = np.abs(one.y + one.height / 2 - others[:, 1] - others[:, 3] / 2)
    return np.asarray(np.maximum(across, along), dtype=np.float64)


def _alike(one: float, others: Numbers) -> NDArray[np.bool_]:
    return np.asarray((one <= _SIZE * others) & (others <= _SIZE * one), dtype=np.bool_)


def _turned(reading: ExposureReading, turn: Turn) -> ExposureReading:
    """A reading of a picture as one of it turned: its fixed crops change places."""
    return replace(reading, scores={_crop(name, turn): score for name, score in reading.scores.items()})


def _crop(name: str, turn: Turn) -> str:
    """What a fixed crop is called once the picture is turned; any other view as it is."""
    view, dot, family = name.partition(".")
    row, dash, column = view.partition("-")
    if not dash or row not in _OPPOSITE or column not in _OPPOSITE:
        return name
    row = _OPPOSITE[row] if turn.along else row
    column = _OPPOSITE[column] if turn.across else column
    if turn.swaps:
        row, column = _SWAPPED[column], _SWAPPED[row]
    return f"{row}-{column}{dot}{family}"


def _least(pasts: Sequence[Origin]) -> Origin:
    """The least that any of the first pictures showed, view by view: as strict as all of them together."""
    for past in pasts:
        if len(past.exposure.persons) != len(past.boxes) or past.boxes != pasts[0].boxes:
            return past  # no answer is the strictest
    exposures = [past.exposure for past in pasts]
    persons = zip(*(one.persons for one in exposures), strict=True)
    return Origin(
        pasts[0].boxes,
        PictureExposure(
            picture=_lowest([one.picture for one in exposures]),
            persons=tuple(_lowest(readings) for readings in persons),
            elsewhere=_lowest([one.elsewhere for one in exposures]),
        ),
    )


def _lowest(readings: Sequence[ExposureReading]) -> ExposureReading:
    """The lowest score of every view; a reading without a view counts there with its family's highest."""
    values = [one.value for one in readings]
    unread = Exposure.UNDETERMINED in values or not all(one.scores for one in readings)
    least = next(value for value in values if all(worst_exposure(value, one) is one for one in values))
    scores: dict[str, float] = {}
    for name in sorted({name for one in readings for name in one.scores}):
        scores[name] = min(_scores(readings, name))
    return ExposureReading(Exposure.UNDETERMINED if unread else least, scores)


def _scores(readings: Sequence[ExposureReading], name: str) -> Iterator[float]:
    """The score of a view in every reading whose family looked."""
    family = name.partition(".")[2]
    for one in readings:
        own = {view: score for view, score in one.scores.items() if view.partition(".")[2] == family}
        if own:
            yield own.get(name, max(own.values()))


def _cut(sketch: Sketch, lie: Lie) -> Sketch:
    """A small copy of what the picture shows of it; none where a band below would lie at another side."""
    if not sketch.picture or lie == Lie():
        return sketch
    turn = lie.turn.undone
    if sketch.rows < 1 and (turn.swaps or turn.along):
        return Sketch()
    pixels = turn.of(opened(sketch.picture).pixels)
    across, along = 1 + lie.left + lie.right, 1 + lie.top + lie.bottom
    top, bottom = lie.top / along, min((lie.top + 1) / along, sketch.rows)
    height, width = pixels.shape[0] / sketch.rows, pixels.shape[1]
    rows = slice(round(top * height), round(bottom * height))
    columns = slice(round(lie.left / across * width), round((lie.left + 1) / across * width))
    shown = np.ascontiguousarray(pixels[rows, columns])
    if 0 in shown.shape:
        return Sketch()
    return Sketch(sketched(shown), 1.0 if sketch.rows == 1 else min(1.0, (bottom - top) * along))
