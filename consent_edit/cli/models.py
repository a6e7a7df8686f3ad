"""``consent-edit models``: fetch, list, verify and export the model files that the lock pins."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson
from consent_edit.perception import pull as files
from consent_edit.perception.models import ModelStore

app = typer.Typer(no_args_is_help=True, help="Fetch, list, verify and export the model files the lock pins.")


def _tell(line: str) -> None:
    """Progress: on stderr, and only for a terminal."""
    if sys.stderr.isatty():
        typer.echo(line, err=True)


def _show(reports: Sequence[files.FileReport], as_json: bool) -> None:
    """The reports on stdout."""
    if as_json:
        typer.echo(json.dumps({"models": [asdict(report) for report in reports]}, indent=2))
        return
    for report in reports:
        typer.echo(f"{report.role:24} {report.state.value:12} {report.licence:14} {report.file}")
        if report.detail:
            typer.echo(f"{'':24} {report.detail}")


def _finish(make: Callable[[], Sequence[files.FileReport]], as_json: bool) -> None:
    """Run a command: exit 0 when every file is there and intact, 4 otherwise."""
    reports = make()
    _show(reports, as_json)
    if files.unavailable(reports):
        typer.echo("check.model-unavailable: a model file is missing or altered", err=True)
        typer.echo("  what to do: consent-edit models pull", err=True)
        raise typer.Exit(4)


@app.command()
def pull(as_json: AsJson = False) -> None:
    """Fetch missing files into the user cache (CONSENT_EDIT_MODELS names a folder of your own)."""
    _finish(lambda: files.pull(ModelStore(), ModelStore().folders[0], _tell), as_json)


@app.command(name="list")
def list_models(as_json: AsJson = False) -> None:
    """Show every file the lock names, its licence, and whether it is here."""
    _show(files.verify(ModelStore()), as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Hash every file again; exit 4 if one is missing or altered."""
    _finish(lambda: files.verify(ModelStore()), as_json)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the copies go; made if it is not there.")],
    as_json: AsJson = False,
) -> None:
    """Copy every file into a folder for a machine without a network; name it there in CONSENT_EDIT_MODELS."""
    _finish(lambda: files.export(ModelStore(), folder), as_json)
