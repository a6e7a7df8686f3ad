"""Facts as JSON: an exact round trip, and nothing else is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_edit.errors import ArgumentRejected, InputError
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.record import facts_from_json, facts_to_json
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import Checks, Environment, Operation, PersonKind, Stage

found = st.sampled_from([kind for kind in PersonKind if kind is not PersonKind.UNSEEN])
facts = st.builds(
    lambda persons, unseen, stage, operations, checks, environment: Facts(
        stage=stage,
        persons=(*persons, unseen),
        operations=operations,
        checks=checks,
        environment=environment,
    ),
    st.lists(st.builds(PersonFacts, kind=found), max_size=3),
    st.builds(PersonFacts, kind=st.just(PersonKind.UNSEEN)),
    st.sampled_from(Stage),
    st.frozensets(st.sampled_from(Operation)),
    st.sampled_from(Checks),
    st.sampled_from(Environment),
)


@settings(max_examples=100, deadline=None)
@given(facts)
def test_round_trip(some: Facts) -> None:
    """Whatever the facts, JSON gives them back exactly."""
    assert facts_from_json(json.loads(json.dumps(facts_to_json(some)))) == some


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("stage", "later"),
        ("persons.0.consent", "granted"),
        ("persons.0.granted", ["tone", "tone"]),
        ("persons.0.granted", "tone"),
        ("persons.0.kind", "unseen"),
        ("persons.unseen.kind", "face"),
        ("persons", []),
        ("persons", "nobody"),
        ("persons.0", {}),
        ("operations", [None]),
        ("checks", 1),
    ],
)
def test_what_is_no_facts_is_not_read(path: str, word: object) -> None:
    """A word outside the vocabulary, a repeated one, or a picture without its unseen person raises."""
    with pytest.raises(InputError):
        vary(benign(), {path: word})


@pytest.mark.parametrize("path", ["persons.7.age", "persons.x.age", "person", "stage.x", ""])
def test_a_difference_must_name_a_fact(path: str) -> None:
    """A misspelt path in a policy test is an error and no silent success."""
    with pytest.raises(ArgumentRejected):
        vary(benign(), {path: "adult"})
