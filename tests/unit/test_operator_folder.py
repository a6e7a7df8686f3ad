"""An operator's folder opens whole or not at all: a file of it that cannot be used is refused by name."""

from __future__ import annotations

import json

import pytest

from consent_edit import operator_folder
from consent_edit.consent.issuer_folder import create_issuer, trust_list
from consent_edit.consent.keys import SigningKey
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.operator import unix_now
from consent_edit.vocabulary import Environment

ANCHOR = SigningKey.generate()
SLOPPY_ANCHORS = ["", "[1]", "{}", '{"kty":"OKP","kty":"OKP"}', json.dumps(ANCHOR.export_private())]


def create(folder, issuer, anchor=None):
    now = unix_now()
    entries = [
        create_issuer(issuer, name="https://i", status_uri="https://i/s").trust_entries(now=now, lifetime=9)
    ]
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=now, lifetime=9_000)
    operator_folder.create(
        folder,
        audience="https://service.example",
        trust_list=claims.sign(ANCHOR),
        anchor=json.dumps(ANCHOR.public.export()) if anchor is None else anchor,
        status_uris=("https://i/s",),
    )


def test_control_a_folder_opens(tmp_path):
    """What was created opens, under the anchor it was created with."""
    create(tmp_path / "op", tmp_path / "issuer")
    operator = operator_folder.load(tmp_path / "op")
    assert operator.audience == "https://service.example"
    assert operator.trust.environment is Environment.PRODUCTION
    operator.store.close()


@pytest.mark.parametrize("anchor", SLOPPY_ANCHORS)
def test_sloppy_anchor_makes_no_operator(tmp_path, anchor):
    """An anchor that is no strict public JWK makes no folder."""
    with pytest.raises(ConsentInvalid):
        create(tmp_path / "op", tmp_path / "issuer", anchor)
    assert not (tmp_path / "op").exists()


@pytest.mark.parametrize("anchor", SLOPPY_ANCHORS)
def test_sloppy_anchor_opens_no_operator(tmp_path, anchor):
    """A folder whose anchor is no strict public JWK is not opened."""
    create(tmp_path / "op", tmp_path / "issuer")
    (tmp_path / "op" / "anchor.jwk.json").write_text(anchor)
    with pytest.raises(InputError) as caught:
        operator_folder.load(tmp_path / "op")
    assert caught.value.code == "input.operator"


@pytest.mark.parametrize("name", ["operator.json", "anchor.jwk.json"])
def test_anchor_swapped_by_somebody_else(tmp_path, name):
    """Settings or an anchor that others than the owner can write open no operator, and are never made so."""
    create(tmp_path / "op", tmp_path / "issuer")
    assert not (tmp_path / "op" / name).stat().st_mode & 0o022
    (tmp_path / "op" / name).chmod(0o664)
    with pytest.raises(InputError, match="written by others"):
        operator_folder.load(tmp_path / "op")
