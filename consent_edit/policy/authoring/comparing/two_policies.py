"""Two policies side by side: what each says of a region or a point, and what became of it between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consent_edit.errors import CheckFailed
from consent_edit.policy.authoring.comparing.floor_openings import filled
from consent_edit.policy.authoring.comparing.three_valued import Known, Unknown, allows, denied, every
from consent_edit.policy.authoring.comparing.value_classes import Atoms, facts_read
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import ENGINE_FAILED, NOT_PERMITTED
from consent_edit.policy.context import context_of, contexts
from consent_edit.policy.facts import Facts
from consent_edit.policy.points import FactValue
from consent_edit.policy.terms import Effect, RuleTerm


class ChangeKind(StrEnum):
    """What became of a decision."""

    NEWLY_ALLOWED = "newly_allowed"
    NEWLY_REFUSED = "newly_refused"
    OTHER_REASONS = "other_reasons"


@dataclass(frozen=True, slots=True)
class Move:
    """What became of it; where it stays refused, with the code that went or came."""

    kind: ChangeKind
    gone: str = ""
    come: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """What is so everywhere in a region.

    Attributes:
        moves: What became of it; none: nothing.
        aside: Kinds of change for which it is beside the point: newly refused can only be what was allowed,
            and other reasons there are only where both refuse.
    """

    moves: tuple[Move, ...] = ()
    aside: frozenset[ChangeKind] = frozenset()


@dataclass(frozen=True, slots=True)
class Moved:
    """A label, and the codes that both policies give for certain."""

    label: Label
    before: frozenset[str]
    after: frozenset[str]


_NOTHING: Final = Label()
_ONLY_ALLOWED: Final = frozenset({ChangeKind.NEWLY_REFUSED})
_ONLY_REFUSED: Final = frozenset({ChangeKind.OTHER_REASONS})


def moves_between(before: frozenset[str], after: frozenset[str]) -> tuple[Move, ...]:
    """What became of a point, by the codes given there; no codes: it is allowed."""
    if before == after:
        return ()
    if not after:
        return (Move(ChangeKind.NEWLY_ALLOWED),)
    if not before:
        return (Move(ChangeKind.NEWLY_REFUSED),)
    gone = (Move(ChangeKind.OTHER_REASONS, gone=code) for code in sorted(before - after))
    come = (Move(ChangeKind.OTHER_REASONS, come=code) for code in sorted(after - before))
    return (*gone, *come)


def label_of(before: frozenset[str], after: frozenset[str]) -> Label:
    """What is so of a point with these codes."""
    aside = (_ONLY_ALLOWED if before else frozenset()) | (frozenset() if before and after else _ONLY_REFUSED)
    return Label(moves_between(before, after), aside)


class Side:
    """One policy: its rules among those of both, and the engine's own word."""

    def __init__(self, bundle: PolicyBundle, rules: list[RuleTerm]) -> None:
        self._bundle = bundle
        self._said: dict[str, frozenset[str]] = {}
        self._rules = [
            (_index(rule, rules), rule, said.code)
            for rule, said in zip(bundle.rules, bundle.texts, strict=True)
        ]

    def allows(self, statuses: Sequence[Known]) -> Known:
        """Whether it allows."""
        return allows([(rule, statuses[at]) for at, rule, _ in self._rules])

    def gives(self, code: str, statuses: Sequence[Known]) -> Known:
        """Whether a code is given, if the decision is to refuse."""
        if code == NOT_PERMITTED:
            return every(denied(statuses[at]) for at, _, _ in self._rules)
        fires = [
            statuses[at] for at, rule, own in self._rules if own == code and rule.effect is Effect.FORBID
        ]
        return fires[0] if fires else False

    @property
    def codes(self) -> dict[str, RuleTerm | None]:
        """Every code it can give, with its rule if it has one."""
        forbids = {code: rule for _, rule, code in self._rules if rule.effect is Effect.FORBID}
        return {**forbids, NOT_PERMITTED: None}

    def certain(self, statuses: Sequence[Known]) -> frozenset[str]:
        """Codes given for sure, if the decision is to refuse."""
        return frozenset(code for code in self.codes if self.gives(code, statuses) is True)

    def refuses(self, facts: Facts) -> frozenset[str]:
        """The engine's codes for a whole picture."""
        return frozenset(code for one in contexts(facts, self._bundle.reads) for code in self._answer(one))

    def asked(self, values: Mapping[str, FactValue]) -> frozenset[str]:
        """The engine's codes at one point; no clean answer refuses too."""
        point = filled(values)
        return self._answer(context_of(point.shared, point.person, point.picture, self._bundle.reads))

    def _answer(self, context: str) -> frozenset[str]:
        if context not in self._said:
            try:
                self._said[context] = frozenset(self._bundle.refusals_of(context))
            except CheckFailed:
                self._said[context] = frozenset({ENGINE_FAILED})
        return self._said[context]


