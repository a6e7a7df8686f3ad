"""The proof that the floor holds, summed up: structure, enumeration, solver, and changed floors.

What is assumed and not proven stands in docs/proof.md: the Cedar engine's verdicts, the solver's, and that
perception tells the facts as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from consent_edit.encoding import JsonValue
from consent_edit.errors import CheckFailed
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.digests import check_pins, floor_digest, mirror_digest
from consent_edit.policy.floor import judge
from consent_edit.policy.proof.changed_floors.cedar_mutants import try_cedar
from consent_edit.policy.proof.changed_floors.mutants import Tally
from consent_edit.policy.proof.changed_floors.python_mutants import Evidence, try_python
from consent_edit.policy.proof.footprint import floor_source
from consent_edit.policy.proof.mirror import Mirror, the_mirror
from consent_edit.policy.proof.pictures import (
    check_judged,
    check_points,
    check_sums,
    judged,
    summed_pictures,
)
from consent_edit.policy.proof.solver.claims import (
    Claim,
    bundle_claims,
    floor_claims,
    narrowing_claim,
    same_rule,
    twin_claims,
    weakened_claims,
)
from consent_edit.policy.proof.sources import package_texts
from consent_edit.policy.proof.structure import Structure, read_structure
from consent_edit.policy.proof.table import Findings, banned_product, build, compare, python_rules, sweep
from consent_edit.policy.terms import RuleTerm

Progress = Callable[[str], None]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Which floor was looked at.

    Attributes:
        floor: Of floor.py, the facts and the vocabulary.
        mirror: Of floor.cedar.
        pinned: Whether they are the pinned ones, without which nothing is decided.
    """

    floor: str
    mirror: str
    pinned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the proof came to.

    Attributes:
        structure: Whether there is a way into the floor, or around it.
        enumeration: Both floors and the list of what is banned, over all points.
        claims: What the solver answered.
        cedar: Changed mirrors.
        python: Changed Python floors.
        digests: Which floor it is about.
        seconds: How long it took.
    """

    structure: Structure
    enumeration: Findings
    claims: tuple[Claim, ...]
    cedar: Tally
    python: Tally
    digests: Digests
    seconds: float

    @property
    def failures(self) -> tuple[str, ...]:
        """Everything that speaks against the floor, in words; none when it holds."""
        return tuple(self._failures())

    @property
    def holds(self) -> bool:
        """Whether the floor is proven; that it is also the pinned one is another matter."""
        return not self.failures

    def _failures(self) -> Iterator[str]:
        yield from (f"structure: {found}" for found in self.structure.found)
        yield from (f"disagreement: {told}" for told in self.enumeration.disagreements)
        yield from (f"violation: {told}" for told in self.enumeration.violations)
        for claim in self.claims:
            if not claim.holds:
                yield f"solver: {claim.name}: {claim.verdict}" + (
                    f": {claim.example}" if claim.example else ""
                )
        for name, tally in (("floor.cedar", self.cedar), ("floor.py", self.python)):
            yield from (f"a changed {name} that nothing notices: {change}" for change in tally.survivors)
        looked = self.structure.checked and self.enumeration.points and self.claims
        if not (looked and self.cedar.made and self.python.made):
            yield "a part of the proof looked at nothing"

    def to_json(self) -> dict[str, JsonValue]:
        """The whole as plain JSON, as ``policy prove --json`` prints it."""
        return {
            "holds": self.holds,
            "points": self.enumeration.points,
            "violations": len(self.enumeration.violations),
            "disagreements": len(self.enumeration.disagreements),
            "failures": list(self.failures),
            "structure": {"checked": self.structure.checked, "found": list(self.structure.found)},
            "mutants": {
                "cedar": {**self.cedar.to_json()},
                "python": {**self.python.to_json()},
                "survivors": [*self.cedar.survivors, *self.python.survivors],
                "equivalent": [*self.cedar.equivalent, *self.python.equivalent],
                "kinds": {"cedar": dict(self.cedar.made), "python": dict(self.python.made)},
            },
            "solver": {"claims": [_claim_json(claim) for claim in self.claims]},
            "digests": {**asdict(self.digests)},
            "seconds": round(self.seconds, 2),
        }


def _claim_json(claim: Claim) -> JsonValue:
    told: dict[str, JsonValue] = {
        "name": claim.name,
        "verdict": claim.verdict,
        "seconds": round(claim.seconds, 4),
        "holds": claim.holds,
    }
    return told | ({"example": claim.example} if claim.example else {})


def _digests() -> Digests:
    try:
        check_pins()
    except CheckFailed:
        pinned = False
    else:
        pinned = True
    return Digests(floor=floor_digest(), mirror=mirror_digest(), pinned=pinned)


def policy_claims(
    bundles: Iterable[PolicyBundle], narrowings: Sequence[Narrowing], mirror: Sequence[RuleTerm]
) -> Iterator[Claim]:
    """What the solver says of operators' policies, and of each jurisdiction laid over each of them."""
    for bundle in bundles:
        yield from bundle_claims(bundle.name, bundle.rules, mirror)
        for narrowing in narrowings:
            narrowed = bundle.narrowed([narrowing])
            yield narrowing_claim(narrowed.name, bundle.rules, narrowed.rules)


def _claims(
    bundles: Iterable[PolicyBundle], narrowings: Sequence[Narrowing], mirror: Mirror
) -> tuple[Claim, ...]:
    return (
        *floor_claims(mirror.rules),
        *twin_claims(mirror.rules, floor_source()),
        *weakened_claims(mirror.rules),
        *policy_claims(bundles, narrowings, mirror.rules),
    )


def _enumerate(mirror: Mirror, evidence: Evidence) -> Findings:
    rules = python_rules()
    return (
        compare(evidence.tables, rules)
        + banned_product(rules)
        + sweep(evidence.tables, rules, mirror)
        + check_sums(evidence.summed)
        + check_points()
        + check_judged(evidence.judged, judge)
    )


def prove_floor(
    bundles: Iterable[PolicyBundle], narrowings: Sequence[Narrowing] = (), progress: Progress = lambda _: None
) -> Proof:
    """Run the whole proof over the floor that runs and the mirror that ships.

    Args:
        bundles: Operators' policies to be proven under the floor.
        narrowings: Jurisdictions, each to be laid over each bundle.
        progress: Told what is being done, a few words at a time.

    Raises:
        CheckFailed: a floor is of a form that cannot be read; nothing is proven then.
        PolicyInvalid: a narrowing cannot be laid over a bundle.
    """
    started = time.monotonic()

    def part(name: str, done: Callable[[], _T]) -> _T:
        progress(name)
        return done()

    structure = part("structure", lambda: read_structure(package_texts()))
    mirror = part("table", the_mirror)
    evidence = Evidence(build(mirror), summed_pictures(), judged(mirror))
    return Proof(
        structure=structure,
        enumeration=part("both floors", lambda: _enumerate(mirror, evidence)),
        claims=part("solver", lambda: _claims(bundles, narrowings, mirror)),
        cedar=part("changed mirrors", lambda: try_cedar(mirror.rules, evidence.tables, same_rule)),
        python=part("changed floors", lambda: try_python(evidence)),
        digests=_digests(),
        seconds=time.monotonic() - started,
    )
