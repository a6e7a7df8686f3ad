"""Three hundred edits with faults at random points: nothing unchecked leaves, no admitted edit is lost."""

from __future__ import annotations

import secrets

from soak_run import soak


def test_three_hundred_edits(tmp_path):
    """Every release was checked, receipted and recorded; every admission is closed; refusals burn no use."""
    seed = secrets.randbits(32)
    account = soak(tmp_path, requests=300, seed=seed, kills=0.015, hangs=0.0, deadline=60.0)
    assert account.wrong == [], f"seed {seed}"
    assert account.ends["released"] > 100 and sum(account.ends.values()) == 300, f"seed {seed}"
