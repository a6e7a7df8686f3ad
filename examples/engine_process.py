"""The boundary: weights, checks, policy and keys in a process of their own; this one is never trusted.

As the engine's user, and kept running by whatever keeps your services running:
    consent-edit engine operator --pipeline weights --socket /run/consent-edit/engine.sock --allow-uid 1000
As your application:
    python examples/engine_process.py --socket /run/consent-edit/engine.sock --photo photo.jpg
    python examples/engine_process.py --tiny
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from _scene import CONSENT, Scene, options, own_edit, tiny_edits

from consent_edit import EditRefused, EditRequest
from consent_edit.demo.world import GRANTEE
from consent_edit.pipelines.engine.client import EngineClient
from consent_edit.pipelines.engine.process import EngineProcess
from consent_edit.pipelines.engine.setup import EngineSetup


def main(argv: Sequence[str] | None = None) -> None:
    """Edit over the engine's socket; with ``--tiny`` start an engine first, and end it."""
    known = options(__doc__)
    known.add_argument("--socket", type=Path, help="where the engine listens")
    asked = known.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.tiny:
        folder = asked.out / "engine"
        folder.mkdir(exist_ok=True)
        with EngineProcess(EngineSetup(editor="_scene:demo_editor", arguments=(str(folder),))) as engine:
            edits = tuple(tiny_edits(Path(folder, CONSENT).read_text()))
            run(engine.client, Scene(edits=edits, out=asked.out, grantee=GRANTEE, tiny=True))
    elif asked.socket and asked.photo:
        edits = (own_edit(asked),)
        here = Scene(edits=edits, out=asked.out, grantee=asked.grantee, tiny=False)
        run(EngineClient(asked.socket), here)
    else:
        known.error("name --socket and --photo, or try --tiny")


def run(engine: EngineClient, here: Scene) -> None:
    """Ask for each edit. Nothing in this process can change what the checks see, or what they say."""
    for edit in here.edits:
        request = EditRequest(
            image=edit.image,
            prompt=edit.prompt,
            grantee=here.grantee,
            presentations=edit.consent,
            operations=edit.operations,
            settings={"num_inference_steps": here.steps},
        )
        try:
            result = engine.edit(request, progress=lambda step, total: print(f"  step {step} of {total}"))
        except EditRefused as refusal:
            here.refused(edit, refusal)
        else:
            here.released(edit, result)


if __name__ == "__main__":
    main()
