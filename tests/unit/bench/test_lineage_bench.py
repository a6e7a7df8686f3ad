"""What the lineage bench counts: each way to save anew once, and pairs of different pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from consent_edit.bench.lineage import ANEW, measure_lineage
from consent_edit.cli.main import app
from consent_edit.errors import ArgumentRejected
from consent_edit.thresholds import load_thresholds


@pytest.fixture
def folder(tmp_path):
    """Two pictures, one of them twice, and one with nothing in it."""
    (tmp_path / "more").mkdir()
    pixels = data.astronaut()[::2, ::2]
    for name in ("one.png", "more/twice.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    Image.fromarray(np.ascontiguousarray(data.chelsea()[::2, ::2])).save(tmp_path / "other.png")
    Image.new("RGB", (90, 90), (120, 120, 120)).save(tmp_path / "plain.png")
    return tmp_path


def test_what_is_counted(folder):
    """Every way is tried on every picture that is not plain; the one picture in two files is told as such."""
    found = measure_lineage(folder, load_thresholds())
    assert (found.pictures, found.plain, found.pairs, found.mistaken) == (4, 1, 3, 1)
    assert found.nearest[0] == 0 and set(found.look_alike[0]) == {"one.png", "twice.png"}
    rows = {row.edit: row for row in found.rows}
    assert rows.keys() == ANEW.keys() and all(row.pictures == 3 for row in found.rows)
    assert rows["mirrored"].found == rows["JPEG 75"].found == 3 and rows["corner cut, 10 %"].found == 0


def test_the_command_says_the_same(folder):
    """One JSON object on stdout; words for people."""
    told = CliRunner().invoke(app, ["bench", "lineage", str(folder), "--json"])
    assert told.exit_code == 0 and json.loads(told.stdout)["mistaken"] == 1
    said = CliRunner().invoke(app, ["bench", "lineage", str(folder)]).stdout
    assert "taken for one another: 1 of 3 pairs" in said and "mirrored" in said


def test_a_folder_without_pictures(tmp_path):
    """Nothing to measure is said, not counted as nothing wrong."""
    with pytest.raises(ArgumentRejected):
        measure_lineage(tmp_path, load_thresholds())
