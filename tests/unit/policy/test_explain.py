"""Explanations: a sentence and a remedy for every code, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import RuleText, known_codes
from consent_edit.policy.explain import explain, remedies, sentences

FAMILIES = ("consent.x", "check.x", "policy.x", "input.x", "verdict.x", "")


@pytest.mark.parametrize("code", known_codes())
def test_every_known_code_has_words_of_its_own(code: str) -> None:
    """No known code falls back to its family's sentence, and English and French differ."""
    english, french = explain(code), explain(code, "fr")
    fallbacks = {explain(family).sentence for family in FAMILIES}
    if code != "consent.required":
        assert english.sentence not in fallbacks
    for told in (english, french):
        assert told.code == code
        assert told.sentence.endswith(".")
        assert told.remedy.endswith(".")
    assert english.sentence != french.sentence
    assert english.remedy != french.remedy


def test_sentences_are_not_shared() -> None:
    """Two exact codes never read the same."""
    told = [explain(code).sentence for code in known_codes()]
    assert len(set(told)) == len(told)


@given(st.text())
def test_total_over_every_string(code: str) -> None:
    """Even a code nobody knows is told in words."""
    assert explain(code).sentence
    assert explain(code, "fr").remedy


def test_an_operators_own_words_come_first() -> None:
    """A rule's reason and remedy are told where its author wrote them, in the language asked for."""
    texts = (
        RuleText("policy.a", "Not here.", "Pas ici.", "Go there.", "Allez là."),
        RuleText("policy.b", "Only English."),
    )
    assert explain("policy.a", "en", texts).remedy == "Go there."
    assert explain("policy.a", "fr", texts).sentence == "Pas ici."
    assert explain("policy.b", "fr", texts).sentence == "Only English."
    assert explain("policy.b", "en", texts).remedy == explain("policy.c").remedy


def test_remedies_are_told_once() -> None:
    """Two codes with one remedy give it once; sentences keep the order of the codes."""
    codes = ("floor.consent-required", "consent.absent")
    assert len(remedies(codes)) == 1
    assert sentences(codes) == tuple(explain(code).sentence for code in codes)


def test_the_default_policy_speaks_both_languages() -> None:
    """A refusal by the default policy reads in French for a French reader."""
    texts = PolicyBundle.shipped("default").texts
    assert explain("policy.revealing-intent", "fr", texts).sentence.startswith("La demande")
