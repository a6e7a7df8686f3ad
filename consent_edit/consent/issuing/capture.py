"""From the issuer's photos of one person to her templates: a quality gate, then every pair must match.

The central attack is somebody enrolling another person's face under his own key. Averaging photos of two
people makes a template that matches both, so every pair of photos must match above the strict threshold,
under both embedders, both ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent.match import Probe, accepted_by_all
from consent_edit.errors import EnrolmentRefused
from consent_edit.thresholds import Thresholds

MAX_CAPTURES: Final = 5

VIEW_SHARE: Final = 0.18
"""How far two views of one photo may lie apart, as a share of what two photos of one person may.

They are the same pixels resampled, so of a face they read alike: of 94 clear LFW faces no two views of the
first embedder had a cosine below .927, of a coffee cup and a cat that the detector takes for clear faces none
above .909; at a strict threshold of .5 the limit is .91. The second embedder reads things that are no faces
as steadily as faces."""

FIRST: Final = "face-embedding"
"""The embedder whose views tell a face from what looks like one."""


class CaptureSource(StrEnum):
    """Whose camera a photo comes from; nothing stands for "unknown"."""

    OWN = "own"
    """The issuer took it, or watched it being taken by software of its own."""

    SUPPLIED = "supplied"
    """The person, or her wallet, handed it in: nobody knows whose face it shows, so it is worth
    ``self_asserted`` at most."""


@dataclass(frozen=True, slots=True)
class CaptureQuality:
    """How well a photo shows the face, as the issuer's perception measured it.

    Attributes:
        sharpness: Variance of the Laplacian of the aligned crop's luma.
        yaw: Degrees the face is turned to a side.
        pitch: Degrees it is turned down or up.
        roll: Degrees it is tilted.
        brightness: Mean luma, 0 to 255.
        clipped: Share of black and burnt-out pixels, 0 to 1.
    """

    sharpness: float
    yaw: float
    pitch: float
    roll: float
    brightness: float
    clipped: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Capture:
    """One photo, as the issuer's own perception measured it. Embeddings made elsewhere have no way in.

    Attributes:
        digest: Canonical digest of the photo; a review names it.
        embeddings: Role of embedder -> float32 (views, dim), rows of unit norm, of the one face.
        faces: Faces found in the photo, doubtful ones counted.
        face_width: Width of the face, pixels.
        detection: Detector score, 0 to 1.
        quality: What else decides whether it may be enrolled.
        source: Whose camera.
    """

    digest: str
    embeddings: Mapping[str, NDArray[np.float32]] = field(repr=False)
    faces: int
    face_width: float
    detection: float
    quality: CaptureQuality
    source: CaptureSource


def enrolment_templates(
    captures: Sequence[Capture], thresholds: Thresholds
) -> dict[str, NDArray[np.float32]]:
    """Templates of one person: the normalised mean over captures that all match each other.

    Args:
        captures: 1 to 5 photos.
        thresholds: Strict cosines and limits of quality.

    Returns:
        Role -> (dim,) float32 of unit norm.

    Raises:
        EnrolmentRefused: too few or many photos, a photo without exactly one good face, or two that do not
            match; the message says which, the remedy what to do.
        CheckFailed: fewer than two embedders.
    """
    strict = thresholds.enrolment
    if not 1 <= len(captures) <= MAX_CAPTURES:
        raise EnrolmentRefused(
            f"enrolment takes 1 to {MAX_CAPTURES} photos", remedy=f"bring 1 to {MAX_CAPTURES} photos"
        )
    for number, capture in enumerate(captures, start=1):
        for fault, remedy in _faults(capture, thresholds):
            raise EnrolmentRefused(f"photo {number} {fault}", code="input.enrolment-quality", remedy=remedy)
    means = [{role: _mean(capture.embeddings[role]) for role in strict} for capture in captures]
    probes = [Probe(capture.embeddings) for capture in captures]
    for number, (probe, mean) in enumerate(zip(probes, means, strict=True), start=1):
        if not (_steady(probe, strict) and accepted_by_all(probe, mean, strict)):
            raise EnrolmentRefused(
                f"photo {number} does not read like one person's face",
                code="input.enrolment-quality",
                remedy=f"take photo {number} again: a person's own face, uncovered, in even light",
            )
    for (i, one), (j, other) in combinations(enumerate(probes), 2):
        if not (accepted_by_all(one, means[j], strict) and accepted_by_all(other, means[i], strict)):
            raise EnrolmentRefused(
                f"photos {i + 1} and {j + 1} do not clearly show the same person",
                code="input.enrolment-pair",
                remedy="enrol with sharp, recent, frontal photos of one person only",
            )
    return {role: _mean(np.stack([mean[role] for mean in means])) for role in strict}


def pair_scores(captures: Sequence[Capture], thresholds: Thresholds) -> dict[str, float]:
    """Role -> the lowest comparison score (median cosine) between two of the photos; empty for one photo.

    For captures that :func:`enrolment_templates` took.
    """
    pairs = list(combinations(captures, 2))
    if not pairs:
        return {}
    return {
        role: min(
            float(np.median(one.embeddings[role] @ _mean(other.embeddings[role]))) for one, other in pairs
        )
        for role in thresholds.enrolment
    }


def _faults(capture: Capture, limits: Thresholds) -> Iterator[tuple[str, str]]:
    """What is wrong with a photo, and what to do; a number that is none is wrong (NaN keeps no limit)."""
    quality = capture.quality
    if capture.faces != 1:
        yield (
            "must show exactly one face",
            "take it with nobody else in view, nor a picture of anybody",
        )
    if not capture.face_width >= limits.enrol_face_width:
        yield "shows the face too small", "come closer, or use a camera with more pixels"
    if not capture.detection >= limits.enrol_detection:
        yield "shows no clear face", "uncover the face and take it in even light"
    if not abs(quality.yaw) <= limits.enrol_yaw:
        yield "shows the face turned to a side", "look straight into the camera"
    if not abs(quality.pitch) <= limits.enrol_pitch:
        yield "shows the face turned up or down", "hold the camera at the height of the eyes"
    if not abs(quality.roll) <= limits.enrol_roll:
        yield "shows the face tilted", "hold head and camera upright"
    if not quality.clipped <= limits.enrol_clipped:
        yield (
            "has the face black, burnt out or cut off",
            "keep the whole face in the picture, without glare or hard shadow",
        )
    if not limits.enrol_brightness_low <= quality.brightness:
        yield "is too dark", "take it in more light"
    if not quality.brightness <= limits.enrol_brightness_high:
        yield "is too bright", "take it in less light"
    if not quality.sharpness >= limits.enrol_sharpness:
        yield "is blurred", "hold still, wipe the lens, and take it in more light"
    for role in limits.enrolment:
        views = capture.embeddings.get(role)
        if views is None or views.ndim != 2 or views.size == 0:
            yield f"was not read by {role}", "run: consent-edit models verify"


def _steady(probe: Probe, strict: Mapping[str, float]) -> bool:
    """Whether the first embedder reads every two views of the photo alike, as it does of true faces."""
    views = probe.embeddings[FIRST].astype(np.float64)
    return bool((views @ views.T).min() >= 1.0 - VIEW_SHARE * (1.0 - strict[FIRST]))


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = rows.astype(np.float64).mean(axis=0)
    norm = float(np.linalg.norm(mean))
    if not norm > 1e-3:
        raise EnrolmentRefused("the photos' embeddings cancel out", code="input.enrolment-quality")
    unit: NDArray[np.float32] = (mean / norm).astype(np.float32)
    return unit
