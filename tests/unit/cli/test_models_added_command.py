"""``consent-edit models added``: an operator's own files are hashed and their licences shown."""

from __future__ import annotations

import hashlib
import json

import pytest
from typer.testing import CliRunner

from consent_edit.cli.models import app


@pytest.fixture
def declared(tmp_path):
    weights = tmp_path / "nudity.onnx"
    weights.write_bytes(b"weights")
    file = tmp_path / "models.toml"
    file.write_text(
        f"""
        [[exposure]]
        name = "house"
        file = "{weights}"
        sha256 = "{hashlib.sha256(b"weights").hexdigest()}"
        licence = "our own, for this service"
        side = 224
        mean = [0, 0, 0]
        std = [1, 1, 1]
        colours = "rgb"
        layout = "nchw"
        answer = "logits"
        positive = [1]
        threshold = 0.4
        """
    )
    return file, weights


def ask(*line):
    return CliRunner().invoke(app, ["added", *map(str, line)])


def test_the_licence_is_shown_beside_every_file(declared):
    """A file that is the declared one is verified, with the licence in the operator's words."""
    file, _ = declared
    shown = ask(file)
    assert shown.exit_code == 0
    assert "house-exposure" in shown.stdout
    assert "our own, for this service" in shown.stdout
    (row,) = json.loads(ask(file, "--json").stdout)["models"]
    assert (row["state"], row["licence"]) == ("verified", "our own, for this service")


@pytest.mark.parametrize("data", [b"other", None])
def test_a_file_that_is_not_the_declared_one(declared, data):
    """An altered or missing file is named, and the exit code says unavailable."""
    file, weights = declared
    if data is None:
        weights.unlink()
    else:
        weights.write_bytes(data)
    assert ask(file).exit_code == 4
