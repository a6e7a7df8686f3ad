"""The astronaut as the change check sees her, without running the face detector; and edits of her picture."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.touched import judged
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    PictureExposure,
)
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Exposure, PersonKind, Recognisable

FACE = Box(179, 63, 90, 111)
LANDMARKS = np.array([[203, 103], [242, 98], [226, 127], [212, 148], [243, 144]], dtype=np.float32)
SKIN = np.array([222, 172, 145])


def face_at(box: Box = FACE, landmarks=LANDMARKS) -> FaceObservation:
    return FaceObservation(
        box=box,
        kind=PersonKind.FACE,
        recognisable=Recognisable.YES,
        score=0.9,
        passes=("given",),
        landmarks=np.asarray(landmarks, dtype=np.float32),
    )


def reading(value: Exposure = Exposure.NONE) -> ExposureReading:
    return ExposureReading(value, {"whole": 0.01})


def observed(picture, faces=(), bodies: tuple[BodyObservation, ...] = (), elsewhere=Exposure.NONE):
    height, width = picture.shape[:2]
    people = len(faces) + len(bodies)
    exposure = PictureExposure(reading(), (reading(),) * people, ExposureReading(elsewhere))
    return ImageObservation(
        digest="0" * 64,
        width=width,
        height=height,
        faces=tuple(faces),
        bodies=tuple(bodies),
        exposure=exposure,
        checks=(),
    )


def compared(meter, before, after, faces=None, bodies=(), after_faces=None):
    """What the meter says, the same people taken to stand in both pictures (scaled to the output's size)."""
    faces = (face_at(),) if faces is None else faces
    scale = (after.shape[1] / before.shape[1], after.shape[0] / before.shape[0])
    moved = tuple(face_at(one.box.scaled(*scale), one.landmarks * np.array(scale)) for one in faces)
    shown = tuple(BodyObservation(one.box.scaled(*scale), one.score, one.signs) for one in bodies)
    laid = meter.lay(
        CanonicalImage.of(np.ascontiguousarray(before)),
        CanonicalImage.of(np.ascontiguousarray(after)),
        observed(before, faces, bodies),
        observed(after, moved if after_faces is None else after_faces, shown),
    )
    return judged(laid, load_thresholds())


def jpeg(picture, quality=90):
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, format="JPEG", quality=quality)
    return np.asarray(Image.open(memory)).copy()


def warmer(picture):
    gains = np.array([1.12, 1.0, 0.85])
    return np.clip(255 * (picture / 255.0) ** 0.85 * gains, 0, 255).astype(np.uint8)


def painted(picture, centre, axes, paint=SKIN, soft=4.0):
    """A soft ellipse of paint (a colour or a picture)."""
    spot = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(spot, centre, axes, 0, 0, 360, 1.0, -1)
    where = cv2.GaussianBlur(spot, (0, 0), soft)[:, :, None]
    return (picture * (1 - where) + np.asarray(paint) * where).astype(np.uint8)
