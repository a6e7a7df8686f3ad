"""A look at a long run half-way: what is plainly nude by then is refused without waiting for its end.

It can only refuse, and only on what is plainly seen. A run too short for it, a scheduler or vae that gives no
clean picture, a look that fails or comes late: then the run goes on, and its output is checked as any other.
Half-way a picture is blurred, and before that classifiers flag noise; so the bar is far higher than the final
one, and both families must see it. The look has a thread of its own, so that the run does not wait for it.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from consent_edit.assembly import Assembled
from consent_edit.assembly.people import assembled
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.exposure.views import SECOND, WHOLE
from consent_edit.perception.observation import CheckRun, ExposureReading, ImageObservation
from consent_edit.pipelines.watch import Step
from consent_edit.vocabulary import IMAGE_CHECKS, CheckName, CheckOutcome, Exposure, PersonKind, Stage

if TYPE_CHECKING:
    import torch

SHORTEST: Final = 20
"""Steps of a run from which it is looked at half-way; of fewer, half-way is nothing yet."""

_SIDE: Final = 48
"""Latents along the longer side that are decoded: the models look at 224 px, and these make 384."""

Look = Callable[[CanonicalImage], ImageObservation]


@dataclass(slots=True, eq=False)
class Preview:
    """The look at one run.

    Attributes:
        pipeline: The pipeline that runs.
        size: Width and height at which it works.
        look: Looks at a picture; called in another thread.
        bar: Score from which a picture is plainly nude (``Thresholds.preview_nude``).
        found: What was seen, where it refuses; empty as long as it does not.
    """

    pipeline: object
    size: tuple[int, int]
    look: Look
    bar: float
    found: tuple[ImageObservation, ...] = ()
    _begun: bool = field(default=False)

    def glance(self, step: Step) -> None:
        """Take half-way's step up; any other, and whatever gives no clean picture, is passed over."""
        if self._begun or step.total < SHORTEST or 2 * step.number < step.total:
            return
        self._begun = True
        with suppress(Exception):
            pixels = _decoded(self.pipeline, _clean(self.pipeline.scheduler, step), self.size)  # type: ignore[attr-defined]
            threading.Thread(
                target=self._seen, args=(pixels,), name="consent-edit-preview", daemon=True
            ).start()

    def _seen(self, pixels: CanonicalImage) -> None:
        with suppress(Exception):
            seen = self.look(pixels)
            if seen.digest == pixels.digest and plainly_nude(seen, self.bar):
                self.found = (seen,)


def plainly_nude(seen: ImageObservation, bar: float) -> bool:
    """Whether every check ran, and the picture is sure to be nude."""
    ran = all(run.outcome is CheckOutcome.RAN for run in seen.checks)
    return ran and sure(seen.exposure.picture, bar)


def sure(picture: ExposureReading, bar: float) -> bool:
    """Whether a picture reads nude, and both families are sure of it in the whole of it; one does not do."""
    scores = [picture.scores.get(name, 0.0) for name in (WHOLE, WHOLE + SECOND)]
    return picture.value in (Exposure.NUDE, Exposure.EXPLICIT) and min(scores) >= bar


def preview_facts(before: Assembled, seen: ImageObservation, words: tuple[CheckRun, ...]) -> Assembled:
    """Facts of the preview: those of the input, and what was seen half-way, on nobody in particular.

    Args:
        before: Of the input stage.
        words: The runs that read the request's words.
    """
    shown = seen.exposure.picture.value
    persons = [
        replace(person, exposure=shown) if person.kind is PersonKind.UNSEEN else person
        for person in before.facts.persons
    ]
    made = assembled(
        Stage.PREVIEW,
        persons=persons,
        boxes=(),
        pictures=before.pictures,
        operations=before.facts.operations,
        required=[(seen.checks, IMAGE_CHECKS), (words, frozenset({CheckName.PROMPT_INTENT}))],
        runs=(*seen.checks, *words),
        environment=before.facts.environment,
        consents=before.consents,
    )
    return replace(made, boxes=before.boxes, remedies=before.remedies)


def _clean(scheduler: object, step: Step) -> torch.Tensor:
    """What the scheduler takes the finished latents to be, from this step.

    Raises:
        LookupError: it is of a kind that does not say.
    """
    if isinstance(step.made, tuple) and len(step.made) > 1:  # Euler, DDIM, DDPM, LCM: beside the next sample
        return step.made[1]  # type: ignore[no-any-return]
    config = getattr(scheduler, "config", None)
    solver = str(getattr(config, "algorithm_type", ""))
    if solver.endswith("++") or getattr(config, "predict_x0", False):  # DPM-Solver++ and UniPC keep it
        return scheduler.model_outputs[-1]  # type: ignore[attr-defined,no-any-return]
    if type(scheduler).__name__.startswith("FlowMatchEuler"):
        bound = inspect.signature(type(scheduler).step).bind(scheduler, *step.arguments, **step.keywords)  # type: ignore[attr-defined]
        sigma = scheduler.sigmas[scheduler.step_index - 1]  # type: ignore[attr-defined]
        given = bound.arguments
        return given["sample"] - sigma * given["model_output"]  # type: ignore[no-any-return]
    raise LookupError("a scheduler that does not say")


def _decoded(pipeline: object, latents: torch.Tensor, size: tuple[int, int]) -> CanonicalImage:
    """Latents as a small picture, by the vae's own method: the watch is not told of it.

    Raises:
        LookupError: latents of another layout, a vae that is moved about, or pixels that are no numbers.
    """
    import torch

    vae = pipeline.vae  # type: ignore[attr-defined]
    if hasattr(vae, "_hf_hook"):  # decoding would send the network that draws away in the middle of its run
        raise LookupError("an offloaded vae")
    if latents.ndim == 3:
        width, height = size
        latents = type(pipeline)._unpack_latents(latents, height, width, pipeline.vae_scale_factor)  # type: ignore[attr-defined]
    if latents.ndim not in (4, 5):
        raise LookupError("latents of another layout")
    with torch.no_grad():
        flat = _scaled(latents[:1, :, 0] if latents.ndim == 5 else latents[:1], vae.config)
        share = _SIDE / max(*flat.shape[-2:], _SIDE)
        sides = [max(1, round(side * share)) for side in flat.shape[-2:]]
        flat = torch.nn.functional.interpolate(flat.float(), sides, mode="area").to(vae.dtype)
        made = type(vae).decode(vae, flat.unsqueeze(2) if latents.ndim == 5 else flat, return_dict=False)[0]
        shown = (made[:, :, 0] if made.ndim == 5 else made)[0].float()
        if not bool(torch.isfinite(shown).all()):
            raise LookupError("pixels that are no numbers")
        pixels = ((shown / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return CanonicalImage.of(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def _scaled(latents: torch.Tensor, config: object) -> torch.Tensor:
    """Latents as the vae takes them, by what its configuration says of them."""
    import torch

    scale = getattr(config, "scaling_factor", None) or 1.0
    means, spreads = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if means is None or spreads is None:
        return latents / scale + (getattr(config, "shift_factor", None) or 0.0)
    mean, spread = (torch.tensor(one).view(1, -1, 1, 1).to(latents) for one in (means, spreads))
    return latents * spread / scale + mean
