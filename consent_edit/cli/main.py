"""The ``consent-edit`` command: gathers the subcommands and turns every error into an exit code."""

from __future__ import annotations

import json
import sys

import typer

from consent_edit import core_dumps
from consent_edit.cli import (
    assess,
    bench,
    demo,
    edit,
    engine,
    issuer,
    models,
    operator,
    policy,
    subject,
    verify,
    wallet,
)
from consent_edit.cli.terminal import lines
from consent_edit.errors import ConsentEditError, EditRefused, InputError, Unavailable

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
app.command("engine")(engine.engine)
app.add_typer(models.app, name="models", help="The weights the checks run on.")
app.add_typer(issuer.app, name="issuer", help="An identity verifier: enrol people, revoke credentials.")
app.add_typer(wallet.app, name="wallet", help="The person depicted: hold a credential, grant, withdraw.")
app.add_typer(operator.app, name="operator", help="The service: its keys, trust, policy and log.")
app.add_typer(
    subject.app, name="subject", help="A person depicted asks the service: export, erase, objection."
)
app.add_typer(policy.app, name="policy", help="Policies: write, test, compare, explain, prove.")
app.add_typer(bench.app, name="bench", help="Measure, and print what was measured.")


def run() -> None:
    """Entry point. Exit codes: 0 done, 2 bad input, 3 refused, 4 a part is unavailable, 5 not verified."""
    core_dumps.forbid()
    try:
        app()
    except SystemExit as leaving:  # a command line that no command takes was explained on stderr
        if leaving.code == InputError.exit_code and _wants_json():
            _print_json(InputError("the command line does not fit", code="input.usage", remedy=_help()))
        raise
    except ConsentEditError as error:
        sys.exit(_told(error))
    except ModuleNotFoundError as error:
        missing = f"this command needs the package {error.name}"
        remedy = "pip install 'consent-edit[all]'"
        sys.exit(_told(Unavailable(missing, code="check.installation", remedy=remedy)))
    except OSError as error:  # a disk that became full, a folder taken away meanwhile
        message = f"cannot read or write {error.filename or 'a file'}: {error.strerror}"
        sys.exit(_told(InputError(message, code="input.file")))
    except Exception as error:
        message = f"the command broke off with {type(error).__name__}"
        raise SystemExit(_told(Unavailable(message, code="check.command-failed"))) from error


def _told(error: ConsentEditError) -> int:
    """Say what happened and the next step; the exit code."""
    error.remedy = error.remedy or _help()
    if _wants_json():
        _print_json(error)
    sys.stderr.write(lines(error.diagnostics()) + "\n")
    return error.exit_code


def _print_json(error: ConsentEditError) -> None:
    sys.stdout.write(json.dumps({"error": _as_json(error)}) + "\n")


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]


def _help() -> str:
    """The help of the command that was called, as the next step where an error names none."""
    command, words = typer.main.get_command(app), ["consent-edit"]
    for word in sys.argv[1:]:
        inner = getattr(command, "commands", {}).get(word)
        if inner is None:
            break
        command = inner
        words.append(word)
    return f"see {' '.join(words)} --help"


def _as_json(error: ConsentEditError) -> dict[str, object]:
    described: dict[str, object] = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if isinstance(error, EditRefused):
        described |= {
            "codes": list(error.codes),
            "boxes": [list(box) for box in error.boxes],
            "pictures": list(error.pictures),
            "decision_id": error.decision_id,
        }
    return described
