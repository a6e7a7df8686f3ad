"""Reception, steps 1 and 2 of an edit: pixels canonical, the call bound, picture and words looked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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
from consent_edit.pipelines.signature import BoundCall, bind
from consent_edit.request import EditRequest, canonical
from consent_edit.vocabulary import CheckOutcome, Intent, Operation

NOBODY: Final = Proven(thumbprint="", nonce="", until=0)
"""Whose key signed where no proof was given; no grant names it."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Received:
    """A request as everything after works on it.

    Attributes:
        at: When it was received, unix seconds; no later reading of the clock may come before it.
        masks: Mask argument -> the plain mask, where the pipeline takes one.
        operations: Asked for, read in the words, and reached by the mask.
        presentations: Opened; nothing of them verified.
        proof: Whose key signed for this request; :data:`NOBODY` where none did.
    """

    at: int
    call: BoundCall
    image: CanonicalImage
    masks: Mapping[str, CanonicalImage]
    seen: ImageObservation
    prompt: PromptObservation
    operations: frozenset[Operation]
    presentations: tuple[Presentation, ...]
    proof: Proven

    @property
    def images(self) -> dict[str, CanonicalImage]:
        """Picture argument -> the canonical pixels that were looked at."""
        return {self.call.family.image_arguments[0]: self.image, **self.masks}

    @property
    def call_digest(self) -> str:
        """Digest over the call and the pixels it was judged by; a clearance is for exactly this."""
        return self.call.digest({name: image.digest for name, image in self.images.items()})


def receive(
    request: EditRequest, pipeline: object, family: Family, operator: Operator, perception: Perception
) -> Received:
    """Take a request in.

    Raises:
        InputError: the picture, the words or the arguments cannot be used (``input.*``).
        CheckFailed: perception looked at another picture.
        StoreUnavailable: the clock stands before the log, or the log cannot be read.
    """
    image = canonical(request.image)
    presentations = _opened(request, operator)
    texts = dict(zip(family.text_arguments, (request.prompt, request.negative_prompt), strict=False))
    if request.negative_prompt and len(texts) < 2:
        raise ArgumentRejected(f"{family.name} takes no negative prompt")
    masks = _masks(request, family, image)
    pictures = {family.image_arguments[0]: image, **masks}
    named = set(request.settings) & {*pictures, *texts}
    if named:
        raise ArgumentRejected(f"{min(named)} is a field of the request, not a setting")
    call = bind(pipeline, family, (), {**pictures, **request.settings, **texts})
    at = operator.clock()
    operator.store.check_clock(at)  # what could not be logged is not begun
    proof = _proven(request, operator, image.digest, at)
    seen = perception.observe_image(image)
    if seen.digest != image.digest:
        raise CheckFailed("another picture was looked at", code="check.observation")
    prompt = perception.read_prompt([call.prompt], negative=call.negative_texts)
    looked = all(run.outcome is CheckOutcome.RAN for run in seen.checks)  # else: refused for the check
    if looked and len(presentations) > len(seen.faces):
        raise InputError(
            "there are more presentations than faces",
            code="input.presentations",
            remedy="present the consent of the people depicted only, once each",
        )
    operations = _operations(request, prompt, family, bool(masks))
    for one in masks.values():
        reach = perception.observe_change(image, painted_over(image, one), seen, seen, Origin.of(seen))
        prompt, operations = under_mask(prompt, operations, reach)
    return Received(at, call, image, masks, seen, prompt, operations, presentations, proof)


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
    return {family.mask_argument: plain_mask(canonical(request.mask), image)}


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
