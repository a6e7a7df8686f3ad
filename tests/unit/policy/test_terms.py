"""Cedar rules as a typed tree: what the engine's own JSON is read into, and what is left unread."""

from __future__ import annotations

import pytest

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.engine import compile_text
from consent_edit.policy.terms import (
    TRUE,
    Attribute,
    Binary,
    Effect,
    IfThenElse,
    IsEmpty,
    Negative,
    Not,
    Operator,
    Other,
    RuleTerm,
    SetOf,
    Term,
    Value,
    Word,
    parts,
    read_rule,
    reads,
    walk,
)

ALL = {"op": "All"}


def rule(text: str) -> RuleTerm:
    """The one rule of a text, read by way of the engine."""
    return compile_text(text).rules[0].term


def condition(text: str) -> Term:
    (only,) = rule(f"forbid (principal, action, resource) when {{ {text} }};").conditions
    return only


STAGE, FACES = Attribute(("stage",)), Attribute(("picture", "faces"))
OPERATIONS, TONE = Attribute(("operations",)), Word("Operation", "tone")
EXPOSED = Attribute(("picture", "exposed"))

FORMS = [
    ('context.stage == Stage::"input"', Binary(Operator.EQUAL, STAGE, Word("Stage", "input"))),
    ('context.stage != Stage::"input"', Binary(Operator.NOT_EQUAL, STAGE, Word("Stage", "input"))),
    ("context.picture.exposed", EXPOSED),
    ("!context.picture.exposed", Not(EXPOSED)),
    ("context.picture.faces < 2", Binary(Operator.LESS, FACES, Value(2))),
    ("context.picture.faces <= 2", Binary(Operator.LESS_EQUAL, FACES, Value(2))),
    (
        "context.picture.faces + 1 == 2",
        Binary(Operator.EQUAL, Binary(Operator.ADD, FACES, Value(1)), Value(2)),
    ),
    ("-context.picture.faces < 0", Binary(Operator.LESS, Negative(FACES), Value(0))),
    ("context.operations.isEmpty()", IsEmpty(OPERATIONS)),
    ('context.operations.contains(Operation::"tone")', Binary(Operator.CONTAINS, OPERATIONS, TONE)),
    (
        '[Operation::"tone"].containsAll(context.operations)',
        Binary(Operator.CONTAINS_ALL, SetOf((TONE,)), OPERATIONS),
    ),
    (
        'context.operations.containsAny([Operation::"tone"])',
        Binary(Operator.CONTAINS_ANY, OPERATIONS, SetOf((TONE,))),
    ),
    (
        "if context.picture.exposed then context.picture.faces > 1 else false",
        IfThenElse(EXPOSED, Binary(Operator.GREATER, FACES, Value(1)), Value(False)),
    ),
    ('"a" == "b"', Binary(Operator.EQUAL, Value("a"), Value("b"))),
    (
        "context.picture.exposed && true || false",
        Binary(Operator.OR, Binary(Operator.AND, EXPOSED, TRUE), Value(False)),
    ),
]


@pytest.mark.parametrize(("text", "term"), FORMS)
def test_each_form_is_read(text: str, term: Term) -> None:
    """Every operator that can occur over the schema has its own form."""
    assert condition(text) == term


def test_scope_then_when_then_unless() -> None:
    """Conditions stand in the order of evaluation, an unless turned round; one always true is none."""
    read = rule(
        '@id("name") permit (principal == Requester::"x", action == Action::"edit", resource) '
        "when { true } when { context.picture.exposed } unless { context.picture.revealing };"
    )
    assert (read.id, read.effect) == ("name", Effect.PERMIT)
    who, *rest = read.conditions
    assert isinstance(who, Other)
    assert who.source.startswith("principal")
    assert rest == [EXPOSED, Not(Attribute(("picture", "revealing")))]


def test_a_rule_without_a_name_has_an_empty_one() -> None:
    """Names are the bundle's business."""
    assert rule("permit (principal, action, resource);") == RuleTerm("", Effect.PERMIT, ())


OTHERS = [
    ("context has stage", (STAGE,), False),
    ("context == context", (), True),
    ("[context].contains(context)", (), True),
    ("context.picture has exposed", (Attribute(("picture",)),), False),
    ("context.picture == context.picture", (Attribute(("picture",)), Attribute(("picture",))), False),
    ('principal in Requester::"group"', (), False),
    ("resource is Person", (), False),
    ('"word" like "w*"', (), False),
]


