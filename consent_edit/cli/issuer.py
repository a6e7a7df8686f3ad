"""``consent-edit issuer``: an identity verifier's folder, enrolment, renewal, revocation, trust lists."""

from __future__ import annotations

import time
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from consent_edit.cli import issuer_review, issuer_status, operator_vault
from consent_edit.cli.issuer_photos import (
    Level,
    Liveness,
    observe,
    packages_free,
    read_card,
    read_cards,
    read_guardians,
    take_home,
    why_capped,
)
from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.binding import Evidence
from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.issuing.capture import CaptureSource
from consent_edit.consent.issuing.folder import open_issuer, trust_list
from consent_edit.consent.issuing.rotation import announce_status_key, rotate_key, rotate_status_key
from consent_edit.consent.keys import SigningKey, write_private
from consent_edit.encoding import canonical_json
from consent_edit.enrolment.objecting import lift_objection, object_to_enrolment
from consent_edit.enrolment.office import create_office, open_desk
from consent_edit.errors import InputError
from consent_edit.vocabulary import Environment

app = typer.Typer(no_args_is_help=True)
app.command("publish")(issuer_status.publish)
app.command("withdrawal")(issuer_status.withdrawal)
app.command("serve")(issuer_status.serve)
app.command("rotate-vault-key")(operator_vault.rotate_register)
app.add_typer(issuer_review.app, name="review", help="Have a person of yours decide an enrolment.")

Folder = Annotated[Path, typer.Argument(help="The issuer's folder.")]
Photos = Annotated[list[Path], typer.Argument(help="1 to 5 photos that you took of the person.")]
Holders = Annotated[
    list[Path], typer.Option("--holder", help="The person's card, from `wallet init`; repeat for a batch.")
]
Out = Annotated[Path, typer.Option(help="Where the sealed credential goes; numbered for a batch.")]
Method = Annotated[str, typer.Option(help="How you checked who the person is. Name nobody.")]
Loa = Annotated[Level, typer.Option(help="The level you claim.")]
HowLive = Annotated[Liveness, typer.Option(help="How you know that the person was there.")]
Supplied = Annotated[
    bool, typer.Option("--supplied", help="The person handed these photos in: self_asserted at most.")
]
Review = Annotated[
    Path | None, typer.Option(help="A reviewer's signed decision about these photos and keys.")
]
Thumbprints = Annotated[
    list[str] | None,
    typer.Option("--thumbprint", help="A card's thumbprint as its holder read it out; a passkey's needs it."),
]


class Request(StrEnum):
    """What a person can ask of an issuer with her credential."""

    RENEW = "renew"
    OBJECT = "object"
    LIFT = "lift"


_DAY: Final = 86_400


@app.callback()
def _group() -> None:
    """An identity verifier: enrol people, revoke credentials."""


@app.command("init")
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="The issuer's name in credentials (iss), a URL.")],
    status_uri: Annotated[str, typer.Option(help="Address of its status list.")],
    highest: Annotated[Level, typer.Option(help="The level its procedures reach.")] = Level.SUBSTANTIAL,
    as_json: AsJson = False,
) -> None:
    """Make an issuer in a new folder: keys, an empty status list, an empty register."""
    issuer = create_office(folder, name=name, status_uri=status_uri, highest=highest.assurance)
    public = issuer.key.public.export()
    say(as_json, {"issuer": name, "key": public, "status_uri": status_uri}, f"issuer {name} in {folder}")


@app.command("enrol")
def enrol(
    folder: Folder,
    *,
    photos: Photos,
    holder: Holders,
    out: Out,
    method: Method,
    loa: Loa = Level.SELF_ASSERTED,
    liveness: HowLive = Liveness.NONE,
    birthdate: Annotated[str, typer.Option(help="YYYY-MM-DD, if you verified it.")] = "",
    guardian: Annotated[
        list[Path] | None,
        typer.Option(help="A guardian's card; repeat for each, with --relation and --proof."),
    ] = None,
    relation: Annotated[
        list[str] | None, typer.Option(help="parent, legal_guardian or court_appointed; one a guardian.")
    ] = None,
    proof: Annotated[
        list[str] | None, typer.Option(help="Your reference to what you saw; one a guardian.")
    ] = None,
    supplied: Supplied = False,
    review: Review = None,
    thumbprint: Thumbprints = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a person: every two photos must match under both embedders, and nobody twice."""
    read_cards([*holder, *(guardian or ())], thumbprint or ())
    cards = [read_card(path, thumbprint or ()) for path in holder]
    guardians = read_guardians(guardian or [], relation or [], proof or [], thumbprint or ())
    born = _date(birthdate) if birthdate else date.min
    files = packages_free(out, len(cards))
    desk = open_desk(folder, clock=_now)
    source = CaptureSource.SUPPLIED if supplied else CaptureSource.OWN
    seen = observe(photos, source)
    issued = desk.enrol(
        seen.captures,
        holders=[card.signatory() for card in cards],
        models=seen.models,
        evidence=Evidence(loa=loa.assurance, method=method, liveness=liveness.method),
        birthdate=born,
        guardians=guardians,
        review=_review(review),
    )
    capped = why_capped(loa.assurance, issued[0].loa, liveness, source, desk.issuer.level)
    take_home(issued, cards, files, as_json, f"; to revoke: issuer revoke {folder} ENTRY", capped=capped)


@app.command("challenge")
def challenge(
    folder: Folder,
    asked: Annotated[Request, typer.Option("--for", help="What she asks for.")] = Request.RENEW,
    as_json: AsJson = False,
) -> None:
    """Give out a nonce: the person's wallet binds to it (`wallet bind`), then `renew` or `object`."""
    desk = open_desk(folder, clock=_now)
    nonce = desk.challenge(Asked(asked.value))
    said = {"nonce": nonce, "audience": desk.issuer.name}
    say(as_json, said, f"nonce {nonce} for audience {desk.issuer.name}")


@app.command("renew")
def renew(
    folder: Folder,
    *,
    photos: Photos,
    presentation: Annotated[Path, typer.Option(help="Her credential, bound to your nonce by her wallet.")],
    nonce: Annotated[str, typer.Option(help="As `challenge` gave it; it counts once.")],
    holder: Holders,
    out: Out,
    method: Method,
    loa: Loa = Level.SELF_ASSERTED,
    liveness: HowLive = Liveness.NONE,
    still_named: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of an older weight file that verifiers still use.")
    ] = None,
    supplied: Supplied = False,
    review: Review = None,
    thumbprint: Thumbprints = None,
    as_json: AsJson = False,
) -> None:
    """Issue anew to somebody who holds her key and shows her face again."""
    cards = read_cards(holder, thumbprint or ())
    files = packages_free(out, len(cards))
    desk = open_desk(folder, clock=_now)
    bound = read_file(presentation).decode("ascii", "replace").strip()
    source = CaptureSource.SUPPLIED if supplied else CaptureSource.OWN
    seen = observe(photos, source)
    issued = desk.renew(
        bound,
        seen.captures,
        nonce=nonce,
        models=seen.models,
        evidence=Evidence(loa=loa.assurance, method=method, liveness=liveness.method),
        holders=[card.signatory() for card in cards],
        still_named=still_named or (),
        review=_review(review),
    )
    capped = why_capped(loa.assurance, issued[0].loa, liveness, source, desk.issuer.level)
    take_home(issued, cards, files, as_json, "", capped=capped)


