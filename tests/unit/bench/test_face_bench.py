"""The figures of ``bench faces`` and ``bench benign`` count what they say they count."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from consent_edit.bench import benign, plots
from consent_edit.bench.conditions import CONDITIONS
from consent_edit.bench.faces import chosen_conditions, measure, own_box, shows
from consent_edit.bench.intervals import by_person
from consent_edit.bench.overlaps import LOOKS, PLACES, Portrayed, laid_over
from consent_edit.bench.scenes import placed, scattered_background
from consent_edit.errors import ArgumentRejected, Unavailable
from consent_edit.perception.faces.detectors.merging import Candidate
from consent_edit.perception.faces.look import DetectedFace, Support
from consent_edit.perception.faces.passes import PASSES
from consent_edit.vocabulary import PersonKind, Recognisable

BOX = np.array([[50.0, 40.0], [100.0, 104.0]])


def marked():
    """A 150 px picture whose face is a plain green patch, on grey."""
    picture = np.full((150, 150, 3), 128, np.uint8)
    picture[40:104, 50:100] = (0, 200, 0)
    return picture


def face_at(corners, kind=PersonKind.FACE, support=Support.KINDS):
    """A detected face whose box has these corners."""
    points = np.zeros((5, 2), np.float32)
    member = Candidate(np.asarray(corners, np.float32), points, 0.9, PASSES[0])
    return DetectedFace((member,), kind, Recognisable.YES, support)


def green(pixels):
    """Which pixels are the patch's colour."""
    values = pixels.astype(int)
    return (values[:, :, 1] > 150) & (values[:, :, 0] < 60) & (values[:, :, 2] < 60)


class GreenFinder:
    """Finds the extent of all that is green, if anything is; nothing when told so."""

    def __init__(self, *, kind=PersonKind.FACE, blind_to=()):
        self.kind, self.blind_to, self.looks = kind, blind_to, 0

    def detect(self, pixels):
        self.looks += 1
        rows, columns = np.nonzero(green(pixels))
        if not len(rows) or pixels.shape[0] in self.blind_to:
            return ()
        return (face_at([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], self.kind),)


@pytest.fixture
def folder(tmp_path):
    """Four people with one portrait each, and one counted picture of two faces."""
    for name in ("A_One", "B_Two", "C_Three", "D_Four"):
        (tmp_path / "lfw" / name).mkdir(parents=True)
        Image.fromarray(marked()).save(tmp_path / "lfw" / name / f"{name}_0001.png")
        Image.fromarray(marked()).save(tmp_path / "lfw" / name / f"{name}_0001.jpg", quality=100)
    (tmp_path / "detect").mkdir()
    Image.fromarray(marked()).save(tmp_path / "detect" / "two.png")
    (tmp_path / "detect_counts.csv").write_text("file,faces\ndetect/two.png,2\n", encoding="utf-8")
    return tmp_path


def test_there_are_97_conditions_each_with_a_name_of_its_own():
    """What the figures say is over all of them."""
    assert len(CONDITIONS) == 97
    assert len({one.name for one in CONDITIONS}) == 97


@pytest.mark.parametrize(
    "name",
    [
        "clean-16px",
        "clean-96px",
        "clean-900px",
        "mirrored",
        "turned-45",
        "turned-90",
        "turned-270",
        "sheared-back-50",
        "cut-left-30",
        "cut-bottom-40",
        "tiled-2",
        "mosaic-3",
        "24px-turned-90",
    ],
)
def test_the_box_stays_on_the_face_whatever_is_done_to_the_picture(name):
    """The labelled place moves with the face: what lies in its middle is the face."""
    condition = next(one for one in CONDITIONS if one.name == name)
    scene = condition.apply(marked(), BOX, "somebody")
    (left, top), (right, bottom) = scene.box
    height, width = scene.pixels.shape[:2]
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    x, y = round((left + right) / 2), round((top + bottom) / 2)
    assert green(scene.pixels[y - 2 : y + 2, x - 2 : x + 2]).all()


