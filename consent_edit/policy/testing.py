"""Benign facts and one-line differences from them: what policy tests are written in.

A test says what differs from an edit that everybody consented to, and what must come of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from consent_edit.encoding import JsonValue
from consent_edit.errors import ArgumentRejected
from consent_edit.policy.facts import Facts
from consent_edit.policy.record import facts_from_json, facts_to_json

Difference: TypeAlias = Mapping[str, "str | Sequence[str]"]
"""Dotted path -> word or words, as in ``{"persons.0.consent": "revoked"}``; ``unseen`` is the last one."""

_DIGITS: Final = 10

_CONSENTING: Final[Mapping[str, JsonValue]] = {
    "kind": "face",
    "recognisable": "yes",
    "consent": "verified",
    "assurance": "high",
    "age": "adult",
    "exposure": "none",
    "exposure_change": "none",
    "intent": "ordinary",
    "photo": "exact",
    "granted": ["tone"],
    "touched": [],
    "identity_kept": "same",
    "named_person": "none",
}
_UNSEEN: Final[Mapping[str, JsonValue]] = {
    **_CONSENTING,
    "kind": "unseen",
    "recognisable": "no",
    "consent": "absent",
    "assurance": "none",
    "age": "undetermined",
    "photo": "none",
    "granted": [],
}


def benign(stage: str = "output", persons: int | None = None) -> Facts:
    """A tone edit of a photo of consenting adults, allowed by the floor and by every shipped policy.

    Args:
        stage: A word of ``Stage``.
        persons: Consenting faces beside ``unseen``; by default one, and none at ``request``, where there are
            words and no picture yet.
    """
    faces = (stage != "request") if persons is None else persons
    return facts_from_json(
        {
            "stage": stage,
            "persons": [*([_CONSENTING] * faces), _UNSEEN],
            "operations": ["tone"],
            "checks": "complete",
            "environment": "production",
        }
    )


def _varied(value: JsonValue, steps: list[str], word: JsonValue, path: str) -> JsonValue:
    """A copy of the JSON in which the member at the end of the steps is the word."""
    if not steps:
        return word
    step, rest = steps[0], steps[1:]
    if isinstance(value, list):
        index = (
            len(value) - 1
            if step == "unseen"
            else int(step)
            if step.isdecimal() and len(step) < _DIGITS
            else len(value)
        )
        if index < len(value):
            return [*value[:index], _varied(value[index], rest, word, path), *value[index + 1 :]]
    elif isinstance(value, Mapping) and step in value:
        return {**value, step: _varied(value[step], rest, word, path)}
    raise ArgumentRejected(f"{path}: no such fact", code="input.fact")


def vary(facts: Facts, difference: Difference) -> Facts:
    """The facts with some of them replaced.

    Args:
        facts: Where to start.
        difference: What differs.

    Raises:
        ArgumentRejected: a path that names no fact.
        InputError: a word outside the vocabulary.
    """
    data: JsonValue = facts_to_json(facts)
    for path, word in difference.items():
        data = _varied(data, path.split("."), word, path)
    return facts_from_json(data)
