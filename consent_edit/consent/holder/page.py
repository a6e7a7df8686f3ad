"""A page that a person reads, prints or keeps: each of her grants, and how to withdraw it.

One HTML file that fetches nothing, runs nothing and holds no picture and no template. Every value is escaped
and stands in an element of its own direction of writing; one that could not be seen as it is, is spelled out.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from consent_edit.consent.grant import ANYONE, ConsentGrant
from consent_edit.consent.holder.held import HeldGrant
from consent_edit.consent.holder.notice import GUARDIAN_NOTICE_URI, is_plain, moment
from consent_edit.consent.holder.notice_words import WORDS, Language

_INK: Final = ("#1a1a1a", "#ffffff")
_NIGHT: Final = ("#f2f2f2", "#161616")
COLOURS: Final = (_INK, _NIGHT)
"""Text on ground, by day and by night: WCAG 2.2 asks for a contrast of 7 to 1 at its strictest (1.4.6)."""

_STYLE: Final = f"""
:root {{ color-scheme: light dark; --ink: {_INK[0]}; --ground: {_INK[1]}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: {_NIGHT[0]}; --ground: {_NIGHT[1]}; }} }}
body {{ color: var(--ink); background: var(--ground); font: 1.0625rem/1.5 system-ui, sans-serif;
  max-width: 46rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.125rem; margin: 0 0 .5rem; }}
