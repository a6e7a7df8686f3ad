"""The operating thresholds, read from the one pinned file that also says what measured them."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from consent_edit.errors import ArgumentRejected, Unavailable

_FILE: Final = Path(__file__).resolve().parent / "thresholds.toml"


class ThresholdEntry(BaseModel):
    """One number as the file gives it.

    Attributes:
        tighter: Which way is stricter.
        by: The command and data that set it, and what they showed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float = Field(allow_inf_nan=False)
    tighter: Literal["higher", "lower"]
    by: str = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Every operating threshold. Scores and shares are 0 to 1, cosines -1 to 1, colours 0 to 255.

    Attributes:
        face_support_kinds: Kinds of pass that make a box a face (``DetectorPass.kind``).
        face_support_score: Detector score that makes a box a face on its own.
        face_recognisable_width: Width in pixels from which a face counts as recognisable.
        face_merge_overlap: Intersection over union above which two boxes are one face.
        face_merge_offset: Centre offset, as a share of the larger side, below which two boxes are one face.
        face_merge_size_ratio: Larger over smaller side from which two boxes are never one face.
        match_face_embedding: Cosine from which the first embedder accepts.
        match_face_embedding_second: Cosine from which the second embedder accepts.
        match_probe_width: Width in pixels of a face from which it may be matched at all.
        never_face_embedding: Cosine from which the first embedder finds somebody on the never-edit-me list.
        never_face_embedding_second: The same for the second embedder; both must.
        enrol_face_embedding: Cosine that every pair of enrolment photos must reach, first embedder.
        enrol_face_embedding_second: The same for the second embedder; both must.
        enrol_face_width: Width in pixels from which a face may be enrolled.
        enrol_detection: Detector score from which a face may be enrolled.
        enrol_sharpness: Variance of the Laplacian from which a face may be enrolled.
        enrol_yaw: Degrees to either side up to which a face may be enrolled.
        enrol_pitch: Degrees up or down up to which a face may be enrolled.
        enrol_roll: Degrees of tilt up to which a face may be enrolled.
        enrol_brightness_low: Mean luma of the face from which it may be enrolled.
        enrol_brightness_high: Mean luma of the face up to which it may be enrolled.
        enrol_clipped: Share of black or burnt-out pixels up to which a face may be enrolled.
        exposure_nude_whole: OpenNSFW score of the whole picture that reads nude.
        exposure_nude_crop: OpenNSFW score of a 60 % crop that reads nude.
        exposure_suggestive_whole: Score of the whole picture that reads suggestive.
        exposure_suggestive_crop: Score of a crop that reads suggestive.
        exposure_rise: Rise of any view's score that counts as increased.
        change_residual: Colour distance beyond the fitted tone map from which a pixel is repainted.
        change_share_person: Share of a person's region that must be repainted to count as touched.
        change_share_unseen: Share of the picture, outside every person, repainted to count as touched.
        change_tone: Mean colour distance from the identity that counts as a tone change.
        digest: SHA-256 of the file, hex: what a decision records.
    """

    face_support_kinds: float
    face_support_score: float
    face_recognisable_width: float
    face_merge_overlap: float
    face_merge_offset: float
    face_merge_size_ratio: float
    match_face_embedding: float
    match_face_embedding_second: float
    match_probe_width: float
    never_face_embedding: float
    never_face_embedding_second: float
    enrol_face_embedding: float
    enrol_face_embedding_second: float
    enrol_face_width: float
    enrol_detection: float
    enrol_sharpness: float
    enrol_yaw: float
    enrol_pitch: float
    enrol_roll: float
    enrol_brightness_low: float
    enrol_brightness_high: float
    enrol_clipped: float
    exposure_nude_whole: float
    exposure_nude_crop: float
    exposure_suggestive_whole: float
    exposure_suggestive_crop: float
    exposure_rise: float
    change_residual: float
    change_share_person: float
    change_share_unseen: float
    change_tone: float
    digest: str

    @property
    def matching(self) -> Mapping[str, float]:
        """Embedder role -> cosine from which it accepts; every role must."""
        return _by_role(self.match_face_embedding, self.match_face_embedding_second)

    @property
    def enrolment(self) -> Mapping[str, float]:
        """Embedder role -> cosine that every pair of enrolment photos must reach; for every role."""
        return _by_role(self.enrol_face_embedding, self.enrol_face_embedding_second)

    @property
    def never(self) -> Mapping[str, float]:
        """Embedder role -> cosine from which a never-edit-me entry is found; every role must find it."""
        return _by_role(self.never_face_embedding, self.never_face_embedding_second)


def _by_role(first: float, second: float) -> Mapping[str, float]:
    """The two embedders' cosines under the names of their roles."""
    return {"face-embedding": first, "face-embedding-second": second}


def _entries(text: str) -> Mapping[str, ThresholdEntry]:
    """The file's numbers by name.

    Raises:
        Unavailable: the text is not valid, or its names are not exactly those of :class:`Thresholds`.
    """
    try:
        entries = TypeAdapter(dict[str, ThresholdEntry]).validate_python(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise Unavailable(
            "thresholds.toml is not valid", code="check.thresholds", remedy="reinstall consent-edit"
        ) from error
    expected = {item.name for item in fields(Thresholds)} - {"digest"}
    if set(entries) != expected:
        raise Unavailable(
            "thresholds.toml does not name every threshold, or names one too many",
            code="check.thresholds",
            remedy="reinstall consent-edit",
        )
    return entries


def load_thresholds(path: Path = _FILE, *, tightened: Mapping[str, float] | None = None) -> Thresholds:
    """Read the thresholds.

    Args:
        path: By default the file that came with the package.
        tightened: An operator's own values by name; each must be at least as strict as the file's.

    Raises:
        Unavailable: the file is missing or not valid.
        ArgumentRejected: a name is unknown, or a value would loosen a threshold.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(
            "thresholds.toml cannot be read", code="check.thresholds", remedy="reinstall consent-edit"
        ) from error
    entries = _entries(text)
    values = {name: entry.value for name, entry in entries.items()}
    for name, value in (tightened or {}).items():
        if name not in entries:
            raise ArgumentRejected(f"there is no threshold {name!r}")
        entry = entries[name]
        stricter = value >= entry.value if entry.tighter == "higher" else value <= entry.value
        if not stricter:  # also refuses NaN
            raise ArgumentRejected(f"{name} may only be tightened: {entry.tighter} than {entry.value}")
        values[name] = value
    told = "".join(f"\n{name}={values[name]!r}" for name in sorted(tightened or {}))
    digest = hashlib.sha256((text + told).encode()).hexdigest()
    return Thresholds(**values, digest=digest)
