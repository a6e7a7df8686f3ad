"""``consent-edit policy test``."""

from __future__ import annotations


def test() -> None:
    """Not there yet."""
    raise NotImplementedError