def _index(rule: RuleTerm, rules: list[RuleTerm]) -> int:
    """Where a rule stands; one that both policies have stands once."""
    if rule not in rules:
        rules.append(rule)
    return rules.index(rule)


class Both:
    """An old policy and a new one over what they can tell apart."""

    def __init__(self, old: PolicyBundle, new: PolicyBundle, atoms: Atoms) -> None:
        self.rules: list[RuleTerm] = []
        self.atoms = atoms
        self.old = Side(old, self.rules)
        self.new = Side(new, self.rules)

    def facts_of(self, codes: Sequence[str]) -> frozenset[str]:
        """Facts that the rules with these codes read."""
        rules = [{**self.old.codes, **self.new.codes}.get(code) for code in codes]
        rules += [self.old.codes.get(code) for code in codes]
        return facts_read([rule for rule in rules if rule is not None])

    def moves_of(self, facts: Facts) -> tuple[Move, ...]:
        """What becomes of a whole picture that the floor lets through."""
        return moves_between(self.old.refuses(facts), self.new.refuses(facts))

    def same(self, code: str) -> bool:
        """Whether a code can make no difference where both refuse: both have it from the same rule."""
        if code == NOT_PERMITTED:
            return self.old._rules == self.new._rules
        return self.old.codes.get(code) == self.new.codes.get(code)

    def allowed(self, statuses: Sequence[Known]) -> Label | Unknown:
        """Whether it is newly allowed; the new policy is asked first."""
        after = self.new.allows(statuses)
        before = self.old.allows(statuses) if after is True else True
        for unknown in (after, before):
            if isinstance(unknown, Unknown):
                return unknown
        return _NOTHING if before else Label((Move(ChangeKind.NEWLY_ALLOWED),))

    def refused(self, statuses: Sequence[Known]) -> Label | Unknown:
        """Whether it is newly refused; the old policy is asked first."""
        before = self.old.allows(statuses)
        if before is False:
            return Label(aside=_ONLY_ALLOWED)
        after = self.new.allows(statuses) if before is True else True
        for unknown in (before, after):
            if isinstance(unknown, Unknown):
                return unknown
        return _NOTHING if after else Label((Move(ChangeKind.NEWLY_REFUSED),))

    def reasons(self, code: str, statuses: Sequence[Known]) -> Label | Unknown:
        """Whether one code came or went where both refuse."""
        was, now = self.old.gives(code, statuses), self.new.gives(code, statuses)
        refused = every((denied(self.old.allows(statuses)), denied(self.new.allows(statuses))))
        if refused is False:
            return Label(aside=_ONLY_REFUSED)
        for unknown in (was, now):
            if isinstance(unknown, Unknown):
                return unknown
        if was == now:
            return _NOTHING
        if isinstance(refused, Unknown):
            return refused
        return Label((Move(ChangeKind.OTHER_REASONS, gone=code if was else "", come="" if was else code),))
