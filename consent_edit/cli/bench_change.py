"""``consent-edit bench change DIR``: edits that touch nobody but read as a touch, and repaints missed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consent_edit.cli.terminal import AsJson, overwritten
from consent_edit.thresholds import load_thresholds

if TYPE_CHECKING:
    from consent_edit.bench.change import EditRow
    from consent_edit.bench.change_chains import ChainRow


def change(
    folder: Annotated[Path, typer.Argument(help="lfw/, detect/ and detect_counts.csv.")],
    pictures: Annotated[int, typer.Option(min=2, help="Pictures at most.")] = 60,
    vae: Annotated[
        Path | None, typer.Option(help="Folder of a diffusers autoencoder: its round trip is measured too.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the curve as a PNG.")] = None,
    chains: Annotated[
        bool, typer.Option("--chains", help="Also edits of edits: harmless ones, and repaints in steps.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what changed: edits of the whole picture, and repaints of bodies and faces."""
    from consent_edit.bench.change import measure
    from consent_edit.bench.change_chains import measure_chains
    from consent_edit.bench.change_plot import plotted
    from consent_edit.bench.change_scenes import round_trip, scenes
    from consent_edit.bench.edits import BENIGN
    from consent_edit.perception.change.look import ChangeMeter
    from consent_edit.perception.models.store import ModelStore

    limits = load_thresholds()
    autoencoder = None if vae is None else round_trip(vae)
    then = {"graded": BENIGN["curve"]} if autoencoder is None else {"autoencoder": autoencoder}
    found, meter = (
        scenes(folder, pictures, limits, autoencoder=autoencoder, told=overwritten),
        ChangeMeter(ModelStore(), limits),
    )
    rows = measure(found, meter, limits, after_repaint=then, told=overwritten)
    chained = measure_chains(found, meter, autoencoder=autoencoder, told=overwritten) if chains else ()
    if plot is not None:
        plotted(rows, plot)
    if as_json:
        told = {"rows": [asdict(row) for row in rows], "shares": _totals(rows)}
        typer.echo(json.dumps({**told, "chains": [asdict(row) for row in chained]}))
        return
    for line in [*map(_line, rows), *map(_line, chained)]:
        typer.echo(line)
    for kind, share in _totals(rows).items():
        typer.echo(f"{kind:7} all edits: {100 * share:.2f} % touched")


def _totals(rows: tuple[EditRow, ...]) -> dict[str, float]:
    """Share touched of all edits of each kind."""
    from consent_edit.bench.change_plot import shares

    kinds = dict.fromkeys(row.kind for row in rows)
    return {
        kind: sum(row.touched for row in rows if row.kind == kind)
        / sum(row.pictures for row in rows if row.kind == kind)
        for kind in kinds
        if shares(rows, kind)
    }


def _line(row: EditRow | ChainRow) -> str:
    """One kind of edit, or of chain, on a line."""
    share = row.touched / row.pictures
    return (
        f"{row.kind:9}{row.edit:44} {100 * share:6.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}]  "
        f"{row.touched}/{row.pictures}"
    )
