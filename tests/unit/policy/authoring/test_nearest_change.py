"""policy explain: the nearest change heals, none smaller does, and each is said well in both languages."""

from __future__ import annotations

from itertools import combinations

import pytest

from consent_edit.errors import InputError
from consent_edit.policy.authoring.comparing.floor_openings import SET_FACTS, WORD_FACTS
from consent_edit.policy.authoring.explaining import fact_phrases as change_words
from consent_edit.policy.authoring.explaining.account import NEAREST, TITLES, WHOSE, account, check_record
from consent_edit.policy.authoring.explaining.fact_phrases import person_words
from consent_edit.policy.authoring.explaining.nearest_change import (
    Change,
    Whose,
    _operations_named,
    applied,
    candidates,
    nearest_change,
)
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import Decision, decide, meet
from consent_edit.policy.testing import benign, vary
from consent_edit.shipped import shipped
from consent_edit.vocabulary import Operation

SHIPPED = sorted(path.name for path in shipped("policies").iterdir() if (path / "policy.cedar").exists())
DEFAULT = PolicyBundle.shipped("default")
DEFAULT_TEXT = DEFAULT.text

VARIED = [
    ("output", 1, {}),
    ("input", 1, {"persons.0.consent": "absent", "persons.0.assurance": "none"}),
    ("output", 2, {"persons.1.consent": "revoked"}),
    ("input", 1, {"persons.0.intent": "revealing"}),
    ("input", 2, {"persons.0.intent": "revealing", "persons.1.age": "undetermined"}),
    ("output", 1, {"persons.0.exposure_change": "increased"}),
    ("output", 1, {"persons.0.exposure": "nude"}),
    ("output", 1, {"persons.0.identity_kept": "foreign"}),
    ("input", 1, {"persons.0.photo": "none", "operations": ["clothing", "tone"]}),
    ("input", 2, {"operations": ["face_swap"], "persons.0.granted": ["face_swap"]}),
    ("output", 1, {"persons.unseen.touched": ["body"], "operations": ["object"]}),
    ("output", 1, {"checks": "incomplete", "persons.0.named_person": "uncovered"}),
    ("input", 1, {"persons.0.intent": "undetermined", "operations": ["hair"]}),
    ("input", 1, {"persons.0.assurance": "simulated"}),
    ("input", 1, {"persons.unseen.named_person": "uncovered", "persons.0.consent": "expired"}),
    ("output", 1, {"persons.0.exposure": "suggestive", "persons.0.age": "minor"}),
]


@pytest.mark.parametrize("policy", SHIPPED)
@pytest.mark.parametrize(("stage", "persons", "change"), VARIED, ids=str)
def test_the_nearest_change_heals_and_none_smaller_does(policy, stage, persons, change):
    """Applied, it gives an allowed decision; no set of fewer changes within the same reach does."""
    bundle = PolicyBundle.shipped(policy)
    facts = vary(benign(stage, persons), change)
    found = nearest_change(facts, bundle)
    decision = decide(facts, bundle)
    assert found.allowed is decision.allowed
    every = candidates(facts, bundle)
    reach = [one for one in every if one.whose is not Whose.PICTURE]
    if found.found:
        assert decide(applied(facts, found.changes), bundle).allowed
        pool = every if found.another_picture and not found.allowed else reach
        sizes = range(1, min(len(found.changes), 3))
    else:
        assert found.searched
        pool, sizes = every, range(1, 3)
    for size in sizes:
        for some in combinations(pool, size):
            distinct = len({(one.person, one.fact) for one in some}) == size
            assert not (distinct and decide(applied(facts, some), bundle).allowed), some
    if found.another_picture and not found.allowed:
        for size in (1, 2):
            assert not any(decide(applied(facts, some), bundle).allowed for some in combinations(reach, size))


def test_of_equal_numbers_the_easier_is_nearer():
    """What the requester can do comes before what is asked of the person depicted."""
    facts = vary(benign("input"), {"persons.0.photo": "none", "operations": ["clothing", "tone"]})
    (change,) = nearest_change(facts, DEFAULT).changes
    assert (change.fact, change.word, change.whose) == ("operations", frozenset({"tone"}), Whose.REQUESTER)


def test_fewer_changes_are_nearer_than_easier_ones():
    """One consent that names the photo is nearer than two changes of the request."""
    bundle = PolicyBundle.from_text(
        '@id("all") @reason("r") permit (principal, action, resource);'
        '@id("no") @reason("r") forbid (principal, action, resource) '
        'when { context.kind == PersonKind::"face" && context.photo != PhotoBinding::"exact" } '
        'when { context.intent == Intent::"revealing" || '
        'context.operations.contains(Operation::"makeup") };'
    )
    change = {"persons.0.photo": "none", "persons.0.intent": "revealing", "operations": ["makeup"]}
    (only,) = nearest_change(vary(benign("input"), change), bundle).changes
    assert (only.fact, only.whose) == ("photo", Whose.DEPICTED)


