"""Tiny networks of each model line with random weights: a few thousand parameters, milliseconds a step."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    ControlNetModel,
    ControlNetUnionModel,
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    QwenImageTransformer2DModel,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    ZImageTransformer2DModel,
)
from tiny_pipelines_text import WIDTH
from transformers import BatchFeature, Qwen2Tokenizer, Qwen2VLImageProcessor

LATENTS = 4


def autoencoder(**changes) -> AutoencoderKL:
    """Halves the sides: four channels of latents, as Stable Diffusion's."""
    config = {
        "block_out_channels": [8, 16],
        "in_channels": 3,
        "out_channels": 3,
        "norm_num_groups": 4,
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        "latent_channels": LATENTS,
    }
    return AutoencoderKL(**(config | changes)).eval()


def flow_autoencoder(latents: int = LATENTS) -> AutoencoderKL:
    """As the flow-matching lines have it: shifted, and without the small convolutions."""
    return autoencoder(
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1,
        scaling_factor=1.5,
        latent_channels=latents,
    )


def unet(channels: int, **changes) -> UNet2DConditionModel:
    """Stable Diffusion's; ``channels`` counts the noisy latents and whatever the family lays beside them."""
    config = {
        "block_out_channels": (8, 16),
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "sample_size": 32,
        "in_channels": channels,
        "out_channels": LATENTS,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 4,
    }
    return UNet2DConditionModel(**(config | changes)).eval()


def unet_xl(channels: int) -> UNet2DConditionModel:
    """Stable Diffusion XL's: six sizes, and a pooled text beside the words of two encoders."""
    return unet(
        channels,
        cross_attention_dim=2 * WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
    )


_CONTROL = {
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "in_channels": LATENTS,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "attention_head_dim": 4,
    "conditioning_embedding_out_channels": (8, 16),  # halves the sides, as the tiny autoencoders do
}
_CONTROL_XL = {
    "cross_attention_dim": 2 * WIDTH,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
}


def controlnet() -> ControlNetModel:
    """Stable Diffusion's; its last layers, zero by construction, are set so that it steers."""
    return _steering(ControlNetModel(**_CONTROL, cross_attention_dim=WIDTH))


def controlnet_xl() -> ControlNetModel:
    """Stable Diffusion XL's."""
    return _steering(ControlNetModel(**_CONTROL, **_CONTROL_XL))


def controlnet_union() -> ControlNetUnionModel:
    """Stable Diffusion XL's for several kinds of control."""
    return _steering(
        ControlNetUnionModel(
            **_CONTROL, **_CONTROL_XL, num_trans_channel=8, num_trans_head=2, num_proj_channel=8
        )
    )


def _steering(network):
    with torch.no_grad():
        for block in (*network.controlnet_down_blocks, network.controlnet_mid_block):
            block.weight.normal_(std=0.1)
        network.controlnet_cond_embedding.conv_out.weight.normal_(std=0.1)
    return network.eval()


SD3_LATENTS = 16
"""Repainting asks for no fewer."""

_SD3 = {
    "in_channels": SD3_LATENTS,
    "out_channels": SD3_LATENTS,
    "sample_size": 32,
    "patch_size": 2,
    "num_layers": 1,
    "attention_head_dim": 8,
    "num_attention_heads": 4,
    "caption_projection_dim": 32,
    "joint_attention_dim": 2 * WIDTH,
    "pooled_projection_dim": 2 * WIDTH,
}


def sd3_transformer() -> SD3Transformer2DModel:
    """Stable Diffusion 3's."""
    return SD3Transformer2DModel(**_SD3).eval()


def sd3_controlnet() -> SD3ControlNetModel:
    """Takes the picture's latents and its mask."""
    return SD3ControlNetModel(extra_conditioning_channels=1, **_SD3).eval()


def flux_transformer(beside: int = 0) -> FluxTransformer2DModel:
    """FLUX.1's, over patches of two by two latents; ``beside`` counts the channels laid beside them."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * LATENTS + beside,
        out_channels=4 * LATENTS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
    ).eval()


def flux2_transformer() -> Flux2Transformer2DModel:
    """FLUX.2's: it reads three layers of its text encoder side by side."""
    return Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4 * LATENTS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * WIDTH,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
    ).eval()


def flux2_autoencoder() -> AutoencoderKLFlux2:
    """FLUX.2's, halving the sides."""
    return AutoencoderKLFlux2(
        sample_size=32,
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()


def qwen_autoencoder() -> AutoencoderKLQwenImage:
    """Qwen-Image's: an eighth of the sides, as in the real one, so that a megapixel is few tokens."""
    return AutoencoderKLQwenImage(
        base_dim=4,
        z_dim=LATENTS,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * LATENTS,
        latents_std=[1.0] * LATENTS,
    ).eval()


def qwen_transformer() -> QwenImageTransformer2DModel:
    """Qwen-Image's."""
    return QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=4 * LATENTS,
        out_channels=LATENTS,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(8, 4, 4),
    ).eval()


def z_transformer() -> ZImageTransformer2DModel:
    """Z-Image's; its padding tokens are left unset by its constructor, and are set here."""
    network = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=LATENTS,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[512, 64, 64],
    ).eval()
    with torch.no_grad():
        network.x_pad_token.zero_()
        network.cap_pad_token.zero_()
    return network


class PictureReader:
    """Stands for Qwen's processor, whose own needs a video reader: words beside a picture of few patches."""

    def __init__(self, tokenizer: Qwen2Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.pictures = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=56 * 56)

    def __call__(self, text, images=None, padding=True, return_tensors="pt"):
        """Token ids of the text, one token for every four patches of its pictures."""
        seen = dict(self.pictures(images=images, return_tensors=return_tensors)) if images is not None else {}
        tokens = [int(grid.prod()) // 4 for grid in seen.get("image_grid_thw", ())]
        laid = []
        for one in text:
            first, *rest = one.split("<|image_pad|>")
            laid.append(
                first
                + "".join("<|image_pad|>" * count + part for count, part in zip(tokens, rest, strict=True))
            )
        return BatchFeature({**self.tokenizer(laid, padding=padding, return_tensors=return_tensors), **seen})
