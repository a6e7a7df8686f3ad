"""Which language a text is in, by its letters: hashed character n-grams and a check of the script."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.normalise import is_latin

LANGUAGES: Final = ("en", "fr", "es", "de")
"""The languages the reader knows, in the order of the language head's rows; its last row is all others."""

BUCKETS: Final = 4096
UNKNOWN: Final = "und"

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def words_of(text: str) -> list[str]:
    """The words of a text, lower case, digits and signs left out."""
    return _WORD.findall(text.lower().replace("’", "'"))


def word_hash(word: str) -> int:
    """A word's 32-bit hash, as the vocabulary of the heads holds it."""
    return zlib.crc32(word.encode())


def foreign_script(text: str) -> bool:
    """Whether any letter of the text is of another script than Latin."""
    return any(c.isalpha() and not is_latin(c) for c in text)


def ngram_features(texts: Sequence[str]) -> NDArray[np.float32]:
    """Hashed counts of whole words and of 1- to 4-letter pieces of words, word ends marked.

    Returns:
        float32 (len(texts), ``BUCKETS``), each row divided by its Euclidean norm; zero without words.
    """
    rows = np.zeros((len(texts), BUCKETS), dtype=np.float32)
    for number, text in enumerate(texts):
        row = rows[number]
        for piece, count in Counter(_pieces(text)).items():
            row[zlib.crc32(piece.encode()) % BUCKETS] += count
        norm = float(np.linalg.norm(row))
        if norm > 0:
            rows[number] = row / norm
    return rows


def _pieces(text: str) -> list[str]:
    found: list[str] = []
    for word in words_of(text):
        marked = f"^{word}$"
        found.append(f"={word}")
        for size in (1, 2, 3, 4):
            found += [marked[i : i + size] for i in range(len(marked) - size + 1)]
    return found
