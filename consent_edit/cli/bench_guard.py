"""``consent-edit bench guard``: what the gate costs, by family, and beside pipelines."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consent_edit.cli.terminal import AsJson

if TYPE_CHECKING:
    from consent_edit.bench.guard import GuardReport
    from consent_edit.bench.guard_device import DeviceGuardReport


def guard(
    side: Annotated[int, typer.Option(min=128, max=4096, help="Side of the picture, pixels.")] = 512,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Counted runs after one warm-up.")] = 5,
    device: Annotated[
        str, typer.Option(help="A GPU, as cuda:0: beside a pipeline of real size with random weights.")
    ] = "",
    family: Annotated[str, typer.Option(help="Which, with --device: sdxl or kontext.")] = "sdxl",
    as_json: AsJson = False,
) -> None:
    """Measure the gate on scikit-image's astronaut, with simulated consent."""
    if device:
        beside = _on_device(side, runs, device, family)
        typer.echo(json.dumps(asdict(beside)) if as_json else _device_told(beside))
        return
    from consent_edit.bench.guard import bench_guard

    report = bench_guard(side, runs)
    typer.echo(json.dumps(asdict(report)) if as_json else "\n".join(_told(report)))


def _on_device(side: int, runs: int, device: str, family: str) -> DeviceGuardReport:
    """Measure beside a pipeline of real size.

    Raises:
        InputError: there is no such pipeline.
        Unavailable: ``check.device``: there is no such device; or a model is missing.
    """
    from consent_edit.bench.guard import square
    from consent_edit.bench.guard_device import guard_on_device
    from consent_edit.bench.real_sizes import require
    from consent_edit.demo.world import DemoWorld
    from consent_edit.perception.backends.choice import Backend
    from consent_edit.perception.faces.look import FaceDetector
    from consent_edit.perception.models.store import ModelStore
    from consent_edit.perception.process import PerceptionProcess
    from consent_edit.thresholds import load_thresholds

    require(family, device)
    photo = square(side)
    landmarks = FaceDetector(ModelStore(), load_thresholds()).detect(photo.pixels)[0].landmarks
    store = ModelStore(backend=Backend.named(device))
    with tempfile.TemporaryDirectory() as folder, PerceptionProcess(store, remembered=0) as perception:
        world = DemoWorld.create(photo, perception, Path(folder))
        return guard_on_device(world, landmarks, name=family, device=device, runs=runs)


def _told(report: GuardReport) -> list[str]:
    lines = [f"{name:22} {milliseconds:9.1f} ms" for name, milliseconds in report.parts.items()]
    refused = report.refused_at_input
    lines += [
        f"{'ungated pipeline':22} {report.ungated:9.1f} ms",
        f"{'gated, whole':22} {report.gated:9.1f} ms",
        f"{'refused at the input':22} {refused.time:9.1f} ms, {refused.steps} denoising steps",
        f"gate / ungated {report.gate_share:.2f}; checks / bare models {report.perception_ratio:.2f}",
    ]
    for name, one in report.families.items():
        shares = ", ".join(f"{share:.1%} of {edit}" for edit, share in one.shares.items())
        lines.append(f"{name:30} {one.gate:9.1f} ms, {one.looked_at} looks; {shares}")
    return lines


def _device_told(report: DeviceGuardReport) -> str:
    return (
        f"{report.family} on {report.runtime}, {report.side} x {report.side}, {report.steps} steps\n"
        f"ungated {report.ungated:.3f} s, gated {report.gated:.3f} s ({report.ended})\n"
        f"both looks on the device {report.looks:.1f} ms, {report.looks_share:.2%} of the ungated edit\n"
        f"refused at the input {report.refused:.3f} s, {report.refused_steps} denoising steps"
    )
