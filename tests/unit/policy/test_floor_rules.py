"""Each rule of the floor: the smallest facts that break it, and the neighbour that does not."""

from __future__ import annotations

import pytest

from consent_edit.policy.floor import FloorFinding, FloorRule, PictureAggregate, judge, picture_aggregate
from consent_edit.policy.testing import Difference, benign, vary
from consent_edit.vocabulary import (
    PHOTO_BOUND_OPERATIONS,
    WHOLE_PICTURE_OPERATIONS,
    Assurance,
    ConsentStatus,
    Operation,
)

FACE, UNSEEN = 0, 1


def rules(stage: str, difference: Difference) -> set[tuple[str, int]]:
    return {(f.rule.value, f.person) for f in judge(vary(benign(stage), difference))}


@pytest.mark.parametrize("stage", ["request", "input", "preview", "output"])
def test_the_benign_base_breaks_nothing(stage: str) -> None:
    """What every case below differs from is let through, at every stage."""
    assert judge(benign(stage)) == ()
    assert judge(benign(stage, persons=0)) == ()


# rule, whom it falls on, stage, what breaks it, the nearest thing that does not
CASES: list[tuple[FloorRule, set[int], str, Difference, Difference]] = [
    (FloorRule.CHECKS_INCOMPLETE, {0, 1}, "input", {"checks": "incomplete"}, {"checks": "complete"}),
    (FloorRule.CONSENT_REQUIRED, {0}, "input", {"persons.0.consent": "absent"}, {}),
    (
        FloorRule.CONSENT_REQUIRED,
        {0},
        "input",
        {"persons.0.assurance": "self_asserted"},
        {"persons.0.assurance": "low"},
    ),
    (
        FloorRule.CONSENT_REQUIRED,
        {0},
        "input",
        {"persons.0.assurance": "simulated"},
        {"persons.0.assurance": "simulated", "environment": "demo"},
    ),
    (
        FloorRule.CONSENT_REQUIRED,
        {0},
        "input",
        {"persons.0.assurance": "none", "environment": "demo"},
        {"persons.0.assurance": "low", "environment": "demo"},
    ),
    (
        FloorRule.CONSENT_REQUIRED,
        {0},
        "input",
        {"persons.0.consent": "absent"},
        {"persons.0.consent": "absent", "persons.0.recognisable": "no"},
    ),
    (
        FloorRule.CONSENT_REQUIRED,
        {0},
        "input",
        {"persons.0.consent": "absent"},
        {"persons.0.consent": "absent", "persons.0.kind": "body"},
    ),
    (
        FloorRule.HANDS_OFF,
        {1},
        "output",
        {"persons.unseen.touched": ["body"], "operations": ["object"]},
        {"persons.unseen.touched": ["body"], "operations": ["background"]},
    ),
    (
        FloorRule.HANDS_OFF,
        {1},
        "output",
        {"persons.unseen.touched": ["body"], "operations": ["tone", "makeup"]},
        {"persons.0.touched": ["body"], "operations": ["tone", "makeup"]},
    ),
    (
        FloorRule.HANDS_OFF,
        {0},
        "output",
        {"persons.0.kind": "possible_face", "persons.0.touched": ["undetermined"], "operations": []},
        {"persons.0.kind": "possible_face", "operations": []},
    ),
    (
        FloorRule.HANDS_OFF,
        {0},
        "output",
        {"persons.0.kind": "body", "persons.0.touched": ["body"], "operations": ["makeup"]},
        {"persons.0.kind": "face", "persons.0.touched": ["body"], "operations": ["makeup"]},
    ),
    (
        FloorRule.HANDS_OFF,
        {0},
        "output",
        {"persons.0.recognisable": "no", "persons.0.touched": ["face"], "operations": ["expression"]},
        {"persons.0.recognisable": "yes", "persons.0.touched": ["face"], "operations": ["expression"]},
    ),
    (
        FloorRule.NUDITY_OF_REAL_PERSON,
        {0},
        "input",
        {"persons.0.exposure": "nude"},
        {"persons.0.exposure": "suggestive"},
    ),
    (FloorRule.NUDITY_OF_REAL_PERSON, {1}, "output", {"persons.unseen.exposure": "explicit"}, {}),
    (FloorRule.NUDITY_OF_REAL_PERSON, {0}, "preview", {"persons.0.exposure": "undetermined"}, {}),
    (
        FloorRule.SEXUAL_INTENT,
        {0},
        "request",
        {"persons.0.intent": "sexual"},
        {"persons.0.intent": "revealing"},
    ),
    (
        FloorRule.SEXUAL_INTENT,
        {1},
        "input",
        {"persons.unseen.intent": "undetermined", "operations": ["restore"]},
        {"persons.unseen.intent": "undetermined", "operations": ["tone", "background"]},
    ),
    (
        FloorRule.SEXUAL_INTENT,
        {1},
        "input",
        {"persons.unseen.intent": "undetermined", "operations": []},
        {"persons.unseen.intent": "ordinary", "operations": []},
    ),
    (
        FloorRule.SEXUALISED_MINOR,
        {0, 1},
        "input",
        {"persons.0.age": "minor", "persons.0.intent": "revealing"},
        {"persons.0.age": "minor"},
    ),
    (
        FloorRule.SEXUALISED_MINOR,
        {0, 1},
        "input",
        {"persons.0.age": "undetermined", "persons.unseen.intent": "revealing"},
        {"persons.0.age": "adult", "persons.unseen.intent": "revealing"},
    ),
    (
        FloorRule.SEXUALISED_MINOR,
        {0, 1},
        "input",
        {"persons.0.consent": "absent", "persons.0.intent": "revealing"},
        {"persons.0.consent": "absent"},
    ),
    (
        FloorRule.SEXUALISED_MINOR,
        {0, 1},
        "output",
        {"persons.0.age": "minor", "persons.0.exposure": "suggestive"},
        {"persons.0.age": "adult", "persons.0.exposure": "suggestive"},
    ),
    (
        FloorRule.SEXUALISED_MINOR,
        {0, 1},
        "preview",
        {"persons.0.age": "minor", "persons.0.exposure": "suggestive"},
        {},
    ),
    (
        FloorRule.SEXUALISED_MINOR,
        {0, 1},
        "output",
        {"persons.0.age": "minor", "persons.0.exposure_change": "undetermined"},
        {"persons.0.age": "adult", "persons.0.exposure_change": "undetermined"},
    ),
    (FloorRule.SEXUALISED_MINOR, {0, 1}, "output", {"persons.unseen.exposure": "suggestive"}, {}),
    (
        FloorRule.SEXUALISED_MINOR,
        {0, 1},
        "output",
        {"persons.unseen.touched": ["body"], "persons.0.exposure": "suggestive"},
        {"persons.0.exposure": "suggestive"},
    ),
    (
        FloorRule.FOREIGN_IDENTITY,
        {0},
        "output",
        {"persons.0.identity_kept": "foreign"},
        {"persons.0.identity_kept": "altered"},
    ),
    (FloorRule.FOREIGN_IDENTITY, {0}, "preview", {"persons.0.identity_kept": "undetermined"}, {}),
    (
        FloorRule.FOREIGN_IDENTITY,
        {0},
        "output",
        {"persons.0.consent": "revoked"},
        {"persons.0.consent": "revoked", "persons.0.kind": "possible_face"},
    ),
    (
        FloorRule.PHOTO_REQUIRED,
        {0},
        "input",
        {"persons.0.photo": "none", "operations": ["clothing", "tone"]},
        {"persons.0.photo": "exact", "operations": ["clothing", "tone"]},
    ),
    (
        FloorRule.PHOTO_REQUIRED,
        {0},
        "input",
        {"persons.0.photo": "none", "operations": ["hair"]},
        {"persons.0.photo": "none", "operations": ["makeup"]},
    ),
    (FloorRule.PHOTO_REQUIRED, {0}, "input", {"operations": ["face_swap"]}, {"operations": ["clothing"]}),
]


