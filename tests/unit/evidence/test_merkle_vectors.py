"""Proof verification agrees with the public RFC 6962 vectors, the bad ones included."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from consent_edit.errors import ReceiptInvalid
from consent_edit.evidence.proofs import check_consistency, check_inclusion

VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "merkle"


def files(kind: str) -> list[Path]:
    return sorted((VECTORS / kind).rglob("*.json"))


def unpack(value: object) -> bytes:
    return base64.b64decode(value) if value else b""


def proof_of(vector: dict) -> list[bytes]:
    return [unpack(node) for node in vector["proof"] or []]


needs_vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="the public Merkle vectors are not beside the checkout"
)


@needs_vectors
@pytest.mark.parametrize("path", files("inclusion"), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_inclusion_vector(path):
    """A good inclusion proof is accepted and a spoilt one refused."""
    vector = json.loads(path.read_text())
    arguments = (
        unpack(vector["leafHash"]),
        vector["leafIdx"],
        vector["treeSize"],
        proof_of(vector),
        unpack(vector["root"]),
    )
    if vector["wantErr"]:
        with pytest.raises(ReceiptInvalid):
            check_inclusion(*arguments)
    else:
        check_inclusion(*arguments)


@needs_vectors
@pytest.mark.parametrize("path", files("consistency"), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_consistency_vector(path):
    """A good consistency proof is accepted and a spoilt one refused."""
    vector = json.loads(path.read_text())
    arguments = (
        vector["size1"],
        vector["size2"],
        proof_of(vector),
        unpack(vector["root1"]),
        unpack(vector["root2"]),
    )
    if vector["wantErr"]:
        with pytest.raises(ReceiptInvalid):
            check_consistency(*arguments)
    else:
        check_consistency(*arguments)


@needs_vectors
def test_vectors_are_there():
    """The folder holds good and bad vectors of both kinds."""
    for kind in ("inclusion", "consistency"):
        verdicts = {json.loads(path.read_text())["wantErr"] for path in files(kind)}
        assert verdicts == {True, False}
