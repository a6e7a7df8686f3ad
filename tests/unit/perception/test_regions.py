"""Where people are: the face, hair and body of each, told apart from the wall and from one another."""

from __future__ import annotations

import numpy as np
import pytest
from change_scene import FACE, LANDMARKS, face_at

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.bodies.regions import framed, person_regions, silhouette_of, within_reach
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import BodyObservation, Box

SIZE = (512, 512)


@pytest.fixture(scope="module")
def silhouette():
    from consent_edit.perception.bodies.silhouette import Silhouette

    try:
        return Silhouette(ModelStore())
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


def regions_of(people, likely):
    return person_regions(framed(people, np.eye(2, 3)), likely)


def person_at(left, shape=(512, 512)):
    """A head on a column of body, as a silhouette."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask[60:200, left + 5 : left + 85] = True
    mask[190:, left - 25 : left + 115] = True
    return mask


def test_the_astronaut_is_on_her_silhouette_and_the_wall_is_not(silhouette, astronaut):
    """Hair and suit are hers, the flag and the shuttle beside her are nobody's."""
    face = face_at()
    likely = silhouette_of(silhouette, astronaut, (face,), SIZE)
    (person,) = regions_of((face,), likely > 0.5)
    assert person.face[118, 224]
    assert person.hair[40, 225]
    assert person.body[350, 180]
    assert not person.everything()[60, 40]
    assert not person.everything()[100, 420]


def test_where_the_silhouette_misses_the_face_the_regions_are_wide():
    """Nothing seen: the whole box, the head around it, and below the chin down to the picture's edge."""
    (person,) = regions_of((face_at(),), np.zeros(SIZE, dtype=np.bool_))
    assert person.face[64:173, 180:268].all()
    assert person.hair[40, 225]
    assert person.body[180:, 70:380].all()


def test_a_silhouette_never_makes_a_person_smaller_than_face_and_torso():
    """A silhouette of the face alone leaves the neck and a torso to the person."""
    only_face = np.zeros(SIZE, dtype=np.bool_)
    only_face[63:174, 179:269] = True
    (person,) = regions_of((face_at(),), only_face)
    assert person.face[64:173, 180:268].all()
    assert person.body[200, 224]
    assert person.body[240:340, 170:280].all()


def test_two_people_side_by_side_are_told_apart():
    """Each has the silhouette nearest to the own axis; what lies between belongs to both."""
    likely = person_at(60) | person_at(300)
    boxes = (Box(60, 63, 90, 111), Box(300, 63, 90, 111))
    shifts = (60 - FACE.x, 300 - FACE.x)
    faces = tuple(face_at(box, LANDMARKS + np.array([x, 0.0])) for box, x in zip(boxes, shifts, strict=True))
    left, right = regions_of(faces, likely)
    assert left.body[400, 60]
    assert not left.body[400, 390]
    assert right.body[400, 390]
    assert not right.body[400, 60]
    touching = likely.copy()
    touching[300:400, 170:280] = True
    left, right = regions_of(faces, touching)
    assert left.body[350, 225]
    assert right.body[350, 225]


def test_a_turned_person_has_the_body_below_the_turned_chin():
    """Lying on the side, what lies on from the chin is body."""
    x, y = LANDMARKS[:, 0], LANDMARKS[:, 1]
    turned = face_at(
        Box(FACE.y, 512 - FACE.x - FACE.width, FACE.height, FACE.width), np.stack([y, 512 - x], 1)
    )
    (person,) = regions_of((turned,), np.zeros(SIZE, dtype=np.bool_))
    assert person.body[290, 400]
    assert not person.body[290, 20]


def test_a_body_without_a_face_is_its_silhouette_or_all_of_its_box():
    """The silhouette inside the box where there is one, the whole box where there is none."""
    body = BodyObservation(Box(100, 100, 200, 300), 0.7, ("pose",))
    likely = np.zeros(SIZE, dtype=np.bool_)
    likely[100:400, 150:250] = True
    (seen,) = regions_of((body,), likely)
    (unseen,) = regions_of((body,), np.zeros(SIZE, dtype=np.bool_))
    assert seen.body[110, 200]
    assert not seen.body[110, 105]
    assert unseen.body[100:400, 100:300].all()
    assert not seen.face.any()
    assert not seen.hair.any()


def test_a_figure_drawn_larger_in_the_output_is_still_that_person():
    """What the output's silhouette adds close to the input's counts; what it adds far away does not."""
    before, after = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    before[100:400, 200:300] = True
    after[100:400, 185:315] = True
    after[100:200, 450:500] = True
    reach = within_reach(before, after, framed((face_at(),), np.eye(2, 3)))
    assert reach[200, 190]
    assert not reach[150, 470]


def test_landmarks_that_are_no_numbers_leave_a_person_upright():
    """Broken landmarks fall back to a body below the face."""
    (person,) = regions_of((face_at(landmarks=np.full((5, 2), np.nan)),), np.zeros(SIZE, dtype=np.bool_))
    assert person.body[400, 224]


def test_a_person_off_the_picture_has_no_regions():
    """A box beyond the border breaks nothing."""
    (person,) = regions_of((face_at(Box(-400, -400, 60, 60)),), np.zeros(SIZE, dtype=np.bool_))
    assert not person.face.any()


def test_a_silhouette_that_is_no_number_is_a_failed_check(silhouette, astronaut, monkeypatch):
    """An answer that is not finite refuses; it is not taken for an empty picture."""
    broken = np.full((1, 256, 256, 1), np.nan, dtype=np.float32)
    monkeypatch.setattr(silhouette._model, "run", lambda picture: {"answer": broken})
    with pytest.raises(CheckFailed):
        silhouette.of(astronaut)
