"""Arguments that many families share: settings with their checks, what the wrapper owns, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from consent_edit.pipelines.families.checks import FLAG, GENERATOR, Check, number, pair, whole
from consent_edit.pipelines.families.family import Measure, Role

SETTINGS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "num_inference_steps": whole(1, 500),
        "strength": number(0.0, 1.0),
        "guidance_scale": number(0.0, 100.0),
        "image_guidance_scale": number(0.0, 100.0),
        "true_cfg_scale": number(0.0, 100.0),
        "guidance_rescale": number(0.0, 1.0),
        "controlnet_conditioning_scale": number(0.0, 2.0),
        "control_guidance_start": number(0.0, 1.0),
        "control_guidance_end": number(0.0, 1.0),
        "guess_mode": FLAG,
        "control_mode": whole(0, 63),
        "cfg_normalization": FLAG,
        "cfg_truncation": number(0.0, 1.0),
        "eta": number(0.0, 1.0),
        "clip_skip": whole(1, 12),
        "max_sequence_length": whole(1, 1024),
        "mu": number(0.0, 10.0),
        "aesthetic_score": number(0.0, 10.0),
        "negative_aesthetic_score": number(0.0, 10.0),
        "original_size": pair(0, 8192),
        "crops_coords_top_left": pair(0, 8192),
        "target_size": pair(0, 8192),
        "negative_original_size": pair(0, 8192),
        "negative_crops_coords_top_left": pair(0, 8192),
        "negative_target_size": pair(0, 8192),
        "generator": GENERATOR,
    }
)
"""A setting means the same wherever it occurs. The ranges are wide: they keep out what no run can mean,
such as no number, an endless run or a size past memory; what an edit does is judged by its pixels."""

EDITED: Final[Mapping[str, Role]] = MappingProxyType({"image": Role.EDITED})
MASKED: Final[Mapping[str, Role]] = MappingProxyType({**EDITED, "mask_image": Role.MASK})

PROMPTS: Final = ("prompt", "negative_prompt")
"""The words of most families: what to do, and what to steer from."""

MEGAPIXEL: Final = 1024 * 1024

SIZES: Final[Mapping[str, Measure]] = MappingProxyType({"height": Measure.HEIGHT, "width": Measure.WIDTH})
"""Size arguments of most families; given from the picture, so that a place means the same in both."""

ONE_PICTURE: Final[Mapping[str, object]] = MappingProxyType({"output_type": "pil", "return_dict": True})
"""What every family is asked to return: a Pillow picture, in the class's own output."""

FIXED: Final[Mapping[str, object]] = MappingProxyType({**ONE_PICTURE, "num_images_per_prompt": 1})

REFUSED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "latents: a picture that nobody can look at": frozenset({"latents", "masked_image_latents"}),
        "pictures for an IP-Adapter: none may be loaded, since an adapter can carry a likeness in": frozenset(
            {"ip_adapter_image", "negative_ip_adapter_image"}
        ),
        "embeddings: words or a picture in a form that nobody can read": frozenset(
            {
                "prompt_embeds",
                "negative_prompt_embeds",
                "pooled_prompt_embeds",
                "negative_pooled_prompt_embeds",
                "prompt_embeds_mask",
                "negative_prompt_embeds_mask",
                "ip_adapter_image_embeds",
                "negative_ip_adapter_image_embeds",
                "controlnet_pooled_projections",
            }
        ),
        "callbacks: they are shown latents; give progress(step, total) instead": frozenset(
            {"callback_on_step_end", "callback_on_step_end_tensor_inputs", "callback", "callback_steps"}
        ),
        "further prompts: the request holds one prompt and one to steer from; the first stands for them": (
            frozenset(
                {"prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3"},
            )
        ),
        "schedules of the caller's own: they may leave a run without a step to watch": frozenset(
            {"timesteps", "sigmas", "denoising_start", "denoising_end"}
        ),
        "arguments that reach into the networks": frozenset(
            {
                "cross_attention_kwargs",
                "joint_attention_kwargs",
                "attention_kwargs",
                "text_encoder_out_layers",
            }
        ),
        "what rewrites the words after they were read": frozenset({"caption_upsample_temperature"}),
        "what enlarges a part and lays it back: places are not compared through it": frozenset(
            {"padding_mask_crop"}
        ),
        "arguments without a name": frozenset({"kwargs"}),
    }
)
"""Reason -> arguments that no caller may give, in any family that has them."""


def settings(*names: str) -> dict[str, Check]:
    """The shared settings of these names."""
    return {name: SETTINGS[name] for name in ("num_inference_steps", "generator", *names)}


def refusal(name: str) -> str:
    """Why an argument is refused in every family; empty where nobody has classified it."""
    return next((reason for reason, names in REFUSED.items() if name in names), "")
