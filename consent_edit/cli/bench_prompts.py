"""``consent-edit bench prompts FILE``: what the prompt reader refuses and misses, by language and trick."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol, runtime_checkable

import typer
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from consent_edit.cli.terminal import AsJson
from consent_edit.errors import ArgumentRejected
from consent_edit.perception.observation import PromptObservation
from consent_edit.vocabulary import Intent

_MAX_BYTES = 64 * 1024 * 1024


class LabelledPrompt(BaseModel):
    """One line of the file.

    Attributes:
        trick: How the words are disguised, in a word or two; empty for plain ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    language: str = Field(min_length=1, max_length=16)
    label: Literal["ordinary", "revealing", "sexual"]
    trick: str = Field(default="", max_length=40)


class PromptFigures(BaseModel):
    """Counts over some prompts. A rate without a prompt to count reads -1.

    Attributes:
        false_refusals: Ordinary prompts whose intent did not read ordinary.
        of_which_unread: Those among them that read undetermined.
        caught: Revealing and sexual prompts whose intent did not read ordinary.
        severity_right: Revealing and sexual prompts that read exactly as labelled.
        false_refusal_interval: 95 % Wilson interval of the false refusal rate.
        recall_interval: 95 % Wilson interval of the recall.
        names: Ordinary prompts read as naming a person, rightly or not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ordinary: int
    false_refusals: int
    of_which_unread: int
    false_refusal_rate: float
    exposing: int
    caught: int
    recall: float
    severity_right: int
    false_refusal_interval: tuple[float, float]
    recall_interval: tuple[float, float]
    names: int


class PromptReport(BaseModel):
    """What ``bench prompts --json`` prints.

    Attributes:
        milliseconds_a_prompt: Mean wall time of one reading, on one thread.
        tricks: Figures of the disguised prompts, by disguise.
        failures: The prompts read wrongly, with their label and what was read; only when asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    prompts: int
    milliseconds_a_prompt: float
    overall: PromptFigures
    languages: dict[str, PromptFigures]
    tricks: dict[str, PromptFigures]
    failures: list[dict[str, str]]


class Reader(Protocol):
    """What reads prompts: :class:`consent_edit.perception.prompt.reader.PromptReader`, or a test's own."""

    def read(self, texts: Sequence[str]) -> PromptObservation:
        """Read the texts of one request."""
        ...


@runtime_checkable
class ChanceReader(Protocol):
    """A reader that can also say how likely a text is exposing: what a curve needs."""

    def exposing_chance(self, text: str) -> float:
        """The chance, 0 to 1, that the exposing threshold is compared with."""
        ...


def bench_prompts(
    path: Path, *, reader: Reader | None = None, failures: bool = False, plot: Path | None = None
) -> PromptReport:
    """Read every prompt of a JSON-lines file and count.

    Args:
        path: Lines of ``{"prompt", "language", "label": "ordinary|revealing|sexual"}``.
        reader: By default a PromptReader over the package's own models.
        failures: Whether to list what was read wrongly.
        plot: Where to draw recall against false refusals over the exposing threshold, per language, as PNG.

    Raises:
        ArgumentRejected: the file cannot be read, is empty, or a line is not of that form.
        ArgumentRejected: the reader gives no chances, the plot cannot be written, or matplotlib is missing.
        Unavailable: the reader's models are missing or broke.
    """
    rows = _rows(path)
    if reader is None:
        from consent_edit.perception.prompt.reader import PromptReader

        reader = PromptReader()
    started = time.perf_counter()
    seen = [reader.read([row.prompt]) for row in rows]
    spent = time.perf_counter() - started
    judged = list(zip(rows, seen, strict=True))
    tricks = sorted({row.trick for row in rows if row.trick})
    if plot is not None:
        _plot(plot, rows, reader)
    languages = sorted({row.language for row in rows})
    wrong = [
        {"prompt": row.prompt, "language": row.language, "label": row.label, "read": read.intent.value}
        for row, read in judged
        if failures and read.intent.value != row.label
    ]
    return PromptReport(
        file=path.name,
        prompts=len(rows),
        milliseconds_a_prompt=round(1000 * spent / len(rows), 2),
        overall=_figures(judged),
        languages={
            name: _figures([pair for pair in judged if pair[0].language == name]) for name in languages
        },
        tricks={name: _figures([pair for pair in judged if pair[0].trick == name]) for name in tricks},
        failures=wrong,
    )


