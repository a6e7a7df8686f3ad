"""One layer of a sentence encoder's network, in numpy: every piece looks at its own text, then is widened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]
Weighted = tuple[Weights, Weights]
"""Weights (inputs, outputs) or (width,), and what is added (outputs,) or (width,)."""

HEADS: Final = 12
_EPSILON: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer's weights, each with its bias; query, key and value side by side in ``attend``."""

    attend: Weighted
    gather: Weighted
    gather_norm: Weighted
    widen: Weighted
    narrow: Weighted
    norm: Weighted

    def run(self, x: Weights, spans: Sequence[slice]) -> Weights:
        """The layer's answer; float32 (pieces, width) as ``x``, where each span is one text."""
        x = normed(x + self._attended(x, spans), self.gather_norm)
        inner = _gelu(x @ self.widen[0] + self.widen[1])
        return normed(x + (inner @ self.narrow[0] + self.narrow[1]), self.norm)

    def _attended(self, x: Weights, spans: Sequence[slice]) -> Weights:
        """Every piece looks at the pieces of its own text."""
        width = x.shape[1]
        mixed = x @ self.attend[0] + self.attend[1]
        gathered = np.empty_like(x)
        for span in spans:
            size = span.stop - span.start
            query, key, value = mixed[span].reshape(size, 3, HEADS, width // HEADS).transpose(1, 2, 0, 3)
            scores = query @ key.transpose(0, 2, 1) * np.float32((width // HEADS) ** -0.5)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            gathered[span] = (scores @ value).transpose(1, 0, 2).reshape(size, width)
        return np.asarray(gathered @ self.gather[0] + self.gather[1], dtype=np.float32)


def normed(x: Weights, norm: Weighted) -> Weights:
    """Rows of mean 0 and spread 1, times and plus the norm's own."""
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
    return np.asarray(centred / spread * norm[0] + norm[1], dtype=np.float32)


def _gelu(x: Weights) -> Weights:
    """x times the normal distribution function of x, after Abramowitz and Stegun 7.1.26 (within 2e-7)."""
    bent = np.abs(x) * np.float32(0.70710678)
    t = 1.0 / (1.0 + np.float32(0.3275911) * bent)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = np.float32(0.5) * series * np.exp(-bent * bent)
    return np.asarray(np.where(x >= 0, x * (1.0 - tail), x * tail), dtype=np.float32)
