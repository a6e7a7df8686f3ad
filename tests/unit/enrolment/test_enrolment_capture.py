"""From an observation of a photo to a capture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from enrolment_world import HER_SEEN, observed

from consent_edit.consent.issuing.capture import CaptureSource
from consent_edit.enrolment import capture_of
from consent_edit.errors import CheckFailed, EnrolmentRefused, Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.vocabulary import CheckOutcome, PersonKind

pytest.importorskip("cv2", reason="quality is measured with OpenCV")

IMAGE = CanonicalImage.of(np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (200, 1, 3)))


def test_capture_of_one_face() -> None:
    """Digest, size, score and quality of the one face, and whose camera it was."""
    capture = capture_of(observed(IMAGE), IMAGE, source=CaptureSource.SUPPLIED)
    assert (capture.digest, capture.faces, capture.face_width) == (IMAGE.digest, 1, 100)
    assert capture.source is CaptureSource.SUPPLIED
    assert capture.embeddings is HER_SEEN
    assert abs(capture.quality.yaw) < 5 and capture.quality.brightness > 0


def test_possible_face_beside_the_face() -> None:
    """What may be a second face counts as one: the photo does not show exactly one."""
    seen = observed(IMAGE, PersonKind.FACE, PersonKind.POSSIBLE_FACE)
    assert capture_of(seen, IMAGE, source=CaptureSource.OWN).faces == 2


@pytest.mark.parametrize("kinds", [(), (PersonKind.POSSIBLE_FACE,)])
def test_nobody_to_enrol(kinds: tuple[PersonKind, ...]) -> None:
    """No face, or a box that too few passes support, is nobody to enrol, however sure the detector was."""
    seen = observed(IMAGE, *kinds)
    with pytest.raises(EnrolmentRefused):
        capture_of(seen if kinds else replace(seen, faces=()), IMAGE, source=CaptureSource.OWN)


def test_check_that_did_not_run() -> None:
    """A photo that an embedder did not read makes no capture."""
    seen = observed(IMAGE)
    for number in range(len(seen.checks)):
        failed = replace(seen.checks[number], outcome=CheckOutcome.TIMED_OUT)
        checks = (*seen.checks[:number], failed, *seen.checks[number + 1 :])
        with pytest.raises(Unavailable, match=failed.name.value):
            capture_of(replace(seen, checks=checks), IMAGE, source=CaptureSource.OWN)


def test_observation_of_another_photo() -> None:
    """What was seen in one photo is not taken for another."""
    other = CanonicalImage.of(np.zeros((200, 200, 3), np.uint8))
    with pytest.raises(CheckFailed):
        capture_of(observed(IMAGE), other, source=CaptureSource.OWN)
