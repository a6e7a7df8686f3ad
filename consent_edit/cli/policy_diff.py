"""``consent-edit policy diff``."""

from __future__ import annotations


def diff() -> None:
    """Not there yet."""
    raise NotImplementedError
