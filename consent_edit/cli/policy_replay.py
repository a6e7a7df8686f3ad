"""``consent-edit policy replay``: what another policy would have made of decisions that were recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from consent_edit import operator_folder
from consent_edit.cli.policy_names import named_policy
from consent_edit.cli.terminal import AsJson, counted, plain, say
from consent_edit.errors import InputError
from consent_edit.policy.authoring.records.replay import MAX_RECORD_BYTES, Report, replay_all

_SHOWN: Final = 20


def replay(
    log: Annotated[
        Path, typer.Argument(help="Operator's folder, or a file of decision records, one JSON a line.")
    ],
    new: Annotated[str, typer.Argument(help="Shipped policy's name, or a policy file or folder.")],
    jurisdiction: Annotated[
        list[str] | None, typer.Option(help="Law that narrows NEW, such as eu; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take every recorded decision again under NEW, on its own facts, and say what would change.

    The jurisdictions that an operator's folder is always under narrow NEW too.
    """
    own = operator_folder.jurisdictions(log) if log.is_dir() else ()
    bundle = named_policy(new).within((*own, *(jurisdiction or ())))
    records = _of_folder(log) if log.is_dir() else _of_file(log)
    report = replay_all(counted(records, "decisions"), bundle)
    if report.skipped and not report.total:
        raise _nothing(report)
    say(as_json, _facts(report), "" if as_json else "\n".join(_told(report)))


def _nothing(report: Report) -> InputError:
    """What to say where no record at all could be replayed."""
    first = report.skipped[0]
    count = sum(one.count for one in report.skipped)
    return InputError(
        f"none of {count:,} record(s) could be replayed; {plain(first.example)}: {plain(first.reason)}",
        code="input.record",
        remedy="name an operator's folder, or what assess --json printed, a line each",
    )


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    store = operator_folder.open_store(folder)
    try:
        for kept in store.decisions():
            yield kept.decision_id, kept.data
    finally:
        store.close()


def _of_file(file: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each line; nothing of one that is too long, so that it reads as damaged.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with file.open("rb") as handle:
            number = 0
            while line := handle.readline(MAX_RECORD_BYTES):
                number += 1
                whole = line
                while len(line) == MAX_RECORD_BYTES and not line.endswith(b"\n"):
                    whole, line = b"", handle.readline(MAX_RECORD_BYTES)
                if not whole or whole.strip():
                    yield f"line {number}", whole
    except OSError as error:
        raise InputError(
            f"cannot read {file}: {error.strerror}",
            code="input.file",
            remedy="name an operator's folder, or what assess --json printed, a line each",
        ) from error


def _facts(report: Report) -> dict[str, object]:
    return {
        "policy": report.policy,
        "digest": report.digest,
        "replayed": report.total,
        "counts": {change.name.lower(): count for change, count in report.counts.items()},
        "groups": [
            {
                "change": group.change.name.lower(),
                "old": list(group.old),
                "new": list(group.new),
                "count": group.count,
                "example": group.example,
            }
            for group in report.groups
        ],
        "untold": report.untold,
        "skipped": [
            {"reason": one.reason, "count": one.count, "example": one.example} for one in report.skipped
        ],
        "floor_moved": report.floor_moved,
    }


def _told(report: Report) -> Iterator[str]:
    yield f"{report.total:,} decision(s) taken again under {plain(report.policy)} ({report.digest[:19]}…)"
    for change, count in report.counts.items():
        yield f"  {change.value:<26} {count:>8,}"
    shown = report.groups[:_SHOWN]
    for group in shown:
        yield ""
        yield f"{group.change.value}: {group.count:,}, such as {plain(group.example)}"
        yield f"  was  {_codes(group.old)}"
        yield f"  now  {_codes(group.new)}"
    rest = len(report.groups) - len(shown)
    if rest or report.untold:
        yield f"\nand {rest:,} more kind(s) of change: --json lists them"
    for one in report.skipped:
        yield f"\nskipped {one.count:,}, such as {plain(one.example)}: {plain(one.reason)}"
    if report.floor_moved:
        yield f"\nthe floor moved too: {report.floor_moved:,} were decided under another floor than today's"


def _codes(codes: tuple[str, ...]) -> str:
    return ", ".join(codes) or "allowed"
