"""Pipelines with a few thousand random weights, made on the spot: real runs that draw garbage.

Each builder makes the very class that the example loads when it is given true weights. Tokenizers know single
letters, so that nothing is fetched.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import diffusers
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

_WIDTH = 16
_LATENTS = 4
_LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]


def instruct_pix2pix() -> diffusers.StableDiffusionInstructPix2PixPipeline:
    """Two blocks of each network; the picture's latents lie beside the noisy ones."""
    tokenizer, encoder = _clip()
    return _quiet(
        diffusers.StableDiffusionInstructPix2PixPipeline(
            tokenizer=tokenizer,
            text_encoder=encoder,
            vae=_autoencoder(),
            unet=_unet(2 * _LATENTS),
            scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def sdxl_inpaint() -> diffusers.StableDiffusionXLInpaintPipeline:
    """Mask and masked latents lie beside the noisy ones; two text encoders."""
    tokenizer, encoder = _clip()
    tokenizer_2, encoder_2 = _clip(projected=True)
    unet = _unet(
        2 * _LATENTS + 1,
        cross_attention_dim=2 * _WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + _WIDTH,
    )
    return _quiet(
        diffusers.StableDiffusionXLInpaintPipeline(
            tokenizer=tokenizer,
            text_encoder=encoder,
            tokenizer_2=tokenizer_2,
            text_encoder_2=encoder_2,
            vae=_autoencoder(),
            unet=unet,
            scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
        )
    )


def flux_kontext() -> diffusers.FluxKontextPipeline:
    """One double and one single block; CLIP and T5 read the words."""
    tokenizer, encoder = _clip()
    tokenizer_2, encoder_2 = _t5(2 * _WIDTH)
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * _LATENTS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=2 * _WIDTH,
        pooled_projection_dim=_WIDTH,
        axes_dims_rope=(4, 4, 8),
    )
    flow = {"use_quant_conv": False, "use_post_quant_conv": False, "shift_factor": 0.1, "scaling_factor": 1.5}
    return _quiet(
        diffusers.FluxKontextPipeline(
            tokenizer=tokenizer,
            text_encoder=encoder,
            tokenizer_2=tokenizer_2,
            text_encoder_2=encoder_2,
            vae=_autoencoder(**flow),
            transformer=transformer,
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        )
    )


def qwen_image_edit() -> diffusers.QwenImageEditPipeline:
    """Works at about a megapixel, as the true one does: some seconds a step."""
    tokenizer, encoder = _qwen()
    autoencoder = diffusers.AutoencoderKLQwenImage(
        base_dim=4,
        z_dim=_LATENTS,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * _LATENTS,
        latents_std=[1.0] * _LATENTS,
    )
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=4 * _LATENTS,
        out_channels=_LATENTS,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=_WIDTH,
        axes_dims_rope=(8, 4, 4),
    )
    return _quiet(
        diffusers.QwenImageEditPipeline(
            tokenizer=tokenizer,
            text_encoder=encoder,
            processor=_PictureReader(tokenizer),
            vae=_dull(autoencoder),
            transformer=transformer,
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        )
    )


def _quiet(pipeline):  # noqa: ANN001, ANN202 - any pipeline, and the same one back
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _dull(autoencoder):  # noqa: ANN001, ANN202 - of either class
    """Garbage that is nearly grey: bold noise would sometimes pass for somebody."""
    with torch.no_grad():
        for part in autoencoder.decoder.conv_out.parameters():
            part.mul_(0.1)
    return autoencoder.eval()


def _autoencoder(**changes: object) -> diffusers.AutoencoderKL:
    made = diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=_LATENTS,
        **changes,
    )
    return _dull(made)


def _unet(channels: int, **changes: object) -> diffusers.UNet2DConditionModel:
    made = diffusers.UNet2DConditionModel(
        **{
            "block_out_channels": (8, 16),
            "norm_num_groups": 4,
            "layers_per_block": 1,
            "sample_size": 32,
            "in_channels": channels,
            "out_channels": _LATENTS,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": _WIDTH,
            "attention_head_dim": 4,
            **changes,
        }
    )
    return made.eval()


def _clip(*, projected: bool = False) -> tuple[transformers.CLIPTokenizer, transformers.PreTrainedModel]:
    tokens = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), "<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
        merges.write_text("#version: 0.2\n")
        tokenizer = transformers.CLIPTokenizer(str(vocabulary), str(merges), model_max_length=77)
    config = transformers.CLIPTextConfig(
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        projection_dim=_WIDTH,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return tokenizer, kind(config).eval()


def _t5(width: int) -> tuple[transformers.T5Tokenizer, transformers.T5EncoderModel]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0)]
    vocabulary = [*special, *((letter, -1.0) for letter in _LETTERS)]
    tokenizer = transformers.T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=77)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2, use_cache=False
    )
    return tokenizer, transformers.T5EncoderModel(config).eval()


_VISION = {
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
}


def _qwen() -> tuple[transformers.Qwen2Tokenizer, transformers.Qwen2_5_VLForConditionalGeneration]:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_VISION.values()]
    tokens = {token: number for number, token in enumerate((*sorted(ByteLevel.alphabet()), *special))}
    tokenizer = transformers.Qwen2Tokenizer(vocab=tokens, merges=[], model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "hidden_size": _WIDTH,
            "intermediate_size": _WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 4096,
            "bos_token_id": None,
            "eos_token_id": None,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": _WIDTH,
        },
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in _VISION.items()},
    )
    return tokenizer, transformers.Qwen2_5_VLForConditionalGeneration(config).eval()


class _PictureReader:
    """Stands for Qwen's processor, which needs torchvision: words, and a picture of sixteen patches."""

    def __init__(self, tokenizer: transformers.Qwen2Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._pictures = transformers.Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=56 * 56)

    def __call__(
        self,
        text: list[str],
        images: list[object] | None = None,
        padding: bool = True,
        return_tensors: str = "pt",
    ) -> transformers.BatchFeature:
        seen = dict(self._pictures(images=images, return_tensors=return_tensors)) if images else {}
        tokens = [int(grid.prod()) // 4 for grid in seen.get("image_grid_thw", ())]
        laid = []
        for one in text:
            first, *rest = one.split("<|image_pad|>")
            places = zip(tokens, rest, strict=True)
            laid.append(first + "".join("<|image_pad|>" * count + part for count, part in places))
        words = self.tokenizer(laid, padding=padding, return_tensors=return_tensors)
        return transformers.BatchFeature({**words, **seen})
