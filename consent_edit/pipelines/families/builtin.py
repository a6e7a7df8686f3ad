"""The small editor that comes with the package."""

from __future__ import annotations

from typing import Final

from consent_edit.pipelines.families.arguments import ONE_PICTURE, settings
from consent_edit.pipelines.families.checks import whole
from consent_edit.pipelines.families.family import Family, Hook, Role, Sizing
from consent_edit.vocabulary import Operation

GRADING: Final = Family(
    name="grading",
    class_path="consent_edit.pipelines.grading:GradingPipeline",
    pictures={"image": Role.EDITED},
    text_arguments=("prompt",),
    allowed={**settings("strength"), "num_inference_steps": whole(1, 100)},
    fixed=ONE_PICTURE,
    sizing=Sizing(1),
    capabilities=frozenset({Operation.TONE}),
    hooks=(Hook.STEP,),
)
