"""The ``consent-edit`` command: gathers the subcommands and turns every error into an exit code."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import typer

from consent_edit.cli import assess, bench, demo, edit, issuer, models, operator, verify, wallet
from consent_edit.errors import ConsentEditError, EditRefused, Unavailable

app = typer.Typer(
    name="consent-edit",
    help="Image editing that needs the consent of everyone it shows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("edit")(edit.edit)
app.command("assess")(assess.assess)
app.command("verify")(verify.verify)
app.add_typer(models.app, name="models", help="The weights the checks run on.")
app.add_typer(issuer.app, name="issuer", help="An identity verifier: enrol people, revoke credentials.")
app.add_typer(wallet.app, name="wallet", help="The person depicted: hold a credential, grant, withdraw.")
app.add_typer(operator.app, name="operator", help="The service: its keys, trust, policy and log.")
app.add_typer(bench.app, name="bench", help="Measure, and print what was measured.")


def run() -> None:
    """Entry point. Exit codes: 0 done, 2 bad input, 3 refused, 4 a part is unavailable, 5 not verified."""
    try:
        app()
    except ConsentEditError as error:
        _leave(error)
    except ModuleNotFoundError as error:
        _leave(
            Unavailable(
                f"this command needs the package {error.name}",
                code="check.installation",
                remedy="pip install 'consent-edit[all]'",
            )
        )


def _leave(error: ConsentEditError) -> NoReturn:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"error": _as_json(error)}) + "\n")
    sys.stderr.write(error.diagnostics() + "\n")
    sys.exit(error.exit_code)


def _as_json(error: ConsentEditError) -> dict[str, object]:
    described: dict[str, object] = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if isinstance(error, EditRefused):
        described |= {
            "codes": list(error.codes),
            "boxes": [list(box) for box in error.boxes],
            "decision_id": error.decision_id,
        }
    return described
