"""Faces are found under the disguises that evade one plain look, and none is merged away."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.faces.detectors.found import Found
from consent_edit.perception.faces.detectors.merging import overlap
from consent_edit.perception.faces.passes import PASSES
from consent_edit.perception.process import PerceptionProcess
from consent_edit.perception.views import Views
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure, PersonKind, Recognisable

FACE = (179, 63, 90, 111)  # x, y, width, height of the astronaut's face


def found(detector, picture):
    """Faces and possible faces."""
    return detector.detect(np.ascontiguousarray(picture))


def corners(x, y, width, height):
    return np.array([[x, y], [x + width, y + height]], np.float32)


def covers(faces, box):
    """Whether some face overlaps a box well."""
    return any(overlap(face.members[0].corners, corners(*box)) > 0.3 for face in faces)


def noise_sigma_140(picture):
    noise = np.random.default_rng(7).normal(0, 140, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def salt_and_pepper(picture):
    draw = np.random.default_rng(7).random(picture.shape[:2])
    spoilt = picture.copy()
    spoilt[draw < 0.15], spoilt[draw > 0.85] = 0, 255
    return spoilt


def darkened_to_2_percent(picture):
    return (picture * 0.02).astype(np.uint8)


def contrast_5_percent(picture):
    return (picture * 0.05 + 120).astype(np.uint8)


def inverted_and_darkened(picture):
    return 255 - (picture * 0.1).astype(np.uint8)


def mirrored(picture):
    return picture[:, ::-1]


def blurred(picture):
    return cv2.GaussianBlur(picture, (0, 0), 9)


def pixelated_12_px(picture):
    few = (picture.shape[1] // 12, picture.shape[0] // 12)
    small = cv2.resize(picture, few, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_NEAREST)


def lined(picture, shade):
    spoilt = picture.copy()
    spoilt[np.arange(len(picture)) % 9 < 4] = shade
    spoilt[:, np.arange(picture.shape[1]) % 9 < 4] = shade
    return spoilt


def black_grid(picture):
    return lined(picture, 0)


def white_grid(picture):
    return lined(picture, 255)


def on_its_side(picture):
    return np.rot90(picture)


def on_its_other_side(picture):
    return np.rot90(picture, 3)


def upside_down(picture):
    return np.rot90(picture, 2)


def tilted(picture):
    matrix = cv2.getRotationMatrix2D((224, 118), 45, 1.0)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1])


DEFENCES = {
    noise_sigma_140: "Y-blur",
    salt_and_pepper: "Y-median",
    darkened_to_2_percent: "Y-levels",
    contrast_5_percent: "C-levels",
    inverted_and_darkened: "Y-inverted",
    blurred: "Y-plain",
    pixelated_12_px: "Y-blur",
    black_grid: "Y-closing",
    white_grid: "Y-opening",
    on_its_side: "Y-turn3",
    on_its_other_side: "Y-turn1",
    upside_down: "Y-turn2",
    mirrored: "B-plain",
    tilted: "Y-tilt315",
}


def place_after(disguise, picture):
    """Where a disguise brings the face to."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    x, y, width, height = FACE
    mask[y : y + height, x : x + width] = 1
    if disguise in {mirrored, on_its_side, on_its_other_side, upside_down, tilted}:
        mask = disguise(mask)
    rows, columns = np.nonzero(mask)
    return (
        columns.min(),
        rows.min(),
        columns.max() - columns.min() + 1,
        rows.max() - rows.min() + 1,
    )


@pytest.mark.parametrize("disguise", DEFENCES)
def test_attack_disguised_face_is_one_face_found_by_the_passes_meant_for_it(detector, astronaut, disguise):
    """Each disguise leaves one supported face where the face is, and the defence against it is at work."""
    faces = found(detector, disguise(astronaut))
    box = place_after(disguise, astronaut)
    (mine,) = (face for face in faces if covers([face], box))
    assert mine.kind is PersonKind.FACE
    kinds = {one.kind for one in PASSES if one.name in mine.passes}
    assert DEFENCES[disguise] in kinds


