"""Phrases as people write them to slip past a reader of words; each keeps what it asks for.

Whatever :func:`consent_edit.perception.prompt.normalise.normalise` undoes for sure needs no learning. These
are what it cannot tell from ordinary writing: words cut or run together, letters swapped, left out or
doubled, digits and signs it does not know, words turned round.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

from prompt_phrases import Phrase

from consent_edit.perception.prompt.normalise import normalise

SEED = 20263
SHARE = 0.3
"""Share of the phrases that are also learned in a disguise."""

EVERY_LETTER = 0.3
"""Share of the disguises that cover a whole phrase; the others cover one or two words."""

VOWELS = frozenset("aeiouyàâäéèêëîïôöùûüáíóúãõаеёиоуыэюяąęó")
NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "y": "tu", "z": "x",
}  # fmt: skip
SIGNS = {
    "a": "4@^", "b": "86", "e": "3€&", "g": "69", "i": "1!|", "l": "1|", "o": "0()", "s": "5$z", "t": "7+",
    "u": "v", "v": "u", "c": "(k", "k": "q", "x": "%", "z": "2",
    "а": "4@", "о": "0", "е": "3", "з": "3", "б": "6", "ч": "4",
}  # fmt: skip
SOUNDS = (
    ("ph", "f"), ("ck", "k"), ("qu", "k"), ("th", "d"), ("ee", "i"), ("oo", "u"), ("ou", "u"), ("c", "k"),
    ("sch", "sh"), ("ch", "sh"), ("x", "ks"), ("z", "s"), ("v", "w"), ("y", "i"), ("ss", "s"), ("tt", "t"),
)  # fmt: skip
WORD = re.compile(r"[^\W\d_]+")
ASIDE = re.compile("[\u0e00-\u0eff\u0900-\u0dff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0600-\u06ff]")
"""Scripts whose words are only cut, spread or left as they are."""

Trick = Callable[[str, random.Random], str]


def cut(word: str, rng: random.Random) -> str:
    """A space or a sign somewhere inside."""
    sign = rng.choice([" ", " ", " ", "  ", "-", ".", "_", "/"])
    at = rng.randint(1, max(1, len(word) - 1))
    if len(word) > 6 and rng.random() < 0.4:
        second = rng.randint(at, len(word) - 1)
        return word[:at] + sign + word[at:second] + sign + word[second:]
    return word[:at] + sign + word[at:]


def spread(word: str, rng: random.Random) -> str:
    """A sign between all letters; some run of letters stays together."""
    sign = rng.choice([" ", " ", ".", "-", "_", "*", ",", "+", "'"])
    step = rng.choice([1, 1, 1, 2])
    return sign.join(word[i : i + step] for i in range(0, len(word), step))


def swapped(word: str, rng: random.Random) -> str:
    """Two letters in each other's place."""
    at = rng.randint(0, max(0, len(word) - 2))
    return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]


def lost(word: str, rng: random.Random) -> str:
    """A letter left out."""
    at = rng.randint(0, len(word) - 1)
    return word[:at] + word[at + 1 :] or word


def mistyped(word: str, rng: random.Random) -> str:
    """A neighbouring key."""
    at = rng.randint(0, len(word) - 1)
    return word[:at] + rng.choice(NEIGHBOURS.get(word[at], word[at])) + word[at + 1 :]


def doubled(word: str, rng: random.Random) -> str:
    """Letters twice or more, all or some."""
    share = rng.choice([0.3, 0.6, 1.0])
    return "".join(c * rng.choice([2, 2, 3]) if rng.random() < share else c for c in word)


def without_vowels(word: str, rng: random.Random) -> str:
    """Vowels left out or starred."""
    sign = rng.choice(["", "", "*", "-", "."])
    kept = [sign if i and c in VOWELS and rng.random() < 0.85 else c for i, c in enumerate(word)]
    return "".join(kept)


def signed(word: str, rng: random.Random) -> str:
    """Digits and signs for letters."""
    share = rng.choice([0.4, 0.7, 1.0])
    return "".join(rng.choice(SIGNS[c]) if c in SIGNS and rng.random() < share else c for c in word)


def turned(word: str, rng: random.Random) -> str:
    """Backwards."""
    del rng
    return word[::-1]


def sounded(word: str, rng: random.Random) -> str:
    """Written as it sounds."""
    for written, heard in rng.sample(SOUNDS, len(SOUNDS)):
        if written in word and rng.random() < 0.6:
            word = word.replace(written, heard, 1)
    return word


TRICKS: tuple[Trick, ...] = (
    cut, cut, cut, spread, swapped, lost, mistyped, doubled, without_vowels, signed, signed, turned, sounded,
)  # fmt: skip
ANYWHERE: tuple[Trick, ...] = (cut, cut, spread, lost)


def disguised(text: str, rng: random.Random) -> str:
    """A text with some of its words disguised in one way, run together, or wholly backwards."""
    plain = text.lower()
    words = list(WORD.finditer(plain))
    if not words:
        return plain
    whole = rng.random()
    if not ASIDE.search(plain):
        if whole < 0.03:
            return plain[::-1]
        if whole < 0.09:
            return plain.replace(" ", rng.choice(["", "", "_", "."]))
    trick = rng.choice(ANYWHERE if ASIDE.search(plain) else TRICKS)
    longest = sorted(words, key=lambda found: -len(found.group()))
    few = {found.start() for found in longest[: rng.choice([1, 1, 2, 3])]}
    every = rng.random() < EVERY_LETTER
    return WORD.sub(
        lambda found: (
            trick(found.group(), rng)
            if len(found.group()) > 1 and (every or found.start() in few)
            else found.group()
        ),
        plain,
    )


def in_disguise(phrases: list[Phrase]) -> list[Phrase]:
    """Some of the phrases once more, as the reader sees them after a disguise."""
    found: dict[str, Phrase] = {}
    for p in phrases:
        rng = random.Random(f"{SEED}:{p.text}")
        if rng.random() >= SHARE or not 3 < len(p.text) <= 120:
            continue
        text = normalise(unicodedata.normalize("NFC", disguised(p.text, rng)))
        if text:
            found.setdefault(text, replace(p, text=text))
    return list(found.values())
