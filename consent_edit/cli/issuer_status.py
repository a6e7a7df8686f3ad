"""``consent-edit issuer publish|withdrawal|serve``: an issuer's status list goes out, withdrawals come in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.issuing.folder import open_issuer
from consent_edit.consent.status.lists import put_status_list
from consent_edit.consent.status.server import StatusServer

Folder = Annotated[Path, typer.Argument(help="The issuer's folder.")]


def publish(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Status folder that verifiers read.")],
    as_json: AsJson = False,
) -> None:
    """Sign the status list and put it into a status folder. It counts for 60 s: run this on a schedule."""
    status = open_issuer(folder).status
    target = put_status_list(out, status.uri, status.token(_now()))
    say(as_json, {"uri": status.uri, "file": str(target)}, f"signed {status.uri} into {target}")


def withdrawal(
    folder: Folder,
    request: Annotated[Path, typer.Argument(help="The signed request that `wallet withdraw` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Take in a person's withdrawal of a grant; any one guardian's counts, and the child's own."""
    entry = open_issuer(folder).status.withdraw(read_file(request).decode("ascii", "replace").strip())
    say(as_json, {"withdrawn": entry}, f"entry {entry} is withdrawn")


def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    as_json: AsJson = False,
) -> None:
    """Serve the status list and take in withdrawals, over plain HTTP: put what speaks TLS in front of it."""
    status = open_issuer(folder).status
    server = StatusServer(status, clock=_now, host=host, port=port)
    said = {"uri": status.uri, "host": host, "port": server.port}
    say(as_json, said, f"serving {status.uri} on {host} port {server.port}")
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def _now() -> int:
    return int(time.time())
