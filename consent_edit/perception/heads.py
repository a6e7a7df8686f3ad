"""The small trained heads of the prompt reader: logistic regressions on embeddings and on letters."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.language import BUCKETS, LANGUAGES, ngram_features, word_hash, words_of
from consent_edit.perception.models import ModelFile
from consent_edit.perception.sentences import DIMENSION
from consent_edit.vocabulary import Operation

HEADS_ROLE: Final = "prompt-head"
OPERATION_ORDER: Final = tuple(Operation)
NAME_SIGNS: Final = 4

OTHER_THRESHOLD: Final = 0.5
SINGLE_WORD_THRESHOLD: Final = 0.8
DOUBT_THRESHOLD: Final = 0.12
KNOWN_SHARE: Final = 0.4
"""The language limits, set on the training phrases kept aside (scripts/train_prompt_head.py)."""

_SHAPES: Final = {
    "exposing": (DIMENSION + BUCKETS + 1,),
    "sexual": (DIMENSION + 1,),
    "operations": (len(OPERATION_ORDER), DIMENSION + 1),
    "names": (DIMENSION + NAME_SIGNS + 1,),
    "language": (len(LANGUAGES) + 1, BUCKETS + 1),
}
_CAPITALISED: Final = r"[A-ZÀ-ÖØ-Þ][\w'’-]+"
_SIGNS: Final = (
    re.compile(rf"{_CAPITALISED} (?:(?:de|von|van|der|la|le|bin) )?{_CAPITALISED}"),
    re.compile(
        r"\b(?:like|as|into|of|with|and|à|en|comme|par|avec|de|a|como|por|con|wie|als|in|mit|von|gegen|ist|und)"
        rf" {_CAPITALISED}"
    ),
    re.compile(
        r"\b(?i:mr|mrs|ms|miss|sir|lady|president|senator|actor|actress|singer|monsieur|madame|mme|président|acteur|actrice|"
        r"chanteu\w+|señora?|presidente|actriz|cantante|herr|frau|präsident|schauspieler\w*|sänger\w*)\.?"
        rf" {_CAPITALISED}"
    ),
    re.compile(rf"\b{_CAPITALISED}['’]s\b"),
)


@dataclass(frozen=True, slots=True, eq=False)
class PromptHeads:
    """Weights, the bias last in each row.

    Attributes:
        exposing: float32 (4609,): asks for more exposure, against ordinary; embedding, then letters, because
            the words for a suit and a swimsuit mean nearly the same to an encoder.
        sexual: float32 (513,): sexual against revealing, where ``exposing`` says so.
        operations: float32 (14, 513), one row an operation, in the order of :class:`Operation`.
        names: float32 (517,): a person is named; embedding, then :func:`name_signs`.
        language: float32 (5, 4097): en, fr, es, de, any other.
        vocabulary: uint32, sorted hashes of the words of the known languages that the training phrases held.
    """

    exposing: NDArray[np.float32]
    sexual: NDArray[np.float32]
    operations: NDArray[np.float32]
    names: NDArray[np.float32]
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
        return cls(**arrays, vocabulary=vocabulary)

    def intent_of(
        self, rows: NDArray[np.float32], texts: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Probability of an exposing request, and of a sexual one given that; float64 (n,) each."""
        both = np.concatenate([rows, ngram_features(texts)], axis=1)
        return _logistic(both, self.exposing), _logistic(rows, self.sexual)

    def operations_of(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each operation; float64 (n, 14)."""
        return _logistic(rows, self.operations)

    def names_of(self, rows: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
        """Probability that a person is named; float64 (n,)."""
        return _logistic(np.concatenate([rows, name_signs(texts)], axis=1), self.names)

    def languages_of(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probability of each known language and, last, of any other; float64 (n, 5)."""
        logits = ngram_features(texts).astype(np.float64) @ self.language[:, :-1].T + self.language[:, -1]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)

    def known_share(self, text: str) -> float:
        """Share of a text's words of three letters or more that the vocabulary holds; 1 without any."""
        hashes = [word_hash(word) for word in words_of(text) if len(word) >= 3]
        return float(np.isin(hashes, self.vocabulary).mean()) if hashes else 1.0

    def is_strange(self, text: str) -> bool:
        """Whether a normalised Latin text is in none of the known languages.

        Few known words count against it only where the letters leave room for doubt, so that a rare word
        is no refusal; a single word is given the benefit of the doubt.
        """
        other = float(self.languages_of([text])[0, -1])
        if len(words_of(text)) < 2:
            return other > SINGLE_WORD_THRESHOLD
        return other > OTHER_THRESHOLD or (other > DOUBT_THRESHOLD and self.known_share(text) < KNOWN_SHARE)


def name_signs(texts: Sequence[str]) -> NDArray[np.float32]:
    """Signs of a name that capital letters give.

    Returns:
        float32 (len(texts), 4) of 0 and 1: two capitalised words in a row; one after a preposition or
        "like"; one after a title or profession; an English possessive.
    """
    signs = [[float(sign.search(text) is not None) for sign in _SIGNS] for text in texts]
    return np.asarray(signs, dtype=np.float32).reshape(len(texts), NAME_SIGNS)


def _logistic(rows: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    logits = rows.astype(np.float64) @ weights[..., :-1].T + weights[..., -1]
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -40.0, 40.0))), dtype=np.float64)
