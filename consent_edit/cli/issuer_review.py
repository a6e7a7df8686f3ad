"""``consent-edit issuer review``: put two pictures before a reviewer, and take in what the reviewer signs."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consent_edit.cli.issuer_photos import Liveness, observe, read_cards
from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.issuing.capture import CaptureSource
from consent_edit.consent.issuing.folder import list_reviewer, open_issuer
from consent_edit.consent.keys import SigningKey, write_private
from consent_edit.consent.wire import read_wire
from consent_edit.enrolment.office import open_desk
from consent_edit.enrolment.review import Finding, ReviewCase, decide, prepare
from consent_edit.enrolment.review_page import write_page
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.thresholds import load_thresholds

app = typer.Typer(no_args_is_help=True)


class Verdict(StrEnum):
    """What a reviewer says."""

    ACCEPT = "accept"
    REFUSE = "refuse"


@app.callback()
def _group() -> None:
    """A person of the issuer's decides where the machine must not."""


@app.command("reviewer")
def reviewer(
    folder: Annotated[Path, typer.Argument(help="The issuer's folder.")],
    key: Annotated[Path, typer.Option(help="The reviewer's key; made if it is not there.")],
    as_json: AsJson = False,
) -> None:
    """Let somebody decide by review; to end it, take the file out of the folder's reviewers/."""
    if not key.exists():
        SigningKey.generate().save(key)
    public = SigningKey.load(key).public
    list_reviewer(folder, public)
    say(as_json, {"reviewer": public.thumbprint}, f"reviewer {public.thumbprint} is listed in {folder}")


@app.command("prepare")
def prepare_case(
    folder: Annotated[Path, typer.Argument(help="The issuer's folder.")],
    document: Annotated[Path, typer.Argument(help="The photo of the person's identity document.")],
    photos: Annotated[list[Path], typer.Argument(help="The photos you took, as they are to be enrolled.")],
    *,
    holder: Annotated[list[Path], typer.Option(help="The person's card; repeat for a batch.")],
    guardian: Annotated[
        list[Path] | None, typer.Option(help="Card of a guardian who is to sign for her; repeat for each.")
    ] = None,
    thumbprint: Annotated[
        list[str] | None, typer.Option(help="A card's thumbprint as its holder read it out.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the case (JSON) goes.")],
    page: Annotated[Path, typer.Option(help="Folder for the page with the pictures; delete it afterwards.")],
    as_json: AsJson = False,
) -> None:
    """Put a document's photo and your own captures side by side for a reviewer."""
    issuer = open_issuer(folder)
    cards = read_cards([*holder, *(guardian or ())], thumbprint or ())
    keys = [card.signatory().thumbprint for card in cards]
    seen = observe([document, *photos], CaptureSource.OWN)
    shown, captures = seen.photos[0], seen.photos[1:]
    roles = tuple(load_thresholds().enrolment)
    case = prepare(
        shown,
        captures,
        issuer=issuer.name,
        keys=keys[: len(holder)],
        guardians=keys[len(holder) :],
        roles=roles,
        now=_now(),
    )
    write_private(out, case.model_dump_json().encode("utf-8"), new=True)
    written = write_page(case, shown, captures, page)
    scores = [dict(entry) for entry in case.scores]
    said = {"case": str(out), "page": str(written), "scores": scores}
    say(as_json, said, f"look at {written}, decide on {out}, then delete the page")


@app.command("decide")
def decide_case(
    case: Annotated[Path, typer.Argument(help="The case that `prepare` wrote.")],
    verdict: Annotated[Verdict, typer.Argument(help="Whether it is one person, and was there.")],
    *,
    key: Annotated[Path, typer.Option(help="The reviewer's key.")],
    liveness: Annotated[Liveness, typer.Option(help="How the reviewer knows that the person was there.")],
    out: Annotated[Path, typer.Option(help="Where the signed decision goes.")],
    finding: Annotated[Finding, typer.Option(help="Of an earlier enrolment of the same face.")] = Finding.NEW,
    note: Annotated[str, typer.Option(help="The reviewer's own words.")] = "",
    folder: Annotated[
        Path | None, typer.Option(help="The issuer's folder, if it is here: a refusal is logged at once.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign what was decided; `issuer enrol --review` takes it, within a day and once."""
    if out.exists():
        raise InputError(f"{out.name} is there already", code="input.file")
    try:
        read = read_wire(ReviewCase, read_file(case))
    except ConsentInvalid as error:
        raise InputError(f"{case.name} is no case", code="input.review") from error
    token = decide(
        read,
        SigningKey.load(key),
        accepted=verdict is Verdict.ACCEPT,
        liveness=liveness.method,
        now=_now(),
        finding=finding,
        note=note,
    )
    recorded = folder is not None and verdict is Verdict.REFUSE
    if folder is not None and recorded:
        open_desk(folder, clock=_now).record_refusal(token)
    write_private(out, token.encode("ascii"), new=True)
    said = {"decision": str(out), "verdict": verdict.value, "recorded": recorded}
    say(as_json, said, f"{verdict.value}: decision in {out}{', and in the log' if recorded else ''}")


def _now() -> int:
    return int(time.time())
