"""The policies and jurisdictions that ship: their own tables, and what must hold beyond any table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.authoring.cases.case_files import find, read
from consent_edit.policy.authoring.cases.case_runs import run
from consent_edit.policy.authoring.writing.lint import lint
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.decision import decide
from consent_edit.policy.engine import format_text
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.terms import Effect, reads
from consent_edit.policy.testing import benign, vary
from consent_edit.shipped import shipped
from consent_edit.vocabulary import (
    Age,
    Assurance,
    ConsentStatus,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
    PersonKind,
    PhotoBinding,
    Stage,
)

PACKS = ("default", "try-on", "newsroom", "strict")
CODES = ("eu", "uk")
POLICIES = shipped("policies")
FOLDERS = {name: POLICIES / name for name in PACKS} | {
    code: POLICIES / "jurisdictions" / code for code in CODES
}
STAGES = ("request", "input", "preview", "output")


def over(pack: str, *codes: str) -> PolicyBundle:
    return PolicyBundle.shipped(pack).narrowed(Narrowing.jurisdiction(code) for code in codes)


def own(name: str) -> PolicyBundle:
    """The rules of a pack or of a jurisdiction, alone."""
    return PolicyBundle.from_text((FOLDERS[name] / "policy.cedar").read_text(encoding="utf-8"), name=name)


def test_nothing_else_ships() -> None:
    """Every folder of policies is known here, so that none escapes these tests."""
    assert {path.parent.name for path in POLICIES.rglob("policy.cedar")} == set(FOLDERS)


@pytest.mark.parametrize("name", FOLDERS)
def test_its_own_table_holds(name: str) -> None:
    """At least 25 cases, each with exactly its codes, and no rule that no case ever determined."""
    report = run([read(path) for path in find([name])])
    assert report.failed == ()
    assert report.without_a_case == ()
    assert len(report.results) >= 25


@pytest.mark.parametrize("name", FOLDERS)
def test_it_says_what_it_is_for(name: str) -> None:
    """Its README has every rule and code, the duty, what the floor keeps, and that it is no legal advice."""
    readme = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    for rule in own(name).texts:
        assert f"`{rule.code.removeprefix('policy.')}`" in readme
    assert "no legal advice" in readme
    assert "the floor" in readme


@pytest.mark.parametrize("name", FOLDERS)
def test_it_is_written_as_it_asks_others_to_write(name: str) -> None:
    """No lint, both languages, and laid out the one way."""
    bundle = own(name)
    assert lint(bundle, tested=True, narrowing=name in CODES) == ()
    assert format_text(bundle.text) == bundle.text
    assert all(rule.reason and rule.reason_fr for rule in bundle.texts)


@pytest.mark.parametrize("codes", [(), ("eu",), ("uk",), ("eu", "uk")], ids="+".join)
@pytest.mark.parametrize("pack", PACKS)
def test_a_benign_edit_gets_through_from_the_first_word_to_the_file(
    pack: str, codes: tuple[str, ...]
) -> None:
    """A change of tone that everybody consented to is allowed at every stage, wherever it is offered."""
    bundle = over(pack, *codes)
    for stage in STAGES:
        assert decide(benign(stage), bundle).codes == ()
    assert decide(benign("request", persons=1), bundle).codes == ()


UNREAD = {
    "persons.0.exposure_change": "undetermined",
    "persons.0.exposure": "undetermined",
    "persons.0.intent": "undetermined",
    "persons.0.identity_kept": "undetermined",
    "persons.0.touched": ["undetermined"],
    "persons.unseen.exposure_change": "undetermined",
    "persons.unseen.intent": "undetermined",
}
NOT_ITS_BUSINESS = {("newsroom", "persons.0.exposure")}
"""What newsroom leaves to the floor: exposure as such."""


@pytest.mark.parametrize("path", UNREAD)
@pytest.mark.parametrize("pack", ["try-on", "newsroom", "strict"])
def test_what_no_check_could_read_is_refused(pack: str, path: str) -> None:
    """A pack refuses an undetermined value by rules of its own, even where the floor would let it pass."""
    if (pack, path) in NOT_ITS_BUSINESS:
        return
    facts = vary(benign(), {"persons.0.granted": ["swimwear", "tone"], path: UNREAD[path]})
    assert PolicyBundle.shipped(pack).refusals(facts)


def people() -> Iterator[dict[str, str | list[str]]]:
    """Differences of one person, over what the packs and jurisdictions read of her."""
    axes: dict[str, tuple[str | list[str], ...]] = {
        "exposure": ("none", "suggestive", "undetermined"),
        "exposure_change": ("none", "increased", "undetermined"),
        "intent": ("ordinary", "revealing", "undetermined"),
        "age": ("adult", "undetermined"),
        "assurance": ("low", "substantial"),
        "granted": (["tone"], ["swimwear", "tone"]),
        "photo": ("exact", "none"),
    }
    for words in itertools.product(*axes.values()):
        yield dict(zip(axes, words, strict=True))


def pictures() -> Iterator[Facts]:
    """Each such person as a face, as a body, and as nobody found; before an edit and after it."""
    for person in people():
        for stage in ("input", "output"):
            facts = vary(benign(stage), {f"persons.0.{fact}": word for fact, word in person.items()})
            yield facts
            yield vary(facts, {"persons.0.kind": "body"})
            findings = {
                f"persons.unseen.{fact}": person[fact] for fact in ("exposure", "exposure_change", "intent")
            }
            yield vary(benign(stage), findings)


GRID = tuple(dict.fromkeys(pictures()))


@pytest.mark.parametrize("codes", [("eu",), ("uk",), ("eu", "uk")], ids="+".join)
@pytest.mark.parametrize("pack", PACKS)
def test_a_jurisdiction_never_widens(pack: str, codes: tuple[str, ...]) -> None:
    """Over the whole grid: what the pack refuses is refused under its jurisdictions, for the same reasons."""
    alone, narrowed = PolicyBundle.shipped(pack), over(pack, *codes)
    for facts in GRID:
        assert set(alone.refusals(facts)) <= set(narrowed.refusals(facts))


@pytest.mark.parametrize("code", CODES)
def test_a_jurisdiction_narrows_something(code: str) -> None:
    """It refuses what the policy below it would have allowed; without that it would be there for show."""
    alone, narrowed = PolicyBundle.shipped("default"), over("default", code)
    assert any(not alone.refusals(facts) and narrowed.refusals(facts) for facts in GRID)


@pytest.mark.parametrize("code", CODES)
def test_a_jurisdictions_rules_bear_its_name(code: str) -> None:
    """So that a reason code tells where it comes from, and never collides with a policy's own."""
    assert all(rule.code.startswith(f"policy.{code}-") for rule in own(code).texts)


