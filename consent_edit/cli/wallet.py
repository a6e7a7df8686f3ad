"""``consent-edit wallet``: the person depicted keeps a credential, signs grants and withdraws them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.grant import ANYONE
from consent_edit.consent.keys import write_private
from consent_edit.consent.presentation import CredentialPackage
from consent_edit.consent.wallet import DEFAULT_DAYS, Wallet
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError
from consent_edit.intake.decode import decode
from consent_edit.vocabulary import Operation, Purpose

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The wallet's folder.")]
_PUBLIC = "holder.jwk.json"


@app.callback()
def _group() -> None:
    """The person depicted: hold a credential, grant, withdraw."""


@app.command("init")
def init(folder: Folder, as_json: AsJson = False) -> None:
    """Make a wallet with a fresh key; its public half is for the issuer."""
    wallet = Wallet.create(folder)
    public = folder / _PUBLIC
    _write(public, canonical_json(wallet.public.export()).decode("utf-8"))
    said = {"subject": wallet.subject, "public_key": str(public)}
    say(as_json, said, f"wallet {wallet.subject}; give {public} to the issuer")


@app.command("receive")
def receive(
    folder: Folder,
    package: Annotated[Path, typer.Argument(help="The file that `issuer enrol` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Store the credential that an issuer gave."""
    wallet, content = Wallet.open(folder), CredentialPackage.read(package)
    wallet.receive(content.credential, content.stock)
    say(as_json, {"subject": wallet.subject, "grants_left": len(content.stock)}, "credential stored")


@app.command("grant")
def grant(
    folder: Folder,
    *,
    audience: Annotated[str, typer.Option(help="The service the grant is for.")],
    operation: Annotated[list[Operation], typer.Option(help="What may be done; repeat for more.")],
    out: Annotated[Path, typer.Option(help="Where the presentation (credential and grant) goes.")],
    grantee: Annotated[str, typer.Option(help="Who may ask for the edit; by default you yourself.")] = "",
    anyone: Annotated[bool, typer.Option("--anyone", help="Let ANYBODY ask for the edit.")] = False,
    purpose: Annotated[Purpose, typer.Option(help="What for.")] = Purpose.PERSONAL,
    photo: Annotated[list[Path] | None, typer.Option(help="Only for this photo; repeat for more.")] = None,
    max_uses: Annotated[int, typer.Option(min=0, help="Releases it is good for; 0: no limit.")] = 0,
    days: Annotated[int, typer.Option(min=1, help="How long it lasts.")] = DEFAULT_DAYS,
    as_json: AsJson = False,
) -> None:
    """Sign a consent grant, and say what was signed."""
    if anyone and grantee:
        raise InputError("name a grantee or let anybody, not both", code="input.grant")
    wallet = Wallet.open(folder)
    held = wallet.grant(
        audience=audience,
        grantee=ANYONE if anyone else grantee or wallet.subject,
        operations=operation,
        purpose=purpose,
        now=int(time.time()),
        images=[decode(read_file(path)).image.digest for path in photo or []],
        max_uses=max_uses,
        days=days,
        anyone=anyone,
    )
    write_private(out, held.presentation().to_json().encode("utf-8"))
    said = {"grant": held.jti, "presentation": str(out), "notice": held.notice}
    say(as_json, said, f"{held.notice}\ngrant {held.jti} in {out}")


@app.command("withdraw")
def withdraw(
    folder: Folder,
    grant_id: Annotated[str, typer.Argument(metavar="GRANT", help="The grant's name, as `grant` gave it.")],
    out: Annotated[Path, typer.Option(help="Where the signed request goes; the issuer takes it in.")],
    as_json: AsJson = False,
) -> None:
    """Sign the withdrawal of a grant; hand the file to the issuer (`issuer withdrawal`)."""
    _write(out, Wallet.open(folder).withdraw(grant_id, int(time.time())))
    say(as_json, {"withdrawal": str(out)}, f"hand {out} to the issuer's status service")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path.name}", code="input.file") from error
