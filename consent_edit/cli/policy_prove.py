"""``consent-edit policy prove``."""

from __future__ import annotations


def prove() -> None:
    """Not there yet."""
    raise NotImplementedError