@pytest.mark.parametrize("code", CODES)
def test_a_jurisdiction_with_a_permit_is_refused(code: str) -> None:
    """One permit among its forbids, and the whole text is none."""
    text = own(code).text + '\n@id("eu-all") @reason("r") permit (principal, action, resource);'
    with pytest.raises(PolicyInvalid, match="can only forbid"):
        Narrowing.from_text(text, name=code)


def in_less(facts: Facts, person: PersonFacts) -> bool:
    """The README's "in less", written a second time."""
    shown = person.exposure is not Exposure.NONE and facts.stage is Stage.OUTPUT
    more = person.exposure_change is not ExposureChange.NONE
    return shown or more or person.intent is not Intent.ORDINARY


def asked_for_it(person: PersonFacts) -> bool:
    return (
        person.kind is PersonKind.FACE
        and person.consent is ConsentStatus.VERIFIED
        and person.age is Age.ADULT
        and person.assurance.at_least(Assurance.SUBSTANTIAL)
        and Operation.SWIMWEAR in person.granted
        and person.photo is PhotoBinding.EXACT
    )


@pytest.mark.parametrize(("pack", "codes"), [("try-on", ()), ("default", ("eu",)), ("try-on", ("eu",))])
def test_nobody_is_shown_in_less_who_did_not_ask_for_it(pack: str, codes: tuple[str, ...]) -> None:
    """Over the whole grid: whoever ends up in less is an adult, well identified, whose grant says so."""
    bundle, allowed = over(pack, *codes), 0
    for facts in GRID:
        if bundle.refusals(facts):
            continue
        for person in facts.persons[:-1]:
            allowed += in_less(facts, person)
            assert asked_for_it(person) or not in_less(facts, person)
    assert allowed


