"""``consent-edit subject``: the service answers a person depicted: export, erase, objection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from consent_edit import operator_folder
from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.subject import Purpose, SubjectDesk

app = typer.Typer(no_args_is_help=True)

OperatorArgument = Annotated[Path, typer.Argument(help="Operator's folder (consent-edit operator init).")]
PresentationOption = Annotated[
    Path, typer.Option("--presentation", help="What `wallet bind` wrote for this service and nonce.")
]
NonceOption = Annotated[str, typer.Option(help="The nonce that `subject challenge` gave out.")]

_Answer = TypeVar("_Answer")


@app.callback()
def _group() -> None:
    """A person depicted asks the service: what do you hold of me, erase it, never edit me."""


@app.command("challenge")
def challenge(
    operator: OperatorArgument,
    purpose: Annotated[Purpose, typer.Argument(help="What the person asks for.")],
    as_json: AsJson = False,
) -> None:
    """Give out a nonce for one purpose; the person binds her credential to it (`wallet bind`)."""
    nonce = _desk(operator).challenge(purpose)
    say(as_json, {"nonce": nonce}, nonce)


@app.command("stale")
def stale(operator: OperatorArgument, as_json: AsJson = False) -> None:
    """How many on the "never edit me" list would not be found, as after a change of weight files."""
    count = _desk(operator).stale_objections()
    say(as_json, {"stale": count}, f"{count} on the list must object again with a renewed credential")


@app.command("export")
def export(
    operator: OperatorArgument, presentation: PresentationOption, nonce: NonceOption, as_json: AsJson = False
) -> None:
    """Everything held of the person who presents, as JSON."""
    held = _asked(presentation, lambda text: _desk(operator).export(text, nonce))
    decisions = held["decisions"]
    count = len(decisions) if isinstance(decisions, list) else 0
    say(as_json, dict(held), f"{count} decision(s) held of {held['subject']}; --json prints them")


@app.command("erase")
def erase(
    operator: OperatorArgument, presentation: PresentationOption, nonce: NonceOption, as_json: AsJson = False
) -> None:
    """Erase what is held of the person who presents; the log goes on verifying."""
    count = _asked(presentation, lambda text: _desk(operator).erase(text, nonce))
    say(as_json, {"erased": count}, f"{count} entr(ies) can no longer be read by anybody")


@app.command("object")
def objection(
    operator: OperatorArgument,
    presentation: PresentationOption,
    nonce: NonceOption,
    lift: Annotated[bool, typer.Option("--lift", help="Lift the objection again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put the person who presents on the "never edit me" list, or take her off it."""
    desk = _desk(operator)
    change = desk.lift_objection if lift else desk.object_to_edits
    _asked(presentation, lambda text: change(text, nonce))
    said = "her objection is lifted" if lift else "her face is never edited here from now on"
    say(as_json, {"objects": not lift}, said)


def _desk(operator: Path) -> SubjectDesk:
    return SubjectDesk(operator_folder.load_desk(operator))


def _asked(presentation: Path, answer: Callable[[str], _Answer]) -> _Answer:
    """The desk's answer; a presentation that is none is bad input, one that does not hold is not verified."""
    text = read_file(presentation).decode("ascii", "replace").strip()
    if not text:
        raise InputError("the presentation file is empty", code="input.presentation")
    try:
        return answer(text)
    except ConsentInvalid as error:
        error.remedy = (
            "ask for a fresh nonce (subject challenge) and bind to it (wallet bind; --face to object)"
        )
        raise
