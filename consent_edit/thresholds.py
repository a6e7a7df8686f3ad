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


@dataclass(frozen=True, slots=True)
class AddedEmbedder:
    """An operator's own embedder: it must agree as well, so it can only refuse.

    Attributes:
        role: What its embeddings and templates are kept under.
        match: Cosine from which it accepts a face.
        enrol: Cosine that every pair of enrolment photos must reach.
        keep: Cosine from which it takes an output face for the credential's person still.
    """

    role: str
    match: float
    enrol: float
    keep: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Every operating threshold. Scores and shares are 0 to 1, cosines -1 to 1, colours 0 to 255.

    Attributes:
        face_support_kinds: Kinds of pass that make a box a face (``DetectorPass.kind``).
        face_support_score: Detector score that makes a box a face on its own.
        face_support_score_wrong_way: The same in a turned or inverted view.
        face_recognisable_width: Width in pixels from which a face counts as recognisable.
        face_merge_overlap: Intersection over union above which two boxes are one face.
        face_merge_offset: Centre offset, as a share of the larger side, below which two boxes are one face.
        face_merge_size_ratio: Larger over smaller side from which two boxes are never one face.
        face_repeat_overlap: Intersection over union above which a box repeats a better one of its pass.
        face_coincide_overlap: Intersection over union above which two boxes coincide.
        face_coincide_offset: Distance of two boxes' points, in spreads of theirs, up to which they coincide.
        face_coincide_size_ratio: Larger over smaller spread from which two boxes never coincide.
        face_merge_likeness: Cosine of the first embedder from which two boxes in one place are one person.
        face_echo_overlap: Intersection over union above which a weaker box, not told apart, is an echo.
        face_apart_kinds: Kinds of pass from which a box in a stronger one's place is no mere echo of it.
        face_apart_score: Detector score from which it is none.
        face_apart_score_wrong_way: The same in turned and inverted views.
        face_apart_presence: Logit of the face mesh from which it is none.
        face_human_centre: Score of CenterFace in a pass from which a box shows a person.
        face_human_likeness: Score of CenterFace in the upright crop of a box from which it does.
        face_human_likeness_small: The same for a box too small to recognise anybody.
        face_human_presence: Logit of the face mesh from which it does.
        match_face_embedding: Cosine from which the first embedder accepts.
        match_face_embedding_second: Cosine from which the second embedder accepts.
        identity_face_embedding: Cosine from which the first embedder keeps an output face not matching.
        identity_face_embedding_second: The same for the second embedder; both must.
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
        age_apparent_minor: Expected age in years below which a face of unverified age counts as a minor's.
        exposure_nude_whole: OpenNSFW score of the whole picture that reads nude.
        exposure_nude_crop: OpenNSFW score of a crop that reads nude.
        exposure_suggestive_whole: Score of the whole picture that reads suggestive.
        exposure_suggestive_crop: Score of a crop that reads suggestive.
        exposure_excused: OpenNSFW score below which a view without anybody may be excused.
        exposure_neutral: The second family's nudity and swimwear, below which it excuses such a view.
        exposure_second_whole: The second family's nudity in the whole picture that reads nude by itself.
        exposure_second_agrees: The same where OpenNSFW's score is at least ``exposure_agreed_whole``.
        exposure_agreed_whole: OpenNSFW score of the whole picture with which the second family agrees.
        exposure_person_views: Crops around people in one picture, at most; beyond, neighbours share one.
        exposure_rise: Rise of OpenNSFW's score in any view that counts as increased.
        exposure_rise_second: The same of the second family's nudity.
        exposure_rise_suggestive: The same of the second family's swimwear and underwear.
        preview_nude: Score of the whole picture, of every family, by which a run is refused half-way.
        body_pose: Score of the person detector that makes somebody on its own.
        body_pose_supported: Score that does where the person-region model sees somebody as well.
        body_region: Probability of the person-region model from which a pixel shows a person.
        body_silhouette: Share of the torso that the person-region model must show for that.
        change_residual: Colour distance beyond the fitted tone map from which a pixel is repainted.
        change_residual_close: The same for the close look at a small face.
        change_shading: Disagreement of a neighbourhood's shading from which a pixel is repainted.
        change_shading_close: The same for the close look at a small face.
        change_encoded: Most by which the four above rise, as a share of them, where a picture has detail
            and lost detail all over, as encoding anew makes it.
        change_chain: Multiple of the first four, raised or not, from which a pixel is repainted since the
            first picture of a chain of edits.
        change_share_person: Share of a person's region that must be repainted to count as touched.
        change_share_unseen: Share of the picture, outside every person, repainted to count as touched.
        change_tone: Mean colour distance from the identity that counts as a tone change.
        lineage_distance: Bits, of 256, by which a picture's PDQ hash may differ from a released one's that it
            is taken to come from.
        lineage_quality: PDQ quality, 0 to 100, from which a picture is looked up by its hash.
        digest: SHA-256 of the file and of whatever was added to it, hex: what a decision records.
        added: The operator's own embedders, which must agree besides the two that are always asked.
    """

    face_support_kinds: float
    face_support_score: float
    face_support_score_wrong_way: float
    face_recognisable_width: float
    face_merge_overlap: float
    face_merge_offset: float
    face_merge_size_ratio: float
    face_repeat_overlap: float
    face_coincide_overlap: float
    face_coincide_offset: float
    face_coincide_size_ratio: float
    face_merge_likeness: float
    face_echo_overlap: float
    face_apart_kinds: float
    face_apart_score: float
    face_apart_score_wrong_way: float
    face_apart_presence: float
    face_human_centre: float
    face_human_likeness: float
    face_human_likeness_small: float
    face_human_presence: float
    match_face_embedding: float
    match_face_embedding_second: float
    identity_face_embedding: float
    identity_face_embedding_second: float
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
    age_apparent_minor: float
    exposure_nude_whole: float
    exposure_nude_crop: float
    exposure_suggestive_whole: float
    exposure_suggestive_crop: float
    exposure_excused: float
    exposure_neutral: float
    exposure_second_whole: float
    exposure_second_agrees: float
    exposure_agreed_whole: float
    exposure_person_views: float
    exposure_rise: float
    exposure_rise_second: float
    exposure_rise_suggestive: float
    preview_nude: float
    body_pose: float
    body_pose_supported: float
    body_region: float
    body_silhouette: float
    change_residual: float
    change_residual_close: float
    change_shading: float
    change_shading_close: float
    change_encoded: float
    change_chain: float
    change_share_person: float
    change_share_unseen: float
    change_tone: float
    lineage_distance: float
    lineage_quality: float
    prompt_exposing: float
    prompt_part_doubt: float
    prompt_first_doubt: float
    prompt_sexual: float
    prompt_operation: float
    prompt_name: float
    prompt_other_text: float
    prompt_other_word: float
    prompt_other_doubt: float
    prompt_known_enough: float
    prompt_known_share: float
    prompt_other_clause: float
    prompt_other_window: float
    prompt_known_window: float
    digest: str
    added: tuple[AddedEmbedder, ...] = ()

    @property
    def matching(self) -> Mapping[str, float]:
        """Embedder role -> cosine from which it accepts; every role must."""
        own = _by_role(self.match_face_embedding, self.match_face_embedding_second)
        return own | {one.role: one.match for one in self.added}

    @property
    def keeping(self) -> Mapping[str, float]:
        """Embedder role -> cosine from which an output face is hers who stood there; for every role."""
        own = _by_role(self.identity_face_embedding, self.identity_face_embedding_second)
        return own | {one.role: one.keep for one in self.added}

    @property
    def enrolment(self) -> Mapping[str, float]:
        """Embedder role -> cosine that every pair of enrolment photos must reach; for every role."""
        own = _by_role(self.enrol_face_embedding, self.enrol_face_embedding_second)
        return own | {one.role: one.enrol for one in self.added}

    @property
    def never(self) -> Mapping[str, float]:
        """Embedder role -> cosine from which a never-edit-me entry is found; every role must find it."""
        return _by_role(self.never_face_embedding, self.never_face_embedding_second)


def _by_role(first: float, second: float) -> dict[str, float]:
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
    expected = {item.name for item in fields(Thresholds)} - {"digest", "added"}
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
    return Thresholds(added=(), digest=digest, **values)
