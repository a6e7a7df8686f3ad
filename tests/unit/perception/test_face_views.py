"""Views are what their spec says, and lead back to the picture's own pixels."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from consent_edit.perception.faces.detectors.found import Planes
from consent_edit.perception.faces.passes import PASSES, Detector, ViewSpec, must_run
from consent_edit.perception.views import Views, early_blur, stretched


def marked():
    """A picture with one bright square, and the square's middle."""
    picture = np.zeros((120, 200, 3), np.uint8)
    picture[30:40, 150:160] = 255
    return picture, np.array([155.0, 35.0])


@pytest.fixture
def picture():
    return np.random.default_rng(3).integers(0, 256, (90, 61, 3), np.uint8)


def brightest(view):
    """The middle of what is bright in a view, x and y."""
    rows, columns = np.nonzero(view.pixels.mean(axis=2) > 200)
    return np.array([[columns.mean() + 0.5, rows.mean() + 0.5]], np.float32)


@pytest.mark.parametrize("border", [0.0, 0.5])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("long_side", [100, 200, 400])
def test_a_point_of_any_view_leads_back_to_its_place(long_side, turn, border):
    """Resized, turned and bordered, a mark is brought back to where it is in the picture."""
    picture, middle = marked()
    view = Views(picture).show(ViewSpec(long_side, turn=turn, border=border))
    assert max(view.pixels.shape[:2]) == long_side * (2 if border else 1)
    assert np.abs(view.to_picture(brightest(view)) - middle).max() < 1.5


@pytest.mark.parametrize("tilt", [45, 135, 225, 315])
def test_a_point_and_a_box_of_a_tilted_view_lead_back_to_their_place(tilt):
    """The mark's middle, and a square of its size around it."""
    picture, middle = marked()
    view = Views(picture).show(ViewSpec(200, tilt=tilt))
    here = brightest(view)
    assert np.abs(view.to_picture(here) - middle).max() < 1.5
    (corners,) = view.boxes_to_picture(np.stack([here - 5, here + 5], axis=1))
    assert np.abs(corners - [middle - 5, middle + 5]).max() < 1.5


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_box_of_a_turned_view_leads_back_with_its_sides_turned(turn):
    """Twice as wide as high in the view is twice as high as wide in the picture after a quarter turn."""
    picture, middle = marked()
    view = Views(picture).show(ViewSpec(200, turn=turn))
    here, half = brightest(view), np.array([8, 4], np.float32)
    (corners,) = view.boxes_to_picture(np.stack([here - half, here + half], axis=1))
    assert np.abs(corners[1] - corners[0] - ([8, 16] if turn % 2 else [16, 8])).max() < 0.1
    assert np.abs(corners.mean(axis=0) - middle).max() < 1.5


