"""Reception, steps 1 and 2 of an edit: pixels canonical, the call bound, picture and words looked at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, cast

from consent_edit.assembly import under_mask
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.proof import Proven, verify_proof
from consent_edit.errors import ArgumentRejected, CheckFailed, ConsentInvalid, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.mask import painted_over, plain_mask
from consent_edit.operator import Operator
from consent_edit.perception.observation import (
    ImageObservation,
    Origin,
    Perception,
    PromptObservation,
)
from consent_edit.pipelines.families import Family
from consent_edit.pipelines.signature import BoundCall, bind, check_sizes
from consent_edit.remedies.crop import Window
from consent_edit.remedies.kinds import Remedy
from consent_edit.request import EditRequest, Picture, canonical
from consent_edit.vocabulary import CheckOutcome, Intent, Operation

NOBODY: Final = Proven(thumbprint="", nonce="", until=0)
"""Whose key signed where no proof was given; no grant names it."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FurtherPicture:
    """A picture beside the one edited, that steers the edit or is drawn from.

    Attributes:
        place: Its name in the call: ``control_image``, or ``image[1]`` within a list.
    """

    place: str
    image: CanonicalImage
    seen: ImageObservation

    @property
    def photo(self) -> str:
        """Digest of the picture as it was handed in."""
        return self.image.digest


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Treatment:
    """What became of the picture handed in before anything was decided about it.

    Attributes:
        handed_in: The picture that was handed in, whose digest grants name.
        seen: What it shows.
        remedy: What was done to it.
        window: The part of it that is edited; all of it but where it was cropped.
    """

    handed_in: CanonicalImage
    seen: ImageObservation
    remedy: Remedy
    window: Window


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Received:
    """A request as everything after works on it.

    Attributes:
        at: When it was received, unix seconds; no later reading of the clock may come before it.
        image: The picture edited.
        masks: Mask argument -> the plain mask, where the pipeline takes one.
        pictures: The further pictures, each as it was taken in and looked at.
        seen: What the picture edited shows.
        operations: Asked for, read in the words, and reached by the mask.
        presentations: Opened; nothing of them verified.
        proof: Whose key signed for this request; :data:`NOBODY` where none did.
        treatment: What was done to the picture handed in, where it is not the one edited.
    """

    at: int
    call: BoundCall
    image: CanonicalImage
    masks: Mapping[str, CanonicalImage]
    pictures: tuple[FurtherPicture, ...]
    seen: ImageObservation
    prompt: PromptObservation
    operations: frozenset[Operation]
    presentations: tuple[Presentation, ...]
    proof: Proven
    treatment: Treatment | None = None

    @property
    def photo(self) -> str:
        """Digest of the picture as it was handed in, which is what grants name."""
        return self.image.digest if self.treatment is None else self.treatment.handed_in.digest

    @property
    def images(self) -> dict[str, CanonicalImage]:
        """Picture argument, or place of a further picture -> the canonical pixels that were looked at."""
        further = {one.place: one.image for one in self.pictures}
        return {self.call.family.image_arguments[0]: self.image, **self.masks, **further}

    @property
    def call_digest(self) -> str:
        """Digest over the call and the pixels it was judged by; a clearance is for exactly this."""
        return self.call.digest({name: image.digest for name, image in self.images.items()})


def receive(
    request: EditRequest, pipeline: object, family: Family, operator: Operator, perception: Perception
) -> Received:
    """Take a request in.

    Raises:
        InputError: a picture, the words or the arguments cannot be used (``input.*``).
        CheckFailed: perception looked at another picture.
        StoreUnavailable: the clock stands before the log, or the log cannot be read.
    """
    request = _taken_in(request, family)
    image = _taken(request.image)
    masks = _masks(request, family, image)
    call = _call(request, pipeline, family, image, masks)
    presentations = _opened(request, operator)
    at = operator.clock()
    operator.store.check_clock(at)  # what could not be logged is not begun
    proof = _proven(request, operator, image.digest, at)
    seen = _look(image, perception)
    pictures = tuple(
        FurtherPicture(place, one, _look(one, perception))
        for name, several in request.further.items()
        for place, one in zip(family.places(name, len(several)), map(_taken, several), strict=True)
    )
    _as_many_as_faces(presentations, [seen, *(one.seen for one in pictures)])
    prompt, operations = _asked(request, call, perception, image, masks, seen)
    return Received(at, call, image, masks, pictures, seen, prompt, operations, presentations, proof)


def retaken(
    request: EditRequest,
    received: Received,
    perception: Perception,
    treatment: Treatment,
    image: CanonicalImage,
    remembering: Callable[[ImageObservation], ImageObservation],
) -> Received:
    """The same request over what a remedy made of the picture handed in: all of it is looked at again.

    Args:
        image: The changed picture, of the window's size.
        remembering: What is known of it beside what the second look finds.

    Raises:
        InputError: a mask or an argument does not fit the changed picture.
        CheckFailed: perception looked at another picture.
    """
    call = received.call
    check_sizes(call.family, call.settings, image)
    masks = {name: plain_mask(treatment.window.of(mask), image) for name, mask in received.masks.items()}
    seen = remembering(_look(image, perception))
    prompt, operations = _asked(request, call, perception, image, masks, seen)
    return replace(
        received,
        image=image,
        masks=masks,
        seen=seen,
        prompt=prompt,
        operations=operations,
        treatment=treatment,
    )


