"""What makes a box a face, what leaves it a possible one, and that nobody is dropped."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from consent_edit.perception.faces.detectors.human import HumanCheck
from consent_edit.perception.faces.detectors.merging import Candidate, overlap
from consent_edit.perception.faces.look import Support, support_of
from consent_edit.perception.faces.passes import Detector, DetectorPass, ViewSpec
from consent_edit.vocabulary import PersonKind

FACE = np.array([[179, 63], [269, 174]], np.float32)


def boxes(scores, detector=Detector.YUNET):
    """Boxes in one place, each of another kind."""
    corners = np.array([[0, 0], [50, 60]], np.float32)
    points = np.zeros((5, 2), np.float32)
    views = (ViewSpec(320), ViewSpec(320, levels=True))
    return [
        Candidate(corners, points, score, DetectorPass(detector, view, 0.5))
        for score, view in zip(scores, views, strict=False)
    ]


class _Says:
    """A human check with one answer to each question."""

    def __init__(self, confirms, vouches):
        self._confirms, self._vouches = confirms, vouches

    def seems(self, pixels, group):
        return False

    def shows(self, pixels, group):
        return self._confirms

    def vouches(self, pixels, group):
        return self._vouches


@pytest.mark.parametrize(
    ("scores", "confirms", "vouches", "expected"),
    [
        ((0.6, 0.6), True, False, Support.KINDS),
        ((0.75,), True, False, Support.SCORE),
        ((0.6,), False, True, Support.FAMILIES),
        ((0.6,), True, False, Support.FEW_PASSES),
        ((0.6, 0.6), False, True, Support.NOT_HUMAN),
        ((0.95,), False, True, Support.NOT_HUMAN),
    ],
)
def test_the_reason_of_each_box_is_recorded(
    image_store, limits, astronaut, monkeypatch, detector, scores, confirms, vouches, expected
):
    """Kinds of pass, a high score, other families' word, or what is lacking; doubt makes a possible face."""
    monkeypatch.setattr(detector, "_human", _Says(confirms, vouches))
    face = detector._face(boxes(scores), astronaut, iter(range(9)))
    assert face.support is expected
    doubted = expected in {Support.FEW_PASSES, Support.NOT_HUMAN}
    assert face.kind is (PersonKind.POSSIBLE_FACE if doubted else PersonKind.FACE)


def test_attack_many_doubtful_boxes_are_people_once_the_bound_is_reached(astronaut, monkeypatch, detector):
    """Nobody is called no person unlooked at, however many decoys there are."""
    monkeypatch.setattr(detector, "_human", _Says(confirms=False, vouches=False))
    doubts = iter(range(2))
    found = [detector._face(boxes((0.9,)), astronaut, doubts).support for _ in range(4)]
    assert found == [Support.NOT_HUMAN, Support.NOT_HUMAN, Support.SCORE, Support.SCORE]


def test_two_passes_of_one_kind_support_a_box_as_one(limits):
    """They err alike."""
    assert support_of(boxes((0.6,)) * 2, limits) is Support.FEW_PASSES


@pytest.mark.parametrize("shown", [{"turn": 1}, {"inverted": True}])
def test_a_view_that_shows_it_wrongly_must_be_surer_to_support_a_box_alone(limits, shown):
    """Turned and inverted views find more that is not there."""
    (box,) = boxes((0.75,))
    wrong = replace(box, source=DetectorPass(Detector.YUNET, ViewSpec(320, **shown), 0.5))
    assert support_of([box], limits) is Support.SCORE
    assert support_of([wrong], limits) is Support.FEW_PASSES
    assert support_of([replace(wrong, score=0.9)], limits) is Support.SCORE


