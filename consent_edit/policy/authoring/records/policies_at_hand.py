"""The policy that a record was decided with, found again by name and digest."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from consent_edit.errors import ConsentEditError
from consent_edit.policy.bundle import PolicyBundle

_JOINT: Final = "+"
_REMEMBERED: Final = 256


def narrowed_to(policy: PolicyBundle, name: str, digest: str) -> PolicyBundle | None:
    """The policy itself, or within the jurisdictions that the name adds to its own, if that is the digest."""
    if policy.digest == digest:
        return policy
    if not name.startswith(f"{policy.name}{_JOINT}"):
        return None
    try:
        whole = policy.within(name[len(policy.name) + 1 :].split(_JOINT))
    except ConsentEditError:
        return None
    return whole if whole.digest == digest else None


def finder(in_force: PolicyBundle | None = None) -> Callable[[str, str], PolicyBundle | None]:
    """Finds policies by name and digest, to the letter: what is in force, then what ships."""

    @lru_cache(maxsize=_REMEMBERED)
    def find(name: str, digest: str) -> PolicyBundle | None:
        if in_force is not None and (found := narrowed_to(in_force, name, digest)):
            return found
        try:
            return narrowed_to(PolicyBundle.shipped(name.partition(_JOINT)[0]), name, digest)
        except ConsentEditError:
            return None

    return find
