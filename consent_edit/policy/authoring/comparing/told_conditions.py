"""Regions that change alike, told in few conditions: sets of regions as bits of whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent_edit.policy.authoring.comparing.value_classes import FLAG_FACTS, NUMBER_FACTS, Coordinate

_HOLDING: Final = {
    ("operations",): ("the edit does", "the edit does not do"),
    ("granted",): ("the grant names", "the grant does not name"),
    ("touched",): ("what was touched includes", "what was touched does not include"),
    ("operations", "granted"): ("edit and grant both name", "edit and grant do not both name"),
}
_NONE: Final[Mapping[tuple[str, ...], str]] = {
    ("operations",): "the edit does none of",
    ("granted",): "the grant names none of",
    ("touched",): "what was touched includes none of",
}
_APART: Final = {"granted": " that the grant does not name", "operations": " that the edit does not do"}
_KINDS: Final = {
    "kind is unseen": "for whoever nobody found",
    "kind is not unseen": "for everybody found",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of one fact.

    Attributes:
        facts: Its path; two for a member of two sets at once.
        words: The words of which it must have one; for a set, the member asked for.
        holds: For a set, whether it must hold it or must not.
        text: The condition in words.
    """

    facts: tuple[str, ...]
    words: tuple[str, ...]
    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Cube:
    """Points that are told by conditions on single facts.

    Attributes:
        cells: For every coordinate, the cells that it covers.
        conditions: The same in words; a fact without one may be anything.
        inside: The wanted regions wholly in it, by index.
        points: How many points of wanted regions it covers.
    """

    cells: tuple[frozenset[int], ...]
    conditions: tuple[Condition, ...]
    inside: tuple[int, ...]
    points: int


class Space:
    """All regions that count, by the answers they have in common."""

    def __init__(self, coordinates: Sequence[Coordinate], regions: Sequence[Mapping[int, int]]) -> None:
        self._coordinates = tuple(coordinates)
        self._regions = regions
        self._everywhere = (1 << len(regions)) - 1
        self._having = [
            [
                _bits([answered.get(at, cell) == cell for answered in regions])
                for cell in range(len(coordinate.cells))
            ]
            for at, coordinate in enumerate(self._coordinates)
        ]

    def cubes(self, wanted: int, aside: int = 0, *, most: int) -> list[Cube]:
        """Cubes that together cover the wanted regions, the most general first.

        Args:
            wanted: Regions to tell of.
            aside: Regions that are beside the point, and which a cube may cover too.
            most: Stop after so many.
        """
        grown: list[tuple[int, tuple[frozenset[int], ...]]] = []
        left = wanted
        while left and len(grown) < most:
            seed = (left & -left).bit_length() - 1
            chosen = self._grow(self._regions[seed], wanted | aside)
            inside = self._inside(chosen) & wanted
            grown.append((inside, chosen))
            left &= ~inside
        told = [self._told(inside, chosen, wanted) for inside, chosen in _needed(grown)]
        return sorted(told, key=lambda cube: (len(cube.conditions), -cube.points))

    def _touched(self, chosen: Sequence[frozenset[int]]) -> int:
        """Regions with a point in the cube."""
        touched = self._everywhere
        for having, cells in zip(self._having, chosen, strict=True):
            if len(cells) < len(having):
                touched &= _any(having[cell] for cell in cells)
        return touched

    def _inside(self, chosen: Sequence[frozenset[int]]) -> int:
        """Regions with no point outside."""
        outside = 0
        for having, cells in zip(self._having, chosen, strict=True):
            outside |= _any(bits for cell, bits in enumerate(having) if cell not in cells)
        return self._everywhere & ~outside

    def _grow(self, answered: Mapping[int, int], allowed: int) -> tuple[frozenset[int], ...]:
        """Drop conditions while no other region is touched, the best first; then widen the rest."""
        chosen = [
            frozenset({answered[at]}) if at in answered else self._all(at) for at in range(len(self._having))
        ]
        tight = set(answered)
        while tight:
            wider = {
                at: self._touched([*chosen[:at], self._all(at), *chosen[at + 1 :]]) for at in sorted(tight)
            }
            good = [at for at, touched in wider.items() if not touched & ~allowed]
            if not good:
                break
            best = max(good, key=lambda at: wider[at].bit_count())
            chosen[best] = self._all(best)
            tight.remove(best)
        for at in sorted(tight):
            for cell in sorted(self._all(at) - chosen[at]):
                more = self._touched([*chosen[:at], frozenset({cell}), *chosen[at + 1 :]])
                if more and not more & ~allowed:
                    chosen[at] = chosen[at] | {cell}
        return tuple(chosen)

    def _all(self, at: int) -> frozenset[int]:
        return frozenset(range(len(self._having[at])))

    def _told(self, inside: int, chosen: tuple[frozenset[int], ...], wanted: int) -> Cube:
        conditions = tuple(
            _condition(coordinate, cells)
            for coordinate, cells in zip(self._coordinates, chosen, strict=True)
            if len(cells) < len(coordinate.cells)
        )
        points = sum(
            self._common(self._regions[at], chosen) for at in _indices(self._touched(chosen) & wanted)
        )
        return Cube(chosen, _joined(conditions), tuple(_indices(inside)), points)

    def _common(self, answered: Mapping[int, int], chosen: Sequence[frozenset[int]]) -> int:
        """How many points a region and a cube share."""
        number = 1
        for at, cells in enumerate(chosen):
            number *= 1 if at in answered else len(cells)
        return number


