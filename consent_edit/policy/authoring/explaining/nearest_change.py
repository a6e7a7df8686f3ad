"""The nearest change that would make a refused edit allowed: fewest facts first, then the easiest to change.

A rule's verdict depends on the facts it reads alone. So whatever set of changes heals a decision must change
a fact that some still broken rule reads; branching on one broken rule at a time misses no smallest set.
Nothing is ever suggested that hides somebody or something from the checks: kind and recognisability stay.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from itertools import combinations, count
from typing import Any, Final, TypeAlias

from consent_edit.errors import CheckFailed
from consent_edit.policy.authoring.comparing.value_classes import facts_read
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import NOT_PERMITTED
from consent_edit.policy.facts import Facts, PersonFacts
from consent_edit.policy.floor import FloorRule, judge, recognisable_face
from consent_edit.policy.terms import Effect, Word, walk
from consent_edit.vocabulary import (
    WHOLE_PICTURE_OPERATIONS,
    Age,
    Assurance,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    NamedPerson,
    Operation,
    PhotoBinding,
)

Wanted: TypeAlias = StrEnum | frozenset[Any]

MAX_PERSONS: Final = 100
"""Among more nothing is searched: what one variant costs grows with the square of the crowd."""

BUDGET: Final = 3_000
"""Variants decided at most; about a second."""

_MANY_OPERATIONS: Final = 4


class Whose(IntEnum):
    """Who can bring a change about, the easiest first; the number is its cost."""

    REQUESTER = 1
    OPERATOR = 20
    DEPICTED = 100
    PICTURE = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """One fact as it would have to be.

    Attributes:
        person: Index of the person; -1 for a fact that everybody shares.
        fact: Which.
        word: A word, or a set of them.
        whose: Who can bring it about.
        cost: Among changes of equal number, the cheaper is the nearer.
    """

    person: int
    fact: str
    word: Wanted
    whose: Whose
    cost: int


@dataclass(frozen=True, slots=True)
class Nearest:
    """What was found.

    Attributes:
        changes: The smallest set that makes the edit allowed; none when it is allowed, or none was found.
        allowed: Whether nothing needs to change.
        found: Whether these changes, or none at all, make it allowed.
        searched: Whether every smaller set was ruled out; false when the budget ran out.
    """

    changes: tuple[Change, ...]
    allowed: bool
    found: bool
    searched: bool

    @property
    def another_picture(self) -> bool:
        """Whether it takes another picture or another edit, because no consent or setting would do."""
        return not self.found or any(change.whose is Whose.PICTURE for change in self.changes)

    @property
    def only_picture(self) -> bool:
        """Whether nothing but the picture or the edit would have to be another."""
        return all(change.whose is Whose.PICTURE for change in self.changes)


_FLOOR_READS: Final[dict[FloorRule, frozenset[str]]] = {
    FloorRule.CHECKS_INCOMPLETE: frozenset({"checks"}),
    FloorRule.CONSENT_REQUIRED: frozenset({"consent", "assurance", "environment"}),
    FloorRule.HANDS_OFF: frozenset({"touched", "operations"}),
    FloorRule.NUDITY_OF_REAL_PERSON: frozenset({"exposure"}),
    FloorRule.SEXUAL_INTENT: frozenset({"intent", "operations"}),
    FloorRule.SEXUALISED_MINOR: frozenset({"stage", "picture"}),
    FloorRule.FOREIGN_IDENTITY: frozenset({"stage", "consent", "identity_kept"}),
    FloorRule.PHOTO_REQUIRED: frozenset({"photo", "operations", "picture"}),
}
"""What each rule of the floor reads, as far as it can be changed."""

_OF_THE_PICTURE: Final = frozenset(
    {"age", "consent", "exposure", "exposure_change", "intent", "touched", "granted"}
)
"""Facts of every person that the picture's sums depend on."""


def candidates(facts: Facts, bundle: PolicyBundle) -> tuple[Change, ...]:
    """Every single change that may ever be suggested."""
    named = _operations_named(bundle)
    found = [*_shared(facts, named)]
    for index, person in enumerate(facts.persons):
        found.extend(_personal(index, person, facts, named))
    return tuple(found)


