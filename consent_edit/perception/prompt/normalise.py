"""Normalising a prompt: undo the spellings that hide a word from a reader of words, and nothing else.

Pure functions, total on every string; :func:`normalise` is idempotent. The steps, until nothing changes:

1. NFKC (full-width, circled and mathematical letters), then letters that only their Unicode name gives away.
2. Format and control characters dropped, with fillers and variation selectors; combining overlays, accents
   stacked on Latin letters, Arabic vowel signs and the Arabic stretching sign dropped.
3. Lower case.
4. Look-alike letters become letters of the script that the word is in, only inside words that mix scripts.
5. Digits and signs that stand for letters become letters, only inside Latin and Cyrillic words;
   sizes (``4k``) stay.
6. Letters set apart (``r e m o v e``) are joined, Han and kana always; signs inside a word are dropped.
7. A letter three times or more in a row becomes one; runs of white space become one space.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from consent_edit.perception.prompt.scripts import IDEOGRAPHIC, MARKS, UNSPACED, Script, script_of

_ROUNDS: Final = 16

_LOOKALIKES: Final = str.maketrans(
    "аеорсухіјѕһԁԛԝкмтнвгпьіԍɡ" + "αορνεικτυχγηωβσ" + "օոսհցք",
    "aeopcyxijshdqwkmthbrnbigg" + "aopveiktuxynwbo" + "onuhgp",
)
_TO_CYRILLIC: Final = str.maketrans("aeopcyxkmthbr", "аеорсухкмтнвг")
_DIGIT_LETTERS: Final = {
    "0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "€": "e", "!": "i", "|": "l",
}  # fmt: skip
_AL: Final = r"a-z\u00c0-\u024f\u0400-\u04ff"
_LEET_WORD: Final = re.compile(rf"[{_AL}0-9][{_AL}0-9@$€!|]*[{_AL}0-9]|[@$€][{_AL}0-9]+")
_SIZE: Final = re.compile(
    r"\d+[a-zà-ÿ\u0400-\u04ff]{0,4}|[a-z\u0400-\u04ff]{1,3}\d+|\d+x\d+[a-z]{0,2}|\d+[a-z]\d+"
)
_CLUSTER: Final = rf"[^\W_][{MARKS}]*"
_SPACED: Final = re.compile(
    rf"(?<![^\W_])(?<![{MARKS}]){_CLUSTER}(?:([ .\-_*·・/|~]){_CLUSTER})(?:\1{_CLUSTER}){{2,}}"
    rf"(?![^\W_]|[{MARKS}])"
)
_SPACED_SHORT: Final = re.compile(
    rf"(?<![^\W_])(?<![{MARKS}.\-*/|~]){_CLUSTER}(?:([ .\-_*·・/|~]){_CLUSTER})"
    rf"(?:\1{_CLUSTER})*(?![^\W_]|[{MARKS}]|[.\-*/|~][^\W_])"
)
_IDEOGRAPHS_APART: Final = re.compile(rf"(?<=[{IDEOGRAPHIC}])[ .\-_*·・/|~+]+(?=[{IDEOGRAPHIC}])")
_INSIDE: Final = re.compile(r"(?<=[^\W\d_])[*_·~^`¨´•|\\]+(?=[^\W\d_])")
_UNSPACED_EDGE: Final = re.compile(rf"(?<=[{UNSPACED}])(?![{UNSPACED}])|(?<![{UNSPACED}])(?=[{UNSPACED}])")
_UNSPACED_GAP: Final = re.compile(rf"(?<=[{UNSPACED}]) (?=[{UNSPACED}])")
_SPLIT: Final = re.compile(rf"(?<=[^\W\d_]|[{MARKS}])[^\w\s{MARKS}]+(?=[^\W\d_])")
_WEIGHT: Final = re.compile(r":\s*-?\d+(?:\.\d+)?|[()\[\]{}<>]")
_REPEATS: Final = re.compile(r"([^\W\d_])\1{2,}")
_OVERRIDDEN: Final = re.compile("[\u202d\u202e]([^\u202c-\u202e]*)\u202c?")
"""What is shown against the order it is written in."""

_BROKEN: Final = re.compile(r"(?<=[^\W\d_])[ \t]*\n[ \t]*(?=[^\W\d_])")
_SHORT_LINE: Final = 6
_BREAKS: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]+")
_LETTER_NAME: Final = re.compile(
    r"(?:LATIN LETTER SMALL CAPITAL|REGIONAL INDICATOR SYMBOL LETTER"
    r"|(?:NEGATIVE |CROSSED NEGATIVE )?(?:SQUARED|CIRCLED) LATIN CAPITAL LETTER"
    r"|LATIN (?:SMALL|CAPITAL) LETTER TURNED) ([A-Z])"
)
_PICTURE_WORDS: Final = {"👙": " bikini ", "🩱": " swimsuit ", "🩲": " underwear ", "🔞": " nsfw "}
_DROPPED: Final = frozenset({"Cf", "Co", "Cs", "Cn", "Me"})
_UNSEEN: Final = frozenset("\u115f\u1160\u3164\uffa0\u0640")
"""Letters that show nothing: the fillers of Hangul, and the sign that stretches an Arabic word."""

_LOOSE_MARK: Final = re.compile(
    r"[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff"
    r"\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)
"""Marks that change no letter of a composed text: overlays, stacked accents, vowel signs, selectors."""

_FOLDED: Final = str.maketrans(
    {
        "ß": "ss",
        "œ": "oe",
        "æ": "ae",
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ı": "i",
        "ک": "ك",
        "ی": "ي",
        "ى": "ي",
        "ة": "ه",
        "\u0640": "",
    }
    | dict(
        zip(
            "脫褲內裝體亂襯裙遮蓋膚緊剝個為與無給讓換這變著衛胸掛絲襪點來隻顯現別顆淨開關兒頭髮臉寶貝腿長腳",
            "脱裤内装体乱衬裙遮盖肤紧剥个为与无给让换这变着卫胸挂丝袜点来只显现别颗净开关儿头发脸宝贝腿长脚",
            strict=True,
        )
    )
)
"""One letter for another in the lexicon's eyes: letters without accents to take off, traditional forms."""