def _any(many: Iterable[int]) -> int:
    bits = 0
    for one in many:
        bits |= one
    return bits


def _indices(bits: int) -> Iterator[int]:
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1


def _bits(flags: Sequence[bool]) -> int:
    return int("".join("1" if flag else "0" for flag in reversed(flags)) or "0", 2)


def _needed(
    grown: Sequence[tuple[int, tuple[frozenset[int], ...]]],
) -> list[tuple[int, tuple[frozenset[int], ...]]]:
    """Without those whose every region is inside others."""
    kept = sorted(grown, key=lambda cube: -cube[0].bit_count())
    for cube in reversed(tuple(kept)):
        if not cube[0] & ~_any(other[0] for other in kept if other is not cube):
            kept.remove(cube)
    return kept


def _joined(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Members that one set must not hold, told together."""
    told: list[Condition] = []
    for one in conditions:
        before = told[-1] if told else None
        if before and _absent(one) and _absent(before) and one.facts == before.facts:
            words = (*before.words, *one.words)
            told[-1] = Condition(one.facts, words, False, f"{_NONE[one.facts]} {', '.join(words)}")
        else:
            told.append(one)
    return tuple(told)


def _absent(one: Condition) -> bool:
    """Whether it says of nothing but words it names that they are not in a set."""
    return not one.holds and one.facts in _NONE and all(word in one.text for word in one.words)


def _condition(coordinate: Coordinate, cells: frozenset[int]) -> Condition:
    if coordinate.is_of_sets:
        (cell,) = cells
        return _membership(coordinate, coordinate.cells[cell].value is True)
    (fact,) = coordinate.facts
    words = tuple(word for cell in sorted(cells) for word in coordinate.cells[cell].words)
    if fact in FLAG_FACTS:
        return Condition((fact,), words, True, f"{fact} is {words[0]}")
    if fact in NUMBER_FACTS:
        return Condition((fact,), words, True, f"{fact} is {_numbers(coordinate, cells)}")
    rest = [word for at, cell in enumerate(coordinate.cells) if at not in cells for word in cell.words]
    if len(words) > 1 and len(rest) == 1:
        said = f"{fact} is not {rest[0]}"
    elif len(words) > 4 and len(rest) < len(words):
        said = f"{fact} is none of {', '.join(rest)}"
    else:
        said = f"{fact} is {_or(words)}"
    return Condition((fact,), words, True, _KINDS.get(said, said))


def _membership(coordinate: Coordinate, holds: bool) -> Condition:
    """Whether a set holds one member, or any that no rule mentions."""
    verb = _HOLDING[coordinate.facts][not holds]
    if coordinate.member is not None:
        return Condition(
            coordinate.facts, (coordinate.member.value,), holds, f"{verb} {coordinate.member.value}"
        )
    words = tuple(word.value for word in coordinate.others)
    named = [word.value for word in type(coordinate.others[0]) if word not in coordinate.others]
    if len(words) == 1:
        whom = words[0]
    else:
        apart = f" other than {_or(named)}" if named else ""
        whom = f"something{apart} (for example {words[0]})" if holds else f"anything{apart}"
    said = f"{verb} {whom}{_APART.get(coordinate.apart_from, '')}"
    return Condition(coordinate.facts, words, holds, said.replace("does not do anything", "does nothing"))


def _numbers(coordinate: Coordinate, cells: frozenset[int]) -> str:
    """Intervals; and numbers out of one where only some of it is meant, because of others."""
    told: dict[str, list[str]] = {}
    for cell in sorted(cells):
        told.setdefault(coordinate.cells[cell].span, []).extend(coordinate.cells[cell].words)
    whole = {span: sum(cell.span == span for cell in coordinate.cells) for span in told}
    spans = [
        span if len(numbers) == whole[span] else f"some number of {span} (for example {numbers[0]})"
        for span, numbers in told.items()
    ]
    last = len(coordinate.cells) - 1
    numbers = [coordinate.cells[cell].words[0] for cell in sorted(cells)]
    if len(spans) > 1 and max(cells) - min(cells) + 1 == len(cells) and "some" not in "".join(spans):
        if max(cells) == last:
            return f"{numbers[0]} or more"
        if min(cells) == 0:
            return f"{spans[-1].rpartition(' ')[2]} or fewer"
    return _or(spans)


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
