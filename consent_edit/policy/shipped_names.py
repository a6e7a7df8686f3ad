"""What ships: names of policies and jurisdictions, where they lie, and which word means one of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from consent_edit.errors import PolicyInvalid
from consent_edit.shipped import shipped

POLICY_FILE: Final = "policy.cedar"
"""The file of a policy in its folder."""

NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
"""What a policy, a jurisdiction or a rule can be called."""

_POLICIES: Final = "policies"
_JURISDICTIONS: Final = f"{_POLICIES}/jurisdictions"


def shipped_names() -> tuple[str, ...]:
    """The policies that ship, in the order of their names.

    Raises:
        Unavailable: the installation lacks them.
    """
    return _names(_POLICIES)


def jurisdictions() -> tuple[str, ...]:
    """Codes of the jurisdictions that ship, in their order.

    Raises:
        Unavailable: the installation lacks them.
    """
    return _names(_JURISDICTIONS)


def _names(folder: str) -> tuple[str, ...]:
    found = (path.parent.name for path in shipped(folder).glob(f"*/{POLICY_FILE}"))
    return tuple(sorted(name for name in found if NAME.fullmatch(name)))


def policy_folder(name: str) -> Path:
    """The folder of a policy that ships.

    Raises:
        PolicyInvalid: there is none of that name.
        Unavailable: the installation lacks the policies.
    """
    if name not in shipped_names():
        raise no_policy(name, f"take one of: {', '.join(shipped_names())}")
    return shipped(_POLICIES) / name


def jurisdiction_folder(code: str) -> Path:
    """The folder of a jurisdiction that ships.

    Raises:
        PolicyInvalid: there is none of that code.
        Unavailable: the installation lacks them.
    """
    if code not in jurisdictions():
        known = ", ".join(jurisdictions())
        raise PolicyInvalid(f"there is no jurisdiction {code!r}", remedy=f"take one of: {known}")
    return shipped(_JURISDICTIONS) / code


def folder_of(name: str) -> Path | None:
    """The folder of what ships under a name, policy or jurisdiction; none where nothing does.

    Raises:
        Unavailable: the installation lacks the policies.
    """
    if name in shipped_names():
        return policy_folder(name)
    return jurisdiction_folder(name) if name in jurisdictions() else None


def name_or_path(policy: str) -> str | Path:
    """The name of a shipped policy, or the path of another: a word that ships is never a path.

    Raises:
        PolicyInvalid: it is neither.
        Unavailable: the installation lacks the policies that ship.
    """
    if policy in shipped_names():
        return policy
    path = Path(policy)
    if not policy or policy in jurisdictions() or not path.exists():
        raise no_policy(policy)
    return path


def as_argument(path: Path) -> str:
    """A path as a command takes it: neither for a name that ships nor for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") or folder_of(text) else text


def no_policy(named: str, remedy: str = "") -> PolicyInvalid:
    """The error for a policy that is not there, the same wherever it is looked for.

    Args:
        named: What was asked for.
        remedy: The next step; by default every way to name a policy.
    """
    if named in jurisdictions():
        message = f"{named} is a jurisdiction, no policy of its own"
        return PolicyInvalid(message, remedy=f"lay it over a policy with --jurisdiction {named}")
    names = ", ".join(shipped_names())
    remedy = remedy or f"name a policy file, its folder, or one of: {names}"
    return PolicyInvalid(f"there is no policy {named or 'without a name'}", remedy=remedy)
