"""Which script a letter is of, and the few sets of characters that the prompt reader treats alike.

A closed list: the scripts of the languages that the reader knows. Any other is
:attr:`Script.OTHER`.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from functools import lru_cache
from typing import Final


class Script(Enum):
    """A script; kana and Han are one, since Japanese mixes them within words."""

    LATIN = "latin"
    CYRILLIC = "cyrillic"
    ARABIC = "arabic"
    DEVANAGARI = "devanagari"
    HAN = "han"
    HANGUL = "hangul"
    THAI = "thai"
    OTHER = "other"


_BY_NAME: Final = (
    ("LATIN ", Script.LATIN),
    ("CYRILLIC ", Script.CYRILLIC),
    ("ARABIC ", Script.ARABIC),
    ("DEVANAGARI ", Script.DEVANAGARI),
    ("CJK ", Script.HAN),
    ("HIRAGANA ", Script.HAN),
    ("KATAKANA", Script.HAN),
    ("IDEOGRAPHIC ", Script.HAN),
    ("HANGUL ", Script.HANGUL),
    ("THAI ", Script.THAI),
)

UNSPACED: Final = (
    r"\u0e00-\u0e7f\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
"""Inside of a character class: Thai, kana and Han, which are written without spaces between words."""

IDEOGRAPHIC: Final = r"\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""The same without Thai."""

MARKS: Final = r"\u0900-\u0903\u093a-\u094f\u0955-\u0957\u0962\u0963\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
"""Inside of a character class: the marks of Devanagari and Thai that are parts of words, and no letters."""

KANA: Final = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
CANTONESE: Final = re.compile(r"[佢嘅咗唔喺冇哋啲嗰冚嚟乜睇攞]")
"""Letters of written Cantonese, which the encoder does not know though it knows Chinese."""


@lru_cache(maxsize=4096)
def script_of(letter: str) -> Script:
    """The script of one letter, by its Unicode name."""
    if letter.isascii() or letter in "ªº":
        return Script.LATIN
    name = unicodedata.name(letter, "")
    for start, script in _BY_NAME:
        if name.startswith(start):
            return script
    return Script.LATIN if "LATIN" in name else Script.OTHER
