"""Second sentence encoder: reads every known language, and answers what the heads ask by itself.

multilingual-e5-small below (``e5.py``), layers trained on edit prompts above (``tuned.py``), run here in
numpy from the very bytes that were hashed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.models.lock import SELF_TEST_CODE, ModelFile
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.prompt.e5 import E5
from consent_edit.perception.prompt.tuned import ANSWERS, FIRST_TUNED, TUNED_ROLE, unpack

SECOND_ROLE: Final = "sentence-encoder-second"

_AT_ONCE: Final = 16
_KNOWN_TEXT: Final = "make the picture warmer"
_KNOWN_ANSWER: Final = (-5.534, -1.155, -10.663)
_TOLERANCE: Final = 0.02
"""The answers of two machines differ by less than 1e-3; a wrong weight moves them by whole numbers."""


class SecondSentenceEncoder:
    """Answers of the second encoder, numpy on one thread.

    Args:
        store: Where the files come from; by default the package's own lock and folders.

    Attributes:
        weights: The carrier's file as it was loaded.
        tuned: The trained layers' file as it was loaded.

    Raises:
        ModelUnavailable: a file is missing or altered, or the self-test failed.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        own = ModelStore() if store is None else store
        self.weights: ModelFile = own.load(SECOND_ROLE)
        self.tuned: ModelFile = own.load(TUNED_ROLE)
        try:
            self._below = E5(self.weights.data, FIRST_TUNED)
        except (ValueError, KeyError, struct.error) as error:
            raise ModelUnavailable(
                f"the second sentence encoder cannot be read ({type(error).__name__})",
                remedy="consent-edit models pull",
            ) from error
        self._above = unpack(self.tuned)
        got = self.answers([_KNOWN_TEXT])[0, : len(_KNOWN_ANSWER)]
        if not np.allclose(got, _KNOWN_ANSWER, rtol=0.0, atol=_TOLERANCE):
            raise ModelUnavailable(
                "the second sentence encoder gave a wrong answer to its known text", code=SELF_TEST_CODE
            )

    def answers(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Answer for texts, each for itself; of a longer one only the first 510 pieces count.

        Returns:
            Log odds, float64 (len(texts), 17): asks for more exposure; that is sexual; a person is named;
            then each operation in the order of :class:`Operation`.

        Raises:
            CheckFailed: an answer is not finite.
        """
        parts = [self._several(texts[i : i + _AT_ONCE]) for i in range(0, len(texts), _AT_ONCE)]
        answers = np.concatenate([np.empty((0, ANSWERS)), *parts])
        if not np.isfinite(answers).all():
            raise CheckFailed("the second sentence encoder gave no usable answer")
        return answers

    def _several(self, texts: Sequence[str]) -> NDArray[np.float64]:
        x, spans = self._below.below(texts)
        for layer in self._above.layers:
            x = layer.run(x, spans)
        means = np.stack([x[span].mean(axis=0, dtype=np.float64) for span in spans])
        weights, plus = self._above.heads
        return np.asarray(means @ weights.astype(np.float64) + plus, dtype=np.float64)


def second_encoder(store: ModelStore) -> SecondSentenceEncoder | None:
    """The second encoder, or None where its file was never pulled; an altered file is refused, not skipped.

    Raises:
        ModelUnavailable: the file is altered, cannot be read, or the self-test failed.
    """
    try:
        store.find(SECOND_ROLE)
    except ModelUnavailable:
        return None
    return SecondSentenceEncoder(store)
