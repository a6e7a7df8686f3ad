"""``consent-edit wallet``: the person depicted keeps a credential, signs grants and withdraws them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from consent_edit.cli.terminal import AsJson, say
from consent_edit.cli.wallet_files import (
    ASKED,
    audience_name,
    check_place,
    from_files,
    photo_digests,
    read_card,
    read_controllers,
    read_text,
)
from consent_edit.consent.grant import ANYONE
from consent_edit.consent.holder.drafting import DEFAULT_DAYS, GrantTerms
from consent_edit.consent.holder.folder import HOLDER_CARD
from consent_edit.consent.holder.held import HeldGrant
from consent_edit.consent.holder.notice_words import Language
from consent_edit.consent.holder.page import consent_page
from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.holder.record import consent_receipt
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.keys import write_private
from consent_edit.consent.presentation import AudienceCard, seal_holder
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import Operation, Purpose

app = typer.Typer(no_args_is_help=True)

Folder: TypeAlias = Annotated[Path, typer.Argument(help="The wallet's folder.")]
KeyFile: TypeAlias = Annotated[
    Path | None, typer.Option("--key-file", help="Where the wallet's key lies, if not in the folder.")
]
Card: TypeAlias = Annotated[Path, typer.Option("--audience", help="The service's card, its audience.json.")]
Service: TypeAlias = Annotated[str, typer.Option("--audience", help="The service's card, or its name.")]
Lang: TypeAlias = Annotated[Language, typer.Option(help="Language of what you read.")]
Operations: TypeAlias = Annotated[
    list[Operation], typer.Option("--operation", help="What may be done; repeat for more.")
]
Photos: TypeAlias = Annotated[
    list[Path] | None, typer.Option("--photo", help="Only for this photo; repeat for more.")
]
Days: TypeAlias = Annotated[int, typer.Option(min=1, help="How long it lasts.")]


@app.callback()
def _group() -> None:
    """The person depicted: hold a credential, grant, withdraw."""


@app.command("init")
def init(
    folder: Folder,
    key_file: KeyFile = None,
    credentials: Annotated[
        int, typer.Option(min=1, max=16, help="Cards for so many credentials, one for each service.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Make a wallet with a fresh key; its card is for the issuer."""
    wallet = Wallet.create(folder, key_file=key_file)
    cards, made = [folder / HOLDER_CARD], wallet.cards(credentials)
    for number, card in enumerate(made[1:], start=2):
        cards.append(folder / f"holder-{number}.json")
        write_private(cards[-1], canonical_json(card.model_dump(mode="json", exclude_none=True)))
    said = {
        "subject": wallet.subject,
        "holder": str(cards[0]),
        "holders": [str(card) for card in cards],
        "thumbprints": [card.thumbprint for card in made],
    }
    say(
        as_json,
        said,
        "\n".join(
            [
                f"wallet {wallet.subject}; give {', '.join(map(str, cards))} to the issuer",
                *(
                    f"thumbprint of {path.name}, if it asks: {card.thumbprint}"
                    for path, card in zip(cards, made, strict=True)
                ),
            ]
        ),
    )


