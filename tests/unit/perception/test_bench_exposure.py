"""``bench exposure`` counts what was said of each picture, and tells a rate with how sure it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from consent_edit.bench.exposure import FIGURES, Share, fired, measure, pictures
from consent_edit.cli import bench_exposure
from consent_edit.errors import ArgumentRejected, Unavailable
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    ModelUse,
    PictureExposure,
)
from consent_edit.vocabulary import Exposure


class RedLooker:
    """Takes the share of red for exposure; somebody stands in every picture wider than high."""

    uses = (ModelUse("exposure", "a" * 64, 0.2, self_test=True),)

    def people(self, pixels):
        tall, wide = pixels.shape[:2]
        return (), ((BodyObservation(Box(0, 0, wide, tall), 0.9, ("pose",)),) if wide > tall else ())

    def read(self, pixels, people):
        score = float((pixels[..., 0].astype(int) - pixels[..., 1] > 100).mean())
        value = Exposure.NUDE if score >= 0.3 else Exposure.NONE
        return PictureExposure(
            ExposureReading(value, {"whole": score, "centre": score, "whole.second": 0.9}),
            tuple(ExposureReading(value, {"body": score}) for _ in people),
            ExposureReading(Exposure.NONE),
        )


def draw(path, red: float, size=(60, 40)):
    """A grey picture whose upper part is red."""
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    pixels[: round(size[1] * red)] = (250, 20, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    for number, red in enumerate((0.0, 0.0, 0.25, 0.6)):
        draw(tmp_path / "in" / "food" / f"{number}.png", red)
    draw(tmp_path / "in" / "walls" / "deep" / "a.png", 0.0, size=(40, 60))
    (tmp_path / "in" / "walls" / "note.txt").write_text("no picture")
    return tmp_path / "in"


def test_hits_are_counted_by_kind_and_figure(folder, limits):
    """Every figure counts the pictures it fired on, with and without the second family."""
    told = measure(pictures(folder, 0), RedLooker(), limits).kinds
    assert (told["food"].pictures, told["food"].with_people) == (4, 4)
    assert told["food"].hits == {
        "whole alone": 2, "crops alone": 1, "people alone": 1, "any alone": 2,
        "picture": 1, "people": 1, "any": 1, "suggestive": 1,
    }  # fmt: skip
    assert (told["walls"].pictures, told["walls"].with_people) == (1, 0)
    assert sum(told["walls"].hits.values()) == 0
    assert sorted(round(score, 2) for score in told["food"].worst) == [0.0, 0.0, 0.25, 0.6]


def test_second_family_is_not_counted_for_the_first(limits):
    """A score of the second family alone fires no figure of the first."""
    reading = ExposureReading(Exposure.NUDE, {"whole": 0.0, "whole.second": 0.9, "whole.suggestive": 0.9})
    told = fired(PictureExposure(reading, (), ExposureReading(Exposure.NONE)), limits)
    assert [name for name in FIGURES if told[name]] == ["picture", "any", "suggestive"]


def test_limit_takes_the_same_pictures_every_time(folder):
    """So many of each kind, the same ones in every run."""
    assert pictures(folder, 2) == pictures(folder, 2)
    assert [kind for kind, _ in pictures(folder, 2)] == ["food", "food", "walls"]


def test_folder_without_pictures(tmp_path):
    """An empty folder is an error that says what to give."""
    with pytest.raises(ArgumentRejected) as caught:
        pictures(tmp_path, 0)
    assert "folder of pictures a kind" in caught.value.remedy


def test_rises_are_counted_per_edit(folder, limits):
    """Edits of the first pictures of each kind are compared with the picture itself."""
    told = measure(pictures(folder, 0), RedLooker(), limits, edited=1)
    assert {share.of for share in told.rises.values()} == {2}
    assert told.rises["JPEG 90"].hits == 0
    assert told.risen.of == 2 * len(told.rises)


def test_pictures_edited_elsewhere_are_compared_with_their_own(folder, tmp_path, limits):
    """A rise is told where the other folder's picture of the same name shows more."""
    after = tmp_path / "after"
    draw(after / "food" / "0.jpg", 0.9)
    draw(after / "food" / "3.png", 0.6)
    told = measure(pictures(folder, 0), RedLooker(), limits, after=(folder, after))
    assert (told.rises["given"].hits, told.rises["given"].of) == (1, 2)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 100, 0.0, 0.037), (5, 100, 0.0215, 0.1118), (100, 100, 0.963, 1.0)]
)
def test_interval_after_wilson(hits, of, low, high):
    """The interval is the published one, and says something even where nothing fired."""
    assert Share(hits, of).interval == pytest.approx((low, high), abs=5e-4)


def test_nothing_counted_is_wholly_unsure():
    """Without pictures the interval is everything."""
    assert (Share(0, 0).rate, Share(0, 0).interval) == (0.0, (0.0, 1.0))


@pytest.fixture
def command(monkeypatch):
    """The command by itself, over the looker of this test."""
    monkeypatch.setattr(bench_exposure, "ChecksLooker", lambda checks: RedLooker())
    app = typer.Typer()
    app.command()(bench_exposure.exposure)
    return app


def test_command_prints_one_object(command, folder):
    """With --json the report is one object that names models, thresholds, rates and intervals."""
    done = CliRunner().invoke(command, [str(folder), "--edited", "1", "--json"])
    assert done.exit_code == 0, done.exception
    report = json.loads(done.stdout)
    assert report["models"] == {"exposure": "a" * 64}
    any_hit = report["kinds"]["food"]["false_hits"]["any"]
    assert (any_hit["hits"], any_hit["of"], any_hit["rate"]) == (1, 4, 0.25)
    assert any_hit["interval"][0] < 0.25 < any_hit["interval"][1]
    assert report["false_rises"]["JPEG 75"]["of"] == 2


def test_command_prints_rows(command, folder):
    """Without --json there is a row a kind."""
    done = CliRunner().invoke(command, [str(folder)])
    assert done.exit_code == 0, done.exception
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == ["kind", "food", "walls"]


def test_plot_is_a_picture(command, folder, tmp_path):
    """--plot draws a PNG of false hits against the threshold."""
    pytest.importorskip("matplotlib")
    done = CliRunner().invoke(command, [str(folder), "--plot", str(tmp_path / "p.png")])
    assert done.exit_code == 0, done.exception
    with Image.open(tmp_path / "p.png") as drawn:
        assert drawn.format == "PNG"


def test_plot_without_matplotlib(command, folder, tmp_path, monkeypatch):
    """Where matplotlib is missing the error says how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    done = CliRunner().invoke(command, [str(folder), "--plot", str(tmp_path / "p.png")])
    assert isinstance(done.exception, Unavailable)
    assert "consent-edit[bench]" in done.exception.remedy
