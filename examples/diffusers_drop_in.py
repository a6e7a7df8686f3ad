"""A script around InstructPix2Pix, with one line more: now it edits nobody who did not consent.

python examples/diffusers_drop_in.py --operator operator --photo photo.jpg --consent her-consent.jwe
python examples/diffusers_drop_in.py --tiny
"""

from __future__ import annotations

from collections.abc import Sequence

from _scene import scene
from diffusers import StableDiffusionInstructPix2PixPipeline

from consent_edit import EditRefused, guard


def main(argv: Sequence[str] | None = None) -> None:
    """Edit each picture of the scene."""
    here = scene(__doc__, argv, model="timbrooks/instruct-pix2pix")
    if here.tiny:
        from _tiny import instruct_pix2pix

        pipe = instruct_pix2pix()
    else:
        pipe = StableDiffusionInstructPix2PixPipeline.from_pretrained(here.model)

    pipe = guard(pipe, here.operator, perception=here.perception)  # the one line that changes

    for edit in here.edits:
        try:
            output = pipe(
                edit.prompt,
                image=edit.image,
                num_inference_steps=here.steps,
                image_guidance_scale=1.5,
                grantee=here.grantee,
                presentations=edit.consent,
                operations=edit.operations,
            )
        except EditRefused as refusal:
            here.refused(edit, refusal)
        else:
            here.released(edit, output)  # or output.images, as in diffusers


if __name__ == "__main__":
    main()
