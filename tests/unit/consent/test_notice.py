"""The notice: what a person reads before she signs, and names that would make it say something else."""

from __future__ import annotations

import pytest
from consent_world import AUDIENCE, NOW, OTHER_PHOTO, PHOTO, ConsentWorld

from consent_edit.consent.grant import ConsentGrant
from consent_edit.consent.holder.notice import (
    GUARDIAN_NOTICE_URI,
    moment,
    notice_text,
    sensible,
    verified_notice,
)
from consent_edit.consent.holder.notice_words import WORDS, Language
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.vocabulary import PHOTO_BOUND_OPERATIONS, Operation, Purpose

KEY = "k" * 43


def granted(**changes: object) -> ConsentGrant:
    """A grant's claims, with some changed."""
    return ConsentWorld.make().person().grant().claims().model_copy(update=changes)


def in_french(grant: ConsentGrant) -> ConsentGrant:
    """The same grant, its notice in French."""
    return grant.model_copy(update={"notice": grant.notice.model_copy(update={"lang": "fr"})})


def for_guardians(grant: ConsentGrant) -> ConsentGrant:
    """The same grant, its notice the guardians'."""
    return grant.model_copy(update={"notice": grant.notice.model_copy(update={"uri": GUARDIAN_NOTICE_URI})})


def test_the_notice_in_english() -> None:
    """It says who, where, what, what for, which photos, how often, how long, and that it can be undone."""
    held = ConsentWorld.make().person().grant(images=[PHOTO, OTHER_PHOTO], max_uses=1, days=1)
    assert held.notice == (
        "You allow pictures that show your face to be edited.\n"
        "Who may ask for it: “client-1”\n"
        f"Which service edits: “{AUDIENCE}”\n"
        "What may be done: change the background; adjust light and colours\n"
        "What for: personal use\n"
        "Which photos: only these 2, by digest\n"
        f"  {PHOTO}\n"
        f"  {OTHER_PHOTO}\n"
        "How often: once\n"
        "For how long: 1 day at most, until 2027-01-16 08:00 UTC\n"
        "You may withdraw this at any time, without giving a reason.\n"
    )


def test_the_notice_in_french() -> None:
    """The same, for who reads French."""
    held = ConsentWorld.make().person().grant(images=[PHOTO], max_uses=3, lang=Language.FR)
    assert held.notice == (
        "Vous autorisez la retouche d’images qui montrent votre visage.\n"
        "Qui peut la demander: « client-1 »\n"
        f"Quel service retouche: « {AUDIENCE} »\n"
        "Ce qui peut être fait: changer l’arrière-plan; ajuster la lumière et les couleurs\n"
        "Dans quel but: usage personnel\n"
        "Quelles photos: seulement celle-ci, par empreinte\n"
        f"  {PHOTO}\n"
        "Combien de fois: 3 fois au plus\n"
        "Pendant combien de temps: 30 jours au plus, jusqu’au 2027-02-14 08:00 UTC\n"
        "Vous pouvez retirer cette autorisation à tout moment, sans donner de raison.\n"
    )


def test_anybody_is_said_out_loud() -> None:
    """A grant to anybody says so in capitals; somebody who calls himself so stands in quotation marks."""
    world = ConsentWorld.make()
    held = world.person().grant(grantee="any", anyone=True)
    assert "ask for it: ANYBODY AT ALL" in held.notice
    french = world.person().grant(grantee="any", anyone=True, lang=Language.FR)
    assert "demander: N’IMPORTE QUI" in french.notice
    named = world.person().grant(grantee="ANYBODY AT ALL")
    assert "ask for it: “ANYBODY AT ALL”" in named.notice


def test_a_key_as_grantee_is_said_to_be_one() -> None:
    """A thumbprint reads as the holder of a key; her own as herself, or as the person in care."""
    assert f"whoever holds this key “{KEY}”" in notice_text(granted(grantee=KEY))
    own = granted()
    own = own.model_copy(update={"grantee": own.cnf.jkt})
    assert "you yourself, and nobody else" in notice_text(own)
    assert "the person in your care, and nobody else" in notice_text(for_guardians(own))


def test_the_guardians_notice_says_whose_face_it_is() -> None:
    """It names the person by key, says that every guardian must sign, and that each may end it."""
    grant = for_guardians(granted())
    english, french = notice_text(grant), notice_text(in_french(grant))
    for text in (english, french):
        assert grant.cnf.jkt in text
    assert "As a guardian" in english
    assert "once every guardian has signed" in english
    assert "Any guardian" in english
    assert "responsable légal" in french
    assert "tous les responsables légaux" in french


@pytest.mark.parametrize("lang", list(Language))
def test_every_operation_and_purpose_has_words(lang: Language) -> None:
    """Nothing that can be granted is without words of its own in any language."""
    words = WORDS[lang]
    assert words.operations.keys() == set(Operation)
    assert words.purposes.keys() == set(Purpose)
    for told in (words.operations, words.purposes):
        assert len(set(told.values())) == len(told)


