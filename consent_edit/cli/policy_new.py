"""``consent-edit policy new``: a folder with a policy to start from, its README and tests that pass."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson, say
from consent_edit.consent.new_folder import new_folder
from consent_edit.policy.authoring.writing.scaffold import name_for, new_policy
from consent_edit.policy.shipped_names import as_argument


def new(
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    pack: Annotated[str, typer.Option("--from", metavar="PACK", help="A policy that ships.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a policy to start from; `policy check` and `policy test` pass on it at once."""
    files = new_policy(name_for(folder), pack=pack)
    with new_folder(folder, code="input.policy-folder") as place:
        for name, text in files.items():
            file = place / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    made = [str(folder / name) for name in files]
    next_step = f"next: consent-edit policy test {shlex.quote(as_argument(folder))}"
    sentence = "\n".join((*(f"made {name}" for name in made), next_step))
    say(as_json, {"folder": str(folder), "files": made}, sentence)
