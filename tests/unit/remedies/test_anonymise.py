"""Anonymise: nothing of a face is left, nobody who consents is harmed, nobody is forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_perception import FAR, picture, ran, seen_face

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    ImageObservation,
    PictureExposure,
)
from consent_edit.remedies.anonymise import SIGN, anonymised, remembered
from consent_edit.vocabulary import CheckName, Exposure, PersonKind, Recognisable

SIDE = 200
HERS, OTHER = Box(20, 30, 40, 50), Box(130, 40, 36, 44)


def looked(faces=(), bodies=(), *, picture_=Exposure.NONE, persons=None, digest="d"):
    """An observation of a picture of 200 x 200."""
    people = len(faces) + len(bodies)
    read = persons or (Exposure.NONE,) * people
    exposure = PictureExposure(
        ExposureReading(picture_, {"whole": 0.1}),
        tuple(ExposureReading(value, {"crop": 0.2}) for value in read),
        ExposureReading(Exposure.NONE),
    )
    return ImageObservation(
        digest, SIDE, SIDE, tuple(faces), tuple(bodies), exposure, ran(CheckName.FACE_DETECTION)
    )


def inside(box, grow=1.0):
    """Slices of a box, grown around its middle."""
    x, y = box.x + box.width / 2, box.y + box.height / 2
    return np.s_[
        max(0, round(y - grow * box.height / 2)) : round(y + grow * box.height / 2),
        max(0, round(x - grow * box.width / 2)) : round(x + grow * box.width / 2),
    ]


def test_no_pixel_of_the_face_has_a_part_in_what_is_painted_over_it():
    """Two pictures that differ in nothing but a bystander's face become one and the same picture."""
    one = picture(1, SIDE, SIDE)
    other = one.pixels.copy()
    other[inside(OTHER)] = picture(2, SIDE, SIDE).pixels[inside(OTHER)]
    faces = (seen_face(1, HERS), seen_face(2, OTHER))
    painted = [anonymised(image, faces, {0}) for image in (one, CanonicalImage.of(other))]
    assert painted[0].digest == painted[1].digest
    assert one.digest != CanonicalImage.of(other).digest


@pytest.mark.parametrize("box", [OTHER, Box(-10, -12, 40, 50), Box(180, 170, 40, 50), Box(5, 5, 190, 190)])
def test_a_face_becomes_two_shades(box):
    """The whole box and a little around it hold two values, at the border and over all of it too."""
    painted = anonymised(picture(1, SIDE, SIDE), (seen_face(2, box),), set())
    left = painted.pixels[inside(box, 1.1)].reshape(-1, 3)
    assert len(np.unique(left, axis=0)) == 2
    assert np.ptp(left.astype(int), axis=0).max() <= 37


def test_neighbours_lend_each_other_nothing():
    """Of two bystanders side by side neither's face colours the other's oval."""
    pair = Box(60, 60, 30, 36), Box(95, 60, 30, 36)
    one = picture(1, SIDE, SIDE)
    other = one.pixels.copy()
    other[inside(pair[1])] = 255
    faces = [seen_face(number, box) for number, box in enumerate(pair, 1)]
    painted = [anonymised(image, faces, set()) for image in (one, CanonicalImage.of(other))]
    assert painted[0].digest == painted[1].digest


def test_everything_else_stays_as_it_was():
    """The consenting face and whatever is off the oval keep every pixel; the edge is no hard line."""
    image = picture(1, SIDE, SIDE)
    painted = anonymised(image, (seen_face(1, HERS), seen_face(2, OTHER)), {0})
    same = (painted.pixels == image.pixels).all(axis=2)
    assert same[inside(HERS, 1.4)].all()
    assert same[:, :90].all()
    changed = ~same
    assert changed[inside(OTHER)].mean() > 0.99
    assert changed.sum() < 1.9**2 * OTHER.width * OTHER.height


def test_nobody_is_painted_over_who_cannot_be_recognised():
    """Possible faces and faces too small are under hands-off already, and stay as they are."""
    faces = (
        seen_face(2, HERS, kind=PersonKind.POSSIBLE_FACE),
        seen_face(3, OTHER, recognisable=Recognisable.NO),
    )
    image = picture(1, SIDE, SIDE)
    assert anonymised(image, faces, set()) is image