@pytest.mark.parametrize(("rule", "persons", "stage", "breaks", "neighbour"), CASES)
def test_rule_and_neighbour(
    rule: FloorRule, persons: set[int], stage: str, breaks: Difference, neighbour: Difference
) -> None:
    """The facts break exactly this rule for exactly these persons, and the nearest other facts do not."""
    assert {p for r, p in rules(stage, breaks) if r == rule.value} == persons
    assert rule.value not in {r for r, _ in rules(stage, neighbour)}


@pytest.mark.parametrize("status", [s for s in ConsentStatus if s is not ConsentStatus.VERIFIED])
def test_only_verified_is_consent(status: ConsentStatus) -> None:
    """Every other status of consent leaves the face uncovered."""
    assert (FloorRule.CONSENT_REQUIRED.value, FACE) in rules("input", {"persons.0.consent": status.value})


@pytest.mark.parametrize("assurance", list(Assurance))
def test_assurance_in_production_is_low_or_above(assurance: Assurance) -> None:
    """In production only low, substantial and high count."""
    broken = bool(rules("input", {"persons.0.assurance": assurance.value}))
    assert broken is (assurance.value in {"simulated", "none", "self_asserted"})


@pytest.mark.parametrize("operation", list(Operation))
def test_every_operation_knows_its_place(operation: Operation) -> None:
    """An operation needs the exact photo, or may touch people who cannot be asked, as the vocabulary says."""
    unbound = rules("input", {"persons.0.photo": "none", "operations": [operation.value]})
    touched = rules("output", {"persons.unseen.touched": ["body"], "operations": [operation.value]})
    assert ((FloorRule.PHOTO_REQUIRED.value, FACE) in unbound) is (operation in PHOTO_BOUND_OPERATIONS)
    assert ((FloorRule.HANDS_OFF.value, UNSEEN) in touched) is (operation not in WHOLE_PICTURE_OPERATIONS)