article {{ border: 2px solid currentColor; border-radius: .5rem; padding: 1rem; margin: 1rem 0; }}
dt {{ font-weight: 700; }} dd {{ margin: 0 0 .5rem; }} bdi {{ unicode-bidi: isolate; }}
code, pre {{ font-family: ui-monospace, monospace; font-size: .9375rem; white-space: pre-wrap; }}
@media print {{ :root {{ --ink: #000; --ground: #fff; }} article {{ break-inside: avoid; }} }}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode("utf-8")).digest()).decode("ascii")
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class _Labels:
    title: str
    made: Callable[[str], str]
    nobody: str
    number: Callable[[int], str]
    states: Mapping[str, str]
    known: str
    withdrawn: Callable[[str], str]
    service: str
    image: str
    how: str
    hand_in: str
    again: str
    status: str
    about: str


_LABELS: Final[Mapping[Language, _Labels]] = {
    Language.EN: _Labels(
        title="What you have allowed to be done with your face",
        made=lambda when: f"As this wallet knew it on {when}.",
        nobody="You have allowed nothing.",
        number=lambda number: f"Grant {number}",
        states={"given": "In force", "withdrawn": "Withdrawn", "expired": "Over"},
        known="What this wallet knows. A guardian may have withdrawn it elsewhere.",
        withdrawn=lambda when: f"you signed the withdrawal on {when}",
        service="Which service edits",
        image="Photo",
        how="How to withdraw it",
        hand_in="This writes a file. Hand it to the issuer of your credential or to the service, by any way.",
        again="The withdrawal you signed. Hand it to the issuer of your credential if you have not.",
        status="State",
        about="Whose face, by key",
    ),
    Language.FR: _Labels(
        title="Ce que vous avez autorisé à faire de votre visage",
        made=lambda when: f"Selon ce portefeuille, le {when}.",
        nobody="Vous n’avez rien autorisé.",
        number=lambda number: f"Autorisation {number}",
        states={"given": "En vigueur", "withdrawn": "Retirée", "expired": "Terminée"},
        known="Selon ce portefeuille. Un responsable légal peut l’avoir retirée ailleurs.",
        withdrawn=lambda when: f"vous avez signé le retrait le {when}",
        service="Quel service retouche",
        image="Photo",
        how="Comment la retirer",
        hand_in="Cette commande écrit un fichier. Remettez-le à l’émetteur de votre attestation ou au "
        "service, par n’importe quel moyen.",
        again="Le retrait que vous avez signé. Remettez-le à l’émetteur de votre attestation si ce n’est pas "
        "fait.",
        status="État",
        about="Le visage de qui, par clé",
    ),
}


def consent_page(
    grants: Sequence[HeldGrant],
    *,
    now: int,
    folder: str,
    options: Sequence[str] = (),
    lang: Language = Language.EN,
) -> str:
    """The page of these grants, the newest first.

    Args:
        now: Unix seconds.
        folder: The wallet's folder, as commands name it.
        options: What else commands need, such as where its key lies.
        lang: The page's language; the grants' own notices may be in another.

    Raises:
        ConsentInvalid: ``MALFORMED``; a grant held here cannot be read.
    """
    labels = _LABELS[lang]
    articles = [
        _article(number, held, now, _command(held, folder, options), lang)
        for number, held in sorted(enumerate(grants, start=1), reverse=True)
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="{lang}" dir="ltr">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            '<meta name="robots" content="noindex">',
            f"<title>{escape(labels.title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            f"<h1>{escape(labels.title)}</h1>",
            f"<p>{escape(labels.made(moment(now)))}</p>",
            *(articles or [f"<p>{escape(labels.nobody)}</p>"]),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _article(number: int, held: HeldGrant, now: int, command: str, lang: Language) -> str:
    words, labels, grant = WORDS[lang], _LABELS[lang], held.claims()
    lines: list[tuple[str, str]] = [(words.grantee, _whom(grant, lang))]
    if grant.notice.uri == GUARDIAN_NOTICE_URI:
        lines.append((labels.about, _value(grant.cnf.jkt)))
    lines += [(labels.service, _value(name)) for name in grant.aud]
    for detail in grant.authorization_details:
        actions = "; ".join(words.operations[action] for action in detail.actions)
        lines += [(words.actions, escape(actions)), (words.purpose, escape(words.purposes[detail.purpose]))]
    lines.append((words.which, escape(words.photos(len(grant.images)))))
    lines += [(labels.image, f"<code>{escape(digest[:23])}…</code>") for digest in grant.images]
    days = -(-(grant.exp - grant.nbf) // 86_400)
    lines += [
        (words.often, escape(words.times(grant.max_uses))),
        (words.until, escape(words.lasts(days, moment(grant.exp)))),
        (labels.status, _state(held, grant, now, lang)),
        (labels.how, _withdrawal(held, command, lang)),
    ]
    listed = "\n".join(f"<dt>{escape(label)}</dt><dd>{value}</dd>" for label, value in lines)
    heading = escape(labels.number(number))
    name = f"grant-{number}"
    opening = f'<article aria-labelledby="{name}">\n<h2 id="{name}">{heading}</h2>'
    return f"{opening}\n<dl>\n{listed}\n</dl>\n</article>"


def _whom(grant: ConsentGrant, lang: Language) -> str:
    words = WORDS[lang]
    if grant.grantee == ANYONE:
        return f"<strong>{escape(words.anyone)}</strong>"
    if grant.grantee == grant.cnf.jkt:
        in_care = grant.notice.uri == GUARDIAN_NOTICE_URI
        return escape(words.herself_in_care if in_care else words.herself)
    return _value(grant.grantee)


def _state(held: HeldGrant, grant: ConsentGrant, now: int, lang: Language) -> str:
    labels, withdrawn = _LABELS[lang], held.withdrawn_at()
    if withdrawn:
        return f"{escape(labels.states['withdrawn'])}: {escape(labels.withdrawn(moment(withdrawn)))}"
    if now >= grant.exp:
        return escape(labels.states["expired"])
    return f"{escape(labels.states['given'])}. {escape(labels.known)}"


def _withdrawal(held: HeldGrant, command: str, lang: Language) -> str:
    labels = _LABELS[lang]
    if held.withdrawal:
        return f"{escape(labels.again)}<pre>{escape(held.withdrawal)}</pre>"
    return f"<pre>{escape(command)}</pre>{escape(labels.hand_in)}"


def _command(held: HeldGrant, folder: str, options: Sequence[str]) -> str:
    """The command that withdraws; a name that looks like an option is kept from being one."""
    named = (folder, held.jti)
    stop = ("--",) if any(word.startswith("-") for word in named) else ()
    words = ("consent-edit", "wallet", "withdraw", *options, "--out", "withdrawal.jwt", *stop, *named)
    return shlex.join(words)


def _value(text: str) -> str:
    """A name of somebody else's making: escaped, its direction its own, spelled out if it hides something."""
    shown = text if is_plain(text) else text.encode("unicode_escape").decode("ascii")
    return f'<bdi dir="auto">{escape(shown)}</bdi>'