@pytest.mark.parametrize("pack", PACKS)
def test_under_uk_nobody_is_shown_in_less_than_she_was(pack: str) -> None:
    """Over the whole grid: no increase, no revealing words, no new swimwear, whoever consented."""
    bundle = over(pack, "uk")
    for facts in GRID:
        if not bundle.refusals(facts):
            for person in facts.persons:
                assert person.exposure_change is ExposureChange.NONE
                assert person.intent is Intent.ORDINARY


@pytest.mark.parametrize("pack", ["newsroom", "strict", "default"])
def test_only_try_on_shows_anybody_in_less(pack: str) -> None:
    """No other pack lets more be shown than before, or revealing words pass, even of those who asked."""
    bundle = PolicyBundle.shipped(pack)
    for facts in GRID:
        if not bundle.refusals(facts):
            for person in facts.persons:
                assert person.exposure_change is ExposureChange.NONE
                assert person.intent is not Intent.REVEALING


def test_newsroom_does_nothing_but_restore_and_tone() -> None:
    """Of all operations, alone or in pairs, exactly those made of restore and tone pass."""
    bundle = PolicyBundle.shipped("newsroom")
    for pair in itertools.combinations_with_replacement(Operation, 2):
        names = sorted({operation.value for operation in pair})
        passes = not bundle.refusals(vary(benign(), {"operations": names}))
        assert passes is (set(names) <= {"restore", "tone"})


def test_strict_takes_nobody_else_in_the_picture() -> None:
    """A second person of any kind refuses, at every stage."""
    bundle = PolicyBundle.shipped("strict")
    for stage, kind in itertools.product(STAGES, ("face", "possible_face", "body")):
        facts = vary(benign(stage, persons=2), {"persons.1.kind": kind})
        assert "policy.one-person-only" in {code for code, _ in bundle.refusals(facts)}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_sentence_about_restoration_belongs_to_a_rule_that_reads_it(name: str) -> None:
    """Who is refused is told what the rule looked at, and in French by one word throughout."""
    bundle = own(name)
    for rule, said in zip(bundle.rules, bundle.texts, strict=True):
        if "restoration" in said.reason and rule.effect is Effect.FORBID:
            read = reads(rule) or frozenset()
            assert read & {"operations", "touched"}, rule.id
    assert "remise en état" not in bundle.text


@pytest.mark.parametrize("name", CODES)
def test_a_jurisdiction_lists_where_it_goes_further_than_the_law(name: str) -> None:
    """Place by place, and the reading of the law is called the project's own."""
    readme = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    further = readme.partition("go further in ")[2].partition("##")[0]
    assert further.count("\n- ") >= 3
    assert "An engineering reading, and no legal advice" in readme


def over_anything(change: dict[str, str | list[str]], *, stage: str = "output") -> dict[str, set[str]]:
    """The codes of each jurisdiction alone, of what a change would have it refuse."""
    allows = PolicyBundle.from_text('@id("all") @reason("r") permit (principal, action, resource);')
    facts = vary(benign(stage), change)
    laid = {code: allows.narrowed([Narrowing.jurisdiction(code)]) for code in CODES}
    return {code: {refused for refused, _ in bundle.refusals(facts)} for code, bundle in laid.items()}


SWIMWEAR: dict[str, str | list[str]] = {"persons.0.exposure": "suggestive", "persons.0.granted": ["swimwear"]}


def test_the_places_that_the_jurisdictions_list_are_so() -> None:
    """What the READMEs say of swimwear, of a grant, an assurance, an age and of what cannot be read."""
    granted = over_anything(SWIMWEAR)
    assert granted == {"eu": set(), "uk": set()}
    for lacking in (
        {"persons.0.granted": []},
        {"persons.0.photo": "none"},
        {"persons.0.assurance": "low"},
        {"persons.0.age": "undetermined"},
    ):
        found = over_anything(SWIMWEAR | lacking)
        assert found["eu"], lacking
        assert not found["uk"], lacking
    more = over_anything(SWIMWEAR | {"persons.0.exposure_change": "increased"})
    assert not more["eu"]
    assert more["uk"] == {"policy.uk-no-increase", "policy.uk-suggestive-result"}
    for fact in ("exposure", "exposure_change", "intent"):
        assert all(over_anything({f"persons.0.{fact}": "undetermined"}).values()), fact
