"""``consent-edit bench prompts FILE``: what the prompt reader refuses and misses, per language."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

import typer
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from consent_edit.cli.terminal import AsJson
from consent_edit.errors import ArgumentRejected
from consent_edit.perception.observation import PromptObservation
from consent_edit.vocabulary import Intent

_MAX_BYTES = 64 * 1024 * 1024


class LabelledPrompt(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    language: str = Field(min_length=1, max_length=16)
    label: Literal["ordinary", "revealing", "sexual"]


class PromptFigures(BaseModel):
    """Counts over some prompts. A rate without a prompt to count reads -1.

    Attributes:
        false_refusals: Ordinary prompts whose intent did not read ordinary.
        of_which_unread: Those among them that read undetermined.
        caught: Revealing and sexual prompts whose intent did not read ordinary.
        severity_right: Revealing and sexual prompts that read exactly as labelled.
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


class PromptReport(BaseModel):
    """What ``bench prompts --json`` prints.

    Attributes:
        milliseconds_a_prompt: Mean wall time of one reading, on one thread.
        failures: The prompts read wrongly, with their label and what was read; only when asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    prompts: int
    milliseconds_a_prompt: float
    overall: PromptFigures
    languages: dict[str, PromptFigures]
    failures: list[dict[str, str]]


class Reader(Protocol):
    """What reads prompts: :class:`consent_edit.perception.prompt.PromptReader`, or a test's own."""

    def read(self, texts: Sequence[str]) -> PromptObservation:
        """Read the texts of one request."""
        ...


def bench_prompts(path: Path, *, reader: Reader | None = None, failures: bool = False) -> PromptReport:
    """Read every prompt of a JSON-lines file and count.

    Args:
        path: Lines of ``{"prompt", "language", "label": "ordinary|revealing|sexual"}``.
        reader: By default a PromptReader over the package's own models.
        failures: Whether to list what was read wrongly.

    Raises:
        ArgumentRejected: the file cannot be read, is empty, or a line is not of that form.
        Unavailable: the reader's models are missing or broke.
    """
    rows = _rows(path)
    if reader is None:
        from consent_edit.perception.prompt import PromptReader

        reader = PromptReader()
    started = time.perf_counter()
    intents = [reader.read([row.prompt]).intent for row in rows]
    spent = time.perf_counter() - started
    judged = list(zip(rows, intents, strict=True))
    languages = sorted({row.language for row in rows})
    wrong = [
        {"prompt": row.prompt, "language": row.language, "label": row.label, "read": intent.value}
        for row, intent in judged
        if failures and intent.value != row.label
    ]
    return PromptReport(
        file=path.name,
        prompts=len(rows),
        milliseconds_a_prompt=round(1000 * spent / len(rows), 2),
        overall=_figures(judged),
        languages={
            name: _figures([pair for pair in judged if pair[0].language == name]) for name in languages
        },
        failures=wrong,
    )


def prompts(
    file: Annotated[Path, typer.Argument(help="JSON lines of prompt, language, label.")],
    as_json: AsJson = False,
    failures: Annotated[bool, typer.Option("--failures", help="List the prompts read wrongly.")] = False,
) -> None:
    """Measure the prompt reader on labelled prompts."""
    report = bench_prompts(file, failures=failures)
    if as_json:
        sys.stdout.write(json.dumps(report.model_dump(), ensure_ascii=False) + "\n")
        return
    rows = [*report.languages.items(), ("all", report.overall)]
    for name, counted in rows:
        sys.stdout.write(
            f"{name:4} caught {counted.caught}/{counted.exposing}  "
            f"falsely refused {counted.false_refusals}/{counted.ordinary}\n"
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


def _figures(judged: Sequence[tuple[LabelledPrompt, Intent]]) -> PromptFigures:
    ordinary = [intent for row, intent in judged if row.label == "ordinary"]
    exposing = [(row.label, intent) for row, intent in judged if row.label != "ordinary"]
    false = sum(intent is not Intent.ORDINARY for intent in ordinary)
    caught = sum(intent is not Intent.ORDINARY for _, intent in exposing)
    return PromptFigures(
        ordinary=len(ordinary),
        false_refusals=false,
        of_which_unread=sum(intent is Intent.UNDETERMINED for intent in ordinary),
        false_refusal_rate=round(false / len(ordinary), 4) if ordinary else -1.0,
        exposing=len(exposing),
        caught=caught,
        recall=round(caught / len(exposing), 4) if exposing else -1.0,
        severity_right=sum(intent.value == label for label, intent in exposing),
    )
