"""What an issuer's own perception of a photo becomes at enrolment: embeddings, size, score, faces."""

from __future__ import annotations

from collections.abc import Mapping

from consent_edit.consent.issue import Capture
from consent_edit.errors import EnrolmentRefused, Unavailable
from consent_edit.perception.observation import ImageObservation
from consent_edit.vocabulary import CheckName, CheckOutcome, PersonKind

_NEEDED = frozenset({CheckName.FACE_DETECTION, CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND})


def capture_of(seen: ImageObservation) -> Capture:
    """The capture that one observed photo makes.

    Raises:
        Unavailable: a check that enrolment needs did not run.
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
    if not seen.faces:
        raise EnrolmentRefused("a photo shows no face", remedy="enrol with sharp photos of one face")
    face = seen.faces[0]
    if face.kind is not PersonKind.FACE:
        raise EnrolmentRefused("a photo shows no clear face", remedy="enrol with sharp photos of one face")
    return Capture(
        embeddings=face.embeddings,
        faces=len(seen.faces),
        face_width=face.box.width,
        detection=face.score,
    )


def models_of(seen: ImageObservation) -> Mapping[str, str]:
    """Role -> weight file hash of the models that observed a photo."""
    return {model.role: model.sha256 for check in seen.checks for model in check.models}
