"""A bundle is shown only what its rules read; that must never change a verdict, however they read it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_edit.errors import CheckFailed
from consent_edit.policy import engine
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.context import ENTITY_ENUMS, FACT_NAMES, contexts
from consent_edit.policy.engine import Compiled, authorise, compile_text
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import Checks, Environment, Operation, PersonKind, Stage

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'


def policy(condition: str, effect: str = "forbid", name: str = "no") -> str:
    return f'@id("{name}") @reason("r") {effect} (principal, action, resource) when {{ {condition} }};\n'


def whole(compiled: Compiled) -> Compiled:
    """The same rules, shown everything under the whole schema."""
    schema, entities = engine._schema_of(FACT_NAMES)
    return replace(compiled, reads=FACT_NAMES, _schema=schema, _entities=entities)


def verdicts(compiled: Compiled, facts: Facts) -> list[object]:
    """One verdict a person; an error is one too."""
    found: list[object] = []
    for context in contexts(facts, compiled.reads):
        try:
            found.append(authorise(compiled, context))
        except CheckFailed as error:
            found.append(error.message)
    return found


REVOKED = 'ConsentStatus::"revoked"'
READERS = {
    "plain": f"context.consent == {REVOKED}",
    "index": f'context["consent"] == {REVOKED}',
    "has": f"context has consent && context.consent == {REVOKED}",
    "has-quoted": f'context has "consent" && context.consent == {REVOKED}',
    "has-in-a-record": f"{{a: context}} has a.consent && {{a: context}}.a.consent == {REVOKED}",
    "in-a-record": f"{{a: context}}.a.consent == {REVOKED}",
    "in-a-record-that-looks-like-an-access": "{left: context, attr: 1}.left has consent && "
    f"{{left: context, attr: 1}}.left.consent == {REVOKED}",
    "the-same-with-a-text": f'{{left: context, attr: "stage"}}.left.consent == {REVOKED}',
    "in-a-record-that-looks-like-a-variable": f'{{"Var": "context", a: context}}.a.consent == {REVOKED}',
    "in-nested-records": f"{{a: {{b: context}}}}.a.b.consent == {REVOKED}",
    "by-a-condition": f"(if true then context else context).consent == {REVOKED}",
    "by-a-condition-on-facts": f"(if context.picture.exposed then context else context).consent == {REVOKED}",
    "in-a-set": f"[context].contains(context) && context.consent == {REVOKED}",
    "as-a-whole": f"context == context && context.consent == {REVOKED}",
    "in-a-set-of-facts": f"[context.consent, {REVOKED}].containsAll([context.consent]) && "
    f"[{REVOKED}].contains(context.consent)",
    "in": f"context.consent in {REVOKED}",
    "in-a-list": f"context.consent in [{REVOKED}]",
    "is": f"context.consent is ConsentStatus && context.consent == {REVOKED}",
    "in-a-record-literal": f"{{left: context.consent, attr: 1}}.left == {REVOKED}",
    "behind-a-text": f'{{a: "x"}}.a like "*" && context.consent == {REVOKED}',
    "behind-an-extension": f'ip("127.0.0.1").isLoopback() && context.consent == {REVOKED}',
    "behind-the-requester": f"principal is Requester && resource == resource && context.consent == {REVOKED}",
    "in-a-deep-condition": f"if (if context.picture.faces > 0 then true else false) then "
    f"!(context.consent != {REVOKED}) else false",
}


@pytest.mark.parametrize("reader", sorted(READERS))
def test_no_way_of_reading_is_missed(reader: str) -> None:
    """A forbid against the withdrawn refuses her and nobody else, in whatever form it reads the status."""
    compiled = compile_text(PERMIT + policy(READERS[reader]))
    assert "consent" in compiled.reads
    for consent in ("verified", "revoked"):
        facts = vary(benign(), {"persons.0.consent": consent})
        assert verdicts(compiled, facts) == verdicts(whole(compiled), facts)
        assert getattr(verdicts(compiled, facts)[0], "allowed", None) is (consent == "verified")


WHOLE_PICTURE = {
    "{p: context.picture}.p.exposed": ("picture",),
    "{left: context.picture, attr: 1}.left.exposed": ("picture",),
    "context.picture == context.picture": ("picture",),
    "context has picture.exposed": ("picture",),
    "(if context.touched.isEmpty() then context.picture else context.picture).faces > 0": (
        "picture",
        "touched",
    ),
}


@pytest.mark.parametrize("condition", sorted(WHOLE_PICTURE))
def test_the_picture_is_read_as_one_fact(condition: str) -> None:
    """However a rule gets at it, and without being shown the rest."""
    compiled = compile_text(PERMIT + policy(condition))
    assert compiled.reads == WHOLE_PICTURE[condition]
    assert verdicts(compiled, benign()) == verdicts(whole(compiled), benign())


def test_what_reads_nothing_is_shown_nothing() -> None:
    """Rules about nobody need no facts."""
    text = PERMIT + policy('principal == principal && "a" like "*" && [1].contains(2)')
    assert compile_text(text).reads == ()


_FIELDS = {
    enum.__name__: name
    for enum in ENTITY_ENUMS
    for name in FACT_NAMES
    if name == {"PersonKind": "kind", "ConsentStatus": "consent", "PhotoBinding": "photo"}.get(enum.__name__)
    or name.replace("_", "") == enum.__name__.lower()
}
_WAYS = [
    "context.{0}",
    'context["{0}"]',
    "{{a: context}}.a.{0}",
    "{{left: context, attr: 1}}.left.{0}",
    "{{left: context.{0}, attr: 1}}.left",
    "(if context.picture.all_adults then context else context).{0}",
    "(if context.picture.revealing then context.{0} else context.{0})",
]
_ways = st.sampled_from(_WAYS)
_atoms = st.one_of(
    st.builds(
        lambda way, pair, same: f'{way.format(pair[0])} {same} {pair[1]}::"{pair[2]}"',
        _ways,
        st.sampled_from(
            [
                (_FIELDS[enum.__name__], enum.__name__, member.value)
                for enum in ENTITY_ENUMS
                if enum.__name__ in _FIELDS
                for member in enum
            ]
        ),
        st.sampled_from(["==", "!=", "in"]),
    ),
    st.builds(
        lambda way, name, word: f'{way.format(name)}.contains(Operation::"{word.value}")',
        _ways,
        st.sampled_from(["operations", "granted"]),
        st.sampled_from(Operation),
    ),
    st.builds(lambda way: f"{way.format('touched')}.isEmpty()", _ways),
    st.builds(
        lambda way, name: f"{way.format('picture')}.{name}",
        _ways,
        st.sampled_from(["all_adults", "exposed", "more_exposed", "revealing"]),
    ),
    st.builds(lambda name: f"context has {name}", st.sampled_from(FACT_NAMES)),
    st.just("{left: context, attr: 1}.left has age"),
    st.just("context.picture.faces + 9223372036854775807 > 0"),
    st.sampled_from(["true", "false", "context == context"]),
)
_conditions = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("(if {} then {} else {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)
_found = st.sampled_from([kind for kind in PersonKind if kind is not PersonKind.UNSEEN])
_facts = st.builds(
    lambda persons, unseen, **shared: Facts(persons=(*persons, unseen), **shared),
    st.lists(st.builds(PersonFacts, kind=_found), max_size=2),
    st.builds(PersonFacts, kind=st.just(PersonKind.UNSEEN)),
    stage=st.sampled_from(Stage),
    operations=st.frozensets(st.sampled_from(Operation), max_size=3),
    checks=st.sampled_from(Checks),
    environment=st.sampled_from(Environment),
)


def test_every_fact_of_one_word_is_tried() -> None:
    """The random rules below leave none out but the sets and the picture, which have forms of their own."""
    sets = {"operations", "granted", "touched", "picture"}
    assert set(_FIELDS.values()) == set(FACT_NAMES) - sets


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_facts, min_size=1, max_size=4),
    st.lists(st.tuples(_conditions, st.sampled_from(["permit", "forbid"])), min_size=1, max_size=3),
)
def test_less_context_is_the_same_verdict(pictures: list[Facts], rules: list[tuple[str, str]]) -> None:
    """Allowed or not, by which rules, or with which error: as if everything had been shown."""
    text = "".join(policy(*rule, name=f"rule-{number}") for number, rule in enumerate(rules))
    compiled = compile_text(PERMIT + text)
    for facts in pictures:
        assert verdicts(compiled, facts) == verdicts(whole(compiled), facts)


def test_what_any_rule_reads_is_shown_to_all() -> None:
    """Not only what the last one reads; in the schema's order, each once."""
    text = (
        '@id("a") @reason("r") permit (principal, action, resource) when { context.age == Age::"adult" };'
        '@id("b") @reason("r") forbid (principal, action, resource) when { context.stage == Stage::"input" };'
        '@id("c") @reason("r") forbid (principal, action, resource) when { context.age == Age::"minor" };'
    )
    assert compile_text(text).reads == ("stage", "age")
    assert PolicyBundle.from_text(text).refusals(benign("output", 1)) == (("policy.not-permitted", 1),)
