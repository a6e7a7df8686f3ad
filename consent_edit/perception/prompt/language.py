"""Which language a text is in: the script of its letters, then hashed pieces of its words."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.prompt.scripts import CANTONESE, KANA, MARKS, Script, script_of

LETTERED: Final = ("en", "fr", "es", "de", "it", "pt", "nl", "pl", "tr", "ru", "ar", "hi", "vi")
"""Languages told apart by letters, in the order of the language head's rows; its last is all others."""

LANGUAGES: Final = (*LETTERED, "zh", "ja", "ko", "th")
"""All that the reader knows. The last four have a script of their own."""

SECOND_ONLY: Final = frozenset({"hi", "vi"})
"""Languages that only the second encoder knows: without it they read undetermined."""

OF_SCRIPT: Final[Mapping[Script, tuple[str, ...]]] = {
    Script.LATIN: ("en", "fr", "es", "de", "it", "pt", "nl", "pl", "tr", "vi"),
    Script.CYRILLIC: ("ru",),
    Script.ARABIC: ("ar",),
    Script.DEVANAGARI: ("hi",),
}
"""The known languages of each script that has several."""

BUCKETS: Final = 8192
UNKNOWN: Final = "und"

_LETTER: Final = rf"(?:[^\W\d_]|[{MARKS}])"
_WORD: Final = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)*")


def words_of(text: str) -> list[str]:
    """The words of a text, lower case, digits and signs left out; unspaced scripts give one word a clause."""
    return _WORD.findall(text.lower().replace("’", "'"))


def word_hash(word: str) -> int:
    """A word's 32-bit hash, as the vocabulary of the heads holds it."""
    return zlib.crc32(word.encode())


def scripts_in(text: str) -> set[Script]:
    """The scripts of a text's letters."""
    return {script_of(c) for c in text if c.isalpha()}


def foreign_script(text: str) -> bool:
    """Whether any letter of the text is of a script that no known language is written in."""
    return Script.OTHER in scripts_in(text)


def by_script(text: str) -> dict[Script, list[str]]:
    """The words of a text by script; a word of several is cut where its script changes."""
    found: dict[Script, list[str]] = {}
    for word in words_of(text):
        start, script = 0, script_of(word[0])
        for place, letter in enumerate(word):
            other = script_of(letter) if letter.isalpha() else script
            if other is not script:
                found.setdefault(script, []).append(word[start:place])
                start, script = place, other
        found.setdefault(script, []).append(word[start:])
    return found


def unlettered_language(script: Script, words: Sequence[str]) -> str:
    """The language of words in Han and kana, Hangul or Thai; ``und`` for any other script, and Cantonese."""
    match script:
        case Script.HAN:
            text = "".join(words)
            if KANA.search(text):
                return "ja"
            return UNKNOWN if CANTONESE.search(text) else "zh"
        case Script.HANGUL:
            return "ko"
        case Script.THAI:
            return "th"
        case _:
            return UNKNOWN


def ngram_features(texts: Sequence[str]) -> NDArray[np.float32]:
    """Hashed counts of whole words and of 1- to 4-letter pieces of words, word ends marked.

    Returns:
        float32 (len(texts), ``BUCKETS``), each row divided by its Euclidean norm; zero without words.
    """
    rows = np.zeros((len(texts), BUCKETS), dtype=np.float32)
    for number, text in enumerate(texts):
        places, values = ngram_counts(text)
        rows[number, places] = values
    return rows


def ngram_counts(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The buckets of one text's pieces, sorted, and their shares; float32, of unit norm."""
    row: Counter[int] = Counter(zlib.crc32(piece.encode()) % BUCKETS for piece in _pieces(text))
    places = np.array(sorted(row), dtype=np.int64)
    values = np.array([row[place] for place in places.tolist()], dtype=np.float32)
    return places, values / max(float(np.linalg.norm(values)), 1e-9)


def _pieces(text: str) -> list[str]:
    found: list[str] = []
    for word in words_of(text):
        marked = f"^{word}$"
        found.append(f"={word}")
        for size in (1, 2, 3, 4):
            found += [marked[i : i + size] for i in range(len(marked) - size + 1)]
    return found
