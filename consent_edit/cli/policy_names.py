"""How a command line names a policy: a word that ships is that policy, anything else is a path."""

from __future__ import annotations

from pathlib import Path

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.authoring.writing.source_places import NAME, POLICY_FILE
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.shipped import shipped


def shipped_names() -> tuple[str, ...]:
    """The policies that ship, in the order of their names.

    Raises:
        Unavailable: the installation lacks them.
    """
    return tuple(sorted(path.parent.name for path in shipped("policies").glob(f"*/{POLICY_FILE}")))


def name_or_path(policy: str) -> str | Path:
    """The name of a shipped policy, or the path of another.

    Raises:
        PolicyInvalid: it is neither.
        Unavailable: the installation lacks the policies that ship.
    """
    if NAME.fullmatch(policy) and policy in shipped_names():
        return policy
    path = Path(policy)
    if not path.exists():
        names = ", ".join(shipped_names())
        raise PolicyInvalid(
            f"there is no policy {policy}", remedy=f"name a policy file, its folder, or one of: {names}"
        )
    return path


def named_policy(policy: str) -> PolicyBundle:
    """The policy that is named.

    Raises:
        PolicyInvalid: there is none, or it is not valid.
        CheckFailed: no rehearsal of it could be held.
    """
    place = name_or_path(policy)
    return PolicyBundle.load(place) if isinstance(place, Path) else PolicyBundle.shipped(place)
