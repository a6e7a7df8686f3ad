"""Lints: what is valid in a policy and most likely not what its author means, each with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import RuleText
from consent_edit.policy.terms import (
    TRUE,
    Attribute,
    Binary,
    Effect,
    IfThenElse,
    Not,
    Operator,
    RuleTerm,
    Term,
    Value,
    Word,
    walk,
)

_REFUSED_ANYWAY: Final = frozenset(
    {
        Word("Checks", "incomplete"),
        Word("Exposure", "nude"),
        Word("Exposure", "explicit"),
        Word("Exposure", "undetermined"),
        Word("Intent", "sexual"),
    }
)
"""What the floor refuses at every stage, of everybody."""

_UNREAD: Final = "undetermined"
_BAD_WORDS: Final = frozenset(
    {
        Word("ExposureChange", "increased"),
        Word("Age", "minor"),
        Word("Region", "face"),
        Word("Region", "hair"),
        Word("Region", "body"),
    }
)
"""Values that a rule may mean to keep out, of the facts whose ``undetermined`` the floor lets through.

An unreadable exposure or identity the floor refuses itself, and an unreadable intent wherever a person may be
touched: a rule that names a bad value of these leaves nothing open.
"""


@dataclass(frozen=True, slots=True)
class Lint:
    """One thing that deserves a second look.

    Attributes:
        rule: The rule's ``@id``; empty for the policy as a whole.
        message: What is most likely not meant.
        remedy: The next step.
    """

    rule: str
    message: str
    remedy: str


def lint(bundle: PolicyBundle, *, tested: bool, narrowing: bool = False) -> tuple[Lint, ...]:
    """Everything about a valid policy that deserves a second look.

    Args:
        bundle: The policy.
        tested: Whether it has a test file.
        narrowing: Whether it is there to be laid over others, and so need not permit anything.

    Returns:
        Warnings, those of the whole policy first, then rule by rule in the order of the text.
    """
    return (*_of_the_whole(bundle, tested, narrowing), *_of_the_rules(bundle))


def _of_the_whole(bundle: PolicyBundle, tested: bool, narrowing: bool) -> Iterator[Lint]:
    if not narrowing and all(rule.effect is Effect.FORBID for rule in bundle.rules):
        yield Lint(
            "",
            "no rule permits anything, so every edit is refused",
            "add a permit; only a jurisdiction, laid over a policy, does without one",
        )
    if not tested:
        yield Lint(
            "",
            "there is no test file beside it",
            "write tests/NAME.test.yaml; consent-edit policy new makes one to start from",
        )


def _of_the_rules(bundle: PolicyBundle) -> Iterator[Lint]:
    unread = _minds_what_is_unread(bundle.rules)
    for index, (rule, said) in enumerate(zip(bundle.rules, bundle.texts, strict=True)):
        yield from _words(rule, said)
        yield from _floor_says_so(rule)
        yield from _slips_through(rule, unread)
        yield from _never(rule)
        yield from _shadowed(bundle.rules, index)


def _words(rule: RuleTerm, said: RuleText) -> Iterator[Lint]:
    if not said.reason_fr or (said.remedy and not said.remedy_fr):
        yield Lint(
            rule.id,
            "it does not say everything in French",
            "add @reason_fr, and @remedy_fr beside every @remedy",
        )
    if rule.effect is Effect.FORBID and not said.remedy:
        yield Lint(rule.id, "it refuses without a next step", "add @remedy and @remedy_fr")


def _floor_says_so(rule: RuleTerm) -> Iterator[Lint]:
    if rule.effect is not Effect.PERMIT:
        return
    for word in sorted(_stated(rule) & _REFUSED_ANYWAY, key=str):
        yield Lint(
            rule.id,
            f'it permits {word.type}::"{word.id}"; the floor refuses this whatever a policy says',
            "take the value out; nothing a policy says can let it through",
        )


def _minds_what_is_unread(rules: tuple[RuleTerm, ...]) -> frozenset[str]:
    """Types whose ``undetermined`` some forbid names itself."""
    forbids = (rule for rule in rules if rule.effect is Effect.FORBID)
    return frozenset(word.type for rule in forbids for word in _stated(rule) if word.id == _UNREAD)


def _slips_through(rule: RuleTerm, minded: frozenset[str]) -> Iterator[Lint]:
    if rule.effect is not Effect.FORBID:
        return
    types = {word.type for word in _stated(rule) & _BAD_WORDS} - minded
    for name in sorted(types):
        yield Lint(
            rule.id,
            f'it names a bad value, so {name}::"{_UNREAD}" slips through',
            "forbid unless the value is a good one, instead of when it is a bad one",
        )


def _never(rule: RuleTerm) -> Iterator[Lint]:
    """Only what is certain: a false condition, one beside its opposite, one fact with two values."""
    conjuncts = _conjuncts(rule)
    values: dict[Term, Word] = {}
    never = Value(False) in conjuncts or any(Not(term) in conjuncts for term in conjuncts)
    for term in conjuncts:
        match term:
            case Binary(Operator.EQUAL, Attribute() as fact, Word() as word) | Binary(
                Operator.EQUAL, Word() as word, Attribute() as fact
            ):
                never = never or values.setdefault(fact, word) != word
    if never:
        yield Lint(rule.id, "it can never apply", "its conditions contradict each other; take it out")


def _shadowed(rules: tuple[RuleTerm, ...], index: int) -> Iterator[Lint]:
    """A rule is idle when another of its effect asks for less and for nothing else."""
    mine = _conjuncts(rules[index])
    for other, rule in enumerate(rules):
        theirs = _conjuncts(rule)
        wider = theirs < mine or (theirs == mine and other < index)
        if other != index and rule.effect is rules[index].effect and wider:
            verb = "permits" if rule.effect is Effect.PERMIT else "forbids"
            yield Lint(
                rules[index].id,
                f"it changes no decision: {rule.id!r} {verb} whatever it {verb}",
                f"take one of the two out, or give {rule.id!r} more conditions",
            )
            return


def _conjuncts(rule: RuleTerm) -> frozenset[Term]:
    """The conditions that must all hold, taken apart at every ``&&``."""
    found: set[Term] = set()
    stack = list(rule.conditions)
    while stack:
        term = stack.pop()
        match term:
            case Binary(Operator.AND, left, right):
                stack += (left, right)
            case Not(Binary(Operator.OR, left, right)):
                stack += (Not(left), Not(right))
            case Not(Not(arg)):
                stack.append(arg)
            case Not(Value(bool() as said)):
                stack.append(Value(not said))
            case _ if term != TRUE:
                found.add(term)
    return frozenset(found)


def _stated(rule: RuleTerm) -> frozenset[Word]:
    """The words that make a rule apply, as against those it applies without."""
    return frozenset(word for condition in rule.conditions for word in _words_of(condition, positive=True))


def _words_of(term: Term, *, positive: bool) -> Iterator[Word]:
    match term:
        case Not(arg):
            yield from _words_of(arg, positive=not positive)
        case Binary(Operator.AND | Operator.OR, left, right):
            yield from _words_of(left, positive=positive)
            yield from _words_of(right, positive=positive)
        case IfThenElse(_, then, other):
            yield from _words_of(then, positive=positive)
            yield from _words_of(other, positive=positive)
        case Binary(Operator.NOT_EQUAL) if not positive:
            yield from _words_in(term)
        case Binary(Operator.EQUAL | Operator.CONTAINS | Operator.CONTAINS_ALL | Operator.CONTAINS_ANY) if (
            positive
        ):
            yield from _words_in(term)


def _words_in(term: Term) -> Iterator[Word]:
    return (below for below in walk(term) if isinstance(below, Word))
