"""FLUX.1 Kontext on a GPU, loaded by the editor itself, which refuses weights that bring code along.

python examples/flux_kontext.py --operator operator --photo photo.jpg --consent her-consent.jwe
python examples/flux_kontext.py --tiny
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from _scene import scene

from consent_edit import ConsentEditor, EditRefused, EditRequest


def main(argv: Sequence[str] | None = None) -> None:
    """Edit each picture of the scene, as requests instead of diffusers' own call."""
    here = scene(__doc__, argv, model="black-forest-labs/FLUX.1-Kontext-dev")
    if here.tiny:
        from _tiny import flux_kontext

        editor = ConsentEditor(flux_kontext(), here.operator, perception=here.perception)
    else:
        editor = ConsentEditor.from_pretrained(here.model, here.operator, torch_dtype=torch.bfloat16)
        editor.enable_model_cpu_offload()

    requests = [
        EditRequest(
            image=edit.image,
            prompt=edit.prompt,
            grantee=here.grantee,
            presentations=edit.consent,
            operations=edit.operations,
            settings={"num_inference_steps": here.steps, "guidance_scale": 2.5},
        )
        for edit in here.edits
    ]
    # While one picture is made, the one before it is checked; what is refused is nothing to the others.
    for edit, outcome in zip(here.edits, editor.edit_many(requests), strict=True):
        if isinstance(outcome, EditRefused):
            here.refused(edit, outcome)
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            here.released(edit, outcome)


if __name__ == "__main__":
    main()
