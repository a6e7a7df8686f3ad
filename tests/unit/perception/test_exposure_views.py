"""Where exposure is looked for: everybody is inside a crop large enough to be read, whatever the crowd."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from consent_edit.perception.exposure.views import (
    BODY,
    TORSO,
    WHOLE,
    fixed_views,
    person_views,
)
from consent_edit.perception.observation import BodyObservation, Box, FaceObservation
from consent_edit.vocabulary import PersonKind, Recognisable

MOST = 12


def face(x, y, side=40.0, *, way=(0, 1), kind=PersonKind.FACE) -> FaceObservation:
    """A face whose mouth lies in a direction from its eyes."""
    middle, step = np.array([x + side / 2, y + side / 2]), np.array(way) * side / 4
    across = np.array([-way[1], way[0]]) * side / 5
    points = [middle - step - across, middle - step + across, middle, middle + step - across]
    landmarks = np.array([*points, middle + step + across], np.float32)
    return FaceObservation(Box(x, y, side, side), kind, Recognisable.YES, 0.9, ("a",), landmarks)


def body(x, y, width, height) -> BodyObservation:
    return BodyObservation(Box(x, y, width, height), 0.8, ("pose",))


def views(*people, width=1000, height=1000):
    return person_views(people, width, height, MOST)


def inside(view, width, height) -> bool:
    left, top, right, bottom = view.corners
    return 0 <= left < right <= width and 0 <= top < bottom <= height


def covers(view, box, width=1000, height=1000) -> bool:
    """Whether all of a box that lies in the picture lies in the view."""
    left, top, right, bottom = view.corners
    return (
        left <= max(box.x, 0) + 1
        and top <= max(box.y, 0) + 1
        and right >= min(box.x + box.width, width) - 1
        and bottom >= min(box.y + box.height, height) - 1
    )


def test_fixed_views_are_the_same_for_every_picture_of_a_size():
    """The whole picture and five crops of 60 % of each side that together cover it."""
    made = fixed_views(1000, 500)
    assert [view.name for view in made] == [
        WHOLE, "top-left", "top-right", "bottom-left", "bottom-right", "centre",
    ]  # fmt: skip
    assert all(inside(view, 1000, 500) for view in made)
    assert {view.corners[2] - view.corners[0] for view in made[1:]} == {600}
    seen = np.zeros((500, 1000), bool)
    for view in made[1:5]:
        left, top, right, bottom = view.corners
        seen[top:bottom, left:right] = True
    assert seen.all()


@pytest.mark.parametrize(("way", "turns"), [((0, 1), 0), ((0, -1), 2), ((1, 0), 3), ((-1, 0), 1)])
def test_body_is_looked_for_where_the_face_says_it_is(way, turns):
    """Somebody upside down or lying is cut along the body, and turned upright before being read."""
    person = face(950, 950, 100, way=way)
    whole, torso = views(person, width=2000, height=2000)
    assert (whole.name, torso.name) == (BODY, TORSO)
    assert (whole.turns, torso.turns) == (turns, turns)
    chest = Box(975 + 200 * way[0], 975 + 200 * way[1], 50, 50)
    hips = Box(975 + 425 * way[0], 975 + 425 * way[1], 50, 50)
    assert all(covers(view, box, 2000, 2000) for view in (whole, torso) for box in (chest, hips))
    assert covers(whole, person.box, 2000, 2000)
    pixels = np.zeros((2000, 2000, 3), np.uint8)
    pixels[950:1050, 950:1050] = 255
    upright = np.asarray(whole.cut(Image.fromarray(pixels)))
    assert upright.shape[0] > upright.shape[1]
    assert upright[: upright.shape[0] // 3].any() and not upright[upright.shape[0] // 2 :].any()


def test_torso_is_looked_at_where_the_body_is_seen_small():
    """Somebody whose whole body the models see at more than half its scale needs no second crop."""
    assert [view.name for view in views(face(480, 100, 80))] == [BODY]
    assert [view.name for view in views(face(480, 100, 95))] == [BODY, TORSO]


def test_box_that_few_passes_support_is_not_turned():
    """The points of a doubtful box say nothing of where a body lies; it is looked at all the same."""
    (only,) = views(face(480, 480, way=(1, 0), kind=PersonKind.POSSIBLE_FACE))
    assert (only.name, only.turns) == (BODY, 0)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_points_that_mean_nothing_leave_the_crop_upright(points):
    """A face with no usable points has its body looked for below it."""
    seen = face(480, 480)
    broken = FaceObservation(seen.box, seen.kind, seen.recognisable, 0.9, ("a",), points.astype(np.float32))
    assert views(broken)[0].corners == views(seen)[0].corners


@pytest.mark.parametrize(
    "person",
    [
        face(-20, -20), face(980, 980), face(-20, 500), face(500, 985), face(980, -30),
        face(480, 480, side=900), face(-300, -300, side=1600), face(10, 10, side=1),
        body(-50, 400, 200, 900), body(990, 990, 300, 300), body(500, 500, 0, 0),
    ],
)  # fmt: skip
def test_person_at_the_border(person):
    """Somebody cut by the border, larger than the picture or a point still has a crop inside the picture."""
    made = views(person)
    assert made and made[0].name == BODY
    assert all(inside(view, 1000, 1000) for view in made)
    assert covers(made[0], person.box)


def test_torso_is_left_out_where_the_picture_ends_above_it():
    """A portrait cut at the chin has no torso to look at; one cut at the waist has."""
    assert [view.name for view in views(face(400, 850, side=100))] == [BODY]
    assert TORSO in [view.name for view in views(face(400, 500, side=100))]


def test_tiny_person_is_read_with_what_is_around():
    """Nobody is read from a crop of a few pixels blown up."""
    (only,) = views(face(500, 500, side=6))
    left, top, right, bottom = only.corners
    assert min(right - left, bottom - top) >= 224
    assert covers(only, Box(500, 500, 6, 54))


def crowd(rows, columns, side=24.0):
    """Faces in rows over a whole picture."""
    return [
        face(20 + 960 / columns * column, 20 + 940 / rows * row, side)
        for row in range(rows)
        for column in range(columns)
    ]


@pytest.mark.parametrize(
    "people", [crowd(1, 13), crowd(5, 6), crowd(10, 12), [*crowd(3, 4), body(5, 5, 9, 9)]]
)
def test_crowd_shares_crops_and_nobody_is_skipped(people):
    """However many there are, the crops are bounded and each person's face and body lie in one."""
    made = views(*people)
    assert len(made) <= MOST
    assert sorted({i for view in made for i in view.who}) == list(range(len(people)))
    for i, person in enumerate(people):
        alone = views(person)[0]
        own = [view for view in made if i in view.who]
        assert own and all(covers(view, Box(*_box(alone))) for view in own)


def test_crowd_is_still_read_at_a_scale_that_shows_it():
    """Thirty people all over a picture: no crop is more than a fifth of it, nobody is left to the whole."""
    assert max(view.area for view in views(*crowd(5, 6))) <= 1000 * 1000 / 5


def test_one_far_from_a_crowd_keeps_a_crop_of_their_own():
    """Faces printed close together do not make the crop of somebody beside them coarser."""
    poster = [face(20 + 12 * i, 20 + 9 * j, 10) for i in range(8) for j in range(8)]
    victim = face(700, 300, 60)
    made = views(*poster, victim)
    (own,) = [view for view in made if len(poster) in view.who]
    assert own.who == (len(poster),)
    assert own.corners == views(victim)[0].corners


def _box(view):
    left, top, right, bottom = view.corners
    return left, top, right - left, bottom - top
