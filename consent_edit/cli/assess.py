"""``consent-edit assess``: what would be decided, and why, without running anything or releasing anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from consent_edit.cli.edit import (
    AnonymiseOption,
    ConsentOption,
    CropOption,
    GranteeOption,
    JurisdictionOption,
    OperationOption,
    OperatorOption,
    PictureArgument,
    PreserveOption,
    PromptOption,
    PurposeOption,
    WalletOption,
    built_in_editor,
    proven,
    read_request,
    tell_problem,
)
from consent_edit.cli.terminal import AsJson, plain
from consent_edit.policy.explain import explain
from consent_edit.policy.outcome import Decision
from consent_edit.vocabulary import Purpose


def assess(
    *,
    picture: PictureArgument,
    prompt: PromptOption,
    operator: OperatorOption,
    grantee: GranteeOption = "",
    wallet: WalletOption = None,
    consent: ConsentOption = None,
    operation: OperationOption = None,
    purpose: PurposeOption = Purpose.PERSONAL,
    jurisdiction: JurisdictionOption = None,
    anonymise: AnonymiseOption = "",
    crop: CropOption = "",
    preserve: PreserveOption = "",
    record: Annotated[
        bool, typer.Option("--record", help="Write it into the operator's log, for operator audit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what would be decided at the input. Exits 3 when the edit would be refused."""
    request = read_request(
        picture,
        prompt=prompt,
        grantee=grantee,
        consent=consent,
        operation=operation,
        purpose=purpose,
        jurisdiction=jurisdiction,
        anonymise=anonymise,
        crop=crop,
        preserve=preserve,
    )
    editor = built_in_editor(operator)
    try:
        asked = proven(request, wallet, editor.operator.audience)
        decision_id = editor.audit(asked) if record else ""
        decision = editor.operator.decision(decision_id) if record else editor.assess(asked)
    finally:
        editor.close()
        tell_problem(editor.operator)
    named = {"decision_id": decision_id} if record else {}
    typer.echo(
        json.dumps(decision.to_record() | named) if as_json else "\n".join(_told(decision, decision_id))
    )
    if not decision.allowed:
        raise typer.Exit(3)


def _told(decision: Decision, decision_id: str) -> Iterator[str]:
    if decision.allowed:
        yield "would be admitted; the output is checked again before anything leaves"
    for code in decision.codes:
        yield plain(f"{code}: {explain(code, texts=decision.texts).sentence}")
    if decision_id:
        yield f"recorded as {decision_id}"
