"""Stable Diffusion 1 and 2, XL and 3: redrawing, repainting under a mask, and InstructPix2Pix."""

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
from consent_edit.pipelines.families.family import Family, Sizing

_SD: Final = "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion"
_XL: Final = "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl"
_SD3: Final = "diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3"

_COMMON: Final = settings("guidance_scale", "eta")
_XL_SIZES: Final = settings("original_size", "crops_coords_top_left", "target_size")
_XL_COMMON: Final = {
    **_COMMON,
    **_XL_SIZES,
    **settings(
        "strength",
        "guidance_rescale",
        "clip_skip",
        "aesthetic_score",
        "negative_aesthetic_score",
        "negative_original_size",
        "negative_crops_coords_top_left",
        "negative_target_size",
    ),
}
_SD3_COMMON: Final = settings("strength", "guidance_scale", "clip_skip", "max_sequence_length", "mu")

SD_IMG2IMG: Final = Family(
    name="sd-img2img",
    class_path=f"{_SD}_img2img:StableDiffusionImg2ImgPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength", "clip_skip")},
    fixed=FIXED,
    sizing=Sizing(8),
)

INPAINT: Final = Family(
    name="sd-inpaint",
    class_path=f"{_SD}_inpaint:StableDiffusionInpaintPipeline",
    pictures=MASKED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength", "clip_skip")},
    fixed=FIXED,
    sizing=Sizing(8, SIZES),
)

INSTRUCT_PIX2PIX: Final = Family(
    name="instruct-pix2pix",
    class_path=f"{_SD}_instruct_pix2pix:StableDiffusionInstructPix2PixPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("image_guidance_scale")},
    fixed=FIXED,
    sizing=Sizing(8),
)

SDXL_IMG2IMG: Final = Family(
    name="sdxl-img2img",
    class_path=f"{_XL}_img2img:StableDiffusionXLImg2ImgPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed=_XL_COMMON,
    fixed=FIXED,
    sizing=Sizing(8),
)

SDXL_INPAINT: Final = Family(
    name="sdxl-inpaint",
    class_path=f"{_XL}_inpaint:StableDiffusionXLInpaintPipeline",
    pictures=MASKED,
    text_arguments=PROMPTS,
    allowed=_XL_COMMON,
    fixed=FIXED,
    sizing=Sizing(8, SIZES),
)

SDXL_INSTRUCT_PIX2PIX: Final = Family(
    name="sdxl-instruct-pix2pix",
    class_path=f"{_XL}_instruct_pix2pix:StableDiffusionXLInstructPix2PixPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **_XL_SIZES, **settings("image_guidance_scale", "guidance_rescale")},
    fixed=FIXED,
    sizing=Sizing(8, SIZES),
)

SD3_IMG2IMG: Final = Family(
    name="sd3-img2img",
    class_path=f"{_SD3}_img2img:StableDiffusion3Img2ImgPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed=_SD3_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

SD3_INPAINT: Final = Family(
    name="sd3-inpaint",
    class_path=f"{_SD3}_inpaint:StableDiffusion3InpaintPipeline",
    pictures=MASKED,
    text_arguments=PROMPTS,
    allowed=_SD3_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

STABLE_DIFFUSION: Final = (
    SD_IMG2IMG,
    INPAINT,
    INSTRUCT_PIX2PIX,
    SDXL_IMG2IMG,
    SDXL_INPAINT,
    SDXL_INSTRUCT_PIX2PIX,
    SD3_IMG2IMG,
    SD3_INPAINT,
)