def test_a_cat_is_a_possible_face_and_not_dropped(detector):
    """Nobody's consent is asked for a cat, and nobody may paint over it either, in case it is somebody."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the cat")
    found = detector.detect(np.ascontiguousarray(data.chelsea()))
    assert found
    assert {face.kind for face in found} == {PersonKind.POSSIBLE_FACE}
    assert Support.NOT_HUMAN in {face.support for face in found}


def salted(picture):
    """Three in ten pixels black or white."""
    draw = np.random.default_rng(3).random(picture.shape[:2])
    spoilt = picture.copy()
    spoilt[draw < 0.15] = 0
    spoilt[draw > 0.85] = 255
    return spoilt


HARD = {
    "inverted": lambda picture: 255 - picture,
    "dark": lambda picture: (picture * 0.03).astype(np.uint8),
    "blurred": lambda picture: cv2.GaussianBlur(picture, (0, 0), 9),
    "salted": salted,
    "on its side": lambda picture: np.ascontiguousarray(np.rot90(picture)),
}


@pytest.mark.parametrize("name", HARD)
def test_attack_a_disguise_does_not_make_a_person_no_person(detector, astronaut, name):
    """A possible face may appear untouched without consent: nobody recognisable may be talked down to one."""
    found = detector.detect(HARD[name](astronaut))
    place = np.array([FACE[:, 1], 512 - FACE[::-1, 0]]).T if name == "on its side" else FACE
    (mine,) = (face for face in found if overlap(face.members[0].corners, place.astype(np.float32)) > 0.3)
    assert mine.kind is PersonKind.FACE


class _Silent:
    """A mesh, or a CenterFace, that sees nobody."""

    def presence(self, pixels, landmarks, **shown):
        return -9.0

    def look(self, view, threshold):
        from consent_edit.perception.faces.detectors.found import Found

        return Found(
            np.zeros((0, 2, 2), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32)
        )


def test_a_sure_pass_of_centerface_confirms_a_person_by_itself(limits, astronaut):
    """It was trained on people and hardly ever reads an animal as one."""
    check = HumanCheck(_Silent(), _Silent(), limits)
    assert check.seems(astronaut, boxes((0.7,), Detector.CENTERFACE))
    assert not check.seems(astronaut, boxes((0.6,), Detector.CENTERFACE))
    assert not check.seems(astronaut, boxes((0.95,)))


class _Counting(_Silent):
    """Sees a face in the middle from a given look on."""

    def __init__(self, from_look):
        self._from, self.looks = from_look, 0

    def look(self, view, threshold):
        from consent_edit.perception.faces.detectors.found import Found

        self.looks += 1
        if self.looks < self._from:
            return super().look(view, threshold)
        corners = np.array([[[55, 60], [105, 115]]], np.float32)
        return Found(corners, np.zeros((1, 5, 2), np.float32), np.array([0.6], np.float32))


@pytest.mark.parametrize("look", [1, 5, 9])
def test_nobody_supported_is_called_no_person_before_every_filter_was_tried(limits, astronaut, look):
    """A face that shows only under the last of nine filters is a person's."""
    assert HumanCheck(_Silent(), _Counting(look), limits).shows(astronaut, boxes((0.9,)))
    assert not HumanCheck(_Silent(), _Counting(10), limits).shows(astronaut, boxes((0.9,)))


def test_a_tiny_box_needs_a_surer_answer(limits, astronaut):
    """In a few pixels much looks like a face; nobody can be recognised in them, so nothing hangs on it."""
    (box,) = boxes((0.9,))
    tiny = replace(box, corners=box.corners / 4)
    assert not HumanCheck(_Silent(), _Counting(1), limits).shows(astronaut, [tiny])


def test_one_family_alone_does_not_vouch_for_what_few_passes_found(limits, astronaut, detector):
    """Both must: a mesh without CenterFace, or CenterFace without the mesh, leaves a possible face."""
    mesh = detector._mesh
    box = np.array([[203, 102], [248, 106], [223, 126], [202, 144], [240, 146]], np.float32)
    face = [replace(boxes((0.6,))[0], corners=FACE, landmarks=box)]
    assert HumanCheck(mesh, _Counting(1), limits).vouches(astronaut, face)
    assert not HumanCheck(mesh, _Silent(), limits).vouches(astronaut, face)
    assert not HumanCheck(_Silent(), _Counting(1), limits).vouches(astronaut, face)


def test_a_face_elsewhere_in_the_crop_does_not_speak_for_the_box(detector, astronaut):
    """CenterFace must find the face where the box's own points say it is."""
    human = detector._human
    right = np.array([[203, 102], [248, 106], [223, 126], [202, 144], [240, 146]], np.float32)
    aside = right + np.array([120, 0], np.float32)
    corners = np.stack([aside.min(axis=0), aside.max(axis=0)])
    box = replace(boxes((0.9,))[0], corners=corners, landmarks=aside)
    assert not human.seems(astronaut, [box])
    assert not human.shows(astronaut, [box])
