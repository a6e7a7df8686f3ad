"""Tiny random-weight pipelines of the covered diffusers families, for tests on a CPU."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from diffusers import StableDiffusionInpaintPipeline as Inpaint
from diffusers import StableDiffusionInstructPix2PixPipeline as InstructPix2Pix
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer over single letters, so that no vocabulary needs to be fetched."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


def _tiny(kind: type[InstructPix2Pix] | type[Inpaint], folder: Path, channels: int):
    """A Stable Diffusion pipeline with random weights of a few thousand parameters.

    Args:
        channels: What the network takes: noisy latents, and whatever the family lays beside them.
    """
    torch.manual_seed(0)
    tokenizer = _tokenizer(folder)
    pipeline = kind(
        vae=AutoencoderKL(
            block_out_channels=[8, 16],
            in_channels=3,
            out_channels=3,
            norm_num_groups=4,
            down_block_types=["DownEncoderBlock2D", "DownEncoderBlock2D"],
            up_block_types=["UpDecoderBlock2D", "UpDecoderBlock2D"],
            latent_channels=4,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                hidden_size=16,
                intermediate_size=16,
                num_attention_heads=2,
                num_hidden_layers=1,
                vocab_size=len(tokenizer),
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            block_out_channels=(8, 16),
            norm_num_groups=4,
            layers_per_block=1,
            sample_size=32,
            in_channels=channels,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=4,
        ),
        scheduler=EulerDiscreteScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_instruct_pix2pix(folder: Path) -> InstructPix2Pix:
    """InstructPix2Pix: the picture's latents lie beside the noisy ones."""
    return _tiny(InstructPix2Pix, folder, 8)


def tiny_inpaint(folder: Path) -> Inpaint:
    """Inpainting: the mask and the latents of what it leaves lie beside the noisy ones."""
    return _tiny(Inpaint, folder, 9)
