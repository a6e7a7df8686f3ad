"""The policy a command line names, ready to be evaluated."""

from __future__ import annotations

from pathlib import Path

from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.shipped_names import name_or_path


def named_policy(policy: str) -> PolicyBundle:
    """The policy that is named: a word that ships is that policy, anything else is a path.

    Raises:
        PolicyInvalid: there is none, or it is not valid.
        CheckFailed: no rehearsal of it could be held.
    """
    place = name_or_path(policy)
    return PolicyBundle.load(place) if isinstance(place, Path) else PolicyBundle.shipped(place)