def is_latin(character: str) -> bool:
    """Whether a character is a letter of the Latin script."""
    return character.isalpha() and script_of(character) is Script.LATIN


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
    """The forms to be judged: as written without what cannot be seen; normalised, 1 as ``i`` and as ``l``.

    Where a text is shown backwards, broken into lines of a few letters or drawn out, also as it is meant.
    """
    seen = "".join(_letter(c) for c in unicodedata.normalize("NFC", text))
    seen = _LOOSE_MARK.sub("", unicodedata.normalize("NFC", seen))
    forms = [" ".join(seen.split()), normalise(text), normalise(text, one="l")]
    forms += [
        normalise(meant)
        for meant in (_turned(text), _mended(text), _REPEATS.sub(r"\1\1", text))
        if meant != text
    ]
    return tuple(dict.fromkeys(form for form in forms if form))


def _turned(text: str) -> str:
    """A text with what stands under an override of its direction the other way round, as it is shown."""
    return _OVERRIDDEN.sub(lambda found: found.group(1)[::-1], text)


def _mended(text: str) -> str:
    """A text of very short lines without their breaks."""
    lines = [line for line in text.splitlines() if line.strip()]
    short = sum(len(line) <= _SHORT_LINE for line in lines)
    return _BROKEN.sub("", text) if len(lines) > _BREAKS and 2 * short > len(lines) else text


def joined(text: str) -> str:
    """A normalised text whose words are no longer split by signs (``rem-ove her sh.irt``)."""
    return _SPLIT.sub("", text)


def unweighted(text: str) -> str:
    """A normalised text without the brackets and numbers that weigh its words (``(remove:1.4) [it]``)."""
    return " ".join(_WEIGHT.sub(" ", text).split())


def fold(text: str) -> str:
    """The form in which the lexicon looks for words.

    Lower case, no accents, one space between words, none between Han, kana or Thai letters, one where such
    letters meet others; katakana as hiragana, traditional forms as simplified.
    """
    bare = _kana("".join(_bare(c) for c in text.lower().translate(_FOLDED))).translate(_FOLDED)
    bare = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in bare)
    bare = _UNSPACED_EDGE.sub(" ", bare)
    return _UNSPACED_GAP.sub("", " ".join(bare.split()))


def _bare(character: str) -> str:
    """A letter without its accents, where those make no other letter: Latin, Greek, Cyrillic, Arabic."""
    if character < "\x7f" or "\u0e00" <= character < "\u1e00" or "\u2e80" <= character <= "\ud7a3":
        return character
    apart = unicodedata.normalize("NFKD", character)
    return "".join(c for c in apart if not _LOOSE_MARK.match(c)).lower()


def _kana(text: str) -> str:
    """Katakana as hiragana; half-width forms first as full ones."""
    whole = unicodedata.normalize("NFKC", text)
    return "".join(chr(ord(c) - 0x60) if "\u30a1" <= c <= "\u30f6" else c for c in whole)


def _round(text: str, one: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    text = "".join(_letter(c) for c in text)
    text = unicodedata.normalize("NFC", _without_overlays(text).lower())
    text = _LOOSE_MARK.sub("", text)
    text = _WORD.sub(_unmixed, text)
    text = _LEET_WORD.sub(lambda found: _unleet(found.group(), one), text)
    if _SPACED.search(
        text
    ):  # one such run gives the trick away: the short words beside it are spelled out too
        text = _SPACED_SHORT.sub(lambda found: found.group().replace(found.group(1), ""), text)
    text = _IDEOGRAPHS_APART.sub("", text)
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
    if category == "Cc" or character == "\u2800":
        return " "
    if category in _DROPPED or character in _UNSEEN:
        return ""
    found = _LETTER_NAME.fullmatch(unicodedata.name(character, ""))
    return found.group(1).lower() if found else character


def _without_overlays(text: str) -> str:
    """Drop marks that NFKC left uncomposed on Latin letters, digits or signs; other scripts keep theirs."""
    kept: list[str] = []
    base_is_latin = True
    for character in text:
        if unicodedata.category(character)[0] == "M":
            if not base_is_latin:
                kept.append(character)
            continue
        kept.append(character)
        base_is_latin = not character.isalpha() or is_latin(character)
    return "".join(kept)


def _unmixed(found: re.Match[str]) -> str:
    """A word of several scripts in the one that it was disguised from."""
    word = found.group()
    if word.isascii() or not any("a" <= c <= "z" for c in word):
        return word
    cyrillic = sum("\u0400" <= c <= "\u04ff" for c in word)
    latin = [c for c in word if "a" <= c <= "z"]
    if cyrillic >= len(latin) and all(ord(c) in _TO_CYRILLIC for c in latin):
        return word.translate(_TO_CYRILLIC)
    return word.translate(_LOOKALIKES)


def _unleet(word: str, one: str) -> str:
    letters = sum(c.isalpha() for c in word)
    if word.isalpha() or letters < 2 or 2 * letters < len(word) or _SIZE.fullmatch(word):
        return word
    return "".join(one if c == "1" else _DIGIT_LETTERS.get(c, c) for c in word)
