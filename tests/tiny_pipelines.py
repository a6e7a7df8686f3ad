"""Tiny random-weight pipelines of the covered diffusers families, for tests on a CPU; one builder each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import diffusers
import pytest
import tiny_pipelines_networks as networks
import tiny_pipelines_text as text
import torch
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from diffusers import StableDiffusionInpaintPipeline as Inpaint
from diffusers import StableDiffusionInstructPix2PixPipeline as InstructPix2Pix
from diffusers.pipelines.qwenimage import (
    pipeline_qwenimage_edit,
    pipeline_qwenimage_edit_inpaint,
    pipeline_qwenimage_edit_plus,
)

from consent_edit.pipelines.families import FAMILIES
from consent_edit.pipelines.families.family import Works

UNSEEN = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
"""Stable Diffusion without its own checker: what it paints black would hide what a test looks at."""


def _clip(folder: Path, *, projected: tuple[bool, ...]) -> dict[str, object]:
    """As many CLIP encoders as asked for, under the names that pipelines give them."""
    parts: dict[str, object] = {}
    for number, one in enumerate(projected, 1):
        end = "" if number == 1 else f"_{number}"
        parts[f"tokenizer{end}"] = text.clip_tokenizer(folder)
        parts[f"text_encoder{end}"] = text.clip_encoder(parts[f"tokenizer{end}"], projected=one)
    return parts


def _sd(folder: Path, channels: int) -> dict[str, object]:
    return {
        **_clip(folder, projected=(False,)),
        "vae": networks.autoencoder(),
        "unet": networks.unet(channels),
        "scheduler": EulerDiscreteScheduler(steps_offset=1),
        **UNSEEN,
    }


def _xl(folder: Path, channels: int) -> dict[str, object]:
    return {
        **_clip(folder, projected=(False, True)),
        "vae": networks.autoencoder(),
        "unet": networks.unet_xl(channels),
        "scheduler": EulerDiscreteScheduler(steps_offset=1),
    }


def _sd3(folder: Path) -> dict[str, object]:
    tokenizer, encoder = text.t5(2 * text.WIDTH)
    return {
        **_clip(folder, projected=(True, True)),
        "tokenizer_3": tokenizer,
        "text_encoder_3": encoder,
        "vae": networks.flow_autoencoder(networks.SD3_LATENTS),
        "transformer": networks.sd3_transformer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def _flux(folder: Path, beside: int = 0) -> dict[str, object]:
    tokenizer, encoder = text.t5(2 * text.WIDTH)
    return {
        **_clip(folder, projected=(False,)),
        "tokenizer_2": tokenizer,
        "text_encoder_2": encoder,
        "vae": networks.flow_autoencoder(),
        "transformer": networks.flux_transformer(beside),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def _flux2(reads: Callable[[], tuple[object, object]]) -> dict[str, object]:
    tokenizer, encoder = reads()
    return {
        "tokenizer": tokenizer,
        "text_encoder": encoder,
        "vae": networks.flux2_autoencoder(),
        "transformer": networks.flux2_transformer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def _klein() -> dict[str, object]:
    return _flux2(lambda: text.qwen3(27))


def _qwen(*, sees: bool) -> dict[str, object]:
    tokenizer, encoder = text.qwen_vl()
    return {
        "tokenizer": tokenizer,
        "text_encoder": encoder,
        "vae": networks.qwen_autoencoder(),
        "transformer": networks.qwen_transformer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        **({"processor": networks.PictureReader(text.byte_tokenizer())} if sees else {}),
    }


def _z() -> dict[str, object]:
    tokenizer, encoder = text.qwen3(2)
    return {
        "tokenizer": tokenizer,
        "text_encoder": encoder.model,
        "vae": networks.flow_autoencoder(),
        "transformer": networks.z_transformer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


PARTS: dict[str, Callable[[Path], dict[str, object]]] = {
    "sd-img2img": lambda folder: _sd(folder, 4),
    "sd-inpaint": lambda folder: _sd(folder, 9),
    "instruct-pix2pix": lambda folder: _sd(folder, 8),
    "sdxl-img2img": lambda folder: _xl(folder, 4),
    "sdxl-inpaint": lambda folder: _xl(folder, 9),
    "sdxl-instruct-pix2pix": lambda folder: _xl(folder, 8),
    "sd3-img2img": _sd3,
    "sd3-inpaint": _sd3,
    "sd3-controlnet-inpaint": lambda folder: {**_sd3(folder), "controlnet": networks.sd3_controlnet()},
    "sd-controlnet-img2img": lambda folder: {**_sd(folder, 4), "controlnet": networks.controlnet()},
    "sd-controlnet-inpaint": lambda folder: {**_sd(folder, 9), "controlnet": networks.controlnet()},
    "sdxl-controlnet-img2img": lambda folder: {**_xl(folder, 4), "controlnet": networks.controlnet_xl()},
    "sdxl-controlnet-inpaint": lambda folder: {**_xl(folder, 4), "controlnet": networks.controlnet_xl()},
    "sdxl-controlnet-union-img2img": lambda folder: {
        **_xl(folder, 4),
        "controlnet": networks.controlnet_union(),
    },
    "sdxl-controlnet-union-inpaint": lambda folder: {
        **_xl(folder, 4),
        "controlnet": networks.controlnet_union(),
    },
    "flux-img2img": _flux,
    "flux-inpaint": _flux,
    "flux-fill": lambda folder: _flux(folder, 4 * networks.LATENTS + 4 * 4),
    "flux-kontext": _flux,
    "flux-kontext-inpaint": _flux,
    "flux2": lambda _: _flux2(text.mistral3),
    "flux2-klein": lambda _: _klein(),
    "flux2-klein-kv": lambda _: _klein(),
    "flux2-klein-inpaint": lambda _: _klein(),
    "qwen-image-edit": lambda _: _qwen(sees=True),
    "qwen-image-edit-plus": lambda _: _qwen(sees=True),
    "qwen-image-edit-inpaint": lambda _: _qwen(sees=True),
    "qwen-image-img2img": lambda _: _qwen(sees=False),
    "qwen-image-inpaint": lambda _: _qwen(sees=False),
    "z-image-img2img": lambda _: _z(),
    "z-image-inpaint": lambda _: _z(),
}
"""Family -> the parts of a tiny pipeline of it."""


def tiny(family, folder: Path):
    """A tiny pipeline of a family's exact class."""
    torch.manual_seed(0)
    kind = getattr(diffusers, family.class_path.partition(":")[2])
    pipeline = kind(**PARTS[family.name](folder))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@cache