def _operations_named(bundle: PolicyBundle) -> frozenset[Operation]:
    """Those that a rule names; comments and sentences name none."""
    terms = (term for rule in bundle.rules for condition in rule.conditions for term in walk(condition))
    return frozenset(
        Operation(term.id) for term in terms if isinstance(term, Word) and term.type == Operation.__name__
    )


def _shared(facts: Facts, named: frozenset[Operation]) -> Iterator[Change]:
    if facts.checks is not Checks.COMPLETE:
        yield Change(-1, "checks", Checks.COMPLETE, Whose.OPERATOR, Whose.OPERATOR)
    if facts.environment is not Environment.PRODUCTION:
        yield Change(-1, "environment", Environment.PRODUCTION, Whose.OPERATOR, Whose.OPERATOR)
    asked = sorted(facts.operations)
    sizes = range(1, len(asked)) if len(asked) <= _MANY_OPERATIONS else (1, len(asked) - 1)
    fewer = [frozenset(kept) for size in sizes for kept in combinations(asked, size)]
    others = [frozenset({one}) for one in sorted(named | WHOLE_PICTURE_OPERATIONS)]
    for cost, kept in enumerate(dict.fromkeys((*sorted(fewer, key=lambda kept: -len(kept)), *others))):
        if kept != facts.operations:
            yield Change(-1, "operations", kept, Whose.REQUESTER, Whose.REQUESTER * 2 + cost)


def _personal(index: int, person: PersonFacts, facts: Facts, named: frozenset[Operation]) -> Iterator[Change]:
    """Changes of one person's facts; consent is asked only of somebody who can be recognised."""
    wanted: list[tuple[str, Wanted, Whose, int]] = [
        ("intent", Intent.ORDINARY, Whose.REQUESTER, 0),
        ("named_person", NamedPerson.NONE, Whose.REQUESTER, 0),
        ("exposure", Exposure.NONE, Whose.PICTURE, 1),
        ("exposure", Exposure.SUGGESTIVE, Whose.PICTURE, 0),
        ("exposure_change", ExposureChange.NONE, Whose.PICTURE, 0),
        ("touched", frozenset(), Whose.PICTURE, 0),
        ("identity_kept", IdentityKept.ALTERED, Whose.PICTURE, 0),
        ("identity_kept", IdentityKept.SAME, Whose.PICTURE, 1),
    ]
    if recognisable_face(person):
        wanted += [
            ("consent", ConsentStatus.VERIFIED, Whose.DEPICTED, 0),
            ("photo", PhotoBinding.EXACT, Whose.DEPICTED, 0),
            ("age", Age.ADULT, Whose.PICTURE, 0),
            ("named_person", NamedPerson.COVERED, Whose.DEPICTED, 1),
        ]
        levels = [level for level in Assurance if level.at_least(Assurance.LOW)]
        wanted += [
            ("assurance", level, Whose.DEPICTED, level.rank)
            for level in levels
            if level.rank > person.assurance.rank
        ]
        wider = [facts.operations, *(frozenset({one}) for one in sorted(named | facts.operations))]
        wanted += [
            ("granted", person.granted | more, Whose.DEPICTED, len(more - person.granted)) for more in wider
        ]
    for fact, word, whose, extra in dict.fromkeys(wanted):
        known = getattr(person, fact)
        less_exposed = word is Exposure.SUGGESTIVE and known is Exposure.NONE
        less_kept = word is IdentityKept.ALTERED and known is IdentityKept.SAME
        if word != known and not less_exposed and not less_kept:
            yield Change(index, fact, word, whose, whose + extra)


def applied(facts: Facts, changes: Sequence[Change]) -> Facts:
    """The facts with these changes made."""
    shared: dict[str, Any] = {change.fact: change.word for change in changes if change.person < 0}
    persons = list(facts.persons)
    for change in changes:
        if change.person >= 0:
            own: dict[str, Any] = {change.fact: change.word}
            persons[change.person] = replace(persons[change.person], **own)
    return replace(facts, persons=tuple(persons), **shared)


