"""Bodies without faces: found where no face explains them, and never found twice on somebody's own body."""

from __future__ import annotations

import numpy as np
import pytest
from change_scene import face_at

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.bodies.look import unexplained
from consent_edit.perception.bodies.pose import PoseHit, View, distinct, square_of
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Box


@pytest.fixture(scope="module")
def finder(limits):
    from consent_edit.perception.bodies.look import BodyFinder

    try:
        return BodyFinder(ModelStore(), limits)
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


def hit(shoulders, hips, score=0.6):
    return PoseHit(score, shoulders, hips)


FACE_UP = face_at(Box(180, 60, 90, 110))
OWN = hit((225.0, 240.0), (225.0, 480.0), 0.8)


def test_her_own_body_is_not_found_again(finder, astronaut):
    """A face explains the body under it, in every view and tile."""
    assert finder.find(astronaut, (face_at(),)) == ()


def test_a_body_whose_face_nobody_found_is_found(finder, astronaut):
    """With no face told, the astronaut is a body, told with what found her."""
    found = finder.find(astronaut, ())
    assert found
    best = found[0]
    assert "pose" in best.signs
    assert best.box.x < 230 < best.box.x + best.box.width
    assert best.box.y < 300 < best.box.y + best.box.height
    assert best.box.x >= 0
    assert best.box.x + best.box.width <= 512


@pytest.mark.parametrize(
    "view",
    [
        lambda p: p[:, ::-1],
        lambda p: np.rot90(p),
        lambda p: np.rot90(p, 3),
        lambda p: np.pad(p, ((0, 0), (0, 400), (0, 0))),
    ],
    ids=["mirrored", "lying-left", "lying-right", "at-the-side"],
)
def test_a_body_mirrored_lying_or_at_the_side_is_found(finder, astronaut, view):
    """Views and tiles find somebody however she lies."""
    assert finder.find(np.ascontiguousarray(view(astronaut)), ())


def test_an_empty_picture_and_a_single_pixel_hold_nobody(finder):
    """A flat picture, and the smallest there is, break nothing and show nobody."""
    assert finder.find(np.full((300, 200, 3), 120, dtype=np.uint8), ()) == ()
    assert finder.find(np.zeros((1, 1, 3), dtype=np.uint8), ()) == ()


def test_another_persons_face_explains_nobody_elses_body():
    """A face far from a body's head does not swallow the body."""
    beside = hit((600.0, 240.0), (600.0, 480.0))
    assert unexplained([OWN, beside], (FACE_UP,)) == [beside]


def test_a_headless_body_in_front_of_a_face_is_a_person_when_it_is_strong():
    """Whoever stands in front of a consenting person, seen clearly, is not taken for that person's legs."""
    front = hit((235.0, 420.0), (235.0, 560.0), 0.9)
    assert unexplained([OWN, front], (FACE_UP,)) == [front]


def test_legs_taken_for_a_torso_are_the_same_person():
    """What a tile makes of hips and knees is explained by the body they belong to."""
    legs = hit((225.0, 470.0), (225.0, 640.0), 0.6)
    assert unexplained([OWN, legs], (FACE_UP,)) == []


def test_shoulders_right_under_a_face_are_that_face_s():
    """A weak hit with shoulders under the chin is explained even where the head's place is off."""
    slanted = hit((260.0, 300.0), (500.0, 330.0), 0.5)
    assert unexplained([slanted], (FACE_UP,)) == []


def test_a_face_without_landmarks_explains_by_the_head_alone():
    """Landmarks that are no numbers leave the head's place to explain a body."""
    broken = face_at(Box(180, 60, 90, 110), np.full((5, 2), np.nan))
    assert unexplained([OWN], (broken,)) == []
    far = hit((260.0, 420.0), (500.0, 450.0), 0.5)
    assert unexplained([far], (broken,)) == [far]


def test_the_same_person_in_several_views_is_told_once():
    """Hits with nearly the same shoulders are one person, the best of them; others stay."""
    again = hit((235.0, 250.0), (230.0, 470.0), 0.5)
    other = hit((500.0, 250.0), (500.0, 470.0), 0.4)
    assert distinct([again, OWN, other]) == [OWN, other]


