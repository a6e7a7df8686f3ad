"""The proof summed up: whatever speaks against the floor is said, and a part that looked at nothing too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_edit.errors import CheckFailed
from consent_edit.policy import digests
from consent_edit.policy.proof import prove
from consent_edit.policy.proof.changed_floors.mutants import Tally
from consent_edit.policy.proof.prove import Digests, Proof
from consent_edit.policy.proof.solver.claims import Claim
from consent_edit.policy.proof.structure import Structure
from consent_edit.policy.proof.table import Findings

HOLDS = Proof(
    structure=Structure(9, ()),
    enumeration=Findings(9),
    claims=(Claim("c", "unsat", ("unsat",), 0.0),),
    cedar=Tally({"k": 2}, {"k": 2}),
    python=Tally({"k": 2}, {"k": 1}, ("same",)),
    digests=Digests(floor="sha256:a", mirror="sha256:b", pinned=True),
    seconds=1.0,
)

AGAINST = {
    "structure: gate: x": {"structure": Structure(9, ("gate: x",))},
    "disagreement: d": {"enumeration": Findings(9, ("d",))},
    "violation: v": {"enumeration": Findings(9, (), ("v",))},
    "solver: c: sat: a face": {"claims": (Claim("c", "sat", ("unsat",), 0.0, "a face"),)},
    "solver: c: unknown": {"claims": (Claim("c", "unknown", ("unsat",), 0.0),)},
    "a changed floor.cedar that nothing notices: m": {"cedar": Tally({"k": 2}, {"k": 1}, (), ("m",))},
    "a changed floor.py that nothing notices: m": {"python": Tally({"k": 2}, {"k": 1}, (), ("m",))},
}
NOTHING = {
    "structure": Structure(0, ()),
    "enumeration": Findings(),
    "claims": (),
    "cedar": Tally(),
    "python": Tally(),
}


def test_a_proof_without_failures_holds() -> None:
    """And prints as such."""
    assert HOLDS.failures == ()
    assert HOLDS.holds
    told = HOLDS.to_json()
    assert told["mutants"]["python"] == {"made": 2, "killed": 1, "equivalent": 1}
    assert told["failures"] == []


@pytest.mark.parametrize("said", sorted(AGAINST))
def test_whatever_speaks_against_the_floor_is_said(said: str) -> None:
    """One thing is enough, and is named with its part."""
    proof = replace(HOLDS, **AGAINST[said])
    assert proof.failures == (said,)
    assert not proof.holds
    assert not proof.to_json()["holds"]


@pytest.mark.parametrize("part", sorted(NOTHING))
def test_a_part_that_looked_at_nothing_proves_nothing(part: str) -> None:
    """A proof in which nothing was tried finds nothing wrong, and does not hold."""
    proof = replace(HOLDS, **{part: NOTHING[part]})
    assert proof.failures == ("a part of the proof looked at nothing",)


def test_an_altered_floor_is_not_the_pinned_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proven or not, what is not pinned is said not to be."""
    assert prove._digests().pinned

    def altered() -> None:
        raise CheckFailed("altered", code="check.floor-altered")

    monkeypatch.setattr(prove, "check_pins", altered)
    assert prove._digests() == Digests(
        floor=digests.floor_digest(), mirror=digests.mirror_digest(), pinned=False
    )