@pytest.mark.parametrize("long_side", [160, 320])
@pytest.mark.parametrize("side", [700, 1500])
def test_a_small_view_of_a_larger_picture_is_made_of_the_one_between(side, long_side, monkeypatch):
    """The short way changes no place, and hardly any pixel; the picture itself is read once."""
    picture = np.random.default_rng(0).integers(0, 255, (side, side - 100, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 9)
    picture[300:400, 400:500] = 255
    read, resize = [], cv2.resize
    monkeypatch.setattr(
        cv2, "resize", lambda shown, *rest, **how: (read.append(shown), resize(shown, *rest, **how))[1]
    )
    views = Views(picture)
    view, _ = views.show(ViewSpec(long_side)), views.show(ViewSpec(640))
    assert [shown is picture for shown in read] == [True, False]
    direct = resize(picture, view.pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(view.pixels.astype(int) - direct).mean() < 1
    assert np.abs(view.to_picture(brightest(view)) - [450, 350]).max() < 10


def test_the_tilts_are_quarter_turns_of_one_view():
    """The picture is warped once; what that costs, and what it does to the pixels, is alike for all four."""
    picture = np.random.default_rng(0).integers(0, 255, (90, 140, 3), dtype=np.uint8)
    views = Views(picture)
    first, *others = (views.show(ViewSpec(100, tilt=tilt)).pixels for tilt in (45, 135, 225, 315))
    for turns, other in enumerate(others, start=1):
        assert np.array_equal(np.rot90(first, turns), other)


def test_a_picture_to_be_enlarged_is_blurred_before_that_and_looks_the_same():
    """A Gaussian behind no other filter, where enough of it is left in the picture's own pixels."""
    picture = np.random.default_rng(0).integers(0, 255, (200, 150, 3), dtype=np.uint8)
    spec = ViewSpec(400, blur=2.0)
    assert early_blur(spec, 200) == 1.0
    after = cv2.GaussianBlur(Views(picture).show(ViewSpec(400)).pixels, (0, 0), 2.0)
    off = np.abs(Views(picture).show(spec).pixels.astype(int) - after)
    assert off.mean() < 2
    for late in (replace(spec, median=3), replace(spec, opening=3), replace(spec, closing=3), ViewSpec(90)):
        assert early_blur(late, 200) == 0.0
    assert early_blur(spec, 400) == early_blur(spec, 90) == 0.0


def test_only_the_views_for_tiny_faces_are_bounded():
    """Whatever is larger than a tenth of the picture is seen by the views that have no bound."""
    for one in PASSES:
        assert one.reach == (0.1 * one.view.long_side if one.view.long_side >= 960 else math.inf), one.name


FILTERS = {
    "levels": lambda shown: shown.max() == 255 and shown.min() == 0,
    "inverted": lambda shown: shown.mean() > 127,
    "median": lambda shown: shown[9, 9].max() < 60,
    "opening": lambda shown: shown[9, 9].max() < 60,
    "closing": lambda shown: shown[29, 29].min() > 30,
    "blur": lambda shown: shown[9, 9].max() < 90,
}


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_of_a_spec_is_applied(name):
    """A bright and a dark speck, and a narrow range of grey, become what the filter makes of them."""
    picture = np.full((40, 40, 3), 40, np.uint8)
    picture[9, 9], picture[29, 29] = 90, 0
    picture[20:, :20] = 60
    size = {"median": 3, "opening": 3, "closing": 3, "blur": 2.0}.get(name, True)
    shown = Views(picture).show(ViewSpec(40, **{name: size})).pixels
    plain = Views(picture).show(ViewSpec(40)).pixels
    assert FILTERS[name](shown)
    assert not FILTERS[name](plain)


def test_filters_are_applied_in_the_order_of_the_spec():
    """First the blur, then the stretch: the other way round leaves no full range."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[28:36, 28:36] = 100
    shown = Views(picture).show(ViewSpec(64, blur=4.0, levels=True)).pixels
    assert shown.max() == 255


def test_what_must_run_depends_on_the_size_alone_and_only_grows():
    """Every pass of a small picture runs on a large one too; names are unique, so a record is exact."""
    sizes = [must_run(side) for side in (64, 700, 701, 2048, 2049, 9000)]
    for smaller, larger in itertools.pairwise(sizes):
        assert set(smaller) <= set(larger)
    assert sizes[-1] == PASSES
    assert len({one.name for one in PASSES}) == len(PASSES)


def test_all_families_look_at_every_picture_and_every_turn_is_tried():
    """However small the picture is."""
    run = must_run(16)
    assert {one.detector for one in run} == set(Detector)
    for detector in (Detector.YUNET, Detector.BLAZEFACE):
        assert {one.view.turn for one in run if one.detector is detector} == {0, 1, 2, 3}


def test_passes_that_err_alike_are_of_one_kind():
    """Two sizes of one view support a box as one; another family, turn or filter as another."""
    kinds = {one.name: one.kind for one in PASSES}
    assert kinds["Y160"] == kinds["Y640"] == "Y-plain"
    assert kinds["Y640-turn1"] != kinds["Y640-turn2"]
    assert kinds["C320"] != kinds["Y160"]
    assert kinds["Y320-levels-inverted"] != kinds["Y320-levels"]


def test_each_channel_of_a_view_lies_apart(picture):
    """The networks take planes: no pass separates what another pass of the same view has separated."""
    for spec in (ViewSpec(64), ViewSpec(64, levels=True), ViewSpec(64, turn=1), ViewSpec(64, tilt=45)):
        shown = Views(picture).show(spec).pixels
        planes = shown.transpose(2, 0, 1)[::-1]
        assert planes.flags.c_contiguous
        assert np.shares_memory(
            Planes().of(shown, height=shown.shape[0], width=shown.shape[1], bgr=True), planes
        )


@pytest.mark.parametrize("tilt", [0, 45])
@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("border", [0.0, 0.5])
def test_turned_views_are_the_level_one_turned(picture, turn, tilt, border):
    """Channel by channel nothing but their places changes, inverted or not."""
    for inverted in (False, True):
        spec = ViewSpec(48, levels=True, inverted=inverted, border=border, tilt=tilt)
        views = Views(picture)
        level = views.show(spec).pixels
        turned = views.show(replace(spec, turn=turn)).pixels
        assert np.array_equal(turned, np.rot90(level, turn))


def test_an_inverted_view_is_the_other_one_inverted_but_for_its_border(picture):
    """What the filters give is inverted; the grey border is not."""
    plain = Views(picture).show(ViewSpec(48, levels=True)).pixels
    assert np.array_equal(Views(picture).show(ViewSpec(48, levels=True, inverted=True)).pixels, 255 - plain)
    bordered = Views(picture).show(ViewSpec(48, inverted=True, border=0.5)).pixels
    assert (bordered[0, 0] == 127).all()


@pytest.mark.parametrize(
    "low,high", [(0, 255), (17, 218), (90, 99), (3, 4), (128, 128), (40, 41), (1, 254), (60, 247)]
)
def test_large_views_are_stretched_as_the_table_says(low, high):
    """Without looking each level up, every value is the one that the table has for it."""
    picture = np.random.default_rng(low).integers(low, high + 1, (600, 601, 3), np.uint8)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    below = np.cumsum(np.bincount(luma.ravel(), minlength=256)) / luma.size
    first, last = (int(np.searchsorted(below, share)) for share in (0.01, 0.99))
    table = np.clip((np.arange(256) - first) * (255.0 / max(last - first, 1)), 0, 255).astype(np.uint8)
    assert np.array_equal(stretched(picture), table[picture])
