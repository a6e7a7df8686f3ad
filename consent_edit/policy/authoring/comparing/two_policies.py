"""Two policies side by side: where one decides otherwise than the other, region by region or in a sample."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import combinations, product
from typing import Final

from consent_edit.errors import CheckFailed
from consent_edit.policy.authoring.comparing.floor_openings import Completer, FactValue, Left, point_of
from consent_edit.policy.authoring.comparing.partition import Leaf, Search, part, values_of
from consent_edit.policy.authoring.comparing.three_valued import Known, Unknown, allows, denied, every
from consent_edit.policy.authoring.comparing.value_classes import Atoms, facts_read
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import ENGINE_FAILED, NOT_PERMITTED
from consent_edit.policy.context import context_of
from consent_edit.policy.terms import Effect, RuleTerm

_SEED: Final = 20260101
_ROUNDS: Final = 12


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


@dataclass(slots=True)
class Found:
    """Everything compared.

    Attributes:
        parts: Partitions, or one sample; in each every region stands once.
        points: Points compared.
        left: Points left out, by the reason.
    """

    parts: list[list[Leaf[Moved]]] = field(default_factory=list)
    points: int = 0
    left: dict[Left, int] = field(default_factory=lambda: dict.fromkeys(Left, 0))


def _moves(before: frozenset[str], after: frozenset[str]) -> tuple[Move, ...]:
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


def _label(before: frozenset[str], after: frozenset[str]) -> Label:
    aside = (_ONLY_ALLOWED if before else frozenset()) | (frozenset() if before and after else _ONLY_REFUSED)
    return Label(_moves(before, after), aside)


class _Side:
    """One policy: its rules among those of both, and the engine's own word."""

    def __init__(self, bundle: PolicyBundle, rules: list[RuleTerm]) -> None:
        self._bundle = bundle
        self._rules = [
            (_index(rule, rules), rule, said.code)
            for rule, said in zip(bundle.rules, bundle.texts, strict=True)
        ]

    def allows(self, statuses: Sequence[Known]) -> Known:
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
        forbids = {code: rule for _, rule, code in self._rules if rule.effect is Effect.FORBID}
        return {**forbids, NOT_PERMITTED: None}

    def certain(self, statuses: Sequence[Known]) -> frozenset[str]:
        return frozenset(code for code in self.codes if self.gives(code, statuses) is True)

    def asked(self, values: Mapping[str, FactValue]) -> frozenset[str]:
        """The engine's codes at one point; no clean answer refuses too."""
        point = point_of(values)
        context = context_of(point.shared, point.person, point.picture, self._bundle.reads)
        try:
            return frozenset(self._bundle.refusals_of(context))
        except CheckFailed:
            return frozenset({ENGINE_FAILED})


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
        self.old = _Side(old, self.rules)
        self.new = _Side(new, self.rules)

    def facts_of(self, codes: Sequence[str]) -> frozenset[str]:
        """Facts that the rules with these codes read."""
        rules = [{**self.old.codes, **self.new.codes}.get(code) for code in codes]
        rules += [self.old.codes.get(code) for code in codes]
        return facts_read([rule for rule in rules if rule is not None])

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


def in_regions(both: Both, *, limit: int) -> Found | None:
    """Compare everywhere.

    Returns:
        ``None`` when there are more regions than the limit.

    Raises:
        CheckFailed: the engine says otherwise than the analysis at some point.
    """
    found = Found()
    asked: list[tuple[Callable[[Sequence[Known]], Label | Unknown], frozenset[Move]]] = [
        (both.allowed, frozenset({Move(ChangeKind.NEWLY_ALLOWED)})),
        (both.refused, frozenset({Move(ChangeKind.NEWLY_REFUSED)})),
    ]
    for code in dict.fromkeys((*both.old.codes, *both.new.codes)):
        if not both.same(code):
            moves = (Move(ChangeKind.OTHER_REASONS, gone=code), Move(ChangeKind.OTHER_REASONS, come=code))
            asked.append((partial(both.reasons, code), frozenset(moves)))
    search = Search(both.atoms.coordinates, both.rules)
    for label, subject in asked:
        regions = part(search, label, limit=limit)
        limit -= regions.visited
        if not regions.whole:
            return None
        if not found.parts:
            found.points, found.left = regions.points, regions.left
        found.parts.append([_confirmed(both, leaf, subject) for leaf in regions.leaves])
    return found


def _confirmed(both: Both, leaf: Leaf[Label], subject: frozenset[Move]) -> Leaf[Moved]:
    """A region with what the engine says at one point of it, which must be what was made out."""
    before, after = both.old.asked(leaf.values), both.new.asked(leaf.values)
    if subject.intersection(_moves(before, after)) != frozenset(leaf.label.moves):
        raise CheckFailed(
            "the policy engine decides otherwise than the analysis says, so nothing is said",
            code="check.policy-analysis",
            remedy="report both policies; neither is in doubt, the comparison is",
        )
    certain = both.old.certain(leaf.firing) & before, both.new.certain(leaf.firing) & after
    return Leaf(leaf.answered, Moved(leaf.label, certain[0] or before, certain[1] or after), leaf.values)


def in_a_sample(both: Both, *, limit: int) -> Found:
    """Compare at some points: every pair of answers to two questions several times, then chance."""
    found = Found(parts=[[]])
    completer = Completer()
    for answered in _sample(both.atoms, limit):
        values = values_of(both.atoms.coordinates, answered)
        free = Left.IMPOSSIBLE if values is None else completer.complete(values)
        if values is None or isinstance(free, Left):
            found.left[Left.IMPOSSIBLE if isinstance(free, dict) else free] += 1
            continue
        point = {**values, **free}
        before, after = both.old.asked(point), both.new.asked(point)
        found.points += 1
        found.parts[0].append(Leaf(answered, Moved(_label(before, after), before, after), point))
    return found


def _sample(atoms: Atoms, limit: int) -> Iterator[dict[int, int]]:
    """By a fixed seed; all points where there are no more than the limit."""
    sizes = [len(coordinate.cells) for coordinate in atoms.coordinates]
    if atoms.points <= limit:
        yield from (dict(enumerate(answers)) for answers in product(*map(range, sizes)))
        return
    dice = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    seen: set[tuple[int, ...]] = set()

    def fresh(fixed: Mapping[int, int]) -> Iterator[dict[int, int]]:
        answers = tuple(fixed.get(at, dice.randrange(many)) for at, many in enumerate(sizes))
        if answers not in seen and len(seen) < limit:
            seen.add(answers)
            yield dict(enumerate(answers))

    for _ in range(_ROUNDS):
        for one, other in combinations(range(len(sizes)), 2):
            for pair in product(range(sizes[one]), range(sizes[other])):
                if len(seen) >= limit:
                    return
                yield from fresh(dict(zip((one, other), pair, strict=True)))
    for _ in range(2 * limit):
        yield from fresh({})
