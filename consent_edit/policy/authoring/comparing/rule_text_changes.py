"""What became of the rules' text between two policies, rule by rule; no more than that."""

from __future__ import annotations

from dataclasses import dataclass

from consent_edit.policy.bundle import PolicyBundle


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """Codes of rules, by what became of them.

    Attributes:
        added: Only in the new policy.
        removed: Only in the old one.
        changed: In both, doing something else or under other conditions as written.
        reworded: In both and doing the same, but saying something else to people.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    reworded: tuple[str, ...]


def rule_changes(old: PolicyBundle, new: PolicyBundle) -> RuleChanges:
    """Compare two policies rule by rule; their order, spaces and comments play no part."""
    before = {said.code: (rule, said) for rule, said in zip(old.rules, old.texts, strict=True)}
    after = {said.code: (rule, said) for rule, said in zip(new.rules, new.texts, strict=True)}
    both = [code for code in before if code in after]
    changed = tuple(code for code in both if before[code][0] != after[code][0])
    return RuleChanges(
        added=tuple(code for code in after if code not in before),
        removed=tuple(code for code in before if code not in after),
        changed=changed,
        reworded=tuple(c for c in both if c not in changed and before[c][1] != after[c][1]),
    )
