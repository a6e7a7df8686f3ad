"""``consent-edit bench``: measure, and print what was measured; speed never decides a test."""

from __future__ import annotations

import typer

from consent_edit.cli import (
    bench_benign,
    bench_change,
    bench_consent,
    bench_device,
    bench_exposure,
    bench_faces,
    bench_guard,
    bench_lineage,
    bench_policy,
    bench_prompts,
)

app = typer.Typer(no_args_is_help=True)
app.command("prompts")(bench_prompts.prompts)
app.command("consent")(bench_consent.consent)
app.command("policy")(bench_policy.policy)
app.command("faces")(bench_faces.faces)
app.command("benign")(bench_benign.benign)
app.command("exposure")(bench_exposure.exposure)
app.command("change")(bench_change.change)
app.command("lineage")(bench_lineage.lineage)
app.command("device")(bench_device.device)
app.command("guard")(bench_guard.guard)
