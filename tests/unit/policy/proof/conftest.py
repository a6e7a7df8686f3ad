"""The mirror and the table, built once for all tests of the proof."""

from __future__ import annotations

import pytest

from consent_edit.policy.proof.mirror import Mirror, the_mirror
from consent_edit.policy.proof.table import RuleTable, build


@pytest.fixture(scope="session")
def mirror() -> Mirror:
    """The one that ships."""
    return the_mirror()


@pytest.fixture(scope="session")
def tables(mirror: Mirror) -> dict[str, RuleTable]:
    """Each rule's table, by its code."""
    return {table.rule: table for table in build(mirror)}