class _Search:
    """Best-first over sets of changes."""

    def __init__(self, facts: Facts, bundle: PolicyBundle, budget: int) -> None:
        self._facts = facts
        self._bundle = bundle
        self._left = budget
        self._reads = _rules_read(bundle)

    def nearest(self, allowed: Sequence[Change]) -> Nearest:
        """The smallest set of the given changes that heals, cheapest first among those of one size."""
        tie = count()
        queue: list[tuple[int, int, int, frozenset[Change]]] = [(0, 0, next(tie), frozenset())]
        seen: set[frozenset[Change]] = {frozenset()}
        while queue:
            if self._left <= 0:
                return Nearest((), allowed=False, found=False, searched=False)
            size, cost, _, made = heapq.heappop(queue)
            self._left -= 1
            broken = self._broken(applied(self._facts, tuple(made)))
            if not broken:
                ordered = sorted(made, key=lambda one: (one.cost, one.person, one.fact))
                return Nearest(tuple(ordered), allowed=not made, found=True, searched=True)
            for change in self._branches(broken, made, allowed):
                more = made | {change}
                if more not in seen:
                    seen.add(more)
                    heapq.heappush(queue, (size + 1, cost + change.cost, next(tie), more))
        return Nearest((), allowed=False, found=False, searched=True)

    def _broken(self, facts: Facts) -> list[tuple[int, frozenset[str]]]:
        """For every finding, whom it fell on and which facts it reads."""
        found = [(finding.person, _FLOOR_READS[finding.rule]) for finding in judge(facts)]
        try:
            refused = self._bundle.refusals(facts)
        except CheckFailed:
            return [*found, (-1, frozenset(self._bundle.reads))]
        return [*found, *((person, self._reads[code]) for code, person in refused)]

    def _branches(
        self, broken: Sequence[tuple[int, frozenset[str]]], made: frozenset[Change], allowed: Sequence[Change]
    ) -> list[Change]:
        """Changes that can heal one finding: that of the fewest."""
        done = {(change.person, change.fact) for change in made}
        fresh = [change for change in allowed if (change.person, change.fact) not in done]
        each = [[change for change in fresh if _touches(change, *finding)] for finding in broken]
        return min(each, key=len)


def _touches(change: Change, person: int, read: frozenset[str]) -> bool:
    """Whether a change of this fact can reach a rule that fell on this person; -1 is everybody."""
    if change.person < 0:
        return change.fact in read
    if "picture" in read and change.fact in _OF_THE_PICTURE:
        return True
    return change.fact in read and person in (-1, change.person)


def _rules_read(bundle: PolicyBundle) -> dict[str, frozenset[str]]:
    """What each of the operator's rules reads; the picture's sums by one name."""
    reads: dict[str, frozenset[str]] = {}
    permits: set[str] = set()
    for rule, said in zip(bundle.rules, bundle.texts, strict=True):
        own = frozenset(fact.partition(".")[0] for fact in facts_read([rule]))
        reads[said.code] = own
        if rule.effect is Effect.PERMIT:
            permits |= own
    return {**reads, NOT_PERMITTED: frozenset(permits)}


def nearest_change(facts: Facts, bundle: PolicyBundle, *, budget: int = BUDGET) -> Nearest:
    """Find the nearest change under which floor and policy allow the edit.

    What the requester, the operator or the person depicted can bring about is looked at first, and anything
    of the picture itself only where that does not do.

    Args:
        facts: What was decided on.
        bundle: The operator's policy.
        budget: Variants decided at most.
    """
    if len(facts.persons) > MAX_PERSONS:
        return Nearest((), allowed=False, found=False, searched=False)
    every = candidates(facts, bundle)
    search = _Search(facts, bundle, budget)
    within_reach = search.nearest([change for change in every if change.whose is not Whose.PICTURE])
    if within_reach.found or not within_reach.searched:
        return within_reach
    return search.nearest(every)
