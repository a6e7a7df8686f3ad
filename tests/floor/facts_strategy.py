"""Facts and policies at random, for the proofs in this folder."""

from __future__ import annotations

from hypothesis import strategies as st

from consent_edit.policy.context import ENTITY_ENUMS
from consent_edit.policy.facts import Facts, PersonFacts
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
