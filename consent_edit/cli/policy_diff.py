"""``consent-edit policy diff``: what changes when one policy takes another's place."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Final

import typer

from consent_edit.cli.policy_names import named_policy
from consent_edit.cli.terminal import AsJson, counted, plain, say
from consent_edit.policy.authoring.comparing.difference import REGIONS, Change, Difference, compare
from consent_edit.policy.authoring.comparing.example_pictures import MAX_PERSONS, Example
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


def _causes(number: int) -> str:
    return "one cause" if number == 1 else f"{number} causes"


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
    every: Annotated[
        bool, typer.Option("--all", help=f"Tell every cause, not only the {_SHOWN} largest of a kind.")
    ] = False,
    jurisdiction: Annotated[
        list[str] | None, typer.Option(help="Law that narrows both, such as eu; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a new policy would allow, refuse, or refuse for other reasons."""
    codes = tuple(dict.fromkeys(jurisdiction or ()))
    before, after = (named_policy(one).within(codes) for one in (old, new))
    found = _compared(before, after, points)
    named = ("--policy", new, *(word for code in codes for word in ("--jurisdiction", code)))
    said = "" if as_json else "\n".join(_lines(before, after, found, named, None if every else _SHOWN))
    say(as_json, _record(before, after, found, named), said)


def _compared(before: PolicyBundle, after: PolicyBundle, points: int | None) -> Difference:
    """Compare, and count the regions on stderr meanwhile, where somebody looks."""
    going = [True]
    ticks = counted(iter(lambda: bool(going), False), "regions")
    try:
        return compare(before, after, limit=points, tick=lambda: next(ticks))
    finally:
        going.clear()
        next(ticks, None)


def _record(
    before: PolicyBundle, after: PolicyBundle, found: Difference, new: Sequence[str]
) -> dict[str, object]:
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
        "changes": [_change(change, new) for change in found.changes],
        "rules": asdict(found.rules),
    }


def _change(change: Change, new: Sequence[str]) -> dict[str, object]:
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
        "example": {**asdict(change.example), "command": _command(change.example, new)},
    }


def _when(change: Change) -> str:
    return " and ".join(one.text for one in change.conditions) or "in every case"


def _lines(
    before: PolicyBundle, after: PolicyBundle, found: Difference, new: Sequence[str], most: int | None
) -> Iterator[str]:
    yield f"old  {plain(before.name):<16} {before.digest}"
    yield f"new  {plain(after.name):<16} {after.digest}"
    kinds = {kind: _by_cause(changes) for kind, changes in groupby(found.changes, key=lambda one: one.kind)}
    yield _summary(before, after, found, {kind: len(causes) for kind, causes in kinds.items()})
    yield from (f"NOT EXACT: {doubt}" for doubt in found.doubts)
    for kind, causes in kinds.items():
        yield f"\n{_TITLES[kind]}:"
        for alike in causes[:most]:
            yield from _told(alike, new)
        if rest := len(causes[most:]) if most else 0:
            yield f"  and for {_causes(rest)} more; --all tells them"
    rules = asdict(found.rules)
    if any(rules.values()):
        yield "\nrules:"
        yield from (f"  {what:<9} {', '.join(codes)}" for what, codes in rules.items() if codes)
    yield ""
    if found.exact:
        yield "compared wherever the floor lets anything through; it refuses the rest under both"
    yield f"facts that neither reads: {', '.join(found.unread) or 'none'}"


def _by_cause(changes: Iterator[Change]) -> list[list[Change]]:
    """Changes of one kind by what brought them about: those that whole pictures show first, then by size."""
    causes: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        causes.setdefault((change.lead, change.old, change.new), []).append(change)
    return sorted(causes.values(), key=_smallness)


def _smallness(alike: list[Change]) -> tuple[bool, int]:
    return not any(one.example.whole for one in alike), -sum(one.points for one in alike)


def _summary(
    before: PolicyBundle, after: PolicyBundle, found: Difference, causes: dict[ChangeKind, int]
) -> str:
    if before.digest == after.digest:
        return "the same rules"
    if not found.equal:
        told = (f"{_NAMES[kind]} for {_causes(number)}" for kind, number in causes.items())
        return f"other decisions: {', '.join(told)}"
    return "same decisions, though the text differs" if found.exact else "no difference found"


def _told(alike: list[Change], new: Sequence[str]) -> Iterator[str]:
    """Changes of one cause: what they have in common once, then the first few variants."""
    first = alike[0]
    common = [one.text for one in first.further if all(one in change.further for change in alike)]
    own = [[one.text for one in change.further if one.text not in common] for change in alike]
    lead = " and ".join(one.text for one in first.lead)
    yield f"  {lead or ('anything' if first.further else 'in every case')}"
    if common:
        yield f"    if {' and '.join(common)}"
    variants = [" and ".join(one) for one in own if one]
    yield from (
        f"    {'or' if at else 'and' if common else 'if'} {one}" for at, one in enumerate(variants[:_SHOWN])
    )
    if len(variants) > _SHOWN:
        yield f"    or in one of {len(variants) - _SHOWN} more variants; all with --json"
    yield f"    {_reason(first)}"
    yield from _tried(next((one.example for one in alike if one.example.whole), first.example), new)


def _reason(change: Change) -> str:
    if change.kind is ChangeKind.OTHER_REASONS:
        return f"no longer {change.old[0]}" if change.old else f"now also {change.new[0]}"
    return f"{', '.join(change.old) or 'allowed'} -> {', '.join(change.new) or 'allowed'}"


def _tried(example: Example, new: Sequence[str]) -> Iterator[str]:
    command = _command(example, new)
    if command:
        yield f"    for example: {plain(command)}"
    else:
        yield f"    for example: a picture of {example.persons:,} persons"
    if command and not example.whole:
        yield "      (there something else refuses as well)"


def _command(example: Example, new: Sequence[str]) -> str:
    """What shows the example under the new policy, named by its options; nothing for too many persons."""
    if example.persons > MAX_PERSONS:
        return ""
    change = {
        path: word if isinstance(word, str) else ",".join(map(str, word if isinstance(word, list) else ()))
        for path, word in example.change.items()
    }
    words = ["consent-edit", "policy", "explain", *new, "--stage", example.stage]
    words += ["--persons", str(example.persons)]
    for path, word in (change or {"stage": example.stage}).items():
        words += ["--change", f"{path}={word}"]
    return shlex.join(words)
