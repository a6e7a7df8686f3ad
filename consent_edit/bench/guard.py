"""What the gate costs: part by part, beside the ungated pipeline, by family, and when it refuses at once."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.bench.guard_families import FamilyGate, gate_by_family
from consent_edit.demo.photos import astronaut
from consent_edit.demo.steps import TONE_PROMPT
from consent_edit.demo.world import GRANTEE, DemoWorld
from consent_edit.editor import ConsentEditor
from consent_edit.errors import CheckFailed, EditRefused, InputError
from consent_edit.evidence.finish import finish
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode
from consent_edit.perception.backends.dlib import DlibLandmarks
from consent_edit.perception.backends.litert import LiteRtModel
from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.checks import build_checks
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Origin
from consent_edit.perception.process import PerceptionProcess
from consent_edit.perception.worker import Worker
from consent_edit.pipelines.grading import GradingPipeline
from consent_edit.request import EditRequest
from consent_edit.thresholds import load_thresholds

_T = TypeVar("_T")
_MODEL_CALLS: Final = ((OnnxModel, "run"), (LiteRtModel, "run"), (DlibLandmarks, "points"))


@dataclass(frozen=True, slots=True)
class RefusedAtInput:
    """What an edit costs that is refused before its pipeline runs.

    Attributes:
        time: Milliseconds, median.
        steps: Denoising steps counted in all those edits.
        steps_released: Steps counted the same way in one edit that was released.
    """

    time: float
    steps: int
    steps_released: int


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What ``bench guard --json`` prints; times are medians in milliseconds.

    Attributes:
        parts: Each part of the gate by itself.
        ungated: The pipeline alone.
        gated: The whole edit, request to release.
        gate_share: (gated - ungated) / ungated.
        models: Bare sum of the models' own runs for one picture.
        perception_ratio: One picture's checks in their process over that sum, median over looks by turns.
        refused_at_input: What a refusal costs.
        families: The gate's own time for an edit of each family, and its share of edits of some lengths.
    """

    side: int
    runs: int
    parts: dict[str, float]
    ungated: float
    gated: float
    gate_share: float
    models: float
    perception_ratio: float
    refused_at_input: RefusedAtInput
    families: dict[str, FamilyGate]


def square(side: int) -> CanonicalImage:
    """The astronaut, ``side`` pixels wide and high.

    Raises:
        Unavailable: the demo's picture is missing.
    """
    resized = Image.fromarray(astronaut().pixels).resize((side, side), Image.Resampling.LANCZOS)
    return CanonicalImage.of(np.asarray(resized, dtype=np.uint8))


def bench_guard(side: int, runs: int) -> GuardReport:
    """Measure; every figure comes from this one run.

    Args:
        side: Side of the square picture, pixels.
        runs: Counted runs a part.

    Raises:
        InputError: no run asked for.
        Unavailable: a model or the demo's picture is missing.
    """
    if runs < 1:
        raise InputError("at least one run is needed", code="input.runs")
    photo = square(side)
    pipeline = GradingPipeline.shipped()
    pipeline.set_progress_bar_config(disable=True)
    with tempfile.TemporaryDirectory() as folder, PerceptionProcess(remembered=0) as perception:
        world = DemoWorld.create(photo, perception, Path(folder))
        editor = ConsentEditor(pipeline, world.operator, perception=perception)
        picture = Image.fromarray(photo.pixels)
        candidate = finish(photo, environment=world.operator.trust.environment)
        seen = perception.observe_image(photo)
        looks = _looks(photo, perception, runs)
        parts = {
            "intake": _median(runs, lambda: decode(candidate.data)),
            "checks, one picture": looks.whole,
            "prompt": _median(runs, lambda: perception.read_prompt([TONE_PROMPT])),
            "change": _median(
                runs, lambda: perception.observe_change(photo, photo, seen, seen, Origin.of(seen))
            ),
            "finish": _median(runs, lambda: finish(photo, environment=world.operator.trust.environment)),
        }
        ungated = _median(runs, lambda: pipeline(TONE_PROMPT, picture))
        request = EditRequest(image=photo, prompt=TONE_PROMPT, grantee=GRANTEE, presentations=world.consent())
        gated = _median(runs, lambda: editor.edit(request))
        refused = _refused(editor, request, runs)
        families = gate_by_family(world, runs)
    return GuardReport(
        side=side,
        runs=runs,
        parts=parts,
        ungated=ungated,
        gated=gated,
        gate_share=round((gated - ungated) / ungated, 2),
        models=looks.models,
        perception_ratio=looks.ratio,
        refused_at_input=refused,
        families=families,
    )


def _refused(editor: ConsentEditor, request: EditRequest, runs: int) -> RefusedAtInput:
    """Edits that nobody consented to, and one to which she did, their steps counted by the same callback."""
    steps: list[int] = []
    asking = replace(request, presentations=())

    def refusal() -> None:
        try:
            editor.edit(asking, progress=lambda step, total: steps.append(step))
        except EditRefused:
            return
        raise CheckFailed("an edit was released that nobody consented to", code="check.bench")

    spent = _median(runs, refusal)
    taken = len(steps)
    steps.clear()
    editor.edit(request, progress=lambda step, total: steps.append(step))
    return RefusedAtInput(spent, taken, len(steps))


def _median(runs: int, call: Callable[[], _T]) -> float:
    """Median wall time in milliseconds over ``runs`` calls, after one that is not counted."""
    call()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return round(statistics.median(times), 2)


@dataclass(frozen=True, slots=True)
class _Looks:
    """Median milliseconds of one look through the process and of its models' own runs, and of their ratio."""

    whole: float
    models: float
    ratio: float


def _looks(photo: CanonicalImage, perception: PerceptionProcess, runs: int) -> _Looks:
    """Both by turns, so that what else the machine does meanwhile slows both."""
    worker = Worker(build_checks(ModelStore(), load_thresholds()), lambda name, phase: None)
    worker.observe_image(photo)
    perception.observe_image(photo)
    wholes, models = [], []
    for _ in range(runs):
        started = time.perf_counter()
        perception.observe_image(photo)
        wholes.append(1000 * (time.perf_counter() - started))
        with _timed_models() as spent:
            worker.observe_image(photo)
        models.append(1000 * sum(spent))
    return _Looks(
        whole=round(statistics.median(wholes), 2),
        models=round(statistics.median(models), 2),
        ratio=round(statistics.median(w / m for w, m in zip(wholes, models, strict=True)), 2),
    )


@contextmanager
def _timed_models() -> Iterator[list[float]]:
    """Collect the seconds of every model run inside the block."""
    spent: list[float] = []
    originals = [(kind, name, getattr(kind, name)) for kind, name in _MODEL_CALLS]
    for kind, name, original in originals:
        setattr(kind, name, _timed(original, spent))
    try:
        yield spent
    finally:
        for kind, name, original in originals:
            setattr(kind, name, original)


def _timed(original: Callable[..., _T], spent: list[float]) -> Callable[..., _T]:
    def call(self: object, batch: NDArray[np.float32]) -> _T:
        started = time.perf_counter()
        try:
            return original(self, batch)
        finally:
            spent.append(time.perf_counter() - started)

    return call
