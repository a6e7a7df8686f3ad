"""Checks of single values: plain types and finite ranges, each able to say what it takes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """What a value must be.

    Attributes:
        says: What is taken, for people.
        holds: Whether a value is that.
    """

    says: str
    holds: Callable[[object], bool]

    def __call__(self, value: object) -> bool:
        """Whether the value is taken."""
        return self.holds(value)


def number(low: float, high: float) -> Check:
    """A plain finite number of a range, both ends included."""

    def inside(value: object) -> bool:
        if type(value) is not int and type(value) is not float:  # a subclass could compare as it likes
            return False
        return math.isfinite(value) and low <= value <= high

    return Check(f"number {low:g} to {high:g}", inside)


def whole(low: int, high: int) -> Check:
    """A plain whole number of a range, both ends included."""
    return Check(f"whole number {low} to {high}", lambda value: type(value) is int and low <= value <= high)


def pair(low: int, high: int) -> Check:
    """A plain tuple of two whole numbers of a range."""
    one = whole(low, high)

    def both(value: object) -> bool:
        return type(value) is tuple and len(value) == 2 and all(map(one, value))

    return Check(f"two whole numbers {low} to {high}, a tuple", both)


FLAG = Check("true or false", lambda value: type(value) is bool)

GENERATOR = Check(
    "a torch.Generator",
    lambda value: type(value) is getattr(sys.modules.get("torch"), "Generator", None),
)
