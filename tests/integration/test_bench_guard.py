"""The figures in the README come from a command; this one measures the gate."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from consent_edit.cli.main import app


def test_bench_guard_prints_what_it_measured():
    """With --json the report is one object: every part of the gate, the whole, and the ratios."""
    done = CliRunner().invoke(app, ["bench", "guard", "--runs", "1", "--json"])
    assert done.exit_code == 0, done.exception
    report = json.loads(done.stdout)
    assert set(report["parts"]) >= {"intake", "checks, one picture", "prompt", "change", "finish"}
    assert all(milliseconds > 0 for milliseconds in report["parts"].values())
    assert report["gated"] > report["ungated"] > 0
    assert report["perception_ratio"] > 0.5, "a look costs at least about what its models cost"
    assert (report["side"], report["runs"]) == (512, 1)
