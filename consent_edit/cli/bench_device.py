"""``consent-edit bench device``: milliseconds a picture on a device, and the memory that takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson


def device(
    name: Annotated[str, typer.Option("--device", help="Where to run: cuda:0, cpu.")] = "cuda:0",
    side: Annotated[int, typer.Option(min=128, max=4096, help="Side of the picture, pixels.")] = 1024,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="Counted runs after one warm-up.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Measure the torch backend on scikit-image's astronaut: detectors, exposure and both embedders."""
    import numpy as np
    from PIL import Image

    from consent_edit.bench.device import measure_device
    from consent_edit.demo.photos import astronaut
    from consent_edit.perception.faces.look import FaceDetector
    from consent_edit.perception.models.store import ModelStore
    from consent_edit.thresholds import load_thresholds

    photo = astronaut().pixels
    points = FaceDetector(ModelStore(), load_thresholds()).detect(photo)[0].landmarks
    resized = Image.fromarray(photo).resize((side, side), Image.Resampling.LANCZOS)
    scale = np.array([side / photo.shape[1], side / photo.shape[0]], np.float32)
    report = measure_device(np.asarray(resized, dtype=np.uint8), points * scale, device=name, runs=runs)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    typer.echo(f"{report.runtime}, {side} x {side}")
    for part, milliseconds in report.parts.items():
        typer.echo(f"{part:28} {milliseconds:9.2f} ms")
    typer.echo(f"{'these, a picture':28} {report.picture:9.2f} ms")
    typer.echo(f"{'every check, a picture':28} {report.observation:9.2f} ms")
    typer.echo(f"load {report.load:.0f} ms, first picture {report.first:.0f} ms, {report.memory >> 20} MiB")
