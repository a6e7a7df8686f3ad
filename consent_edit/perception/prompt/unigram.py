"""Cuts text into the pieces of a unigram vocabulary: the likeliest cut, by Viterbi.

Pure Python over plain tables; total on every string.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

_MARK: Final = "\u2581"
_FAR: Final = -1e30


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A unigram vocabulary.

    Attributes:
        scores: Piece -> (number, log probability).
        longest: Characters of the longest piece.
        unknown: Number of the piece that stands for any character not in the vocabulary.
        unknown_score: Its log probability: ten below the least likely piece.
        changes: Code point -> what replaces it before cutting; for :meth:`str.translate`.
    """

    scores: Mapping[str, tuple[int, float]]
    longest: int
    unknown: int
    unknown_score: float
    changes: Mapping[int, str]

    def cut(self, text: str) -> list[int]:
        """The numbers of the pieces of a text, in order; spaces are marked as part of what follows them."""
        plain = text.translate(self.changes)
        while "  " in plain:
            plain = plain.replace("  ", " ")
        marked = (plain if plain.startswith(" ") else " " + plain).replace(" ", _MARK)
        size = len(marked)
        best = [0.0] + [_FAR] * size
        back: list[tuple[int, int]] = [(0, 0)] * (size + 1)
        for start in range(size):
            here = best[start]
            for end in range(start + 1, min(size, start + self.longest) + 1):
                found = self.scores.get(marked[start:end])
                if found is not None and here + found[1] > best[end]:
                    best[end], back[end] = here + found[1], (start, found[0])
            if here + self.unknown_score > best[start + 1]:
                best[start + 1], back[start + 1] = here + self.unknown_score, (start, self.unknown)
        numbers: list[int] = []
        end = size
        while end > 0:
            end, number = back[end]
            numbers.append(number)
        return numbers[::-1]


def read_pieces(data: bytes, at: int, *, count: int, unknown: int, text_bytes: int) -> tuple[Pieces, int]:
    """Read the vocabulary from a model file.

    Args:
        data: The whole file.
        at: Where ``count + 1`` uint32 offsets begin, then ``count`` float32 scores, then the pieces'
            text, then the table of character changes.
        count: Pieces in the vocabulary.
        unknown: The number of the unknown piece.
        text_bytes: Length of the pieces' text.

    Returns:
        The vocabulary, and where the next part of the file begins.

    Raises:
        ValueError, struct.error: the file ends early or is not of this form.
    """
    offsets = np.frombuffer(data, dtype="<u4", count=count + 1, offset=at).tolist()
    at += 4 * (count + 1)
    values = np.frombuffer(data, dtype="<f4", count=count, offset=at)
    at += 4 * count
    text = data[at : at + text_bytes]
    at += text_bytes
    table: dict[str, tuple[int, float]] = {}
    for number, value in enumerate(values.tolist()):
        piece = text[offsets[number] : offsets[number + 1]].decode("utf-8", "replace")
        if piece and number != unknown:
            table.setdefault(piece, (number, value))
    changes, at = _read_changes(data, at)
    longest = max(map(len, table), default=1)
    return Pieces(table, longest, unknown, float(values.min()) - 10.0, changes), at


def _read_changes(data: bytes, at: int) -> tuple[dict[int, str], int]:
    entries, size = struct.unpack_from("<iI", data, at)
    at += 8
    end = at + size
    changes: dict[int, str] = {}
    for _ in range(entries):
        code, many = struct.unpack_from("<IB", data, at)
        at += 5
        changes[code] = "".join(chr(c) for c in struct.unpack_from(f"<{many}I", data, at))
        at += 4 * many
    return changes, end
