"""What an issuer's own perception of a photo becomes at enrolment."""

from __future__ import annotations

from dataclasses import asdict

from consent_edit.consent.issuing.capture import Capture, CaptureQuality, CaptureSource
from consent_edit.errors import CheckFailed, EnrolmentRefused, Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import ImageObservation
from consent_edit.vocabulary import CheckName, CheckOutcome, PersonKind

_NEEDED = frozenset({CheckName.FACE_DETECTION, CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND})


def capture_of(seen: ImageObservation, image: CanonicalImage, *, source: CaptureSource) -> Capture:
    """The capture that one observed photo makes.

    Args:
        seen: What the issuer's perception saw in it.
        image: The very photo.
        source: Whose camera it comes from.

    Raises:
        Unavailable: a check that enrolment needs did not run.
        CheckFailed: the observation is of another photo.
        EnrolmentRefused: the photo shows no face, or only what may be one.
    """
    ran = {check.name for check in seen.checks if check.outcome is CheckOutcome.RAN}
    if not ran >= _NEEDED:
        missing = ", ".join(sorted(name.value for name in _NEEDED - ran))
        raise Unavailable(
            f"checks that enrolment needs did not run: {missing}",
            code="check.enrolment",
            remedy="run: consent-edit models verify",
        )
    if seen.digest != image.digest:
        raise CheckFailed("the observation is of another photo", code="check.enrolment")
    if not seen.faces:
        raise _refused("a photo shows no face")
    face = seen.faces[0]
    if face.kind is not PersonKind.FACE:
        raise _refused("a photo shows no clear face")
    from consent_edit.perception.faces.quality import (
        measured,  # needs OpenCV, which the checks above ran with
    )

    return Capture(
        digest=seen.digest,
        embeddings=face.embeddings,
        faces=len(seen.faces),
        face_width=face.box.width,
        detection=face.score,
        quality=CaptureQuality(**asdict(measured(image.pixels, face.landmarks))),
        source=source,
    )


def _refused(what: str) -> EnrolmentRefused:
    return EnrolmentRefused(
        what, code="input.enrolment-quality", remedy="enrol with sharp photos of one face, uncovered"
    )
