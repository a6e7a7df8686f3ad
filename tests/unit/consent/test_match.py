"""Matching: every embedder must agree, doubt is nobody."""

from __future__ import annotations

import numpy as np
import pytest
from consent_world import STRICT, face, unit, views
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_edit.consent.match import (
    MatchOutcome,
    Probe,
    accepted_by_all,
    identity,
    match_faces,
    roles_without_template,
)
from consent_edit.errors import CheckFailed
from consent_edit.vocabulary import IdentityKept

FIRST, SECOND = STRICT
HER, HIM = face(1), face(2)


def probe(first: float = 0.98, second: float = 0.98, of: dict[str, np.ndarray] = HER) -> Probe:
    """A face at these cosines from somebody's templates."""
    return Probe({FIRST: views(of[FIRST], first), SECOND: views(of[SECOND], second)})


def outcome(seen: Probe, references: list[dict[str, np.ndarray]] | None = None) -> MatchOutcome:
    """The outcome for one face."""
    (match,) = match_faces([seen], references if references is not None else [HER], STRICT)
    return match.outcome


def test_her_face_is_matched_to_her() -> None:
    """A face near her templates under both embedders is hers, among several references."""
    first, second = match_faces([probe(), probe(of=HIM)], [HIM, HER], STRICT)
    assert (first.outcome, first.reference) == (MatchOutcome.MATCHED, 1)
    assert (second.outcome, second.reference) == (MatchOutcome.MATCHED, 0)
    assert first.scores[FIRST] == pytest.approx(0.98, abs=1e-3)


@pytest.mark.parametrize(("first", "second"), [(0.98, 0.5), (0.3, 0.98), (0.3, 0.5)])
def test_one_embedder_fooled_is_not_enough(first: float, second: float) -> None:
    """A face that only one embedder takes for hers is nobody's."""
    assert outcome(probe(first, second)) is MatchOutcome.NONE


def test_a_face_like_two_people_is_ambiguous() -> None:
    """When two references accept a face, it is neither's."""
    (match,) = match_faces([probe()], [HER, dict(HER)], STRICT)
    assert match.outcome is MatchOutcome.AMBIGUOUS
    with pytest.raises(IndexError):
        [HER, HER][match.reference]


def test_nobody_presented_matches_nobody() -> None:
    """Without references no face is matched, and without faces there are no matches."""
    assert outcome(probe(), []) is MatchOutcome.NONE
    assert match_faces([], [HER], STRICT) == ()


def test_one_clearly_failing_view_is_enough_to_refuse() -> None:
    """A median above the threshold does not carry a view that is clearly below it."""
    near, far = views(HER[FIRST], 0.98, 2), views(HER[FIRST], 0.44, 1)
    close = views(HER[FIRST], 0.46, 1)
    other = views(HER[SECOND], 0.98)
    assert outcome(Probe({FIRST: np.vstack([near, far]), SECOND: other})) is MatchOutcome.NONE
    assert outcome(Probe({FIRST: np.vstack([near, close]), SECOND: other})) is MatchOutcome.MATCHED
    low = np.vstack([views(HER[FIRST], 0.98, 1), views(HER[FIRST], 0.48, 2)])
    assert outcome(Probe({FIRST: low, SECOND: other})) is MatchOutcome.NONE


BROKEN: dict[str, np.ndarray | None] = {
    "missing": None,
    "no-views": np.empty((0, 128), np.float32),
    "one-dimensional": HER[FIRST],
    "another-dimension": np.stack([unit(1, 64)]),
    "not-finite": np.full((2, 128), np.nan, np.float32),
    "scaled-up": 10 * views(HER[FIRST]),
    "zero": np.zeros((2, 128), np.float32),
}


@pytest.mark.parametrize("embedding", BROKEN.values(), ids=BROKEN)
def test_unusable_probes_match_nobody(embedding: np.ndarray | None) -> None:
    """A probe that is missing or misshapen under one role is not matched, and its identity undetermined."""
    seen = Probe({SECOND: views(HER[SECOND]), **({} if embedding is None else {FIRST: embedding})})
    assert outcome(seen) is MatchOutcome.NONE
    assert identity(seen, HER, STRICT) is IdentityKept.UNDETERMINED


@pytest.mark.parametrize("template", [None, 10 * HER[FIRST], np.stack([HER[FIRST]]), unit(1, 64)])
def test_unusable_templates_match_nobody(template: np.ndarray | None) -> None:
    """A reference that is missing or misshapen under one role matches nobody."""
    reference = {SECOND: HER[SECOND], **({} if template is None else {FIRST: template})}
    assert outcome(probe(), [reference]) is MatchOutcome.NONE
    assert identity(probe(), reference, STRICT) is IdentityKept.UNDETERMINED


KEEPING = {FIRST: STRICT[FIRST] - 0.05, SECOND: STRICT[SECOND] - 0.05}


