"""The proof of the floor, run once as it stands, over every policy and jurisdiction that ships."""

from __future__ import annotations

import json

import pytest

from consent_edit.cli.policy_names import named_policy
from consent_edit.cli.policy_prove import _account, _jurisdictions
from consent_edit.policy.floor import FloorRule
from consent_edit.policy.proof.banned import BANNED
from consent_edit.policy.proof.prove import Proof, prove_floor
from consent_edit.policy.proof.solver.claims import COVERED, SAT, UNSAT
from consent_edit.policy.shipped_names import shipped_names


@pytest.fixture(scope="session")
def proof() -> Proof:
    """The whole of it."""
    return prove_floor([named_policy(name) for name in shipped_names()], _jurisdictions())


def test_the_floor_holds(proof: Proof) -> None:
    """Nothing at all speaks against it, and it is the pinned one."""
    assert proof.failures == ()
    assert proof.holds
    assert proof.digests.pinned


def test_no_disagreement_and_no_violation_over_the_product_of_all_facts_read(proof: Proof) -> None:
    """More than a hundred thousand points, the same verdict of both floors, nothing banned let through."""
    assert proof.enumeration.points > 100_000
    assert proof.enumeration.disagreements == proof.enumeration.violations == ()


def test_no_way_into_the_floor_or_around_it(proof: Proof) -> None:
    """The structure of the whole package was read, and nothing accepts, replaces or skips the floor."""
    assert proof.structure.checked > 10_000
    assert proof.structure.found == ()


def test_whatever_a_policy_says_nothing_banned_leaves(proof: Proof) -> None:
    """Each banned case is unsatisfiable beside a policy that is free, and beside each shipped one."""
    verdicts = {claim.name: claim.verdict for claim in proof.claims}
    for case in BANNED:
        assert verdicts[f"{case.name}: never leaves"] == UNSAT
    for name in shipped_names():
        assert verdicts[f"{name}: nothing banned leaves"] == UNSAT
        assert verdicts[f"{name}: something may leave"] == SAT
        for law in _jurisdictions():
            assert verdicts[f"{name}+{law.name}: only narrows"] == UNSAT


@pytest.mark.parametrize("rule", [rule.value for rule in FloorRule])
def test_the_code_that_runs_is_the_mirror_at_every_point(proof: Proof, rule: str) -> None:
    """Over every set, and counts without bound: no facts on which floor.py and floor.cedar differ."""
    (claim,) = [claim for claim in proof.claims if claim.name == f"{rule}: floor.py and its mirror are one"]
    assert claim.verdict == UNSAT


@pytest.mark.parametrize("rule", [rule.value for rule in FloorRule])
def test_without_a_rule_something_banned_leaves(proof: Proof, rule: str) -> None:
    """Each rule taken out gives a counterexample that differs from a benign edit by that one thing."""
    (claim,) = [claim for claim in proof.claims if claim.name == f"without {rule}"]
    assert claim.verdict == SAT
    assert claim.example.startswith("stage output; a face; ")
    assert len(claim.example.split("; ")) <= 5


def test_without_a_part_of_a_rule_something_banned_leaves(proof: Proof) -> None:
    """Each alternative taken out leaks too; one leaks only what another rule still refuses, and is named."""
    parts = [c for c in proof.claims if c.name.startswith("floor.") and " without " in c.name]
    assert len(parts) > 15
    assert [claim.name for claim in parts if claim.verdict == COVERED] == [
        'floor.foreign-identity without consent == "verified"'
    ]
    (covered,) = [claim for claim in parts if claim.verdict == COVERED]
    assert covered.example.endswith("still refused by floor.consent-required")
    assert all(claim.verdict == SAT for claim in parts if claim is not covered)


def test_every_changed_floor_is_noticed(proof: Proof) -> None:
    """Hundreds of changes of either floor, none survives; what is no change at all is proven to be none."""
    assert sum(proof.cedar.made.values()) > 250
    assert sum(proof.python.made.values()) > 350
    assert proof.cedar.survivors == proof.python.survivors == ()
    assert proof.cedar.equivalent == ()
    assert len(proof.python.equivalent) == 1
    assert "REVEALING, Intent.UNDETERMINED}" in proof.python.equivalent[0]


def test_the_proof_as_json(proof: Proof) -> None:
    """What scripts may rely on."""
    told = json.loads(json.dumps(proof.to_json()))
    assert (told["violations"], told["disagreements"], told["mutants"]["survivors"]) == (0, 0, [])
    assert told["points"] == proof.enumeration.points
    assert set(told["structure"]) == {"checked", "found"}
    for floor in ("cedar", "python"):
        counted = told["mutants"][floor]
        assert counted["made"] == counted["killed"] + counted["equivalent"]
    assert {"name", "verdict", "seconds"} <= set(told["solver"]["claims"][0])
    assert told["digests"] == {
        "floor": proof.digests.floor,
        "mirror": proof.digests.mirror,
        "pinned": True,
    }
    assert told["seconds"] > 0


def test_the_proof_for_people(proof: Proof) -> None:
    """A short table, and why each rule is there."""
    lines = list(_account(proof))
    assert lines[0].startswith("the floor holds")
    assert not any(line.startswith("  NOT") for line in lines)
    assert sum("floor." in line for line in lines) == len(FloorRule)
    assert any("exposure nude" in line for line in lines)
    assert len(lines) < 20
