"""The Cedar engine behind two functions, compile a text and authorise a context: the only import of cedarpy.

What may go wrong inside must come out as a refusal. Six traps, each with a test:

1. A ``forbid`` that errors is skipped and the answer is Allow. So every fact lives in a required ``context``,
   text is validated strictly, and any ``diagnostics.errors`` raises.
2. There is a third answer, NoDecision. Only ``.allowed`` counts.
3. Parsed policies are named by position (``policy0``), so sets are never merged; ``@id`` names a rule.
4. A panic in native code is no ``Exception``. It is caught by name and raises like any other failure.
5. Determining rules come in no fixed order, which would make equal decisions differ. They are put in order.
6. Native code holds the interpreter and cannot be stopped. The limits on text bound what it may cost
   (limits.py, rehearsal.py), and an answer that took too long is none.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import cedarpy

from consent_edit.errors import CheckFailed, ConsentEditError, PolicyInvalid
from consent_edit.policy.context import FACT_NAMES
from consent_edit.policy.terms import RuleTerm, read_rule, reads

_SCHEMA_FILE: Final = Path(__file__).with_name("consent_edit.cedarschema")
_PRINCIPAL: Final = {"type": "Requester", "id": "requester"}
_ACTION: Final = {"type": "Action", "id": "edit"}
_RESOURCE: Final = {"type": "Person", "id": "depicted"}

EVALUATION_LIMIT_S: Final = 1.0
"""Seconds of its thread's own time; a verdict that took longer is none. The worst text within the limits
takes milliseconds. A thread that waits for a busy machine is no fault of the text's."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of a text as its author wrote it.

    Attributes:
        key: The engine's own name, by position.
        annotations: ``@name("value")`` pairs.
        term: What it does and when.
    """

    key: str
    annotations: Mapping[str, str]
    term: RuleTerm


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A policy text that parsed and validates against the schema.

    Attributes:
        rules: Its policies, in the order of the text.
        canonical: The same text has the same canonical form however it is spaced, broken and commented.
        reads: The facts its rules can read; a verdict depends on no other.
    """

    rules: tuple[Rule, ...]
    canonical: str
    reads: tuple[str, ...]
    _policies: object = field(repr=False)
    _schema: object = field(repr=False)
    _entities: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the operator's rules say of one person.

    Attributes:
        allowed: Whether a rule permits and none forbids.
        determining: Keys of the rules that decided it, in the order of the text; empty: nothing permitted.
    """

    allowed: bool
    determining: tuple[str, ...]


def _native(call: Callable[[], _T]) -> _T:
    """Run native code so that a panic is an error like any other.

    Raises:
        CheckFailed: the native code panicked.
    """
    try:
        return call()
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise CheckFailed("the policy engine panicked", code="check.policy-engine-failed") from error
        raise


@cache
def schema_text() -> str:
    """The schema that every operator policy is validated against."""
    return _SCHEMA_FILE.read_text(encoding="utf-8")


@cache
def _schema() -> object:
    return cedarpy.Schema.from_str(schema_text())


_CONTEXT_FIELD: Final = re.compile(r"^    (\w+): [\w<>]+,\n", re.MULTILINE)


@cache
def _schema_of(fields: tuple[str, ...]) -> tuple[object, object]:
    """The schema whose context holds some of the facts only, and an empty set of entities under it.

    A request is checked against it fact by fact, which is most of what an evaluation costs.
    """
    text = _CONTEXT_FIELD.sub(lambda line: line[0] if line[1] in fields else "", schema_text())
    schema = cedarpy.Schema.from_str(text)
    return schema, cedarpy.Entities.from_json_str("[]", schema)


def format_text(text: str) -> str:
    """The text as the engine's own formatter lays it out; comments stay.

    Args:
        text: Cedar policies that passed :func:`consent_edit.policy.limits.check_limits`.

    Raises:
        PolicyInvalid: it does not parse.
        CheckFailed: the engine panicked.
    """
    try:
        return str(_native(lambda: cedarpy.format_policies(text, line_width=100, indent_width=2)))
    except (ValueError, TypeError) as error:
        raise PolicyInvalid(f"the policy text does not parse: {error}") from error


def compile_text(text: str) -> Compiled:
    """Parse a policy text and validate it strictly.

    Args:
        text: Cedar policies that passed :func:`consent_edit.policy.limits.check_limits`.

    Raises:
        PolicyInvalid: it does not parse, does not validate, or holds a template.
        CheckFailed: the engine panicked.
    """
    try:
        validation = _native(lambda: cedarpy.validate_policies(text, _schema()))
        if not validation.validation_passed or validation.errors:
            raise PolicyInvalid("; ".join(str(error) for error in validation.errors) or "not valid")
        policies = _native(lambda: cedarpy.PolicySet.from_str(text))
        source = json.loads(_native(lambda: cedarpy.policies_to_json_str(text)))
    except (ValueError, TypeError, RecursionError) as error:
        raise PolicyInvalid(f"the policy text does not parse: {error}") from error
    if source["templates"] or source["templateLinks"]:
        raise PolicyInvalid("templates (?principal, ?resource) are not used here")
    static = source["staticPolicies"]
    keys = sorted(static, key=lambda key: (len(key), key))  # policy0, policy1, … policy10
    rules = tuple(Rule(key, _annotations(static[key]), read_rule(static[key])) for key in keys)
    read = _read(rules)
    canonical = json.dumps([static[key] for key in keys], sort_keys=True, separators=(",", ":"))
    return Compiled(rules, canonical, read, policies, *_schema_of(read))


def _annotations(source: Mapping[str, Mapping[str, str | None]]) -> dict[str, str]:
    """What a rule's annotations say; ``@id`` without a value says nothing."""
    return {name: value or "" for name, value in source.get("annotations", {}).items()}


