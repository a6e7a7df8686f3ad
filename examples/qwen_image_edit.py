"""Qwen-Image-Edit with a progress bar of one's own, and what a refusal says of a picture that never left.

python examples/qwen_image_edit.py --operator operator --photo photo.jpg --consent her-consent.jwe
python examples/qwen_image_edit.py --tiny
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from _scene import scene
from diffusers import QwenImageEditPipeline

from consent_edit import EditRefused, guard


def main(argv: Sequence[str] | None = None) -> None:
    """Edit each picture of the scene. The true pipeline needs torchvision beside diffusers."""
    here = scene(__doc__, argv, model="Qwen/Qwen-Image-Edit")
    if here.tiny:
        from _tiny import qwen_image_edit

        pipe = qwen_image_edit()
    else:
        pipe = QwenImageEditPipeline.from_pretrained(here.model, torch_dtype=torch.bfloat16).to("cuda")

    pipe = guard(pipe, here.operator, perception=here.perception)
    pipe.set_progress_bar_config(disable=True)

    for edit in here.edits:
        try:
            output = pipe(
                image=edit.image,
                prompt=edit.prompt,
                num_inference_steps=here.steps,
                true_cfg_scale=1.0 if here.tiny else 4.0,
                negative_prompt=" ",
                grantee=here.grantee,
                presentations=edit.consent,
                operations=edit.operations,
                progress=lambda step, total: print(f"  step {step} of {total}"),  # not diffusers' callbacks
            )
        except EditRefused as refusal:
            here.refused(edit, refusal)
            # The exact reasons are for you, the operator, and for whoever is depicted; not for who asked.
            print("  in your log:", *here.operator.decision(refusal.decision_id).codes)
        else:
            here.released(edit, output)


if __name__ == "__main__":
    main()
