"""An operator's own embedder at enrolment: it makes a template of its own, and every pair must match."""

from __future__ import annotations

from dataclasses import replace

import pytest
from enrolment_world import LIMITS, face, photo, unit

from consent_edit.consent.issuing.capture import enrolment_templates
from consent_edit.errors import EnrolmentRefused
from consent_edit.thresholds import AddedEmbedder

ADDED = "operator-house-embedding"
WIDER = replace(LIMITS, added=(AddedEmbedder(ADDED, match=0.4, enrol=0.6, keep=0.3),))
HER = {**face(1), ADDED: unit(9, 64)}


def test_a_template_for_every_embedder_is_made() -> None:
    """A credential issued with the added embedder can be matched by it."""
    made = enrolment_templates([photo(HER), photo(HER, seed=1)], WIDER)
    assert made.keys() == {*LIMITS.enrolment, ADDED}
    assert made[ADDED].shape == (64,)


def test_photos_that_the_added_embedder_did_not_read_enrol_nobody() -> None:
    """A photo without its embedding is refused, and so is a pair that it does not take for one person."""
    with pytest.raises(EnrolmentRefused, match=ADDED):
        enrolment_templates([photo(face(1))], WIDER)
    other = HER | {ADDED: unit(10, 64)}
    with pytest.raises(EnrolmentRefused, match="same person"):
        enrolment_templates([photo(HER), photo(other, seed=1)], WIDER)


def test_what_is_not_asked_of_everybody_is_asked_of_nobody() -> None:
    """Without the operator's embedder the two families decide, whatever else a photo carries."""
    assert enrolment_templates([photo(HER)], LIMITS).keys() == LIMITS.enrolment.keys()
    assert WIDER.never.keys() == LIMITS.never.keys()