def _read(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Facts that any of the rules can read, in the schema's order."""
    read: set[str] = set()
    for rule in rules:
        found = reads(rule.term)
        read |= set(FACT_NAMES) if found is None else found
    return tuple(name for name in FACT_NAMES if name in read)


def authorise(compiled: Compiled, context: str) -> Verdict:
    """Evaluate the operator's rules for one person.

    Args:
        compiled: From :func:`compile_text`.
        context: JSON from :func:`consent_edit.policy.context.contexts`, holding ``compiled.reads``.

    Raises:
        CheckFailed: the engine raised, panicked, reported any error, or came to no decision. Never an Allow.
    """
    request = {"principal": _PRINCIPAL, "action": _ACTION, "resource": _RESOURCE, "context": context}
    started = time.thread_time()
    try:
        result = _native(
            lambda: cedarpy.is_authorized(
                request, compiled._policies, compiled._entities, schema=compiled._schema
            )
        )
        errors, decided = result.diagnostics.errors, result.decision
        allowed, reasons = result.allowed, tuple(str(key) for key in result.diagnostics.reasons)
    except ConsentEditError:
        raise
    except Exception as error:
        raise CheckFailed("the policy engine raised", code="check.policy-engine-failed") from error
    if not 0 <= time.thread_time() - started <= EVALUATION_LIMIT_S:
        raise CheckFailed("the policy engine took too long", code="check.policy-engine-failed")
    if errors:
        raise CheckFailed("a policy rule could not be evaluated", code="check.policy-engine-failed")
    if decided not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
        raise CheckFailed("the policy engine came to no decision", code="check.policy-engine-failed")
    # 5. The engine names determining rules in no fixed order; the order of the text is one (G9).
    determining = tuple(rule.key for rule in compiled.rules if rule.key in reasons)
    if len(determining) != len(reasons):
        raise CheckFailed("the policy engine named an unknown rule", code="check.policy-engine-failed")
    return Verdict(allowed=allowed is True, determining=determining)