BLANKS = {
    "line end": "app\nYou allow nothing.",
    "carriage return": "app\rnothing",
    "terminal control": "app\x1b[2K",
    "C1 control": "app\x9bK",
    "right-to-left override": "app\u202egnihton",
    "isolate": "app\u2066x",
    "line separator": "app\u2028x",
    "zero-width space": "app\u200bx",
    "byte order mark": "app\ufeffx",
    "soft hyphen": "app\u00adx",
    "no-break space": "app\u00a0x",
    "Hangul filler": "app\u3164x",
    "half-width filler": "app\uffa0x",
    "braille blank": "app\u2800x",
    "variation selector": "app\ufe0fx",
    "further variation selector": "app\U000e0100x",
    "grapheme joiner": "app\u034fx",
    "tag": "app\U000e0041x",
    "enclosing mark": "app\u20dd",
    "decomposed letter": "cafe\u0301",
    "trailing space": "app ",
    "two spaces": "app  x",
    "closing quote": "app” What for: nothing “",
    "French quote": "app » Dans quel but: rien « ",
    "straight quote": 'app"',
}


@pytest.mark.parametrize("name", BLANKS.values(), ids=BLANKS.keys())
@pytest.mark.parametrize("field", ["audience", "grantee"])
def test_notice_that_reads_as_another(field: str, name: str) -> None:
    """A name that hides something, or could pass for the notice's own words, is not put to her."""
    person = ConsentWorld.make().person()
    with pytest.raises(InputError, match="cannot be seen, or a quotation mark"):
        person.grant(**{field: name})
    claims = granted(**{"aud": (name,)} if field == "audience" else {"grantee": name})
    with pytest.raises(ConsentInvalid):
        notice_text(claims)


def test_letters_that_pass_for_others_are_spelled_out() -> None:
    """A name with letters outside ASCII is shown, and spelled after it: a Cyrillic a is no Latin one."""
    text = ConsentWorld.make().person().grant(audience="https://editor.ex\u0430mple").notice
    assert (
        "“https://editor.ex\u0430mple” (has letters outside ASCII, spelled https://editor.ex\\u0430mple)"
        in text
    )


def test_a_right_to_left_name_ends_its_line() -> None:
    """A Hebrew name can turn nothing but itself: it stands at the end of a line of its own."""
    text = ConsentWorld.make().person().grant(grantee="שלום").notice
    (line,) = [line for line in text.splitlines() if "שלום" in line]
    assert (
        line == "Who may ask for it: “שלום” (has letters outside ASCII, spelled \\u05e9\\u05dc\\u05d5\\u05dd)"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"grantee": "somebody-else"},
        {"aud": (AUDIENCE, "https://b.example")},
        {"max_uses": 7},
        {"images": (PHOTO,)},
        {"exp": NOW + 1},
        {"exp": 2**53},
    ],
    ids=["grantee", "audience", "uses", "photos", "end", "no-date"],
)
def test_a_notice_is_verified_against_the_claims(change: dict[str, object]) -> None:
    """Whatever the claims say differently, the notice is another, and the hash does not hold."""
    good = granted()
    assert verified_notice(good) == notice_text(good)
    with pytest.raises(ConsentInvalid):
        verified_notice(good.model_copy(update=change))


def test_a_notice_we_cannot_write_is_refused() -> None:
    """Another version, or a language without words, is no notice of ours."""
    for change in ({"lang": "de"}, {"uri": "urn:example:notice"}):
        grant = granted()
        with pytest.raises(ConsentInvalid, match="cannot write"):
            notice_text(grant.model_copy(update={"notice": grant.notice.model_copy(update=change)}))


def test_several_services_and_purposes_are_all_named() -> None:
    """A grant signed elsewhere that names more is told whole."""
    base = granted()
    detail = base.authorization_details[0]
    more = detail.model_copy(update={"purpose": Purpose.NEWS, "actions": (Operation.MAKEUP,)})
    text = notice_text(
        base.model_copy(
            update={
                "aud": ("https://a.example", "https://b.example"),
                "authorization_details": (detail, more),
            }
        )
    )
    for words in ("“https://a.example”", "“https://b.example”", "change the make-up", "What for: news"):
        assert words in text


def test_photos_must_be_named_where_the_body_is_at_stake() -> None:
    """Each operation bound to a photo is refused without one, and taken with one."""
    for operation in PHOTO_BOUND_OPERATIONS:
        with pytest.raises(InputError, match="must name its photos"):
            sensible("a", "b", {operation}, (), 0, 1, anyone=False)
        sensible("a", "b", {operation}, [PHOTO], 0, 1, anyone=False)


def test_times_are_told_to_the_minute() -> None:
    """A moment is a date and time in UTC; what no date can name is refused."""
    assert moment(0) == "1970-01-01 00:00 UTC"
    assert moment(253_402_300_799) == "9999-12-31 23:59 UTC"
    with pytest.raises(ConsentInvalid):
        moment(253_402_300_800)