@pytest.mark.parametrize(
    "disguise",
    [noise_sigma_140, salt_and_pepper, darkened_to_2_percent, pixelated_12_px, black_grid, white_grid],
)
def test_the_disguises_evade_one_plain_look(detector, astronaut, disguise):
    """What these tests defend against is real: YuNet at 640 px alone sees nobody."""
    plain = next(one for one in PASSES if one.name == "Y640")
    shown = Views(disguise(astronaut)).show(plain.view)
    assert not len(detector._families[plain.detector].look(shown.pixels, plain.threshold))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_turned_by_quarters_is_found_with_its_points_turned(detector, astronaut, turns):
    """The eyes-to-mouth direction turns with the picture."""
    best = found(detector, np.rot90(astronaut, turns))[0]
    down = best.landmarks[3:].mean(axis=0) - best.landmarks[:2].mean(axis=0)
    expected = {1: (1, 0), 2: (0, -1), 3: (-1, 0)}[turns]
    assert best.kind is PersonKind.FACE
    assert down @ np.array(expected) > 0.9 * np.linalg.norm(down)


def test_a_face_filling_the_frame_is_found(detector, astronaut):
    """Cropped to the very face, it is a recognisable face: no portrait slips through by being large."""
    x, y, width, height = FACE
    crop = cv2.resize(astronaut[y : y + height, x : x + width], (900, 1110), interpolation=cv2.INTER_CUBIC)
    best = found(detector, crop)[0]
    assert best.kind is PersonKind.FACE
    assert best.recognisable is Recognisable.YES
    assert best.box.width > 400


@pytest.mark.parametrize("width", [24, 32])
def test_a_tiny_face_in_a_large_picture_is_found_and_recognisable(detector, astronaut, width):
    """A face of 24 px or more in a 1024 px picture is found, and consent is needed for it."""
    side = round(512 * width / FACE[2])
    small = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
    picture = np.full((1024, 1024, 3), 120, np.uint8)
    picture[600 : 600 + side, 300 : 300 + side] = small
    scale = side / 512
    box = (300 + FACE[0] * scale, 600 + FACE[1] * scale, FACE[2] * scale, FACE[3] * scale)
    faces = [face for face in found(detector, picture) if face.recognisable is Recognisable.YES]
    assert covers(faces, box)


def test_the_large_views_report_nothing_but_tiny_faces(detector, astronaut):
    """At 1024 px her face is the one box: no box on her suit refuses her own edit."""
    (face,) = found(detector, cv2.resize(astronaut, (1024, 1024), interpolation=cv2.INTER_CUBIC))
    assert covers([face], [2 * side for side in FACE])
    large = {one.name for one in PASSES if one.view.long_side >= 960}
    assert large
    assert not large & set(face.passes)


def test_a_box_larger_than_its_pass_may_report_is_not_the_passes():
    """One pixel more than the bound is left to the smaller views; the bound itself is not."""
    corners = np.array([[[0, 0], [96, 50]], [[0, 0], [50, 97]]], np.float32)
    seen = Found(corners, np.zeros((2, 5, 2), np.float32), np.ones(2, np.float32))
    assert np.array_equal(seen.up_to(96.0).corners, corners[:1])
    assert len(seen.up_to(math.inf)) == 2


def test_a_face_too_small_to_recognise_is_said_to_be(detector, astronaut):
    """A face of about 12 px is found, and marked as not recognisable."""
    small = cv2.resize(astronaut, (68, 68), interpolation=cv2.INTER_AREA)
    picture = np.full((256, 256, 3), 120, np.uint8)
    picture[100:168, 90:158] = small
    box = (90 + FACE[0] * 68 / 512, 100 + FACE[1] * 68 / 512, 12, 14.7)
    here = [
        face for face in found(detector, picture) if overlap(face.members[0].corners, corners(*box)) > 0.2
    ]
    assert here
    assert all(face.recognisable is Recognisable.NO for face in here)


@pytest.mark.parametrize(("turns", "width"), [(0, 16), (1, 24), (3, 24)])
def test_attack_tiny_face_in_a_large_picture_upright_or_on_its_side_has_a_box(
    detector, astronaut, turns, width
):
    """Shrunk to 16 px, or to 24 px and turned, in 1024 px: only the large views show it."""
    side = round(512 * width / FACE[2])
    small = np.rot90(cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA), turns)
    picture = np.full((1024, 1024, 3), 120, np.uint8)
    picture[600 : 600 + side, 300 : 300 + side] = small
    mask = np.zeros((512, 512), np.uint8)
    x, y, face_width, height = FACE
    mask[y : y + height, x : x + face_width] = 1
    rows, columns = np.nonzero(np.rot90(mask, turns))
    middle = np.array([300, 600]) + np.array([columns.mean(), rows.mean()]) * side / 512
    near = [
        face
        for face in found(detector, picture)
        if np.linalg.norm(face.members[0].corners.mean(axis=0) - middle) < 0.4 * width
    ]
    assert near
    assert all(one.recognisable is Recognisable.YES for one in near) or width < 20


