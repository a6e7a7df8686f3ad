"""``consent-edit policy prove``: run the proof that the floor holds, and say what it came to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consent_edit.cli.policy_names import named_policy
from consent_edit.cli.terminal import AsJson
from consent_edit.errors import Unavailable, VerificationFailed
from consent_edit.policy.bundle import Narrowing
from consent_edit.policy.proof.words import SOMETHING_LEAVES
from consent_edit.policy.shipped_names import jurisdictions, shipped_names

if TYPE_CHECKING:
    from consent_edit.policy.proof.prove import Proof

_WITHOUT: Final = "without "
_SHOWN: Final = 20


def _jurisdictions() -> list[Narrowing]:
    return [Narrowing.jurisdiction(code) for code in jurisdictions()]


def _progress(part: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"proving: {part} …\n")


def _proof(policies: list[str]) -> Proof:
    """Run it.

    Raises:
        Unavailable: the solver is not installed.
        PolicyInvalid: a policy named cannot be read.
    """
    bundles = [named_policy(named) for named in policies or shipped_names()]
    try:
        from consent_edit.policy.proof.prove import prove_floor
    except ModuleNotFoundError as error:
        if error.name != "z3":
            raise
        raise Unavailable(
            "the proof needs the solver z3",
            code="check.installation",
            remedy="pip install 'consent-edit[prove]'",
        ) from error
    return prove_floor(bundles, _jurisdictions(), _progress)


def _table(proof: Proof) -> Iterator[tuple[str, str, bool]]:
    """What was done, what it came to, and whether that is well."""
    found, points = proof.structure, proof.enumeration
    yield "structure", f"{found.checked:,} places read, {len(found.found)} ways in or around", not found.found
    wrong = f"{len(points.disagreements)} disagreements, {len(points.violations)} violations"
    yield "both floors", f"{points.points:,} points, {wrong}", not (points.disagreements or points.violations)
    proven = sum(claim.holds for claim in proof.claims)
    yield "solver", f"{len(proof.claims)} claims, {proven} proven", proven == len(proof.claims)
    for name, tally in (("changed mirrors", proof.cedar), ("changed floors", proof.python)):
        told = tally.to_json()
        said = f"{told['made']} tried, {told['killed']} noticed, {told['equivalent']} proven to be no change"
        yield name, said, tally.holds
    pinned = "the pinned one" if proof.digests.pinned else "not the pinned one"
    yield "this floor", f"{proof.digests.floor[:19]}…, {pinned}", proof.digests.pinned


def _account(proof: Proof) -> Iterator[str]:
    yield f"{_heading(proof)} ({proof.seconds:.0f} s)"
    yield from (f"  {'ok ' if well else 'NOT'}  {part:<20} {said}" for part, said, well in _table(proof))
    for failure in proof.failures[:_SHOWN]:
        yield f"  ! {failure}"
    if len(proof.failures) > _SHOWN:
        yield f"  ! and {len(proof.failures) - _SHOWN} more; --json lists all"
    yield "why each rule is there; without it this would leave:"
    for claim in proof.claims:
        if claim.name.startswith(_WITHOUT) and claim.example:
            yield f"  {claim.name.removeprefix(_WITHOUT):<30} {claim.example}"


def _heading(proof: Proof) -> str:
    failed = [claim.name for claim in proof.claims if not claim.holds]
    idle = [name.removesuffix(SOMETHING_LEAVES) for name in failed if name.endswith(SOMETHING_LEAVES)]
    if proof.holds:
        return "the floor holds"
    if len(idle) == len(proof.failures):
        return f"the floor holds, but nothing at all may leave under {', '.join(idle)}"
    return "THE FLOOR IS NOT PROVEN"


def prove(
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|PATH", help="Policy to prove under the floor; without it every shipped one."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the floor holds whatever a policy says. Exits 5 if it does not, or is not the pinned one."""
    proof = _proof(policy or [])
    typer.echo(json.dumps(proof.to_json()) if as_json else "\n".join(_account(proof)))
    if not (proof.holds and proof.digests.pinned):
        raise typer.Exit(VerificationFailed.exit_code)
