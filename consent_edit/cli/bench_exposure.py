"""``consent-edit bench exposure DIR``: false hits on ordinary pictures, false rises under mere edits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consent_edit.cli.terminal import AsJson, overwritten
from consent_edit.errors import Unavailable
from consent_edit.thresholds import Thresholds, load_thresholds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from consent_edit.bench.exposure import ExposureFigures, Share
    from consent_edit.perception.checks import Checks
    from consent_edit.perception.observation import (
        BodyObservation,
        FaceObservation,
        ModelUse,
        PersonObservation,
        PictureExposure,
    )

_STEPS: Final = 99


class ChecksLooker:
    """The package's own must-run checks: faces, bodies, exposure.

    Raises:
        ModelUnavailable: one of their models is missing, altered or fails its self-test.
    """

    def __init__(self, checks: Checks) -> None:
        from consent_edit.vocabulary import CheckName

        self._checks = checks
        checks.load(CheckName.FACE_DETECTION)
        checks.load(CheckName.BODY_DETECTION)
        self.uses: tuple[ModelUse, ...] = checks.load(CheckName.EXPOSURE)

    def people(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[tuple[FaceObservation, ...], tuple[BodyObservation, ...]]:
        """Everybody found: faces, and bodies without one."""
        faces = self._checks.detect(pixels)
        return faces, self._checks.bodies(pixels, faces)

    def read(self, pixels: NDArray[np.uint8], people: Sequence[PersonObservation]) -> PictureExposure:
        """Their exposure."""
        return self._checks.expose(pixels, people)


def exposure(
    folder: Annotated[Path, typer.Argument(help="One folder of ordinary pictures a kind.")],
    limit: Annotated[int, typer.Option(min=0, help="Pictures a kind; 0 for all.")] = 0,
    edited: Annotated[int, typer.Option(min=0, help="Pictures a kind that are edited too.")] = 0,
    after: Annotated[
        Path | None, typer.Option(help="The same pictures after an edit that exposes nobody.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw false hits against the threshold, PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the exposure check on ordinary pictures; nobody in them is exposed, so every hit is false."""
    from consent_edit.bench.exposure import measure, pictures
    from consent_edit.perception.checks import build_checks
    from consent_edit.perception.models.store import ModelStore

    limits = load_thresholds()
    chosen = pictures(folder, limit)
    looker = ChecksLooker(build_checks(ModelStore(), limits))
    figures = measure(
        chosen,
        looker,
        limits,
        edited=edited,
        after=None if after is None else (folder, after),
        told=overwritten,
    )
    if plot is not None:
        draw(figures, limits, plot)
    if as_json:
        typer.echo(json.dumps(report(figures, looker.uses, limits)))
        return
    _print(figures)


def _print(figures: ExposureFigures) -> None:
    """Rows for people to read."""
    from consent_edit.bench.exposure import FIGURES, Share

    typer.echo(f"{'kind':12} {'pictures':>8}  " + "  ".join(f"{name:>12}" for name in FIGURES))
    for kind, counted in figures.kinds.items():
        shares = [Share(counted.hits[name], counted.pictures) for name in FIGURES]
        typer.echo(f"{kind:12} {counted.pictures:8}  " + "  ".join(f"{share.rate:12.3f}" for share in shares))
    for name, share in [*figures.rises.items(), ("all edits", figures.risen)]:
        if share.of:
            low, high = share.interval
            typer.echo(f"risen, {name:20} {share.hits:4}/{share.of:<5} {low:.3f} to {high:.3f}")
    typer.echo(f"{1000 * figures.seconds / max(figures.views, 1):.1f} ms of one processor a view")


def report(figures: ExposureFigures, uses: Sequence[ModelUse], limits: Thresholds) -> dict[str, object]:
    """What ``--json`` prints."""
    from consent_edit.bench.exposure import Share

    return {
        "models": {use.role: use.sha256 for use in uses},
        "thresholds": limits.digest,
        "kinds": {
            kind: {
                "pictures": counted.pictures,
                "with_people": counted.with_people,
                "false_hits": {
                    name: _share(Share(hits, counted.pictures)) for name, hits in counted.hits.items()
                },
            }
            for kind, counted in figures.kinds.items()
        },
        "false_rises": {name: _share(share) for name, share in figures.rises.items()},
        "false_rises_all": _share(figures.risen),
        "processor_milliseconds_a_view": round(1000 * figures.seconds / max(figures.views, 1), 2),
    }


def _share(share: Share) -> dict[str, object]:
    return {
        "hits": share.hits,
        "of": share.of,
        "rate": round(share.rate, 4),
        "interval": [round(end, 4) for end in share.interval],
    }


def draw(figures: ExposureFigures, limits: Thresholds, path: Path) -> None:
    """Per kind: the share of pictures with a view at or above each threshold, OpenNSFW alone.

    Raises:
        Unavailable: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Unavailable(
            "plots need matplotlib", code="check.plot", remedy="pip install 'consent-edit[bench]'"
        ) from error
    steps = [(number + 1) / (_STEPS + 1) for number in range(_STEPS)]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for kind, counted in figures.kinds.items():
        shares = [sum(score >= step for score in counted.worst) / counted.pictures for step in steps]
        axes.plot(steps, shares, label=f"{kind} ({counted.pictures})")
    for point in (limits.exposure_nude_whole, limits.exposure_nude_crop):
        axes.axvline(point, color="grey", linestyle=":")
    axes.set(xlabel="threshold on the highest OpenNSFW score of all views", ylabel="false hits", ylim=(0, 1))
    axes.legend()
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise Unavailable(
            f"the plot cannot be written ({type(error).__name__})",
            code="check.plot",
            remedy="name a file in a folder that exists and can be written",
        ) from error
