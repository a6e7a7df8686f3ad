"""Pure verification of inclusion and consistency proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

The hashing is RFC 6962's. Nothing here reads a store: whoever holds a receipt can run it.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from consent_edit.errors import ReceiptInvalid
from consent_edit.store.merkle import node_hash

_HASH_BYTES: Final = 32


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Prove that a leaf stands in a tree.

    Args:
        leaf: The leaf's hash, 32 bytes.
        index: Its place, from 0.
        size: Leaves of the tree.
        proof: Sibling hashes, lowest first.
        root: The tree's root hash.

    Raises:
        ReceiptInvalid: ``verification.log``: the proof does not lead from the leaf to the root.
    """
    # 1. The leaf lies in the tree, and every hash is one.
    if not 0 <= index < size or any(len(node) != _HASH_BYTES for node in (leaf, root, *proof)):
        raise _fails("inclusion")
    # 2.-4. Climb from the leaf, each step consuming one sibling.
    place, last, climbed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise _fails("inclusion")
        if place % 2 or place == last:
            climbed = node_hash(sibling, climbed)
            while not place % 2 and place:
                place, last = place >> 1, last >> 1
        else:
            climbed = node_hash(climbed, sibling)
        place, last = place >> 1, last >> 1
    # 5. The climb used the whole proof, ended at the top, and met the root.
    if last or not hmac.compare_digest(climbed, root):
        raise _fails("inclusion")


def check_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Prove that a smaller tree is the beginning of a larger one.

    Args:
        old: Leaves of the earlier tree, 1 at least: an empty tree begins every tree and proves nothing.
        new: Leaves of the later tree.
        proof: Hashes as RFC 6962, section 2.1.2, orders them.
        old_root: Root of the earlier tree.
        new_root: Root of the later tree.

    Raises:
        ReceiptInvalid: ``verification.log``: the proof does not lead to both roots.
    """
    # 1. The sizes are in order; equal sizes need equal roots and no proof; else every hash is one.
    if not 0 < old <= new:
        raise _fails("consistency")
    if old == new:
        if proof or not hmac.compare_digest(old_root, new_root):
            raise _fails("consistency")
        return
    if any(len(node) != _HASH_BYTES for node in (old_root, new_root, *proof)):
        raise _fails("consistency")
    # 2. A complete earlier tree is its own first node.
    nodes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not nodes or not proof:
        raise _fails("consistency")
    # 3.-5. Skip what lies wholly in the earlier tree, then climb both trees at once.
    place, last = old - 1, new - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    from_old = from_new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise _fails("consistency")
        if place % 2 or place == last:
            from_old, from_new = node_hash(node, from_old), node_hash(node, from_new)
            while not place % 2 and place:
                place, last = place >> 1, last >> 1
        else:
            from_new = node_hash(from_new, node)
        place, last = place >> 1, last >> 1
    # 6. Both climbs end at their roots.
    if last or not (hmac.compare_digest(from_old, old_root) and hmac.compare_digest(from_new, new_root)):
        raise _fails("consistency")


def _fails(kind: str) -> ReceiptInvalid:
    return ReceiptInvalid(f"the {kind} proof does not hold", code="verification.log")
