"""``consent-edit issuer publish|withdrawal|serve``: an issuer's status list goes out, withdrawals come in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.encoding import malformed
from consent_edit.consent.jose import unverified
from consent_edit.consent.status.lists import MAX_STATUS_TOKEN, folder_source, inflate, put_status_list
from consent_edit.consent.status.server import StatusServer
from consent_edit.enrolment.office import open_status_office
from consent_edit.errors import ConsentInvalid, StoreUnavailable

Folder = Annotated[Path, typer.Argument(help="The issuer's folder.")]


def publish(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Status folder that verifiers read.")],
    as_json: AsJson = False,
) -> None:
    """Sign the status list and put it into a status folder. It counts for 60 s: run this on a schedule."""
    status, now = open_status_office(folder), _now()
    token = status.token(now)
    _refuse_fewer(out, status.uri, token)
    target = put_status_list(out, status.uri, token)
    say(as_json, {"uri": status.uri, "file": str(target)}, f"signed {status.uri} into {target}")


def withdrawal(
    folder: Folder,
    request: Annotated[Path, typer.Argument(help="The signed request that `wallet withdraw` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Take in a person's withdrawal of a grant; any one guardian's counts, and the child's own."""
    entry = open_status_office(folder).withdraw(read_file(request).decode("ascii", "replace").strip())
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
    status = open_status_office(folder)
    server = StatusServer(status, clock=_now, host=host, port=port)
    said = {"uri": status.uri, "host": host, "port": server.port}
    say(as_json, said, f"serving {status.uri} on {host} port {server.port}")
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def _refuse_fewer(out: Path, uri: str, token: str) -> None:
    """A list that lacks what the one published before says was signed from an old copy of the folder."""
    try:
        published = folder_source(out)(uri)
    except ConsentInvalid:
        return  # the first one
    try:
        before, after = _entries(published), _entries(token)
    except ConsentInvalid:
        return  # nothing that any verifier would read
    if len(before) == len(after) and any(old & ~new for old, new in zip(before, after, strict=True)):
        raise StoreUnavailable(
            "the list published before holds withdrawals that this folder lacks",
            code="check.status-rollback",
            remedy="put back the newest copy of the issuer's folder; take the published list away only if "
            "somebody else put it there",
        )


def _entries(token: str) -> bytes:
    claims = unverified(token, limit=MAX_STATUS_TOKEN)[1]
    match claims.get("status_list"):
        case {"bits": 1, "lst": str(lst)}:
            return inflate(lst)
        case _:
            raise malformed("not a status list of this issuer")


def _now() -> int:
    return int(time.time())