def _asked(
    request: EditRequest,
    call: BoundCall,
    perception: Perception,
    image: CanonicalImage,
    masks: Mapping[str, CanonicalImage],
    seen: ImageObservation,
) -> tuple[PromptObservation, frozenset[Operation]]:
    """What the words ask for, and the mask over this picture."""
    prompt = perception.read_prompt([call.prompt], negative=call.negative_texts)
    operations = _operations(request, prompt, call.family, bool(masks))
    for one in masks.values():
        reach = perception.observe_change(image, painted_over(image, one), seen, seen, Origin.of(seen))
        prompt, operations = under_mask(prompt, operations, reach)
    return prompt, operations


def _taken_in(request: EditRequest, family: Family) -> EditRequest:
    """The request with canonical pixels in place of every picture: each is read this once.

    Raises:
        InputError: a picture cannot be read, or is for an argument that takes no further picture.
    """
    given = dict(request.further)
    for name in given:
        if name not in family.further:
            raise ArgumentRejected(
                f"{family.name} takes no further picture as {name}",
                remedy=f"it takes: {', '.join(family.further) or 'none'}",
            )
    pictures = {name: tuple(map(canonical, several)) for name, several in given.items()}
    mask = None if request.mask is None else canonical(request.mask)
    own = {one.name: getattr(request, one.name) for one in fields(EditRequest)}
    return EditRequest(**{**own, "image": canonical(request.image), "mask": mask, "pictures": pictures})


def _taken(picture: Picture) -> CanonicalImage:
    """A picture of a request that was taken in."""
    return cast(CanonicalImage, picture)


def _call(
    request: EditRequest,
    pipeline: object,
    family: Family,
    image: CanonicalImage,
    masks: Mapping[str, CanonicalImage],
) -> BoundCall:
    """The call that the request comes to."""
    texts = dict(zip(family.text_arguments, (request.prompt, request.negative_prompt), strict=False))
    if request.negative_prompt and len(texts) < 2:
        raise ArgumentRejected(f"{family.name} takes no negative prompt")
    named = set(request.settings) & {*family.pictures, *texts}
    if named:
        raise ArgumentRejected(f"{min(named)} is a field of the request, not a setting")
    shown: dict[str, tuple[Picture, ...]] = {family.image_arguments[0]: (image,)}
    for name, several in request.further.items():
        shown[name] = (*shown.get(name, ()), *several)
    listed = {name: several if len(several) > 1 else several[0] for name, several in shown.items()}
    return bind(pipeline, family, (), {**listed, **masks, **request.settings, **texts})


def _look(image: CanonicalImage, perception: Perception) -> ImageObservation:
    seen = perception.observe_image(image)
    if seen.digest != image.digest:
        raise CheckFailed("another picture was looked at", code="check.observation")
    return seen


def _as_many_as_faces(presentations: Sequence[Presentation], pictures: Sequence[ImageObservation]) -> None:
    """At most one presentation a face; where a check did not run, the edit is refused for the check."""
    looked = all(run.outcome is CheckOutcome.RAN for seen in pictures for run in seen.checks)
    if looked and len(presentations) > sum(len(seen.faces) for seen in pictures):
        raise InputError(
            "there are more presentations than faces",
            code="input.presentations",
            remedy="present the consent of the people depicted only, once each",
        )


def _masks(request: EditRequest, family: Family, image: CanonicalImage) -> dict[str, CanonicalImage]:
    """The request's mask in plain black and white, for the families that take one; none for the others."""
    if request.mask is None:
        if family.mask_argument:
            raise InputError(
                f"{family.name} repaints under a mask, and none was given",
                code="input.mask",
                remedy="give EditRequest.mask, white where the picture may change",
            )
        return {}
    if not family.mask_argument:
        raise ArgumentRejected(f"{family.name} takes no mask")
    return {family.mask_argument: plain_mask(_taken(request.mask), image)}


def _opened(request: EditRequest, operator: Operator) -> tuple[Presentation, ...]:
    """The presentations, sealed ones opened."""
    try:
        return tuple(
            Presentation.opened(one, operator.opening_keys) if isinstance(one, str) else one
            for one in request.presentations
        )
    except ConsentInvalid as error:
        raise InputError(
            "a presentation cannot be opened: it is sealed to another service, or is none",
            code="input.presentation",
            remedy="have it made for this service's audience.json",
        ) from error


def _proven(request: EditRequest, operator: Operator, photo: str, now: int) -> Proven:
    """The key that signed for this very request; nobody's where no proof was given."""
    if not request.proof:
        return NOBODY
    try:
        digest = request.digest(photo)
        return verify_proof(request.proof, audience=operator.audience, request=digest, now=now)
    except ConsentInvalid as error:
        raise InputError(
            f"the proof does not hold: {error.message}",
            code="input.proof",
            remedy="sign a fresh proof over this very request, for this service",
        ) from error


def _operations(
    request: EditRequest, prompt: PromptObservation, family: Family, masked: bool
) -> frozenset[Operation]:
    """Asked and read. Words that were not understood may ask for anything the pipeline can do.

    Under a mask there may be no words: what it reaches says what is asked, and at the least it is an object.
    """
    operations = request.operations | prompt.operations
    if prompt.intent is Intent.UNDETERMINED or len(family.capabilities) == 1:
        operations |= family.capabilities
    if masked and not operations:
        return frozenset({Operation.OBJECT})
    if not operations:
        raise InputError(
            "the words do not say which operation this edit is",
            code="input.operation",
            remedy="name it in EditRequest.operations, for example background, hair or tone",
        )
    return operations
