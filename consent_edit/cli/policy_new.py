"""``consent-edit policy new``."""

from __future__ import annotations


def new() -> None:
    """Not there yet."""
    raise NotImplementedError