def test_attack_advice_to_hide_from_the_checks():
    """Nothing suggested makes a person less of a face, unrecognisable, another stage or a demo."""
    for _, persons, change in VARIED:
        for one in candidates(vary(benign("output", persons), change), DEFAULT):
            assert one.fact not in ("kind", "recognisable", "stage")
            assert one.word != "demo"


def test_attack_advice_to_ask_consent_of_somebody_who_cannot_give_it():
    """Somebody who cannot be recognised is never said to need a consent."""
    facts = vary(benign("output"), {"persons.0.recognisable": "no", "persons.0.consent": "absent"})
    assert {one.fact for one in candidates(facts, DEFAULT)}.isdisjoint({"consent", "assurance", "granted"})


@pytest.mark.parametrize(
    "change",
    [
        {"persons.0.exposure": "nude"},
        {"persons.0.exposure": "undetermined"},
        {"persons.unseen.exposure": "explicit"},
        {"persons.0.exposure": "suggestive", "persons.0.age": "minor"},
        {"persons.0.exposure_change": "increased", "persons.0.age": "undetermined"},
    ],
)
def test_nudity_and_minors_no_consent_changes_it(change):
    """It says so in both languages, and that it takes another picture or edit."""
    decision = decide(vary(benign(), change), DEFAULT)
    told = account(decision, lambda part: DEFAULT, "en")
    assert told.nearest is not None and told.nearest.another_picture
    assert "another picture or another edit; no consent or setting changes this" in told.advice[0]
    assert any("no consent, policy or setting counts against it" in one.whose for one in told.findings)
    french = account(decision, lambda part: DEFAULT, "fr")
    assert "aucun consentement ni réglage n'y change rien" in french.advice[0]


def test_a_picture_that_nothing_heals():
    """Where no change of any fact would do, it says that another picture is needed."""
    few = PolicyBundle.from_text(
        '@id("all") @reason("r") permit (principal, action, resource);'
        '@id("few") @reason("r") forbid (principal, action, resource) when { context.picture.persons > 1 };'
    )
    facts = benign("input", 2)
    found = nearest_change(facts, few)
    assert (found.found, found.searched, found.changes, found.another_picture) == (False, True, (), True)
    assert "another picture" in account(decide(facts, few), lambda part: few, "en").advice[0]


def test_a_budget_that_runs_out_is_said():
    """A search cut short never claims to have ruled anything out."""
    facts = vary(benign("input"), {"persons.0.consent": "absent", "persons.0.assurance": "none"})
    found = nearest_change(facts, DEFAULT, budget=1)
    assert (found.found, found.searched) == (False, False)


def every_change():
    """Every word of every fact, and sets empty and not."""
    for fact, enum in WORD_FACTS.items():
        yield from (Change(0, fact, word, Whose.REQUESTER, 0) for word in enum)
    for fact, enum in SET_FACTS.items():
        for words in (frozenset(), *(frozenset({word}) for word in enum), frozenset(enum)):
            yield Change(0, fact, words, Whose.REQUESTER, 0)


@pytest.mark.parametrize("kind", ["face", "body", "possible_face"])
def test_every_fact_and_word_has_its_words(kind):
    """English and French, told apart from every other word of that fact, with nothing left to fill in."""
    facts = vary(benign(), {"persons.0.kind": kind, "persons.0.granted": []})
    for language in ("en", "fr"):
        said = [change_words.change_words(facts, one, language) for one in every_change()]
        assert len(set(said)) == len(said)
        assert not any("{" in one or "  " in one for one in said)
    assert set(change_words.WORDS) == {(f, word.value) for f, enum in WORD_FACTS.items() for word in enum}
    assert set(change_words.OPERATIONS) == {word.value for word in SET_FACTS["operations"]}
    assert set(change_words.REGIONS) == {word.value for word in SET_FACTS["touched"]}


def test_french_and_english_are_complete():
    """Each table has two different texts with the same places to fill in."""
    tables = (WHOSE, TITLES, NEAREST, change_words.WORDS, change_words.SETS, change_words.EMPTY)
    for english, french in (pair for table in tables for pair in table.values()):
        assert english and french and english != french
        for place in ("{name}", "{policy}", "{clauses}", "{stage}", "{words}", "{at}", "{many}"):
            assert (place in english) is (place in french)
        assert ("{who}" in english or "{of_who}" in english) is ("{who}" in french or "{of_who}" in french)


def test_persons_are_named_alike_everywhere():
    """By their place, with what was found of them; unseen always in the same words."""
    facts = vary(benign("output", 12), {"persons.1.kind": "body", "persons.2.recognisable": "no"})
    said = [person_words(facts, index, "en") for index in range(13)]
    assert said[:3] == [
        "the first person",
        "the second person (no face to be seen)",
        "the third person (too small to recognise)",
    ]
    assert said[10] == "person 11" and said[12] == "somebody nobody found as a person"
    assert person_words(facts, 12, "fr") == "une personne qu'aucun contrôle n'a repérée"
    change = Change(12, "touched", frozenset(), Whose.PICTURE, 0)
    assert "laissait une personne qu'aucun" in change_words.change_words(facts, change, "fr")


