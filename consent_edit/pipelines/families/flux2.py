"""FLUX.2 and its Klein line."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.arguments import EDITED, FIXED, MASKED, MEGAPIXEL, SIZES, settings
from consent_edit.pipelines.families.family import Family, Role, Sizing, Works

_FLUX2: Final = "diffusers.pipelines.flux2.pipeline_flux2"
_LIST: Final = frozenset(EDITED)
_COMMON: Final = settings("guidance_scale", "max_sequence_length")

FLUX2_EDIT: Final = Family(
    name="flux2",
    class_path=f"{_FLUX2}:Flux2Pipeline",
    pictures=EDITED,
    several=_LIST,
    text_arguments=("prompt",),
    allowed=_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

FLUX2_KLEIN: Final = Family(
    name="flux2-klein",
    class_path=f"{_FLUX2}_klein:Flux2KleinPipeline",
    pictures=EDITED,
    several=_LIST,
    text_arguments=("prompt",),
    allowed=_COMMON,
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

FLUX2_KLEIN_KV: Final = Family(
    name="flux2-klein-kv",
    class_path=f"{_FLUX2}_klein_kv:Flux2KleinKVPipeline",
    pictures=EDITED,
    several=_LIST,
    text_arguments=("prompt",),
    allowed=settings("max_sequence_length"),
    fixed=FIXED,
    sizing=Sizing(16, SIZES),
)

FLUX2_KLEIN_INPAINT: Final = Family(
    name="flux2-klein-inpaint",
    class_path=f"{_FLUX2}_klein_inpaint:Flux2KleinInpaintPipeline",
    pictures={**MASKED, "image_reference": Role.REFERENCE},
    text_arguments=("prompt",),
    allowed={**_COMMON, **settings("strength")},
    fixed=FIXED,
    sizing=Sizing(16, SIZES, Works.AT_MOST, MEGAPIXEL),
)

FLUX2: Final = (FLUX2_EDIT, FLUX2_KLEIN, FLUX2_KLEIN_KV, FLUX2_KLEIN_INPAINT)
