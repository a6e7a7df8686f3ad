"""What the commands share: the ``--json`` option, saying a result, and reading a file that was named."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar

import typer

from consent_edit.errors import InputError

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
"""The option every command that answers has."""

_STEP: Final = 1000
_T = TypeVar("_T")


def say(as_json: bool, facts: Mapping[str, object], sentence: str) -> None:
    """Print a result: the facts as one JSON object, or the sentence, of which nothing steers the terminal."""
    typer.echo(json.dumps(facts) if as_json else lines(sentence))


def read_file(path: Path, *, code: str = "input.file", most: int = -2) -> bytes:
    """The whole content of a file; with ``most``, one byte more than that at most, to tell it is too long.

    Raises:
        InputError: with ``code``; it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", code=code) from error


def plain(text: str) -> str:
    """A text of somebody else's as a terminal can show it: on one line, without control characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def lines(text: str) -> str:
    """As :func:`plain`, for a text of several lines."""
    return "\n".join(map(plain, text.split("\n")))


def overwritten(line: str) -> None:
    """Progress that the next line overwrites: on stderr, and only for a terminal."""
    if sys.stderr.isatty():
        typer.echo(f"\r{line:60}", nl=False, err=True)


def counted(items: Iterable[_T], what: str) -> Iterator[_T]:
    """The items as they come; how many there were by now stands on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    number = 0
    for number, item in enumerate(items, 1):
        if number % _STEP == 0:
            typer.echo(f"\r{number:,} {what}", nl=False, err=True)
        yield item
    if number >= _STEP:
        typer.echo(f"\r{number:,} {what}", err=True)
