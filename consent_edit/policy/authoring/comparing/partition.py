"""All points, parted into regions in each of which two policies decide in one way: nothing is left out.

Questions are asked one by one, only as far as they matter. A region that the floor refuses whatever the
questions left open come to is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Generic, TypeVar

from consent_edit.policy.authoring.comparing.floor_openings import Completer, Left
from consent_edit.policy.authoring.comparing.three_valued import Known, Reader, Unknown
from consent_edit.policy.authoring.comparing.value_classes import Coordinate
from consent_edit.policy.points import FactValue
from consent_edit.policy.terms import RuleTerm

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Leaf(Generic[_T]):
    """One region.

    Attributes:
        answered: Coordinate -> cell; a coordinate that is not there may be answered anyhow.
        label: What is so everywhere in it.
        values: One point of it that the floor lets through: facts by path; the others as in a benign edit.
        firing: Which rules are known to hold everywhere in it.
    """

    answered: Mapping[int, int]
    label: _T
    values: Mapping[str, FactValue]
    firing: tuple[Known, ...] = ()


@dataclass(slots=True)
class Regions(Generic[_T]):
    """A partition.

    Attributes:
        leaves: The regions in which the floor lets something through.
        points: Points in these.
        left: Points left out, by the reason.
        whole: Whether every region was looked at; false when there were more than the limit.
        visited: How many were looked at, those parted further included.
    """

    leaves: list[Leaf[_T]] = field(default_factory=list)
    points: int = 0
    left: dict[Left, int] = field(default_factory=lambda: dict.fromkeys(Left, 0))
    whole: bool = True
    visited: int = 0


def size(coordinates: Sequence[Coordinate], answered: Mapping[int, int]) -> int:
    """How many points have these answers."""
    number = 1
    for at, coordinate in enumerate(coordinates):
        number *= 1 if at in answered else len(coordinate.cells)
    return number


class Search:
    """What partitions of the same points share: how rules read, and what the floor was found to let through.

    Args:
        coordinates: What the rules can tell apart.
        rules: The rules.
        tick: Called at every region looked at.
    """

    def __init__(
        self, coordinates: Sequence[Coordinate], rules: Sequence[RuleTerm], tick: Callable[[], object]
    ) -> None:
        self.tick = tick
        self.coordinates = coordinates
        self._rules = rules
        self._reader = Reader(coordinates)
        self._completer = Completer()
        self._asks = [self._reader.asks(rule) for rule in rules]
        self._fires: list[dict[tuple[int, ...], Known]] = [{} for _ in rules]

    def unknown(self) -> tuple[Known, ...]:
        """What is known of the rules before anything is answered."""
        return tuple(Unknown(0) for _ in self._rules)

    def statuses(self, before: Sequence[Known], answered: Mapping[int, int]) -> tuple[Known, ...]:
        """Which rules hold, as far as it can be told; what was known stays known."""
        return tuple(
            self._status(number, answered) if isinstance(known, Unknown) else known
            for number, known in enumerate(before)
        )

    def _status(self, number: int, answered: Mapping[int, int]) -> Known:
        """Whether a rule holds; that depends on the answers it asks for alone."""
        key = tuple(answered.get(at, -1) for at in self._asks[number])
        known = self._fires[number].get(key)
        if known is None:
            known = self._fires[number][key] = self._reader.fires(self._rules[number], answered)
        return known

    def live(self, answered: Mapping[int, int]) -> dict[str, FactValue] | Left:
        """A point with these answers that the floor lets through, or why there is none."""
        left = Left.IMPOSSIBLE
        for values in openings(self.coordinates, answered):
            free = self._completer.complete(values)
            if not isinstance(free, Left):
                return {**values, **free}
            left = Left.TO_THE_FLOOR if free is Left.TO_THE_FLOOR else left
        return left


def part(search: Search, label: Callable[[Sequence[Known]], _T | Unknown], *, limit: int) -> Regions[_T]:
    """Part all points by a label that depends on which rules hold.

    Args:
        search: The points and the rules.
        label: Takes for each rule whether it holds; gives the label, or what to ask next.
        limit: Most regions to look at.
    """
    coordinates = search.coordinates
    found: Regions[_T] = Regions()
    stack: list[tuple[dict[int, int], Sequence[Known]]] = [({}, search.unknown())]
    while stack:
        answered, before = stack.pop()
        found.visited += 1
        search.tick()
        if found.visited > limit:
            return Regions(whole=False)
        values = search.live(answered)
        if isinstance(values, Left):
            found.left[values] += size(coordinates, answered)
            continue
        statuses = search.statuses(before, answered)
        said = label(statuses)
        if isinstance(said, Unknown):
            cells = range(len(coordinates[said.ask].cells))
            stack.extend(({**answered, said.ask: cell}, statuses) for cell in reversed(cells))
            continue
        found.points += size(coordinates, answered)
        found.leaves.append(Leaf(answered, said, values, tuple(statuses)))
    return found


def values_of(coordinates: Sequence[Coordinate], answered: Mapping[int, int]) -> dict[str, FactValue] | None:
    """Facts by path for these answers, every member not asked for left out.

    Returns:
        ``None`` where there are not words enough; facts that nothing was asked about are not in it.
    """
    values: dict[str, FactValue] = {}
    sets: dict[str, set[StrEnum]] = {}
    taken: dict[tuple[StrEnum, ...], int] = {}
    for at, coordinate in enumerate(coordinates):
        if at not in answered:
            continue
        value = coordinate.cells[answered[at]].value
        if not coordinate.is_of_sets:
            values[coordinate.facts[0]] = value
            continue
        paired = (*coordinate.facts, *filter(None, [coordinate.apart_from]))
        held = [sets.setdefault(fact, set()) for fact in paired]
        if value is not True:
            continue
        pool = coordinate.others if coordinate.member is None else (coordinate.member,)
        used = taken.get(pool, 0) if len(paired) > 1 else 0
        if used >= len(pool):
            return None
        taken[pool] = used + 1
        for members in held[: len(coordinate.facts)]:
            members.add(pool[used])
    return {**values, **{fact: frozenset(members) for fact, members in sets.items()}}


def openings(
    coordinates: Sequence[Coordinate], answered: Mapping[int, int]
) -> Iterator[dict[str, FactValue]]:
    """Facts with these answers; a set only partly asked for is tried as it is, and with one member more.

    One more is enough: the floor minds an empty set of operations, whether a swap is granted, and no other
    absence; and the member it minds least comes first.
    """
    open_ = [at for at, coordinate in enumerate(coordinates) if coordinate.is_of_sets and at not in answered]
    operations = [at for at in open_ if "operations" in coordinates[at].facts]
    granted = [at for at in open_ if "granted" in coordinates[at].facts]
    for chosen in product((None, *operations), (None, *granted)):
        more = dict.fromkeys((at for at in chosen if at is not None), 1)
        values = values_of(coordinates, {**answered, **more})
        if values is not None:
            yield values
