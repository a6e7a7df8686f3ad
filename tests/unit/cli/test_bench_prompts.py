"""``bench prompts``: the counts are right, and bad files are refused."""

from __future__ import annotations

import json
import sys
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
    monkeypatch.setattr(module, "bench_prompts", lambda path, failures, plot: report)
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


class Chancy(Parrot):
    """Also says how likely a text is exposing."""

    def exposing_chance(self, text: str) -> float:
        return {"calm": 0.1, "revealing": 0.6, "undetermined": 1.0, "sexual": 0.9}[text]


def test_disguised_prompts_are_counted_by_disguise(tmp_path: Path) -> None:
    """A line may name its disguise; disguises have figures of their own, plain lines have none."""
    path = tmp_path / "tricks.jsonl"
    lines = [
        {"prompt": "sexual", "language": "en", "label": "sexual", "trick": "leet"},
        {"prompt": "calm", "language": "en", "label": "sexual", "trick": "leet"},
        {"prompt": "calm", "language": "en", "label": "ordinary"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    report = bench_prompts(path, reader=Parrot())
    assert {name: (f.caught, f.exposing) for name, f in report.tricks.items()} == {"leet": (1, 2)}


@pytest.mark.parametrize(
    ("hits", "trials", "interval"),
    [(0, 0, (0.0, 1.0)), (0, 100, (0.0, 0.037)), (50, 100, (0.4038, 0.5962)), (100, 100, (0.963, 1.0))],
)
def test_wilson_intervals_are_the_published_ones(
    hits: int, trials: int, interval: tuple[float, float]
) -> None:
    """The 95 % Wilson interval of a share, also at its ends."""
    assert module.wilson(hits, trials) == pytest.approx(interval, abs=2e-4)


def test_a_curve_goes_from_nothing_to_everything() -> None:
    """Lowering the threshold refuses and catches more, from nothing to all; no curve without both kinds."""
    curve = module.curve_of([0.1, 0.4], [0.4, 0.9])
    assert curve == [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
    assert module.curve_of([], [0.4]) == []


def test_curves_are_drawn(labelled: Path, tmp_path: Path) -> None:
    """The plot is a PNG."""
    pytest.importorskip("matplotlib")
    plot = tmp_path / "curve.png"
    bench_prompts(labelled, reader=Chancy(), plot=plot)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_curves_need_chances_and_a_place(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader without chances, a folder that is not there, and a missing matplotlib are bad input."""
    with pytest.raises(ArgumentRejected):
        bench_prompts(labelled, reader=Parrot(), plot=tmp_path / "curve.png")
    with pytest.raises(ArgumentRejected):
        bench_prompts(labelled, reader=Chancy(), plot=tmp_path / "nowhere" / "curve.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ArgumentRejected) as caught:
        bench_prompts(labelled, reader=Chancy(), plot=tmp_path / "curve.png")
    assert "bench" in caught.value.remedy