def test_face_swap_needs_two_grants_for_it() -> None:
    """One willing face is refused on every face, two pass, and with nobody in sight it falls on unseen."""
    swap: Difference = {"operations": ["face_swap"], "persons.0.granted": ["face_swap"]}
    one = vary(benign("input", 2), swap)
    assert {(f.rule, f.person) for f in judge(one)} == {(FloorRule.PHOTO_REQUIRED, i) for i in (0, 1)}
    two = vary(one, {"persons.1.granted": ["face_swap"]})
    assert judge(two) == ()
    revoked = vary(two, {"persons.1.consent": "revoked"})
    assert (FloorRule.PHOTO_REQUIRED, 0) in {(f.rule, f.person) for f in judge(revoked)}
    nobody = vary(benign("input", 0), {"operations": ["face_swap"]})
    assert judge(nobody) == (FloorFinding(FloorRule.PHOTO_REQUIRED, 0),)


def test_one_child_protects_everybody_in_the_picture() -> None:
    """An adult's own revealing request falls when somebody beside her is not shown to be an adult."""
    facts = vary(benign("input", 2), {"persons.1.age": "minor", "persons.0.intent": "revealing"})
    fell = {f.person for f in judge(facts) if f.rule is FloorRule.SEXUALISED_MINOR}
    assert fell == {0, 1, 2}


def test_a_picture_in_which_nobody_is_found_still_has_a_person() -> None:
    """Without any face, unseen is the person present, and no adult."""
    assert {f.rule for f in judge(vary(benign("output", 0), {"persons.unseen.exposure": "suggestive"}))} == {
        FloorRule.SEXUALISED_MINOR
    }
    asked = vary(benign("input", 0), {"persons.unseen.intent": "revealing"})
    assert {f.rule for f in judge(asked)} == {FloorRule.SEXUALISED_MINOR}


def test_findings_come_in_the_order_of_the_rules() -> None:
    """Rules first, then persons, so that codes are stable."""
    found = judge(vary(benign(), {"checks": "incomplete", "persons.0.consent": "absent"}))
    assert [(f.rule, f.person) for f in found] == [
        (FloorRule.CHECKS_INCOMPLETE, 0),
        (FloorRule.CHECKS_INCOMPLETE, 1),
        (FloorRule.CONSENT_REQUIRED, 0),
        (FloorRule.FOREIGN_IDENTITY, 0),
    ]


def test_aggregate_counts_and_flags() -> None:
    """The picture is summed up as its docstring says."""
    facts = vary(
        benign("output", 3),
        {
            "persons.0.granted": ["face_swap"],
            "persons.1.kind": "body",
            "persons.1.granted": ["face_swap"],
            "persons.2.granted": ["face_swap"],
            "persons.2.consent": "expired",
            "persons.unseen.exposure_change": "increased",
        },
    )
    assert picture_aggregate(facts) == PictureAggregate(
        persons=3,
        faces=2,
        all_adults=False,
        exposed=False,
        more_exposed=True,
        revealing=False,
        swap_consents=1,
    )
    assert picture_aggregate(vary(facts, {"persons.0.exposure": "suggestive"})).exposed
    assert picture_aggregate(vary(facts, {"persons.0.intent": "sexual"})).revealing
    assert not picture_aggregate(vary(facts, {"persons.0.intent": "undetermined"})).revealing
    assert picture_aggregate(benign()).all_adults
