"""What the solver is asked about the floor, weaker floors, and operators' policies.

1. Whatever the operator's policy says (a free Boolean), nothing banned that a picture can hold gets past the
   mirror, case by case. Each case is first shown to be possible, so that no claim holds for nothing.
2. Each weaker floor lets something banned out: every rule, and every reason in it, is needed.
3. With a given policy nothing banned leaves either, and something does leave.
4. floor.py's own rules are the mirror's, at every point there is, possible or not.
5. A narrowing laid over a policy permits nothing that the policy alone refuses.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import z3

from consent_edit.policy.floor import FloorRule
from consent_edit.policy.proof.banned import BANNED, Banned
from consent_edit.policy.proof.evaluate import holds
from consent_edit.policy.proof.footprint import rule_functions
from consent_edit.policy.proof.solver.pictures import consistent, nearest
from consent_edit.policy.proof.solver.python_rules import python_rule
from consent_edit.policy.proof.solver.rules import Space
from consent_edit.policy.proof.space import BENIGN, FACTS, Count, Values
from consent_edit.policy.proof.weaken import Weakened, weakened
from consent_edit.policy.proof.words import SOMETHING_LEAVES, told
from consent_edit.policy.terms import RuleTerm

SAT: Final = "sat"
UNSAT: Final = "unsat"
VACUOUS: Final = "vacuous"
COVERED: Final = "covered"
_TIMEOUT_MS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Claim:
    """One question to the solver.

    Attributes:
        name: What is claimed.
        verdict: ``unsat``, ``sat`` or ``unknown``; ``vacuous`` when what is denied could not be at all;
            ``covered`` when a weaker rule leaks only what another rule still refuses.
        proves: The verdicts that prove the claim.
        seconds: How long it took.
        example: A point in plain words, where there is one.
    """

    name: str
    verdict: str
    proves: tuple[str, ...]
    seconds: float
    example: str = ""

    @property
    def holds(self) -> bool:
        """Whether the claim is proven."""
        return self.verdict in self.proves


class Prover:
    """A solver over one space of symbolic facts.

    Args:
        confined: Whether only to points that a picture can hold; else any fact may go with any other.
    """

    def __init__(self, *, confined: bool = True) -> None:
        self.space = Space()
        self._solver = z3.Solver()
        self._solver.set("timeout", _TIMEOUT_MS)
        if confined:
            self._solver.add(consistent(self.space))

    def ask(self, *formulas: z3.BoolRef) -> tuple[str, Values | None]:
        """Whether the formulas can hold together, and the point nearest the benign one where they do."""
        self._solver.push()
        self._solver.add(*formulas)
        verdict = str(self._solver.check())
        point = nearest(self._solver, self.space) if verdict == SAT else None
        self._solver.pop()
        return verdict, point

    def possible(self, *formulas: z3.BoolRef) -> str:
        """As :meth:`ask`, without a point."""
        self._solver.push()
        self._solver.add(*formulas)
        verdict = str(self._solver.check())
        self._solver.pop()
        return verdict

    def refuses(self, rules: Iterable[RuleTerm]) -> z3.BoolRef:
        """Some rule forbids without erring; one that errs counts for nothing."""
        held = [self.space.rule(rule) for rule in rules]
        return z3.Or(*(z3.And(one.value, z3.Not(one.errs)) for one in held))

    def errs(self, rules: Iterable[RuleTerm]) -> z3.BoolRef:
        """Some rule errs."""
        return z3.Or(*(self.space.rule(rule).errs for rule in rules))

    def anything_banned(self, cases: Sequence[Banned] = BANNED) -> z3.BoolRef:
        """The point is banned in some way."""
        return z3.Or(*(self.space.banned(case) for case in cases))


def _claim(name: str, proves: tuple[str, ...], started: float, verdict: str, point: Values | None) -> Claim:
    seconds = time.monotonic() - started
    return Claim(name, verdict, proves, seconds, told(point) if point is not None else "")


def floor_claims(mirror: Sequence[RuleTerm], cases: Sequence[Banned] = BANNED) -> tuple[Claim, ...]:
    """1.: one claim for each banned case, that no mirror rule errs, and that an ordinary edit passes."""
    prover = Prover()
    refused, operator = prover.refuses(mirror), z3.Bool("the operator's policy permits")
    claims = []
    for case in cases:
        started = time.monotonic()
        banned = prover.space.banned(case)
        if prover.possible(banned) != SAT:
            claims.append(_claim(case.name, (UNSAT,), started, VACUOUS, None))
            continue
        verdict, point = prover.ask(banned, z3.Not(refused), operator)
        claims.append(_claim(f"{case.name}: never leaves", (UNSAT,), started, verdict, point))
    started = time.monotonic()
    claims.append(_claim("no rule of the floor errs", (UNSAT,), started, *prover.ask(prover.errs(mirror))))
    started = time.monotonic()
    passes = prover.ask(prover.space.is_point(BENIGN), z3.Not(refused), operator)
    claims.append(_claim("an edit that everybody consented to may leave", (SAT,), started, *passes))
    return tuple(claims)


def weakened_claims(mirror: Sequence[RuleTerm], cases: Sequence[Banned] = BANNED) -> tuple[Claim, ...]:
    """2.: what would leave if a rule, or a part of one, were not there."""
    prover = Prover()
    banned = prover.anything_banned(cases)
    return tuple(_weakened_claim(prover, mirror, banned, weaker) for weaker in weakened(mirror))


def _weakened_claim(
    prover: Prover, mirror: Sequence[RuleTerm], banned: z3.BoolRef, weaker: Weakened
) -> Claim:
    started = time.monotonic()
    verdict, point = prover.ask(banned, z3.Not(prover.refuses(weaker.rules(mirror))))
    proves = (SAT,) if weaker.rest is None else (SAT, COVERED)
    if verdict == UNSAT and weaker.rest is not None:
        lost = z3.And(prover.refuses([weaker.rule]), z3.Not(prover.refuses([weaker.rest])))
        difference, point = prover.ask(banned, lost)
        verdict = COVERED if difference == SAT else difference
    claim = _claim(weaker.name, proves, started, verdict, point)
    if verdict != COVERED or point is None:
        return claim
    others = [rule.id for rule in mirror if rule is not weaker.rule and holds(rule)(point)]
    example = f"{claim.example}; still refused by {', '.join(others)}"
    return Claim(claim.name, claim.verdict, claim.proves, claim.seconds, example)


def bundle_claims(name: str, rules: Sequence[RuleTerm], mirror: Sequence[RuleTerm]) -> tuple[Claim, ...]:
    """3.: for one operator's policy."""
    prover = Prover()
    leaves = z3.And(z3.Not(prover.refuses(mirror)), prover.space.permitted(rules))
    started = time.monotonic()
    banned = _claim(
        f"{name}: nothing banned leaves", (UNSAT,), started, *prover.ask(leaves, prover.anything_banned())
    )
    started = time.monotonic()
    return banned, _claim(name + SOMETHING_LEAVES, (SAT,), started, *prover.ask(leaves))


