"""A photograph laid into a long blank strip: views go by the long side, so she grows tiny in all of them."""

from __future__ import annotations

import numpy as np
import pytest

from consent_edit.errors import ImageRejected, ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import DEFAULT_LIMITS, from_pil
from consent_edit.perception.checks import Checks
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Origin
from consent_edit.perception.worker import Worker
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import CheckOutcome, PersonKind, Recognisable

SKIN = (205, 165, 140)
CHEST = np.s_[260:500, 130:330]
"""Where the astronaut's suit is, in her photograph of 512 px."""

LONGEST = int(DEFAULT_LIMITS.max_side_ratio)


@pytest.fixture(scope="module")
def worker():
    """All checks in this process."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    made = Worker(Checks(ModelStore(), load_thresholds()), lambda name, phase: None)
    try:
        ModelStore().load("face-detection-centre")
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")
    return made


@pytest.fixture(scope="module")
def astronaut():
    """A woman whose face is 110 px wide here: five times the width that people recognise somebody at."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the astronaut photograph")
    return np.ascontiguousarray(data.astronaut())


def strip(picture, ratio):
    """The picture, lying on its side, in the middle of a white strip so many times as long as it is high."""
    turned = np.rot90(picture)
    side = turned.shape[0]
    shown = np.full((side, side * ratio, 3), 255, np.uint8)
    start = (shown.shape[1] - side) // 2
    shown[:, start : start + side] = turned
    return shown


def taken(pixels):
    """What intake makes of it; ``None`` where intake refuses it."""
    from PIL import Image

    try:
        return from_pil(Image.fromarray(pixels))
    except ImageRejected:
        return None


def her_face(seen):
    """Whether a recognisable face was found."""
    return any(face.kind is PersonKind.FACE and face.recognisable is Recognisable.YES for face in seen.faces)


@pytest.mark.parametrize("ratio", [2, 4])
def test_face_in_a_strip_is_found(worker, astronaut, ratio):
    """A photograph on its side in a strip two and four times as long: her face is found."""
    seen = worker.observe_image(CanonicalImage.of(strip(astronaut, ratio)))
    assert all(run.outcome is CheckOutcome.RAN for run in seen.checks)
    assert her_face(seen)


def test_face_in_the_longest_strip_that_is_taken(worker, astronaut):
    """As long as intake takes it, the same face is found, or intake takes no such strip."""
    image = taken(strip(astronaut, LONGEST))
    assert image is None or her_face(worker.observe_image(image))


def test_suit_turned_into_skin_in_the_longest_strip_that_is_taken(worker, astronaut):
    """Somebody is there and touched, or something of ``unseen`` is: it never passes for mere background."""
    bared = astronaut.copy()
    bared[CHEST] = SKIN
    pictures = [taken(strip(one, LONGEST)) for one in (astronaut, bared)]
    if None in pictures:
        return
    before, after = pictures
    seen, seen_after = worker.observe_image(before), worker.observe_image(after)
    change = worker.observe_change(before, after, seen, seen_after, Origin.of(seen))
    assert change.unseen_touched or any(change.touched) or any(change.output_touched)


def test_suit_turned_into_skin_is_a_touch(worker, astronaut):
    """The same repaint without the strip is seen, so that the strip alone is what hides it."""
    bared = astronaut.copy()
    bared[CHEST] = SKIN
    before, after = CanonicalImage.of(astronaut), CanonicalImage.of(bared)
    seen, seen_after = worker.observe_image(before), worker.observe_image(after)
    change = worker.observe_change(before, after, seen, seen_after, Origin.of(seen))
    assert any(change.touched)
