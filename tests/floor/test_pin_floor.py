"""Pins are renewed for a floor that is proven, and for no other."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from consent_edit.policy.digests import PINS_FILE
from consent_edit.policy.proof.changed_floors.mutants import Tally
from consent_edit.policy.proof.prove import Digests, Proof
from consent_edit.policy.proof.solver.claims import Claim
from consent_edit.policy.proof.structure import Structure
from consent_edit.policy.proof.table import Findings

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "pin_floor.py"
_spec = importlib.util.spec_from_file_location("pin_floor", SCRIPT)
pin_floor = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pin_floor)

PROVEN = Proof(
    structure=Structure(1, ()),
    enumeration=Findings(1),
    claims=(Claim("c", "unsat", ("unsat",), 0.0),),
    cedar=Tally({"k": 1}, {"k": 1}),
    python=Tally({"k": 1}, {"k": 1}),
    digests=Digests(floor="sha256:a", mirror="sha256:b", pinned=False),
    seconds=1.0,
)


def test_a_proven_floor_is_pinned(tmp_path: Path) -> None:
    """Its digests are written in the form that is read."""
    pins = tmp_path / "floor.lock.json"
    assert pin_floor.pin(PROVEN, pins) == 0
    assert json.loads(pins.read_text()) == {"floor": "sha256:a", "mirror": "sha256:b"}
    assert json.loads(PINS_FILE.read_text()).keys() == {"floor", "mirror"}


def test_a_floor_that_is_not_proven_is_not_pinned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, and why is said."""
    pins = tmp_path / "floor.lock.json"
    broken = replace(PROVEN, enumeration=Findings(1, (), ("nudity: stage output",)))
    assert pin_floor.pin(broken, pins) == 5
    assert not pins.exists()
    assert "violation: nudity: stage output" in capsys.readouterr().err
