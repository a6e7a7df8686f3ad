"""The figures in the README come from a command; this one measures the verification of consent."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from consent_edit.cli import bench_consent
from consent_edit.consent.keys import Algorithm
from consent_edit.consent.query import ConsentResult
from consent_edit.errors import CheckFailed, InputError
from consent_edit.vocabulary import ConsentStatus

SMALL = ["--runs", "2", "--entries", "8000"]


def invoke(*options: str):
    app = typer.Typer()
    app.command()(bench_consent.consent)
    return CliRunner().invoke(app, [*SMALL, *options])


def test_bench_consent_prints_what_it_measured():
    """With --json the report is one object: both algorithms, sealing, the store and the status list apart."""
    done = invoke("--json")
    assert done.exit_code == 0, done.exception
    report = json.loads(done.stdout)
    assert report["verify"].keys() == {algorithm.value for algorithm in Algorithm}
    spreads = [*report["verify"].values(), report["open_sealed"], report["commit_release"]]
    assert all(0 < spread["p50"] <= spread["p95"] for spread in spreads)
    assert report["status_load_ms"] > 0
    assert (report["runs"], report["status_entries"]) == (2, 8000)
    assert "cores, Python 3." in report["machine"]


def test_bench_consent_reads_well():
    """Without --json it names the machine and gives one line a figure."""
    lines = invoke().stdout.splitlines()
    assert [line.split(",")[0].split("  ")[0] for line in lines[1:]] == [
        "verify one person",
        "verify one person",
        "open a sealed presentation",
        "write one release",
        "load 8000 status entries",
    ]


def test_a_bench_of_what_does_not_verify_says_so(monkeypatch):
    """A refusal is quick, so its time is never given for a verification's."""
    refused = ConsentResult(status=ConsentStatus.REVOKED)
    monkeypatch.setattr(bench_consent, "verify_presentation", lambda *_, **__: refused)
    with pytest.raises(CheckFailed, match="revoked"):
        bench_consent.bench_consent(1, 8)


@pytest.mark.parametrize(("runs", "entries"), [(0, 8), (1, 0), (1, 9)])
def test_nothing_to_measure_is_an_error(runs, entries):
    """No run, no entry, or half a byte of entries is refused before anything is made."""
    with pytest.raises(InputError):
        bench_consent.bench_consent(runs, entries)
