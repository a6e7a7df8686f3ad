"""``consent-edit policy diff``: what changes when one policy takes another's place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Final

import typer

from consent_edit.cli.policy_names import named_policy
from consent_edit.cli.terminal import AsJson, plain, say
from consent_edit.policy.authoring.comparing.difference import REGIONS, Change, Difference, compare
from consent_edit.policy.authoring.comparing.two_policies import ChangeKind
from consent_edit.policy.bundle import PolicyBundle

_SHOWN: Final = 3
_TITLES: Final = {
    ChangeKind.NEWLY_ALLOWED: "newly allowed",
    ChangeKind.NEWLY_REFUSED: "newly refused, of what the old one allows",
    ChangeKind.OTHER_REASONS: "refused by both, for other reasons",
}

_NAMES: Final = {
    ChangeKind.NEWLY_ALLOWED: "newly allowed",
    ChangeKind.NEWLY_REFUSED: "newly refused",
    ChangeKind.OTHER_REASONS: "refused for other reasons",
}


def _ways(number: int) -> str:
    return "one way" if number == 1 else f"{number} ways"


def diff(
    *,
    old: Annotated[str, typer.Argument(help="The policy in force: a shipped name, or a path.")],
    new: Annotated[str, typer.Argument(help="The policy to come.")],
    points: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Regions or points to look at, at most; else {REGIONS:,}, fewer for long texts."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a new policy would allow, refuse, or refuse for other reasons."""
    before, after = named_policy(old), named_policy(new)
    found = compare(before, after, limit=points)
    say(as_json, _record(before, after, found), "\n".join(_lines(before, after, found)))


def _record(before: PolicyBundle, after: PolicyBundle, found: Difference) -> dict[str, object]:
    return {
        "equal": found.equal,
        "exact": found.exact,
        "doubts": list(found.doubts),
        "old": {"name": before.name, "digest": before.digest},
        "new": {"name": after.name, "digest": after.digest},
        "facts": {"read": list(found.read), "unread": list(found.unread)},
        "points": {
            "compared": found.points,
            "left_to_floor": found.left_to_floor,
            "impossible": found.impossible,
        },
        "changes": [_change(change) for change in found.changes],
        "rules": asdict(found.rules),
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "kind": change.kind.value,
        "when": _when(change),
        "conditions": [
            {"facts": list(one.facts), "words": list(one.words), "holds": one.holds, "text": one.text}
            for one in change.conditions
        ],
        "old": list(change.old),
        "new": list(change.new),
        "points": change.points,
        "example": dict(change.example),
    }


def _when(change: Change) -> str:
    return " and ".join(one.text for one in change.conditions) or "always"


def _lines(before: PolicyBundle, after: PolicyBundle, found: Difference) -> Iterator[str]:
    yield f"old  {plain(before.name):<16} {before.digest}"
    yield f"new  {plain(after.name):<16} {after.digest}"
    yield _summary(before, after, found)
    yield from (f"NOT EXACT: {doubt}" for doubt in found.doubts)
    for kind, changes in groupby(found.changes, key=lambda change: change.kind):
        yield f"\n{_TITLES[kind]}:"
        causes: dict[tuple[object, ...], list[Change]] = {}
        for change in changes:
            causes.setdefault((change.lead, change.old, change.new), []).append(change)
        for alike in causes.values():
            yield from _told(alike)
    rules = asdict(found.rules)
    if any(rules.values()):
        yield "\nrules:"
        yield from (f"  {what:<9} {', '.join(codes)}" for what, codes in rules.items() if codes)
    yield ""
    yield f"compared {found.points:,} points; left {found.left_to_floor:,} to the floor, which refuses anyway"
    yield f"facts that neither reads: {', '.join(found.unread) or 'none'}"


def _summary(before: PolicyBundle, after: PolicyBundle, found: Difference) -> str:
    if before.digest == after.digest:
        return "the same rules"
    if not found.equal:
        kinds = {kind: sum(change.kind is kind for change in found.changes) for kind in ChangeKind}
        told = (f"{_NAMES[kind]} in {_ways(number)}" for kind, number in kinds.items() if number)
        return f"other decisions: {', '.join(told)}"
    return "same decisions, though the text differs" if found.exact else "no difference found"


def _told(alike: list[Change]) -> Iterator[str]:
    """Changes of one cause: what they have in common once, then the first few ways."""
    first = alike[0]
    common = [one.text for one in first.further if all(one in change.further for change in alike)]
    own = [[one.text for one in change.further if one.text not in common] for change in alike]
    lead = " and ".join(one.text for one in first.lead)
    yield f"  {lead or ('anything' if first.further else 'always')}"
    if common:
        yield f"    if {' and '.join(common)}"
    ways = [" and ".join(way) for way in own if way]
    yield from (
        f"    {'or' if at else 'and' if common else 'if'} {way}" for at, way in enumerate(ways[:_SHOWN])
    )
    if len(ways) > _SHOWN:
        yield f"    or in one of {len(ways) - _SHOWN} more ways; all with --json"
    yield f"    {_reason(first)}; {sum(change.points for change in alike):,} points"
    yield f"    for example: {_example(first)}"


def _reason(change: Change) -> str:
    if change.kind is ChangeKind.OTHER_REASONS:
        return f"no longer {change.old[0]}" if change.old else f"now also {change.new[0]}"
    return f"{', '.join(change.old) or 'allowed'} -> {', '.join(change.new) or 'allowed'}"


def _example(change: Change) -> str:
    told = (
        f"{path}={','.join(map(str, word)) if isinstance(word, list) else word}"
        for path, word in change.example.items()
    )
    return " ".join(told) or "a benign edit"
