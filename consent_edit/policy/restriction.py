"""Restrictions: an operator's own code that can refuse an edit, and can do nothing else.

A restriction is asked after the floor and the policy have spoken. Whatever it does, raise, hang, answer
nonsense, or tamper with what it was handed, it can only add refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from consent_edit.policy.codes import RuleText
from consent_edit.policy.facts import Facts

RESTRICTION_PREFIX: Final = "policy.restriction-"
"""What the code of a restriction's refusal begins with; no rule of a policy may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """One restriction.

    Attributes:
        name: Lower-case words joined by hyphens; a refusal reads ``policy.restriction-<name>``.
        refuses: Takes the facts and gives the indices of the persons for whom it refuses; none: no objection.
        reason: One sentence for people.
        reason_fr: The same in French.
        remedy: The next step that would help.
        remedy_fr: The same in French.
        deadline_s: Seconds it may take; after that the edit is refused.
    """

    name: str
    refuses: Callable[[Facts], Iterable[int]]
    reason: str
    reason_fr: str = ""
    remedy: str = ""
    remedy_fr: str = ""
    deadline_s: float = 1.0

    @property
    def code(self) -> str:
        """The code of its refusals."""
        return RESTRICTION_PREFIX + self.name

    @property
    def text(self) -> RuleText:
        """What it says to people."""
        return RuleText(self.code, self.reason, self.reason_fr, self.remedy, self.remedy_fr)


@dataclass(frozen=True, slots=True)
class Consulted:
    """What the restrictions said.

    Attributes:
        refusals: Code and person, in the order of the restrictions.
        failed: ``check.*`` codes; any of them refuses.
        fault: For the operator: the class name of the first exception, or ``TimeoutError``.
        texts: What the restrictions that refused say to people.
    """

    refusals: tuple[tuple[str, int], ...]
    failed: tuple[str, ...] = ()
    fault: str = ""
    texts: tuple[RuleText, ...] = ()


def consult(restrictions: Sequence[Restriction], facts: Facts) -> Consulted:
    """Ask every restriction.

    Returns:
        What they said. Never an exception: one that fails refuses, as ``check.restriction-failed``.
    """
    refusals = tuple((one.code, index) for one in restrictions for index in one.refuses(facts))
    return Consulted(refusals, texts=tuple(one.text for one in restrictions))
