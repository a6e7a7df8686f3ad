"""The Merkle tree of RFC 6962, section 2.1, kept as complete subtrees: append, root and proofs are O(log n).

A node (level, index) is the hash of the leaves ``index * 2**level`` up to ``(index + 1) * 2**level``; only
complete ones are kept, and each is written once and never changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

NodeReader: TypeAlias = Callable[[int, int], bytes]
"""Gives the hash of a kept node by (level, index)."""

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


@dataclass(frozen=True, slots=True)
class Node:
    """One complete subtree.

    Attributes:
        hash: SHA-256, 32 bytes.
    """

    level: int
    index: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256 over 0x00 and its data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 over 0x01 and its children's hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def appended(size: int, leaf: bytes, read: NodeReader) -> list[Node]:
    """The nodes that adding a leaf completes, the leaf's own first.

    Args:
        size: Leaves before.
        leaf: The new leaf's hash.
        read: Reads nodes of the tree of ``size`` leaves.
    """
    nodes = [Node(0, size, leaf)]
    while nodes[-1].index % 2:
        last = nodes[-1]
        joined = node_hash(read(last.level, last.index - 1), last.hash)
        nodes.append(Node(last.level + 1, last.index // 2, joined))
    return nodes


def root(size: int, read: NodeReader) -> bytes:
    """Root hash of the first ``size`` leaves."""
    return _range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, read: NodeReader) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, section 2.1.1, lowest sibling first.

    Raises:
        ValueError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of that size")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, read))
            end = middle
        else:
            path.append(_range_hash(start, middle, read))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int, read: NodeReader) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, section 2.1.2.

    Raises:
        ValueError: unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError("a consistency proof goes from a tree with leaves to one no smaller")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, read))
            end = middle
        else:
            path.append(_range_hash(start, middle, read))
            start, whole = middle, False
    if not whole:
        path.append(_range_hash(start, end, read))
    return path[::-1]


def _split(count: int) -> int:
    """The largest power of two smaller than ``count``, which is 2 at least."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(start: int, end: int, read: NodeReader) -> bytes:
    """Hash of the leaves from ``start`` to ``end``, where ``start`` is aligned as RFC 6962 splits ranges."""
    count = end - start
    level = count.bit_length() - 1
    if count == 1 << level:
        return read(level, start >> level)
    middle = start + (1 << level)
    return node_hash(read(level, start >> level), _range_hash(middle, end, read))
