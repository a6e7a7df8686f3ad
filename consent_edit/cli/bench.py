"""``consent-edit bench``: measure, and print what was measured; speed never decides a test."""

from __future__ import annotations

import typer

from consent_edit.cli import bench_guard, bench_prompts

app = typer.Typer(no_args_is_help=True)
app.command("guard")(bench_guard.guard)
app.command("prompts")(bench_prompts.prompts)
