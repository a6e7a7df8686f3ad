"""The mirror, floor.cedar, rule by rule, and what the engine says of each beside a permit-all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from consent_edit.errors import CheckFailed
from consent_edit.policy.digests import MIRROR_FILE
from consent_edit.policy.engine import Compiled, authorise, compile_text
from consent_edit.policy.points import Point
from consent_edit.policy.terms import RuleTerm

_PERMIT_ALL: Final = '\n@id("permit-all") permit (principal, action, resource);'
_RULE_START: Final = re.compile(r"^(?=@id\()", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror of the floor.

    Attributes:
        rules: Its rules, in the order of the text.
        alone: Each rule's id with the rule compiled alone, beside a permit-all.
        whole: All of them, beside a permit-all.
    """

    rules: tuple[RuleTerm, ...]
    alone: tuple[tuple[str, Compiled], ...]
    whole: Compiled

    def fires(self, rule: str) -> Callable[[Point], bool]:
        """Whether the engine forbids by that rule; an answer that is not clean raises."""
        compiled = dict(self.alone)[rule]
        known: dict[str, bool] = {}

        def asked(point: Point) -> bool:
            context = point.context(compiled.reads)
            if context not in known:
                known[context] = not authorise(compiled, context).allowed
            return known[context]

        return asked

    def refusals(self, context: str) -> tuple[str, ...]:
        """Ids of the rules by which the engine forbids a whole context."""
        verdict = authorise(self.whole, context)
        if verdict.allowed:
            return ()
        named = {rule.key: rule.term.id for rule in self.whole.rules}
        return tuple(named[key] for key in verdict.determining)


def mirror_of(text: str) -> Mirror:
    """Take a mirror's text apart.

    Raises:
        CheckFailed: cut into its rules it is not the same text any more.
        PolicyInvalid: it is no valid policy text.
    """
    whole = compile_text(text + _PERMIT_ALL)
    rules = tuple(rule.term for rule in whole.rules[:-1])
    alone = [compile_text(part + _PERMIT_ALL) for part in _RULE_START.split(text)[1:]]
    if tuple(compiled.rules[0].term for compiled in alone) != rules:
        raise CheckFailed("floor.cedar: every rule begins a line with its @id")
    return Mirror(rules, tuple((c.rules[0].term.id, c) for c in alone), whole)


@cache
def the_mirror() -> Mirror:
    """The mirror that ships."""
    return mirror_of(MIRROR_FILE.read_text(encoding="utf-8"))
