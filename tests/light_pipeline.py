"""A pipeline that is the built-in editor by name and needs no torch: processes that use it start in a second.

``installed()`` puts it in the built-in editor's place in this process. It makes every pixel a little
brighter, so that a test can say which picture an edit must come to.
"""

from __future__ import annotations

import sys
import time
from types import ModuleType, SimpleNamespace

import numpy as np
from PIL import Image

from consent_edit.intake.canonical import CanonicalImage

_MODULE = "consent_edit.pipelines.grading"


def brightened(pixels: np.ndarray) -> np.ndarray:
    """What the pipeline makes of (H, W, 3) uint8 pixels."""
    return np.minimum(pixels.astype(np.uint16) + 5, 255).astype(np.uint8)


def expected(picture: CanonicalImage) -> str:
    """Pixel digest of what is released of a picture that nothing goes wrong with."""
    return CanonicalImage.of(brightened(picture.pixels)).digest


class Scheduler:
    """Counts."""

    timesteps = ()

    def step(self, number: int) -> int:
        """One step."""
        return number


class GradingPipeline:
    """Brightens; ``slowly`` in the prompt makes a step take a while."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.components: dict[str, object] = {}

    def __call__(
        self,
        prompt: str,
        image: Image.Image,
        num_inference_steps: int = 8,
        strength: float = 1.0,
        generator: object = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> object:
        """One picture of the same size."""
        self._num_timesteps = num_inference_steps
        for number in range(num_inference_steps):
            self.scheduler.step(number)
            time.sleep(0.05 if "slowly" in prompt else 0)
        return SimpleNamespace(images=[Image.fromarray(brightened(np.asarray(image)))])

    def maybe_free_model_hooks(self) -> None:
        """Nothing to free."""


def installed() -> GradingPipeline:
    """Put it in place, and make one."""
    module = ModuleType(_MODULE)
    for kind in (Scheduler, GradingPipeline):
        kind.__module__ = _MODULE
        setattr(module, kind.__name__, kind)
    sys.modules[_MODULE] = module
    return GradingPipeline()
