"""Words of colour grading in four languages: features beside an embedding that is blind to polarity."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from consent_edit.pipelines.grading_colour import Floats

# Beginnings of words (a final $ ends the word), accents taken off; English, French, Spanish, German.
_CONCEPTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "more": (
            "more|increas|rais|boost|add$|high|up$|strong|lift|turn up|plus|augment|mont|remont|"
            "renforc|ajout|releve|fort|marque|mas$|aument|sub[ei]|refuer|realz|anad|levant|alto|"
            "marcad|mehr|erhoh|verstark|heb|hoch|hoher|stark|kraft|recover|recuper|hole"
        ),
        "less": (
            "less|reduc|lower|decreas|weak|down|calm|remov|moins|baiss|reduis|diminu|attenu|faibl|"
            "affaib|enlev|descend|menos|baja|bajo|disminu|atenu|rebaj|quit|weniger|senk|verringer|"
            "reduzier|dampf|schwach|niedrig|runter|herunter|entfern|moder|beruhig"
        ),
        "too": "too|trop|demasiad|muy|zu$|over|sur[-e]|sobre|uber",
        "under": "under|sous|sub[- ]?expu|unter",
        "light": (
            "bright|light|lumin|lumier|eclair|illumin|clair|brill|luz|luc|aclar|clar|ilumin|hell|"
            "licht|aufhell"
        ),
        "exposure": ("expos|belicht|blende|uberbelicht|unterbelicht|surexpos|sousexpos|sobreexpu|subexpu"),
        "dark": "dark|dim|sombr|assombr|fonc|tamis|oscur|dunk|dust|obscur",
        "contrast": "contrast|kontrast",
        "flat": "flat|plat|aplat|aplan|plan[ao]|flach|flau",
        "warm": "warm|heat|chaud|rechauff|calid|calor|warme|gemut|cosy",
        "cold": (
            "cold|cool|froid|refroid|fri[ao]|enfri|kalt|kuhl|icy|glac|glacial|helad|gelid|eis|frost|"
            "givr|escarch"
        ),
        "temperature": "temperature|temperatura|farbtemperatur|white balance|balance|weissabgleich",
        "vivid": (
            "vivid|vibran|colou?rful|intens|rich|punch|pop$|vif|vive|eclatant|colore|viv[ao]|colorid|"
            "satt|lebhaft|leucht|farbenfroh|bunt|dynamik|grell"
        ),
        "saturation": "saturat|satur|sattig|gesattig",
        "desaturate": "desatur|entsatt",
        "dull": "dull|mute|pale|pal|sourd|tern|apagad|palid|blass|matt$|gedampft",
        "colour": "colou?r|couleur|farb",
        "grey": (
            "gr[ae]y|gris|grau|monochrom|monocrom|black.and.white|noir.et.blanc|blanco.y.negro|schwarz-?weiss"
        ),
        "sepia": "sepia|brown|brun|marron|braun",
        "vintage": (
            "vintage|retro|nostalg|old|film|pellicul|pelicul|vieil|viej|alt$|ancien|antig|antik|"
            "argentiq|analog"
        ),
        "fade": "fad|matte|mat$|mate$|matt|wash|delav|desv|deslav|lavad|verblass|ausgewasch",
        "moody": (
            "mood|gloom|sad|melanc|lugub|mauss|triste|sombri|trub|stimmungsvoll|traurig|rain|pluie|lluv|regen"
        ),
        "golden": "gold|dore|dorad|sunset|coucher|atardec|sonnenunter|abend",
        "cinema": (
            "cinema|cine|hollywood|blockbuster|movie|film(isch)|kino|superprod|teal|canard|turques|"
            "turkis|verde azul|blaugrun"
        ),
        "orange": "orang|naranj",
        "green": "green|vert|verd|grun",
        "magenta": "magenta|pink|ros[ea]|rosi",
        "blue": "blu|bleu|azul|blau",
        "yellow": "yellow|jaun|amarill|gelb",
        "shadows": "shadow|ombre|sombras|schatt",
        "dark_parts": (
            "dark (area|part)|(zones|parties) sombr|(zonas|partes) oscur|dunklen (bereich|stell)|"
            "blacks|noirs|negros|schwarzt|das schwarz"
        ),
        "highlights": (
            "highlight|hautes lum|altas luc|lichter|bright (area|part)|(zones|parties) clair|(zonas|"
            "partes) clar|hellen (bereich|stell)|helle stell"
        ),
        "deep": "deep|crush|creus|profond|ecras|profund|aplast|vertief|tief|absauf",
        "soft": "soft|gentl|pastel|dream|delic|doux|douc|suav|weich|sanft|zart|vertraumt",
        "harsh": "harsh|dur$|duro|hart",
        "dramatic": "drama|theat|stark$|saisis|impact|krass",
        "winter": "wint|hiver|invern|inviern",
        "summer": "summ|ete$|estiv|veran|sommer|sun(n|ny)|ensoleil|solead|sonnig",
        "night": ("night|nuit|noch|nacht|moon|lune|luna|mond|midnight|minuit|median|mittern|noct|nocturn"),
        "picture": (
            "photo|pictur|imag|foto|bild|make it$|give it$|rends-la|mets-la|donne-lui|hazla|ponla|dale$|"
            "mach es$|lass es$"
        ),
        "slight": "slight|bit$|little|leger|peu$|liger|poco|leicht|etwas|wenig$",
        "much": "much|lot$|beaucoup|bien$|fortement|mucho|bastante|viel|deutlich|stark$",
    }
)
_PATTERNS: Final = tuple(
    re.compile(rf"\b(?:{each.replace('$', chr(92) + 'b')})") for each in _CONCEPTS.values()
)
WORDS: Final = len(_PATTERNS)
"""How many word features there are."""

# Neither negation ("don't make it brighter") nor whose part is meant ("make her dress red") reaches the
# model, so a sentence with one of these words is not guessed at.
_NEGATION: Final = re.compile(
    r"\b(?:don't|dont|not|never|no|without|keep|unchanged|pas|jamais|sans|aucune?|garde|nunca|jamas|sin|nada|"
    r"conserva|manten|nicht|nie|niemals|keine?|keinen|ohne|behalte)\b"
)
_POSSESSION: Final = re.compile(
    r"\b(?:her|his|him|their|sa|ses|leurs?|sus?|ihr|ihre|ihren|ihrem|seine|seinen)\b"
)


def _plain(prompt: str) -> str:
    """Lower case, accents taken off, one kind of apostrophe."""
    apart = unicodedata.normalize("NFKD", prompt.casefold().replace("\u2019", "'"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def word_features(prompt: str) -> Floats:
    """Which concepts the prompt names: (WORDS,) float32 of zeros and ones; all zero for unknown words."""
    plain = _plain(prompt)
    return np.array([pattern.search(plain) is not None for pattern in _PATTERNS], dtype=np.float32)


def negated(prompt: str) -> bool:
    """Whether the prompt has a word of negation, whose sense the model does not carry."""
    return _NEGATION.search(_plain(prompt)) is not None


def unreadable(prompt: str) -> bool:
    """Whether the prompt has a word of negation or of possession, so that it is not to be guessed at."""
    return negated(prompt) or _POSSESSION.search(_plain(prompt)) is not None
