"""Thresholds come from one file, each with what measured it, and are only ever tightened."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import consent_edit.thresholds as module
from consent_edit.errors import ArgumentRejected, Unavailable
from consent_edit.thresholds import load_thresholds

FILE = Path(module.__file__).with_name("thresholds.toml")


def test_every_number_names_the_measurement_that_set_it():
    """No threshold is without a command or a source."""
    for name, entry in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
        assert len(entry["by"]) > 20, name


@pytest.mark.parametrize(
    ("name", "strict", "lax"), [("match_face_embedding", 0.6, 0.3), ("exposure_nude_whole", 0.1, 0.9)]
)
def test_an_operator_tightens_but_never_loosens(name, strict, lax):
    """A stricter value is taken and changes the digest; a laxer one, or no number, is refused."""
    tightened = load_thresholds(tightened={name: strict})
    assert getattr(tightened, name) == strict
    assert tightened.digest != load_thresholds().digest
    for value in (lax, float("nan")):
        with pytest.raises(ArgumentRejected):
            load_thresholds(tightened={name: value})


def test_an_unknown_threshold_is_refused():
    """A misspelt name does not pass as a tightening."""
    with pytest.raises(ArgumentRejected):
        load_thresholds(tightened={"match_face": 0.9})


@pytest.mark.parametrize("broken", ["", "[change_tone]\nvalue = 1\n", "not toml ["])
def test_an_incomplete_file_is_unavailable_not_guessed(tmp_path, broken):
    """A missing number is never replaced by a default."""
    (tmp_path / "thresholds.toml").write_text(broken, encoding="utf-8")
    with pytest.raises(Unavailable):
        load_thresholds(tmp_path / "thresholds.toml")


def test_enrolment_and_the_list_ask_more_of_the_first_embedder_than_matching():
    """Both take every role; the embedder that tells people apart is asked for more than a match needs."""
    shipped = load_thresholds()
    for stricter in (shipped.enrolment, shipped.never):
        assert stricter.keys() == shipped.matching.keys()
        assert stricter["face-embedding"] > shipped.matching["face-embedding"]


def test_no_two_properties_share_a_number_by_mistake():
    """Each property reads its own names, first embedder first."""
    names = ("match", "enrol", "never")
    raised = load_thresholds(tightened={"match_face_embedding": 0.8, "enrol_face_embedding": 0.81})
    lowered = load_thresholds(tightened={"never_face_embedding": 0.1, "never_face_embedding_second": 0.2})
    assert raised.matching["face-embedding"] == 0.8
    assert raised.enrolment["face-embedding"] == 0.81
    assert lowered.never == {"face-embedding": 0.1, "face-embedding-second": 0.2}
    for name, cosines in zip(names, (raised.matching, raised.enrolment, raised.never), strict=True):
        assert cosines["face-embedding-second"] == getattr(raised, f"{name}_face_embedding_second")


@pytest.mark.parametrize(
    ("name", "tighter"),
    [
        ("match_probe_width", "higher"),
        ("never_face_embedding", "lower"),
        ("never_face_embedding_second", "lower"),
        ("enrol_face_embedding", "higher"),
        ("enrol_face_embedding_second", "higher"),
        ("enrol_face_width", "higher"),
        ("enrol_detection", "higher"),
        ("enrol_sharpness", "higher"),
        ("enrol_yaw", "lower"),
        ("enrol_pitch", "lower"),
        ("enrol_roll", "lower"),
        ("enrol_brightness_low", "higher"),
        ("enrol_brightness_high", "lower"),
        ("enrol_clipped", "lower"),
    ],
)
def test_tighter_always_means_more_is_refused(name, tighter):
    """A floor is only raised and a ceiling only lowered; the list finds more when lowered."""
    shipped = getattr(load_thresholds(), name)
    step = 0.01 if tighter == "higher" else -0.01
    assert getattr(load_thresholds(tightened={name: shipped + step}), name) == shipped + step
    with pytest.raises(ArgumentRejected):
        load_thresholds(tightened={name: shipped - step})


def test_keeping_asks_less_than_matching_of_every_embedder():
    """An output face may be worn down a little, by its own pair of numbers, which can be tightened alone."""
    shipped = load_thresholds()
    assert shipped.keeping.keys() == shipped.matching.keys()
    assert all(shipped.keeping[role] < shipped.matching[role] for role in shipped.matching)
    tightened = load_thresholds(tightened={"identity_face_embedding": 0.9})
    assert tightened.keeping["face-embedding"] == 0.9
    assert tightened.matching == shipped.matching