def twin_claims(mirror: Sequence[RuleTerm], text: str) -> tuple[Claim, ...]:
    """4.: each rule of a text of floor.py beside the mirror's rule of that name."""
    functions = {FloorRule[name].value: function for name, function in rule_functions(text).items()}
    prover = Prover(confined=False)
    claims = []
    for rule in mirror:
        started = time.monotonic()
        ours = python_rule(functions[rule.id], prover.space, text)
        differ = prover.ask(ours != prover.refuses([rule]))
        claims.append(_claim(f"{rule.id}: floor.py and its mirror are one", (UNSAT,), started, *differ))
    return tuple(claims)


def narrowing_claim(name: str, base: Sequence[RuleTerm], narrowed: Sequence[RuleTerm]) -> Claim:
    """5.: for one policy and what is laid over it."""
    prover = Prover()
    started = time.monotonic()
    wider = prover.ask(prover.space.permitted(narrowed), z3.Not(prover.space.permitted(base)))
    return _claim(f"{name}: only narrows", (UNSAT,), started, *wider)


def same_rule(first: RuleTerm, second: RuleTerm) -> bool:
    """Whether the solver proves that two rules do the same at every point, possible or not."""
    if first.effect is not second.effect:
        return False
    space, solver = Space(), z3.Solver()
    solver.set("timeout", _TIMEOUT_MS)
    one, other = space.rule(first), space.rule(second)
    counts = (space.scalars[path] >= 0 for path, fact in FACTS.items() if isinstance(fact, Count))
    solver.add(z3.Or(one.value != other.value, one.errs != other.errs), *counts)
    return bool(solver.check() == z3.unsat)