@app.command("object")
def object_(
    folder: Folder,
    *,
    presentation: Annotated[Path, typer.Option(help="Her credential, bound to your nonce by her wallet.")],
    nonce: Annotated[str, typer.Option(help="As `challenge --for object` (or lift) gave it.")],
    lift: Annotated[bool, typer.Option("--lift", help="Take her off the list again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put somebody you enrolled on your never-edit list: nobody is enrolled with her face any more."""
    desk = open_desk(folder, clock=_now)
    bound = read_file(presentation).decode("ascii", "replace").strip()
    subject = (lift_objection if lift else object_to_enrolment)(desk, bound, nonce)
    done = "is off" if lift else "is on"
    say(as_json, {"subject": subject, "listed": not lift}, f"{subject} {done} the never-edit list")


@app.command("revoke")
def revoke(
    folder: Folder,
    entry: Annotated[int, typer.Argument(help="The credential's status entry, as `enrol` gave it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a credential; every grant under it falls with it."""
    open_desk(folder, clock=_now).revoke(entry)
    say(as_json, {"revoked": entry}, f"entry {entry} is revoked")


@app.command("erase", context_settings={"ignore_unknown_options": True})  # a thumbprint may begin with -
def erase(
    folder: Folder,
    subject: Annotated[str, typer.Argument(help="The person's key thumbprint, as `enrol` gave it.")],
    as_json: AsJson = False,
) -> None:
    """Forget a person: revoke her credentials and erase her templates from the register."""
    revoked = open_desk(folder, clock=_now).erase(subject)
    say(
        as_json, {"erased": subject, "revoked": revoked}, f"erased {subject}; {revoked} credential(s) revoked"
    )


@app.command("rotate")
def rotate(
    folder: Folder,
    *,
    status: Annotated[
        bool, typer.Option("--status", help="The key of the status list: announced first, used with --now.")
    ] = False,
    at_once: Annotated[bool, typer.Option("--now", help="Use the announced status key from now on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign with a fresh key; trust lists name the old one beside it as long as what it signed counts."""
    if at_once and not status:
        raise InputError("--now goes with --status", code="input.usage")
    if at_once:
        key, advice = rotate_status_key(folder, now=_now()), "in use; publish the status list now"
    elif status:
        key, advice = announce_status_key(folder), "announced; sign new trust lists, then: --status --now"
    else:
        key = rotate_key(folder, now=_now()).key.public
        advice = "in use; sign a new trust list now: credentials count only under keys it names"
    say(as_json, {"key": key.export()}, f"key {key.thumbprint} is {advice}")


@app.command("trust")
def trust(
    *,
    folders: Annotated[list[Path], typer.Argument(help="Folders of the issuers to trust.")],
    anchor: Annotated[Path, typer.Option(help="Anchor key; made if it is not there.")],
    out: Annotated[Path, typer.Option(help="Where the signed trust list goes.")],
    anchor_public: Annotated[Path, typer.Option(help="Where the anchor's public key (JWK) goes.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="How long the list is in force.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Sign a trust list that names these issuers and their status services."""
    if not anchor.exists():
        SigningKey.generate().save(anchor)
    key, now = SigningKey.load(anchor), _now()
    entries = [open_issuer(folder).trust_entries(now=now, lifetime=days * _DAY) for folder in folders]
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=now, lifetime=days * _DAY)
    write_private(anchor_public, canonical_json(key.public.export()) + b"\n")
    write_private(out, f"{claims.sign(key)}\n".encode("ascii"))
    said = {
        "trust_list": str(out),
        "anchor": str(anchor_public),
        "issuers": [entry.id for entry, _ in entries],
    }
    say(as_json, said, f"trust list of {len(entries)} issuer(s) in {out}; verify it under {anchor_public}")


def _review(path: Path | None) -> str:
    return "" if path is None else read_file(path).decode("ascii", "replace").strip()


def _now() -> int:
    return int(time.time())


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError("a birthdate is written YYYY-MM-DD", code="input.birthdate") from error
