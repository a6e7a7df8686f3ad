"""``consent-edit policy check``."""

from __future__ import annotations


def check() -> None:
    """Not there yet."""
    raise NotImplementedError


def fmt() -> None:
    """Not there yet."""
    raise NotImplementedError
