"""The table: what rules read is found in their code, and what is planted in either floor is noticed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from consent_edit.errors import CheckFailed
from consent_edit.policy.digests import MIRROR_FILE
from consent_edit.policy.engine import compile_text
from consent_edit.policy.floor import FloorRule
from consent_edit.policy.proof.banned import BANNED, Banned, Empty, Fewer, Flagged, HasAny, Is
from consent_edit.policy.proof.footprint import (
    floor_source,
    mirror_footprint,
    python_footprint,
    rule_functions,
)
from consent_edit.policy.proof.mirror import Mirror, mirror_of
from consent_edit.policy.proof.space import (
    BENIGN,
    FACTS,
    Count,
    Flag,
    Set,
    Word,
    blocks,
    choices,
    completed,
    enum_of,
    point_of,
    subsets,
    values_of,
    word_of,
)
from consent_edit.policy.proof.table import (
    Findings,
    RuleTable,
    banned_product,
    build,
    compare,
    footprints,
    over,
    python_rules,
    sweep,
    whole,
    whole_size,
)
from consent_edit.policy.proof.words import told
from consent_edit.vocabulary import Checks, Exposure, Operation, PersonKind, Region, Stage

FLOOR = floor_source()
TEXT = MIRROR_FILE.read_text(encoding="utf-8")
NUDITY = FloorRule.NUDITY_OF_REAL_PERSON.value
HANDS_OFF = FloorRule.HANDS_OFF.value
CHECKS = FloorRule.CHECKS_INCOMPLETE.value


def test_every_fact_is_in_the_space() -> None:
    """As many facts as the schema has, each with the values of its kind."""
    assert len(FACTS) == 5 - 1 + 13 + 7
    assert FACTS["stage"] == Word(Stage)
    assert FACTS["touched"] == Set(Region)
    assert FACTS["picture.exposed"] == Flag()
    assert FACTS["picture.faces"] == Count()
    assert choices(Flag()) == (True, False)
    assert choices(Word(Checks)) == tuple(Checks)
    assert choices(Count()) == (0, 1, 2, 3)
    assert len(choices(Set(Region))) == 16


def test_a_point_is_its_values() -> None:
    """There and back."""
    values = {**BENIGN, "kind": PersonKind.BODY, "operations": frozenset({Operation.HAIR})}
    assert values_of(point_of(values)) == values


def test_representatives_of_a_set() -> None:
    """Each word alone, one from each block together, each literal, nothing, and everything."""
    literals = frozenset({frozenset({Operation.TONE, Operation.HAIR}), frozenset({Operation.TONE})})
    assert blocks(Operation, literals)[1:] == ((Operation.HAIR,), (Operation.TONE,))
    tried = set(choices(Set(Operation), literals))
    assert {frozenset({word}) for word in Operation} | {frozenset(), frozenset(Operation)} <= tried
    assert frozenset({Operation.TONE, Operation.HAIR, Operation.POSE}) in tried
    assert len(tried) == 2 * 2 * 13 + 1
    three = frozenset({Operation.TONE, Operation.HAIR, Operation.POSE})
    assert {three, frozenset(Operation)} <= set(choices(Set(Operation), frozenset({three})))
    assert len(choices(Set(Operation), frozenset({frozenset(Exposure)}))) == 14 + 2
    assert len(list(subsets(Operation))) == 2**14


def test_words_are_looked_up_in_the_vocabulary() -> None:
    """By the schema's names; what is not there raises."""
    assert word_of("Stage", "input") is Stage.INPUT
    assert enum_of("Region") is Region
    for enum, word in (("Stage", "later"), ("Person", "x")):
        with pytest.raises(CheckFailed):
            word_of(enum, word)


def test_a_point_is_completed_so_that_a_picture_can_hold_it() -> None:
    """A nude face makes an exposed picture; what no picture can hold has no point."""
    nude = completed({"exposure": Exposure.NUDE})
    assert nude is not None
    assert nude.picture.exposed
    assert nude.picture.all_adults
    assert completed({"exposure": Exposure.NUDE, "picture.exposed": False}) is None
    unseen = completed({"kind": PersonKind.UNSEEN, "picture.persons": 0})
    assert unseen is not None
    assert unseen.picture.faces == 0


