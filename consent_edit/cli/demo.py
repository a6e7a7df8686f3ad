"""``consent-edit demo``: every refusal, and the one release, on a real photograph."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from consent_edit.cli.terminal import AsJson, read_file
from consent_edit.errors import Unavailable
from consent_edit.intake.decode import decode

if TYPE_CHECKING:
    from consent_edit.demo.steps import StepResult


def demo(
    out: Annotated[Path, typer.Option(help="Folder for outputs, receipts and the contact sheet.")] = Path(
        "demo-out"
    ),
    photo: Annotated[
        Path | None, typer.Option(help="A picture of your own with one face: runs only the refusing steps.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Refused without consent, released with it, refused once withdrawn, and never undressed.

    The person in the photograph gave no consent: the issuer is simulated, and every output says so.
    """
    own = decode(read_file(photo, code="input.unreadable")).image if photo else None
    from consent_edit.demo.photos import astronaut
    from consent_edit.demo.sheet import contact_sheet
    from consent_edit.demo.steps import REFUSING_STEPS, STEPS
    from consent_edit.demo.world import DemoWorld
    from consent_edit.perception.process import PerceptionProcess

    names = tuple(STEPS) if own is None else REFUSING_STEPS
    picture = own or astronaut()
    with PerceptionProcess() as perception:
        world = DemoWorld.create(picture, perception, out)
        results = [STEPS[name](world) for name in _progress(names)]
        state = world.operator.store.log_state()
    sheet = out / "contact-sheet.png"
    contact_sheet(results).save(sheet)
    _write_decisions(out, results)
    if as_json:
        log = {"size": state.size, "root": state.root}
        typer.echo(json.dumps({"steps": [_step(r) for r in results], "checks": _checks(results), "log": log}))
    else:
        _table(results)
        typer.echo(f"\ncontact sheet {sheet}, log {state.size} entries, root {state.root[:16]}…")
        typer.echo("Nobody in these pictures gave consent. The consent shown here is simulated.")
    _leave_if_blind(results)


def _leave_if_blind(results: Sequence[StepResult]) -> None:
    """Exit 4 when a check that must run gave no answer in a step that does not take one away.

    Raises:
        typer.Exit: with code 4.
    """
    steps = (result.codes for result in results if result.name != "missing-check")
    lost = sorted({code for codes in steps for code in codes if code.startswith("check.")})
    if lost:
        typer.echo(f"{lost[0]}: a check gave no answer, so everything is refused", err=True)
        typer.echo("  what to do: consent-edit models verify", err=True)
        raise typer.Exit(Unavailable.exit_code)


@contextmanager
def _status(console: Console, text: str) -> Iterator[None]:
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        yield


def _progress(names: Sequence[str]) -> Iterator[str]:
    """Names one by one, with progress on stderr and only on a terminal."""
    console = Console(stderr=True)
    for number, name in enumerate(names, start=1):
        with _status(console, f"step {number} of {len(names)}: {name}"):
            yield name


def _step(result: StepResult) -> dict[str, object]:
    return {
        "name": result.name,
        "outcome": result.outcome,
        "codes": list(result.codes),
        "output": result.output,
        "receipt": result.receipt,
    }


def _checks(results: Sequence[StepResult]) -> list[object]:
    """The checks of the step that ran most of them."""
    return list(max(results, key=lambda result: len(result.checks)).checks) if results else []


def _write_decisions(out: Path, results: Sequence[StepResult]) -> None:
    """What was decided, step by step, beside the pictures."""
    decisions = [_step(result) | {"checks": list(result.checks)} for result in results]
    (out / "decisions.json").write_text(json.dumps(decisions, indent=1) + "\n")


def _table(results: Sequence[StepResult]) -> None:
    """A small table; a step with several reasons has a line for each, so that none is cut."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("step", "outcome", "why"):
        table.add_column(column, no_wrap=True, overflow="fold")
    for result in results:
        colour = "green" if result.outcome == "released" else "red"
        why = "\n".join(result.codes) or "consent verified; file and receipt written"
        table.add_row(result.name, f"[{colour}]{result.outcome}[/{colour}]", why)
    Console().print(table)