def test_french_elides():
    """« d'une personne », « s'il »: as it is spoken."""
    facts = benign()
    change = Change(1, "exposure_change", WORD_FACTS["exposure_change"]("increased"), Whose.PICTURE, 0)
    assert "davantage d'une personne" in change_words.change_words(facts, change, "fr")
    stage = Change(-1, "stage", WORD_FACTS["stage"]("input"), Whose.REQUESTER, 0)
    assert change_words.changes_words(facts, (stage,), "fr") == "s'il s'agissait de l'entrée."


def test_the_edit_is_named_once_in_a_sentence():
    """« La retouche … que si elle laissait … », and not « que si la retouche laissait … »."""
    facts = vary(benign(), {"persons.0.touched": ["body"]})
    change = Change(0, "touched", frozenset(), Whose.PICTURE, 0)
    assert change_words.changes_words(facts, (change,), "fr").startswith("si elle laissait la première")


@pytest.mark.parametrize(("language", "head"), [("en", "if all of this were so:"), ("fr", "si tout ceci")])
def test_several_changes_stand_one_a_line(language, head):
    """A list, so that nobody has to take a long sentence apart."""
    facts = vary(benign("input"), {"persons.0.consent": "absent", "persons.0.assurance": "none"})
    told = account(decide(facts, DEFAULT), lambda part: DEFAULT, language)
    first, *rest = told.advice[0].split("\n")
    assert head in first and len(rest) == len(told.nearest.changes) > 1
    assert all(line.startswith("  - ") for line in rest)


def test_operations_are_those_that_rules_name():
    """A comment, or a sentence for people, names none."""
    text = DEFAULT_TEXT.replace("permit (", '// not Operation::"age" here\npermit (', 1)
    assert text != DEFAULT_TEXT
    assert _operations_named(PolicyBundle.from_text(text)) == _operations_named(DEFAULT)
    named = '@id("a") @reason("r") forbid (principal, action, resource) when { context.operations.%s };'
    one = PolicyBundle.from_text(named % 'contains(Operation::"age")')
    assert _operations_named(one) == {Operation.AGE}


def test_a_meet_is_told_by_its_parts():
    """Each part has its own policy, findings and nearest change."""
    facts = vary(benign("output"), {"persons.0.identity_kept": "altered"})
    strict = PolicyBundle.from_text(
        '@id("all") @reason("r") permit (principal, action, resource);', name="all"
    )
    both = meet(decide(facts, strict), decide(facts, DEFAULT))
    told = account(
        both,
        {"all": strict, "default": DEFAULT}.__getitem__
        and (lambda part: {"all": strict, "default": DEFAULT}[part.policy]),
        "en",
    )
    assert told.findings == () and len(told.parts) == 2
    assert [part.title for part in told.parts] == ["allowed at the output", "refused at the output"]
    assert "policy all" in told.part_titles[0] and told.parts[1].findings[0].source == "operator"


def records():
    """Records that were tampered with, by what was done."""
    good = decide(vary(benign(), {"persons.0.exposure": "nude"}), DEFAULT).to_record()
    yield "finding of nobody", {**good, "findings": [{"code": good["codes"][0], "person": 7}]}
    yield "finding of a negative", {**good, "findings": [{"code": good["codes"][0], "person": -1}]}
    refused = decide(vary(benign("input"), {"persons.0.intent": "revealing"}), DEFAULT).to_record()
    for index in (2, -1):
        yield (
            "policy finding of nobody",
            {**refused, "findings": [{"code": refused["codes"][0], "person": index}]},
        )
    other = {**good, "codes": ["policy.mild"], "public_codes": ["policy.mild"], "findings": []}
    yield "floor left out", other
    fine = decide(benign(), DEFAULT).to_record()
    nude = "floor.nudity-of-real-person"
    yield (
        "floor put in",
        {
            **fine,
            "allowed": False,
            "codes": [nude],
            "public_codes": [nude],
            "findings": [{"code": nude, "person": 0}],
        },
    )


@pytest.mark.parametrize(
    ("what", "record"), list(records()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_attack_a_tampered_record(what, record):
    """A record that its own facts belie is a typed error, alone or as part of a meet."""
    with pytest.raises(InputError):
        check_record(Decision.from_record(record))


def test_check_codes_and_failed_checks_are_told():
    """What fell on nobody is told of the edit as a whole, and checks come first in the advice."""
    decision = decide(benign(), DEFAULT, failed_checks=("check.exposure-failed",))
    told = account(decision, lambda part: DEFAULT, "en")
    assert [one.source for one in told.findings] == ["floor", "check"]
    assert told.findings[1].who == "the edit as a whole"
    assert told.advice == (NEAREST["checks"][0],)


def test_without_the_policy_at_hand_no_change_is_claimed():
    """A nearest change under the floor alone might still be refused, so none is named."""
    told = account(decide(vary(benign(), {"persons.0.exposure": "nude"}), DEFAULT), lambda part: None, "en")
    assert told.nearest is None and "--policy" in told.advice[0]
