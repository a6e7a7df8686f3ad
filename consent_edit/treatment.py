"""Treatment: the remedies asked for, carried out around an edit; what they make is looked at and judged."""

from __future__ import annotations

from collections.abc import Collection

from consent_edit.ancestry import first_of_part, first_picture
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import ImageObservation, Origin, Perception
from consent_edit.reception import Received, Treatment, retaken
from consent_edit.remedies.anonymise import anonymised, remembered
from consent_edit.remedies.crop import Window, crop_window
from consent_edit.remedies.kinds import Remedy
from consent_edit.remedies.lineage import after_anonymising, after_crop
from consent_edit.remedies.preserve import is_preserved, preserved
from consent_edit.request import EditRequest
from consent_edit.store.store import Store
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import CheckOutcome, Operation

Boxes = tuple[tuple[int, int, int, int], ...]

_OF_EVERYBODY = frozenset({Operation.TONE})
"""What is done to people without consent as to everybody: put back in the old tone they would stand out."""


def treated(
    request: EditRequest, received: Received, consenting: Collection[int], perception: Perception
) -> Received:
    """The request over what anonymising or cropping makes of its picture; as it came where nothing is to do.

    Where a check gave no answer nobody knows who is a bystander: then nothing is done, and the gate refuses.

    Args:
        received: As it came.
        consenting: Faces whose people consent, indices into ``received.seen.faces``.

    Raises:
        InputError: ``input.anonymise`` or ``input.crop``: it cannot be carried out on this picture.
        CheckFailed: perception looked at another picture.
    """
    image, seen = received.image, received.seen
    if any(run.outcome is not CheckOutcome.RAN for run in seen.checks):
        return received
    whole = Window(0, 0, image.width, image.height)
    if request.crop:
        window = crop_window(seen, consenting)
        if window == whole:
            return received
        cut = Treatment(image, seen, Remedy.CROP, window)
        return retaken(request, received, perception, cut, window.of(image), lambda second: second)
    painted = anonymised(image, seen.faces, consenting) if request.anonymise else image
    if painted is image:
        return received

    def remembering(second: ImageObservation) -> ImageObservation:
        return remembered(seen, second, consenting)

    over = Treatment(image, seen, Remedy.ANONYMISE, whole)
    return retaken(request, received, perception, over, painted, remembering)


def put_back(request: EditRequest, received: Received, made: CanonicalImage) -> CanonicalImage:
    """What the pipeline made, with those put back who are to be preserved; nobody has looked at it yet."""
    return preserved(made, received.image, received.seen) if _preserves(request, received) else made


def carried_out(request: EditRequest, received: Received) -> tuple[Remedy, ...]:
    """Every remedy that the finished file bears."""
    before = () if received.treatment is None else (received.treatment.remedy,)
    return (*before, Remedy.PRESERVE) if _preserves(request, received) else before


def lineage(store: Store, received: Received, perception: Perception, limits: Thresholds) -> Origin:
    """The first picture of the chain that the picture handed in is the newest of, as the edit sees it.

    Of a part of it the chain of the part counts as well: it may be a released picture itself.

    Raises:
        StoreUnavailable: the store cannot be read.
        CheckFailed: what is kept of the first picture cannot be read.
    """
    treatment = received.treatment
    if treatment is None:
        return first_picture(store, received.image, received.seen, perception, limits)
    origin = first_picture(store, treatment.handed_in, treatment.seen, perception, limits)
    if treatment.remedy is Remedy.CROP:
        whole = after_crop(origin, treatment.handed_in, treatment.window)
        return first_of_part(store, whole, received.image, received.seen, perception, limits)
    return after_anonymising(origin, treatment.handed_in, received.image)


def shown_boxes(received: Received, boxes: Boxes) -> Boxes:
    """Boxes in the picture edited, in that handed in: a refusal points into what the requester has."""
    if received.treatment is None:
        return boxes
    window = received.treatment.window
    return tuple((x + window.left, y + window.top, width, height) for x, y, width, height in boxes)


def _preserves(request: EditRequest, received: Received) -> bool:
    """Whether anybody is put back after the edit."""
    asked = bool(request.preserve) and not received.operations <= _OF_EVERYBODY
    return asked and any(map(is_preserved, received.seen.people))
