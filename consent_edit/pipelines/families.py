"""Which pipeline classes may run, and which of their arguments: an allow-list, never a guess.

A class is looked up by its exact identity. A subclass, an unknown class or a pipeline that carries adapters
is refused: what nobody has classified could take a picture in by a door that nobody watches.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from consent_edit.errors import ArgumentRejected
from consent_edit.vocabulary import Operation

Check = Callable[[object], bool]


def _number(low: float, high: float) -> Check:
    def inside(value: object) -> bool:
        if type(value) is not int and type(value) is not float:  # a subclass could compare as it likes
            return False
        return math.isfinite(value) and low <= value <= high

    return inside


def _whole(low: int, high: int) -> Check:
    def inside(value: object) -> bool:
        return type(value) is int and low <= value <= high

    return inside


def _torch_generator(value: object) -> bool:
    return type(value) is getattr(sys.modules.get("torch"), "Generator", None)


@dataclass(frozen=True, slots=True)
class Family:
    """One pipeline class as the wrapper knows it.

    Attributes:
        name: Name for people and records.
        class_path: ``module:qualname`` of the exact class.
        image_arguments: Arguments that take a picture; the first is the one edited.
        text_arguments: Arguments that steer by words; the first is the prompt.
        allowed: Every other argument a caller may give, with its check.
        fixed: Arguments that the wrapper owns; given by a caller they are refused.
        capabilities: What the pipeline is able to do to a picture, whatever it is asked.
        decodes: Whether its pixels come out of ``vae.decode``.
        side_multiple: Sides come out cut to a multiple of this, at most; never larger than they went in.
        mask_argument: The argument that takes a mask of the picture edited; empty where there is none.
    """

    name: str
    class_path: str
    image_arguments: tuple[str, ...]
    text_arguments: tuple[str, ...]
    allowed: Mapping[str, Check]
    fixed: Mapping[str, object]
    capabilities: frozenset[Operation]
    decodes: bool
    side_multiple: int
    mask_argument: str = ""


GRADING: Final = Family(
    name="grading",
    class_path="consent_edit.pipelines.grading:GradingPipeline",
    image_arguments=("image",),
    text_arguments=("prompt",),
    allowed={
        "num_inference_steps": _whole(1, 100),
        "strength": _number(0.0, 1.0),
        "generator": _torch_generator,
    },
    fixed={"output_type": "pil", "return_dict": True},
    capabilities=frozenset({Operation.TONE}),
    decodes=False,
    side_multiple=1,
)

INSTRUCT_PIX2PIX: Final = Family(
    name="instruct-pix2pix",
    class_path=(
        "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix:"
        "StableDiffusionInstructPix2PixPipeline"
    ),
    image_arguments=("image",),
    text_arguments=("prompt", "negative_prompt"),
    allowed={
        "num_inference_steps": _whole(1, 500),
        "guidance_scale": _number(0.0, 100.0),
        "image_guidance_scale": _number(0.0, 100.0),
        "eta": _number(0.0, 1.0),
        "generator": _torch_generator,
    },
    fixed={"num_images_per_prompt": 1, "output_type": "pil", "return_dict": True},
    capabilities=frozenset(Operation),
    decodes=True,
    side_multiple=8,
)

INPAINT: Final = Family(
    name="sd-inpaint",
    class_path=(
        "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_inpaint:"
        "StableDiffusionInpaintPipeline"
    ),
    image_arguments=("image",),
    text_arguments=("prompt", "negative_prompt"),
    allowed={
        "height": _whole(8, 8192),
        "width": _whole(8, 8192),
        "num_inference_steps": _whole(1, 500),
        "guidance_scale": _number(0.0, 100.0),
        "strength": _number(0.0, 1.0),
        "eta": _number(0.0, 1.0),
        "generator": _torch_generator,
    },
    fixed={"num_images_per_prompt": 1, "output_type": "pil", "return_dict": True},
    capabilities=frozenset(Operation),
    decodes=True,
    side_multiple=8,
    mask_argument="mask_image",
)

FAMILIES: Final[tuple[Family, ...]] = (GRADING, INSTRUCT_PIX2PIX, INPAINT)


def classify(pipeline: object) -> Family:
    """The family of a pipeline.

    Raises:
        ArgumentRejected: ``input.unsupported-pipeline`` for a class that is not on the list, a subclass of
            one, or a class object; ``input.adapter`` when adapters are loaded, since one can carry a person's
            likeness in.
    """
    kind = type(pipeline)
    for family in FAMILIES:
        module, _, name = family.class_path.partition(":")
        if getattr(sys.modules.get(module), name, None) is kind:  # the class itself; any may bear its name
            _refuse_adapters(pipeline)
            return family
    raise ArgumentRejected(
        f"pipelines of class {kind.__qualname__} are not covered",
        code="input.unsupported-pipeline",
        remedy="use one of: " + ", ".join(family.name for family in FAMILIES),
    )


def _refuse_adapters(pipeline: object) -> None:
    """Refuse LoRA, IP-Adapter and textual inversion: each can bring a likeness in without a picture."""
    components = getattr(pipeline, "components", {})
    for name, part in components.items():
        loaded = (
            bool(getattr(part, "peft_config", None))
            or bool(getattr(part, "_hf_peft_config_loaded", False))
            or getattr(part, "encoder_hid_proj", None) is not None
            or _added_tokens(part)
        )
        if loaded:
            raise ArgumentRejected(
                f"the pipeline's {name} carries an adapter",
                code="input.adapter",
                remedy="unload LoRA weights, IP-Adapters and textual inversions before guarding the pipeline",
            )


def _added_tokens(part: object) -> bool:
    """Whether a tokenizer holds tokens that are not special ones: textual inversion adds such."""
    vocabulary = getattr(part, "get_added_vocab", None)
    if not callable(vocabulary):
        return False
    special = set(getattr(part, "all_special_tokens", ()))
    return any(token not in special for token in vocabulary())
