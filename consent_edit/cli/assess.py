"""``consent-edit assess``: what would be decided, and why, without running anything or releasing anything."""

from __future__ import annotations

import json

import typer

from consent_edit.cli.edit import (
    ConsentOption,
    GranteeOption,
    OperationOption,
    OperatorOption,
    PictureArgument,
    PromptOption,
    PurposeOption,
    WalletOption,
    built_in_editor,
    proven,
    read_request,
)
from consent_edit.cli.terminal import AsJson
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
    as_json: AsJson = False,
) -> None:
    """Say what would be decided at the input. Exits 3 when the edit would be refused."""
    request = read_request(
        picture, prompt=prompt, grantee=grantee, consent=consent, operation=operation, purpose=purpose
    )
    editor = built_in_editor(operator)
    try:
        decision = editor.assess(proven(request, wallet, editor.operator.audience))
    finally:
        editor.close()
    if as_json:
        typer.echo(json.dumps(decision.to_record()))
    elif decision.allowed:
        typer.echo("would be admitted; the output is checked again before anything leaves")
    else:
        for code in decision.codes:
            typer.echo(f"{code}: {explain(code, texts=decision.texts).sentence}")
    if not decision.allowed:
        raise typer.Exit(3)
