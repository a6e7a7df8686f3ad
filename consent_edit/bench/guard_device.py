"""The gate beside an edit of real size on a GPU: both looks as a share of it, and what a refusal spares."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.device import measure_device
from consent_edit.bench.guard_families import EDIT_SECONDS
from consent_edit.bench.real_sizes import real_size
from consent_edit.demo.steps import TONE_PROMPT
from consent_edit.demo.world import GRANTEE, DemoWorld
from consent_edit.editor import ConsentEditor
from consent_edit.errors import EditRefused, InputError
from consent_edit.request import EditRequest
from consent_edit.vocabulary import Operation

_LOOKS: Final = 2
"""One at the picture handed in, one at the file that would leave."""


@dataclass(frozen=True, slots=True)
class DeviceGuardReport:
    """What ``bench guard --device --json`` prints; medians, the device idle at both ends.

    Attributes:
        family: The family that ran, with random weights at its real size.
        runtime: Torch's version and the device.
        steps: Denoising steps that an edit took.
        ungated: Seconds of the pipeline alone.
        gated: Seconds of the whole edit, request to release or refusal of what was made; the checks run in
            their process, as the world's perception is set up.
        gate_share: (gated - ungated) / ungated.
        ended: How the gated edits ended: random weights draw noise, which may be refused.
        looks: Milliseconds of both looks on the device, every must-run check of a picture, by themselves.
        looks_share: These as a share of the pipeline alone.
        looks_shares: Seconds of an edit -> these as a share of it.
        refused_steps: Denoising steps of an edit refused at the input.
        refused: Seconds of it.
    """

    family: str
    runtime: str
    side: int
    runs: int
    steps: int
    ungated: float
    gated: float
    gate_share: float
    ended: str
    looks: float
    looks_share: float
    looks_shares: dict[str, float]
    refused_steps: int
    refused: float


def guard_on_device(
    world: DemoWorld, landmarks: NDArray[np.float32], *, name: str, device: str, runs: int
) -> DeviceGuardReport:
    """Measure one family.

    Args:
        landmarks: float32 (5, 2) of the face in the world's photo.
        name: ``sdxl`` or ``kontext``.
        device: Such as ``cuda:0``.
        runs: Counted runs, after one that is not counted.

    Raises:
        InputError: no such family, or no run asked for.
        Unavailable: ``check.device``: there is no such device.
    """
    if runs < 1:
        raise InputError("at least one run is needed", code="input.runs")
    wanted, pipeline = real_size(name, device)
    editor = ConsentEditor(pipeline, world.operator, perception=world.perception)
    consented = EditRequest(
        image=world.photo,
        prompt=TONE_PROMPT,
        grantee=GRANTEE,
        presentations=world.consent(operations=tuple(Operation)),
        settings=dict(wanted.settings),
    )
    steps, ends = _Steps(), set()

    def gated() -> None:
        steps.taken = 0
        ends.add(_ended(editor, consented, steps))

    whole = _median(gated, runs, device)
    taken = steps.taken
    ungated = _median(lambda: _bare(pipeline, editor, consented), runs, device)
    steps.taken = 0
    refusing = replace(consented, presentations=())
    refused = _median(lambda: ends.add(_ended(editor, refusing, steps)), runs, device)
    look = measure_device(world.photo.pixels, landmarks, device=device, runs=runs)
    looks = round(_LOOKS * look.observation, 2)
    return DeviceGuardReport(
        family=wanted.family,
        runtime=look.runtime,
        side=world.photo.width,
        runs=runs,
        steps=taken,
        ungated=round(ungated, 3),
        gated=round(whole, 3),
        gate_share=round((whole - ungated) / ungated, 3),
        ended=" and ".join(sorted(ends)),
        looks=looks,
        looks_share=round(looks / 1000 / ungated, 4),
        looks_shares={f"{seconds} s": round(looks / 1000 / seconds, 4) for seconds in EDIT_SECONDS},
        refused_steps=steps.taken,
        refused=round(refused, 3),
    )


@dataclass(slots=True)
class _Steps:
    """Counts the steps that a run tells of."""

    taken: int = 0

    def __call__(self, step: int, total: int) -> None:
        self.taken += 1


def _ended(editor: ConsentEditor, request: EditRequest, progress: _Steps) -> str:
    try:
        editor.edit(request, progress=progress)
    except EditRefused:
        return "refused"
    return "released"


def _bare(pipeline: object, editor: ConsentEditor, request: EditRequest) -> None:
    """The pipeline alone, with the arguments that the editor gives it."""
    from PIL import Image

    family, image = editor.family, request.image
    picture = Image.fromarray(image.pixels)  # type: ignore[union-attr]  # the world's photo is canonical
    sizes = family.sizing.measured(picture.width, picture.height)
    given = {**request.settings, **family.fixed, **sizes}
    pipeline(prompt=request.prompt, image=picture, **given)  # type: ignore[operator]


def _median(call: Callable[[], object], runs: int, device: str) -> float:
    """Median seconds after one call that is not counted."""
    import torch

    times = []
    for _ in range(runs + 1):
        torch.cuda.synchronize(device)
        started = time.perf_counter()
        call()
        torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))
