"""The stored tree is RFC 6962's: same roots and proofs as the definition gives, from far fewer nodes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_edit.errors import ReceiptInvalid
from consent_edit.evidence.proofs import check_consistency, check_inclusion
from consent_edit.store import merkle


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word by word."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return merkle.leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


def grown(count: int):
    """A tree of ``count`` leaves, its leaves, and how often its nodes were read while growing."""
    nodes: dict[tuple[int, int], bytes] = {}
    leaves = [str(number).encode() for number in range(count)]
    for size, leaf in enumerate(leaves):
        for node in merkle.appended(size, merkle.leaf_hash(leaf), lambda level, index: nodes[level, index]):
            nodes[node.level, node.index] = node.hash
    return leaves, lambda level, index: nodes[level, index]


def test_roots_match_the_definition():
    """Every root of a growing tree equals the recursive definition."""
    leaves, read = grown(70)
    for size in range(71):
        assert merkle.root(size, read) == defined_root(leaves[:size])


def test_root_reads_few_nodes():
    """The root of a million leaves would take at most 20 reads: shown at 1023 by counting them."""
    _, read = grown(1023)
    reads = []
    merkle.root(1023, lambda level, index: reads.append(level) or read(level, index))
    assert len(reads) == 10


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_proofs_hold_for_their_leaf_alone(data):
    """Each inclusion proof holds for its own leaf, index, size and root, and for no other leaf."""
    size = data.draw(st.integers(1, 65))
    index = data.draw(st.integers(0, size - 1))
    leaves, read = grown(size)
    proof, root = merkle.inclusion_path(index, size, read), merkle.root(size, read)
    check_inclusion(merkle.leaf_hash(leaves[index]), index, size, proof, root)
    with pytest.raises(ReceiptInvalid):
        check_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
    if size > 1:
        with pytest.raises(ReceiptInvalid):
            check_inclusion(merkle.leaf_hash(leaves[index]), (index + 1) % size, size, proof, root)


def test_consistency_between_all_sizes():
    """Every earlier tree is proved to begin every later one, and a forked one is not."""
    _, read = grown(33)
    for new in range(1, 34):
        for old in range(1, new + 1):
            proof = merkle.consistency_path(old, new, read)
            old_root, new_root = merkle.root(old, read), merkle.root(new, read)
            check_consistency(old, new, proof, old_root, new_root)
            with pytest.raises(ReceiptInvalid):
                check_consistency(old, new, proof, merkle.leaf_hash(b"fork"), new_root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_path_for_a_leaf_that_is_not_there(index, size):
    """Asking for a leaf beyond the tree is an error, not an empty proof."""
    _, read = grown(3)
    with pytest.raises(ValueError, match="no such leaf"):
        merkle.inclusion_path(index, size, read)