def test_a_tiled_wall_of_faces_is_a_face_a_tile(detector, astronaut):
    """Repeating a face hides none of it: sixteen tiles are sixteen faces."""
    tile = cv2.resize(astronaut[20:260, 100:340], (128, 128), interpolation=cv2.INTER_AREA)
    faces = found(detector, np.tile(tile, (4, 4, 1)))
    places = {tuple(int(v) // 128 for v in face.members[0].corners.mean(axis=0)) for face in faces}
    assert len(places) == 16


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_face_cut_by_the_border_is_found(detector, astronaut, side):
    """A third of it beyond the edge, it is still somebody's."""
    x, y, width, height = FACE
    cut = {
        "left": astronaut[:, x + width // 3 :],
        "right": astronaut[:, : x + width - width // 3],
        "top": astronaut[y + height // 4 :],
        "bottom": astronaut[: y + height - height // 3],
    }[side]
    moved = (0 if side == "left" else x, 0 if side == "top" else y, width * 2 // 3, height * 2 // 3)
    assert covers(found(detector, cut), moved)


def test_the_border_pass_finds_a_face_larger_than_the_frame(detector, astronaut):
    """The defence against portraits that fill the picture is at work, not only luck."""
    x, y, width, height = FACE
    crop = cv2.resize(astronaut[y : y + height, x : x + width], (900, 1110), interpolation=cv2.INTER_CUBIC)
    assert "Y160-border" in found(detector, crop)[0].passes


def test_two_people_pasted_side_by_side_are_two_faces(detector, astronaut, hopper):
    """Two portraits in one picture are exactly two faces."""
    wide = np.hstack([astronaut, cv2.resize(hopper, (437, 512))])
    assert len([face for face in found(detector, wide) if face.kind is PersonKind.FACE]) == 2


def test_victim_hidden_inside_a_consenting_face_is_not_merged_away(detector, astronaut, hopper):
    """A small face pasted on a large one stays a face of its own."""
    x, y, width, height = FACE
    large = cv2.resize(
        astronaut[max(0, y - 40) : y + height + 40, x - 40 : x + width + 40], (850, 955), cv2.INTER_CUBIC
    )
    victim = cv2.resize(hopper[100:350, 160:380], (110, 125), interpolation=cv2.INTER_AREA)
    large[260:385, 370:480] = victim
    faces = [face for face in found(detector, large) if face.kind is PersonKind.FACE]
    assert covers(faces, (370 + 10, 260 + 12, 88, 105))
    assert any(face.box.width > 300 for face in faces)


def test_a_picture_without_anybody_has_no_face(detector):
    """A smooth landscape of two colours has no face and no possible face."""
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[:150], picture[150:] = (120, 170, 230), (60, 120, 60)
    assert found(detector, picture) == ()


def test_the_astronaut_is_one_face_with_both_embeddings_and_nothing_exposed(astronaut_seen):
    """The demo photograph: one face, two independent embeddings, exposure none, and every check ran."""
    (face,) = astronaut_seen.faces
    assert face.kind is PersonKind.FACE
    assert face.recognisable is Recognisable.YES
    assert set(face.embeddings) == {CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND}
    for rows in face.embeddings.values():
        assert rows.shape[0] >= 2
        assert rows.shape[1] == 128
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert astronaut_seen.exposure.picture.value is Exposure.NONE
    assert all(run.outcome is CheckOutcome.RAN for run in astronaut_seen.checks)
    assert all(use.self_test and len(use.sha256) == 64 for run in astronaut_seen.checks for use in run.models)


def test_the_other_sample_portrait_is_one_face_and_nothing_exposed(hopper_seen):
    """The second sample photograph passes the exposure check as well."""
    assert len(hopper_seen.faces) == 1
    assert hopper_seen.exposure.picture.value is Exposure.NONE


def test_both_embedders_know_the_same_face_turned_and_smaller_and_tell_another_apart(
    perception: PerceptionProcess, astronaut, astronaut_seen, hopper_seen, limits
):
    """Turned and shrunk to half, the same person is accepted by both, another person by neither."""
    again = np.ascontiguousarray(np.rot90(cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)))
    seen = perception.observe_image(CanonicalImage.of(again)).faces
    (face,) = (face for face in seen if face.kind is PersonKind.FACE)
    own, other = astronaut_seen.faces[0].embeddings, hopper_seen.faces[0].embeddings
    for role, threshold in limits.matching.items():
        assert (face.embeddings[role] @ own[role].T).min() > threshold
        assert (face.embeddings[role] @ other[role].T).max() < threshold
