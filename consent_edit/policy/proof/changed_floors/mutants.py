"""What became of changed floors: every one must be told from the real one, or proven to be the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fate:
    """One changed floor.

    Attributes:
        kind: What sort of change it was.
        name: The change, for people.
        killed: Whether the proof told it from the real floor.
        equivalent: Whether it was proven to decide as the real one everywhere.
    """

    kind: str
    name: str
    killed: bool
    equivalent: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """All changes of one floor.

    Attributes:
        made: How many were made, by kind.
        killed: How many of them were told from the real one, by kind.
        equivalent: Those proven to be the same.
        survivors: Those that nothing told apart: a hole in the proof.
    """

    made: Mapping[str, int] = field(default_factory=dict)
    killed: Mapping[str, int] = field(default_factory=dict)
    equivalent: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether something was tried, and nothing survived."""
        return bool(self.made) and not self.survivors

    def to_json(self) -> dict[str, int]:
        """The three totals."""
        return {
            "made": sum(self.made.values()),
            "killed": sum(self.killed.values()),
            "equivalent": len(self.equivalent),
        }


def tally(fates: Iterable[Fate]) -> Tally:
    """Count them."""
    known = tuple(fates)
    return Tally(
        made=Counter(fate.kind for fate in known),
        killed=Counter(fate.kind for fate in known if fate.killed),
        equivalent=tuple(fate.name for fate in known if fate.equivalent and not fate.killed),
        survivors=tuple(fate.name for fate in known if not (fate.killed or fate.equivalent)),
    )
