"""``consent-edit operator audit``: what was decided here, why, and what every shadow would have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

import typer

from consent_edit import operator_folder
from consent_edit.cli.terminal import AsJson, counted, plain, say
from consent_edit.errors import ConsentEditError, InputError
from consent_edit.policy.authoring.records.audit_counts import Became, Shadow, Tally, tally
from consent_edit.policy.authoring.records.policies_at_hand import narrowed_to
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.vocabulary import Stage

_NAMED: Final = 5
_WIDTH: Final = max(len(became.value) for became in Became)


def audit(
    folder: Annotated[Path, typer.Argument(help="The operator's folder.")],
    since: Annotated[str, typer.Option(help="Leave out what is older: YYYY-MM-DD (UTC), or seconds.")] = "",
    as_json: AsJson = False,
) -> None:
    """Count what the records say: decisions, reasons, what shadows would have done. No picture is needed."""
    begin = _moment(since)
    store = operator_folder.open_store(folder)
    try:
        counts = tally(
            (kept.decision_id, kept.data) for kept in counted(store.decisions(since=begin), "decisions")
        )
    finally:
        store.close()
    policy = _in_force(folder)
    elsewhere = counts.elsewhere(_same_as(policy)) if policy else None
    told = "" if as_json else "\n".join(_told(counts, policy, elsewhere))
    say(as_json, _facts(counts, policy, elsewhere), told)


def _moment(since: str) -> int:
    """Unix seconds of what ``--since`` says.

    Raises:
        InputError: it says neither a day nor seconds.
    """
    try:
        if not since or since.isdecimal():
            return min(int(since or 0), 2**40)
        day = date.fromisoformat(since)
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise InputError(
            "--since names no moment", code="input.since", remedy="write YYYY-MM-DD, or unix seconds"
        ) from error


def _in_force(folder: Path) -> PolicyBundle | None:
    """The policy in force; none, and a word on stderr, where it cannot be used."""
    try:
        return operator_folder.policy_in_force(folder)
    except ConsentEditError as error:
        typer.echo(f"the policy in force cannot be read: {error.diagnostics()}", err=True)
        return None


def _same_as(policy: PolicyBundle) -> Callable[[str, str], bool]:
    """Tells by name and digest whether a decision was under this policy, or one that a request narrowed."""

    @lru_cache(maxsize=256)
    def same(name: str, digest: str) -> bool:
        return narrowed_to(policy, name, digest) is not None

    return same


def _facts(counts: Tally, policy: PolicyBundle | None, elsewhere: int | None) -> dict[str, object]:
    by_stage: dict[str, dict[str, int]] = {}
    for (became, stage), count in counts.became.items():
        by_stage.setdefault(became.name.lower(), {})[stage] = count
    return {
        "policy": policy.name if policy else "",
        "digest": policy.digest if policy else "",
        "decisions": counts.decisions,
        "by_stage": by_stage,
        "under_another_policy": elsewhere,
        "reasons": [
            {
                "code": code,
                "count": count,
                "sentence": counts.sentence(code),
                "example": counts.examples[code],
            }
            for code, count in counts.reasons.most_common()
        ],
        "shadows": [_shadow_facts(shadow) for shadow in counts.shadows.values()],
        "other_entries": counts.others,
        "damaged": {"count": counts.damaged, "ids": counts.damaged_ids},
    }


def _shadow_facts(shadow: Shadow) -> dict[str, object]:
    return {
        "policy": shadow.policy,
        "digest": shadow.digest,
        "asked": shadow.asked,
        "would_refuse": {"count": shadow.would_refuse, "codes": dict(shadow.refusing.most_common())},
        "would_allow": {"count": shadow.would_allow, "codes": dict(shadow.refused.most_common())},
        "faults": dict(shadow.faults.most_common()),
    }


def _told(counts: Tally, policy: PolicyBundle | None, elsewhere: int | None) -> Iterator[str]:
    yield f"{counts.decisions:,} decision(s)"
    stages = [stage.value for stage in Stage if any(key[1] == stage.value for key in counts.became)]
    if stages:
        yield " " * (_WIDTH + 2) + "".join(f"{stage:>10}" for stage in stages)
    for became in Became if stages else ():
        yield f"  {became.value:<{_WIDTH}}" + "".join(
            f"{counts.became[became, stage]:>10,}" for stage in stages
        )
    if elsewhere and policy:
        yield f"\n{elsewhere:,} under another policy than {plain(policy.name)}, which is in force now"
    if counts.reasons:
        yield "\nreasons"
    for code, count in counts.reasons.most_common():
        yield f"  {count:>8,}  {plain(code)}: {plain(counts.sentence(code))}"
    for shadow in counts.shadows.values():
        yield from _shadow_told(shadow)
    if counts.damaged:
        named = ", ".join(plain(name) for name in counts.damaged_ids[:_NAMED])
        more = ", …: --json lists them" if counts.damaged > _NAMED else ""
        yield f"\n{counts.damaged:,} damaged record(s) left out: {named}{more}"


def _shadow_told(shadow: Shadow) -> Iterator[str]:
    digest = f" ({shadow.digest[:19]}…)" if shadow.digest else ""
    yield f"\nshadow {plain(shadow.policy)}{digest}, asked {shadow.asked:,} time(s)"
    if shadow.asked:
        yield f"  would have refused {shadow.would_refuse:,} that were allowed{_listed(shadow.refusing)}"
        yield f"  would have allowed {shadow.would_allow:,} that were refused{_listed(shadow.refused)}"
    for fault, count in shadow.faults.most_common():
        yield f"  gave no answer {count:,} time(s): {plain(fault)}"


def _listed(codes: Counter[str]) -> str:
    return (
        ": " + ", ".join(f"{plain(code)} {count:,}" for code, count in codes.most_common()) if codes else ""
    )
