"""The words of notices and of the page of grants, one set a language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consent_edit.vocabulary import Operation, Purpose


class Language(StrEnum):
    """Languages a notice is written in (BCP 47)."""

    EN = "en"
    FR = "fr"


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words for what a grant says.

    Attributes:
        quote: Puts a name in quotation marks.
        times: How often, by ``max_uses``.
        photos: Which photos, by how many are named.
        lasts: How long, by days and last moment.
        spelled: What is added to a name with letters outside ASCII.
    """

    quote: Callable[[str], str]
    own_face: str
    in_care: str
    care_of: str
    grantee: str
    anyone: str
    herself: str
    herself_in_care: str
    key: str
    audience: str
    actions: str
    purpose: str
    which: str
    photos: Callable[[int], str]
    often: str
    times: Callable[[int], str]
    until: str
    lasts: Callable[[int, str], str]
    withdraw: str
    withdraw_in_care: str
    all_sign: str
    spelled: str
    operations: Mapping[Operation, str]
    purposes: Mapping[Purpose, str]


_ENGLISH: Final = Words(
    quote=lambda name: f"“{name}”",
    own_face="You allow pictures that show your face to be edited.",
    in_care="As a guardian you allow pictures that show the face of somebody in your care to be edited.",
    care_of="Whose face, by key",
    grantee="Who may ask for it",
    anyone="ANYBODY AT ALL, people you do not know too",
    herself="you yourself, and nobody else",
    herself_in_care="the person in your care, and nobody else",
    key="whoever holds this key",
    audience="Which service edits",
    actions="What may be done",
    purpose="What for",
    which="Which photos",
    photos=lambda count: (
        f"only {'this one' if count == 1 else f'these {count}'}, by digest" if count else "any photo"
    ),
    often="How often",
    times=lambda count: ("once" if count == 1 else f"at most {count} times") if count else "without limit",
    until="For how long",
    lasts=lambda days, end: f"{days} day{'' if days == 1 else 's'} at most, until {end}",
    withdraw="You may withdraw this at any time, without giving a reason.",
    withdraw_in_care="Any guardian, or the person herself or himself, may withdraw this at any time, without "
    "giving a reason.",
    all_sign="It counts only once every guardian has signed it, and only if each of you can withdraw it; the "
    "service checks both.",
    spelled="has letters outside ASCII, spelled",
    operations={
        Operation.BACKGROUND: "change the background",
        Operation.OBJECT: "change objects",
        Operation.CLOTHING: "change the clothes",
        Operation.SWIMWEAR: "show the person in swimwear",
        Operation.HAIR: "change the hair",
        Operation.MAKEUP: "change the make-up",
        Operation.EXPRESSION: "change the expression of the face",
        Operation.POSE: "change the pose",
        Operation.AGE: "make the person look older or younger",
        Operation.BODY: "change the shape of the body",
        Operation.FACE_SWAP: "put the face on another person, or another's face on this one",
        Operation.STYLISE: "turn the picture into another style, such as a drawing",
        Operation.RESTORE: "repair or sharpen the picture",
        Operation.TONE: "adjust light and colours",
    },
    purposes={
        Purpose.PERSONAL: "personal use",
        Purpose.ENTERTAINMENT: "entertainment",
        Purpose.ADVERTISING: "advertising",
        Purpose.TRY_ON: "trying on clothes or looks",
        Purpose.NEWS: "news",
        Purpose.RESEARCH: "research",
    },
)

_FRENCH: Final = Words(
    quote=lambda name: f"« {name} »",
    own_face="Vous autorisez la retouche d’images qui montrent votre visage.",
    in_care="En tant que responsable légal, vous autorisez la retouche d’images qui montrent le visage d’une "
    "personne sous votre responsabilité.",
    care_of="Le visage de qui, par clé",
    grantee="Qui peut la demander",
    anyone="N’IMPORTE QUI, y compris des inconnus",
    herself="vous-même, et personne d’autre",
    herself_in_care="la personne sous votre responsabilité, et personne d’autre",
    key="quiconque détient cette clé",
    audience="Quel service retouche",
    actions="Ce qui peut être fait",
    purpose="Dans quel but",
    which="Quelles photos",
    photos=lambda count: (
        f"seulement {'celle-ci' if count == 1 else f'ces {count}'}, par empreinte"
        if count
        else "n’importe quelle photo"
    ),
    often="Combien de fois",
    times=lambda count: ("une fois" if count == 1 else f"{count} fois au plus") if count else "sans limite",
    until="Pendant combien de temps",
    lasts=lambda days, end: f"{days} jour{'' if days == 1 else 's'} au plus, jusqu’au {end}",
    withdraw="Vous pouvez retirer cette autorisation à tout moment, sans donner de raison.",
    withdraw_in_care="Chaque responsable légal, ou la personne elle-même, peut retirer cette autorisation à "
    "tout moment, sans donner de raison.",
    all_sign="Elle ne vaut que lorsque tous les responsables légaux l’ont signée, et que si chacun d’eux "
    "peut la retirer ; le service vérifie l’un et l’autre.",
    spelled="contient des lettres hors ASCII, épelé",
    operations={
        Operation.BACKGROUND: "changer l’arrière-plan",
        Operation.OBJECT: "changer des objets",
        Operation.CLOTHING: "changer les vêtements",
        Operation.SWIMWEAR: "montrer la personne en maillot de bain",
        Operation.HAIR: "changer les cheveux",
        Operation.MAKEUP: "changer le maquillage",
        Operation.EXPRESSION: "changer l’expression du visage",
        Operation.POSE: "changer la pose",
        Operation.AGE: "faire paraître la personne plus âgée ou plus jeune",
        Operation.BODY: "changer la forme du corps",
        Operation.FACE_SWAP: "mettre le visage sur une autre personne, ou l’inverse",
        Operation.STYLISE: "donner à l’image un autre style, comme un dessin",
        Operation.RESTORE: "réparer l’image ou la rendre plus nette",
        Operation.TONE: "ajuster la lumière et les couleurs",
    },
    purposes={
        Purpose.PERSONAL: "usage personnel",
        Purpose.ENTERTAINMENT: "divertissement",
        Purpose.ADVERTISING: "publicité",
        Purpose.TRY_ON: "essayer des vêtements ou un style",
        Purpose.NEWS: "information",
        Purpose.RESEARCH: "recherche",
    },
)

WORDS: Final[Mapping[Language, Words]] = {Language.EN: _ENGLISH, Language.FR: _FRENCH}
