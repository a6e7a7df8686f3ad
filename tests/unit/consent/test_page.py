"""The page of grants: what a person reads of them, and names that would like to be markup."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape, unescape
from html.parser import HTMLParser

import pytest
from consent_world import AUDIENCE, MINOR_BIRTHDATE, NOW, PHOTO, ConsentWorld

from consent_edit.consent.holder.held import HeldGrant, read_credential
from consent_edit.consent.holder.notice_words import Language
from consent_edit.consent.holder.page import COLOURS, consent_page
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import SigningKey
from consent_edit.vocabulary import Operation, Purpose

DAY = 86_400
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "article", "dl", "dt"),
    *("dd", "bdi", "code", "pre", "strong"),
}
VOID = {"meta"}


class Outline(HTMLParser):
    """Reads a page: its tags with attributes, its text, and whether every tag is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag opens."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """A tag closes."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text.append(data)


def read(page: str) -> Outline:
    """The page's outline; it must be whole."""
    outline = Outline()
    outline.feed(page)
    outline.close()
    assert outline.open == []
    return outline


def shown(page: str) -> str:
    """What a person reads."""
    return "".join(read(page).text)


def forged(**claims: object) -> HeldGrant:
    """A grant as no wallet of ours makes it, as an earlier version or a bent one could hold it."""
    person = ConsentWorld.make().person()
    held = person.grant()
    changed = {**person.grant_claims(held.presentation()), **claims}
    return held.model_copy(update={"token": sign_compact(changed, person.key, typ="consent-grant+jwt")})


def page_of(*grants: HeldGrant, **changes: object) -> str:
    """The page of these grants."""
    return consent_page(grants, **{"now": NOW, "folder": "my wallet", **changes})  # type: ignore[arg-type]


def test_the_page_says_what_was_granted_and_how_to_undo_it() -> None:
    """Whom, where, what, which photos, until when, how often, its state, and the exact command."""
    held = ConsentWorld.make().person().grant(images=[PHOTO], max_uses=2)
    text = shown(page_of(held, options=["--key-file", "k"]))
    for words in (
        "client-1",
        AUDIENCE,
        "change the background; adjust light and colours",
        "personal use",
        f"{PHOTO[:23]}…",
        "at most 2 times",
        "until 2027-02-14 08:00 UTC",
        "In force",
        f"consent-edit wallet withdraw --key-file k --out withdrawal.jwt 'my wallet' {held.jti}",
        "As this wallet knew it on 2027-01-15 08:00 UTC",
    ):
        assert words in text


def test_the_page_in_french() -> None:
    """A French page is French throughout, whatever language the notice was in."""
    held = ConsentWorld.make().person().grant()
    page = page_of(held, lang=Language.FR)
    assert '<html lang="fr" dir="ltr">' in page
    text = shown(page)
    for words in ("Ce que vous avez autorisé", "ajuster la lumière", "En vigueur", "Comment la retirer"):
        assert words in text
    for words in ("Which", "What", "Grant ", "How"):
        assert words not in text


def test_states_and_the_withdrawal_that_is_held() -> None:
    """Withdrawn with its date and the signed request to hand in; over; and nothing at all."""
    person = ConsentWorld.make().person()
    held = person.grant()
    assert "Over" in shown(page_of(held, now=NOW + 31 * DAY))
    token = person.wallet.withdraw(held.jti, NOW + 60)
    text = shown(page_of(person.wallet.held(held.jti)))
    assert "Withdrawn: you signed the withdrawal on 2027-01-15 08:01 UTC" in text
    assert token in text
    assert "wallet withdraw" not in text
    assert "You have allowed nothing." in shown(page_of())


def test_the_newest_grant_comes_first() -> None:
    """Grants are numbered as they were signed and listed from the newest."""
    person = ConsentWorld.make().person()
    text = shown(page_of(*(person.grant(grantee=f"client-{n}") for n in (1, 2, 3))))
    assert text.index("Grant 3") < text.index("client-3") < text.index("Grant 2") < text.index("Grant 1")


