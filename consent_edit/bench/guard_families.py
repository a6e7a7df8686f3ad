"""The gate's own time for an edit of each family, without any pipeline: up to the run, and after it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import numpy as np

from consent_edit.demo.steps import TONE_PROMPT
from consent_edit.demo.world import GRANTEE, DemoWorld
from consent_edit.editor import ConsentEditor
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines.attended import Made
from consent_edit.pipelines.families import FAMILIES, GRADING, Family, Role
from consent_edit.request import EditRequest
from consent_edit.vocabulary import Operation

EDIT_SECONDS: Final = (0.7, 2.7, 6.5, 17.8)
"""Lengths of edits on a GPU that the gate's time is held against: of a distilled model to a large one."""


@dataclass(frozen=True, slots=True)
class FamilyGate:
    """The gate's own time for an edit of a family.

    Attributes:
        gate: Milliseconds, median: intake, looks, words, decision, file, log.
        looked_at: Pictures that are looked at, the finished one included.
        measured_as: The family on which it was measured: the first that hands in as many pictures and masks.
        shares: Seconds of an edit -> gate's time as a share of it.
    """

    gate: float
    looked_at: int
    measured_as: str
    shares: dict[str, float]


def gate_by_family(world: DemoWorld, runs: int) -> dict[str, FamilyGate]:
    """The gate's time for every covered family of diffusers.

    Nothing in the gate depends on the family but what is handed in with an edit: the picture, a mask, a
    control picture. So one family of each such kind is measured, on its own class and arguments.

    Args:
        world: Whose picture is edited, with her consent.
        runs: Counted runs a kind, after one that is not counted.
    """
    measured: dict[tuple[Role, ...], tuple[str, float]] = {}
    gates = {}
    for family in FAMILIES:
        if family is GRADING:
            continue
        kind = tuple(sorted((family.pictures[name] for name in family.needed), key=str))
        if kind not in measured:
            measured[kind] = (family.name, _median(world, family, runs))
        name, gate = measured[kind]
        looked_at = 1 + sum(role is not Role.MASK for role in kind)
        shares = {f"{seconds} s": round(gate / 1000 / seconds, 4) for seconds in EDIT_SECONDS}
        gates[family.name] = FamilyGate(gate, looked_at, name, shares)
    return gates


def _median(world: DemoWorld, family: Family, runs: int) -> float:
    times = list(_times(world, family, runs + 1))[1:]
    return round(statistics.median(times), 2)


def _times(world: DemoWorld, family: Family, runs: int) -> Iterator[float]:
    """Milliseconds of all but the run, whose place is taken by the picture itself, cut as a run would."""
    module, _, name = family.class_path.partition(":")
    bare = object.__new__(getattr(import_module(module), name))  # of the class, without a part: it never runs
    editor = ConsentEditor(bare, world.operator, perception=world.perception)
    for _ in range(runs):
        request = _request(world, family)
        started = time.perf_counter()
        admitted = editor._admit(request)
        before = time.perf_counter() - started
        admitted.clearance.spend(admitted.received.call_digest)
        each = family.sizing.multiple
        width, height = (side // each * each for side in (world.photo.width, world.photo.height))
        made = Made(admitted, CanonicalImage.of(world.photo.pixels[:height, :width]))
        started = time.perf_counter()
        editor._release(made, lambda: False)
        yield 1000 * (before + time.perf_counter() - started)


def _request(world: DemoWorld, family: Family) -> EditRequest:
    """A tone edit of her picture, she consenting; a mask where nobody stands, her picture for control."""
    mask = np.zeros((world.photo.height, world.photo.width, 3), np.uint8)
    mask[: world.photo.height // 8, : world.photo.width // 8] = 255
    control = [name for name in family.needed if family.pictures[name] is Role.CONTROL]
    return EditRequest(
        image=world.photo,
        prompt=TONE_PROMPT,
        grantee=GRANTEE,
        presentations=world.consent(operations=tuple(Operation)),
        mask=CanonicalImage.of(mask) if family.mask_argument else None,
        pictures=dict.fromkeys(control, world.photo),
    )
