"""``consent-edit operator``: make the folder that ``edit`` and ``assess`` run under."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consent_edit import operator_folder
from consent_edit.cli import operator_audit, operator_status, operator_vault
from consent_edit.cli.terminal import AsJson, say
from consent_edit.errors import InputError
from consent_edit.policy.shipped_names import name_or_path

app = typer.Typer(no_args_is_help=True)
app.command("audit")(operator_audit.audit)
app.command("fetch-status")(operator_status.fetch)
app.command("rotate-presentation-key")(operator_vault.rotate_presentation_key)
app.command("rotate-vault-key")(operator_vault.rotate)


@app.callback()
def _group() -> None:
    """The service: its keys, trust, policy and log."""


@app.command("init")
def init(
    *,
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    audience: Annotated[str, typer.Option(help="Audience that grants must name: this service.")],
    trust_list: Annotated[Path, typer.Option(help="Signed trust list (compact JWS).")],
    anchor: Annotated[Path, typer.Option(help="Public key that signed the trust list (JWK, JWK set).")],
    status_uri: Annotated[
        list[str] | None, typer.Option(help="Address of a status list kept in FOLDER/status.")
    ] = None,
    store: Annotated[
        str, typer.Option(help="PostgreSQL address for the log (postgresql+psycopg://…), if not a file.")
    ] = "",
    policy: Annotated[
        str, typer.Option(help="Shipped policy's name, or a policy file or folder to copy in.")
    ] = "default",
    jurisdiction: Annotated[
        list[str] | None, typer.Option(help="Law that narrows the policy, such as eu; repeatable.")
    ] = None,
    shadow: Annotated[
        list[str] | None, typer.Option(help="Policy to watch beside it, as for --policy; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an operator's folder with a new receipt key."""
    operator_folder.create(
        folder,
        audience=audience,
        trust_list=_text(trust_list).strip(),
        anchor=_text(anchor),
        status_uris=tuple(status_uri or ()),
        store=store,
        policy=name_or_path(policy),
        jurisdictions=tuple(jurisdiction or ()),
        shadows=[name_or_path(one) for one in shadow or ()],
    )
    card = str(folder / operator_folder.AUDIENCE_CARD)
    sentence = (
        f"operator {audience} in {folder}; publish {card} for those who grant you something;"
        f" receipts verify under {folder}/receipt-key.jwk.json"
    )
    say(as_json, {"folder": str(folder), "audience": audience, "card": card}, sentence)


def _text(file: Path) -> str:
    """Read the trust list or its anchor.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return file.read_text()
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"cannot read the trust list or its anchor: {error}",
            code="input.operator",
            remedy="make both with: consent-edit issuer trust",
        ) from error