def tiny_once(family):
    """One tiny pipeline of a family for the whole session; whoever changes it changes it back."""
    with tempfile.TemporaryDirectory() as folder:
        return tiny(family, Path(folder))


@contextmanager
def few_pixels(area: int) -> Iterator[None]:
    """Let the pipelines that work at about a megapixel work at fewer pixels, and the table know it.

    A megapixel takes such a pipeline a minute on a CPU, however tiny its networks are.
    """
    bound = [family for family in FAMILIES if family.sizing.works is not Works.OWN]
    kept = [family.sizing for family in bound]
    with pytest.MonkeyPatch.context() as patch:
        for module in (
            pipeline_qwenimage_edit,
            pipeline_qwenimage_edit_plus,
            pipeline_qwenimage_edit_inpaint,
        ):
            computed = partial(_at, module.calculate_dimensions, area)
            patch.setattr(module, "calculate_dimensions", computed)
        for family in bound:
            object.__setattr__(family, "sizing", replace(family.sizing, area=area))
        yield
    for family, sizing in zip(bound, kept, strict=True):
        object.__setattr__(family, "sizing", sizing)


def _at(computed, area: int, _: int, ratio: float):
    return computed(area, ratio)


def _of(kind: type, parts: dict[str, object]):
    torch.manual_seed(0)
    pipeline = kind(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_instruct_pix2pix(folder: Path) -> InstructPix2Pix:
    """InstructPix2Pix: the picture's latents lie beside the noisy ones."""
    return _of(InstructPix2Pix, _sd(folder, 8))


def tiny_inpaint(folder: Path) -> Inpaint:
    """Inpainting: the mask and the latents of what it leaves lie beside the noisy ones."""
    return _of(Inpaint, _sd(folder, 9))
