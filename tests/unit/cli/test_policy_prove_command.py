"""`consent-edit policy prove`: which policies it takes, what it prints, and how it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from consent_edit.cli import policy_prove
from consent_edit.errors import PolicyInvalid, Unavailable
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.proof import prove as module
from consent_edit.policy.proof.changed_floors.mutants import Tally
from consent_edit.policy.proof.prove import Digests, Proof
from consent_edit.policy.proof.solver.claims import Claim
from consent_edit.policy.proof.structure import Structure
from consent_edit.policy.proof.table import Findings
from consent_edit.shipped import shipped as shipped_folder

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
HOLDS = Proof(
    structure=Structure(1234, ()),
    enumeration=Findings(5678),
    claims=(
        Claim("x: never leaves", "unsat", ("unsat",), 0.01),
        Claim("without floor.x", "sat", ("sat",), 0.01, "stage output; a face; exposure nude"),
    ),
    cedar=Tally({"k": 3}, {"k": 3}),
    python=Tally({"k": 4}, {"k": 3}, ("same",)),
    digests=Digests(floor="sha256:" + "a" * 64, mirror="sha256:" + "b" * 64, pinned=True),
    seconds=1.25,
)


class Asked:
    """Stands for the proof: what it was asked, and what it will say."""

    def __init__(self) -> None:
        self.says = HOLDS
        self.policies: list[str] = []
        self.laws: list[str] = []

    def __call__(self, bundles: Sequence[PolicyBundle], laws: Sequence[Narrowing], progress: object) -> Proof:
        self.policies = [bundle.name for bundle in bundles]
        self.laws = [law.name for law in laws]
        progress("table")
        return self.says


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The proof, replaced."""
    asked = Asked()
    monkeypatch.setattr(module, "prove_floor", asked)
    return asked


def test_every_shipped_policy_is_proven_by_default(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """With every shipped jurisdiction to be laid over each; nothing on stderr without a terminal."""
    policy_prove.prove(as_json=True)
    assert "default" in asked.policies
    folder = Path(shipped_folder("policies"))
    shipped = {path.parent.name for path in folder.glob("*/policy.cedar")}
    assert set(asked.policies) == shipped
    assert set(asked.laws) == {path.parent.name for path in folder.glob("jurisdictions/*/policy.cedar")}
    told = capsys.readouterr()
    assert told.err == ""
    assert json.loads(told.out) == HOLDS.to_json()


def test_policies_by_name_and_by_path(asked: Asked, tmp_path: Path) -> None:
    """A shipped name, a file, a folder; as many as one likes."""
    file = tmp_path / "mine.cedar"
    file.write_text(PERMIT)
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "policy.cedar").write_text(PERMIT)
    policy_prove.prove(policy=["default", str(file), str(folder)], as_json=True)
    assert asked.policies == ["default", "mine", "theirs"]


def test_a_policy_that_is_not_there_is_bad_input(asked: Asked) -> None:
    """The names that there are, are said."""
    with pytest.raises(PolicyInvalid) as raised:
        policy_prove.prove(policy=["nowhere"])
    assert "default" in raised.value.remedy
    assert raised.value.exit_code == 2
    assert asked.policies == []


def test_for_people(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """A short table, then why each rule is there."""
    policy_prove.prove()
    out = capsys.readouterr().out
    assert out.startswith("the floor holds (1 s)\n")
    assert "5,678 points, 0 disagreements, 0 violations" in out
    assert "4 tried, 3 noticed, 1 proven to be no change" in out
    assert "floor.x                        stage output; a face; exposure nude" in out
    assert "NOT" not in out


@pytest.mark.parametrize("as_json", [True, False])
def test_a_floor_that_does_not_hold_ends_with_5(
    as_json: bool, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an account of why; a long one is cut for people and whole for machines."""
    many = tuple(f"point {number}" for number in range(30))
    asked.says = replace(HOLDS, enumeration=Findings(9, many))
    with pytest.raises(typer.Exit) as left:
        policy_prove.prove(as_json=as_json)
    assert left.value.exit_code == 5
    out = capsys.readouterr().out
    if as_json:
        assert len(json.loads(out)["failures"]) == 30
    else:
        assert out.startswith("THE FLOOR IS NOT PROVEN")
        assert "  NOT  both floors" in out
        assert "! disagreement: point 0\n" in out
        assert "! and 10 more" in out


def test_a_policy_under_which_nothing_leaves_is_not_the_floors_fault(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 5 all the same: a policy that refuses everything is nothing to put in force unawares."""
    idle = replace(HOLDS.claims[0], name="idle: something may leave", verdict="unsat", proves=("sat",))
    asked.says = replace(HOLDS, claims=(*HOLDS.claims, idle))
    with pytest.raises(typer.Exit) as left:
        policy_prove.prove(policy=["default"])
    assert left.value.exit_code == 5
    assert capsys.readouterr().out.startswith("the floor holds, but nothing at all may leave under idle (")


def test_a_floor_that_is_not_the_pinned_one_ends_with_5(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proven, but nothing is decided under it."""
    asked.says = replace(HOLDS, digests=replace(HOLDS.digests, pinned=False))
    with pytest.raises(typer.Exit) as left:
        policy_prove.prove()
    assert left.value.exit_code == 5
    assert "not the pinned one" in capsys.readouterr().out


def test_progress_on_a_terminal(
    asked: Asked, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is being done, on stderr."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    policy_prove.prove(as_json=True)
    told = capsys.readouterr()
    assert told.err == "proving: table …\n"
    json.loads(told.out)


def _without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in [m for m in sys.modules if m.startswith("consent_edit.policy.proof")]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, name, None)


def test_without_the_solver_a_needed_part_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to get it is said."""
    _without("z3", monkeypatch)
    with pytest.raises(Unavailable) as raised:
        policy_prove.prove(policy=["default"])
    assert raised.value.exit_code == 4
    assert "consent-edit[prove]" in raised.value.remedy


def test_another_missing_part_is_not_taken_for_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the solver is told to be installed."""
    _without("consent_edit.policy.proof.solver.rules", monkeypatch)
    with pytest.raises(ModuleNotFoundError):
        policy_prove.prove(policy=["default"])
