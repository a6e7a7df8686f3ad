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
from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models import pull as files
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.operator.models import operator_file, read_operator_models

_DECLARED_REMEDY = "put the declared files in place, or take the models out of the file of models"

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


def _finish(
    make: Callable[[], Sequence[files.FileReport]],
    as_json: bool,
    remedy: str = "consent-edit models pull",
) -> None:
    """Run a command: exit 0 when every file is there and intact, 4 otherwise."""
    reports = make()
    _show(reports, as_json)
    if files.unavailable(reports):
        typer.echo("check.model-unavailable: a model file is missing or altered", err=True)
        typer.echo(f"  what to do: {remedy}", err=True)
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
def added(
    file: Annotated[Path, typer.Argument(help="The file of models, as models.toml in an operator's folder.")],
    as_json: AsJson = False,
) -> None:
    """Hash the models that an operator adds and show their licences; exit 4 if one is missing or altered."""
    _finish(lambda: [_added(*one) for one in read_operator_models(file).files()], as_json, _DECLARED_REMEDY)


def _added(role: str, path: Path, sha256: str, licence: str) -> files.FileReport:
    """How one of an operator's own files stands."""
    try:
        operator_file(path, sha256, role)
    except ModelUnavailable as error:
        state, detail = files.FileState.UNAVAILABLE, f"{error.message}; {error.remedy}"
    else:
        state, detail = files.FileState.VERIFIED, ""
    return files.FileReport(role, path.name, sha256, licence, state, str(path), detail)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the copies go; made if it is not there.")],
    as_json: AsJson = False,
) -> None:
    """Copy every file into a folder for a machine without a network; name it there in CONSENT_EDIT_MODELS."""
    _finish(lambda: files.export(ModelStore(), folder), as_json)
