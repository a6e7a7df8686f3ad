"""Replay: every recorded decision taken again under another policy, on its own facts, and what would change.

Facts only: no picture and nothing biometric is needed. Records are read one by one, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from consent_edit.encoding import JsonValue, parse_json
from consent_edit.errors import InputError
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import ordered
from consent_edit.policy.decision import Decision, again
from consent_edit.policy.digests import floor_digest

MAX_RECORD_BYTES: Final = 1024 * 1024
MAX_GROUPS: Final = 1000
"""Kinds of change told apart; what comes after so many is counted all the same."""

_Codes: TypeAlias = tuple[str, ...]
_DECISION_ID: Final = "decision_id"


class Change(StrEnum):
    """What becomes of a decision."""

    SAME = "same"
    NOW_REFUSED = "now refused"
    NOW_ALLOWED = "now allowed"
    OTHER_REASONS = "refused for other reasons"


@dataclass(slots=True)
class Group:
    """Decisions that change alike.

    Attributes:
        old: Codes as recorded; none: it was allowed.
        new: Codes under the new policy.
        example: Name of the first of them.
    """

    change: Change
    old: _Codes
    new: _Codes
    example: str
    count: int = 0


@dataclass(slots=True)
class Skipped:
    """Records that could not be replayed, for one reason; ``example`` names the first."""

    reason: str
    example: str
    count: int = 0


@dataclass(slots=True)
class Report:
    """What the new policy would have changed.

    Attributes:
        policy: Name of the new policy.
        digest: Its digest.
        counts: Decisions by what becomes of them.
        floor_moved: Records, skipped ones among them, that were decided under another floor than today's.
        untold: Decisions of groups beyond :data:`MAX_GROUPS`.
    """

    policy: str
    digest: str
    counts: dict[Change, int] = field(default_factory=lambda: dict.fromkeys(Change, 0))
    floor_moved: int = 0
    untold: int = 0
    _groups: dict[tuple[_Codes, _Codes], Group] = field(default_factory=dict)
    _skipped: dict[str, Skipped] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Decisions replayed."""
        return sum(self.counts.values())

    @property
    def groups(self) -> tuple[Group, ...]:
        """Those that change, the largest first."""
        return tuple(sorted(self._groups.values(), key=lambda group: -group.count))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Those not replayed, the most frequent reason first."""
        return tuple(sorted(self._skipped.values(), key=lambda one: -one.count))

    def add(self, name: str, old: _Codes, new: _Codes) -> None:
        """Count one decision."""
        change = _change(old, new)
        self.counts[change] += 1
        if change is Change.SAME:
            return
        if (old, new) not in self._groups and len(self._groups) >= MAX_GROUPS:
            self.untold += 1
            return
        self._groups.setdefault((old, new), Group(change, old, new, name)).count += 1

    def skip(self, name: str, reason: str) -> None:
        """Count one record that could not be replayed."""
        self._skipped.setdefault(reason, Skipped(reason, name)).count += 1


def _change(old: _Codes, new: _Codes) -> Change:
    if old == new:
        return Change.SAME
    if not old:
        return Change.NOW_REFUSED
    return Change.OTHER_REASONS if new else Change.NOW_ALLOWED


def replay_all(records: Iterable[tuple[str, bytes]], bundle: PolicyBundle) -> Report:
    """Take every recorded decision again.

    Args:
        records: Name and JSON of each: a decision record (``Decision.to_record``), or a whole entry of an
            operator's log, of which a release counts as what both of its decisions come to.
        bundle: The new policy.

    Returns:
        What would change. A record that cannot be replayed is skipped and counted by the reason.
    """
    report = Report(bundle.name, bundle.digest)
    for name, data in records:
        _replay_one(report, name, data, bundle)
    return report


def _replay_one(report: Report, name: str, data: bytes, bundle: PolicyBundle) -> None:
    try:
        kept = parse_json(data, max_bytes=MAX_RECORD_BYTES)
    except ValueError:
        report.skip(name, "it is no JSON")
        return
    parts = _decisions(kept)
    if isinstance(kept, Mapping) and isinstance(kept.get(_DECISION_ID), str):
        name = str(kept[_DECISION_ID])
    if not parts:
        report.skip(name, "it is no decision about an edit")
        return
    report.floor_moved += any(part.get("floor_digest") != floor_digest() for part in parts)
    try:
        then = [Decision.from_record(part) for part in parts]
        now = [again(decision, bundle) for decision in then]
    except InputError as error:
        report.skip(name, error.message)
        return
    if fault := next((decision.fault for decision in now if decision.fault), ""):
        report.skip(name, f"the new policy gave no answer ({fault})")
        return
    report.add(name, _codes(then), _codes(now))


def _decisions(kept: object) -> list[Mapping[str, JsonValue]]:
    """The decisions of one edit: at admission and at release, or the one there is."""
    if not isinstance(kept, Mapping):
        return []
    if "decision" in kept:
        found = [kept[key] for key in ("admitted", "decision") if key in kept]
    else:
        found = (
            [{key: value for key, value in kept.items() if key != _DECISION_ID}] if "facts" in kept else []
        )
    parts = [part for part in found if isinstance(part, Mapping)]
    return parts if len(parts) == len(found) else []


def _codes(decisions: Iterable[Decision]) -> _Codes:
    return ordered(code for decision in decisions for code in decision.codes)
