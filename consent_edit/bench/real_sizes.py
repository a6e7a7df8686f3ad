"""Pipelines at their real size with random weights: they take as long as the true ones, and draw noise.

Every network has the configuration that its authors published (parameters counted in brackets), so that
nothing has to be fetched to measure the gate beside an edit on a GPU. Only the tokenizers are small: they
know single letters, and pad to the true lengths.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consent_edit.errors import InputError, Unavailable

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel

_LETTERS: Final = tuple(chr(code) for code in range(ord("a"), ord("z") + 1))
_CLIP_IDS: Final = {"vocab_size": 49408, "bos_token_id": 52, "eos_token_id": 53, "pad_token_id": 53}
"""The true table of words; begin and end are where the small tokenizer has them."""

_BLOCKS: Final = (128, 256, 512, 512)


def sdxl_unet() -> UNet2DConditionModel:
    """stabilityai/stable-diffusion-xl-base-1.0, unet (2,567,463,684)."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    ).eval()


def flux_transformer() -> FluxTransformer2DModel:
    """black-forest-labs/FLUX.1-Kontext-dev, transformer (11,901,408,320)."""
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        in_channels=64,
        num_layers=19,
        num_single_layers=38,
        attention_head_dim=128,
        num_attention_heads=24,
        joint_attention_dim=4096,
        pooled_projection_dim=768,
        guidance_embeds=True,
    ).eval()


def sdxl_vae() -> AutoencoderKL:
    """stabilityai/stable-diffusion-xl-base-1.0, vae (83,653,863)."""
    return _vae(latent_channels=4, scaling_factor=0.13025)


def flux_vae() -> AutoencoderKL:
    """black-forest-labs/FLUX.1-Kontext-dev, vae (83,819,683)."""
    return _vae(
        latent_channels=16,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def clip_large() -> CLIPTextModel:
    """openai/clip-vit-large-patch14, text (123,060,480)."""
    from transformers import CLIPTextConfig, CLIPTextModel

    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    return CLIPTextModel(
        CLIPTextConfig(**sizes, num_attention_heads=12, projection_dim=768, **_CLIP_IDS)
    ).eval()


def clip_big() -> CLIPTextModelWithProjection:
    """laion/CLIP-ViT-bigG-14, text (694,659,840)."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    sizes = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32}
    return CLIPTextModelWithProjection(
        CLIPTextConfig(**sizes, num_attention_heads=20, projection_dim=1280, hidden_act="gelu", **_CLIP_IDS)
    ).eval()


def t5_xxl() -> T5EncoderModel:
    """google/t5-v1_1-xxl, encoder (4,762,310,656)."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=32128,
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            num_heads=64,
            feed_forward_proj="gated-gelu",
            use_cache=False,
        )
    ).eval()


def _vae(**changes: object) -> AutoencoderKL:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=_BLOCKS,
        down_block_types=("DownEncoderBlock2D",) * len(_BLOCKS),
        up_block_types=("UpDecoderBlock2D",) * len(_BLOCKS),
        layers_per_block=2,
        sample_size=1024,
        **changes,
    ).eval()


def _clip_tokenizer() -> CLIPTokenizer:
    from transformers import CLIPTokenizer

    tokens = (*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), "<|startoftext|>", "<|endoftext|>")
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
        merges.write_text("#version: 0.2\n")
        return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=77)


def _sdxl(networks: Mapping[str, object]) -> object:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline

    return StableDiffusionXLImg2ImgPipeline(
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        **networks,
    )


def _kontext(networks: Mapping[str, object]) -> object:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxKontextPipeline
    from transformers import T5Tokenizer

    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0)]
    words = [*special, *((letter, -1.0) for letter in _LETTERS)]
    return FluxKontextPipeline(
        tokenizer=_clip_tokenizer(),
        tokenizer_2=T5Tokenizer(vocab=words, extra_ids=0, model_max_length=512),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        **networks,
    )


@dataclass(frozen=True, slots=True)
class RealSize:
    """A pipeline at its real size.

    Attributes:
        family: Its family's name.
        networks: Makers of its networks, which are made on the device.
        assemble: Puts the pipeline together around them.
        settings: Arguments that its authors use: the steps above all.
    """

    family: str
    networks: Mapping[str, Callable[[], object]]
    assemble: Callable[[Mapping[str, object]], object]
    settings: Mapping[str, object]


REAL_SIZES: Final[Mapping[str, RealSize]] = {
    "sdxl": RealSize(
        family="sdxl-img2img",
        networks={
            "text_encoder": clip_large,
            "text_encoder_2": clip_big,
            "vae": sdxl_vae,
            "unet": sdxl_unet,
        },
        assemble=_sdxl,
        # A strength of 1 takes all 30 steps: an edit as long as one made from noise.
        settings={"num_inference_steps": 30, "strength": 1.0, "guidance_scale": 5.0},
    ),
    "kontext": RealSize(
        family="flux-kontext",
        networks={
            "text_encoder": clip_large,
            "text_encoder_2": t5_xxl,
            "vae": flux_vae,
            "transformer": flux_transformer,
        },
        assemble=_kontext,
        settings={"num_inference_steps": 28, "guidance_scale": 2.5},
    ),
}


def require(name: str, device: str) -> tuple[RealSize, torch.device]:
    """Whether that pipeline can be measured there, before anything is made.

    Raises:
        InputError: there is none of that name.
        Unavailable: ``check.device``: no such device, or none that could run it.
    """
    wanted = REAL_SIZES.get(name)
    if wanted is None:
        raise InputError(
            f"there is no pipeline of real size for {name}",
            code="input.family",
            remedy=f"name one of {', '.join(REAL_SIZES)}",
        )
    return wanted, _device(device)


def real_size(name: str, device: str) -> tuple[RealSize, object]:
    """A pipeline in bfloat16 on a device. Raises as :func:`require`."""
    wanted, place = require(name, device)
    with _on(place):
        networks = {part: make() for part, make in wanted.networks.items()}
    pipeline = wanted.assemble(networks)
    pipeline.set_progress_bar_config(disable=True)  # type: ignore[attr-defined]
    return wanted, pipeline


@contextmanager
def _on(place: torch.device) -> Iterator[None]:
    """Make what is made in here on the device, in bfloat16."""
    import torch

    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with place:
            yield
    finally:
        torch.set_default_dtype(usual)


def _device(name: str) -> torch.device:
    import torch

    try:
        place = torch.device(name)
        there = (
            place.type == "cuda"
            and torch.cuda.is_available()
            and (place.index or 0) < torch.cuda.device_count()
        )
    except RuntimeError:
        there = False
    if not there:
        raise Unavailable(
            f"{name} is no GPU of this machine; at their real size these pipelines take hours on a CPU",
            code="check.device",
            remedy="run it where torch.cuda.is_available(); without --device the gate alone is measured",
        )
    return place