def test_anybody_herself_and_a_guardians_page() -> None:
    """Anybody stands out; herself is called so; a guardian's page says whose face it is."""
    world = ConsentWorld.make()
    person, child = world.person(), world.person(birthdate=MINOR_BIRTHDATE)
    page = page_of(person.grant(grantee="any", anyone=True))
    assert "<strong>ANYBODY AT ALL" in page
    own = person.wallet.grant_self(audience=AUDIENCE, operations={Operation.TONE}, now=NOW)
    assert "you yourself, and nobody else" in shown(page_of(own))
    draft = child.wallet.begin_grant(
        audience=AUDIENCE,
        grantee=child.wallet.subject,
        operations={Operation.TONE},
        purpose=Purpose.NEWS,
        now=NOW,
    )
    guardian = Wallet(child.guardians[0])
    guardian.cosign(draft.payload)
    text = shown(page_of(*guardian.grants))
    assert "the person in your care" in text
    assert child.wallet.subject in text


HOSTILE = [
    "<script>alert(1)</script>",
    "</title></style></bdi><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "'><svg/onload=alert(1)>",
    "&lt;b&gt;",
    "a\u202egnihton",
    "a\u2066\x1b[2K\x00",
    "{{7*7}}${7*7}",
    "javascript:alert(1)",
    "]]><!--",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("field", ["aud", "grantee", "jti"])
def test_name_that_would_be_markup(field: str, name: str) -> None:
    """A hostile name adds no tag and no attribute, hides nothing, and reads as it is spelled."""
    held = forged(**{field: [name] if field == "aud" else name} if field != "jti" else {})
    if field == "jti":
        held = held.model_copy(update={"jti": name})
    page = page_of(held, folder=name)
    outline = read(page)
    assert {tag for tag, _ in outline.tags} <= ALLOWED
    attributes = {name for _, told in outline.tags for name in told}
    assert attributes <= {"lang", "dir", "charset", "http-equiv", "content", "name", "aria-labelledby", "id"}
    if field != "jti":
        spelled = name if name.isprintable() and '"' not in name else name.encode("unicode_escape").decode()
        assert spelled in "".join(outline.text)
        assert f'<bdi dir="auto">{escape(spelled)}</bdi>' in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x00]", page.split("<pre>")[0])


def test_the_page_fetches_and_runs_nothing() -> None:
    """No script, no link, no picture; the policy allows the one style by its hash and nothing else."""
    page = page_of(ConsentWorld.make().person().grant())
    outline = read(page)
    assert {tag for tag, _ in outline.tags} <= ALLOWED
    assert not re.search(r"(?i)\b(src=|href=|url\(|@import|on\w+=)", page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [a["content"] for tag, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    heads = [tag for tag, _ in outline.tags]
    assert heads.index("meta") < heads.index("style")


def test_the_page_can_be_read_by_everybody() -> None:
    """A language, one main heading, labelled articles, no fixed zoom, a contrast of 7 to 1 day and night."""
    page = page_of(ConsentWorld.make().person().grant())
    outline = read(page)
    tags = [tag for tag, _ in outline.tags]
    assert (tags.count("h1"), tags.count("main"), tags.count("article")) == (1, 1, 1)
    ids = {told["id"] for _, told in outline.tags if "id" in told}
    assert {told["aria-labelledby"] for tag, told in outline.tags if tag == "article"} == ids
    (viewport,) = [told["content"] for _, told in outline.tags if told.get("name") == "viewport"]
    assert viewport == "width=device-width, initial-scale=1"
    for text, ground in COLOURS:
        lighter, darker = sorted((_luminance(text), _luminance(ground)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 7
        assert page.count(text) >= 1


def test_the_page_holds_no_template() -> None:
    """Neither credential, template nor grant token stands in the page."""
    held = ConsentWorld.make().person().grant()
    page = unescape(page_of(held))
    secrets = [entry.data for entry in read_credential(held.credential).face_template]
    for secret in (*secrets, *held.credential.split("~")[1:-1], held.token):
        assert secret[:40] not in page


def test_grant_name_that_looks_like_an_option() -> None:
    """A name that somebody else chose is never read as an option of the command."""
    held = forged().model_copy(update={"jti": "--help" + "x" * 20})
    text = shown(page_of(held, folder="w"))
    assert f"withdraw --out withdrawal.jwt -- w --help{'x' * 20}" in text


def test_a_key_is_no_name() -> None:
    """A grantee who is a key is shown by thumbprint."""
    key = SigningKey.generate().public.thumbprint
    assert key in shown(page_of(ConsentWorld.make().person().grant(grantee=key)))


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of ``#rrggbb``."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
