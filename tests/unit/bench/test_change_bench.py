"""What the change bench counts: every edit once, at every factor, only repaints that show."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from consent_edit.bench import change as bench
from consent_edit.bench import change_chains
from consent_edit.bench.change_plot import plotted, shares
from consent_edit.bench.edits import BENIGN, BODY_REPAINTS
from consent_edit.bench.face_edits import FACE_REPAINTS
from consent_edit.errors import ArgumentRejected, ModelUnavailable
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Box, FaceObservation
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import PersonKind, Recognisable

LANDMARKS = np.array([[203, 103], [242, 98], [226, 127], [212, 148], [243, 144]], dtype=np.float32) / 2


CHAIN = change_chains.ChainRow("repaint", "slowly", 4, 3, 0.5, 1.0)


def scene(name, pixels):
    face = FaceObservation(
        box=Box(89, 31, 45, 56),
        kind=PersonKind.FACE,
        recognisable=Recognisable.YES,
        score=0.9,
        passes=(),
        landmarks=LANDMARKS,
    )
    return bench.Scene(name, pixels, (face,), {"autoencoder": pixels})


@pytest.fixture(scope="module")
def meter():
    from consent_edit.perception.change.look import ChangeMeter

    try:
        return ChangeMeter(ModelStore(), load_thresholds())
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


@pytest.fixture(scope="module")
def scenes():
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the astronaut photograph")
    astronaut = bench.shrunk(np.ascontiguousarray(data.astronaut()), 256)
    return scene("one", astronaut), scene("other", astronaut)


@pytest.fixture(scope="module")
def rows(meter, scenes):
    limits = load_thresholds()
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "BENIGN", {name: BENIGN[name] for name in ("as it is", "sepia")})
        patch.setattr(bench, "BODY_REPAINTS", {"skin over clothes": BODY_REPAINTS["skin over clothes"]})
        patch.setattr(
            bench,
            "FACE_REPAINTS",
            {"mouth turned": FACE_REPAINTS["mouth turned"], "nothing": lambda subject: subject.pixels.copy()},
        )
        found = bench.measure(
            scenes, meter, limits, after_repaint={"sepia": BENIGN["sepia"]}, told=told.append
        )
    assert told == ["1/2", "2/2"]
    return {(row.kind, row.edit): row for row in found}


def test_every_edit_is_counted_once_a_scene(rows):
    """Benign edits, the round trip, each repaint and each repaint under a grade have a row of their own."""
    assert {edit for kind, edit in rows if kind == "benign"} == {"as it is", "sepia", "autoencoder"}
    assert {edit for kind, edit in rows if kind == "body"} == {
        "skin over clothes",
        "skin over clothes, then sepia",
    }
    assert all(row.pictures == 2 for row in rows.values())


def test_a_repaint_that_shows_nothing_is_not_counted(rows):
    """An edit that leaves the picture as it was is neither seen nor missed."""
    assert not [edit for _, edit in rows if edit.startswith("nothing")]


def test_touch_and_its_curve_agree(rows):
    """At the operating thresholds the curve reads what the row reads, and only falls as they are raised."""
    for (kind, _), row in rows.items():
        assert row.curve[bench.FACTORS.index(1.0)] == row.touched
        assert list(row.curve) == sorted(row.curve, reverse=True)
        assert row.touched == (0 if kind == "benign" else 2)
        assert row.low <= row.touched / row.pictures <= row.high


def test_chains_are_judged_as_chains(meter, scenes, monkeypatch):
    """A repaint in steps counts where no step is seen by itself, and is seen; harmless edits are not."""

    def blended(subject):
        """Her suit a fifth darker, softly: no sixth of that is seen."""
        where = cv2.GaussianBlur(subject.body.astype(np.float32), (0, 0), 6)[..., None]
        paint = subject.pixels * np.array([0.75, 0.95, 1.1])
        return (subject.pixels * (1 - where) + np.clip(paint, 0, 255) * where).astype(np.uint8)

    steep = {"slowly": blended, "at once": lambda subject: 255 - subject.pixels}
    monkeypatch.setattr(change_chains, "REPAINTS", steep)
    told = []
    found = change_chains.measure_chains(
        scenes, meter, autoencoder=lambda pixels: pixels.copy(), told=told.append
    )
    rows = {(row.kind, row.edit): (row.pictures, row.touched) for row in found}
    assert rows == {
        ("harmless", "six harmless edits"): (2, 0),
        ("harmless", "saved six times"): (2, 0),
        ("harmless", "autoencoder, three times"): (2, 0),
        ("repaint", "slowly, in 6 steps"): (2, 2),
    }
    assert told == ["chains 1/2", "chains 2/2"]


def test_the_plot_is_a_png(rows, tmp_path):
    """The curve is written as a PNG; a place that cannot be written is told as such."""
    pytest.importorskip("matplotlib")
    file = tmp_path / "curve.png"
    plotted(tuple(rows.values()), file)
    assert file.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ArgumentRejected):
        plotted(tuple(rows.values()), tmp_path / "missing" / "curve.png")
    assert shares(tuple(rows.values()), "hair") == ()


def test_the_command_prints_rows_and_shares(rows, monkeypatch, tmp_path):
    """``--json`` is one object on stdout; without it a line a row."""
    import typer
    from typer.testing import CliRunner

    from consent_edit.bench import change_scenes
    from consent_edit.cli import bench_change

    monkeypatch.setattr(change_scenes, "scenes", lambda *given, **named: ())
    monkeypatch.setattr(bench, "measure", lambda *given, **named: tuple(rows.values()))
    monkeypatch.setattr(change_chains, "measure_chains", lambda *given, **named: (CHAIN,))
    app = typer.Typer()
    app.command()(bench_change.change)
    told = json.loads(CliRunner().invoke(app, [str(tmp_path), "--json"]).stdout)
    assert len(told["rows"]) == len(rows)
    assert told["shares"] == {"benign": 0.0, "body": 1.0, "face": 1.0}
    assert told["chains"] == []
    assert "skin over clothes" in CliRunner().invoke(app, [str(tmp_path)]).stdout
    told = json.loads(CliRunner().invoke(app, [str(tmp_path), "--chains", "--json"]).stdout)
    assert told["chains"][0]["touched"] == 3
    assert "slowly" in CliRunner().invoke(app, [str(tmp_path), "--chains"]).stdout


def test_a_folder_without_an_autoencoder_is_refused(tmp_path):
    """No config, and a config of some other model, are told apart from a missing library."""
    pytest.importorskip("diffusers")
    from consent_edit.bench.change_scenes import round_trip

    with pytest.raises(ArgumentRejected):
        round_trip(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}', encoding="utf-8")
    with pytest.raises(ArgumentRejected):
        round_trip(tmp_path)


def test_a_tiny_autoencoder_makes_its_round_trip(tmp_path):
    """A folder saved by diffusers is loaded and gives a picture of the same size."""
    diffusers = pytest.importorskip("diffusers")
    from consent_edit.bench.change_scenes import round_trip

    model = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    )
    model.save_pretrained(tmp_path)
    made = round_trip(tmp_path)(np.full((64, 48, 3), 90, dtype=np.uint8))
    assert made.shape == (64, 48, 3)
    assert made.dtype == np.uint8


def test_a_folder_of_no_faces_is_refused(tmp_path, monkeypatch):
    """Scenes need people: a folder in which nobody is found says so."""
    from PIL import Image

    from consent_edit.bench import change_scenes

    class Blind:
        def __init__(self, store, limits):
            pass

        def load(self, name):
            return ()

        def detect(self, pixels):
            return ()

    (tmp_path / "lfw" / "Somebody").mkdir(parents=True)
    (tmp_path / "detect").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "lfw" / "Somebody" / "a.jpg")
    (tmp_path / "detect_counts.csv").write_text("file,faces\n", encoding="utf-8")
    monkeypatch.setattr(change_scenes, "Checks", Blind)
    with pytest.raises(ArgumentRejected):
        change_scenes.scenes(tmp_path, 3, load_thresholds())