def test_a_condition_is_the_same_for_the_same_person_and_another_for_another():
    """Chance is seeded by the names alone."""
    condition = next(one for one in CONDITIONS if one.name == "noise-40")
    one, again, other = (condition.apply(marked(), BOX, who).pixels for who in ("a", "a", "b"))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_face_is_scaled_to_the_width_asked_for():
    """The size in a condition's name is the size of the face."""
    rng = np.random.default_rng(0)
    scene = placed(marked(), BOX, 24, 256, scattered_background(256, 0), rng)
    assert scene.box[1, 0] - scene.box[0, 0] == pytest.approx(24)
    assert green(scene.pixels).sum() == pytest.approx(24 * 24 * 64 / 50, rel=0.15)


@pytest.mark.parametrize(
    ("corners", "found"),
    [
        ([[50, 40], [100, 104]], True),
        ([[60, 50], [110, 114]], True),
        ([[66, 60], [84, 84]], False),
        ([[110, 40], [160, 104]], False),
        ([[0, 0], [200, 200]], False),
    ],
    ids=["on it", "shifted", "far smaller", "beside it", "far larger"],
)
def test_only_a_box_of_similar_size_and_place_has_found_a_face(corners, found):
    """A box over half the picture finds everybody and nobody."""
    assert shows(face_at(corners), BOX) is found


def test_a_finder_that_sees_all_has_full_recall_and_one_box(folder):
    """Everything counts: conditions, people, the second half, the counted pictures."""
    report = measure(folder, GreenFinder(), people=4, pattern="^clean-(48|64)px|mirrored")
    assert report.people == 4
    assert [one.condition for one in report.recall] == ["clean-48px", "clean-64px", "mirrored"]
    assert all(one.found == one.supported == one.of == 4 for one in report.recall)
    assert (report.overall.found, report.overall.of, report.second_half.of) == (12, 12, 6)
    assert (report.above_98, report.least, report.one_box, report.not_human) == (3, 1.0, 1.0, 0)
    assert (report.counted_faces, report.counted_missing, report.counted_extra) == (2, 1, 0)
    assert report.boxes_a_picture == 1


def test_what_is_missed_under_one_condition_is_counted_there_alone(folder):
    """A finder blind to pictures of 1024 px misses the sized conditions only."""
    report = measure(folder, GreenFinder(blind_to=(1024,)), people=4, pattern="^clean-48px|mirrored")
    assert [one.found for one in report.recall] == [0, 4]
    assert (report.overall.share, report.above_98, report.least) == (0.5, 1, 0.0)


def test_possible_faces_count_as_found_but_not_as_supported(folder):
    """The portraits themselves are found first, so the finder changes its mind after them."""

    class Doubting(GreenFinder):
        def detect(self, pixels):
            self.kind = PersonKind.FACE if pixels.shape[0] == 150 else PersonKind.POSSIBLE_FACE
            return super().detect(pixels)

    report = measure(folder, Doubting(), people=4, pattern="^mirrored")
    assert (report.overall.found, report.overall.supported) == (4, 0)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("look", ["plain", "turned-180", "dark-10"])
def test_a_victim_is_laid_where_the_place_says(place, look):
    """The box returned is where the second face is."""
    blue = marked()
    blue[green(blue)] = (0, 0, 220)
    host = Portrayed(marked(), BOX)
    pixels, box = laid_over(host, Portrayed(blue, BOX), place, look, np.random.default_rng(1))
    without, _ = laid_over(host, host, place, "plain", np.random.default_rng(1))
    changed = np.abs(pixels.astype(int) - without).sum(axis=2) > 30
    rows, columns = np.nonzero(changed)
    here = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]])
    assert np.abs(here - np.clip(box, 0, 512)).max() < 4


def test_a_victim_whose_only_box_is_the_larger_one_around_her_has_none_of_her_own():
    """What stands for the consenting face does not count for the victim inside it."""
    victim = np.array([[100.0, 100.0], [155.0, 168.0]])
    assert own_box(face_at([[98, 103], [158, 170]]), victim)
    assert not own_box(face_at([[75, 70], [180, 200]]), victim)
    assert not own_box(face_at([[160, 100], [215, 168]]), victim)


def test_pairs_are_counted_place_by_place(folder):
    """A finder that draws one box around everything green finds nobody laid over in green."""
    report = measure(folder, GreenFinder(), people=4, pattern="^mirrored", pairs=2)
    assert [one.place for one in report.hidden] == list(PLACES)
    assert all(one.of == 2 * len(LOOKS) and one.plain_of == 2 for one in report.hidden)
    assert report.hidden[0].plain_found == 0
    assert measure(folder, GreenFinder(), people=4, pattern="^mirrored").hidden == ()


