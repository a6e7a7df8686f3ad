"""An anonymised face against itself: the embedders that match people find nobody, and no detector a face."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from consent_edit.errors import ConsentEditError, ModelUnavailable
from consent_edit.intake.decode import decode
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import FaceObservation, Origin
from consent_edit.remedies.anonymise import anonymised, remembered
from consent_edit.remedies.crop import crop_window
from consent_edit.remedies.figures import is_shown
from consent_edit.remedies.preserve import preserved
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Region

ROLES = ("face-embedding", "face-embedding-second")
LABELLED = 16
"""Photographs of as many people; each takes half a second."""


@pytest.fixture(scope="module")
def embedders():
    from consent_edit.perception.faces.embedding import FirstEmbedder, SecondEmbedder

    store, limits = ModelStore(), load_thresholds()
    try:
        return dict(zip(ROLES, (FirstEmbedder(store, limits), SecondEmbedder(store, limits)), strict=True))
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


@pytest.fixture(scope="module")
def detector():
    from consent_edit.perception.faces.look import FaceDetector

    try:
        return FaceDetector(ModelStore(), load_thresholds())
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")


def highest(embedder, image, face, other, points):
    """Highest cosine of any view of a face in one picture with any of a face in another."""
    return float(
        (embedder.embed(image.pixels, face.landmarks) @ embedder.embed(other.pixels, points).T).max()
    )


def test_no_embedder_finds_an_anonymised_face_again(two_people, seen, embedders):
    """Neither of two people is found in her own place by either embedder; unpainted both are."""
    matching = load_thresholds().matching
    for index in shown(seen):
        face = seen.faces[index]
        painted = anonymised(two_people, seen.faces, set(shown(seen)) - {index})
        for role, embedder in embedders.items():
            assert highest(embedder, two_people, face, two_people, face.landmarks) > 0.99
            assert highest(embedder, two_people, face, painted, face.landmarks) < matching[role] - 0.01


def test_labelled_faces_are_no_more_like_themselves_than_like_others(eval_folder, detector, embedders):
    """Painted over, people are as like themselves as like strangers, and none is matched by any embedder."""
    pictures = sorted((eval_folder / "faces" / "lfw").rglob("*.jpg"))
    chosen = []
    for path in pictures[:: max(1, len(pictures) // LABELLED)][:LABELLED]:
        with suppress(ConsentEditError):
            image = decode(path.read_bytes()).image
            faces = [face for face in map(as_observed, detector.detect(image.pixels)) if is_shown(face)]
            chosen += [(image, faces[0], anonymised(image, faces, set()))] if faces else []
    assert len(chosen) >= LABELLED // 2
    for role, embedder in embedders.items():
        own = [embedder.embed(image.pixels, face.landmarks) for image, face, _ in chosen]
        painted = [embedder.embed(over.pixels, face.landmarks) for _, face, over in chosen]
        cosines = np.array([[float((one @ other.T).max()) for other in own] for one in painted])
        same = np.eye(len(chosen), dtype=bool)
        assert cosines[same].max() < load_thresholds().matching[role]
        assert (cosines[same][:, None] >= cosines).all(axis=1).mean() <= 0.25
        assert cosines[same].mean() - cosines[~same].mean() < 0.5 * cosines[~same].std()


def shown(seen):
    """Indices of the faces that can be recognised."""
    return [index for index, face in enumerate(seen.faces) if is_shown(face)]


def as_observed(face):
    """A detected face as perception tells it."""
    return FaceObservation(face.box, face.kind, face.recognisable, face.score, face.passes, face.landmarks)


def test_the_second_look_knows_her_and_nobody_else(perception, two_people, seen):
    """After anonymising one of two, only the other can be recognised, and both are known to be there."""
    kept, _ = shown(seen)
    painted = anonymised(two_people, seen.faces, {kept})
    again = perception.observe_image(painted)
    (left,) = shown(again)
    assert again.faces[left].box.overlap(seen.faces[kept].box) > 0.5
    told = remembered(seen, again, {kept})
    assert any("anonymised" in body.signs for body in told.bodies)


def test_undressing_an_anonymised_person_is_seen(perception, two_people, seen):
    """Her figure is hers without a face: what is repainted below it is her body, not nobody's."""
    painted = anonymised(two_people, seen.faces, {0})
    told = remembered(seen, perception.observe_image(painted), {0})
    box = seen.faces[shown(seen)[1]].box
    made = painted.pixels.copy()
    below = np.s_[round(box.y + 1.6 * box.height) :, round(box.x - box.width / 2) : round(box.x + box.width)]
    made[below] = 255 - made[below]
    made = type(painted).of(made)
    change = perception.observe_change(painted, made, told, perception.observe_image(made), Origin.of(seen))
    index = len(told.faces) + next(i for i, one in enumerate(told.bodies) if "anonymised" in one.signs)
    assert Region.BODY in change.touched[index]


def test_put_back_she_is_untouched(perception, two_people, seen):
    """An edit that repaints everything leaves her exactly as she was, once she is put back."""
    painted = anonymised(two_people, seen.faces, {0})
    told = remembered(seen, perception.observe_image(painted), {0})
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (32, 64, 3), dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    made = type(painted).of((painted.pixels // 2 + coarse // 2).astype(np.uint8))
    index = len(told.faces) + next(i for i, one in enumerate(told.bodies) if "anonymised" in one.signs)

    def touched(image):
        change = perception.observe_change(
            painted, image, told, perception.observe_image(image), Origin.of(seen)
        )
        return change.touched[index]

    assert touched(made)
    assert not touched(preserved(made, painted, told))


@pytest.mark.usefixtures("seen")
def test_a_part_with_her_alone(perception, two_people):
    """Of two people well apart the part that holds one shows nobody else to a second look."""
    apart = np.full((512, 256, 3), 127, np.uint8)
    wide = type(two_people).of(np.hstack([two_people.pixels[:, :512], apart, two_people.pixels[:, 512:]]))
    found = perception.observe_image(wide)
    left, right = sorted(shown(found), key=lambda index: found.faces[index].box.x)
    for kept in (left, right):
        again = perception.observe_image(crop_window(found, {kept}).of(wide))
        assert len(shown(again)) == 1
        assert again.bodies == ()
