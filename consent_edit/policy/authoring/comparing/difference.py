"""What changes when one policy takes another's place: every point where they decide differently, and why.

Both are asked at every combination of what they can tell apart (value_classes.py) that the floor may let
through (floor_openings.py). That is exact; where it would be too much, or a form is not analysed, the answer
says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from consent_edit.errors import ArgumentRejected
from consent_edit.policy.authoring.comparing.all_compared import Found, in_a_sample, in_regions, unwatched
from consent_edit.policy.authoring.comparing.example_pictures import Example, example_of
from consent_edit.policy.authoring.comparing.floor_openings import Completer, Left
from consent_edit.policy.authoring.comparing.partition import Leaf
from consent_edit.policy.authoring.comparing.rule_text_changes import RuleChanges, rule_changes
from consent_edit.policy.authoring.comparing.told_conditions import Condition, Cube, Space
from consent_edit.policy.authoring.comparing.two_policies import (
    Both,
    ChangeKind,
    Move,
    Moved,
)
from consent_edit.policy.authoring.comparing.value_classes import ALL_FACTS, atoms_of
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import ordered

REGIONS: Final = 60_000
"""Regions looked at, or points of a sample asked, at most; some seconds."""

_USUAL_TEXT: Final = 24 * 1024
"""Characters of both texts beyond which fewer are looked at, for each costs more."""

_WAYS: Final = 1_000
_WAYS_OF_A_SAMPLE: Final = 25


@dataclass(frozen=True, slots=True)
class Change:
    """Points whose decisions changed in one way.

    Attributes:
        kind: In which.
        lead: When, as far as the rules that decide read it.
        further: And when else. Newly refused is told of what was allowed, other reasons of what both refuse;
            newly allowed is told whole. No conditions at all: in every case.
        old: Codes of the old policy at all of the points; where no code is at all of them, those at any.
        new: The same of the new one.
        points: How many points these are; points of two changes may be the same.
        example: A picture with such a person in it.
    """

    kind: ChangeKind
    lead: tuple[Condition, ...]
    further: tuple[Condition, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    points: int
    example: Example

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All of them."""
        return (*self.lead, *self.further)


@dataclass(frozen=True, slots=True)
class Difference:
    """All that changes.

    Attributes:
        equal: Whether both decide alike, with the same codes, wherever they were asked.
        doubts: Why that is not the whole truth, a sentence each; none: it is.
        read: Facts that either reads.
        unread: Facts that neither reads, and which therefore play no part.
        points: Points compared, in whole regions where the questions left open play no part.
        left_to_floor: Points left out because the floor refuses them, whatever else is true.
        impossible: Points left out because no picture sums up to them.
        changes: Newly allowed first, then newly refused, then refused for other reasons.
        rules: What became of the rules' text.
    """

    equal: bool
    doubts: tuple[str, ...]
    read: tuple[str, ...]
    unread: tuple[str, ...]
    points: int
    left_to_floor: int
    impossible: int
    changes: tuple[Change, ...]
    rules: RuleChanges

    @property
    def exact(self) -> bool:
        """Whether nothing can have been missed."""
        return not self.doubts


def compare(
    old: PolicyBundle,
    new: PolicyBundle,
    *,
    limit: int | None = None,
    tick: Callable[[], object] = unwatched,
) -> Difference:
    """Compare what two policies decide.

    Args:
        old: The one in force.
        new: The one to come.
        limit: Most regions to look at; over that, a sample of so many points. By default
            :data:`REGIONS`, or fewer for long texts.
        tick: Called at every region or point looked at.

    Raises:
        ArgumentRejected: a limit below one.
        CheckFailed: the engine says otherwise than the analysis, so that nothing can be said.
    """
    most = _most(old, new) if limit is None else limit
    if most < 1:
        raise ArgumentRejected("a comparison needs one point at least", code="input.points")
    whole = atoms_of((old.rules, new.rules))
    atoms = whole.without(Completer.never)
    both = Both(old, new, atoms)
    found, doubts = _looked_at(both, most, tick)
    ways = _WAYS_OF_A_SAMPLE if doubts else _WAYS
    changes = [change for part in found.parts for change in _changes(both, part, ways)]
    order = list(ChangeKind)
    read = tuple(fact for fact in ALL_FACTS if any(fact in one.facts for one in atoms.coordinates))
    return Difference(
        equal=not changes,
        doubts=doubts,
        read=read,
        unread=tuple(fact for fact in ALL_FACTS if fact not in read),
        points=found.points,
        left_to_floor=found.left[Left.TO_THE_FLOOR] + whole.points - atoms.points,
        impossible=found.left[Left.IMPOSSIBLE],
        changes=tuple(sorted(changes, key=lambda change: order.index(change.kind))),
        rules=rule_changes(old, new),
    )


def _most(old: PolicyBundle, new: PolicyBundle) -> int:
    """Regions to look at: fewer for long texts."""
    return int(REGIONS * min(1.0, _USUAL_TEXT / (len(old.text) + len(new.text))) ** 2)


def _looked_at(both: Both, limit: int, tick: Callable[[], object]) -> tuple[Found, tuple[str, ...]]:
    """Everything, or else a sample and why."""
    doubts = both.atoms.doubts
    if not doubts:
        found = in_regions(both, limit=limit, tick=tick)
        if found is not None:
            return found, ()
        doubts = (
            f"there are more than {limit} regions to look at: of {both.atoms.points} points a sample was"
            " taken, in which every two facts meet in every combination",
        )
    return in_a_sample(both, limit=limit, tick=tick), doubts


def _changes(both: Both, leaves: Sequence[Leaf[Moved]], ways: int) -> Iterator[Change]:
    """Group the regions that differ by what became of them."""
    groups: dict[Move, int] = {}
    aside = dict.fromkeys(ChangeKind, 0)
    for index, leaf in enumerate(leaves):
        for move in leaf.label.label.moves:
            groups[move] = groups.get(move, 0) | 1 << index
        for kind in leaf.label.label.aside:
            aside[kind] |= 1 << index
    if not groups:
        return
    space = Space(both.atoms.coordinates, [leaf.answered for leaf in leaves])
    for move, wanted in groups.items():
        for cube in space.cubes(wanted, aside[move.kind] & ~wanted, most=ways):
            yield _told(both, move, cube, [leaves[index] for index in cube.inside])


def _told(both: Both, move: Move, cube: Cube, inside: Sequence[Leaf[Moved]]) -> Change:
    other = move.kind is ChangeKind.OTHER_REASONS
    old = _given(move.gone) if other else _common([leaf.label.before for leaf in inside])
    new = _given(move.come) if other else _common([leaf.label.after for leaf in inside])
    subject = both.facts_of((*old, *new))
    lead = tuple(one for one in cube.conditions if subject.issuperset(one.facts))
    return Change(
        kind=move.kind,
        lead=lead,
        further=tuple(one for one in cube.conditions if one not in lead),
        old=old,
        new=new,
        points=cube.points,
        example=example_of(both, move, inside),
    )


def _given(code: str) -> tuple[str, ...]:
    return (code,) if code else ()


def _common(codes: Sequence[frozenset[str]]) -> tuple[str, ...]:
    """Codes that all have; where there are none, those that any has."""
    common = frozenset.intersection(*codes) or frozenset.union(*codes)
    return ordered(sorted(common))
