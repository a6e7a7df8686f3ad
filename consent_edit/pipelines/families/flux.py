"""FLUX.1: redrawing, repainting, Fill and Kontext."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.arguments import (
    EDITED,
    FIXED,
    MASKED,
    PROMPTS,
    SIZES,
    settings,
)
from consent_edit.pipelines.families.family import Family, Measure, Role, Sizing

_FLUX: Final = "diffusers.pipelines.flux.pipeline_flux"
_COMMON: Final = settings("guidance_scale", "true_cfg_scale", "max_sequence_length")

_KONTEXT_SIZE: Final = Sizing(16, {**SIZES, "max_area": Measure.AREA})
_KONTEXT_FIXED: Final = {**FIXED, "_auto_resize": False}
"""By itself Kontext puts every picture to the nearest of 17 sizes of about one megapixel."""

FLUX_IMG2IMG: Final = Family(
    name="flux-img2img",
    class_path=f"{_FLUX}_img2img:FluxImg2ImgPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength")},
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

FLUX_INPAINT: Final = Family(
    name="flux-inpaint",
    class_path=f"{_FLUX}_inpaint:FluxInpaintPipeline",
    pictures=MASKED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength")},
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

FLUX_FILL: Final = Family(
    name="flux-fill",
    class_path=f"{_FLUX}_fill:FluxFillPipeline",
    pictures=MASKED,
    text_arguments=("prompt",),
    allowed=settings("strength", "guidance_scale", "max_sequence_length"),
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

FLUX_KONTEXT: Final = Family(
    name="flux-kontext",
    class_path=f"{_FLUX}_kontext:FluxKontextPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed=_COMMON,
    fixed=_KONTEXT_FIXED,
    sizing=_KONTEXT_SIZE,
)

FLUX_KONTEXT_INPAINT: Final = Family(
    name="flux-kontext-inpaint",
    class_path=f"{_FLUX}_kontext_inpaint:FluxKontextInpaintPipeline",
    pictures={**MASKED, "image_reference": Role.REFERENCE},
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength")},
    fixed=_KONTEXT_FIXED,
    sizing=_KONTEXT_SIZE,
)

FLUX: Final = (FLUX_IMG2IMG, FLUX_INPAINT, FLUX_FILL, FLUX_KONTEXT, FLUX_KONTEXT_INPAINT)
