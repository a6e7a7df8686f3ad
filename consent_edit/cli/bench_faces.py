"""``consent-edit bench faces DIR``: how many faces are found, condition by condition."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consent_edit.cli.terminal import AsJson, overwritten

if TYPE_CHECKING:
    from consent_edit.bench.faces import FacesReport, Recall

_IDENTITIES: Final = 104


def faces(
    folder: Annotated[Path, typer.Argument(help="lfw/, detect/ and detect_counts.csv.")],
    *,
    identities: Annotated[int, typer.Option(min=1, help="Portraits, one a person.")] = _IDENTITIES,
    conditions: Annotated[str, typer.Option(help="Only conditions whose name this expression matches.")] = "",
    pairs: Annotated[int, typer.Option(min=0, help="Pairs of people laid one over the other.")] = 0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Measure instead whose face it is: TAR at FMR 1e-3 to 1e-5.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Write recall per condition as a PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure face recall under 97 conditions, on counted pictures, and the boxes a clear face gets."""
    if verify:
        _verify(folder, plot, as_json)
        return
    from consent_edit.bench.faces import measure, plotted
    from consent_edit.perception.faces.look import FaceDetector
    from consent_edit.perception.models.store import ModelStore
    from consent_edit.thresholds import load_thresholds

    report = measure(
        folder,
        FaceDetector(ModelStore(), load_thresholds()),
        people=identities,
        pattern=conditions,
        pairs=pairs,
        told=overwritten,
    )
    if plot is not None:
        plotted(report.recall, plot)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    for one in report.recall:
        typer.echo(_line(one))
    typer.echo(_line(report.overall))
    typer.echo(_line(report.second_half))
    for place in report.hidden:
        typer.echo(
            f"laid over another, {place.place}: {place.found}/{place.of} keep a box of their own, "
            f"undisguised {place.plain_found}/{place.plain_of}"
        )
    typer.echo(_summary(report))


def _verify(folder: Path, plot: Path | None, as_json: bool) -> None:
    """The same folder's people against one another, by both embedders."""
    from consent_edit.bench.verification import verify
    from consent_edit.bench.verification_figures import told
    from consent_edit.bench.verification_plot import plot_verification
    from consent_edit.perception.models.store import ModelStore
    from consent_edit.thresholds import load_thresholds

    found = verify(
        folder,
        load_thresholds(),
        ModelStore(),
        progress=lambda done, total: overwritten(f"{done} of {total} photographs"),
    )
    if plot is not None:
        plot_verification(found, plot)
    for line in [json.dumps(found.as_json())] if as_json else told(found):
        typer.echo(line)


def _line(one: Recall) -> str:
    """One condition's figures on a line."""
    return (
        f"{one.condition:28} {one.share:6.3f} [{one.low:.3f}, {one.high:.3f}]  "
        f"{one.found}/{one.of}, {one.supported} supported"
    )


def _summary(report: FacesReport) -> str:
    """What is not about one condition."""
    return (
        f"{report.above_98} of {len(report.recall)} conditions at .98 or more, "
        f"the least {report.least:.3f}\n"
        f"counted pictures: {report.counted_missing} of {report.counted_faces} faces without a box, "
        f"{report.counted_extra} supported boxes too many\n"
        f"clear portraits: {report.one_box:.3f} have one box, "
        f"{report.not_human} of {report.people} taken for no person's\n"
        f"{report.boxes_a_picture} boxes and {report.milliseconds} ms a picture"
    )
