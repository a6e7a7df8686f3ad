"""The age signal: weak, never proof of adulthood, and never a guess where the network gives no answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consent_edit.errors import CheckFailed
from consent_edit.perception.faces.age import AgeSignal
from consent_edit.vocabulary import Age

POINTS = np.array([[202, 92], [244, 92], [224, 120], [206, 140], [240, 140]], np.float32)


@pytest.fixture(scope="module")
def signal(image_store, limits):
    return AgeSignal(image_store, limits)


def test_an_old_and_a_young_adult_read_in_that_order(signal, hopper, astronaut, hopper_seen, astronaut_seen):
    """A portrait of a woman near eighty reads far older than one in her thirties; neither is adulthood."""
    for pixels, seen, low, high in ((hopper, hopper_seen, 50, 81), (astronaut, astronaut_seen, 22, 45)):
        points = seen.faces[0].landmarks
        assert low < signal.years(pixels, points) < high
        assert signal.read(pixels, points) is Age.UNDETERMINED
        assert seen.faces[0].apparent_age is Age.UNDETERMINED


def test_a_face_below_the_threshold_reads_minor(image_store, limits, astronaut, astronaut_seen):
    """Whatever reads younger than the threshold is a minor's; a tighter threshold reads more so."""
    strict = AgeSignal(image_store, replace(limits, age_apparent_minor=80.0))
    assert strict.read(astronaut, astronaut_seen.faces[0].landmarks) is Age.MINOR


def test_turned_pictures_read_alike(signal, astronaut, astronaut_seen):
    """Turning a child's picture does not make a grown-up of it: the face is set upright first."""
    points = astronaut_seen.faces[0].landmarks
    turned = np.ascontiguousarray(np.rot90(astronaut))
    moved = np.stack([points[:, 1], astronaut.shape[1] - 1 - points[:, 0]], axis=1).astype(np.float32)
    assert abs(signal.years(turned, moved) - signal.years(astronaut, points)) < 5


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_points_that_are_no_face_read_undetermined(signal, astronaut, points):
    """A box whose points all fall together has no age."""
    assert signal.read(astronaut, points.astype(np.float32)) is Age.UNDETERMINED


@pytest.mark.parametrize("answer", [np.nan, 0.0, 1.0])
def test_an_answer_that_is_no_distribution_is_no_age(signal, monkeypatch, astronaut, answer):
    """A network that answers nonsense fails the check instead of telling an age."""
    name = signal._model.output_names[0]
    monkeypatch.setattr(
        signal._model, "run", lambda batch: {name: np.full((len(batch), 81), answer, np.float32)}
    )
    with pytest.raises(CheckFailed):
        signal.read(astronaut, POINTS)
