"""What changed: tone explains itself, a repaint does not."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.exposure import category, exposure_change
from consent_edit.perception.observation import ExposureReading
from consent_edit.perception.regions import observe_change
from consent_edit.vocabulary import Exposure, ExposureChange, Region

FACE = (179, 63, 90, 111)


def change(before, after, seen, limits):
    return observe_change(CanonicalImage.of(before), CanonicalImage.of(after), seen, seen, limits)


def jpeg(picture, quality=90):
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, format="JPEG", quality=quality)
    return np.asarray(Image.open(memory)).copy()


def warmer(picture):
    gains = np.array([1.12, 1.0, 0.85])
    return np.clip(255 * (picture / 255.0) ** 0.85 * gains, 0, 255).astype(np.uint8)


def black_and_white(picture):
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)


def more_contrast(picture):
    x = picture / 255.0
    return (255 * np.clip(0.5 + 0.5 * np.tanh(2.4 * (x - 0.5)) / np.tanh(1.2), 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("edit", [warmer, black_and_white, more_contrast])
def test_a_tone_change_touches_nobody(astronaut, astronaut_seen, limits, edit):
    """A grade of the whole picture, saved as JPEG, is tone and touches no one."""
    result = change(astronaut, jpeg(edit(astronaut)), astronaut_seen, limits)
    assert result.tone
    assert result.faces_touched == (frozenset(),)
    assert result.unseen_touched == frozenset()


def test_saving_again_as_jpeg_changes_nothing(astronaut, astronaut_seen, limits):
    """Re-encoding is neither tone nor touch."""
    result = change(astronaut, jpeg(astronaut), astronaut_seen, limits)
    assert not result.tone
    assert result.faces_touched == (frozenset(),)


def repainted_mouth(picture):
    after = picture.copy()
    cv2.ellipse(after, (232, 142), (18, 7), 0, 0, 360, (190, 20, 60), -1)
    return after


def somebody_elses_face(picture):
    after = picture.copy()
    x, y, width, height = FACE
    after[y : y + height, x : x + width] = after[y : y + height, x : x + width][::-1]
    return after


@pytest.mark.parametrize("edit", [repainted_mouth, somebody_elses_face])
@pytest.mark.parametrize("graded", [False, True], ids=["plain", "under-a-tone-change"])
def test_a_repainted_face_is_seen_also_under_a_tone_change(astronaut, astronaut_seen, limits, edit, graded):
    """A tone change laid over a repaint does not hide it."""
    after = edit(astronaut)
    after = jpeg(warmer(after) if graded else after)
    result = change(astronaut, after, astronaut_seen, limits)
    assert Region.FACE in result.faces_touched[0]


def test_recoloured_hair_is_seen_as_hair(astronaut, astronaut_seen, limits):
    """Paint above the face box is that person's hair."""
    after = astronaut.copy()
    after[25:60, 190:260] = (40, 90, 200)
    assert change(astronaut, after, astronaut_seen, limits).faces_touched == (frozenset({Region.HAIR}),)


def test_skin_painted_over_a_tenth_of_the_clothes_is_seen_as_body(astronaut, astronaut_seen, limits):
    """A skin-coloured patch on the suit is body, however smooth."""
    after = astronaut.copy()
    patch = np.zeros(astronaut.shape[:2], np.float32)
    cv2.ellipse(patch, (230, 350), (70, 60), 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(patch, (0, 0), 6)[:, :, None]
    after = (after * (1 - soft) + np.array([222, 172, 145]) * soft).astype(np.uint8)
    assert Region.BODY in change(astronaut, jpeg(after), astronaut_seen, limits).faces_touched[0]


def test_a_change_that_no_person_explains_falls_on_the_unseen(astronaut, astronaut_seen, limits):
    """With nobody found in the input, a repaint is the unseen person's body."""
    nobody = replace(astronaut_seen, faces=())
    result = observe_change(
        CanonicalImage.of(astronaut),
        CanonicalImage.of(somebody_elses_face(astronaut)),
        nobody,
        nobody,
        limits,
    )
    assert result.faces_touched == ()
    assert result.unseen_touched == frozenset({Region.BODY})


def test_another_size_is_compared_all_the_same(astronaut, astronaut_seen, limits):
    """Half the size is no touch; half the size with another face is."""
    half = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    other = cv2.resize(somebody_elses_face(astronaut), (256, 256), interpolation=cv2.INTER_AREA)
    assert Region.FACE not in change(astronaut, half, astronaut_seen, limits).faces_touched[0]
    assert Region.FACE in change(astronaut, other, astronaut_seen, limits).faces_touched[0]


def test_a_turned_person_has_the_body_below_the_turned_chin(astronaut, astronaut_seen, limits):
    """Lying on the side, what lies on from the chin is body."""
    turned = np.ascontiguousarray(np.rot90(astronaut))
    (face,) = astronaut_seen.faces
    x, y = face.landmarks[:, 0], face.landmarks[:, 1]
    box = replace(
        face.box,
        x=face.box.y,
        y=512 - face.box.x - face.box.width,
        width=face.box.height,
        height=face.box.width,
    )
    turned_face = replace(face, box=box, landmarks=np.stack([y, 512 - x], axis=1))
    seen = replace(astronaut_seen, faces=(turned_face,))
    after = turned.copy()
    after[220:300, 300:420] = (222, 172, 145)
    assert change(turned, after, seen, limits).faces_touched == (frozenset({Region.BODY}),)


def reading(limits, **scores):
    named = {name.replace("_", "-"): score for name, score in scores.items()}
    return ExposureReading(category(named, limits), named)


def test_exposure_rises_by_category_or_by_any_one_view(limits):
    """A rise in a single crop counts, staying or falling does not, and what is unknown stays unknown."""
    low = reading(limits, whole=0.01, centre=0.01)
    one_view = reading(limits, whole=0.01, centre=0.01 + limits.exposure_rise)
    nude = reading(limits, whole=limits.exposure_nude_whole, centre=0.01)
    unknown = ExposureReading(Exposure.UNDETERMINED)
    assert exposure_change(low, low, limits) is ExposureChange.NONE
    assert exposure_change(nude, low, limits) is ExposureChange.NONE
    assert exposure_change(low, one_view, limits) is ExposureChange.INCREASED
    assert exposure_change(low, nude, limits) is ExposureChange.INCREASED
    assert exposure_change(low, unknown, limits) is ExposureChange.UNDETERMINED
    assert exposure_change(unknown, low, limits) is ExposureChange.UNDETERMINED


def test_the_worst_view_decides_the_category(limits):
    """One crop at its threshold makes the whole reading nude; no views make it undetermined."""
    assert reading(limits, whole=0.0, centre=limits.exposure_nude_crop).value is Exposure.NUDE
    assert reading(limits, whole=limits.exposure_nude_whole).value is Exposure.NUDE
    assert reading(limits, whole=0.0, centre=0.0).value is Exposure.NONE
    assert category({}, limits) is Exposure.UNDETERMINED
