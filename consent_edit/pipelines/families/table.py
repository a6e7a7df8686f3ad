"""The table of families: every class of tier 1."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.builtin import GRADING
from consent_edit.pipelines.families.controlnet import CONTROLNET
from consent_edit.pipelines.families.family import Family
from consent_edit.pipelines.families.flux import FLUX
from consent_edit.pipelines.families.flux2 import FLUX2
from consent_edit.pipelines.families.qwen_image import QWEN_IMAGE
from consent_edit.pipelines.families.stable_diffusion import STABLE_DIFFUSION
from consent_edit.pipelines.families.z_image import Z_IMAGE

FAMILIES: Final[tuple[Family, ...]] = (
    GRADING,
    *STABLE_DIFFUSION,
    *CONTROLNET,
    *FLUX,
    *FLUX2,
    *QWEN_IMAGE,
    *Z_IMAGE,
)