def test_a_folder_laid_out_otherwise_is_refused(tmp_path):
    """Nobody is told that nothing was missed because nothing was there."""
    with pytest.raises(ArgumentRejected, match="no portraits"):
        measure(tmp_path, GreenFinder())


@pytest.mark.parametrize("pattern", ["no such condition", "("])
def test_an_expression_that_matches_no_condition_is_refused(pattern):
    """An empty measurement would read as a perfect one."""
    with pytest.raises(ArgumentRejected):
        chosen_conditions(pattern)


def test_an_interval_is_drawn_over_people_not_over_pictures():
    """One person missed in all of a hundred pictures widens it as one person of four."""
    hits = np.ones((4, 100), dtype=bool)
    hits[0] = False
    low, high = by_person(hits)
    assert low <= 0.5
    assert high == 1.0


class Sees:
    """A probe that fires on green pictures."""

    def hits(self, pixels):
        return {"green": bool(green(pixels).any()), "anything": True}


@pytest.fixture
def kinds(tmp_path):
    """Two kinds of ordinary pictures: two of one, one of the other."""
    for kind, names in {"food": ("a.png", "b.jpg"), "walls": ("c.png",)}.items():
        (tmp_path / kind).mkdir()
        for name in names:
            picture = marked() if name == "a.png" else np.full((20, 20, 3), 90, np.uint8)
            Image.fromarray(picture).save(tmp_path / kind / name)
    (tmp_path / "food" / "notes.txt").write_text("no picture", encoding="utf-8")
    return tmp_path


def test_benign_counts_each_probe_kind_by_kind(kinds):
    """Every picture is asked once by every probe; other files are none."""
    food, walls = benign.measure(kinds, [Sees()])
    assert (food.kind, food.pictures, dict(food.fired)) == ("food", 2, {"green": 1, "anything": 2})
    assert (walls.kind, walls.pictures, dict(walls.fired)) == ("walls", 1, {"green": 0, "anything": 1})
    assert benign.measure(kinds, [Sees()], limit=1)[0].pictures == 1


def test_benign_of_an_empty_folder_is_refused(tmp_path):
    """No picture, no figure."""
    with pytest.raises(ArgumentRejected, match="no pictures"):
        benign.measure(tmp_path, [Sees()])


def test_a_face_probe_tells_supported_boxes_from_any(kinds):
    """A possible face is a box, and no face."""
    probe = benign.FaceProbe(GreenFinder(kind=PersonKind.POSSIBLE_FACE))
    assert probe.hits(marked()) == {"face": False, "any box": True}
    assert probe.hits(np.zeros((9, 9, 3), np.uint8)) == {"face": False, "any box": False}


def test_the_plot_is_a_png_and_its_absence_says_how_to_get_it(tmp_path, monkeypatch):
    """Without matplotlib the command says what to install."""
    pytest.importorskip("matplotlib")
    file = tmp_path / "recall.png"
    plots.bars(["one", "two"], [0.9, 1.0], [(0.8, 0.95), (0.99, 1.0)], title="Found", file=file)
    with Image.open(file) as picture:
        assert picture.format == "PNG"
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unavailable) as told:
        plots.bars(["one"], [0.9], [(0.8, 0.95)], title="Found", file=file)
    assert "consent-edit[bench]" in told.value.remedy


def test_the_commands_print_one_json_object(folder, kinds, monkeypatch):
    """As scripts read them."""
    import typer

    from consent_edit.cli import bench_benign, bench_faces

    finder = "consent_edit.perception.faces.look.FaceDetector"
    monkeypatch.setattr(finder, lambda store, limits: GreenFinder())
    app = typer.Typer()
    app.command("faces")(bench_faces.faces)
    app.command("benign")(bench_benign.benign)
    asked = ["faces", str(folder), "--identities", "2", "--conditions", "^mirrored", "--json"]
    faces = json.loads(CliRunner().invoke(app, asked).stdout)
    assert faces["overall"]["found"] == 2
    found = json.loads(CliRunner().invoke(app, ["benign", str(kinds), "--json"]).stdout)
    assert {one["kind"]: one["fired"]["face"] for one in found} == {"detect": 1, "food": 1, "walls": 0}
    told = CliRunner().invoke(app, asked[:-1]).stdout
    assert "mirrored" in told
    assert "2/2" in told
