"""Reason codes: their families, their order and the few that policy itself gives.

Codes are stable: scripts, records and receipts rely on the very words. ``floor.*`` are the members of
:class:`~consent_edit.policy.floor.FloorRule`; ``consent.*`` name a consent status, ``check.*`` a check and
what became of it, ``policy.*`` the ``@id`` of the operator's rule, ``input.*`` what was wrong with a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from consent_edit.errors import ArgumentRejected
from consent_edit.policy.floor import FloorRule
from consent_edit.vocabulary import CheckName, CheckOutcome, ConsentStatus

FAMILIES: Final = ("floor", "consent", "check", "policy", "input")
"""The families in the order in which a decision lists them."""

CONSENT_REQUIRED: Final = "consent.required"
"""What every consent code reads to the requester (G7)."""

ASSURANCE_INSUFFICIENT: Final = "consent.assurance_insufficient"
"""Verified consent, from an issuer below ``low``, or a simulated one outside the demo."""

NOT_PERMITTED: Final = "policy.not-permitted"
"""A denial that no rule of the operator's determined: nothing permitted the edit."""

ENGINE_FAILED: Final = "check.policy-engine-failed"
"""The decision itself could not be taken."""

RESTRICTION_FAILED: Final = "check.restriction-failed"
"""A restriction of the operator's raised, hung or answered nonsense."""

_CODE: Final = re.compile(r"(?:floor|consent|check|policy|input)\.[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule of the operator's says to people; empty where its author wrote nothing.

    Attributes:
        code: ``policy.<id>``.
        reason: One sentence, in the author's language.
        reason_fr: The same in French.
        remedy: The next step that would help.
        remedy_fr: The same in French.
    """

    code: str
    reason: str = ""
    reason_fr: str = ""
    remedy: str = ""
    remedy_fr: str = ""


def consent_code(status: ConsentStatus) -> str:
    """The exact code of a consent status, such as ``consent.absent``."""
    return f"consent.{status.value}"


def check_code(name: CheckName, outcome: CheckOutcome) -> str:
    """The code of a check without an answer, such as ``check.face-detection-timed_out``."""
    return f"check.{name.value}-{outcome.value}"


def policy_code(rule_id: str) -> str:
    """The code of an operator's rule, from its ``@id``."""
    return f"policy.{rule_id}"


def family(code: str) -> str:
    """The part before the first dot."""
    return code.partition(".")[0]


def ordered(codes: Iterable[str]) -> tuple[str, ...]:
    """Codes without repeats: families in their order, the floor's rules in theirs, the rest as they came.

    Raises:
        ArgumentRejected: something that is no code of a known family.
    """
    unique = tuple(dict.fromkeys(codes))
    for code in unique:
        if _CODE.fullmatch(code) is None:
            raise ArgumentRejected("a reason code needs a known family and a name", code="input.code")
    return tuple(sorted(unique, key=_rank))


def _rank(code: str) -> tuple[int, int]:
    """Family first; within the floor, the order of its rules."""
    rules = [rule.value for rule in FloorRule]
    return FAMILIES.index(family(code)), rules.index(code) if code in rules else len(rules)


def known_codes() -> tuple[str, ...]:
    """Every code that can be listed without knowing an operator's policy or a file."""
    return (
        *(rule.value for rule in FloorRule),
        CONSENT_REQUIRED,
        *(consent_code(status) for status in ConsentStatus if status is not ConsentStatus.VERIFIED),
        ASSURANCE_INSUFFICIENT,
        *(
            check_code(name, outcome)
            for name in CheckName
            for outcome in CheckOutcome
            if outcome is not CheckOutcome.RAN
        ),
        ENGINE_FAILED,
        RESTRICTION_FAILED,
        NOT_PERMITTED,
    )
