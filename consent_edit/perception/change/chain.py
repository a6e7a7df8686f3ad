"""The output over the first picture of its chain: many small steps are seen as the one repaint they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.difference import difference, overlaid, working
from consent_edit.perception.change.touched import Comparison, Laid, Place, Touched, repainted
from consent_edit.perception.observation import PersonObservation
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Region

_RIM: Final = 4  # pixels of the sketch around somebody within which what was repainted is of that repaint

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One edit, as it was laid over its input.

    Attributes:
        before: Size of the input, (width, height).
        people: Of the input.
        after: The output picture.
        after_people: Of the output.
        likely: How likely each pixel shows a person, float32 of the working size, over the input.
        after_likely: The same of the output, over the output.
        laid: The output over the input.
    """

    before: tuple[int, int]
    people: Sequence[PersonObservation]
    after: CanonicalImage
    after_people: Sequence[PersonObservation]
    likely: Floats
    after_likely: Floats
    laid: Laid


def since_first(first: CanonicalImage, rows: float, step: Step, limits: Thresholds) -> Laid:
    """Lay the output over the first picture, and say where everybody is there; no model looks again.

    Args:
        first: The small copy.
        rows: Share of the output's height, from the top, that it shows.
    """
    after = _top(step.after, rows)
    widths = [person.box.width * first.width / step.before[0] for person in step.people]
    widths += [person.box.width * first.width / after.width for person in step.after_people]
    how = working(first, min(widths, default=np.inf))
    found = difference(first, after, how)
    over = found.alignment.back(_scaled(_of(after), how.size))
    through = _through(step, over)
    looked = _size(step.likely)
    own = _warped(step.likely, _led(_scaled(step.before, looked), through), how.size)
    other = _warped(step.after_likely, _led(_scaled(_of(step.after), looked), over), how.size)
    least = limits.body_region
    return Laid.of(
        found,
        (own >= least, other >= least),
        (step.people, through),
        (step.after_people, over),
        exposed=step.laid.exposed,
    )


def worst(step: Comparison, since: Comparison, laid: Laid) -> Comparison:
    """What either comparison calls repainted; the tone is the step's.

    Args:
        since: Against the first picture.
        laid: As that was laid; who is not within it has no past there.
    """

    def both(now: Touched, then: Touched, shown: Sequence[bool]) -> Touched:
        return tuple(a | b if known else a for a, b, known in zip(now, then, shown, strict=True))

    return replace(
        step,
        people=both(step.people, since.people, [bool(one.everything().any()) for one in laid.here]),
        output_people=both(
            step.output_people, since.output_people, [bool(one.everything().any()) for one in laid.there]
        ),
        unseen=step.unseen | since.unseen,
        background=step.background or since.background,
    )


def renewed(
    first: CanonicalImage, rows: float, step: Step, laid: Laid, told: Comparison, limits: Thresholds
) -> NDArray[np.uint8]:
    """The picture to compare the next edit with, if this one is released: what it repainted is then allowed.

    The first picture, with the output's pixels (in the first picture's tone) in the regions that were
    touched, and off everybody where something was. All else of everybody stays as in the first picture.

    Args:
        first: The small copy.
        laid: The output over it.
        told: The worst of both comparisons.

    Returns:
        uint8 (height, width, 3) of the sketch.
    """
    allowed = np.zeros(laid.likely.shape, dtype=np.bool_)
    others = np.zeros_like(allowed)
    told_of = (*zip(laid.here, told.people, strict=True), *zip(laid.there, told.output_people, strict=True))
    for regions, touched in told_of:
        for region, where in regions.parts().items():
            if touched & {region, Region.UNDETERMINED}:
                allowed |= where
            else:
                others |= where
    seen, closely = repainted(laid.found, limits)
    kernel = np.ones((2 * _RIM + 1, 2 * _RIM + 1), dtype=np.uint8)
    others &= ~allowed
    allowed |= (cv2.dilate(allowed.astype(np.uint8), kernel) > 0) & (seen | closely) & ~others
    if told.background or told.unseen:
        elsewhere = ~others
        for regions in (*laid.here, *laid.there):
            elsewhere &= ~regions.everything()
        allowed |= elsewhere
    if not allowed.any():
        return first.pixels
    over = overlaid(first, _top(step.after, rows), laid.found)
    return np.where((allowed & laid.found.shown)[..., None], over, first.pixels)


def _top(image: CanonicalImage, rows: float) -> CanonicalImage:
    """The upper part of a picture."""
    height = max(1, round(image.height * rows))
    return image if height >= image.height else CanonicalImage.of(image.pixels[:height])


def _through(step: Step, over: Place) -> Place:
    """From the input's pixels, over the output as the step was laid, to where ``over`` leads the output's."""
    size = _size(step.likely)
    back = cv2.invertAffineTransform(_scaled(_of(step.after), size))
    moved = _whole(step.laid.found.alignment.matrix) @ _whole(_scaled(step.before, size))
    return np.asarray((_whole(over) @ _whole(back) @ moved)[:2], dtype=np.float64)


def _led(first: Place, second: Place) -> Place:
    """From where ``first`` leads some pixels to where ``second`` leads them."""
    return np.asarray((_whole(second) @ _whole(cv2.invertAffineTransform(first)))[:2], dtype=np.float64)


def _whole(place: Place) -> Place:
    """An affine map as a (3, 3) matrix."""
    return np.vstack([place, [0.0, 0.0, 1.0]])


def _warped(likely: Floats, place: Place, size: tuple[int, int]) -> Floats:
    """A map of one frame in another; nothing beyond its border."""
    return np.asarray(cv2.warpAffine(likely, place, size, flags=cv2.INTER_LINEAR), dtype=np.float32)


def _scaled(picture: tuple[int, int], size: tuple[int, int]) -> Place:
    """The affine map from a picture's pixels to another size, (2, 3); sizes are (width, height)."""
    return np.array([[size[0] / picture[0], 0, 0], [0, size[1] / picture[1], 0]], dtype=np.float64)


def _size(likely: Floats) -> tuple[int, int]:
    """Width and height."""
    return likely.shape[1], likely.shape[0]


def _of(image: CanonicalImage) -> tuple[int, int]:
    """Width and height."""
    return image.width, image.height