READS = {
    "checks-incomplete": {"checks"},
    "consent-required": {"kind", "recognisable", "consent", "assurance", "environment"},
    "hands-off": {"kind", "recognisable", "touched", "operations"},
    "nudity-of-real-person": {"exposure"},
    "sexual-intent": {"intent", "operations"},
    "sexualised-minor": {
        "stage",
        "picture.all_adults",
        "picture.exposed",
        "picture.more_exposed",
        "picture.revealing",
    },
    "foreign-identity": {"stage", "kind", "recognisable", "consent", "identity_kept"},
    "photo-required": {
        "kind",
        "recognisable",
        "photo",
        "operations",
        "picture.swap_consents",
        "picture.faces",
    },
}


def test_both_floors_read_the_same_facts(mirror: Mirror) -> None:
    """For every rule, through all helpers, and no more than expected."""
    functions = rule_functions(FLOOR)
    for rule in mirror.rules:
        name = FloorRule(rule.id).name
        assert python_footprint(functions[name], FLOOR).facts == READS[rule.id.removeprefix("floor.")]
        assert mirror_footprint(rule).facts == READS[rule.id.removeprefix("floor.")]


def test_a_rule_that_reads_another_fact_widens_its_own_product() -> None:
    """In the function itself, in a helper, and by way of an argument."""
    for before, after, fact in (
        ("facts.checks is not", "facts.stage or facts.checks is not", "stage"),
        ("facts.checks is not", "picture.persons or facts.checks is not", "picture.persons"),
        ("facts.checks is not", "recognisable_face(person) or facts.checks is not", "recognisable"),
        ("facts.checks is not", "_within(facts.operations, X) or facts.checks is not", "operations"),
    ):
        text = FLOOR.replace(f"return {before}", f"return {after}")
        assert text != FLOOR
        assert fact in python_footprint("_checks_incomplete", text).facts


@pytest.mark.parametrize(
    "does",
    [
        "picture_aggregate(facts)",
        "bool(person)",
        "getattr(person, 'age')",
        "facts.persons[0]",
        "person.name",
        "recognisable_face(person=person)",
        "[p for p in (person,)]",
        "facts == person",
    ],
)
def test_what_cannot_be_followed_is_not_guessed(does: str) -> None:
    """A rule that takes the facts as a whole, or calls what is not known, stops the proof."""
    text = FLOOR.replace("return facts.checks is not Checks.COMPLETE", f"return {does}")
    assert text != FLOOR
    with pytest.raises(CheckFailed, match="cannot tell"):
        python_footprint("_checks_incomplete", text)


def test_a_word_of_nobody_s_is_no_literal() -> None:
    """Only the vocabulary's enums divide a set."""
    text = FLOOR.replace("return facts.checks is not Checks.COMPLETE", "return Nobody.home")
    found = python_footprint("_checks_incomplete", text)
    assert (found.facts, found.literals) == (set(), set())


def test_a_rule_with_other_arguments_is_not_read() -> None:
    """The three arguments of a rule mean what they are called."""
    text = FLOOR.replace("def _checks_incomplete(facts: Facts,", "def _checks_incomplete(person: Facts,")
    with pytest.raises(CheckFailed):
        python_footprint(
            "_checks_incomplete", text.replace("person: PersonFacts, picture", "facts, picture", 1)
        )


@pytest.mark.parametrize(
    "text",
    [
        FLOOR.replace("] = (\n    (FloorRule.CHECKS", "] = tuple(\n    (FloorRule.CHECKS"),
        FLOOR.replace("(FloorRule.HANDS_OFF, _hands_off)", "(FloorRule.HANDS_OFF, lambda *_: True)"),
    ],
)
def test_rules_that_are_no_plain_table_are_not_read(text: str) -> None:
    """RULES is a tuple of pairs of names, or nothing is proven."""
    assert text != FLOOR
    with pytest.raises(CheckFailed):
        rule_functions(text)


def test_a_mirror_without_a_rule_is_not_compared(mirror: Mirror) -> None:
    """Both floors have the same rules, each once."""
    for rules in (mirror.rules[1:], (*mirror.rules, mirror.rules[0])):
        with pytest.raises(CheckFailed, match="same rules"):
            footprints(replace(mirror, rules=rules))


def test_a_number_beyond_those_tried_stops_the_proof(mirror: Mirror) -> None:
    """What counts are compared with is found in both floors, and its neighbours are tried."""
    assert python_footprint("_photo_required", FLOOR).numbers == {0, 2}
    assert mirror_footprint(mirror.rules[-1]).numbers == {0, 2}
    beyond = mirror_of(TEXT.replace("swap_consents < 2", "swap_consents < 3"))
    with pytest.raises(CheckFailed, match="number beyond"):
        footprints(beyond)


