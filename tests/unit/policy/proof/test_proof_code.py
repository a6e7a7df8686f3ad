"""floor.py as formulas: a change of its code is told by the solver, and no form is guessed at."""

from __future__ import annotations

import pytest

from consent_edit.errors import CheckFailed
from consent_edit.policy.proof.footprint import floor_source
from consent_edit.policy.proof.mirror import Mirror
from consent_edit.policy.proof.solver.claims import SAT, twin_claims
from consent_edit.policy.proof.solver.python_rules import python_rule
from consent_edit.policy.proof.solver.rules import Space

FLOOR = floor_source()

# the rule, what stands in the code, what is put there, and what the solver then finds
CHANGED = {
    "a swap with three": (
        "photo-required",
        "swap_consents >= _SWAP_PARTIES",
        "swap_consents == _SWAP_PARTIES",
        "in the picture: swap consents 3",
    ),
    "a number beyond the table": (
        "photo-required",
        "_SWAP_PARTIES: Final = 2",
        "_SWAP_PARTIES: Final = 70",
        "in the picture: swap consents 2",
    ),
    "nude as an answer": (
        "nudity-of-real-person",
        "{Exposure.NONE, ",
        "{Exposure.NUDE, Exposure.NONE, ",
        "exposure nude",
    ),
    "an issuer's word": ("consent-required", "Assurance.LOW)", "Assurance.NONE)", "assurance none"),
    "any set at all": ("hands-off", "operations <= allowed", "True", "touched"),
    "nobody read the prompt": (
        "sexual-intent",
        "return not _within(facts.op",
        "return _within(facts.op",
        "intent undetermined",
    ),
    "a face in the preview": (
        "foreign-identity",
        "facts.stage not in _BEFORE",
        "facts.stage in _BEFORE",
        "identity kept",
    ),
    "a child among adults": (
        "sexualised-minor",
        "not picture.all_adults and",
        "picture.all_adults and",
        "revealing",
    ),
    "a check left out": ("checks-incomplete", "facts.checks is not", "facts.checks is", "stage"),
}


def test_the_code_is_the_mirror(mirror: Mirror) -> None:
    """Every rule, at every point."""
    claims = twin_claims(mirror.rules, FLOOR)
    assert len(claims) == len(mirror.rules)
    assert all(claim.holds for claim in claims)


@pytest.mark.parametrize("what", sorted(CHANGED))
def test_a_change_of_the_code_is_told(what: str, mirror: Mirror) -> None:
    """With an example, though the table were too small to show it."""
    rule, before, after, told = CHANGED[what]
    assert before in FLOOR
    claims = {claim.name: claim for claim in twin_claims(mirror.rules, FLOOR.replace(before, after))}
    claim = claims[f"floor.{rule}: floor.py and its mirror are one"]
    assert claim.verdict == SAT
    assert told in claim.example


UNKNOWN = [
    "facts.checks.value == 'complete'",
    "facts.checks is not Exposure.NONE",
    "facts.checks is not Checks.FINISHED",
    "facts.checks is Nobody",
    "facts.weather is Checks.COMPLETE",
    "facts.operations >= WHOLE_PICTURE_OPERATIONS",
    "person.kind & PHOTO_BOUND_OPERATIONS",
    "picture.faces < 1",
    "picture.faces",
    "len(facts.operations)",
    "person.assurance.at_least(person.assurance)",
    "person.kind in facts.operations",
    "facts.operations | WHOLE_PICTURE_OPERATIONS",
    "lambda: True",
]


@pytest.mark.parametrize("form", UNKNOWN)
def test_a_form_that_is_not_known_stops_the_proof(form: str) -> None:
    """What a rule does is read in full, or not at all."""
    text = FLOOR.replace("return facts.checks is not Checks.COMPLETE", f"return {form}")
    assert text != FLOOR
    with pytest.raises(CheckFailed):
        python_rule("_checks_incomplete", Space(), text)


@pytest.mark.parametrize(
    "body",
    [
        "while True:\n        pass",
        "if facts.checks is Checks.COMPLETE:\n        pass\n    return True",
        "return",
    ],
)
def test_a_statement_that_is_not_known_stops_the_proof(body: str) -> None:
    """Loops, cases without an answer, and no answer at all."""
    text = FLOOR.replace("return facts.checks is not Checks.COMPLETE", body)
    with pytest.raises(CheckFailed):
        python_rule("_checks_incomplete", Space(), text)
