"""``consent-edit operator fetch-status``: an operator's status lists, once or on schedule."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from consent_edit import operator_folder
from consent_edit.cli.terminal import AsJson, say
from consent_edit.consent.status.fetch import StatusFetcher, into_folder
from consent_edit.consent.trust import TrustList
from consent_edit.errors import ConsentEditError, InputError
from consent_edit.operator import unix_now

_STATUS = "status"


def fetch(
    folder: Annotated[Path, typer.Argument(help="The operator's folder.")],
    every: Annotated[
        int, typer.Option(min=0, max=30, help="Fetch again after so many seconds, until stopped; 0: once.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Fetch the status lists into FOLDER/status. They count for 60 s: run this on a schedule."""
    trusted, listed = operator_folder.load_trust(folder)  # and no policy: it may be being mended
    uris = [uri for uri in listed if not uri.endswith("/")]
    if not uris:
        raise InputError(
            "no status list to fetch", code="input.operator", remedy="operator init --status-uri ADDRESS"
        )

    def trust() -> TrustList:
        return operator_folder.load_trust(folder)[0]  # as it stands now, for it changes while this runs

    keep = into_folder(folder / _STATUS)
    if every:
        fetcher = StatusFetcher(uris, trust=trust, keep=keep, clock=unix_now, every=every, on_failure=_tell)
        say(
            as_json,
            {"fetching": uris, "every": every},
            f"fetching {len(uris)} status list(s) every {every} s",
        )
        _until_stopped(fetcher)
        return
    failed = StatusFetcher(uris, trust=lambda: trusted, keep=keep, clock=unix_now).fetch_all()
    for error in failed.values():
        raise error
    say(as_json, {"fetched": uris}, f"fetched {len(uris)} status list(s)")


def _tell(uri: str, error: ConsentEditError) -> None:
    typer.echo(f"{uri}: {error.diagnostics()}", err=True)


def _until_stopped(fetcher: StatusFetcher) -> None:
    with fetcher:
        try:
            _wait()
        except KeyboardInterrupt:
            return


def _wait() -> None:
    """Until interrupted."""
    threading.Event().wait()