def test_the_table_covers_each_product(tables: dict[str, RuleTable]) -> None:
    """As many points as the product of all values, where every point can be."""
    sizes = {rule.removeprefix("floor."): len(table.rows) for rule, table in tables.items()}
    assert sizes["checks-incomplete"] == 2
    assert sizes["consent-required"] == 4 * 2 * 16 * 6 * 2
    assert sizes["nudity-of-real-person"] == 5
    assert sizes["hands-off"] == 4 * 2 * 16 * (4 * 12 + 2)
    assert sizes["sexualised-minor"] == 4 * 2**4
    assert sizes["foreign-identity"] == 4 * 4 * 2 * 16 * 4
    assert sizes["photo-required"] > 10_000
    for table in tables.values():
        assert {row.fires for row in table.rows} == {True, False}


# what the mirror says, and what it is made to say
WEAK_MIRRORS = {
    "nude counts as an answer": (
        "nudity-of-real-person",
        '[Exposure::"none", ',
        '[Exposure::"none", Exposure::"nude", ',
    ),
    "restore may be anything": (
        "hands-off",
        'Operation::"background", Operation::"restore"]',
        'Operation::"background"]',
    ),
    "one grant is enough for a swap": ("photo-required", "swap_consents < 2", "swap_consents < 1"),
    "the demo counts everywhere": ("consent-required", ' && context.environment == Environment::"demo"', ""),
    "a preview is no output": (
        "foreign-identity",
        '[Stage::"preview", Stage::"output"]',
        '[Stage::"output"]',
    ),
    "hair needs no photo": (
        "photo-required",
        'Operation::"hair", Operation::"face_swap"',
        'Operation::"face_swap"',
    ),
    "the age is not asked": ("sexualised-minor", "unless { context.picture.all_adults }", "when { true }"),
    "a rule reads another fact": (
        "checks-incomplete",
        'context.checks == Checks::"complete"',
        'context.checks == Checks::"complete" || context.stage == Stage::"request"',
    ),
}


@pytest.mark.parametrize("what", sorted(WEAK_MIRRORS))
def test_a_planted_disagreement_is_found(what: str) -> None:
    """One word changed in the mirror's text: the engine's verdicts differ from the Python floor's."""
    rule, before, after = WEAK_MIRRORS[what]
    assert before in TEXT
    tables = build(mirror_of(TEXT.replace(before, after)), [f"floor.{rule}"])
    found = compare(tables, python_rules())
    assert found.disagreements
    assert "refuses: stage" in found.disagreements[0]
    assert found.violations == ()


@pytest.mark.parametrize("rule", [rule.value for rule in FloorRule])
def test_a_planted_weak_floor_lets_something_banned_out(rule: str, tables: dict[str, RuleTable]) -> None:
    """A Python rule that never refuses disagrees with the mirror, and violates what is banned."""
    weak = {**python_rules(), rule: lambda *_: False}
    found = compare([tables[rule]], weak)
    assert found.disagreements
    assert "only the mirror refuses" in found.disagreements[0]
    assert found.violations
    cases = [case for case in BANNED if case.rule == rule]
    assert banned_product(weak, cases).violations
    assert banned_product(python_rules(), cases).violations == ()


def test_findings_add_up() -> None:
    """Points and both kinds of trouble."""
    one, other = Findings(2, ("a",), ("b",)), Findings(3, ("c",), ())
    assert one + other == Findings(5, ("a", "c"), ("b",))


def test_a_rule_that_counts_words_is_found_by_the_sweep(mirror: Mirror, tables: dict[str, RuleTable]) -> None:
    """What representatives cannot show, every subset does: a rule that lets five operations pass."""
    real = python_rules()
    sly = {**real, HANDS_OFF: lambda f, p, s: real[HANDS_OFF](f, p, s) and len(f.operations) != 5}
    only = [tables[HANDS_OFF]]
    assert compare(only, sly).disagreements == ()
    assert sweep(only, sly, mirror).disagreements
    clean = sweep(only, real, mirror)
    assert (clean.points, clean.disagreements) == (2**14, ())


