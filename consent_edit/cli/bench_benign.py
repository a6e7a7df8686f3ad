"""``consent-edit bench benign DIR``: how often ordinary pictures set a check off, kind by kind."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson, overwritten


def benign(
    folder: Annotated[Path, typer.Argument(help="One folder of pictures a kind.")],
    limit: Annotated[int, typer.Option(min=0, help="Pictures a kind; 0 for all.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure false hits on ordinary pictures."""
    from consent_edit.bench.benign import FaceProbe, measure
    from consent_edit.perception.faces.look import FaceDetector
    from consent_edit.perception.models.store import ModelStore
    from consent_edit.thresholds import load_thresholds

    probes = [FaceProbe(FaceDetector(ModelStore(), load_thresholds()))]
    figures = measure(folder, probes, limit=limit, told=overwritten)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in figures]))
        return
    for one in figures:
        rates = ", ".join(
            f"{name} {count / one.pictures:.3f} ({count})" for name, count in sorted(one.fired.items())
        )
        typer.echo(f"{one.kind:16} {one.pictures:5} pictures: {rates}")
