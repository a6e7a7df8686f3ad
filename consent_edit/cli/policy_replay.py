"""``consent-edit policy replay``."""

from __future__ import annotations


def replay() -> None:
    """Not there yet."""
    raise NotImplementedError
