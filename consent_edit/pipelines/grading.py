"""The built-in editor: a small diffusers pipeline that grades the colours of a picture as a sentence asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from diffusers.utils import logging
from PIL import Image
from safetensors import SafetensorError

from consent_edit.errors import ArgumentRejected, ModelUnavailable
from consent_edit.pipelines import grading_colour as colour
from consent_edit.pipelines.grading_looks import EXAMPLES, LOOKS, borne_out, effects
from consent_edit.pipelines.grading_model import GradingDenoiser
from consent_edit.pipelines.grading_words import unreadable, word_features

if TYPE_CHECKING:
    from consent_edit.perception.prompt.sentences import SentenceEncoder

SLIDER_SCALE: Final = 2.5
"""The model sees sliders times this, so that its data spread about as wide as its noise."""

START_NOISE: Final = 0.25
"""Scale of the initial noise: less than one trades variety, which nobody asked for, for fidelity."""

# A look is asked for where its reading is at least SURE; anything else above UNSURE is doubt, and refused.
# Chosen on a fifth of the training phrase groups, never on the third kept aside; figures in the model card.
SURE: Final = 0.6
UNSURE: Final = 0.4

MAX_PROMPT: Final = 300
MAX_STEPS: Final = 100
_WEIGHTS: Final = Path(__file__).resolve().parent / "weights" / "grading"


def _not_this_editor() -> ArgumentRejected:
    return ArgumentRejected(
        "not something this editor does: it only grades the colours of a whole picture",
        code="input.not-this-editor",
        remedy="ask in English, French, Spanish or German for something like: " + "; ".join(EXAMPLES),
    )


class GradingPipeline(DiffusionPipeline):  # type: ignore[misc]  # diffusers is untyped
    """Grades colours: DDIM over seventeen sliders, conditioned on a sentence and on the picture's statistics.

    It changes no geometry and adds no content: every pixel is looked up in one table of colours.

    Args:
        scheduler: A DDIM scheduler that predicts the sample, with zero terminal SNR.
        denoiser: The network that denoises the sliders and reads the sentence.
    """

    def __init__(self, scheduler: DDIMScheduler, denoiser: GradingDenoiser) -> None:
        super().__init__()
        self.register_modules(scheduler=scheduler, denoiser=denoiser)
        self._encoder: SentenceEncoder | None = None

    @classmethod
    def shipped(cls) -> GradingPipeline:
        """The pipeline with the weights inside the package; nothing is fetched.

        Raises:
            ModelUnavailable: the weights are missing or cannot be loaded.
        """
        try:
            with _no_loading_bar():
                pipe = cls.from_pretrained(str(_WEIGHTS), local_files_only=True, low_cpu_mem_usage=False)
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise ModelUnavailable(
                "the built-in editor's weights are missing or damaged", remedy="reinstall consent-edit"
            ) from error
        if not isinstance(pipe, cls):
            raise ModelUnavailable("the built-in editor's folder holds another pipeline")
        pipe.set_progress_bar_config(disable=None)  # progress on terminals only
        return pipe

    def check_inputs(
        self, prompt: str, image: Image.Image, num_inference_steps: int, strength: float, output_type: str
    ) -> None:
        """Refuse arguments this pipeline does not take.

        Raises:
            ArgumentRejected: with code ``input.argument``, or ``input.not-this-editor`` for an empty or
                overlong prompt.
        """
        if not isinstance(prompt, str):
            raise ArgumentRejected("prompt must be one string")
        if any("\ud800" <= letter <= "\udfff" for letter in prompt):
            raise ArgumentRejected("prompt holds half a character, which is no text")
        if not prompt.strip() or len(prompt) > MAX_PROMPT:
            raise _not_this_editor()
        if not isinstance(image, Image.Image) or image.mode != "RGB" or 0 in image.size:
            raise ArgumentRejected("image must be one PIL image of mode RGB")
        if type(num_inference_steps) is not int or not 1 <= num_inference_steps <= MAX_STEPS:
            raise ArgumentRejected(f"num_inference_steps must be a whole number from 1 to {MAX_STEPS}")
        if type(strength) not in {int, float} or not 0 <= strength <= 1:
            raise ArgumentRejected("strength must be a number from 0 to 1")
        if output_type != "pil":
            raise ArgumentRejected("output_type must be 'pil'")

    @torch.no_grad()
    def __call__(  # noqa: PLR0917  # the order a diffusers pipeline is called in
        self,
        prompt: str,
        image: Image.Image,
        num_inference_steps: int = 8,
        strength: float = 1.0,
        generator: torch.Generator | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[list[Image.Image]]:
        """Grade a picture.

        Args:
            prompt: What to do, in English, French, Spanish or German, at most 300 characters.
            image: The picture, mode RGB, any size.
            num_inference_steps: Denoising steps.
            strength: How much of the edit to apply, 0 to 1.
            generator: A CPU generator; equal seeds give equal pictures.
            output_type: ``pil`` only.
            return_dict: False returns a tuple, as diffusers has it.

        Returns:
            An output whose ``images`` holds one RGB picture of the same size.

        Raises:
            ArgumentRejected: an argument out of range, or (``input.not-this-editor``) a prompt that is not,
                or not clearly, colour grading.
            ModelUnavailable: the sentence encoder is missing or damaged.
        """
        self.check_inputs(prompt, image, num_inference_steps, strength, output_type)
        sentence = self._embed(prompt)
        looks = self._read(sentence)
        pixels = np.asarray(image, dtype=np.uint8)
        figures = colour.statistics(colour.thumbnail(pixels))
        sliders = self._denoise(sentence, figures, num_inference_steps, generator)
        self._check_polarity(sliders, looks)
        out = Image.fromarray(self._render(pixels, colour.bake(sliders * np.float32(strength))))
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=[out]) if return_dict else ([out],)

    def _embed(self, prompt: str) -> torch.Tensor:
        """The prompt as the model takes it, (1, 512 + words); the encoder is loaded once a pipeline."""
        if self._encoder is None:
            from consent_edit.perception.prompt.sentences import SentenceEncoder

            self._encoder = SentenceEncoder()
        embedded = np.asarray(self._encoder.embed([prompt]), dtype=np.float32)
        if not np.isfinite(embedded).all() or not 0.9 < float(np.linalg.norm(embedded)) < 1.1:
            raise _not_this_editor()
        words = word_features(prompt)
        if unreadable(prompt) or not words.any():
            raise _not_this_editor()
        joined = torch.from_numpy(np.concatenate([embedded[0], words])[None])
        return joined.to(self.denoiser.device, self.denoiser.dtype)

    def _read(self, sentence: torch.Tensor) -> tuple[str, ...]:
        """The one or two looks asked for, where the readers together are sure; refuses when in doubt."""
        *known, something_else = self.denoiser.read(sentence)[0].tolist()
        asked = tuple(name for name, share in zip(LOOKS, known, strict=True) if share >= SURE)
        doubtful = any(UNSURE < share < SURE for share in known) or not something_else <= UNSURE
        if doubtful or not 1 <= len(asked) <= 2:
            raise _not_this_editor()
        return asked

    def _denoise(
        self,
        sentence: torch.Tensor,
        figures: colour.Floats,
        steps: int,
        generator: torch.Generator | None,
    ) -> colour.Floats:
        """The seventeen sliders, each in [-1, 1], after ``steps`` steps of the scheduler."""
        device, dtype = self.denoiser.device, self.denoiser.dtype
        statistics = torch.from_numpy(figures)[None].to(device, dtype)
        self.scheduler.set_timesteps(steps, device=device)
        sample = torch.randn((1, len(colour.SLIDERS)), generator=generator).to(device, dtype) * START_NOISE
        with self.progress_bar(total=steps) as bar:
            for timestep in self.scheduler.timesteps:
                clean = self.denoiser(sample, timestep[None], sentence, statistics)
                sample = self.scheduler.step(clean, timestep, sample, generator=generator).prev_sample
                bar.update()
        sliders = sample[0].float().cpu().numpy() / SLIDER_SCALE
        return np.clip(sliders, -1.0, 1.0).astype(np.float32)

    def _check_polarity(self, sliders: colour.Floats, looks: tuple[str, ...]) -> None:
        """Refuse when what the sliders do to the colour cube is not what was read."""
        measured = effects(colour.lattice(), colour.bake(sliders))
        if not all(borne_out(look, measured) for look in looks):
            raise _not_this_editor()

    def _render(self, pixels: colour.Pixels, table: colour.Floats) -> colour.Pixels:
        """Apply the baked table at full resolution: (H, W, 3) uint8 -> (H, W, 3) uint8."""
        return colour.apply_table(pixels, table)


@contextmanager
def _no_loading_bar() -> Iterator[None]:
    """Two small files need no bar; the host's own setting is put back."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
