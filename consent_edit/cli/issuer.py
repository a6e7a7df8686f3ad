"""``consent-edit issuer``: an identity verifier's folder, enrolment, revocation, and what it publishes."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.binding import Evidence
from consent_edit.consent.issuer_folder import create_issuer, open_issuer, trust_list
from consent_edit.consent.keys import PublicJwk, SigningKey, write_private
from consent_edit.consent.presentation import CredentialPackage
from consent_edit.consent.status import status_file_name
from consent_edit.encoding import canonical_json
from consent_edit.enrolment import capture_of, models_of
from consent_edit.errors import InputError, Unavailable
from consent_edit.intake.decode import decode
from consent_edit.perception.observation import ImageObservation
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance, Environment

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The issuer's folder.")]
_DAY: Final = 86_400


@app.callback()
def _group() -> None:
    """An identity verifier: enrol people, revoke credentials."""


@app.command("init")
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="The issuer's name in credentials (iss), a URL.")],
    status_uri: Annotated[str, typer.Option(help="Address of its status list.")],
    highest: Annotated[
        Assurance, typer.Option(help="The level its procedures reach.")
    ] = Assurance.SUBSTANTIAL,
    as_json: AsJson = False,
) -> None:
    """Make an issuer: keys and an empty status list, in a new folder."""
    issuer = create_issuer(folder, name=name, status_uri=status_uri, highest=highest)
    public = issuer.key.public.export()
    say(as_json, {"issuer": name, "key": public, "status_uri": status_uri}, f"issuer {name} in {folder}")


@app.command("enrol")
def enrol(
    folder: Folder,
    *,
    photos: Annotated[list[Path], typer.Argument(help="1 to 5 photos that you took of the person.")],
    holder: Annotated[Path, typer.Option(help="The person's public key (JWK), from `wallet init`.")],
    out: Annotated[Path, typer.Option(help="Where the credential for the person goes.")],
    method: Annotated[str, typer.Option(help="How you checked who the person is.")],
    loa: Annotated[Assurance, typer.Option(help="The level you claim.")] = Assurance.SELF_ASSERTED,
    liveness: Annotated[
        str, typer.Option(help="Liveness method (ISO/IEC 30107-3) or session, by name.")
    ] = "",
    birthdate: Annotated[str, typer.Option(help="YYYY-MM-DD, if you verified it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Enrol a person: every two photos must match under both embedders."""
    issuer = open_issuer(folder)
    key = PublicJwk.read(read_file(holder))
    born = _date(birthdate) if birthdate else date.min
    observations = _observe(photos)
    enrolment = issuer.enrol(
        [capture_of(observation) for observation in observations],
        holder=key,
        models=models_of(observations[0]),
        thresholds=load_thresholds().matching,
        evidence=Evidence(loa=loa, method=method, liveness=liveness),
        now=int(time.time()),
        birthdate=born,
    )
    package = CredentialPackage(credential=enrolment.credential, stock=enrolment.stock)
    write_private(out, package.model_dump_json().encode("utf-8"), new=True)
    said = {"subject": enrolment.subject, "entry": enrolment.entry.idx, "credential": str(out)}
    say(
        as_json,
        said,
        f"enrolled {enrolment.subject}; to revoke: issuer revoke {folder} {enrolment.entry.idx}",
    )


@app.command("revoke")
def revoke(
    folder: Folder,
    entry: Annotated[int, typer.Argument(help="The credential's status entry, as `enrol` gave it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a credential; every grant under it falls with it."""
    open_issuer(folder).revoke(entry)
    say(as_json, {"revoked": entry}, f"entry {entry} is revoked")


@app.command("withdrawal")
def withdrawal(
    folder: Folder,
    request: Annotated[Path, typer.Argument(help="The signed request that `wallet withdraw` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Take in a person's withdrawal of a grant."""
    entry = open_issuer(folder).status.withdraw(read_file(request).decode("ascii", "replace").strip())
    say(as_json, {"withdrawn": entry}, f"entry {entry} is withdrawn")


@app.command("publish")
def publish(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Status folder that verifiers read.")],
    as_json: AsJson = False,
) -> None:
    """Sign the status list and put it into a status folder. It counts for 60 s: run this on a schedule."""
    status = open_issuer(folder).status
    target = out / status_file_name(status.uri)
    try:
        out.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".new")
        scratch.write_text(status.token(int(time.time())), "ascii")
        scratch.replace(target)
    except OSError as error:
        raise InputError(f"cannot write to {out.name}", code="input.file") from error
    say(as_json, {"uri": status.uri, "file": str(target)}, f"signed {status.uri} into {target}")


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
    key, now = SigningKey.load(anchor), int(time.time())
    entries = [open_issuer(folder).trust_entries(now=now, lifetime=days * _DAY) for folder in folders]
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=now, lifetime=days * _DAY)
    try:
        out.write_text(claims.sign(key) + "\n", "ascii")
        anchor_public.write_bytes(canonical_json(key.public.export()) + b"\n")
    except OSError as error:
        raise InputError("cannot write the trust list", code="input.file") from error
    said = {
        "trust_list": str(out),
        "anchor": str(anchor_public),
        "issuers": [entry.id for entry, _ in entries],
    }
    say(as_json, said, f"trust list of {len(entries)} issuer(s) in {out}; verify it under {anchor_public}")


def _observe(photos: list[Path]) -> list[ImageObservation]:
    """The issuer's own perception of its photos; the extra that brings it is loaded here and not before."""
    try:
        from consent_edit.perception.process import PerceptionProcess
    except ImportError as error:
        raise Unavailable(
            "enrolment needs the perception extra", remedy="pip install 'consent-edit[perception]'"
        ) from error
    images = [decode(read_file(photo)).image for photo in photos]
    perception = PerceptionProcess()
    try:
        return [perception.observe_image(image) for image in images]
    finally:
        perception.close()


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError("a birthdate is written YYYY-MM-DD", code="input.birthdate") from error
