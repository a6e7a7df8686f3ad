"""ControlNet: redrawing and repainting that a control picture steers."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.arguments import EDITED, FIXED, MASKED, PROMPTS, SIZES, settings
from consent_edit.pipelines.families.family import Family, Role, Sizing

_CONTROL: Final = "diffusers.pipelines.controlnet.pipeline_controlnet"
_STEERING: Final = {"control_image": Role.CONTROL}
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


def _steered(name: str, path: str, *, masked: bool = False, xl: bool = False, union: bool = False) -> Family:
    """One of the line.

    Args:
        union: A union takes its control picture with the kind of control it is; the others take a list, one
            for each of several ControlNets.
    """
    allowed = (_XL_INPAINT if masked else _XL) if xl else _COMMON
    return Family(
        name=name,
        class_path=f"{_CONTROL}_{path}",
        pictures={**(MASKED if masked else EDITED), **_STEERING},
        several=frozenset() if union else frozenset(_STEERING),
        text_arguments=PROMPTS,
        allowed={**allowed, **settings("control_mode")} if union else allowed,
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
    pictures={"control_image": Role.EDITED, "control_mask": Role.MASK},
    text_arguments=PROMPTS,
    allowed=settings("guidance_scale", "clip_skip", "max_sequence_length", *_CONTROLLED),
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

CONTROLNET: Final = (
    SD3_CONTROLNET_INPAINT,
    _steered("sd-controlnet-img2img", "img2img:StableDiffusionControlNetImg2ImgPipeline"),
    _steered("sd-controlnet-inpaint", "inpaint:StableDiffusionControlNetInpaintPipeline", masked=True),
    _steered("sdxl-controlnet-img2img", "sd_xl_img2img:StableDiffusionXLControlNetImg2ImgPipeline", xl=True),
    _steered(
        "sdxl-controlnet-inpaint",
        "inpaint_sd_xl:StableDiffusionXLControlNetInpaintPipeline",
        masked=True,
        xl=True,
    ),
    _steered(
        "sdxl-controlnet-union-img2img",
        "union_sd_xl_img2img:StableDiffusionXLControlNetUnionImg2ImgPipeline",
        xl=True,
        union=True,
    ),
    _steered(
        "sdxl-controlnet-union-inpaint",
        "union_inpaint_sd_xl:StableDiffusionXLControlNetUnionInpaintPipeline",
        masked=True,
        xl=True,
        union=True,
    ),
)
