"""``consent-edit bench lineage DIR``: pictures saved anew and still found, and others mistaken for them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson, overwritten, plain
from consent_edit.thresholds import load_thresholds


def lineage(
    folder: Annotated[Path, typer.Argument(help="Pictures, in folders or not.")],
    limit: Annotated[int, typer.Option(min=0, help="Pictures at most; 0 for all.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure how a chain of edits is followed through files that were saved anew."""
    from consent_edit.bench.lineage import measure_lineage

    found = measure_lineage(folder, load_thresholds(), limit=limit, told=overwritten)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    for row in found.rows:
        share = 100 * row.found / row.pictures if row.pictures else 0.0
        typer.echo(
            f"{row.edit:42} found {share:5.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}]"
            f" of {row.pictures}, median {row.middle:.0f} bits, 95 % within {row.most:.0f}"
        )
    typer.echo(f"too plain to be looked up: {found.plain} of {found.pictures}")
    typer.echo(f"different pictures taken for one another: {found.mistaken} of {found.pairs} pairs")
    for distance, names in zip(found.nearest, found.look_alike, strict=True):
        typer.echo(f"  {distance:3} bits: {plain(names[0])}, {plain(names[1])}")
