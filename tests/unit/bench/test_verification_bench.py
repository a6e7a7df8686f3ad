"""The verification bench: what it counts is what the gate accepts, and it counts every false match."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from consent_edit.bench import face_readings
from consent_edit.bench.face_readings import (
    ROLES,
    Reading,
    kept_readings,
    pair_scores,
    person_of,
    reach,
    readings_of,
    save_readings,
    template_of,
    unit,
)
from consent_edit.bench.verification import BOTH, ENROLLED, TARGETS, distance, listed_pairs, measured
from consent_edit.bench.verification_figures import clustered, false_matches, told
from consent_edit.bench.verification_plot import plot_verification
from consent_edit.consent.match import MatchOutcome, Probe, match_faces
from consent_edit.errors import ArgumentRejected

LIMITS = {ROLES[0]: 0.5, ROLES[1]: 0.9}
VIEWS = {ROLES[0]: 3, ROLES[1]: 8}


def people(count: int, photos: int, *, spread: float = 0.5, seed: int = 0) -> list[Reading]:
    """Readings of so many people; a photograph lies ``spread`` off its person, each view a little further."""
    random = np.random.default_rng(seed)
    found = []
    for person in range(count):
        own = {role: unit(random.normal(size=64)) for role in ROLES}
        for photo in range(photos):
            views = {}
            for role in ROLES:
                share = spread if role == ROLES[0] else spread / 4
                taken = unit(own[role] + share * unit(random.normal(size=64)))
                rows = taken + 0.1 * share * unit(random.normal(size=(VIEWS[role], 64)))
                views[role] = unit(rows).astype(np.float32)
            file = f"lfw/P{person}/P{person}_{photo}.jpg"
            found.append(Reading(file, f"P{person}", 56.0, 0.9, np.zeros((5, 2), np.float32), views))
    return found


def pairs_of(readings: list[Reading]) -> list[tuple[int, str, str, bool]]:
    """Neighbours, in three folds."""
    return [(n % 3, a.file, b.file, a.person == b.person) for n, (a, b) in enumerate(pairwise(readings))]


@pytest.fixture(scope="module")
def easy():
    readings = people(12, 4)
    return measured(readings, pairs_of(readings), LIMITS)


def test_people_far_apart_are_told_apart(easy):
    """Photographs near their person are accepted, nobody else's are, in every row."""
    assert {point.tar.value for point in easy.curve} == {1.0}
    assert [(row.tar.value, row.false.hits) for row in easy.operating] == [(1.0, 0)] * 3
    assert (easy.pairs.mated_accepted, easy.pairs.non_mated_accepted) == (easy.pairs.mated, 0)
    assert set(easy.pairs.accuracy.values()) == {1.0}
    assert (easy.photographs, easy.people) == (48, 12)


def test_every_target_embedder_and_enrolment_has_a_row(easy):
    """Three rates, each embedder and both, one to three photographs."""
    rows = {(point.embedder, point.enrolled, point.fmr) for point in easy.curve}
    assert rows == {(name, n, fmr) for name in (*ROLES, BOTH) for n in ENROLLED for fmr in TARGETS}
    assert json.loads(json.dumps(easy.as_json()))["pairs"]["non_mated_accepted"] == 0


def test_two_names_for_one_face_are_false_matches():
    """Somebody photographed under two names is counted against the rule every time she is accepted."""
    readings = people(6, 4)
    doubled = [
        Reading(one.file.replace("P0", "Q0"), "Q0", one.width, one.score, one.landmarks, one.views)
        for one in readings
        if one.person == "P0"
    ]
    found = measured([*readings, *doubled], [(0, readings[0].file, doubled[1].file, False)], LIMITS)
    assert [row.false.hits for row in found.operating] == [2 * 16, 2 * 4, 2 * 4]
    assert found.pairs.non_mated_accepted == 1
    same_after_all = measured(readings, [(0, readings[0].file, readings[1].file, False)], LIMITS)
    assert (same_after_all.pairs.mated, same_after_all.pairs.non_mated) == (1, 0)


