"""Facts and policies at random, for the proofs in this folder."""

from __future__ import annotations

from hypothesis import strategies as st

from consent_edit.policy.context import ENTITY_ENUMS
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import judge
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import Checks, Environment, Operation, PersonKind, Region, Stage

_found = st.sampled_from([kind for kind in PersonKind if kind is not PersonKind.UNSEEN])

any_facts = st.builds(
    lambda persons, unseen, stage, operations, checks, environment: Facts(
        stage=stage,
        persons=(*persons, unseen),
        operations=operations,
        checks=checks,
        environment=environment,
    ),
    st.lists(st.builds(PersonFacts, kind=_found), max_size=3),
    st.builds(PersonFacts, kind=st.just(PersonKind.UNSEEN)),
    st.sampled_from(Stage),
    st.frozensets(st.sampled_from(Operation), max_size=3),
    st.sampled_from(Checks),
    st.sampled_from(Environment),
)
"""Any facts at all: up to three persons and unseen."""

_MILD = [
    {"operations": ["tone", "background"]},
    {"operations": ["object"]},
    {"operations": ["restore"]},
    {"operations": ["hair"], "persons.0.granted": ["hair"]},
    {"operations": ["clothing"], "persons.0.granted": ["clothing"], "persons.0.touched": ["body"]},
    {"operations": []},
    {"environment": "demo"},
    {"environment": "demo", "persons.0.assurance": "simulated"},
    {"persons.0.assurance": "low"},
    {"persons.0.assurance": "substantial"},
    {"persons.0.age": "minor"},
    {"persons.0.age": "undetermined"},
    {"persons.0.photo": "none"},
    {"persons.0.granted": []},
    {"persons.0.identity_kept": "altered"},
    {"persons.0.named_person": "uncovered"},
    {"persons.0.kind": "body", "persons.0.recognisable": "no"},
    {"persons.0.kind": "body", "persons.0.recognisable": "no", "persons.0.consent": "revoked"},
    {"persons.0.kind": "possible_face", "persons.0.consent": "absent"},
    {"persons.0.recognisable": "no", "persons.0.consent": "absent", "persons.0.age": "undetermined"},
    {"persons.0.intent": "revealing"},
    {"persons.0.exposure": "suggestive"},
    {"persons.0.exposure_change": "increased"},
    {"persons.unseen.named_person": "uncovered"},
]
_PICTURES = [benign(stage, persons) for stage in ("input", "preview", "output") for persons in (1, 2, 3)]


def _differing(facts: Facts, differences: list[tuple[dict, int]]) -> Facts:
    """Each difference on a person of the picture; the floor's business is not asked."""
    for difference, person in differences:
        index = person % (len(facts.persons) - 1)
        facts = vary(facts, {path.replace(".0.", f".{index}."): word for path, word in difference.items()})
    return facts


near_facts = st.builds(
    _differing,
    st.sampled_from(_PICTURES),
    st.lists(st.tuples(st.sampled_from(_MILD), st.integers(0, 2)), max_size=3),
)
"""Up to three differences from an edit that everybody consented to; the floor lets most of them through."""

let_through = near_facts.filter(lambda facts: not judge(facts))
"""Facts on which the floor is silent, so that whatever refuses is the operator's."""

_FIELD_OF = {
    "Stage": "stage",
    "Checks": "checks",
    "Environment": "environment",
    "PersonKind": "kind",
    "Recognisable": "recognisable",
    "ConsentStatus": "consent",
    "Assurance": "assurance",
    "Age": "age",
    "Exposure": "exposure",
    "ExposureChange": "exposure_change",
    "Intent": "intent",
    "PhotoBinding": "photo",
    "IdentityKept": "identity_kept",
    "NamedPerson": "named_person",
}

_atoms = st.one_of(
    st.sampled_from(
        [
            f'context.{_FIELD_OF[enum.__name__]} == {enum.__name__}::"{member.value}"'
            for enum in ENTITY_ENUMS
            if enum.__name__ in _FIELD_OF
            for member in enum
        ]
    ),
    st.sampled_from(
        [
            f'context.{s}.contains(Operation::"{o.value}")'
            for s in ("operations", "granted")
            for o in Operation
        ]
    ),
    st.sampled_from([f'context.touched.contains(Region::"{r.value}")' for r in Region]),
    st.sampled_from(
        [
            "true",
            "false",
            "context.picture.all_adults",
            "context.picture.exposed",
            "context.picture.revealing",
        ]
    ),
    st.integers(0, 3).map(lambda n: f"context.picture.persons > {n}"),
    st.just("context.picture.faces + 9223372036854775807 > 0"),
)

conditions = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} && {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} || {pair[1]})"),
        inner.map(lambda one: f"!({one})"),
    ),
    max_leaves=5,
)


def _text(rules: list[tuple[str, str]]) -> str:
    return "\n".join(
        f'@id("rule-{number}") @reason("r") {effect} (principal, action, resource) when {{ {condition} }};'
        for number, (effect, condition) in enumerate(rules)
    )


policies = st.lists(st.tuples(st.sampled_from(["permit", "forbid"]), conditions), min_size=1, max_size=4).map(
    _text
)
"""Any valid operator policy of a few rules, erring ones included."""
