"""Where two policies decide otherwise than each other: region by region, or in a sample."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, product
from typing import Final

from consent_edit.errors import CheckFailed
from consent_edit.policy.authoring.comparing.floor_openings import Completer, Left
from consent_edit.policy.authoring.comparing.partition import Leaf, Search, part, values_of
from consent_edit.policy.authoring.comparing.three_valued import Known, Unknown
from consent_edit.policy.authoring.comparing.two_policies import (
    Both,
    ChangeKind,
    Label,
    Move,
    Moved,
    label_of,
    moves_between,
)
from consent_edit.policy.authoring.comparing.value_classes import Atoms

_SEED: Final = 20260101
_ROUNDS: Final = 12


@dataclass(slots=True)
class Found:
    """Everything compared.

    Attributes:
        parts: Partitions, or one sample; in each every region stands once.
        points: Points compared.
        left: Points left out, by the reason.
    """

    parts: list[list[Leaf[Moved]]] = field(default_factory=list)
    points: int = 0
    left: dict[Left, int] = field(default_factory=lambda: dict.fromkeys(Left, 0))


def unwatched() -> None:
    """Nobody looks on."""


def in_regions(both: Both, *, limit: int, tick: Callable[[], object] = unwatched) -> Found | None:
    """Compare everywhere.

    Args:
        both: The policies.
        limit: Most regions to look at.
        tick: Called at every region looked at.

    Returns:
        ``None`` when there are more regions than the limit.

    Raises:
        CheckFailed: the engine says otherwise than the analysis at some point.
    """
    found = Found()
    asked: list[tuple[ChangeKind, Callable[[Sequence[Known]], Label | Unknown], frozenset[Move]]] = [
        (kind, label, frozenset({Move(kind)}))
        for kind, label in (
            (ChangeKind.NEWLY_ALLOWED, both.allowed),
            (ChangeKind.NEWLY_REFUSED, both.refused),
        )
    ]
    for code in dict.fromkeys((*both.old.codes, *both.new.codes)):
        if not both.same(code):
            kind = ChangeKind.OTHER_REASONS
            moves = frozenset({Move(kind, gone=code), Move(kind, come=code)})
            asked.append((kind, partial(both.reasons, code), moves))
    search = Search(both.atoms.coordinates, both.rules, tick)
    for kind, label, subject in asked:
        regions = part(search, label, limit=limit)
        limit -= regions.visited
        if not regions.whole:
            return None
        if not found.parts:
            found.points, found.left = regions.points, regions.left
        found.parts.append([_confirmed(both, leaf, kind, subject) for leaf in regions.leaves])
    return found


def _confirmed(both: Both, leaf: Leaf[Label], kind: ChangeKind, subject: frozenset[Move]) -> Leaf[Moved]:
    """A region with what the engine says at one point of it, which must be what was made out.

    Whichever policy alone may rule the change out is asked first, and the other only where it does not.
    """
    new_first = kind is ChangeKind.NEWLY_ALLOWED
    first = (both.new if new_first else both.old).asked(leaf.values)
    ruled_out = bool(first) is not (kind is ChangeKind.OTHER_REASONS)
    second = frozenset() if ruled_out else (both.old if new_first else both.new).asked(leaf.values)
    before, after = (second, first) if new_first else (first, second)
    moves = frozenset() if ruled_out else subject.intersection(moves_between(before, after))
    if moves != frozenset(leaf.label.moves):
        raise CheckFailed(
            "the policy engine decides otherwise than the analysis says, so nothing is said",
            code="check.policy-analysis",
            remedy="report both policies; neither is in doubt, the comparison is",
        )
    certain = both.old.certain(leaf.firing) & before, both.new.certain(leaf.firing) & after
    return Leaf(leaf.answered, Moved(leaf.label, certain[0] or before, certain[1] or after), leaf.values)


def in_a_sample(both: Both, *, limit: int, tick: Callable[[], object] = unwatched) -> Found:
    """Compare at some points: every pair of answers to two questions several times, then chance."""
    found = Found(parts=[[]])
    completer = Completer()
    for answered in _sample(both.atoms, limit):
        tick()
        values = values_of(both.atoms.coordinates, answered)
        free = Left.IMPOSSIBLE if values is None else completer.complete(values)
        if values is None or isinstance(free, Left):
            found.left[Left.IMPOSSIBLE if isinstance(free, dict) else free] += 1
            continue
        point = {**values, **free}
        before, after = both.old.asked(point), both.new.asked(point)
        found.points += 1
        found.parts[0].append(Leaf(answered, Moved(label_of(before, after), before, after), point))
    return found


def _sample(atoms: Atoms, limit: int) -> Iterator[dict[int, int]]:
    """By a fixed seed; all points where there are no more than the limit."""
    sizes = [len(coordinate.cells) for coordinate in atoms.coordinates]
    if atoms.points <= limit:
        yield from (dict(enumerate(answers)) for answers in product(*map(range, sizes)))
        return
    dice = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    seen: set[tuple[int, ...]] = set()

    def fresh(fixed: Mapping[int, int]) -> Iterator[dict[int, int]]:
        answers = tuple(fixed.get(at, dice.randrange(many)) for at, many in enumerate(sizes))
        if answers not in seen and len(seen) < limit:
            seen.add(answers)
            yield dict(enumerate(answers))

    for _ in range(_ROUNDS):
        for one, other in combinations(range(len(sizes)), 2):
            for pair in product(range(sizes[one]), range(sizes[other])):
                if len(seen) >= limit:
                    return
                yield from fresh(dict(zip((one, other), pair, strict=True)))
    for _ in range(2 * limit):
        yield from fresh({})
