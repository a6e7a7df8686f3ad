"""Preserve: people who cannot be recognised are put back exactly; nobody else is helped."""

from __future__ import annotations

import numpy as np
import pytest
from fake_perception import picture, ran, seen_face
from PIL import Image

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    ImageObservation,
    PictureExposure,
)
from consent_edit.remedies.preserve import preserved
from consent_edit.vocabulary import CheckName, Exposure, PersonKind, Recognisable

SIDE = 240
HERS = Box(20, 40, 30, 36)
BODY = Box(150, 60, 50, 120)
NOTHING = ExposureReading(Exposure.NONE)


def looked(faces=(), bodies=()):
    exposure = PictureExposure(NOTHING, (NOTHING,) * (len(faces) + len(bodies)), NOTHING)
    return ImageObservation(
        "d", SIDE, SIDE, tuple(faces), tuple(bodies), exposure, ran(CheckName.FACE_DETECTION)
    )


@pytest.fixture(scope="module")
def edited():
    return picture(1, SIDE, SIDE)


@pytest.fixture(scope="module")
def made():
    return picture(2, SIDE, SIDE)


def same(one, other):
    """Where two pictures agree."""
    return (one.pixels == other.pixels).all(axis=2)


def body(box=BODY):
    return BodyObservation(box, 0.9, ("pose",))


@pytest.mark.parametrize(
    ("faces", "bodies", "part"),
    [
        ((), (body(),), np.s_[60:180, 150:200]),
        (
            (seen_face(2, Box(160, 60, 12, 14), recognisable=Recognisable.NO),),
            (),
            np.s_[50:190, 146:186],
        ),
        (
            (seen_face(2, Box(160, 60, 30, 30), kind=PersonKind.POSSIBLE_FACE),),
            (),
            np.s_[40:240, 124:226],
        ),
    ],
    ids=["body", "small", "possible"],
)
def test_who_cannot_be_asked_is_put_back_exactly(edited, made, faces, bodies, part):
    """Every pixel of the figure is the one that was edited; far from it every pixel is the edit's."""
    told = preserved(made, edited, looked((seen_face(1, HERS), *faces), bodies))
    assert same(told, edited)[part].all()
    assert same(told, made)[:, :90].all()


def test_the_edge_is_soft(edited):
    """From what was to what was made there is no line: the shares fall step by step."""
    black = CanonicalImage.of(np.zeros((SIDE, SIDE, 3), np.uint8))
    white = CanonicalImage.of(np.full((SIDE, SIDE, 3), 255, np.uint8))
    row = preserved(black, white, looked((), (body(),))).pixels[120, :, 0].astype(int)
    assert row[175] == 255
    assert np.abs(np.diff(row)).max() < 100
    assert row[:140].max() == 0


def test_a_recognisable_face_is_not_put_back(edited, made):
    """Whoever can be recognised must consent; nothing of her is restored, so the check sees the edit."""
    seen = looked((seen_face(1, HERS), seen_face(2, Box(150, 40, 30, 36))))
    assert preserved(made, edited, seen) is made


def test_a_consenting_face_in_front_keeps_its_edit(edited, made):
    """A body behind a recognisable face is put back around that face, not over it."""
    face = Box(160, 100, 20, 24)
    told = preserved(made, edited, looked((seen_face(1, face),), (body(),)))
    assert same(told, made)[100:124, 160:180].all()
    assert same(told, edited)[62:80, 152:198].all()


def test_another_size_is_met(edited):
    """Where the pipeline works at its own size, the picture is put back as it was given to the pipeline."""
    made = picture(2, 120, 112)
    told = preserved(made, edited, looked((), (body(),)))
    given = np.asarray(Image.fromarray(edited.pixels).resize((120, 112), Image.Resampling.LANCZOS))
    assert (told.width, told.height) == (120, 112)
    assert (told.pixels[28:84, 75:100] == given[28:84, 75:100]).all()


def test_somebody_half_outside_the_picture(edited, made):
    """A box over the border is put back as far as it is in the picture."""
    told = preserved(made, edited, looked((), (body(Box(-30, -20, 60, 60)), body(Box(500, 500, 9, 9)))))
    assert same(told, edited)[:40, :30].all()
    assert same(told, made)[:, 60:].all()
