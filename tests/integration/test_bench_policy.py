"""``bench policy`` measures whole decisions and the bare engine; what it prints is never judged here."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from consent_edit.cli.main import app


def test_the_report_has_every_figure() -> None:
    """One person and ten: a whole decision, a remembered one, a release and the bare calls."""
    done = CliRunner().invoke(app, ["bench", "policy", "--runs", "3", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["policy"] == "default"
    assert [crowd["people"] for crowd in report["crowds"]] == [1, 10]
    for crowd in report["crowds"]:
        for name in ("decision", "remembered", "release", "engine"):
            assert crowd[name]["p95"] >= crowd[name]["p50"] > 0


def test_a_policy_of_ones_own_is_measured(tmp_path) -> None:
    """A path is taken as well as a shipped name; neither that exists is bad input."""
    own = tmp_path / "own.cedar"
    own.write_text('@id("all") @reason("r") permit (principal, action, resource);')
    done = CliRunner().invoke(app, ["bench", "policy", "--policy", str(own), "--runs", "1"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("own; 1 pictures a figure")