def prompts(
    file: Annotated[Path, typer.Argument(help="JSON lines of prompt, language, label.")],
    as_json: AsJson = False,
    failures: Annotated[bool, typer.Option("--failures", help="List the prompts read wrongly.")] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the curves into this PNG.")] = None,
) -> None:
    """Measure the prompt reader on labelled prompts."""
    report = bench_prompts(file, failures=failures, plot=plot)
    if as_json:
        sys.stdout.write(json.dumps(report.model_dump(), ensure_ascii=False) + "\n")
        return
    for name, counted in [*report.languages.items(), *report.tricks.items(), ("all", report.overall)]:
        sys.stdout.write(
            f"{name:20} caught {counted.caught}/{counted.exposing}{_told(counted.recall_interval)}  "
            f"falsely refused {counted.false_refusals}/{counted.ordinary}"
            f"{_told(counted.false_refusal_interval)}\n"
        )
    for failure in report.failures:
        sys.stdout.write(
            f"{failure['language']:4} {failure['label']} read {failure['read']}: {failure['prompt']}\n"
        )


def _rows(path: Path) -> list[LabelledPrompt]:
    adapter = TypeAdapter(LabelledPrompt)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ArgumentRejected(f"{path.name} is larger than {_MAX_BYTES} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [adapter.validate_json(line) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ArgumentRejected(
            f"{path.name} is no file of labelled prompts ({type(error).__name__})",
            remedy='give JSON lines of {"prompt", "language", "label": "ordinary|revealing|sexual"}',
        ) from error
    if not rows:
        raise ArgumentRejected(f"{path.name} holds no prompt")
    return rows


def _figures(judged: Sequence[tuple[LabelledPrompt, PromptObservation]]) -> PromptFigures:
    ordinary = [read for row, read in judged if row.label == "ordinary"]
    exposing = [(row.label, read.intent) for row, read in judged if row.label != "ordinary"]
    false = sum(read.intent is not Intent.ORDINARY for read in ordinary)
    caught = sum(intent is not Intent.ORDINARY for _, intent in exposing)
    return PromptFigures(
        ordinary=len(ordinary),
        false_refusals=false,
        of_which_unread=sum(read.intent is Intent.UNDETERMINED for read in ordinary),
        false_refusal_rate=round(false / len(ordinary), 4) if ordinary else -1.0,
        exposing=len(exposing),
        caught=caught,
        recall=round(caught / len(exposing), 4) if exposing else -1.0,
        severity_right=sum(intent.value == label for label, intent in exposing),
        false_refusal_interval=wilson(false, len(ordinary)),
        recall_interval=wilson(caught, len(exposing)),
        names=sum(read.names_person for read in ordinary),
    )


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share after Wilson, 4 decimals; 0 to 1 without a trial."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = hits / trials, 1.959964**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return round(max(0.0, middle - reach), 4), round(min(1.0, middle + reach), 4)


def _told(interval: tuple[float, float]) -> str:
    return f" ({interval[0]:.1%} to {interval[1]:.1%})"


def _plot(path: Path, rows: Sequence[LabelledPrompt], reader: Reader) -> None:
    """Recall against false refusals, the exposing threshold moving from 1 to 0, a line a language."""
    if not isinstance(reader, ChanceReader):
        raise ArgumentRejected("this reader gives no chances, so there is no curve to draw")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ArgumentRejected(
            "matplotlib is not installed", remedy="pip install 'consent-edit[bench]'"
        ) from error
    chances = [reader.exposing_chance(row.prompt) for row in rows]
    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for language in ["all", *sorted({row.language for row in rows})]:
        own = [
            (c, row.label) for c, row in zip(chances, rows, strict=True) if language in {"all", row.language}
        ]
        curve = curve_of(
            [c for c, label in own if label == "ordinary"], [c for c, label in own if label != "ordinary"]
        )
        if curve:
            wide = language == "all"
            axes.plot(
                *zip(*curve, strict=True),
                label=language,
                linewidth=2.5 if wide else 0.9,
                color="k" if wide else None,
            )
    axes.set(
        xlabel="ordinary prompts refused", ylabel="exposing prompts caught", xlim=(0, 0.2), ylim=(0.7, 1.005)
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend(ncols=2, fontsize="small")
    try:
        figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise ArgumentRejected(f"{path.name} cannot be written ({type(error).__name__})") from error


def curve_of(ordinary: Sequence[float], exposing: Sequence[float]) -> list[tuple[float, float]]:
    """Points (share of ordinary refused, share of exposing caught) for every threshold; none without both."""
    if not ordinary or not exposing:
        return []
    cuts = [*sorted({*ordinary, *exposing}, reverse=True), -1.0]
    return [
        (sum(c > cut for c in ordinary) / len(ordinary), sum(c > cut for c in exposing) / len(exposing))
        for cut in cuts
    ]
