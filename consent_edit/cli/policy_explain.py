"""``consent-edit policy explain``: which rule refuses, the floor's or the operator's, and what would help."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from consent_edit import operator_folder
from consent_edit.cli.policy_names import named_policy
from consent_edit.cli.terminal import AsJson, plain, read_file, say
from consent_edit.errors import ConsentEditError, InputError, StoreUnavailable
from consent_edit.policy.authoring.comparing.example_pictures import MAX_PERSONS
from consent_edit.policy.authoring.explaining.account import TITLES, Account, account, check_record
from consent_edit.policy.authoring.explaining.differences_given import differences
from consent_edit.policy.authoring.explaining.nearest_change import Change, Nearest
from consent_edit.policy.authoring.records.policies_at_hand import finder
from consent_edit.policy.authoring.records.replay import MAX_RECORD_BYTES
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import Decision, decide, replay
from consent_edit.policy.explain import Language
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import Stage


def explain(
    *,
    record: Annotated[
        str, typer.Argument(help="Decision record, JSON, as assess --json prints it; - is stdin.")
    ] = "",
    change: Annotated[
        list[str] | None, typer.Option(help="PATH=WORD on a benign edit, as in persons.0.consent=revoked.")
    ] = None,
    stage: Annotated[Stage, typer.Option(help="With --change: the stage.")] = Stage.OUTPUT,
    persons: Annotated[
        int, typer.Option(min=0, max=MAX_PERSONS, help="With --change: consenting persons.")
    ] = 1,
    operator: Annotated[Path | None, typer.Option(help="With --decision: the operator's folder.")] = None,
    decision: Annotated[str, typer.Option(help="With --operator: name of a decision in the log.")] = "",
    policy: Annotated[
        str, typer.Option(help="Decide anew with this policy: a shipped name, or a path.")
    ] = "",
    jurisdiction: Annotated[
        list[str] | None, typer.Option(help="With --policy or --change: law that narrows it; repeatable.")
    ] = None,
    language: Annotated[Literal["en", "fr"], typer.Option(help="Language of the sentences.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Say which rule refuses whom, whose rule it is, and the nearest change that would make it allowed."""
    sources = (bool(record), change is not None, operator is not None or bool(decision))
    if sum(sources) != 1:
        raise InputError(
            "explain takes one thing: a record, --change, or --operator with --decision",
            code="input.explain",
            remedy="for example: consent-edit policy explain --change persons.0.consent=revoked",
        )
    anew = _anew(policy or ("default" if change is not None else ""), jurisdiction or [])
    if change is not None and anew is not None:
        taken = decide(vary(benign(stage.value, persons), differences(change, persons)), anew)
    else:
        taken = _recorded(_read(record) if record else _logged(operator, decision), anew)
    find = finder(_in_force(operator) if operator and anew is None else None)
    told = account(taken, lambda part: anew or find(part.policy, part.policy_digest), language)
    say(as_json, _record(taken, told), "\n".join(_lines(told, language)))


def _anew(policy: str, jurisdictions: list[str]) -> PolicyBundle | None:
    """The policy to decide anew with, if one is named.

    Raises:
        InputError: jurisdictions without a policy.
    """
    if policy:
        return named_policy(policy).within(jurisdictions)
    if jurisdictions:
        raise InputError(
            "a recorded decision stays under the law it was decided under",
            code="input.explain",
            remedy="add --policy, to decide anew within the jurisdiction",
        )
    return None


def _read(name: str) -> object:
    """JSON of a file, or of stdin.

    Raises:
        InputError: it cannot be read, or is none.
    """
    raw = (
        sys.stdin.buffer.read(MAX_RECORD_BYTES + 1)
        if name == "-"
        else read_file(Path(name), code="input.record", most=MAX_RECORD_BYTES)
    )
    if len(raw) > MAX_RECORD_BYTES:
        raise InputError(f"a decision record is never over {MAX_RECORD_BYTES} bytes", code="input.record")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} holds no JSON", code="input.record") from error


def _logged(operator: Path | None, decision: str) -> object:
    """A decision of an operator's log.

    Raises:
        InputError: the folder or the decision was not named, or there is no such decision.
        StoreUnavailable: the log cannot be read.
    """
    if operator is None or not decision:
        raise InputError("--operator and --decision go together", code="input.explain")
    store = operator_folder.open_store(operator)
    try:
        return store.decision(decision).get("decision")
    except StoreUnavailable as error:
        if error.code != "check.no-decision":
            raise
        raise InputError(
            f"the log holds no decision {decision}",
            code="input.explain",
            remedy="consent-edit operator audit --json names one a reason",
        ) from error
    finally:
        store.close()


def _recorded(record: object, anew: PolicyBundle | None) -> Decision:
    """The decision as recorded, or decided anew with another policy.

    Raises:
        InputError: the record is malformed, or belies itself.
    """
    try:
        then = Decision.from_record(record)
        check_record(then)
        return then if anew is None else replay(record, anew)
    except RecursionError as error:
        raise InputError("the decision record is nested too deep", code="input.record") from error


def _in_force(folder: Path) -> PolicyBundle | None:
    """The folder's own policy; none where it cannot be used, for then it is not what decided."""
    try:
        return operator_folder.policy_in_force(folder)
    except ConsentEditError:
        return None


def _record(decision: Decision, told: Account) -> dict[str, object]:
    return {
        "allowed": decision.allowed,
        "stage": decision.stage.value,
        "codes": list(decision.codes),
        "policy": {"name": decision.policy, "digest": decision.policy_digest},
        **_account(told),
    }


def _account(told: Account) -> dict[str, object]:
    return {
        "title": told.title,
        "findings": [{**asdict(one), "persons": list(one.persons)} for one in told.findings],
        "nearest": None if told.nearest is None else _nearest(told.nearest),
        "advice": list(told.advice),
        "met": [
            {"part": title, **_account(part)}
            for title, part in zip(told.part_titles, told.parts, strict=True)
        ],
    }


def _nearest(nearest: Nearest) -> dict[str, object]:
    return {
        "found": nearest.found,
        "another_picture": nearest.another_picture and not nearest.allowed,
        "changes": [_change(change) for change in nearest.changes],
    }


def _change(change: Change) -> dict[str, object]:
    path = change.fact if change.person < 0 else f"persons.{change.person}.{change.fact}"
    word = sorted(change.word) if isinstance(change.word, frozenset) else change.word.value
    return {"path": path, "word": word, "whose": change.whose.name.lower()}


def _lines(told: Account, language: Language) -> Iterator[str]:
    french = language == "fr"
    yield plain(told.title)
    labels = [TITLES[key][french] for key in ("whose", "remedy")]
    width = max(map(len, labels))
    for one in told.findings:
        yield ""
        yield f"{one.who[0].upper()}{one.who[1:]}{' :' if french else ':'} {plain(one.sentence)}"
        for label, said in zip(labels, (f"{one.whose} ({one.code})", one.remedy), strict=True):
            yield f"  {label:<{width}}  {plain(said)}"
    yield from ("", *"\n".join(told.advice).split("\n")) if told.advice else ()
    for title, part in zip(told.part_titles, told.parts, strict=True):
        yield f"\n{plain(title)}"
        yield from (f"  {line}" if line else "" for line in _lines(part, language))
