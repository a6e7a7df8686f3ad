"""The shipped policies against their own test tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import decide
from consent_edit.policy.testing import benign, vary
from consent_edit.shipped import shipped


def tables() -> list[tuple[str, dict]]:
    found = []
    for path in sorted(Path(shipped("policies")).glob("*/tests/*.test.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [(table["policy"], case) for case in table["cases"]]
    return found


@pytest.mark.parametrize(("policy", "case"), tables(), ids=lambda v: v if isinstance(v, str) else v["name"])
def test_case(policy: str, case: dict) -> None:
    """One difference from a benign edit gives exactly the stated codes."""
    assert set(case) <= {"name", "stage", "change", "codes"}
    facts = vary(benign(case.get("stage", "output")), case.get("change", {}))
    decision = decide(facts, PolicyBundle.shipped(policy))
    assert list(decision.codes) == case["codes"]
    assert decision.allowed is (case["codes"] == [])


@pytest.mark.parametrize("policy", sorted(p.name for p in Path(shipped("policies")).iterdir()))
def test_every_shipped_policy_says_what_it_is_for(policy: str) -> None:
    """Each has a README with its rules, at least 25 cases, and words in both languages."""
    bundle = PolicyBundle.shipped(policy)
    readme = (Path(shipped("policies")) / policy / "README.md").read_text(encoding="utf-8")
    assert all(rule.code.removeprefix("policy.") in readme for rule in bundle.texts)
    assert all(rule.reason_fr for rule in bundle.texts)
    assert sum(name == policy for name, _ in tables()) >= 25
