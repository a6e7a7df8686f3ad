"""Reception, steps 1 and 2 of an edit: pixels canonical, the call bound, picture and words looked at once."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from consent_edit.errors import ArgumentRejected, CheckFailed, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode, from_pil
from consent_edit.operator import Operator
from consent_edit.perception.observation import ImageObservation, Perception, PromptObservation
from consent_edit.pipelines.families import Family
from consent_edit.pipelines.signature import BoundCall, bind
from consent_edit.request import EditRequest, Picture
from consent_edit.vocabulary import CheckOutcome, Intent, Operation


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Received:
    """A request as everything after works on it.

    Attributes:
        at: When it was received, unix seconds; no later reading of the clock may come before it.
        operations: Asked for and read in the words.
    """

    at: int
    call: BoundCall
    image: CanonicalImage
    seen: ImageObservation
    prompt: PromptObservation
    operations: frozenset[Operation]

    @property
    def images(self) -> dict[str, CanonicalImage]:
        """Picture argument -> the canonical pixels that were looked at."""
        return {self.call.family.image_arguments[0]: self.image}

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
    image = _canonical(request.image)
    texts = dict(zip(family.text_arguments, (request.prompt, request.negative_prompt), strict=False))
    if request.negative_prompt and len(texts) < 2:
        raise ArgumentRejected(f"{family.name} takes no negative prompt")
    call = bind(pipeline, family, (), {family.image_arguments[0]: image, **request.settings, **texts})
    at = operator.clock()
    operator.store.check_clock(at)  # what could not be logged is not begun
    seen = perception.observe_image(image)
    if seen.digest != image.digest:
        raise CheckFailed("another picture was looked at", code="check.observation")
    prompt = perception.read_prompt([call.prompt], negative=call.negative_texts)
    looked = all(run.outcome is CheckOutcome.RAN for run in seen.checks)  # else: refused for the check
    if looked and len(request.presentations) > len(seen.faces):
        raise InputError(
            "there are more presentations than faces",
            code="input.presentations",
            remedy="present the consent of the people depicted only, once each",
        )
    return Received(at, call, image, seen, prompt, _operations(request, prompt, family))


def _canonical(picture: Picture) -> CanonicalImage:
    if isinstance(picture, CanonicalImage):  # never a digest that somebody else computed, nor past the limits
        return from_pil(Image.fromarray(CanonicalImage.of(picture.pixels).pixels))
    return decode(picture).image if isinstance(picture, bytes) else from_pil(picture)


def _operations(request: EditRequest, prompt: PromptObservation, family: Family) -> frozenset[Operation]:
    """Asked and read. Words that were not understood may ask for anything the pipeline can do."""
    operations = request.operations | prompt.operations
    if prompt.intent is Intent.UNDETERMINED or len(family.capabilities) == 1:
        operations |= family.capabilities
    if not operations:
        raise InputError(
            "the words do not say which operation this edit is",
            code="input.operation",
            remedy="name it in EditRequest.operations, for example background, hair or tone",
        )
    return operations