def kept(first: float, second: float, of: dict[str, np.ndarray] = HER, **options: object) -> IdentityKept:
    """What becomes of a face at these cosines from somebody's templates, at her place."""
    return identity(probe(first, second, of=of), HER, STRICT, KEEPING, **options)


def test_identity_says_how_far_a_face_was_moved() -> None:
    """Every embedder matches: same; every one still keeps it: altered; else foreign."""
    worn = (STRICT[FIRST] - 0.03, STRICT[SECOND] - 0.03)
    assert kept(0.98, 0.98) is IdentityKept.SAME
    assert kept(0.98, worn[1]) is IdentityKept.ALTERED
    assert kept(worn[0], 0.98) is IdentityKept.ALTERED
    assert kept(*worn) is IdentityKept.ALTERED
    assert kept(0.98, 0.98, of=HIM) is IdentityKept.FOREIGN


@pytest.mark.parametrize(("first", "second"), [(0.98, 0.2), (0.2, 0.98)])
def test_one_embedder_fooled_at_the_output_keeps_nobody(first: float, second: float) -> None:
    """A stranger's face bent until one embedder takes it for hers is foreign, not altered."""
    assert kept(first, second) is IdentityKept.FOREIGN


def test_a_worn_face_that_somebody_else_presented_could_claim_is_nobodys() -> None:
    """Between two people who both consented the laxer thresholds decide nothing."""
    worn = (STRICT[FIRST] - 0.03, STRICT[SECOND] - 0.03)
    assert kept(*worn, others=[HIM]) is IdentityKept.ALTERED
    assert kept(*worn, others=[HIM, dict(HER)]) is IdentityKept.FOREIGN
    assert kept(0.98, 0.98, others=[dict(HER)]) is IdentityKept.SAME


def test_without_laxer_thresholds_nothing_is_kept_that_does_not_match() -> None:
    """A role for which nothing laxer is measured is kept where it matches; tighter keeping holds for both."""
    worn = probe(0.98, STRICT[SECOND] - 0.03)
    assert identity(worn, HER, STRICT) is IdentityKept.FOREIGN
    assert identity(worn, HER, STRICT, {FIRST: 0.1}) is IdentityKept.FOREIGN
    assert identity(probe(), HER, STRICT, {FIRST: 0.99, SECOND: 0.99}) is IdentityKept.FOREIGN


def test_an_added_embedder_must_accept_too_and_its_template_be_there() -> None:
    """AND for matching: a third role refuses what the two accept, and a credential without its template."""
    third, limits = "operator-house-embedding", STRICT | {"operator-house-embedding": 0.4}
    own = unit(9, 32)
    her = HER | {third: own}
    near, far = views(own, 0.9), views(own, 0.1)
    seen = {FIRST: views(HER[FIRST], 0.98), SECOND: views(HER[SECOND], 0.98)}
    (yes,) = match_faces([Probe(seen | {third: near})], [her], limits)
    (no,) = match_faces([Probe(seen | {third: far})], [her], limits)
    (old,) = match_faces([Probe(seen | {third: near})], [HER], limits)
    assert (yes.outcome, no.outcome, old.outcome) == (
        MatchOutcome.MATCHED,
        MatchOutcome.NONE,
        MatchOutcome.NONE,
    )
    assert roles_without_template(her, limits) == frozenset()
    assert roles_without_template(HER, limits) == {third}
    assert roles_without_template(her | {third: 10 * own}, limits) == {third}
    assert identity(Probe(seen | {third: near}), HER, limits) is IdentityKept.UNDETERMINED


@pytest.mark.parametrize(
    "thresholds",
    [
        {},
        {FIRST: 0.5},
        {FIRST: 0.5, SECOND: 0.0},
        {FIRST: 0.5, SECOND: float("nan")},
        {FIRST: 0.5, SECOND: 2},
    ],
)
def test_matching_without_two_real_thresholds_is_an_error(thresholds: dict[str, float]) -> None:
    """One embedder, or a threshold that accepts everything, is a fault of the installation."""
    with pytest.raises(CheckFailed):
        match_faces([probe()], [HER], thresholds)
    with pytest.raises(CheckFailed):
        identity(probe(), HER, thresholds)
    with pytest.raises(CheckFailed):
        accepted_by_all(probe(), HER, thresholds)


def test_a_laxer_threshold_that_accepts_everybody_is_an_error() -> None:
    """Keeping has the same bounds as matching: a cosine above 0."""
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(CheckFailed):
            identity(probe(), HER, STRICT, {FIRST: value})


@settings(max_examples=60, deadline=None)
@given(first=st.floats(0.0, 1.0), second=st.floats(0.0, 1.0), tighter=st.floats(0.0, 0.09))
def test_tightening_a_threshold_never_matches_more(first: float, second: float, tighter: float) -> None:
    """A face matched under tighter thresholds is matched under the looser ones."""
    strict = {role: value + tighter for role, value in STRICT.items()}
    seen = probe(first, second)
    if match_faces([seen], [HER], strict)[0].outcome is MatchOutcome.MATCHED:
        assert outcome(seen) is MatchOutcome.MATCHED