@pytest.mark.parametrize(("text", "inner", "whole"), OTHERS)
def test_what_has_no_form_is_other(text: str, inner: tuple[Term, ...], whole: bool) -> None:
    """It keeps the facts that can be found in it, and says when it may read every one."""
    found = [term for term in walk(condition(text)) if isinstance(term, Other)]
    assert found
    assert tuple(term for one in found for term in one.inner) == inner
    assert any(one.whole_context for one in found) is whole


def test_reads_names_every_fact_a_rule_can_read() -> None:
    """By the first step of the path, from all clauses together; None when it may be any of them."""
    read = rule(
        "forbid (principal, action, resource) when { context.picture.exposed && context.picture has faces } "
        'unless { [context.kind].contains(PersonKind::"face") };'
    )
    assert reads(read) == {"picture", "kind"}
    assert reads(rule("permit (principal, action, resource);")) == frozenset()
    assert reads(rule("permit (principal, action, resource) when { context == context };")) is None


def test_parts_and_walk_go_through_everything() -> None:
    """Every term is met once, the outermost first."""
    leaf = Value(1)
    for term, below in (
        (SetOf((leaf, TONE)), (leaf, TONE)),
        (Not(EXPOSED), (EXPOSED,)),
        (Negative(leaf), (leaf,)),
        (IsEmpty(OPERATIONS), (OPERATIONS,)),
        (Binary(Operator.ADD, leaf, FACES), (leaf, FACES)),
        (IfThenElse(EXPOSED, leaf, FACES), (EXPOSED, leaf, FACES)),
        (Other("x", (STAGE,)), (STAGE,)),
        (leaf, ()),
        (TONE, ()),
        (STAGE, ()),
    ):
        assert parts(term) == below
        assert tuple(walk(term)) == (term, *below)


def test_what_is_no_term_is_not_walked() -> None:
    """A form that parts() does not know raises, instead of hiding what it reads."""
    with pytest.raises(TypeError):
        list(walk(object()))


def static(**changed: object) -> dict[str, object]:
    plain: dict[str, object] = {
        "effect": "permit",
        "principal": ALL,
        "action": ALL,
        "resource": ALL,
        "conditions": [],
    }
    return plain | changed


def test_a_rule_as_the_engine_writes_it_is_read() -> None:
    """The base of the malformed ones below is well formed; annotations that are no object name nothing."""
    assert read_rule(static()) == RuleTerm("", Effect.PERMIT, ())
    assert read_rule(static(annotations=None)).id == ""
    assert read_rule(static(annotations={"id": "x"})).id == "x"


@pytest.mark.parametrize(
    "changed",
    [
        {"effect": "allow"},
        {"principal": None},
        {"conditions": {}},
        {"conditions": [None]},
        {"conditions": [{"kind": "while", "body": {"Value": True}}]},
        {"conditions": [{"kind": "when"}]},
        {"conditions": [{"kind": "when", "body": {}}]},
        {"conditions": [{"kind": "when", "body": {"Value": True, "Var": "x"}}]},
        {"conditions": [{"kind": "when", "body": {"Value": None}}]},
        {"conditions": [{"kind": "when", "body": {"Set": {}}}]},
        {"conditions": [{"kind": "when", "body": {"==": {"left": {"Value": 1}}}}]},
        {"conditions": [{"kind": "when", "body": {"if-then-else": {"if": {"Value": True}}}}]},
    ],
)
def test_a_rule_of_no_known_form_is_refused(changed: dict[str, object]) -> None:
    """What is not of the engine's JSON format raises our own error and is never taken for something else."""
    with pytest.raises(PolicyInvalid, match="no known form"):
        read_rule(static(**changed))


def test_another_form_deep_inside_is_searched_to_the_bottom() -> None:
    """Facts in lists and objects of a form nobody knows are found all the same."""
    stage = {".": {"left": {"Var": "context"}, "attr": "stage"}}
    read = read_rule(static(conditions=[{"kind": "when", "body": {"new": [{"x": [stage, 1]}, "text"]}}]))
    (other,) = read.conditions
    assert isinstance(other, Other)
    assert (other.inner, other.whole_context) == ((STAGE,), False)
