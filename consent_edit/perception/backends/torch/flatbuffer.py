"""Reads a LiteRT file: tables of a flatbuffer; no schema compiler is needed for the few we use."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.backends.torch.graph import unreadable

_TYPES: Final = {0: "<f4", 1: "<f2", 2: "<i4"}
_INDEX_TYPES: Final = {1: "<i4", 2: "<u2", 3: "<u1"}
_DENSE, _SPARSE = 0, 1


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file: fields by number, as the schema orders them.

    Attributes:
        data: The whole file.
        at: Where the table begins.
    """

    data: bytes
    at: int

    def _place(self, field: int) -> int:
        """Where a field's value is; 0 where it has its default."""
        table = self.at - int(struct.unpack_from("<i", self.data, self.at)[0])
        (size,) = struct.unpack_from("<H", self.data, table)
        if 4 + 2 * field >= size:
            return 0
        (offset,) = struct.unpack_from("<H", self.data, table + 4 + 2 * field)
        return self.at + offset if offset else 0

    def number(self, field: int, form: str = "<i", default: int = 0) -> int:
        """A whole number; ``form`` as in :mod:`struct`."""
        place = self._place(field)
        return int(struct.unpack_from(form, self.data, place)[0]) if place else default

    def table(self, field: int) -> Table | None:
        """A table inside."""
        place = self._place(field)
        return Table(self.data, self._follow(place)) if place else None

    def tables(self, field: int) -> list[Table]:
        """A list of tables."""
        place = self._place(field)
        if not place:
            return []
        start = self._follow(place)
        (count,) = struct.unpack_from("<I", self.data, start)
        return [Table(self.data, self._follow(start + 4 + 4 * i)) for i in range(count)]

    def numbers(self, field: int, form: str = "<i4") -> NDArray[np.generic]:
        """A list of numbers; ``form`` as in numpy."""
        place = self._place(field)
        if not place:
            return np.zeros(0, np.dtype(form))
        start = self._follow(place)
        (count,) = struct.unpack_from("<I", self.data, start)
        return np.frombuffer(self.data, np.dtype(form), count, start + 4)

    def text(self, field: int) -> str:
        """A string; empty where there is none."""
        return self.numbers(field, "<u1").tobytes().decode("utf-8")

    def _follow(self, place: int) -> int:
        return place + int(struct.unpack_from("<I", self.data, place)[0])


@dataclass(frozen=True, slots=True, eq=False)
class LiteRtTensor:
    """A value of the graph; ``constant`` holds a weight, densified and as stored, else ``None``."""

    name: str
    shape: tuple[int, ...]
    constant: NDArray[np.generic] | None


@dataclass(frozen=True, slots=True)
class LiteRtNode:
    """An operation: the number of the built-in one, or its own name where it is not built in.

    Attributes:
        inputs: Places of tensors; -1 for one left out.
        options: Its table; ``None`` where all is default.
        custom: Bytes of a custom operation's options.
    """

    code: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: bytes


@dataclass(frozen=True, slots=True)
class LiteRtFile:
    """The one graph of a file; nodes in the order they run."""

    tensors: tuple[LiteRtTensor, ...]
    nodes: tuple[LiteRtNode, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_file(data: bytes) -> LiteRtFile:
    """The graph of a ``.tflite`` file.

    Raises:
        ModelUnavailable: it is no such file, has more than one graph, or weights of a type not known here.
    """
    try:
        if data[4:8] != b"TFL3":
            raise unreadable("this file")
        root = Table(data, int(struct.unpack_from("<I", data, 0)[0]))
        (graph,) = root.tables(2)
        codes, buffers = root.tables(1), root.tables(4)
        return LiteRtFile(
            tensors=tuple(_tensor(each, buffers) for each in graph.tables(0)),
            nodes=tuple(_node(each, codes) for each in graph.tables(3)),
            inputs=_places(graph, 1),
            outputs=_places(graph, 2),
        )
    except ModelUnavailable:
        raise
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise unreadable(f"this file ({type(error).__name__})") from error


def _places(table: Table, field: int) -> tuple[int, ...]:
    return tuple(int(n) for n in table.numbers(field))


def _tensor(table: Table, buffers: list[Table]) -> LiteRtTensor:
    shape = _places(table, 0)
    raw = buffers[table.number(2, "<I")].numbers(0, "<u1")
    constant: NDArray[np.generic] | None = None
    if raw.size:
        values = np.frombuffer(raw.tobytes(), _TYPES[table.number(1, "<b")])
        sparsity = table.table(6)
        constant = values.reshape(shape) if sparsity is None else _densified(values, shape, sparsity)
    return LiteRtTensor(table.text(3), shape, constant)


def _node(table: Table, codes: list[Table]) -> LiteRtNode:
    code = codes[table.number(0, "<I")]
    return LiteRtNode(
        code=max(code.number(0, "<b"), code.number(3)),  # small numbers stand in the older field too
        name=code.text(1),
        inputs=_places(table, 1),
        outputs=_places(table, 2),
        options=table.table(4),
        custom=table.numbers(5, "<u1").tobytes(),
    )


def _densified(values: NDArray[np.generic], shape: tuple[int, ...], sparsity: Table) -> NDArray[np.generic]:
    """A sparse weight written out: TACO's levels, dense or compressed, over the axes and their blocks."""
    order, blocked = _places(sparsity, 0), _places(sparsity, 1)
    at = np.zeros(1, np.int64)  # place of each entry within its level
    coordinates: dict[int, NDArray[np.int64]] = {}
    sizes: dict[int, int] = {}
    for axis, level in zip(order, sparsity.tables(2), strict=True):
        if level.number(0, "<b") == _DENSE:
            size = sizes[axis] = level.number(1)
            repeats = np.full(len(at), size)
            inner = np.tile(np.arange(size), len(at))
            at = np.repeat(at * size, repeats) + inner
        else:
            segments, indices = _indices(level, 2), _indices(level, 4)
            counts = segments[at + 1] - segments[at]
            repeats = counts
            offsets = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
            at = np.repeat(segments[at], counts) + offsets
            inner = indices[at]
        coordinates = {known: np.repeat(each, repeats) for known, each in coordinates.items()}
        coordinates[axis] = inner
    where = [coordinates[axis] for axis in range(len(shape))]
    for place, axis in enumerate(blocked):
        where[axis] = where[axis] * sizes[len(shape) + place] + coordinates[len(shape) + place]
    dense = np.zeros(shape, values.dtype)
    dense[tuple(where)] = values[at]
    return dense


def _indices(level: Table, field: int) -> NDArray[np.int64]:
    """A compressed level's numbers: a union of three widths, its kind in the field before."""
    held = level.table(field + 1)
    if held is None:
        raise ValueError("no indices")
    return held.numbers(0, _INDEX_TYPES[level.number(field, "<b")]).astype(np.int64)
