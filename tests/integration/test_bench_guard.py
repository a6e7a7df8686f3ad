"""The figures in the README come from a command; this one measures the gate."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from consent_edit.cli.main import app
from consent_edit.errors import InputError, Unavailable
from consent_edit.pipelines.families import FAMILIES


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
    refused = report["refused_at_input"]
    assert refused["steps"] == 0 < refused["steps_released"] and refused["time"] > 0
    families = report["families"]
    assert {*families} == {family.name for family in FAMILIES} - {"grading"}
    for gate in families.values():
        assert gate["gate"] > 0 and gate["shares"]["2.7 s"] == round(gate["gate"] / 2700, 4)
    assert families["sd-controlnet-img2img"]["looked_at"] == 3 > families["flux-kontext"]["looked_at"] == 2


@pytest.mark.parametrize("asked", [["--device", "cpu"], ["--device", "cuda:99"], ["--device", "no such"]])
def test_bench_guard_of_real_size_without_a_gpu(asked):
    """At its real size nothing is run on a CPU: it says so, and what to do, before anything is loaded."""
    done = CliRunner().invoke(app, ["bench", "guard", "--family", "kontext", *asked])
    assert isinstance(done.exception, Unavailable) and done.exception.code == "check.device"
    assert "cuda" in done.exception.remedy


def test_bench_guard_of_an_unknown_family():
    """The families that there are at their real size are named."""
    done = CliRunner().invoke(app, ["bench", "guard", "--device", "cuda:0", "--family", "cats"])
    assert isinstance(done.exception, InputError) and "kontext" in done.exception.remedy