def test_a_table_over_nothing_else_has_nothing_to_sweep(mirror: Mirror, tables: dict[str, RuleTable]) -> None:
    """A rule without a large set is not swept."""
    assert sweep([tables[CHECKS], tables[NUDITY]], python_rules(), mirror) == Findings()


def test_the_whole_of_a_few_facts() -> None:
    """Each set in all its subsets."""
    assert whole_size(("stage", "touched")) == 4 * 16
    points = list(whole(("stage", "touched")))
    assert len(points) == len({(p.shared.stage, p.person.touched) for p in points}) == 64
    assert len(list(over(("exposure", "picture.exposed"), frozenset()))) == 5 * 2 - 4


def test_banned_cases_are_what_they_say() -> None:
    """Each kind of clause, at a point that it covers and at one that it does not; nonsense raises."""
    for clause, fact, inside, outside in (
        (Is("stage", ("input",)), "stage", Stage.INPUT, Stage.OUTPUT),
        (HasAny("operations", ("hair", "pose")), "operations", frozenset({Operation.HAIR}), frozenset()),
        (Empty("operations"), "operations", frozenset(), frozenset({Operation.HAIR})),
        (Flagged("picture.exposed", True), "picture.exposed", True, False),
        (Fewer("picture.faces", 2), "picture.faces", 1, 2),
    ):
        case = Banned("floor.x", "x", (clause,))
        assert case.reads == {fact}
        assert case.covers({**BENIGN, fact: inside})
        assert not case.covers({**BENIGN, fact: outside})
    with pytest.raises(CheckFailed):
        Banned("floor.x", "x", (Empty("stage"),)).covers(BENIGN)


def test_every_rule_has_its_banned_cases_and_the_benign_edit_none() -> None:
    """Nothing in the design's list is without a rule, and no rule without an entry."""
    assert {case.rule for case in BANNED} == {rule.value for rule in FloorRule}
    assert not any(case.covers(BENIGN) for case in BANNED)
    assert len({case.name for case in BANNED}) == len(BANNED)


def test_banned_words_are_words_of_the_vocabulary() -> None:
    """A misspelt word would ban nothing."""
    for name, clause in ((case.name, clause) for case in BANNED for clause in case.clauses):
        if isinstance(clause, Is | HasAny):
            fact = FACTS[clause.fact]
            assert isinstance(fact, Word if isinstance(clause, Is) else Set), name
            assert set(clause.words) <= {word.value for word in fact.enum}


def test_a_point_in_words() -> None:
    """Stage and person first, then only what differs."""
    assert told(BENIGN) == "stage output; a face"
    values = {
        **BENIGN,
        "kind": PersonKind.UNSEEN,
        "exposure": Exposure.NUDE,
        "operations": frozenset({Operation.HAIR, Operation.FACE_SWAP}),
        "granted": frozenset(),
        "picture.exposed": True,
        "picture.persons": 0,
    }
    assert told(values) == (
        "stage output; nobody found (unseen); operations face_swap + hair; exposure nude; granted nothing; "
        "in the picture: persons 0; in the picture: exposed yes"
    )


def test_the_engine_is_asked_once_a_context(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal contexts have equal verdicts, so the second is remembered."""
    from consent_edit.policy.proof import mirror as module

    asked = []
    real = module.authorise
    monkeypatch.setattr(module, "authorise", lambda *a: asked.append(a) or real(*a))
    fires = mirror.fires(NUDITY)
    point = point_of(BENIGN)
    assert [fires(point), fires(replace(point, shared=replace(point.shared, checks=Checks.INCOMPLETE)))] == [
        False
    ] * 2
    assert len(asked) == 1


def test_an_erring_mirror_stops_the_proof() -> None:
    """An answer of the engine's that is not clean is no verdict."""
    alone = compile_text(
        '@id("floor.x") forbid (principal, action, resource) '
        "when { context.picture.faces + 9223372036854775807 > 0 };"
    )
    with pytest.raises(CheckFailed):
        Mirror((), (("floor.x", alone),), alone).fires("floor.x")(point_of(BENIGN))


def test_every_combination_of_kind_and_stage_stands_in_the_identity_table(
    tables: dict[str, RuleTable],
) -> None:
    """No kind of person and no stage is left out."""
    rows = tables[FloorRule.FOREIGN_IDENTITY.value].rows
    assert {(row.values["kind"], row.values["stage"]) for row in rows} == set(product(PersonKind, Stage))
