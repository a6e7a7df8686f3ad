"""Qwen-Image: the editing line, redrawing and repainting."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.arguments import (
    EDITED,
    FIXED,
    MASKED,
    MEGAPIXEL,
    PROMPTS,
    SIZES,
    settings,
)
from consent_edit.pipelines.families.family import Family, Sizing, Works

_QWEN: Final = "diffusers.pipelines.qwenimage.pipeline_qwenimage"
_COMMON: Final = settings("true_cfg_scale", "guidance_scale", "max_sequence_length")

QWEN_EDIT: Final = Family(
    name="qwen-image-edit",
    class_path=f"{_QWEN}_edit:QwenImageEditPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed=_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

QWEN_EDIT_PLUS: Final = Family(
    name="qwen-image-edit-plus",
    class_path=f"{_QWEN}_edit_plus:QwenImageEditPlusPipeline",
    pictures=EDITED,
    several=frozenset(EDITED),
    text_arguments=PROMPTS,
    allowed=_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

QWEN_EDIT_INPAINT: Final = Family(
    name="qwen-image-edit-inpaint",
    class_path=f"{_QWEN}_edit_inpaint:QwenImageEditInpaintPipeline",
    pictures=MASKED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength")},
    fixed=FIXED,
    sizing=Sizing(32, SIZES, Works.ABOUT, MEGAPIXEL),  # it takes height and width and goes by neither
)

QWEN_IMG2IMG: Final = Family(
    name="qwen-image-img2img",
    class_path=f"{_QWEN}_img2img:QwenImageImg2ImgPipeline",
    pictures=EDITED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength")},
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

QWEN_INPAINT: Final = Family(
    name="qwen-image-inpaint",
    class_path=f"{_QWEN}_inpaint:QwenImageInpaintPipeline",
    pictures=MASKED,
    text_arguments=PROMPTS,
    allowed={**_COMMON, **settings("strength")},
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

QWEN_IMAGE: Final = (QWEN_EDIT, QWEN_EDIT_PLUS, QWEN_EDIT_INPAINT, QWEN_IMG2IMG, QWEN_INPAINT)