def test_scores_are_the_gates_own_rule():
    """A score is the highest threshold at which the gate's own matching still accepts, view slack and all."""
    one, other = people(1, 2, spread=1.2, seed=4)
    template = template_of([other])
    (first, second) = pair_scores([one], [template])[0, 0].tolist()
    for shift, wanted in ((-1e-4, MatchOutcome.MATCHED), (1e-4, MatchOutcome.NONE)):
        limits = {ROLES[0]: first + shift, ROLES[1]: second + shift}
        assert match_faces([Probe(one.views)], [template], limits)[0].outcome is wanted
    assert reach(np.array([0.9, 0.9, 0.0])) < 0.1


def test_rates_are_at_most_the_target_and_the_interval_holds_the_share():
    """Where people overlap, no row accepts more strangers than its rate; the interval is around the share."""
    readings = people(30, 4, spread=2.5, seed=2)
    found = measured(readings, pairs_of(readings), LIMITS)
    trials = found.trials[1]
    for point in found.curve:
        if point.enrolled == 1 and point.embedder in ROLES:
            column = trials.others[:, ROLES.index(point.embedder)]
            assert (column >= point.thresholds[point.embedder]).mean() <= point.fmr
            assert point.tar.low <= point.tar.value <= point.tar.high
    assert found.curve[0].tar.value < 1


def test_a_share_is_bootstrapped_by_person_and_not_by_photograph():
    """Forty photographs of two people tell of two people: the interval is wide."""
    hits = np.array([True] * 20 + [False] * 20)
    few = clustered(hits, ["a"] * 20 + ["b"] * 20)
    many = clustered(hits, [str(n) for n in range(40)])
    assert (few.low, few.high) == (0.0, 1.0)
    assert 0.3 < many.low < many.high < 0.7
    assert false_matches(np.zeros(1_000_000, bool)).high == pytest.approx(3.84e-6, rel=0.01)


def test_both_thresholds_move_together():
    """Distance 1 is the thresholds in force; the worse embedder decides."""
    wanted = np.array([0.5, 0.9])
    rows = np.array([[0.5, 0.9], [0.5, 0.8], [1.0, 0.9], [1.0, 1.0]])
    assert distance(rows, wanted).tolist() == pytest.approx([1, 2, 1, 0])


def test_nobody_twice_is_nothing_to_measure(tmp_path):
    """Folders without two photographs of anybody, without photographs, or without a list are refused."""
    singles = people(4, 1)
    with pytest.raises(ArgumentRejected):
        measured(singles, pairs_of(singles), LIMITS)
    with pytest.raises(ArgumentRejected):
        readings_of(tmp_path, None)
    with pytest.raises(ArgumentRejected):
        listed_pairs(tmp_path)
    (tmp_path / "lfw_pairs.csv").write_text("fold,file\n0,a\n", encoding="utf-8")
    with pytest.raises(ArgumentRejected):
        listed_pairs(tmp_path)


def test_readings_are_kept_and_taken_up_again(tmp_path):
    """A second run on kept embeddings measures the same; a file that holds none is refused."""
    readings = people(3, 3)
    save_readings(tmp_path / "kept.npz", readings)
    again = kept_readings(tmp_path / "kept.npz")
    assert [one.file for one in again] == [one.file for one in readings]
    assert np.array_equal(again[4].views[ROLES[1]], readings[4].views[ROLES[1]])
    (tmp_path / "none.npz").write_bytes(b"nothing")
    with pytest.raises(ArgumentRejected):
        kept_readings(tmp_path / "none.npz")


def test_known_label_errors_are_put_right():
    """One person under two names is one person."""
    assert person_of("lfw/Hassan_Wirajuda/Hassan_Wirajuda_0001.jpg") == "Hasan_Wirayuda"
    assert len(set(face_readings.SAME_PERSON.values())) == 4


def test_the_plot_is_a_png(easy, tmp_path):
    """A curve an embedder and enrolment, as a picture file."""
    pytest.importorskip("matplotlib")
    plot_verification(easy, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_every_figure_has_a_line(easy):
    """What the terminal shows names the false matches, every row of the curve and the listed pairs."""
    lines = told(easy)
    assert len(lines) == 1 + len(easy.curve) + len(easy.operating) + 1
    assert f"0 of {easy.pairs.non_mated} non-mated accepted" in lines[-1]
    assert any("FMR 0.0e+00" in line for line in lines)
