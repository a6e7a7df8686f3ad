"""``consent-edit bench``: measure, and print what was measured; speed never decides a test."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from consent_edit.cli import (
    bench_benign,
    bench_change,
    bench_consent,
    bench_device,
    bench_exposure,
    bench_faces,
    bench_policy,
    bench_prompts,
)
from consent_edit.cli.terminal import AsJson

app = typer.Typer(no_args_is_help=True)
app.command("prompts")(bench_prompts.prompts)
app.command("consent")(bench_consent.consent)
app.command("policy")(bench_policy.policy)
app.command("faces")(bench_faces.faces)
app.command("benign")(bench_benign.benign)
app.command("exposure")(bench_exposure.exposure)
app.command("change")(bench_change.change)
app.command("device")(bench_device.device)


@app.command("guard")
def guard(
    side: Annotated[int, typer.Option(min=128, max=4096, help="Side of the picture, pixels.")] = 512,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Counted runs after one warm-up.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure the gate on scikit-image's astronaut, with simulated consent and the built-in editor."""
    from consent_edit.cli.bench_guard import bench_guard

    report = bench_guard(side, runs)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    for name, milliseconds in report.parts.items():
        typer.echo(f"{name:22} {milliseconds:9.1f} ms")
    typer.echo(f"{'ungated pipeline':22} {report.ungated:9.1f} ms")
    typer.echo(f"{'gated, whole':22} {report.gated:9.1f} ms")
    typer.echo(f"gate / ungated {report.gate_share:.2f}; checks / bare models {report.perception_ratio:.2f}")
