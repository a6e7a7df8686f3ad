"""SDXL inpainting: what the mask reaches of a person is asked of her consent, whatever the words say.

python examples/sdxl_inpaint.py --operator operator --photo photo.jpg --mask mask.png --prompt "a forest"
python examples/sdxl_inpaint.py --tiny
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from _scene import scene
from diffusers import StableDiffusionXLInpaintPipeline

from consent_edit import EditRefused, guard


def main(argv: Sequence[str] | None = None) -> None:
    """Repaint each picture of the scene under its mask."""
    model = "diffusers/stable-diffusion-xl-1.0-inpainting-0.1"
    here = scene(__doc__, argv, model=model, mask=True)
    if here.tiny:
        from _tiny import sdxl_inpaint

        pipe = sdxl_inpaint()
    else:
        pipe = StableDiffusionXLInpaintPipeline.from_pretrained(here.model, torch_dtype=torch.float16).to(
            "cuda"
        )

    pipe = guard(pipe, here.operator, perception=here.perception)

    for edit in here.edits:
        try:
            output = pipe(
                prompt=edit.prompt,
                image=edit.image,
                mask_image=edit.mask,  # height and width follow from the picture
                num_inference_steps=here.steps,
                strength=1.0 if here.tiny else 0.99,
                grantee=here.grantee,
                presentations=edit.consent,
                operations=edit.operations,
            )
        except EditRefused as refusal:
            here.refused(edit, refusal)
        else:
            here.released(edit, output)


if __name__ == "__main__":
    main()
