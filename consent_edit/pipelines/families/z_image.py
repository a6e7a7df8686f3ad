"""Z-Image: redrawing and repainting."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.arguments import EDITED, FIXED, MASKED, PROMPTS, SIZES, settings
from consent_edit.pipelines.families.family import Family, Sizing

_Z: Final = "diffusers.pipelines.z_image.pipeline_z_image"
_COMMON: Final = settings(
    "strength", "guidance_scale", "cfg_normalization", "cfg_truncation", "max_sequence_length"
)

Z_IMG2IMG: Final = Family(
    name="z-image-img2img",
    class_path=f"{_Z}_img2img:ZImageImg2ImgPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed=_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

Z_INPAINT: Final = Family(
    name="z-image-inpaint",
    class_path=f"{_Z}_inpaint:ZImageInpaintPipeline",
    pictures=MASKED,
    text_arguments=PROMPTS,
    allowed=_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

Z_IMAGE: Final = (Z_IMG2IMG, Z_INPAINT)
