"""Cuts a text into what is read for itself: clauses, and windows over long ones."""

from __future__ import annotations

import re
from typing import Final

from consent_edit.perception.prompt.scripts import IDEOGRAPHIC, UNSPACED

_JOINING: Final = (
    "and|then|but|et|puis|mais|ensuite|y|luego|pero|después|und|dann|aber|e|poi|depois|então|"
    "maar|daarna|ale|potem|и|а|но|потом|затем|ve|sonra|ثم|لكن|और|फिर|लेकिन|그리고|다음에|그런데"
)
_JOINING_UNSPACED: Final = (
    "然后|然後|接着|接著|并且|並且|同时|同時に|そして|それから|その後|次に|และ|แล้ว|จากนั้น"
)
_CLAUSE_END: Final = re.compile(
    r"[.;,:!?¿¡\n()\[\]{}|—–\"«»“”„。、，；：！？…（）「」『』【】،؛؟।॥]+\s*|\s+[-・]+\s+"
    rf"|\s(?:{_JOINING})\s|(?:{_JOINING_UNSPACED})|(?<=[\u0e00-\u0e7f])\s+(?=[\u0e00-\u0e7f])"
)
_WINDOW: Final = 8
_STEP: Final = 4
_LONGEST_CLAUSE: Final = 12
_UNSPACED_RUN: Final = re.compile(rf"[{IDEOGRAPHIC}]{{13,}}|[{UNSPACED}]{{31,}}")
_IDEOGRAPHS: Final = re.compile(rf"[{IDEOGRAPHIC}]+")


def clauses(text: str) -> list[str]:
    """The clauses of a text, so that one request in a long text is not averaged away.

    Returns:
        Pieces between punctuation and conjunctions; pieces over 12 words also as windows of 8 words, 4 apart;
        runs of over 12 Han and kana letters also as windows of 10, 5 apart,
        of over 30 Thai ones of 24, 12 apart.
    """
    found: list[str] = []
    for piece in pieces(text):
        words = piece.split()
        found.append(piece)
        if len(words) > _LONGEST_CLAUSE:
            found += [" ".join(words[i : i + _WINDOW]) for i in range(0, len(words) - _STEP, _STEP)]
        for run in _UNSPACED_RUN.findall(piece):
            size, step = (10, 5) if _IDEOGRAPHS.fullmatch(run) else (24, 12)
            found += [run[i : i + size] for i in range(0, len(run) - step, step)]
    return list(dict.fromkeys(found))


def pieces(text: str) -> list[str]:
    """What stands between punctuation and conjunctions, one space between words, in order."""
    return [" ".join(piece.split()) for piece in _CLAUSE_END.split(text) if piece.strip()]