@app.command("receive")
def receive(
    folder: Folder,
    packages: Annotated[list[Path], typer.Argument(help="The files that `issuer enrol` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Take them from another issuer than the one before.")
    ] = False,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Store the credentials that an issuer gave, in place of earlier ones.

    What grants still stand under is kept.
    """
    wallet = Wallet.open(folder, key_file=key_file)
    tokens = [token for path in packages for token in read_text(path).split()]
    with from_files("a package is malformed, or sealed to somebody else"):
        wallet.receive_sealed(*tokens, replace=replace)
    said = {"subject": wallet.subject, "grants_left": wallet.grants_left}
    say(as_json, said, f"stored; good for {wallet.grants_left} grants")


@app.command("grant")
def grant(
    folder: Folder,
    *,
    audience: Card,
    operation: Operations,
    out: Annotated[
        Path, typer.Option(help="Where the sealed presentation, or the guardians' request, goes.")
    ],
    grantee: Annotated[str, typer.Option(help="Who may ask for the edit; by default you yourself.")] = "",
    anyone: Annotated[bool, typer.Option("--anyone", help="Let ANYBODY ask for the edit.")] = False,
    purpose: Annotated[Purpose, typer.Option(help="What for.")] = Purpose.PERSONAL,
    photo: Photos = None,
    max_uses: Annotated[int, typer.Option(min=0, help="Releases it is good for; 0: no limit.")] = 0,
    days: Days = DEFAULT_DAYS,
    lang: Lang = Language.EN,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Sign a consent grant, and say what was signed; where guardians sign, write what they are to sign."""
    if anyone and grantee:
        raise InputError("name a grantee or let anybody, not both", code="input.grant")
    wallet, card = Wallet.open(folder, key_file=key_file), read_card(audience)
    check_place(out)
    terms: GrantTerms = {
        "audience": card.audience,
        "grantee": ANYONE if anyone else grantee or wallet.subject,
        "operations": operation,
        "purpose": purpose,
        "images": photo_digests(photo),
        "max_uses": max_uses,
        "days": days,
        "anyone": anyone,
        "lang": lang,
    }
    if not wallet.guardians:
        _present(wallet.grant(now=_now(), **terms), card, out, as_json)
        return
    draft = wallet.begin_grant(now=_now(), **terms)
    write_private(out, draft.payload.encode("utf-8"))
    said = {
        "grant": draft.jti,
        "request": str(out),
        "notice": draft.notice,
        "guardians": list(wallet.guardians),
    }
    say(as_json, said, f"{draft.notice}\nhave each guardian sign {out}: wallet cosign; then: wallet present")


@app.command("self")
def grant_self(
    folder: Folder,
    *,
    audience: Card,
    operation: Operations,
    out: Annotated[Path, typer.Option(help="Where the sealed presentation goes.")],
    photo: Photos = None,
    days: Days = DEFAULT_DAYS,
    lang: Lang = Language.EN,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Let yourself, and nobody else, edit pictures of yourself."""
    wallet, card = Wallet.open(folder, key_file=key_file), read_card(audience)
    check_place(out)
    held = wallet.grant_self(
        audience=card.audience,
        operations=operation,
        now=_now(),
        images=photo_digests(photo),
        days=days,
        lang=lang,
    )
    _present(held, card, out, as_json)


@app.command("cosign")
def cosign(
    folder: Folder,
    request: Annotated[Path, typer.Argument(help="What the wallet of the person in your care wrote.")],
    notice: Annotated[str, typer.Option(help="Digest of the notice you read; without it you read it.")] = "",
    out: Annotated[Path, typer.Option(help="Where your signature goes.")] = Path("cosigned.jwt"),
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Read, as a guardian, what is asked; then sign it by naming the notice you read."""
    wallet = Wallet.open(folder, key_file=key_file)
    with from_files("this is no grant, or not the one its notice tells of"):
        text = read_text(request)
        shown = wallet.review(text)
        digest = byte_digest(shown.encode("utf-8"))
        if not notice:
            said: dict[str, object] = {"notice": shown, "digest": digest, "signed": False}
            say(as_json, said, f"{shown}\nnothing is signed; if you agree, add: --notice {digest}")
            return
        if notice != digest:
            raise InputError(
                "that is not the notice of this grant", code="input.notice", remedy="read it again"
            )
        check_place(out)
        write_private(out, wallet.cosign(text).encode("ascii"))
    say(
        as_json,
        {"notice": shown, "digest": digest, "signed": True, "out": str(out)},
        f"{shown}\nsigned: {out}",
    )


@app.command("present")
def present(
    folder: Folder,
    grant_id: Annotated[str, typer.Argument(metavar="GRANT", help="The grant's name, as `grant` gave it.")],
    *,
    audience: Card,
    out: Annotated[Path, typer.Option(help="Where the sealed presentation goes.")],
    signature: Annotated[list[Path] | None, typer.Option(help="A guardian's, of `wallet cosign`.")] = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Seal a grant to its service: one that was signed before, or one with its guardians' signatures."""
    wallet, card = Wallet.open(folder, key_file=key_file), read_card(audience)
    check_place(out)
    if signature:
        with from_files("not each guardian signed this very grant, once"):
            held = wallet.finish_grant(grant_id, *(read_text(path) for path in signature))
    else:
        held = wallet.held(grant_id)
    if card.audience not in held.claims().aud:
        raise InputError("the grant is for another service", code="input.audience")
    _present(held, card, out, as_json)


@app.command("withdraw")
def withdraw(
    folder: Folder,
    grant_id: Annotated[str, typer.Argument(metavar="GRANT", help="The grant's name, as `grant` gave it.")],
    out: Annotated[Path, typer.Option(help="Where the signed request goes; the issuer takes it in.")],
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Sign the withdrawal of a grant; hand the file to the issuer (`issuer withdrawal`)."""
    token = Wallet.open(folder, key_file=key_file).withdraw(grant_id, _now())
    write_private(out, token.encode("ascii"))
    say(as_json, {"withdrawal": str(out)}, f"hand {out} to the issuer's status service")


@app.command("prove")
def prove(
    folder: Folder,
    *,
    audience: Service,
    request: Annotated[str, typer.Option(help="Digest of the edit you ask for.")],
    out: Annotated[Path, typer.Option(help="Where the proof goes.")],
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Prove your key for one edit, where a grant names it as grantee; good for ten minutes, once."""
    wallet, name = Wallet.open(folder, key_file=key_file), audience_name(audience)
    with from_files("the audience or the request is not of its form"):
        write_private(out, wallet.prove(request, name, _now()).encode("ascii"))
    say(
        as_json, {"key": wallet.key_for(name), "proof": str(out)}, f"proof of {wallet.key_for(name)} in {out}"
    )


@app.command("bind")
def bind(
    folder: Folder,
    *,
    audience: Service,
    nonce: Annotated[str, typer.Option(help="The number that the service gave you for this.")],
    out: Annotated[Path, typer.Option(help="Where it goes.")],
    face: Annotated[
        bool, typer.Option("--face", help="Show your face template too: to be put on a never-edit-me list.")
    ] = False,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a service or the issuer that you are there now; what you ask for by it, the number says.

    Read that before you hand the file over. Where the service's card is named, only the service can read who
    you are.
    """
    if face and not Path(audience).is_file():
        raise InputError("a face template is sealed to a service's card", code="input.audience")
    wallet, name = Wallet.open(folder, key_file=key_file), audience_name(audience)
    with from_files("the audience or the nonce is not of its form"):
        bound = wallet.bind(name, nonce, _now(), disclose=face)
    carried = seal_holder(bound, read_card(Path(audience)).sealing_key()) if name != audience else bound
    write_private(out, carried.encode("ascii"))
    asked = Asked.by(nonce)
    said = {"key": wallet.key_for(name), "out": str(out), "purpose": asked.value, "meaning": ASKED[asked]}
    say(as_json, said, f"{ASKED[asked]}\nif you want that, hand {out} to {name}; it counts 5 minutes")


@app.command("show")
def show(
    folder: Folder,
    *,
    page: Annotated[Path | None, typer.Option(help="Write a page to read or print (HTML).")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Write a consent receipt (ISO/IEC TS 27560, JSON-LD).")
    ] = None,
    controller: Annotated[
        list[Path] | None, typer.Option(help="What you know of a service (JSON), for the receipt.")
    ] = None,
    lang: Lang = Language.EN,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what you granted, to whom, and what became of it."""
    wallet, now = Wallet.open(folder, key_file=key_file), _now()
    grants, written = wallet.grants, []
    if page:
        options = ["--key-file", str(key_file.absolute())] if key_file else []
        write_private(
            page,
            consent_page(grants, now=now, folder=str(folder.absolute()), options=options, lang=lang).encode(
                "utf-8"
            ),
        )
        written.append(str(page))
    if record:
        receipt = consent_receipt(grants, now=now, controllers=read_controllers(controller))
        write_private(record, canonical_json(receipt))
        written.append(str(record))
    facts = [_facts(held, now) for held in grants]
    said = {
        "subject": wallet.subject,
        "grants": facts,
        "pending": [draft.jti for draft in wallet.pending],
        "grants_left": wallet.grants_left,
        "written": written,
    }
    lines = [
        f"{fact['grant']}  {fact['state']:9}  until {fact['until']}  {fact['audience']}" for fact in facts
    ]
    say(as_json, said, "\n".join([*lines, f"{wallet.grants_left} grants left", *written]))


@app.command("erase")
def erase(
    folder: Folder,
    yes: Annotated[bool, typer.Option("--yes", help="You know that it cannot be undone.")] = False,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Destroy a wallet for good: the key it is sealed under, your keys, and the rest."""
    if not yes:
        raise InputError(
            "this cannot be undone, and grants in force can no longer be withdrawn from here",
            code="input.confirm",
            remedy="withdraw them first (wallet show, wallet withdraw); then add --yes",
        )
    destroyed = Wallet.erase(folder, key_file=key_file)
    elsewhere = "" if destroyed else "; its key file was not there: if it lies elsewhere, destroy it too"
    say(as_json, {"erased": str(folder), "key_destroyed": destroyed}, f"{folder} is erased{elsewhere}")


def _present(held: HeldGrant, card: AudienceCard, out: Path, as_json: bool) -> None:
    """Write the presentation sealed: no template is ever in the clear on the disk."""
    with from_files("the card holds no key to seal to"):
        sealed = held.presentation().seal(card.sealing_key())
    write_private(out, sealed.encode("ascii"))
    said = {"grant": held.jti, "presentation": str(out), "notice": held.notice}
    say(as_json, said, f"{held.notice}\ngrant {held.jti} in {out}")


def _facts(held: HeldGrant, now: int) -> dict[str, object]:
    grant = held.claims()
    state = "withdrawn" if held.withdrawal else "expired" if now >= grant.exp else "given"
    return {
        "grant": held.jti,
        "state": state,
        "audience": ", ".join(grant.aud),
        "grantee": grant.grantee,
        "operations": sorted(grant.actions()),
        "photos": list(grant.images),
        "until": grant.exp,
        "max_uses": grant.max_uses,
    }


def _now() -> int:
    return int(time.time())
