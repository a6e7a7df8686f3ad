"""The record by which a pipeline class is known: what goes in, what comes out, where it is watched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from consent_edit.pipelines.families.checks import Check
from consent_edit.vocabulary import Operation


class Role(Enum):
    """What a picture is to the edit it is given to."""

    EDITED = "edited"
    MASK = "mask"
    CONTROL = "control"
    REFERENCE = "reference"


NEEDED: Final = frozenset({Role.EDITED, Role.MASK, Role.CONTROL})
"""Roles without whose picture a family does not run; it can do without a reference."""


class Hook(Enum):
    """A method through which every run of a family passes, as ``part.method``."""

    STEP = "scheduler.step"
    DECODE = "vae.decode"

    @property
    def part(self) -> str:
        """The pipeline's component."""
        return self.value.partition(".")[0]

    @property
    def method(self) -> str:
        """The component's method."""
        return self.value.partition(".")[2]


class Measure(Enum):
    """A number that the wrapper takes from the picture for an argument."""

    HEIGHT = "height"
    WIDTH = "width"
    AREA = "height x width"


class Works(Enum):
    """At what size a family works on its picture."""

    OWN = "the picture's own size"
    AT_MOST = "the picture's own size, a larger one shrunk to the area and the result scaled back"
    ABOUT = "about the area at the picture's proportions, the result scaled back"


@dataclass(frozen=True, slots=True)
class Sizing:
    """How the size of what comes out follows from the picture that went in.

    Attributes:
        multiple: Both sides come out as multiples of it, the picture being fitted to them.
        arguments: Arguments that say the size, each with the measure that makes the output the picture's
            size; the wrapper owns them.
        works: At what size the family works.
        area: Pixels it works at or at most; 0 where there is no such bound.
    """

    multiple: int
    arguments: Mapping[str, Measure] = field(default_factory=dict)
    works: Works = Works.OWN
    area: int = 0

    def working(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which a picture of this size is worked on, as the pipelines compute them."""
        if self.works is Works.ABOUT:  # diffusers: calculate_dimensions, then cut as every size
            ratio = width / height
            wide = math.sqrt(self.area * ratio)
            width, height = (round(side / self.multiple) * self.multiple for side in (wide, wide / ratio))
        elif self.works is Works.AT_MOST and width * height > self.area:
            scale = math.sqrt(self.area / (width * height))
            width, height = int(width * scale), int(height * scale)
        return width // self.multiple * self.multiple, height // self.multiple * self.multiple

    def measured(self, width: int, height: int) -> dict[str, int]:
        """The arguments that the wrapper owns, for a picture of this size."""
        wide, high = self.working(width, height)
        measures = {Measure.HEIGHT: high, Measure.WIDTH: wide, Measure.AREA: wide * high}
        return {name: measures[measure] for name, measure in self.arguments.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Family:
    """One pipeline class as the wrapper knows it.

    Attributes:
        name: Name for people and records.
        class_path: ``module:qualname`` of the exact class.
        pictures: Arguments that take a picture, each with its role.
        several: Of these, the ones that take a list; where one takes the picture edited, that is the first of
            the list, and the others are references.
        text_arguments: Arguments that steer by words; the first is the prompt, a second what to steer from.
        allowed: Every other argument a caller may give, with its check.
        fixed: Arguments that the wrapper owns and always gives; a caller may only say the same.
        sizing: How large the output is; some of its arguments are the wrapper's too.
        capabilities: What the pipeline is able to do to a picture, whatever it is asked.
        hooks: Where a run is watched; every run passes each of them.
        tier: 1 where a run is watched step by step.
    """

    name: str
    class_path: str
    pictures: Mapping[str, Role]
    text_arguments: tuple[str, ...]
    allowed: Mapping[str, Check]
    fixed: Mapping[str, object]
    sizing: Sizing
    capabilities: frozenset[Operation] = frozenset(Operation)
    hooks: tuple[Hook, ...] = (Hook.STEP, Hook.DECODE)
    several: frozenset[str] = frozenset()
    tier: int = 1

    def __post_init__(self) -> None:
        """INVARIANT: what a record says stays as it was written."""
        for name in ("pictures", "allowed", "fixed"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def of_role(self, role: Role) -> tuple[str, ...]:
        """The picture arguments of a role, in the record's order."""
        return tuple(name for name, one in self.pictures.items() if one is role)

    @property
    def image_arguments(self) -> tuple[str, ...]:
        """The arguments that take the picture edited; the first is the one the editor fills."""
        return self.of_role(Role.EDITED)

    @property
    def mask_argument(self) -> str:
        """The argument that takes a mask of the picture edited; empty where there is none."""
        return next(iter(self.of_role(Role.MASK)), "")

    @property
    def needed(self) -> tuple[str, ...]:
        """The picture arguments that a call must fill."""
        return tuple(name for name, role in self.pictures.items() if role in NEEDED)

    @property
    def further(self) -> tuple[str, ...]:
        """The arguments that take further pictures: control, reference, or a list behind the one edited."""
        own = {Role.EDITED, Role.MASK}
        return tuple(name for name, role in self.pictures.items() if role not in own or name in self.several)

    def places(self, argument: str, count: int) -> tuple[str, ...]:
        """Names of an argument's further pictures: its own, or ``argument[number]`` from 1 within a list."""
        if count == 1 and argument not in self.image_arguments:
            return (argument,)
        return tuple(f"{argument}[{number}]" for number in range(1, count + 1))