@pytest.mark.parametrize("near", [Box(40, 30, 40, 50), Box(66, 30, 40, 50), Box(25, 35, 10, 10), HERS])
def test_a_face_over_a_consenting_one_is_refused(near):
    """An oval that would eat a consenting face, beside it, inside it or all over it, is never painted."""
    with pytest.raises(InputError) as refused:
        anonymised(picture(1, SIDE, SIDE), (seen_face(1, HERS), seen_face(2, near)), {0})
    assert refused.value.code == "input.anonymise"
    assert refused.value.remedy


def test_the_fade_stops_at_a_consenting_face():
    """Where only the soft edge would reach her, it does not; the other face is painted over as wholly."""
    near = Box(76, 30, 40, 50)
    image = picture(1, SIDE, SIDE)
    painted = anonymised(image, (seen_face(1, HERS), seen_face(2, near)), {0})
    same = (painted.pixels == image.pixels).all(axis=2)
    assert same[inside(HERS)].all()
    assert len(np.unique(painted.pixels[inside(near)].reshape(-1, 3), axis=0)) == 2
    assert (~same)[:, 62:76].any()


def test_everybody_painted_over_is_still_known_to_be_there():
    """The second look finds nobody; the anonymised person stays as a body, exposed as she was."""
    faces = (seen_face(1, HERS), seen_face(2, OTHER))
    first = looked(faces, persons=(Exposure.NONE, Exposure.NUDE))
    told = remembered(first, looked(faces[:1], digest="e"), {0})
    assert told.digest == "e"
    (body,) = told.bodies
    assert body.signs == (SIGN,)
    assert body.box.overlap(OTHER) > 0
    assert body.box.y < OTHER.y
    assert body.box.y + body.box.height > SIDE
    assert [reading.value for reading in told.exposure.persons] == [Exposure.NONE, Exposure.NUDE]


def test_people_stay_in_the_order_of_their_exposure():
    """Faces come before bodies, and each keeps the reading of its own."""
    small = seen_face(3, Box(90, 10, 10, 12), recognisable=Recognisable.NO)
    lying = BodyObservation(Box(0, 150, 200, 50), 0.9, ("pose",))
    faces = (seen_face(1, HERS), seen_face(2, OTHER), small)
    read = (Exposure.NONE, Exposure.SUGGESTIVE, Exposure.UNDETERMINED, Exposure.NUDE)
    first = looked(faces, (lying,), persons=read)
    again = BodyObservation(Box(90, 90, 30, 100), 0.9, ("pose",))
    told = remembered(first, looked(faces[:1], (again,), persons=(Exposure.NONE, Exposure.EXPLICIT)), {0})
    assert [face.box for face in told.faces] == [HERS, small.box]
    assert [body.signs for body in told.bodies] == [("pose",), (SIGN,), ("pose",)]
    assert [reading.value for reading in told.exposure.persons] == [
        Exposure.NONE,
        Exposure.UNDETERMINED,
        Exposure.EXPLICIT,
        Exposure.SUGGESTIVE,
        Exposure.NUDE,
    ]
    assert len(told.exposure.persons) == len(told.people)


def test_an_oval_hides_no_exposure():
    """What the first look read in the whole picture holds, whatever the second makes of it."""
    first = looked((seen_face(2, OTHER),), picture_=Exposure.EXPLICIT)
    told = remembered(first, looked(), set())
    assert told.exposure.picture.value is Exposure.EXPLICIT
    assert told.exposure.picture.scores == {"whole": 0.1}


def test_a_consenting_face_that_is_lost_speaks_for_nobody():
    """She stays in the picture, recognisable, and without anything her consent could be matched by."""
    first = looked((seen_face(1, HERS), seen_face(2, OTHER)))
    told = remembered(first, looked(), {0})
    assert told.faces[0].kind is PersonKind.FACE
    assert told.faces[0].embeddings == {}


def test_somebody_new_in_the_second_look_stays():
    """A face that only the second look finds is a person like any other, for the floor to judge."""
    first = looked((seen_face(1, HERS), seen_face(2, OTHER)))
    told = remembered(first, looked((seen_face(1, HERS), seen_face(4, FAR))), {0})
    assert [face.box for face in told.faces] == [HERS, FAR]
    assert told.faces[1].embeddings


def test_whoever_lies_is_a_body_that_lies():
    """A face turned by a quarter makes a figure along the picture, not down it."""
    points = np.array([[30, 40], [30, 60], [40, 50], [50, 40], [50, 60]], np.float32)
    lying = replace(seen_face(2, Box(20, 30, 40, 40)), landmarks=points)
    (body,) = remembered(looked((lying,)), looked(), set()).bodies
    assert body.box.width > 2 * body.box.height