def test_a_turned_view_gives_places_of_the_picture(finder, astronaut):
    """Shoulders found in the picture turned by a quarter lie where they are in the picture itself."""
    height, width = astronaut.shape[:2]
    turned = np.ascontiguousarray(np.rot90(astronaut, 3))
    plain, quarter, mirror = View(0, 0, 512), View(0, 0, 512, 1), View(0, 0, 512, mirrored=True)
    (upright, *_) = finder._pose.look(square_of(astronaut, plain), plain, 0.5)
    (back, *_) = finder._pose.look(square_of(turned, quarter), quarter, 0.5)
    flipped = square_of(np.ascontiguousarray(astronaut[:, ::-1]), mirror)
    (mirrored, *_) = finder._pose.look(flipped, mirror, 0.5)
    x, y = upright.shoulders
    assert back.shoulders == pytest.approx((height - y, x), abs=2)
    assert mirrored.shoulders == pytest.approx((width - x, y), abs=2)


def test_an_answer_that_is_no_number_is_a_failed_check(finder, astronaut, monkeypatch):
    """Scores that are not finite refuse; they are not taken for nobody."""
    broken = {
        "boxes": np.zeros((1, 2254, 12), dtype=np.float32),
        "scores": np.full((1, 2254, 1), np.nan, dtype=np.float32),
    }
    monkeypatch.setattr(finder._pose._model, "run", lambda picture: broken)
    with pytest.raises(CheckFailed):
        finder.find(astronaut, ())


def test_the_models_are_told(finder):
    """The record names both models, self-tested."""
    assert [use.role for use in finder.uses] == ["person-pose", "person-region"]
    assert all(use.self_test for use in finder.uses)


def test_the_views_that_must_run_are_fixed(finder, astronaut, monkeypatch):
    """The whole picture upright, turned either way and mirrored, and four tiles that cover all of it."""
    looked = []

    def recorded(square, view, least):
        looked.append((view, bool(np.array_equal(square, square_of(astronaut, view)))))
        return []

    monkeypatch.setattr(finder._pose, "look", recorded)
    assert finder.hits(astronaut) == []
    assert all(same for _, same in looked)
    whole = [(view.turns, view.mirrored) for view, _ in looked if view.side == 512]
    assert whole == [(0, False), (1, False), (3, False), (0, True)]
    tiles = [view for view, _ in looked if view.side < 512]
    assert len(tiles) == 4
    covered = np.zeros((512, 512), dtype=np.bool_)
    for tile in tiles:
        top, left, side = round(tile.top), round(tile.left), round(tile.side)
        covered[top : top + side, left : left + side] = True
    assert covered.all()


def test_a_weak_hit_counts_only_on_a_silhouette(finder, astronaut, limits, monkeypatch):
    """What the person detector half sees is somebody where the person-region model sees one, else nobody."""
    weak = limits.body_pose_supported + 0.01
    on_her, on_wall = hit((200.0, 280.0), (200.0, 420.0), weak), hit((420.0, 20.0), (420.0, 110.0), weak)
    monkeypatch.setattr(finder._pose, "look", lambda square, view, least: [on_her, on_wall])
    (body,) = finder.find(astronaut, ())
    assert body.signs == ("pose", "silhouette")
    assert body.box.x < 200 < body.box.x + body.box.width


def test_a_hit_in_the_mirrored_view_lies_where_the_person_is(finder, astronaut, monkeypatch):
    """A network that finds her only in the mirrored view: her shoulders are where the plain view has them."""
    plain, real = View(0, 0, 512), finder._pose.look
    (want, *_) = real(square_of(astronaut, plain), plain, 0.5)

    def only_mirrored(square, view, least):
        return real(square, view, least) if view.mirrored else []

    monkeypatch.setattr(finder._pose, "look", only_mirrored)
    (found, *_) = finder.hits(astronaut)
    assert found.shoulders == pytest.approx(want.shoulders, abs=40)


def test_one_body_is_told_once_however_its_shoulders_were_placed(finder, astronaut, monkeypatch):
    """Two hits of one size over one another, shoulders far apart, are one body: the better."""
    better, worse = hit((250.0, 200.0), (250.0, 300.0), 0.9), hit((250.0, 255.0), (250.0, 352.0), 0.8)
    monkeypatch.setattr(finder._pose, "look", lambda square, view, least: [better, worse])
    (body,) = finder.find(astronaut, ())
    assert body.score == 0.9
