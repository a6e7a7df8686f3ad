"""ControlNet: repainting with Stable Diffusion 3 runs; the others wait until a control picture is judged."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.arguments import EDITED, FIXED, IP_ADAPTER, PROMPTS, SIZES, settings
from consent_edit.pipelines.families.family import Family, Role, Sizing

_CONTROL: Final = "diffusers.pipelines.controlnet.pipeline_controlnet"
_STEERED: Final = {**EDITED, "control_image": Role.CONTROL, **IP_ADAPTER}
_MASKED: Final = {**_STEERED, "mask_image": Role.MASK}
_CONTROLLED: Final = ("controlnet_conditioning_scale", "control_guidance_start", "control_guidance_end")
_COMMON: Final = settings("strength", "guidance_scale", "eta", "clip_skip", "guess_mode", *_CONTROLLED)
_XL_INPAINT: Final = {
    **_COMMON,
    **settings(
        "guidance_rescale",
        "original_size",
        "crops_coords_top_left",
        "target_size",
        "aesthetic_score",
        "negative_aesthetic_score",
    ),
}
_XL: Final = {
    **{name: check for name, check in _XL_INPAINT.items() if name != "guidance_rescale"},
    **settings("negative_original_size", "negative_crops_coords_top_left", "negative_target_size"),
}


def _waiting(name: str, path: str, *, masked: bool = False, xl: bool = False) -> Family:
    return Family(
        name=name,
        class_path=f"{_CONTROL}_{path}",
        pictures=_MASKED if masked else _STEERED,
        optional=frozenset(IP_ADAPTER),
        text_arguments=PROMPTS,
        allowed=(_XL_INPAINT if masked else _XL) if xl else _COMMON,
        fixed=FIXED,
        sizing=Sizing(8, SIZES),
    )


SD3_CONTROLNET_INPAINT: Final = Family(
    name="sd3-controlnet-inpaint",
    class_path=(
        "diffusers.pipelines.controlnet_sd3.pipeline_stable_diffusion_3_controlnet_inpainting:"
        "StableDiffusion3ControlNetInpaintingPipeline"
    ),
    # what it calls its control picture is the picture repainted
    pictures={"control_image": Role.EDITED, "control_mask": Role.MASK, **IP_ADAPTER},
    optional=frozenset(IP_ADAPTER),
    text_arguments=PROMPTS,
    allowed=settings("guidance_scale", "clip_skip", "max_sequence_length", *_CONTROLLED),
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

CONTROLNET: Final = (
    SD3_CONTROLNET_INPAINT,
    _waiting("sd-controlnet-img2img", "img2img:StableDiffusionControlNetImg2ImgPipeline"),
    _waiting("sd-controlnet-inpaint", "inpaint:StableDiffusionControlNetInpaintPipeline", masked=True),
    _waiting("sdxl-controlnet-img2img", "sd_xl_img2img:StableDiffusionXLControlNetImg2ImgPipeline", xl=True),
    _waiting(
        "sdxl-controlnet-inpaint",
        "inpaint_sd_xl:StableDiffusionXLControlNetInpaintPipeline",
        masked=True,
        xl=True,
    ),
    _waiting(
        "sdxl-controlnet-union-img2img",
        "union_sd_xl_img2img:StableDiffusionXLControlNetUnionImg2ImgPipeline",
        xl=True,
    ),
    _waiting(
        "sdxl-controlnet-union-inpaint",
        "union_inpaint_sd_xl:StableDiffusionXLControlNetUnionInpaintPipeline",
        masked=True,
        xl=True,
    ),
)
