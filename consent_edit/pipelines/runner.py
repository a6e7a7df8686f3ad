"""Runs a diffusers pipeline under a clearance: the only door to the pixels, and it opens once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import count, takewhile

import numpy as np
from PIL import Image

from consent_edit.clearance import Clearance
from consent_edit.errors import ArgumentRejected, CheckFailed, InputError, Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines.families import Family, Role, classify
from consent_edit.pipelines.families.family import Works
from consent_edit.pipelines.signature import BoundCall, check_sizes
from consent_edit.pipelines.watch import Progress, Step, Watch, watched


def run(
    pipeline: object,
    call: BoundCall,
    images: Mapping[str, CanonicalImage],
    clearance: Clearance,
    *,
    deadline_s: float,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Progress = lambda step, total: None,
    glance: Callable[[Step], object] = lambda step: None,
) -> CanonicalImage:
    """Run one cleared call and return the pixels it made.

    Args:
        images: Picture argument, or place of a further picture -> the canonical pixels that were checked;
            exactly these are sent, the one edited and its mask fitted to the sides that the family works at.
        clearance: Spent here; it must have been given for this very call and these very pixels.
        deadline_s: Seconds after which the run is aborted at its next step.
        cancelled: Asked at every step.
        progress: Told of every step done: which it was, and of how many.
        glance: Shown every step done; ours, and never a caller's.

    Returns:
        The pipeline's one picture as canonical pixels, in the picture's size cut to the family's multiple.

    Raises:
        ArgumentRejected: the pipeline changed its class or took on adapters since the call was bound, a size
            was asked for that is not the picture's, or the pipeline itself says that the call is not one it
            can do.
        CheckFailed: ``check.pipeline-*``: it raised, ran late, was cancelled, slipped its hooks, or returned
            something other than one picture of the size it was given.
    """
    clearance.spend(call.digest({name: image.digest for name, image in images.items()}))
    family = classify(pipeline)
    if family is not call.family:
        raise ArgumentRejected("the pipeline became one of another family", code="input.unsupported-pipeline")
    given = images[family.image_arguments[0]]
    check_sizes(family, call.settings, given)
    keywords: dict[str, object] = {**call.settings, **family.fixed}
    keywords |= {name: text for name, text in call.texts.items() if text or name == family.text_arguments[0]}
    keywords |= family.sizing.measured(given.width, given.height)
    keywords |= _sent(images, family)
    watch = Watch(deadline=time.monotonic() + deadline_s, cancelled=cancelled, progress=progress)
    watch.glance = glance
    try:
        try:
            with watched(pipeline, watch, family.hooks):
                output = type(pipeline).__call__(pipeline, **keywords)
            return _one_picture(output, family, given)
        finally:
            pipeline.maybe_free_model_hooks()  # type: ignore[attr-defined]
    except (InputError, Unavailable):  # what a pipeline may say; refusals and consent are not its to raise
        raise
    except Exception as error:  # a foreign pipeline may raise anything; none of it may leave
        raise CheckFailed(
            f"the pipeline failed with {type(error).__name__}", code="check.pipeline-failed"
        ) from error


def _sent(images: Mapping[str, CanonicalImage], family: Family) -> dict[str, object]:
    """Argument -> its picture, or the list of its pictures in the order of their places."""
    sent: dict[str, object] = {name: _fitted(image, family, name) for name, image in images.items()}
    for name in family.several:
        numbered = takewhile(sent.__contains__, (f"{name}[{number}]" for number in count(1)))
        behind = [sent.pop(place) for place in numbered]
        if behind:  # the picture edited comes first, where the list is its argument's
            sent[name] = [sent[name], *behind] if name in sent else behind
    return sent


def _fitted(image: CanonicalImage, family: Family, name: str) -> Image.Image:
    """The picture at the sides the family works at, as the pipelines would fit it; a mask stays two-toned.

    A further picture goes as it is: each pipeline fits it by itself, a control picture to the output's size.
    """
    picture = Image.fromarray(image.pixels)
    if family.pictures.get(name) not in {Role.EDITED, Role.MASK}:
        return picture
    size = family.sizing.working(image.width, image.height)
    if family.sizing.works is Works.ABOUT or size == picture.size:
        return picture  # fitted once, it would be fitted to another size again
    mask = family.pictures[name] is Role.MASK
    return picture.resize(size, Image.Resampling.NEAREST if mask else Image.Resampling.LANCZOS)


def _one_picture(output: object, family: Family, given: CanonicalImage) -> CanonicalImage:
    images = getattr(output, "images", None)
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], Image.Image):
        raise CheckFailed("the pipeline did not return one picture", code="check.pipeline-output")
    picture = images[0]
    if picture.mode != "RGB":
        raise CheckFailed("the pipeline returned a picture that is not RGB", code="check.pipeline-output")
    made = CanonicalImage.of(np.asarray(picture, dtype=np.uint8))
    if (made.width, made.height) != family.sizing.working(given.width, given.height):
        raise CheckFailed("the pipeline returned a picture of another size", code="check.pipeline-output")
    if family.sizing.works is Works.OWN:
        return made
    whole = (given.width, given.height)  # else no place means the same in both
    back = Image.fromarray(made.pixels).resize(whole, Image.Resampling.LANCZOS)
    return CanonicalImage.of(np.asarray(back, dtype=np.uint8))
