"""The small trained heads of the prompt reader: logistic regressions on embeddings and on letters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models.lock import ModelFile
from consent_edit.perception.prompt.language import (
    BUCKETS,
    LETTERED,
    ngram_counts,
    ngram_features,
    word_hash,
    words_of,
)
from consent_edit.perception.prompt.names import NAME_SIGNS, name_signs
from consent_edit.perception.prompt.sentences import DIMENSION
from consent_edit.vocabulary import Operation

HEADS_ROLE: Final = "prompt-head"
OPERATION_ORDER: Final = tuple(Operation)


@dataclass(frozen=True, slots=True, eq=False)
class FirstHeads:
    """The heads over the first encoder's embeddings of width d, float32, the bias last in each row.

    Attributes:
        exposing: (d + letters + 1,): asks for more exposure, against ordinary; embedding, then letters,
            because the words for a suit and a swimsuit mean nearly the same to an encoder.
        sexual: (d + 1,): sexual against revealing, where ``exposing`` says so.
        operations: (14, d + 1), one row an operation, in the order of :class:`Operation`.
        names: (d + letters + 9 + 1,): a person is named; embedding, letters, then :func:`name_signs`.
    """

    exposing: NDArray[np.float32]
    sexual: NDArray[np.float32]
    operations: NDArray[np.float32]
    names: NDArray[np.float32]

    def exposing_of(self, rows: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
        """Log odds of an exposing request; float64 (n,)."""
        width = rows.shape[1]
        head = self.exposing
        return _dot(rows, head[:width]) + _letters(texts, head[width:-1]) + float(head[-1])

    def sexual_of(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log odds of a sexual request given an exposing one; float64 (n,)."""
        return _dot(rows, self.sexual[:-1]) + float(self.sexual[-1])

    def operations_of(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log odds of each operation; float64 (n, 14)."""
        return _dot(rows, self.operations[:, :-1].T) + self.operations[:, -1]

    def names_of(self, rows: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
        """Log odds that a person is named; float64 (n,)."""
        width, head = rows.shape[1], self.names
        letters = _letters(texts, head[width : width + BUCKETS])
        signs = _dot(name_signs(texts), head[width + BUCKETS : -1])
        return _dot(rows, head[:width]) + letters + signs + float(head[-1])


@dataclass(frozen=True, slots=True, eq=False)
class PromptHeads:
    """All heads.

    Attributes:
        first: Over the first encoder; those over the second were trained with its layers and come with them.
        language: float32, (languages told apart by letters + 1, letters + 1): each of them and,
            last, any other.
        vocabulary: uint32, sorted hashes of the words of the known languages that the training phrases held.
    """

    first: FirstHeads
    language: NDArray[np.float32]
    vocabulary: NDArray[np.uint32]

    @classmethod
    def of(cls, file: ModelFile) -> PromptHeads:
        """Read the heads from the bytes that were hashed; no pickle.

        Raises:
            ModelUnavailable: not an npz of exactly these arrays, or a weight that is not finite.
        """
        try:
            with np.load(io.BytesIO(file.data), allow_pickle=False) as archive:
                vocabulary = archive["vocabulary"].astype(np.uint32, casting="safe")
                names = [name for name in archive.files if name != "vocabulary"]
                arrays = {name: archive[name].astype(np.float32, casting="safe") for name in names}
        except Exception as error:  # a damaged archive raises many things: all of them refuse
            raise ModelUnavailable(f"the prompt heads cannot be read ({type(error).__name__})") from error
        shapes = {name: array.shape for name, array in arrays.items()}
        if (
            shapes != _SHAPES
            or not all(np.isfinite(array).all() for array in arrays.values())
            or vocabulary.ndim != 1
        ):
            raise ModelUnavailable("the prompt heads are not of the expected form")
        first = FirstHeads(*(arrays[f"first.{part}"] for part in _PARTS))
        return cls(first, arrays["language"], vocabulary)

    def languages_of(self, texts: Sequence[str], among: Sequence[str]) -> NDArray[np.float64]:
        """Probability of each of some languages and, last, of any other; float64 (n, len(among) + 1)."""
        rows = [*(LETTERED.index(name) for name in among), len(LETTERED)]
        logits = (
            ngram_features(texts).astype(np.float64) @ self.language[rows, :-1].T + self.language[rows, -1]
        )
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)

    def known_share(self, text: str) -> float:
        """Share of a text's words that the vocabulary holds, of the longer ones if any; 1 without words."""
        words = words_of(text)
        hashes = [word_hash(word) for word in [w for w in words if len(w) >= 3] or words]
        return float(np.isin(hashes, self.vocabulary).mean()) if hashes else 1.0


_PARTS: Final = ("exposing", "sexual", "operations", "names")
_SHAPES: Final = {
    "language": (len(LETTERED) + 1, BUCKETS + 1),
    "first.exposing": (DIMENSION + BUCKETS + 1,),
    "first.sexual": (DIMENSION + 1,),
    "first.operations": (len(OPERATION_ORDER), DIMENSION + 1),
    "first.names": (DIMENSION + BUCKETS + NAME_SIGNS + 1,),
}


def chance(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -40.0, 40.0))), dtype=np.float64)


def _dot(rows: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(rows.astype(np.float64) @ weights.astype(np.float64), dtype=np.float64)


def _letters(texts: Sequence[str], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a head makes of the texts' letters; float64 (n,)."""
    found = [ngram_counts(text) for text in texts]
    return np.array([float(weights[places] @ values) for places, values in found], dtype=np.float64)
