"""``bench prompts``: the counts are right, and bad files are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from consent_edit.cli import bench_prompts as module
from consent_edit.cli.bench_prompts import bench_prompts
from consent_edit.errors import ArgumentRejected
from consent_edit.perception.observation import PromptObservation
from consent_edit.vocabulary import Intent

LINES = [
    ("calm", "en", "ordinary"),
    ("revealing", "en", "ordinary"),
    ("undetermined", "fr", "ordinary"),
    ("revealing", "fr", "sexual"),
    ("sexual", "fr", "sexual"),
    ("calm", "fr", "revealing"),
]


class Parrot:
    """Reads the intent that the prompt itself says."""

    def read(self, texts: Sequence[str]) -> PromptObservation:
        intent = Intent.ORDINARY if texts[0] == "calm" else Intent(texts[0])
        return PromptObservation(intent, frozenset(), "en", False, ())


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.jsonl"
    rows = [json.dumps({"prompt": p, "language": lang, "label": label}) for p, lang, label in LINES]
    path.write_text("\n".join(rows) + "\n\n", encoding="utf-8")
    return path


def test_counts_are_right(labelled: Path) -> None:
    """False refusals, catches and exact severities are counted per language and overall."""
    report = bench_prompts(labelled, reader=Parrot(), failures=True)
    assert report.prompts == 6
    overall = report.overall
    assert (overall.ordinary, overall.false_refusals, overall.of_which_unread) == (3, 2, 1)
    assert (overall.exposing, overall.caught, overall.severity_right) == (3, 2, 1)
    assert report.languages["fr"].recall == pytest.approx(2 / 3, abs=1e-4)
    assert report.languages["en"].recall == -1.0
    assert report.languages["en"].false_refusal_rate == 0.5
    assert [failure["read"] for failure in report.failures] == [
        "revealing",
        "undetermined",
        "revealing",
        "ordinary",
    ]


def test_the_command_prints_json(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json the report is one JSON object on standard output."""
    report = bench_prompts(labelled, reader=Parrot())
    monkeypatch.setattr(module, "bench_prompts", lambda path, failures: report)
    app = Typer()
    app.command()(module.prompts)
    result = CliRunner().invoke(app, [str(labelled), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["overall"]["caught"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        '{"prompt": "a", "language": "en"}',
        '{"prompt": "a", "language": "en", "label": "fine"}',
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    """An empty file, a line that is no JSON or lacks a field, or an unknown label is bad input."""
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ArgumentRejected):
        bench_prompts(path, reader=Parrot())
