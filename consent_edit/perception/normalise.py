"""Normalising a prompt: undo the spellings that hide a word from a reader of words, and nothing else.

Pure functions, total on every string; :func:`normalise` is idempotent. The steps, until nothing changes:

1. NFKC (full-width, circled and mathematical letters), then letters that only their Unicode name gives away.
2. Format and control characters dropped; combining overlays and accents stacked on Latin letters dropped.
3. Lower case.
4. Look-alike letters of other scripts become Latin, only inside words that mix scripts.
5. Digits and signs that stand for letters become letters, only inside words; sizes (``4k``) are left.
6. Letters set apart (``r e m o v e``) are joined; signs inside a word are dropped.
7. A letter three times or more in a row becomes one; runs of white space become one space.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ROUNDS: Final = 16

_LOOKALIKES: Final = str.maketrans(
    "аеорсухіјѕһԁԛԝкмтнвгпьіԍɡ" + "αορνεικτυχγηωβσ" + "օոսհցք",
    "aeopcyxijshdqwkmthbrnbigg" + "aopveiktuxynwbo" + "onuhgp",
)
_DIGIT_LETTERS: Final = {
    "0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "€": "e", "!": "i", "|": "l",
}  # fmt: skip
_LEET_WORD: Final = re.compile(r"[^\W_](?:[^\W_]|[@$€!|])*[^\W_]|[@$€][^\W_]+")
_SIZE: Final = re.compile(r"\d+[a-zà-ÿ]{0,3}|[a-z]{1,3}\d+|\d+x\d+[a-z]{0,2}|\d+[a-z]\d+")
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W_](?:([ .\-_*·/])[^\W_])(?:\1[^\W_]){2,}(?![^\W_])")
_SPACED_SHORT: Final = re.compile(r"(?<![^\W_])[^\W_](?:([ .\-_*·/])[^\W_])(?:\1[^\W_])*(?![^\W_])")
_INSIDE: Final = re.compile(r"(?<=[^\W\d_])[*_·~^`¨´•|\\]+(?=[^\W\d_])")
_REPEATS: Final = re.compile(r"([^\W\d_])\1{2,}")
_WORD: Final = re.compile(r"[^\W\d_]+")
_LETTER_NAME: Final = re.compile(
    r"(?:LATIN LETTER SMALL CAPITAL|REGIONAL INDICATOR SYMBOL LETTER"
    r"|(?:NEGATIVE |CROSSED NEGATIVE )?(?:SQUARED|CIRCLED) LATIN CAPITAL LETTER"
    r"|LATIN (?:SMALL|CAPITAL) LETTER TURNED) ([A-Z])"
)
_PICTURE_WORDS: Final = {"👙": " bikini ", "🩱": " swimsuit ", "🩲": " underwear ", "🔞": " nsfw "}
_DROPPED: Final = frozenset({"Cf", "Co", "Cs", "Cn", "Me"})


def is_latin(character: str) -> bool:
    """Whether a letter is of the Latin script, by its Unicode name (also ª, º and the kelvin sign's like)."""
    return "LATIN" in unicodedata.name(character, "") or character in "ªº"


def normalise(text: str, *, one: str = "i") -> str:
    """The text as a reader of words should see it.

    Args:
        text: Any string.
        one: What the digit 1 inside a word stands for, ``i`` or ``l``.

    Returns:
        Lower case, one space between words, no format characters.
    """
    current = text
    for _ in range(_ROUNDS):
        following = _round(current, one)
        if following == current:
            break
        current = following
    return current


def readings(text: str) -> tuple[str, ...]:
    """The forms of a text to be judged: as written, and normalised with 1 as ``i`` and as ``l``."""
    forms = (" ".join(text.split()), normalise(text), normalise(text, one="l"))
    return tuple(dict.fromkeys(form for form in forms if form))


def fold(text: str) -> str:
    """Lower case without accents, other signs as spaces: the form in which the lexicon looks for words."""
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", text.lower().replace("ß", "ss").replace("œ", "oe"))
        if not unicodedata.combining(c)
    )  # fmt: skip
    return " ".join(re.sub(r"[^a-z0-9]+", " ", bare).split())


def _round(text: str, one: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    text = "".join(_letter(c) for c in text)
    text = unicodedata.normalize("NFC", _without_overlays(text).lower())
    text = _WORD.sub(_unmixed, text)
    text = _LEET_WORD.sub(lambda found: _unleet(found.group(), one), text)
    if _SPACED.search(
        text
    ):  # one such run gives the trick away: the short words beside it are spelled out too
        text = _SPACED_SHORT.sub(lambda found: found.group().replace(found.group(1), ""), text)
    text = _INSIDE.sub("", text)
    text = _REPEATS.sub(r"\1", text)
    return " ".join(text.split())


def _letter(character: str) -> str:
    """A character as itself, as the letter its name speaks of, as a space, or as nothing."""
    if character < "\x7f":
        return " " if character < " " else character
    if character in _PICTURE_WORDS:
        return _PICTURE_WORDS[character]
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    if category in _DROPPED:
        return ""
    found = _LETTER_NAME.fullmatch(unicodedata.name(character, ""))
    return found.group(1).lower() if found else character


def _without_overlays(text: str) -> str:
    """Drop marks that NFKC left uncomposed on Latin letters, digits or signs; other scripts keep theirs."""
    kept: list[str] = []
    base_is_latin = True
    for character in text:
        if unicodedata.category(character) == "Mn":
            if not base_is_latin:
                kept.append(character)
            continue
        kept.append(character)
        base_is_latin = not character.isalpha() or is_latin(character)
    return "".join(kept)


def _unmixed(found: re.Match[str]) -> str:
    word = found.group()
    latin = [is_latin(c) for c in word]
    return word.translate(_LOOKALIKES) if any(latin) and not all(latin) else word


def _unleet(word: str, one: str) -> str:
    letters = sum(c.isalpha() for c in word)
    if word.isalpha() or letters < 2 or 2 * letters < len(word) or _SIZE.fullmatch(word):
        return word
    return "".join(one if c == "1" else _DIGIT_LETTERS.get(c, c) for c in word)
