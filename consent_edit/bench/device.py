"""How long one picture takes on a device: the gate's heavy models, and what they hold in memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed, InputError, ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.backends.choice import Backend, Kind
from consent_edit.perception.checks import build_checks
from consent_edit.perception.exposure.views import fixed_views
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.worker import Worker
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import CheckOutcome


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What ``bench device --json`` prints; times are medians in milliseconds, the device idle at both ends.

    Attributes:
        runtime: Torch's version and the device.
        side: Side of the square picture, pixels.
        faces: Landmarks that were embedded.
        load: Reading the graphs and bringing their weights to the device, once.
        first: The first picture of this size: kernels are chosen and the computation is recorded.
        parts: Each part by itself, for the pictures after it.
        picture: All of it, a picture.
        observation: Every must-run check of a picture as the perception process asks them, the picture
            brought to the device once.
        memory: Most bytes the device held; 0 where torch does not count them.
        modes: What was computed -> recorded, plain or unrecordable.
    """

    runtime: str
    side: int
    runs: int
    faces: int
    load: float
    first: float
    parts: Mapping[str, float]
    picture: float
    observation: float
    memory: int
    modes: Mapping[str, str]


def measure_device(
    pixels: NDArray[np.uint8], landmarks: NDArray[np.float32], *, device: str, runs: int
) -> DeviceReport:
    """Measure one picture with one face.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        landmarks: float32 (5, 2) of its face, ArcFace order.
        device: Such as ``cuda:0`` or ``cpu``.
        runs: Counted runs a part, after one that is not counted.

    Raises:
        InputError: no run asked for.
        ModelUnavailable: torch, a model or the device is missing.
        CheckFailed: the device broke.
    """
    if runs < 1:
        raise InputError("at least one run is needed", code="input.runs")
    try:
        import torch

        from consent_edit.perception.backends.torch.look import DeviceLook
    except ImportError as error:
        raise ModelUnavailable(
            f"the torch backend cannot be loaded ({error.name})", remedy="pip install 'consent-edit[all]'"
        ) from error

    def settle() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    def timed(call: Callable[[], object]) -> float:
        settle()
        started = time.perf_counter()
        call()
        settle()
        return 1000 * (time.perf_counter() - started)

    def median(call: Callable[[], object]) -> float:
        call()
        return round(statistics.median(timed(call) for _ in range(runs)), 3)

    started = time.perf_counter()
    look = DeviceLook(ModelStore(), device)
    settle()
    load = 1000 * (time.perf_counter() - started)
    faces = [landmarks]
    views = fixed_views(pixels.shape[1], pixels.shape[0])
    held = look.held(pixels)
    calls: dict[str, Callable[[], object]] = {
        "to the device": lambda: look.held(pixels),
        "detectors, every pass": lambda: list(look.found(held)),
        "exposure, fixed views": lambda: look.exposed(held, views),
        "first embedder, one face": lambda: look.embedded(held, faces),
        "second embedder, one face": lambda: look.embedded_second(held, faces),
    }

    def whole() -> None:
        for call in calls.values():
            call()

    first = timed(whole)
    checks = build_checks(ModelStore(backend=Backend(Kind.TORCH, device)), load_thresholds())
    worker, image = Worker(checks, lambda name, phase: None), CanonicalImage.of(pixels)

    def observed() -> None:
        if any(run.outcome is not CheckOutcome.RAN for run in worker.observe_image(image).checks):
            raise CheckFailed("a check gave no answer on the device")

    return DeviceReport(
        runtime=look.runtime,
        side=pixels.shape[1],
        runs=runs,
        faces=len(faces),
        load=round(load, 1),
        first=round(first, 1),
        parts={name: median(call) for name, call in calls.items()},
        picture=median(whole),
        observation=median(observed),
        memory=int(torch.cuda.max_memory_allocated(device)) if device.startswith("cuda") else 0,
        modes={name: mode.value for name, mode in look.modes.items()},
    )
