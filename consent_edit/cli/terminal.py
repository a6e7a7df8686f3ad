"""What the commands share: the ``--json`` option, saying a result, and reading a file that was named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from consent_edit.errors import InputError

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
"""The option every command that answers has."""


def say(as_json: bool, facts: Mapping[str, object], sentence: str) -> None:
    """Print a result: the facts as one JSON object, or the sentence."""
    typer.echo(json.dumps(facts) if as_json else sentence)


def read_file(path: Path, *, code: str = "input.file") -> bytes:
    """The whole content of a file.

    Raises:
        InputError: with ``code``; it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", code=code) from error
