"""The Cedar engine behind two functions, compile a text and authorise a context: the only import of cedarpy.

What may go wrong inside must come out as a refusal. Five traps, each with a test:

1. A ``forbid`` that errors is skipped and the answer is Allow. So every fact lives in a required ``context``,
   text is validated strictly, and any ``diagnostics.errors`` raises.
2. There is a third answer, NoDecision. Only ``.allowed`` counts.
3. Parsed policies are named by position (``policy0``), so sets are never merged; ``@id`` names a rule.
4. A panic in native code is no ``Exception``. It is caught by name and raises like any other failure.
5. Determining rules come in no fixed order, which would make equal decisions differ. They are put in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import cedarpy

from consent_edit.errors import CheckFailed, ConsentEditError, PolicyInvalid

_SCHEMA_FILE: Final = Path(__file__).with_name("consent_edit.cedarschema")
_PRINCIPAL: Final = {"type": "Requester", "id": "requester"}
_ACTION: Final = {"type": "Action", "id": "edit"}
_RESOURCE: Final = {"type": "Person", "id": "depicted"}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of a text as its author wrote it.

    Attributes:
        key: The engine's own name, by position.
        effect: ``permit`` or ``forbid``.
        annotations: ``@name("value")`` pairs.
    """

    key: str
    effect: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A policy text that parsed and validates against the schema.

    Attributes:
        rules: Its policies, in the order of the text.
    """

    rules: tuple[Rule, ...]
    _policies: object = field(repr=False)


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


@cache
def _entities() -> object:
    return cedarpy.Entities.from_json_str("[]", _schema())


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
        nodes = _native(policies.to_pst)
    except (ValueError, TypeError) as error:
        raise PolicyInvalid(f"the policy text does not parse: {error}") from error
    if nodes.templates or nodes.template_links:
        raise PolicyInvalid("templates (?principal, ?resource) are not used here")
    keys = sorted(nodes.static_policies, key=lambda key: (len(key), key))  # policy0, policy1, … policy10
    found = ((key, nodes.static_policies[key]) for key in keys)
    rules = tuple(Rule(key, str(node.effect), dict(node.annotations)) for key, node in found)
    return Compiled(rules, policies)


def authorise(compiled: Compiled, context: str) -> Verdict:
    """Evaluate the operator's rules for one person.

    Args:
        compiled: From :func:`compile_text`.
        context: JSON from :func:`consent_edit.policy.context.contexts`.

    Raises:
        CheckFailed: the engine raised, panicked, reported any error, or came to no decision. Never an Allow.
    """
    request = {"principal": _PRINCIPAL, "action": _ACTION, "resource": _RESOURCE, "context": context}
    try:
        result = _native(
            lambda: cedarpy.is_authorized(request, compiled._policies, _entities(), schema=_schema())
        )
        errors, decided = result.diagnostics.errors, result.decision
        allowed, reasons = result.allowed, tuple(str(key) for key in result.diagnostics.reasons)
    except ConsentEditError:
        raise
    except Exception as error:
        raise CheckFailed("the policy engine raised", code="check.policy-engine-failed") from error
    if errors:
        raise CheckFailed("a policy rule could not be evaluated", code="check.policy-engine-failed")
    if decided not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
        raise CheckFailed("the policy engine came to no decision", code="check.policy-engine-failed")
    # 5. The engine names determining rules in no fixed order; the order of the text is one (G9).
    determining = tuple(rule.key for rule in compiled.rules if rule.key in reasons)
    if len(determining) != len(reasons):
        raise CheckFailed("the policy engine named an unknown rule", code="check.policy-engine-failed")
    return Verdict(allowed=allowed is True, determining=determining)
