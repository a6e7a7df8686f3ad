"""``consent-edit assess``: what would be decided, and why, without running anything or releasing anything."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from consent_edit.cli.edit import (
    ConsentOption,
    GranteeOption,
    JurisdictionOption,
    OperationOption,
    OperatorOption,
    PictureArgument,
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
    )
    editor = built_in_editor(operator)
    try:
        asked = proven(request, wallet, editor.operator.audience)
        decision_id = editor.audit(asked) if record else ""
        decision = editor.operator.decision(decision_id) if record else editor.assess(asked)
    finally:
        editor.close()
        tell_problem(editor.operator)
    if as_json:
        typer.echo(json.dumps(decision.to_record() | ({"decision_id": decision_id} if record else {})))
    elif decision.allowed:
        typer.echo("would be admitted; the output is checked again before anything leaves")
    else:
        for code in decision.codes:
            typer.echo(plain(f"{code}: {explain(code, texts=decision.texts).sentence}"))
    if record and not as_json:
        typer.echo(f"recorded as {decision_id}")
    if not decision.allowed:
        raise typer.Exit(3)
